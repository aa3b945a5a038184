//! The writer operation by operation: what it asks for, when, and what it says. What happens when everything fails at once is
//! the simulator's (`torc-log-sim`).

use bytes::Bytes;

use super::*;
use crate::encode::{Content, Encoder};

/// A log and a host that decides when what ends.
struct Bench {
    log: Log,
    now: Now,
    begun: Vec<Operation>,
    events: Vec<Event>,
    encoder: Encoder,
}

const SETTINGS: Settings = Settings {
    fsync: Fsync::Always,
    no_fsync_on_rewrite: false,
    rewrite_percentage: 0,
    rewrite_bytes_min: 0,
    timestamps: false,
    base_format: BaseFormat::Rdb,
    keeps_history: false,
    buffer_bytes_max: 100,
    gap_bytes_max: 100,
};

fn cut_wanted(reason: RewriteReason) -> Event {
    Event::CutWanted { reason, format: BaseFormat::Rdb }
}

fn start(content: StartContent) -> Start {
    Start {
        names: Names::new("a").unwrap(),
        manifest: Manifest::default(),
        files: Vec::new(),
        content,
        tail: None,
        empty_base: Bytes::new(),
        single_file_bytes: None,
        number: 0,
    }
}

impl Bench {
    /// A log of this content that has been opened.
    fn of(start: Start, settings: Settings) -> Bench {
        let now = Now { monotonic_ms: 10_000, unix_ms: 1_700_000_000_000 };
        let log = Log::open(start, settings, now);
        let mut bench = Bench { log, now, begun: Vec::new(), events: Vec::new(), encoder: Encoder::default() };
        bench.run();
        assert_eq!(bench.events.remove(0), Event::Opened);
        bench
    }

    fn new(settings: Settings) -> Bench {
        Bench::of(start(StartContent::InFiles), settings)
    }

    fn content(&mut self, db: u16) -> Content {
        self.encoder.record([(db, &b"*1\r\n$1\r\na\r\n"[..])]);
        self.encoder.take()
    }

    fn push(&mut self, number: u64) {
        let content = self.content(0);
        self.log.push(Group::new(number, content));
        self.gather();
    }

    /// What would be loaded.
    fn files(&self) -> Vec<&str> {
        self.log.manifest().loaded().map(|listed| &*listed.file).collect()
    }

    /// What is there besides.
    fn history(&self) -> Vec<&str> {
        self.log.manifest().history().iter().map(|listed| &*listed.file).collect()
    }

    /// Makes a rewrite with this cut and runs it to its end.
    fn rewrite(&mut self, cut: u64) {
        self.log.ask_rewrite().expect("none is under way");
        self.log.push(Group::cut(cut));
        self.run();
        self.log.base_finished(5);
        self.run();
    }

    fn gather(&mut self) {
        self.begun.extend(std::iter::from_fn(|| self.log.next_operation()));
        self.events.extend(std::iter::from_fn(|| self.log.next_event()));
    }

    /// What is in flight, in words.
    fn in_flight(&self) -> Vec<String> {
        self.begun.iter().map(|operation| words(&operation.action)).collect()
    }

    /// Ends the operation whose words begin so.
    fn end(&mut self, beginning: &str, outcome: Outcome) {
        let place = self.begun.iter().position(|operation| words(&operation.action).starts_with(beginning));
        let place = place.unwrap_or_else(|| panic!("no {beginning} is in flight: {:?}", self.in_flight()));
        let id = self.begun.remove(place).id;
        self.log.complete(id, outcome, self.now);
        self.gather();
    }

    fn done(&mut self, beginning: &str) {
        self.end(beginning, Outcome::Done);
    }

    /// Ends everything well until nothing is in flight; gives what it was.
    fn run(&mut self) -> Vec<String> {
        self.gather();
        let mut all = Vec::new();
        while let Some(operation) = self.begun.first() {
            let text = words(&operation.action);
            self.done(&text);
            all.push(text);
        }
        all
    }

    fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_ms += ms;
        self.log.tick(self.now);
        self.gather();
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Write { file, offset, chunks } => {
            let text: Vec<u8> = chunks.concat();
            let text = String::from_utf8(text).unwrap().replace("*1\r\n$1\r\na\r\n", "a ").replace("\r\n", " ");
            let text = text.replace("*2 $6 SELECT $1 ", "S").trim().to_owned();
            let is_manifest = file.ends_with("manifest");
            if is_manifest { format!("write {file}") } else { format!("write {file} at {offset}: {text}") }
        }
        Action::Create { file } => format!("create {file}"),
        Action::Sync { file } => format!("sync {file}"),
        Action::SyncDirectory => "sync directory".into(),
        Action::Rename { from, to } => format!("rename {from} {to}"),
        Action::Unlink { file } => format!("unlink {file}"),
        Action::Truncate { file, bytes } => format!("truncate {file} to {bytes}"),
        Action::SetAside { file, offset, to } => format!("set aside {file} from {offset} in {to}"),
        Action::MoveIn { file } => format!("move in {file}"),
    }
}

#[test]
fn an_fsync_that_is_held_back_covers_more_and_the_end_holds_nothing_back() {
    let mut bench = Bench::new(SETTINGS);
    bench.log.hold_sync(true);
    bench.push(1);
    bench.done("write");
    bench.push(2);
    bench.done("write");
    assert!(bench.in_flight().is_empty(), "{:?}", bench.in_flight());
    bench.log.hold_sync(false);
    bench.gather();
    bench.done("sync a.1.incr.aof");
    assert_eq!(bench.log.answerable(), 2);
    bench.log.hold_sync(true);
    bench.push(3);
    bench.log.close();
    let rest = bench.run();
    assert!(rest.contains(&"sync a.1.incr.aof".to_owned()), "{rest:?}");
    assert_eq!(bench.log.answerable(), 3);
}

#[test]
fn one_fsync_commits_what_gathered_while_another_ran() {
    let mut bench = Bench::new(SETTINGS);
    bench.push(1);
    assert_eq!(bench.in_flight(), ["write a.1.incr.aof at 0: S0 a"]);
    bench.done("write");
    assert_eq!(bench.in_flight(), ["sync a.1.incr.aof"]);
    for number in 2..=5 {
        bench.push(number);
    }
    // The write goes on beside the fsync; what it writes is covered by the next one.
    assert_eq!(bench.in_flight(), ["sync a.1.incr.aof", "write a.1.incr.aof at 34: a"]);
    bench.done("write");
    assert_eq!(bench.in_flight(), ["sync a.1.incr.aof", "write a.1.incr.aof at 45: a a a"]);
    bench.done("sync");
    assert_eq!((bench.log.durable(), bench.log.answerable()), (1, 1));
    assert_eq!(bench.in_flight(), ["write a.1.incr.aof at 45: a a a"], "the fsync waits for the write");
    bench.done("write");
    bench.done("sync");
    assert_eq!(bench.log.durable(), 5);
    let statistics = bench.log.statistics();
    assert_eq!((statistics.syncs, statistics.groups_synced, statistics.commands_synced), (2, 5, 5));
    assert_eq!((statistics.writes, statistics.bytes_written), (3, 78));
    assert!(bench.in_flight().is_empty() && bench.events.is_empty() && bench.log.wake_at_ms().is_none());
}

#[test]
fn a_stream_without_pause_does_not_keep_fsyncs_waiting() {
    let mut bench = Bench::new(SETTINGS);
    bench.push(1);
    for number in 2..=9 {
        bench.push(number);
        // Something waits whenever a write ends.
        bench.done("write");
        assert_eq!(bench.in_flight().len(), 2, "the next write, and the fsync");
        bench.done("sync");
    }
    assert_eq!(bench.log.durable(), 8);
}

#[test]
fn groups_leave_in_the_order_of_their_numbers() {
    let mut bench = Bench::new(SETTINGS);
    bench.push(3);
    bench.push(2);
    assert!(bench.in_flight().is_empty());
    bench.log.push(Group::new(1, Content::default()));
    bench.gather();
    // The first group has nothing to write.
    assert_eq!(bench.in_flight(), ["write a.1.incr.aof at 0: S0 a a"]);
    assert_eq!(bench.log.durable(), 0);
    bench.run();
    bench.log.push(Group::new(4, Content::default()));
    assert_eq!(bench.log.durable(), 4, "nothing is to be synced for it");
}

#[test]
fn select_is_written_where_the_database_changes() {
    let mut bench = Bench::new(SETTINGS);
    for (number, db) in [(2, 0), (3, 0), (4, 7), (5, 7), (1, 0)] {
        let content = bench.content(db);
        bench.log.push(Group::new(number, content));
    }
    assert_eq!(bench.run()[0], "write a.1.incr.aof at 0: S0 a a a S7 a a");
}

