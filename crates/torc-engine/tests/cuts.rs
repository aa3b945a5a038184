//! A cut does not hold writers for a core that is in a long command: it probes, withdraws what takes too long, and ends granted.
//! See docs/durability.md, "The probe".

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;

use common::{Client, TestCore, clock_ns, encode, key_of_each_core, let_long_commands_take, words};
use torc_engine::effect::{Effect, Unit};
use torc_engine::route::CoreId;
use torc_engine::saving::SaveForm;
use torc_engine::{Engine, HostReply, HostRequest, Message, Taken};

const MS: u64 = 1_000_000;

/// Cores whose turns a test makes by hand: one that makes none is in a long command.
struct Cores {
    server: TestCore,
    keys: Vec<String>,
    mailboxes: RefCell<Vec<VecDeque<(CoreId, Message)>>>,
}

impl Cores {
    fn new(cores: u16) -> Self {
        let mailboxes = (0..cores).map(|_| VecDeque::new()).collect();
        let made = Cores {
            server: TestCore::new(cores),
            keys: key_of_each_core(cores, "k"),
            mailboxes: RefCell::new(mailboxes),
        };
        made.turns(&(0..cores).collect::<Vec<_>>());
        made
    }

    fn turn(&self, core: CoreId) {
        let mail = std::mem::take(&mut self.mailboxes.borrow_mut()[usize::from(core)]);
        self.server.engine(core, |engine| {
            engine.begin_turn(0, clock_ns());
            mail.into_iter().for_each(|(from, message)| engine.on_message(from, message));
            engine.run_stalled();
            engine.end_overdue_waits();
            engine.flush(|to, message| self.mailboxes.borrow_mut()[usize::from(to)].push_back((core, message)));
        });
    }

    /// These cores make turns until nothing more comes of it.
    fn turns(&self, cores: &[CoreId]) {
        (0..12).for_each(|_| cores.iter().for_each(|&core| self.turn(core)));
    }

    fn begin_cut(&self, holds: bool) {
        self.server.engine(0, |engine| engine.begin_cut(1, SaveForm::Rdb, holds));
    }

    /// Messages from one core to another are on their way for longer: gives those that would have come.
    fn delay(&self, from: CoreId, to: CoreId) -> VecDeque<(CoreId, Message)> {
        let mailbox = &mut self.mailboxes.borrow_mut()[usize::from(to)];
        let (late, others) = std::mem::take(mailbox).into_iter().partition(|(sender, _)| *sender == from);
        *mailbox = others;
        late
    }

    /// Until all cores have said that they are here, and the claims are on their way.
    fn probe(&self) {
        (0..self.keys.len() as u16).for_each(|core| self.turn(core));
        self.turn(0);
    }

    fn send(&self, client: &Client, core: CoreId, line: &str) {
        self.server.engine(core, |engine| engine.on_bytes(client.connection(), &encode(&words(line))));
    }

    fn taken(&self, client: &Client, core: CoreId) -> String {
        let out = self.server.engine(core, |engine| {
            engine.take_dirty(&mut Vec::new());
            engine.drain_output(client.connection())
        });
        String::from_utf8(out).expect("text")
    }

    /// Which cores have caught their keys since this was last asked.
    fn caught(&self) -> Vec<CoreId> {
        let is_begun = |request: &HostRequest| matches!(request, HostRequest::SavingBegun { .. });
        let has_caught = |core: &CoreId| self.server.engine(*core, Engine::take_host_requests).iter().any(is_begun);
        (0..self.keys.len() as u16).filter(has_caught).collect()
    }

    /// Attempts that were withdrawn, and the longest time for which one has held writers, in microseconds.
    fn withdrawn_and_held(&self) -> (u64, u64) {
        self.server.engine(0, |engine| {
            let stats = engine.inspect().stats();
            (stats.cuts_withdrawn, stats.cut_held_us_max)
        })
    }

    fn assert_idle(&self) {
        for core in 0..self.keys.len() as u16 {
            self.server.engine(core, |engine| assert!(engine.claims_are_idle() && !engine.has_work()));
        }
    }
}

fn let_pass(ns: u64) {
    let_long_commands_take(ns);
    clock_ns();
    let_long_commands_take(0);
}

#[test]
fn a_core_in_a_long_command_holds_no_writer_of_another() {
    let cores = Cores::new(3);
    let (own, other) = (cores.server.client(), cores.server.client_on(1));
    cores.begin_cut(false);
    for round in 0..3 {
        // Core 2 is in a command of seconds.
        cores.turns(&[0, 1]);
        let_pass(700 * MS);
        cores.send(&own, 0, &format!("SET {} {round}", cores.keys[0]));
        cores.send(&other, 1, &format!("MSET {} {round} {} {round}", cores.keys[0], cores.keys[1]));
        cores.turns(&[0, 1]);
        assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["+OK\r\n", "+OK\r\n"]);
    }
    assert!(cores.caught().is_empty());
    cores.turns(&[0, 1, 2]);
    assert_eq!(cores.caught(), [0, 1, 2]);
    assert_eq!(cores.withdrawn_and_held(), (0, 0), "no time has passed between claims and hops");
    cores.assert_idle();
}

