//! One run: cores that make groups, a host that does what the log asks, a disk, crashes, and the judge.

mod switch;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use torc_log::{
    Action, Encoder, Event, Failure, FoundFile, Fsync, Group, Log, Names, Now, OperationId, Outcome, RewriteReason,
    Start, StartContent,
};

use crate::disk::{Disk, SyncPoint};
use crate::load::{load, outside};
use crate::model::State;
use crate::plan::{Beginning, Plan, settings};
use crate::random::Random;

/// Steps of a run, at most: nothing goes in circles.
const STEPS_MAX: u64 = 400_000;
/// When faults have ended, everything is durable after so long.
const REST_US: u64 = 120_000_000;
/// Nothing but writing takes longer until a group is durable: a write, an fsync before it, and its own two; then some.
const DELAY_US_MAX: u64 = 60_000;
/// Steps between the start of a process and its crash, at most.
const STEPS_TO_CRASH: u64 = 500;

/// What was covered by runs.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    groups: u64,
    crashes: u64,
    tails: u64,
    rewrites: u64,
    rewrite_failures: u64,
    syncs: u64,
    lost_files: u64,
    write_failures: u64,
    refusals: u64,
    failed_waiters: u64,
    admission_stops: u64,
    switches: u64,
    bases_alone: u64,
}

impl Summary {
    /// Adds what another run has covered.
    pub fn add(&mut self, other: &Summary) {
        self.groups += other.groups;
        self.crashes += other.crashes;
        self.tails += other.tails;
        self.rewrites += other.rewrites;
        self.rewrite_failures += other.rewrite_failures;
        self.syncs += other.syncs;
        self.lost_files += other.lost_files;
        self.write_failures += other.write_failures;
        self.refusals += other.refusals;
        self.failed_waiters += other.failed_waiters;
        self.admission_stops += other.admission_stops;
        self.switches += other.switches;
        self.bases_alone += other.bases_alone;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} groups, {} crashes, {} tails cut, {} rewrites ({} failed), {} fsyncs, {} files lost, {} writes failed, {} \
             refusals, {} times waiters failed, {} times admission stopped, {} times off and on, {} bases meanwhile",
            self.groups,
            self.crashes,
            self.tails,
            self.rewrites,
            self.rewrite_failures,
            self.syncs,
            self.lost_files,
            self.write_failures,
            self.refusals,
            self.failed_waiters,
            self.admission_stops,
            self.switches,
            self.bases_alone
        )
    }
}

/// What happens at some time.
enum Happens {
    /// A core makes a group.
    Produce,
    /// A group arrives at the log.
    Arrives(Group),
    /// An operation ends.
    Ends { id: OperationId, action: Action, point: Option<SyncPoint>, outcome: Outcome },
    /// The host makes the cut, or cannot.
    Cut { fails: bool },
    /// A piece of the base is written.
    BaseGrows,
    /// The base has stopped.
    BaseStops,
    /// An operator changes something.
    Configure,
}

/// A base that is being written.
struct Base {
    file: String,
    bytes: Vec<u8>,
    written: usize,
}

/// States after each record, and how many records there are up to each number.
type History = (Vec<State>, Vec<usize>);

struct Simulation {
    random: Random,
    plan: Plan,
    names: Names,
    disk: Disk,
    log: Log,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Happens>,
    queued: u64,
    encoders: Vec<Encoder>,
    /// The state after each record.
    states: Vec<State>,
    /// How many records there are up to each number of a group.
    ends: Vec<usize>,
    /// When each group was made.
    made_us: Vec<u64>,
    /// Since when the log does nothing but write groups.
    steady_us: u64,
    /// What else may be on the disk until the log has synced what was loaded: what was there when it was loaded.
    others: Vec<History>,
    groups_left: u64,
    crashes_left: u64,
    steps: u64,
    crash_at: u64,
    base: Option<Base>,
    has_faults: bool,
    is_closed: bool,
    /// The log is turned off, to be turned on again.
    is_switching: bool,
    /// Meanwhile a base is written by itself.
    is_for_base_alone: bool,
    /// It is not wanted any more.
    is_called_off: bool,
    durable: u64,
    /// What a log that was turned off had durable, which stays so until another one has more.
    kept: u64,
    in_flight: usize,
    is_traced: bool,
    summary: Summary,
}