#[test]
fn every_second_means_once_a_second_and_the_last_one_too() {
    let mut bench = Bench::new(Settings { fsync: Fsync::EverySecond, ..SETTINGS });
    bench.push(1);
    bench.done("write");
    assert!(bench.in_flight().is_empty());
    assert_eq!((bench.log.durable(), bench.log.answerable()), (0, u64::MAX));
    assert_eq!(bench.log.wake_at_ms(), Some(11_000));
    bench.pass(999);
    assert!(bench.in_flight().is_empty());
    bench.pass(1);
    assert_eq!(bench.in_flight(), ["sync a.1.incr.aof"]);
    // A disk that stalls: writes go on, nothing else is synced, and it is told once.
    bench.push(2);
    bench.done("write");
    bench.pass(2000);
    bench.pass(2000);
    assert_eq!(bench.in_flight(), ["sync a.1.incr.aof"]);
    assert_eq!(bench.events, [Event::SyncIsSlow]);
    assert_eq!(bench.log.statistics().syncs_delayed, 1);
    bench.done("sync");
    assert_eq!(bench.log.durable(), 1);
    bench.done("sync");
    assert_eq!((bench.log.durable(), bench.log.wake_at_ms()), (2, None));
}

#[test]
fn without_fsync_only_the_end_is_synced() {
    let mut bench = Bench::new(Settings { fsync: Fsync::Never, ..SETTINGS });
    bench.push(1);
    bench.done("write");
    bench.pass(100_000);
    assert!(bench.in_flight().is_empty());
    bench.log.close();
    assert_eq!(bench.run(), ["sync a.1.incr.aof"]);
    assert_eq!((bench.events, bench.log.durable()), (vec![Event::Closed], 1));
}

#[test]
fn another_policy_counts_at_once() {
    let mut bench = Bench::new(Settings { fsync: Fsync::Never, ..SETTINGS });
    bench.push(1);
    bench.done("write");
    bench.log.configure(SETTINGS);
    assert_eq!(bench.run(), ["sync a.1.incr.aof"]);
    assert_eq!(bench.log.durable(), 1);
}

#[test]
fn a_failed_write_is_cut_off_and_tried_again() {
    let mut bench = Bench::new(SETTINGS);
    (1..=3).for_each(|number| bench.push(number));
    bench.done("write");
    bench.run();
    (4..=6).for_each(|number| bench.push(number));
    bench.end("write", Outcome::Done);
    // Of the groups 5 and 6 so much is written, and then the disk is full.
    bench.end("write a.1.incr.aof at 67: a a", Outcome::Short(15));
    assert!(bench.in_flight().contains(&"write a.1.incr.aof at 82: $1 a".into()));
    bench.end("write", Outcome::Failed(Failure::NoSpace));
    assert_eq!(bench.log.refusal(), Some(Refusal::Write(Failure::NoSpace)));
    let refused = [Event::RefusalBegins(Refusal::Write(Failure::NoSpace)), Event::WaitersFailed { up_to: 6 }];
    assert_eq!(bench.events, refused);
    // The first of them is whole.
    bench.done("truncate a.1.incr.aof to 78");
    bench.run();
    assert_eq!(bench.log.durable(), 5);
    bench.push(7);
    assert_eq!(bench.events[2..], [Event::WaitersFailed { up_to: 7 }]);
    bench.pass(999);
    assert!(bench.in_flight().is_empty());
    bench.pass(1);
    bench.done("write a.1.incr.aof at 78: a");
    assert_eq!((bench.log.refusal(), &bench.events[3..]), (None, &[Event::RefusalEnds][..]));
    bench.run();
    assert_eq!(bench.log.durable(), 7);
}