#[test]
fn claims_that_are_not_all_granted_are_withdrawn() {
    let cores = Cores::new(3);
    let (own, other, late) = (cores.server.client(), cores.server.client_on(1), cores.server.client_on(2));
    cores.begin_cut(false);
    cores.probe();
    // The claims have gone out, and core 2 has begun something.
    cores.turns(&[0, 1]);
    cores.send(&own, 0, &format!("SET {} 1", cores.keys[0]));
    cores.send(&other, 1, &format!("SET {} 1", cores.keys[1]));
    let_pass(10 * MS - 1);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["", ""], "they wait for the cut");
    let due = cores.server.engine(0, |engine| engine.next_deadline_ms());
    assert_eq!(due, Some(cores.server.now_ms() + 1), "the core wakes for it");
    let_pass(1);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["+OK\r\n", "+OK\r\n"]);
    assert_eq!(cores.withdrawn_and_held(), (1, 10_000));
    cores.turns(&[2]);
    cores.send(&late, 2, &format!("SET {} 1", cores.keys[2]));
    assert_eq!(cores.taken(&late, 2), "+OK\r\n", "a claim that was withdrawn before it came is none");
    assert!(cores.caught().is_empty());
    let_pass(10 * MS - 1);
    cores.turns(&[0, 1, 2]);
    assert!(cores.caught().is_empty(), "there is a pause");
    let_pass(1);
    cores.turns(&[0, 1, 2]);
    assert_eq!(cores.caught(), [0, 1, 2]);
    cores.assert_idle();
}

#[test]
fn it_ends_granted_whatever_comes_between() {
    let cores = Cores::new(2);
    let (writer, reader) = (cores.server.client(), cores.server.client());
    cores.begin_cut(false);
    for pause_ms in [10, 20, 40, 80, 160] {
        cores.probe();
        // Core 1 is in something long whenever the claim comes.
        let_pass(10 * MS);
        cores.turns(&[0]);
        let_pass(pause_ms * MS - 1);
        cores.turns(&[0, 1]);
        assert!(cores.caught().is_empty());
        let_pass(1);
    }
    assert_eq!(cores.withdrawn_and_held(), (5, 10_000));
    cores.probe();
    cores.send(&writer, 0, &format!("SET {} 1", cores.keys[0]));
    cores.send(&reader, 0, &format!("BITCOUNT {}", cores.keys[0]));
    let_pass(3000 * MS);
    cores.turns(&[0]);
    assert_eq!(cores.taken(&writer, 0), "", "the sixth attempt stays");
    assert_eq!(cores.taken(&reader, 0), "", "and what may take long waits for it");
    assert_eq!(cores.server.engine(0, |engine| engine.next_deadline_ms()), None, "nothing ends that but the cut");
    cores.turns(&[1, 0]);
    assert_eq!(cores.caught(), [0, 1]);
    assert_eq!([cores.taken(&writer, 0), cores.taken(&reader, 0)], ["+OK\r\n", ":3\r\n"]);
    assert_eq!(cores.withdrawn_and_held(), (5, 3_000_000));
    cores.assert_idle();
}

#[test]
fn a_core_that_stands_by_begins_nothing_that_may_take_long() {
    let cores = Cores::new(2);
    let [own, other, brief] = [0, 1, 0].map(|core| cores.server.client_on(core));
    cores.begin_cut(false);
    // Core 1 does not hear of it.
    cores.turn(0);
    let key = &cores.keys[0];
    for line in [format!("BITCOUNT {key}"), format!("SET {key} a"), format!("BITCOUNT {key}")] {
        cores.send(&own, 0, &line);
        cores.send(&other, 1, &line);
    }
    cores.send(&brief, 0, &format!("GET {key}"));
    let unheard = std::mem::take(&mut cores.mailboxes.borrow_mut()[1]);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["", ""]);
    assert_eq!(cores.taken(&brief, 0), "$-1\r\n", "others do not notice");
    assert!(!cores.server.engine(0, |engine| engine.has_work()), "the core may sleep meanwhile");
    let due = cores.server.engine(0, |engine| engine.next_deadline_ms());
    assert_eq!(due, Some(cores.server.now_ms() + 11));
    let_pass(10 * MS);
    cores.turns(&[0, 1]);
    let expected = [":0\r\n+OK\r\n:3\r\n", ":3\r\n+OK\r\n:3\r\n"];
    let replies = [cores.taken(&own, 0), cores.taken(&other, 1)];
    assert!(replies == expected || [&replies[1], &replies[0]] == expected, "{replies:?}");
    cores.mailboxes.borrow_mut()[1].extend(unheard);
    cores.turns(&[0, 1]);
    assert_eq!(cores.caught(), [0, 1]);
    cores.assert_idle();
}

