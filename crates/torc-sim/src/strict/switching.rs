//! The log goes on and off in the middle of a run, as by CONFIG SET appendonly (docs/durability.md, "On and off"). What a log has when it
//! ends, its base and the stream above it, must make the keys that were there at that moment.
//!
//! ```text
//!   off --one core after another streams--> all do --cut--> saves of a log, the first of which is its base
//!                                                               |  writes are held
//!   off <--writes go on-- keys are noted <--one core after another streams no more--+
//! ```
//! In these runs nobody reads what is propagated while the log is off, so that what a transaction brings home then is lost, as it is in a
//! server. Keys are noted whenever writes are held, in runs in which the stream is on all the time, too: at the end of a run most of what
//! expires has.

use std::ops::Range;

use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::{ConnectionId, Engine, HostReply, HostRequest};

use super::world::World;
use crate::peers::{self, Dump};

/// Logs of a run that end, at most.
const ENDS_MAX: usize = 3;

/// The number of the first hold: those of snapshots are below.
const FIRST_HOLD: u64 = 1000;

/// What is being done about the log.
pub(crate) struct Switching {
    /// Apart from the run's own, so that other runs stay as they are.
    random: Random,
    is_wanted: bool,
    stage: Stage,
    holds: u64,
    /// Snapshots that were done when the log began that is on, or is the next one.
    saves_before: usize,
    /// Logs that have ended.
    ended: usize,
    /// Moments at which writes were held.
    pub held: Vec<Held>,
}

/// See the head of this file.
enum Stage {
    Off,
    /// These cores do not stream yet.
    Begins(Vec<CoreId>),
    On,
    /// Writes are to be held.
    Holds,
    /// They are, for whom this core is to answer; these cores still stream.
    Ends(CoreId, ConnectionId, Vec<CoreId>),
}

/// A moment at which writes were held.
pub(crate) struct Held {
    /// Snapshots of the log that was on, among all.
    pub saves: Range<usize>,
    /// How much of the stream is of before.
    pub stream_end: usize,
    /// The time, Unix microseconds.
    pub now_us: i64,
    /// The keys that were there then.
    pub keys: Dump,
}

impl Switching {
    /// The log is off, if it is to be turned on and off at all.
    pub fn new(seed: u64, is_wanted: bool, engines: &mut [Engine]) -> Self {
        if is_wanted {
            engines.iter_mut().for_each(Engine::end_stream);
        }
        let random = Random::new(seed ^ 0x0ff0);
        Switching { random, is_wanted, stage: Stage::Off, holds: 0, saves_before: 0, ended: 0, held: Vec::new() }
    }

    /// Whether the log goes on and off in this run.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Whether all cores stream, so that a cut may be made.
    pub fn streams(&self) -> bool {
        !self.is_wanted || matches!(self.stage, Stage::On)
    }

    /// Whether writes are held, or about to be.
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Holds | Stage::Ends(..))
    }

    /// Of the log that is on: its snapshots among all, of which so many are done.
    pub fn saves_of_log(&self, done: usize) -> Range<usize> {
        if self.streams() { self.saves_before..done } else { done..done }
    }

    /// Takes what an engine asks of its host.
    pub fn take_request(&mut self, core: CoreId, cores: u16, request: &HostRequest) {
        if let HostRequest::WritesHeld { cut, asker } = request
            && *cut >= FIRST_HOLD
        {
            assert!(matches!(self.stage, Stage::Holds), "only if that was wanted");
            self.stage = Stage::Ends(core, *asker, (0..cores).collect());
        }
    }
}

impl World {
    /// The log begins or ends, or a core does its part of that.
    pub(super) fn switch_step(&mut self) {
        if !self.switching.is_wanted {
            return;
        }
        let cores = self.cluster.cores();
        let Switching { random, stage, ended, .. } = &mut self.switching;
        match stage {
            Stage::Off if random.below(20) == 0 && *ended < ENDS_MAX => {
                self.switching.stage = Stage::Begins((0..cores).collect());
            }
            Stage::Begins(waiting) if random.below(3) == 0 => {
                let core = waiting.swap_remove(random.below(waiting.len() as u64) as usize);
                if waiting.is_empty() {
                    self.switching.stage = Stage::On;
                    self.switching.saves_before = self.saves.done.len();
                }
                self.on_engine(core, Engine::begin_stream);
            }
            Stage::On if random.below(100) == 0 && !self.saves.is_under_way() => {
                let core = random.below(cores.into()) as CoreId;
                self.switching.stage = Stage::Holds;
                self.switching.holds += 1;
                let number = FIRST_HOLD + self.switching.holds;
                self.on_engine(core, |engine| engine.begin_hold(number));
            }
            Stage::Ends(core, asker, waiting) if random.below(3) == 0 => {
                let (holder, asker) = (*core, *asker);
                let core = waiting.swap_remove(random.below(waiting.len() as u64) as usize);
                let is_last = waiting.is_empty();
                self.number(core);
                self.on_engine(core, Engine::end_stream);
                if is_last {
                    self.note_held(self.switching.saves_before..self.saves.done.len());
                    self.switching.ended += 1;
                    self.switching.stage = Stage::Off;
                    self.on_engine(holder, |engine| engine.on_host_answer(asker, HostReply::Done));
                }
            }
            _ => {}
        }
    }

    /// Writes are held for a snapshot.
    pub(super) fn note_held_for_save(&mut self) {
        self.note_held(self.switching.saves_of_log(self.saves.done.len()));
    }

    /// Notes what is there while writes are held.
    fn note_held(&mut self, saves: Range<usize>) {
        let now_us = self.cluster.now_us;
        (0..self.cluster.cores()).for_each(|core| self.number(core));
        let mut keys = Dump::new();
        for engine in &mut self.cluster.engines {
            engine.set_time(now_us);
            peers::dump_into(&mut keys, engine, |_| true);
        }
        let stream_end = self.stream.len();
        self.switching.held.push(Held { saves, stream_end, now_us, keys });
    }
}