#[test]
fn after_a_failed_fsync_only_a_new_base_counts() {
    let mut bench = Bench::new(SETTINGS);
    bench.push(1);
    bench.done("write");
    bench.end("sync", Outcome::Failed(Failure::Io));
    let refusal = Refusal::Sync(Failure::Io);
    let wanted = cut_wanted(RewriteReason::LostFile);
    assert_eq!(bench.events, [Event::RefusalBegins(refusal), wanted, Event::WaitersFailed { up_to: 1 }]);
    bench.push(2);
    assert!(bench.in_flight().is_empty(), "nothing is written to that file");
    bench.log.push(Group::cut(3));
    bench.push(4);
    let begun = bench.run();
    assert_eq!(begun[..3], ["create a.2.incr.aof", "sync a.2.incr.aof", "sync directory"]);
    assert_eq!(begun[begun.len() - 2..], ["write a.2.incr.aof at 0: S0 a", "sync a.2.incr.aof"]);
    assert_eq!((bench.log.durable(), bench.files()), (0, vec!["a.1.base.rdb", "a.1.incr.aof"]));
    bench.log.base_finished(17);
    bench.run();
    assert_eq!((bench.log.durable(), bench.log.refusal(), bench.log.needs_base()), (4, None, None));
    assert_eq!(bench.files(), ["a.2.base.rdb", "a.2.incr.aof"]);
}

#[test]
fn a_rewrite_goes_from_cut_to_the_end_of_history() {
    let mut bench = Bench::new(Settings { fsync: Fsync::Never, ..SETTINGS });
    bench.push(1);
    bench.run();
    assert_eq!(bench.log.ask_rewrite(), Ok(()));
    assert_eq!(bench.log.ask_rewrite(), Err(RewriteDenied::InProgress));
    bench.push(2);
    // The next group comes before the cut does.
    bench.push(4);
    bench.log.push(Group::cut(3));
    let replacement = |begun: &[String]| {
        let names = ["create temp-a.manifest", "write temp-a.manifest", "sync temp-a.manifest"];
        assert_eq!(begun[..3], names);
        assert_eq!(begun[3..], ["rename temp-a.manifest a.manifest", "sync directory"]);
    };
    let begun = bench.run();
    assert_eq!(begun[..2], ["write a.1.incr.aof at 34: a", "sync a.1.incr.aof"], "the old file is whole first");
    assert_eq!(begun[2..5], ["create a.2.incr.aof", "sync a.2.incr.aof", "sync directory"]);
    replacement(&begun[5..10]);
    assert_eq!(begun[10..], ["write a.2.incr.aof at 0: S0 a"], "what is above the cut comes then, with its SELECT");
    let may_begin = Event::BaseMayBegin { file: "a.2.base.rdb".into(), cut: 3 };
    assert_eq!(bench.events, [cut_wanted(RewriteReason::Asked), may_begin]);
    assert_eq!(bench.log.durable(), 3);
    bench.log.base_finished(100);
    let begun = bench.run();
    assert_eq!(begun[..2], ["sync a.2.base.rdb", "sync directory"]);
    replacement(&begun[2..7]);
    assert_eq!(begun[7..10], ["unlink a.1.incr.aof", "unlink a.1.base.rdb", "sync directory"]);
    replacement(&begun[10..]);
    assert_eq!(bench.events[2..], [Event::RewriteDone { bytes: 134 }]);
    assert!(!bench.log.is_rewriting() && bench.log.manifest().history().is_empty());
}

#[test]
fn a_base_that_fails_leaves_the_old_ones() {
    let mut bench = Bench::new(SETTINGS);
    bench.log.ask_rewrite().unwrap();
    bench.log.push(Group::cut(1));
    bench.run();
    bench.log.base_failed();
    let begun = bench.run();
    assert_eq!(begun[..2], ["unlink a.2.base.rdb", "sync directory"]);
    assert_eq!(bench.events[2..], [Event::RewriteFailed { failures: 1, pause_ms: 0 }]);
    assert_eq!(bench.files(), ["a.1.base.rdb", "a.1.incr.aof", "a.2.incr.aof"]);
    bench.push(2);
    bench.run();
    assert_eq!(bench.log.durable(), 2);
}

#[test]
fn a_rewrite_asked_for_while_files_are_deleted_begins_behind_that() {
    let mut bench = Bench::new(SETTINGS);
    bench.log.ask_rewrite().unwrap();
    bench.log.push(Group::cut(1));
    bench.run();
    bench.log.base_failed();
    assert!(bench.log.is_clearing());
    assert_eq!(bench.log.ask_rewrite(), Ok(()));
    assert_eq!(bench.log.ask_rewrite(), Err(RewriteDenied::InProgress));
    bench.run();
    assert_eq!(bench.events.last(), Some(&cut_wanted(RewriteReason::Asked)));
    bench.log.push(Group::cut(2));
    bench.run();
    bench.log.base_finished(5);
    bench.run();
    assert!(matches!(bench.events.last(), Some(Event::RewriteDone { .. })));
    assert!(!bench.log.is_rewriting() && bench.log.manifest().history().is_empty());
}