/// A cut that holds writes on purpose lets what may take long go on as soon as it is granted, as far as that reads.
#[test]
fn a_hold_begins_when_the_cut_is_granted() {
    let cores = Cores::new(2);
    let client = cores.server.client();
    cores.begin_cut(true);
    cores.turns(&[0, 1]);
    let requests = cores.server.engine(0, Engine::take_host_requests);
    let holder = requests.iter().find_map(|request| match request {
        HostRequest::WritesHeld { asker, .. } => Some(*asker),
        _ => None,
    });
    let_pass(500 * MS);
    cores.send(&client, 0, &format!("BITCOUNT {}", cores.keys[0]));
    assert_eq!(cores.taken(&client, 0), ":0\r\n");
    cores.send(&client, 0, &format!("SET {} a", cores.keys[0]));
    cores.turns(&[0, 1]);
    assert_eq!(cores.taken(&client, 0), "");
    cores.server.engine(0, |engine| engine.on_host_answer(holder.expect("writes are held"), HostReply::Done));
    cores.turns(&[0, 1]);
    assert_eq!(cores.taken(&client, 0), "+OK\r\n");
    assert_eq!(cores.withdrawn_and_held(), (0, 0), "what is held on purpose does not count");
    cores.assert_idle();
}

/// What a core has told: how many units, and the words of their commands.
fn told(cores: &Cores, core: CoreId) -> (usize, String) {
    let Taken::Units(units) = cores.server.engine(core, Engine::take_units) else { panic!("little is told") };
    let words = |effect: Effect| match effect {
        Effect::Propagated(propagated) => String::from_utf8_lossy(&propagated.request).into_owned(),
        _ => String::new(),
    };
    (units.len(), units.iter().flat_map(Unit::to_vec).map(words).collect())
}

/// A transaction has got its claims before its coordinator streams, and comes home behind the first cut of the log, which has it.
#[test]
fn what_was_begun_before_the_stream_is_in_no_record_above_the_cut() {
    let cores = Cores::new(3);
    let client = cores.server.client();
    let [a, b, c] = [0, 1, 2].map(|core: usize| cores.keys[core].clone());
    cores.send(&client, 0, &format!("MSET {a} 1 {b} 1 {c} 1"));
    // Schedules, grants, hops; the last core streams when its hop comes, and does not get through with what that has done.
    for core in [0, 1, 2, 0, 1] {
        cores.turn(core);
    }
    cores.server.engine(2, Engine::begin_stream);
    cores.turn(2);
    let done = cores.delay(2, 0);
    assert!(!done.is_empty());
    cores.turns(&[0, 1]);
    assert_eq!(cores.taken(&client, 0), "");
    (0..2).for_each(|core| cores.server.engine(core, Engine::begin_stream));
    cores.server.engine(1, |engine| engine.begin_cut(1, SaveForm::Rdb, false));
    let mut late = done;
    for _ in 0..12 {
        for core in 0..3 {
            late.extend(cores.delay(2, 0));
            cores.turn(core);
        }
    }
    assert_eq!(cores.caught(), [0, 1, 2]);
    cores.mailboxes.borrow_mut()[0].extend(late);
    cores.turns(&[0, 1, 2]);
    assert_eq!(cores.taken(&client, 0), "+OK\r\n");
    assert_eq!([0, 1, 2].map(|core| told(&cores, core).0), [0, 0, 0]);
    // From now on all of it is told.
    cores.send(&client, 0, &format!("MSET {a} 2 {b} 2 {c} 2"));
    cores.turns(&[0, 1, 2]);
    let (units, words) = told(&cores, 0);
    assert!(units == 1 && words.matches("SET").count() >= 1, "{units} {words}");
    cores.assert_idle();
}

/// A transaction that only reads finds a key that has expired, and who waits for its claim writes the key again: first the removal is told.
#[test]
fn what_has_expired_is_told_before_it_is_written_again() {
    let cores = Cores::new(2);
    let (reader, writer) = (cores.server.client(), cores.server.client());
    (0..2).for_each(|core| cores.server.engine(core, Engine::begin_stream));
    cores.send(&writer, 0, &format!("SET {} 1 PX 5", cores.keys[0]));
    cores.server.advance_ms(10);
    let _ = told(&cores, 0);
    cores.send(&reader, 0, &format!("MGET {} {}", cores.keys[0], cores.keys[1]));
    cores.send(&writer, 0, &format!("SET {} 2", cores.keys[0]));
    assert_eq!(told(&cores, 0), (0, String::new()), "it waits for the claim");
    cores.turns(&[0, 1]);
    let (_, words) = told(&cores, 0);
    let (removed, written) = (words.find("DEL").expect("it has expired"), words.find("SET").expect("it is written"));
    assert!(removed < written, "{words}");
    cores.assert_idle();
}