/// Makes the run of this seed; a failure panics. `is_traced`: shows everything that happens.
pub fn run(seed: u64, is_traced: bool) -> Summary {
    let mut simulation = Simulation::new(seed, is_traced);
    simulation.run_through();
    simulation.run_without_faults();
    simulation.close();
    simulation.judge_rest();
    simulation.end_life();
    simulation.summary
}

impl Simulation {
    fn new(seed: u64, is_traced: bool) -> Simulation {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        if is_traced {
            eprintln!("{plan:#?}");
        }
        let names = Names::new("a.aof").expect("a good name");
        let mut disk = Disk::new(plan.page);
        let mut state = State::default();
        if plan.beginning != Beginning::Empty {
            (0..5).for_each(|_| _ = state.make_command(&mut random));
        }
        if let Beginning::SingleFile { is_torn } = plan.beginning {
            let tail: &[u8] = if is_torn { b"*2\r\n$4\r\nTO" } else { b"" };
            disk.put_durable(&outside(&names), &[&state.dump(), tail].concat());
        }
        // Replaced at once by the log that begins with what is found.
        let start = Start {
            names: names.clone(),
            manifest: torc_log::Manifest::default(),
            files: Vec::new(),
            content: StartContent::InFiles,
            tail: None,
            empty_base: empty_base(),
            single_file_bytes: None,
            number: 0,
        };
        let log = Log::open(start, plan.settings, Now::default());
        let mut simulation = Simulation {
            encoders: (0..plan.cores).map(|_| Encoder::default()).collect(),
            groups_left: plan.groups,
            crashes_left: plan.crashes,
            random,
            plan,
            names,
            disk,
            log,
            now_us: 1_000_000,
            queue: BTreeMap::new(),
            queued: 0,
            states: vec![state],
            ends: vec![0],
            made_us: vec![0],
            steady_us: 0,
            others: Vec::new(),
            steps: 0,
            crash_at: 0,
            base: None,
            has_faults: true,
            is_closed: false,
            is_switching: false,
            is_for_base_alone: false,
            is_called_off: false,
            durable: 0,
            kept: 0,
            in_flight: 0,
            is_traced,
            summary: Summary::default(),
        };
        simulation.begin_life();
        simulation
    }

    /// Groups, crashes and faults, until there are to be no more.
    fn run_through(&mut self) {
        while self.groups_left > 0 || self.crashes_left > 0 {
            let is_due = |what: &Happens| matches!(what, Happens::Arrives(_) | Happens::Cut { .. });
            if self.groups_left > 0 {
                self.switch();
            } else if self.random.permille(5) && !self.is_switching && !self.queue.values().any(is_due) {
                // A process may also end while it ends. If that is in vain, another log follows.
                self.is_switching = self.log.needs_base() == Some(RewriteReason::FirstBase);
                self.log.close();
                self.serve();
            }
            self.switch_on();
            let has_work = self.has_work();
            assert!(has_work || self.crashes_left > 0, "there are groups to come");
            if has_work {
                self.step();
            }
            if self.crashes_left > 0 && (self.steps >= self.crash_at || !has_work) {
                self.crash();
            }
        }
    }

    /// Without faults everything becomes durable by itself.
    fn run_without_faults(&mut self) {
        self.has_faults = false;
        self.configure(self.plan.settings);
        let until_us = self.now_us + REST_US;
        while self.switch_on() || (self.has_work() && (self.now_us < until_us || self.log.is_rewriting())) {
            self.step();
        }
        let last = self.last_number();
        assert!(self.log.refusal().is_none(), "writes are refused for ever: {:?}", self.log.refusal());
        assert_eq!(self.log.pending_bytes(), 0, "groups wait for ever");
        assert!(!self.log.is_rewriting(), "a rewrite does not end");
        if self.log_settings().fsync != Fsync::Never {
            assert_eq!(self.log.durable(), last, "the end of the stream does not become durable");
        }
    }

    fn close(&mut self) {
        self.log.close();
        self.serve();
        let until_us = self.now_us + REST_US;
        while !self.is_closed && self.has_work() && self.now_us < until_us {
            self.step();
        }
        assert!(self.is_closed, "the log does not close");
        assert_eq!(self.log.durable(), self.last_number(), "a closed log is durable");
    }