#[test]
fn a_full_buffer_stops_admission_until_half_of_it_is_free() {
    let mut bench = Bench::new(Settings { fsync: Fsync::EverySecond, ..SETTINGS });
    (1..=10).for_each(|number| bench.push(number));
    assert_eq!((bench.log.is_full(), &bench.events[..]), (true, &[Event::AdmissionStops][..]));
    bench.done("write");
    assert_eq!(bench.events.len(), 1, "99 bytes are being written");
    bench.done("write");
    assert_eq!((bench.log.is_full(), bench.events[1].clone()), (false, Event::AdmissionGoesOn));
    // The same for what waits for a number that does not come.
    (12..=22).for_each(|number| bench.push(number));
    assert!(bench.log.is_full());
    bench.push(11);
    bench.run();
    assert!(!bench.log.is_full());
}

#[test]
fn fsyncs_wait_for_a_base_if_so_set() {
    let mut bench = Bench::new(Settings { no_fsync_on_rewrite: true, ..SETTINGS });
    bench.log.set_saving(true);
    bench.push(1);
    assert_eq!(bench.run(), ["write a.1.incr.aof at 0: S0 a"]);
    assert_eq!((bench.log.durable(), bench.log.answerable()), (0, 1), "then always is like no");
    bench.log.set_saving(false);
    assert_eq!(bench.run(), ["sync a.1.incr.aof"]);
    assert_eq!(bench.log.durable(), 1);
}

#[test]
fn times_are_noted_once_a_second() {
    let mut bench = Bench::new(Settings { timestamps: true, ..SETTINGS });
    for number in 1..=3 {
        bench.push(number);
        let expected = if number == 2 { "a" } else { "#TS:170000000" };
        assert!(bench.run()[0].contains(expected));
        bench.pass(if number == 2 { 1000 } else { 0 });
    }
    assert!(bench.log.statistics().bytes_written > 60);
}

#[test]
fn a_log_without_files_needs_a_base_first() {
    let mut bench = Bench::of(start(StartContent::InMemory), SETTINGS);
    assert_eq!(bench.events, [cut_wanted(RewriteReason::FirstBase)]);
    bench.push(1);
    bench.log.push(Group::cut(2));
    bench.push(3);
    bench.run();
    assert_eq!((bench.log.durable(), bench.log.written(), bench.log.refusal()), (0, 0, None));
    bench.log.base_finished(5);
    bench.run();
    assert_eq!(bench.log.durable(), 3);
}

#[test]
fn before_the_first_base_nothing_is_promised_and_nobody_waits() {
    let mut bench = Bench::of(start(StartContent::InMemory), SETTINGS);
    bench.push(1);
    assert_eq!(bench.log.answerable(), u64::MAX);
    bench.log.push(Group::cut(2));
    bench.push(3);
    bench.run();
    assert_eq!(bench.log.answerable(), u64::MAX);
    bench.log.base_finished(5);
    bench.run();
    assert_eq!(bench.log.answerable(), 3);
    // What is lost before counts for nothing either.
    let mut bench = Bench::of(start(StartContent::InMemory), SETTINGS);
    bench.log.push(Group::cut(1));
    bench.push(2);
    while !bench.in_flight().iter().any(|words| words == "sync a.1.incr.aof") || bench.events.len() < 2 {
        let first = bench.in_flight().first().cloned().expect("it goes on");
        bench.done(&first);
    }
    bench.end("sync a.1.incr.aof", Outcome::Failed(Failure::Io));
    assert_eq!(bench.log.needs_base(), Some(RewriteReason::FirstBase));
    assert_eq!(bench.log.answerable(), u64::MAX);
}

/// How far the first base is when its log is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reached {
    NoCut,
    NamesIncrement,
    NamesIncrementAgain,
    BaseUnderWay,
    Installs,
    InstallsAgain,
}

/// The log of `a.4.incr.aof` is begun anew from memory, goes so far, and is closed.
fn closed_at(reached: Reached) -> Bench {
    let manifest = Manifest::default().with_increment(&Names::new("a").unwrap(), 4);
    let mut bench = Bench::of(Start { manifest, ..start(StartContent::InMemory) }, SETTINGS);
    let fails = |bench: &mut Bench, beginning: &str| bench.end(beginning, Outcome::Failed(Failure::NoSpace));
    if reached != Reached::NoCut {
        bench.log.push(Group::cut(1));
        bench.push(2);
        if reached == Reached::NamesIncrementAgain {
            fails(&mut bench, "create a.5.incr.aof");
        }
    }
    if matches!(reached, Reached::BaseUnderWay | Reached::Installs | Reached::InstallsAgain) {
        bench.run();
    }
    if matches!(reached, Reached::Installs | Reached::InstallsAgain) {
        bench.log.base_finished(5);
        bench.gather();
        if reached == Reached::InstallsAgain {
            for beginning in
                ["sync a.1.base.rdb", "sync directory", "create temp", "write temp", "sync temp", "rename temp"]
            {
                bench.done(beginning);
            }
            fails(&mut bench, "sync directory");
        }
    }
    bench.log.close();
    bench.gather();
    bench
}

#[test]
fn a_log_that_is_closed_before_its_first_base_ends_in_vain() {
    for reached in [Reached::NoCut, Reached::NamesIncrement, Reached::NamesIncrementAgain, Reached::BaseUnderWay] {
        let mut bench = closed_at(reached);
        bench.run();
        if bench.events.contains(&Event::AbandonBase) {
            bench.log.base_failed();
        } else {
            assert_eq!(reached, Reached::NoCut);
        }
        bench.run();
        assert_eq!(bench.events.last(), Some(&Event::Closed), "{reached:?}: {:?}", bench.events);
        assert_eq!(
            (bench.files(), bench.log.durable()),
            (vec!["a.4.incr.aof"], 0),
            "{reached:?}: what was there stays"
        );
        assert!(bench.log.manifest().history().is_empty(), "{reached:?}");
    }
    // Its base is there: it is a log like any other.
    let mut bench = closed_at(Reached::Installs);
    bench.run();
    assert_eq!((bench.events.last(), bench.log.durable()), (Some(&Event::Closed), 2));
    // Nobody knows which manifest is found after a crash: the files of both stay.
    let bench = closed_at(Reached::InstallsAgain);
    assert_eq!((bench.events.last(), bench.in_flight().len()), (Some(&Event::Closed), 0));
}

#[test]
fn a_base_may_fail_before_there_is_a_file_for_it() {
    let mut bench = Bench::new(SETTINGS);
    bench.log.ask_rewrite().expect("none is under way");
    bench.log.push(Group::cut(1));
    bench.gather();
    bench.log.base_failed();
    bench.push(2);
    bench.run();
    assert!(!bench.events.iter().any(|event| matches!(event, Event::BaseMayBegin { .. } | Event::AbandonBase)));
    assert_eq!(bench.files(), ["a.1.base.rdb", "a.1.incr.aof", "a.2.incr.aof"]);
    assert_eq!((bench.log.durable(), bench.log.is_rewriting()), (2, false));
}

#[test]
fn a_log_that_cannot_be_opened_can_be_closed() {
    let mut log = Log::open(start(StartContent::InMemory), SETTINGS, Now::default());
    let operation = log.next_operation().expect("the directory is synced");
    log.complete(operation.id, Outcome::Failed(Failure::Io), Now::default());
    log.close();
    assert!(std::iter::from_fn(|| log.next_event()).any(|event| event == Event::Closed));
    // Also while it is tried.
    let mut log = Log::open(start(StartContent::InMemory), SETTINGS, Now::default());
    let operation = log.next_operation().expect("the directory is synced");
    log.close();
    assert_eq!(log.next_event(), None);
    log.complete(operation.id, Outcome::Failed(Failure::Io), Now::default());
    assert!(std::iter::from_fn(|| log.next_event()).any(|event| event == Event::Closed));
}