    /// Nothing is left over, and what is there is everything.
    fn judge_rest(&mut self) {
        let manifest = self.log.manifest();
        assert!(manifest.history().is_empty(), "history is left: {manifest:?}");
        let name = self.names.manifest();
        let left = |file: &str| !manifest.names(file) && file != name && !file.contains(".torn-at-");
        let left: Vec<String> = self.disk.list().into_iter().map(|(file, _)| file).filter(|file| left(file)).collect();
        assert!(left.is_empty(), "files are left over: {left:?}");
        self.disk.crash(&mut self.random);
        let loaded = load(&self.disk, &self.names, &mut self.random);
        assert!(loaded.tail.is_none(), "a closed log ends with a whole record");
        let records = self.judge_loaded(loaded.state);
        assert_eq!(records + 1, self.states.len(), "a closed log has everything");
    }

    fn log_settings(&self) -> &torc_log::Settings {
        &self.plan.settings
    }

    fn last_number(&self) -> u64 {
        self.ends.len() as u64 - 1
    }

    fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.log.wake_at_ms().is_some()
    }

    fn now(&self) -> Now {
        Now { monotonic_ms: self.now_us / 1000, unix_ms: 1_700_000_000_000 + self.now_us / 1000 }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            eprintln!("{:>10} {:>5} {}", self.now_us, self.steps, what());
        }
    }

    fn after(&mut self, delay_us: u64, what: Happens) {
        self.queued += 1;
        self.queue.insert((self.now_us + delay_us, self.queued), what);
    }

    /// What happens next.
    fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the run does not end");
        let wake_us = self.log.wake_at_ms().map(|at_ms| at_ms * 1000);
        let next_us = self.queue.first_key_value().map(|((at_us, _), _)| *at_us);
        if next_us.is_none_or(|next_us| wake_us.is_some_and(|wake_us| wake_us < next_us)) {
            let wake_us = wake_us.expect("something happens, or the log waits for some time");
            self.now_us = self.now_us.max(wake_us);
            self.log.tick(self.now());
            let (has_asked, wake_ms) = (self.serve(), self.log.wake_at_ms());
            assert!(has_asked || wake_ms > Some(self.now_us / 1000) || wake_ms.is_none(), "the log wakes for nothing");
        } else {
            let ((at_us, _), what) = self.queue.pop_first().expect("it is there");
            self.now_us = self.now_us.max(at_us);
            self.happen(what);
        }
        self.serve();
        self.judge_step();
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Produce => self.produce(),
            Happens::Arrives(group) => {
                self.trace(|| format!("arrives {group:?}").chars().take(60).collect());
                self.log.push(group);
            }
            Happens::Ends { id, action, point, outcome } => {
                self.in_flight -= 1;
                let outcome = self.apply(&action, point, outcome);
                self.trace(|| format!("ends {id:?} {outcome:?}"));
                self.log.complete(id, outcome, self.now());
            }
            Happens::Cut { fails } if fails || self.refuses_cut() => self.log.base_failed(),
            Happens::Cut { .. } => {
                self.ends.push(self.states.len() - 1);
                self.made_us.push(self.now_us);
                let number = self.last_number();
                self.trace(|| format!("cut {number}"));
                let delay_us = self.random.below(2000);
                self.after(delay_us, Happens::Arrives(Group::cut(number)));
            }
            Happens::BaseGrows => self.grow_base(),
            Happens::BaseStops => {
                self.trace(|| "the base has stopped".into());
                self.log.base_failed();
            }
            Happens::Configure => {
                let base_format = self.plan.settings.base_format;
                let wanted = torc_log::Settings { base_format, ..settings(&mut self.random) };
                self.configure(wanted);
            }
        }
    }

    /// At the end no history stays, so that nothing does.
    fn configure(&mut self, settings: torc_log::Settings) {
        self.plan.settings = settings;
        self.plan.settings.keeps_history &= self.has_faults;
        self.log.configure(self.plan.settings);
    }

    /// A turn of some core.
    fn produce(&mut self) {
        if self.groups_left == 0 {
            return;
        }
        let gap_us = 1 + self.random.below(self.plan.gap_us);
        self.after(gap_us, Happens::Produce);
        if self.is_switching {
            return;
        }
        if self.random.permille(self.plan.rewrites) {
            _ = self.log.ask_rewrite();
        }
        // While writes are refused or clients wait, only what happens by itself is written.
        if (self.log.is_full() || self.log.refusal().is_some()) && !self.random.permille(200) {
            return;
        }
        self.groups_left -= 1;
        self.summary.groups += 1;
        let core = self.random.below(self.encoders.len() as u64) as usize;
        for _ in 0..self.random.below(4) {
            self.make_record(core);
        }
        self.ends.push(self.states.len() - 1);
        self.made_us.push(self.now_us);
        let group = Group::new(self.last_number(), self.encoders[core].take());
        let delay_us = self.random.below(3000);
        self.after(delay_us, Happens::Arrives(group));
    }

    /// One command, or a transaction.
    fn make_record(&mut self, core: usize) {
        let mut state = self.states.last().expect("there is one").clone();
        let number = self.states.len() as u64;
        let mut commands: Vec<_> = (0..self.random.below(4)).map(|_| state.make_command(&mut self.random)).collect();
        let place = self.random.below(commands.len() as u64 + 1) as usize;
        commands.insert(place, state.note_number(number, &mut self.random));
        self.encoders[core].record(commands.iter().map(|(db, request)| (*db, &request[..])));
        self.states.push(state);
    }

    /// Does what the log asks for; tells whether it has asked for anything.
    fn serve(&mut self) -> bool {
        let mut has_asked = false;
        loop {
            if let Some(operation) = self.log.next_operation() {
                self.in_flight += 1;
                self.trace(|| format!("begins {:?} {}", operation.id, words(&operation.action)));
                self.begin(operation.id, operation.action);
            } else if let Some(event) = self.log.next_event() {
                self.trace(|| format!("{event:?}"));
                self.hear(event);
            } else {
                return has_asked;
            }
            has_asked = true;
        }
    }

    fn begin(&mut self, id: OperationId, action: Action) {
        let point = match &action {
            Action::Sync { file } => {
                Some(self.disk.begin_sync(file).unwrap_or_else(|| panic!("{file} is synced and not there")))
            }
            _ => None,
        };
        let outcome = self.fate(&action);
        let delay_us = match self.random.permille(if self.has_faults { self.plan.stalls } else { 0 }) {
            true => self.random.below(6_000_000),
            false => 50 + self.random.below(4000),
        };
        self.after(delay_us, Happens::Ends { id, action, point, outcome });
    }

    /// What will become of an operation.
    fn fate(&mut self, action: &Action) -> Outcome {
        let failures = match action {
            _ if !self.has_faults => 0,
            Action::Write { .. } => self.plan.write_failures,
            Action::Sync { .. } => self.plan.sync_failures,
            Action::Unlink { .. } => self.plan.unlink_failures,
            _ => self.plan.directory_failures,
        };
        if self.random.permille(failures) {
            return Outcome::Failed(self.random.pick(&[Failure::NoSpace, Failure::Io]));
        }
        let len = written(action).len() as u64;
        let may_be_short = self.has_faults && len > 1 && matches!(action, Action::Write { .. });
        match may_be_short && self.random.permille(self.plan.short_writes) {
            true => Outcome::Short(self.random.among(1..len)),
            false => Outcome::Done,
        }
    }

    /// The disk does it; gives what the log is told.
    fn apply(&mut self, action: &Action, point: Option<SyncPoint>, outcome: Outcome) -> Outcome {
        let is_done = outcome == Outcome::Done;
        let worked = match action {
            Action::Write { file, offset, .. } => {
                let bytes = written(action);
                let len = match outcome {
                    Outcome::Done => bytes.len(),
                    Outcome::Short(len) => len as usize,
                    Outcome::Failed(_) => self.random.below(bytes.len() as u64 + 1) as usize,
                };
                self.disk.write(file, *offset, &bytes[..len])
            }
            Action::Sync { .. } => {
                let point = point.expect("an fsync has begun");
                if is_done {
                    self.disk.end_sync(point)
                } else {
                    self.disk.fail_sync(point, &mut self.random)
                }
                true
            }
            _ if !is_done => true,
            Action::Create { file } => {
                self.disk.create(file);
                true
            }
            Action::SyncDirectory => {
                self.disk.sync_directory();
                true
            }
            Action::Rename { from, to } => self.disk.rename(from, to),
            Action::Unlink { file } if !self.disk.unlink(file) => return Outcome::Failed(Failure::NotFound),
            Action::Unlink { .. } => true,
            Action::Truncate { file, bytes } => self.disk.truncate(file, *bytes),
            Action::SetAside { file, offset, to } => self.set_aside(file, *offset, to),
            Action::MoveIn { file } => self.disk.rename(&outside(&self.names), file) || self.disk.read(file).is_some(),
        };
        assert!(worked, "the file is not there: {}", words(action));
        outcome
    }

    fn set_aside(&mut self, file: &str, offset: u64, to: &str) -> bool {
        let bytes = self.disk.read(file).expect("it was loaded");
        self.disk.create(to);
        let worked = self.disk.write(to, 0, &bytes[offset as usize..]);
        let point = self.disk.begin_sync(to).expect("it was made");
        self.disk.end_sync(point);
        worked
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::CutWanted { .. } => {
                let fails = self.has_faults && self.random.permille(self.plan.base_failures);
                let delay_us = self.random.below(5000);
                self.after(delay_us, Happens::Cut { fails });
            }
            Event::BaseMayBegin { file, cut } => {
                assert!(self.base.is_none(), "one base at a time");
                let bytes = self.states[self.ends[cut as usize]].dump();
                self.base = Some(Base { file: file.to_string(), bytes, written: 0 });
                self.disk.create(&file);
                self.after(100, Happens::BaseGrows);
            }
            Event::AbandonBase => {
                // A log that ends in vain has no use for what was caught, although there is no file for it yet.
                assert!(self.base.take().is_some() || self.is_switching, "there is a base to abandon");
                let delay_us = self.random.below(3000);
                self.after(delay_us, Happens::BaseStops);
            }
            Event::Stranger { file } => panic!("{file} was left by nobody"),
            Event::Closed => self.is_closed = true,
            Event::Opened if self.log.needs_base().is_none() => self.others.clear(),
            Event::RewriteDone { .. } => self.others.clear(),
            Event::RefusalBegins(_) => self.summary.refusals += 1,
            Event::WaitersFailed { up_to } => {
                assert!(up_to > self.log.durable(), "who waits for what is durable does not fail");
                self.summary.failed_waiters += 1;
            }
            Event::AdmissionStops => self.summary.admission_stops += 1,
            _ => {}
        }
    }

    fn grow_base(&mut self) {
        let Some(base) = &mut self.base else { return };
        if self.has_faults && self.random.permille(self.plan.base_failures) {
            self.base = None;
            self.log.base_failed();
            return;
        }
        let end = base.bytes.len().min(base.written + self.random.among(20..300) as usize);
        assert!(self.disk.write(&base.file, base.written as u64, &base.bytes[base.written..end]), "the base is there");
        base.written = end;
        if end == base.bytes.len() {
            self.base = None;
            self.log.base_finished(end as u64);
        } else {
            let delay_us = self.random.below(5000);
            self.after(delay_us, Happens::BaseGrows);
        }
    }

    fn judge_step(&mut self) {
        let durable = self.log.durable();
        assert!(durable >= self.durable, "what is durable stays so");
        assert!(durable <= self.last_number(), "what does not exist is not durable");
        self.durable = durable;
        assert!(self.in_flight <= 3, "{} operations are in flight", self.in_flight);
        let settings = self.log_settings();
        if settings.fsync == Fsync::Always && !settings.no_fsync_on_rewrite {
            let is_begun = self.log.needs_base() != Some(RewriteReason::FirstBase) && !self.is_for_base_alone;
            let expected = if is_begun { durable } else { u64::MAX };
            assert_eq!(self.log.answerable(), expected, "replies wait for what is durable");
        }
        self.judge_delay();
    }

    /// While nothing fails, no group waits long to become durable, however many come.
    fn judge_delay(&mut self) {
        let settings = self.log_settings();
        let delay_us_max = match settings.fsync {
            Fsync::Always => DELAY_US_MAX,
            Fsync::EverySecond => 1_000_000 + DELAY_US_MAX,
            Fsync::Never => return,
        };
        let is_steady = self.plan.is_calm && !settings.no_fsync_on_rewrite && !self.log.is_rewriting();
        if !is_steady || self.log.needs_base().is_some() || self.plan.changes_settings {
            self.steady_us = self.now_us;
        }
        if let Some(made_us) = self.made_us.get(self.durable as usize + 1) {
            let delay_us = self.now_us - self.steady_us.max(*made_us);
            assert!(delay_us <= delay_us_max, "a group waits for {delay_us} us to become durable");
        }
    }

    /// The process ends, alone or with its machine, and the next one begins.
    fn crash(&mut self) {
        self.crashes_left -= 1;
        self.summary.crashes += 1;
        let is_machine = self.random.permille(700);
        self.trace(|| format!("crash of the {}", if is_machine { "machine" } else { "process" }));
        let mut promised = self.log.durable().max(self.kept);
        let has_failed = |what: &Happens| match what {
            Happens::Ends { action: Action::Sync { .. }, outcome, .. } => *outcome != Outcome::Done,
            _ => false,
        };
        let may_fail = self.log.statistics().sync_failures > 0 || self.queue.values().any(has_failed);
        if !is_machine && !may_fail {
            promised = promised.max(self.log.written());
        }
        self.end_life();
        if is_machine {
            self.disk.crash(&mut self.random);
        }
        let loaded = load(&self.disk, &self.names, &mut self.random);
        let records = self.judge_loaded(loaded.state);
        let groups = self.ends.iter().rposition(|end| *end <= records).expect("there is a first one");
        assert!(groups as u64 >= promised, "groups up to {promised} were promised, and only {groups} are there");
        self.others.push((self.states.clone(), self.ends.clone()));
        // Of the group after them some records may be there: they are the past of what comes now.
        self.trace(|| format!("{records} records of {groups} groups are there, {promised} groups were promised"));
        self.states.truncate(records + 1);
        self.ends.truncate(groups + 1);
        self.made_us.truncate(groups + 1);
        self.ends[groups] = records;
        self.durable = 0;
        self.begin_life();
    }

    /// The records that have made this state; whatever is no prefix of the stream is a failure.
    fn judge_loaded(&mut self, state: Option<State>) -> usize {
        let Some(state) = state else { return 0 };
        let records = state.number as usize;
        if self.states.get(records) != Some(&state)
            && let Some(other) = self.others.iter().find(|(states, _)| states.get(records) == Some(&state))
        {
            assert_eq!(self.log.durable(), 0, "what was promised replaces what was there before");
            (self.states, self.ends) = other.clone();
            self.made_us = vec![self.now_us; self.ends.len()];
        }
        let known = self.states.get(records).unwrap_or_else(|| panic!("record {records} was never made"));
        assert_eq!(&state, known, "what was loaded is not the stream up to record {records}");
        records
    }

    /// What is in flight may happen or not, and nobody hears of it.
    fn end_life(&mut self) {
        let statistics = self.log.statistics();
        self.summary.rewrites += statistics.rewrites;
        self.summary.rewrite_failures += statistics.rewrite_failures;
        self.summary.syncs += statistics.syncs;
        self.summary.lost_files += statistics.sync_failures;
        self.summary.write_failures += statistics.write_failures;
        for (_, what) in std::mem::take(&mut self.queue) {
            if let Happens::Ends { action, point, outcome, .. } = what
                && self.random.permille(500)
            {
                self.apply(&action, point, outcome);
            }
        }
        self.base = None;
        (self.is_switching, self.is_for_base_alone, self.is_called_off) = (false, false, false);
        (self.in_flight, self.kept) = (0, 0);
        self.encoders.iter_mut().for_each(|encoder| _ = encoder.take());
    }

    /// A process begins with what the disk has.
    fn begin_life(&mut self) {
        let loaded = load(&self.disk, &self.names, &mut self.random);
        let is_known = loaded.state.is_some() || self.states[0] == State::default();
        self.summary.tails += u64::from(loaded.tail.is_some());
        let files = self.disk.list().into_iter().filter(|(file, _)| !file.starts_with("../"));
        let start = Start {
            names: self.names.clone(),
            manifest: loaded.manifest,
            files: files.map(|(file, bytes)| FoundFile { file: file.into(), bytes }).collect(),
            content: if is_known { StartContent::InFiles } else { StartContent::InMemory },
            tail: loaded.tail,
            empty_base: empty_base(),
            single_file_bytes: loaded.single_file_bytes,
            number: self.last_number(),
        };
        self.trace(|| format!("{start:?}"));
        self.log = Log::open(start, self.plan.settings, self.now());
        self.is_closed = false;
        self.steady_us = self.now_us;
        self.crash_at = self.steps + self.random.below(STEPS_TO_CRASH);
        self.after(0, Happens::Produce);
        if self.plan.changes_settings {
            (0..3).for_each(|_| {
                let delay_us = self.random.below(2_000_000);
                self.after(delay_us, Happens::Configure);
            });
        }
        self.serve();
    }
}

/// What a base without keys holds: something, so that it is seen to be written.
fn empty_base() -> Bytes {
    Bytes::from_static(b"#TS:1700000000\r\n")
}

/// The bytes of a write.
fn written(action: &Action) -> Vec<u8> {
    match action {
        Action::Write { chunks, .. } => chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect(),
        _ => Vec::new(),
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Write { file, offset, .. } => format!("Write {file} at {offset}: {} bytes", written(action).len()),
        other => format!("{other:?}"),
    }
}