#[test]
fn a_torn_tail_is_set_aside_and_an_old_file_moved() {
    let manifest = Manifest::default().with_increment(&Names::new("a").unwrap(), 4);
    let files = vec![
        FoundFile { file: "a.4.incr.aof".into(), bytes: 90 },
        FoundFile { file: "a.5.incr.aof".into(), bytes: 0 },
        FoundFile { file: "a.9.incr.aof".into(), bytes: 3 },
        FoundFile { file: "temp-a.manifest".into(), bytes: 3 },
    ];
    let begin = Start { manifest, files, tail: Some(Tail { offset: 77 }), ..start(StartContent::InFiles) };
    let mut log = Log::open(begin, SETTINGS, Now::default());
    let mut begun = Vec::new();
    while let Some(operation) = log.next_operation() {
        begun.push(words(&operation.action));
        log.complete(operation.id, Outcome::Done, Now::default());
    }
    let expected = [
        "sync directory",
        "sync a.4.incr.aof",
        "unlink a.5.incr.aof",
        "unlink temp-a.manifest",
        "sync directory",
        "set aside a.4.incr.aof from 77 in a.4.incr.aof.torn-at-77",
        "truncate a.4.incr.aof to 77",
        "sync a.4.incr.aof",
        "sync directory",
    ];
    assert_eq!(begun, expected);
    assert_eq!(log.next_event(), Some(Event::Stranger { file: "a.9.incr.aof".into() }));
    let old = Start { single_file_bytes: Some(50), ..start(StartContent::InFiles) };
    let mut bench = Bench::of(old, SETTINGS);
    assert_eq!((bench.files(), bench.log.bytes()), (vec!["a", "a.1.incr.aof"], 50));
    bench.push(1);
    assert_eq!(bench.in_flight(), ["write a.1.incr.aof at 0: S0 a"]);
}

#[test]
fn a_log_that_has_grown_asks_for_a_base() {
    let settings = Settings { rewrite_percentage: 100, rewrite_bytes_min: 50, ..SETTINGS };
    let mut bench = Bench::new(settings);
    bench.push(1);
    bench.run();
    assert!(bench.events.is_empty());
    bench.push(2);
    bench.push(3);
    bench.run();
    assert_eq!(bench.events, [cut_wanted(RewriteReason::Grown)]);
}

#[test]
fn a_log_without_any_file_begins_with_a_base_of_nothing() {
    for (bytes, writes) in [(&b"none"[..], vec!["write a.1.base.rdb at 0: none"]), (b"", vec![])] {
        let begin = Start { empty_base: Bytes::from_static(bytes), ..start(StartContent::InFiles) };
        let mut log = Log::open(begin, SETTINGS, Now::default());
        let (mut begun, mut planned) = (Vec::new(), Vec::new());
        while let Some(operation) = log.next_operation() {
            begun.push(words(&operation.action));
            log.complete(operation.id, Outcome::Done, Now::default());
            if begun.last().is_some_and(|last| last == "create a.1.base.rdb") {
                planned = log.manifest().render();
            }
        }
        assert_eq!(planned, b"file a.1.base.rdb seq 1 type h\n", "a crash leaves no file that no manifest names");
        let made = ["create a.1.base.rdb"].into_iter().chain(writes).chain(["sync a.1.base.rdb"]);
        let expected: Vec<&str> = made.chain(["create a.1.incr.aof", "sync a.1.incr.aof", "sync directory"]).collect();
        assert_eq!(begun[6..6 + expected.len()], expected);
        assert_eq!(log.manifest().render(), b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n");
        assert_eq!((log.bytes(), log.baseline_bytes()), (bytes.len() as u64, bytes.len() as u64));
        assert_eq!(log.next_event(), Some(Event::Opened));
    }
}

/// A base alone, wanted in a directory that has the log of `a.3.base.rdb`.
fn base_alone() -> Bench {
    let manifest = b"file a.3.base.rdb seq 3 type b\nfile a.4.incr.aof seq 4 type i\n";
    let manifest = Manifest::parse(manifest).unwrap();
    let bench = Bench::of(Start { manifest, ..start(StartContent::ForBaseAlone) }, SETTINGS);
    assert_eq!(bench.events, [cut_wanted(RewriteReason::FirstBase)]);
    bench
}

#[test]
fn a_base_alone_replaces_all_files_and_the_log_closes() {
    let mut bench = base_alone();
    assert_eq!(bench.log.answerable(), u64::MAX);
    bench.log.push(Group::cut(1));
    let begun = bench.run();
    assert_eq!(begun[0], "create temp-a.manifest", "no increment is begun: {begun:?}");
    assert_eq!(bench.events.last(), Some(&Event::BaseMayBegin { file: "a.4.base.rdb".into(), cut: 1 }));
    assert_eq!(bench.files(), ["a.3.base.rdb", "a.4.incr.aof"], "until it is whole what was there counts");
    bench.log.base_finished(5);
    let begun = bench.run();
    assert_eq!(begun[7..10], ["unlink a.4.incr.aof", "unlink a.3.base.rdb", "sync directory"]);
    assert_eq!(bench.log.manifest().render(), b"file a.4.base.rdb seq 4 type b\n");
    assert_eq!(bench.events[2..], [Event::RewriteDone { bytes: 5 }, Event::Closed]);
    assert_eq!((bench.log.answerable(), bench.log.wake_at_ms()), (u64::MAX, None));
}

#[test]
fn a_base_alone_that_fails_leaves_what_was_there_and_refuses_nothing() {
    let fails = Outcome::Failed(Failure::NoSpace);
    let failed = Event::RewriteFailed { failures: 1, pause_ms: 0 };
    // In the directory, before and behind the base; and while it is written.
    for (operation, named) in [("sync temp-a.manifest", true), ("rename temp-a.manifest", false), ("", false)] {
        let mut bench = base_alone();
        bench.log.push(Group::cut(1));
        if !named {
            bench.run();
            match operation {
                "" => bench.log.base_failed(),
                _ => bench.log.base_finished(5),
            }
        }
        bench.gather();
        while let Some(next) = bench.in_flight().first().cloned() {
            let is_it = next.starts_with(operation) && !operation.is_empty();
            bench.end(&next, if is_it && !bench.events.contains(&failed) { fails } else { Outcome::Done });
        }
        if bench.events.contains(&Event::AbandonBase) {
            bench.log.base_failed();
            bench.run();
        }
        assert!(bench.events.contains(&failed), "{operation}: {:?}", bench.events);
        assert_eq!(bench.events.last(), Some(&Event::Closed), "{operation}: {:?}", bench.events);
        assert!(!bench.events.iter().any(|event| matches!(event, Event::RefusalBegins(_))), "{:?}", bench.events);
        assert_eq!(bench.files(), ["a.3.base.rdb", "a.4.incr.aof"], "{operation}");
    }
}

#[test]
fn a_base_alone_that_cannot_even_be_begun_fails_once() {
    let mut log = Log::open(start(StartContent::ForBaseAlone), SETTINGS, Now::default());
    let operation = log.next_operation().expect("the directory is synced");
    log.complete(operation.id, Outcome::Failed(Failure::Io), Now::default());
    let events: Vec<Event> = std::iter::from_fn(|| log.next_event()).collect();
    assert_eq!(events[1..], [Event::RewriteFailed { failures: 1, pause_ms: 0 }, Event::Closed]);
    assert_eq!((log.next_operation(), log.wake_at_ms()), (None, None));
}

#[test]
fn history_stays_as_long_as_it_is_to() {
    let mut bench = Bench::new(Settings { keeps_history: true, ..SETTINGS });
    bench.rewrite(1);
    bench.rewrite(2);
    let history = ["a.2.incr.aof", "a.2.base.rdb", "a.1.incr.aof", "a.1.base.rdb"];
    assert_eq!((bench.files(), bench.history()), (vec!["a.3.base.rdb", "a.3.incr.aof"], history.to_vec()));
    assert!(!bench.log.is_clearing());
    bench.log.configure(SETTINGS);
    assert!(bench.log.is_clearing());
    let begun = bench.run();
    assert!(!bench.log.is_clearing());
    assert_eq!(
        begun[..5],
        history.map(|file| format!("unlink {file}")).into_iter().chain(["sync directory".into()]).collect::<Vec<_>>()
    );
    assert_eq!((bench.files().len(), bench.history().len()), (2, 0));
}

#[test]
fn what_stays_as_history_keeps_its_name() {
    let manifest = b"file a.3.base.rdb seq 3 type b\nfile a.1.incr.aof seq 1 type h\nfile a.4.base.rdb seq 4 type h\n";
    let manifest = Manifest::parse(manifest).unwrap();
    let settings = Settings { keeps_history: true, ..SETTINGS };
    let mut bench = Bench::of(Start { manifest, ..start(StartContent::InMemory) }, settings);
    bench.log.push(Group::cut(1));
    bench.run();
    bench.log.base_finished(5);
    bench.run();
    assert_eq!(bench.files(), ["a.5.base.rdb", "a.2.incr.aof"]);
    assert_eq!(bench.history(), ["a.3.base.rdb", "a.1.incr.aof", "a.4.base.rdb"]);
}
