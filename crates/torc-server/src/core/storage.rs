//! A core's part in saving and loading: what the storage plane says is done here, and what is to be saved is written a slice each turn.
//!
//! ```text
//!   SavingBegun --> slices: keys --256 KiB--> ToStorage::Part --written--> ToCore::Written: its memory, for the next part
//! ```

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use torc_engine::config::pause_of_keys;
use torc_engine::effect::{Records, Units};
use torc_engine::engine::Engine;
use torc_engine::{ConnectionId, Taken};
use torc_log::{Encoder, Group};

use super::Core;
use super::connection::Connection;
use super::gate::{Disk, OutputGate};
use super::ring::{Operation, Token};
use super::upkeep::{BACKGROUND_MIN, BACKGROUND_PART};
use crate::mesh::Mesh;
use crate::storage::{Asker, ToCore, ToStorage};

/// Bytes of a part of a file.
const PART_BYTES: usize = 256 << 10;
/// Parts of a core that are not written yet, at most; what is to be saved before it changes waits beyond that.
const PARTS_OUT_MAX: usize = 2;
/// Bytes that are saved before the clock is looked at: 5 to 10 us of small keys.
const SLICE_BYTES: usize = 2 << 10;
/// What a turn gives to a save while clients are served, instead of [`BACKGROUND_MIN`]: they wait for it. However many they are, a fifth
/// of the core is left for the save, by [`BACKGROUND_PART`].
const SERVING_MIN: Duration = Duration::from_micros(25);
/// Clients are served for so long after a command: from whoever sends one after another the next one comes sooner.
const SERVING_TIME: Duration = Duration::from_millis(1);
/// Messages taken from the inbox in one turn.
const INBOX_PER_TURN_MAX: usize = 4;

/// The way to the storage plane, and what this core has to do for it.
pub(super) struct StorageLink {
    sender: Sender<ToStorage>,
    /// The cut whose keys are being saved.
    cut: Option<u64>,
    /// Memory for parts.
    memory: Vec<Vec<u8>>,
    parts_out: usize,
    served: Served,
    /// Keys of the last part, for which `rdb-key-save-delay` pauses the saving, and since when.
    paused: Option<(u64, Instant)>,
    /// Through which the log is loaded, on one core.
    replay: Option<Replay>,
    /// What is propagated goes to the log.
    streams: bool,
    encoder: Encoder,
    /// Up to which number all is durable that output may show; the highest of all where output need not wait.
    durable: u64,
    /// What is not durable up to this number may be lost.
    failed: u64,
    /// Connections whose output waits for that.
    waiting: Vec<ConnectionId>,
    /// A cut of this turn that the log may have to know the place of: which, and how many units are below it.
    caught: Option<(u64, u64)>,
}

/// When clients were last served, as far as a save has to know.
struct Served {
    /// Commands that had run when a slice was last saved.
    commands: u64,
    /// The turn of the last slice for which those were more than before.
    at: Instant,
}

impl Served {
    /// What the save gets at least of a turn until which so many commands had run.
    fn least_slice(&mut self, commands: u64, turn_started: Instant) -> Duration {
        if std::mem::replace(&mut self.commands, commands) != commands {
            self.at = turn_started;
        }
        let is_serving = turn_started.saturating_duration_since(self.at) < SERVING_TIME;
        if is_serving { SERVING_MIN } else { BACKGROUND_MIN }
    }
}

/// Where the commands of the log come in.
struct Replay {
    connection: ConnectionId,
    /// Chunks whose end has not been reached.
    chunks: usize,
}

impl StorageLink {
    pub fn new(sender: Sender<ToStorage>) -> Self {
        StorageLink {
            sender,
            cut: None,
            memory: Vec::new(),
            parts_out: 0,
            served: Served { commands: 0, at: Instant::now() },
            paused: None,
            replay: None,
            streams: false,
            encoder: Encoder::default(),
            durable: u64::MAX,
            failed: 0,
            waiting: Vec::new(),
            caught: None,
        }
    }

    /// What is durable, where output waits for that.
    #[inline]
    pub fn disk(&self) -> Option<Disk> {
        (self.durable != u64::MAX).then_some(Disk { durable: self.durable, failed: self.failed })
    }

    /// Has a connection looked at when more is durable.
    pub fn list_waiting(&mut self, id: ConnectionId, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.gate.is_listed, true) {
            self.waiting.push(id);
        }
    }

    /// Numbers what the engine of another core has propagated, which has worked on this thread.
    pub fn number_for(&mut self, engine: &mut Engine, mesh: &Mesh, core: usize) {
        Numbering { engine, mesh, core, encoder: &mut self.encoder, sender: &self.sender }.number(None);
    }

    /// Without a receiver the process ends already.
    pub fn send(&self, message: ToStorage) {
        let _ = self.sender.send(message);
    }
}

impl Core {
    /// The connection as the storage plane knows it.
    pub(super) fn asker(&self, connection: ConnectionId) -> Asker {
        Asker { core: self.core, connection }
    }

    /// Has the ring say when the doorbell of the inbox rings.
    pub(super) fn watch_doorbell(&mut self) {
        let inbox = self.mesh.inbox(self.core);
        inbox.silence();
        self.ring.when_readable(Token::of(Operation::Doorbell), inbox.doorbell());
    }

    /// Does what the storage plane says.
    #[inline]
    pub(super) fn take_inbox(&mut self) {
        if !self.mesh.inbox(self.core).is_empty() {
            self.take_messages();
        }
    }

    #[cold]
    fn take_messages(&mut self) {
        for _ in 0..INBOX_PER_TURN_MAX {
            let Some(message) = self.mesh.inbox(self.core).pop() else { return };
            match message {
                ToCore::BeginCut { cut, form, holds } => self.engine.begin_cut(cut, form, holds),
                ToCore::Hold { cut } => self.engine.begin_hold(cut),
                ToCore::Written(memory) => {
                    self.storage.parts_out -= 1;
                    self.keep_memory(memory);
                }
                ToCore::GiveUp { cut } => self.give_up_saving(cut),
                ToCore::Saved { cut } => self.engine.note_saved(cut),
                ToCore::Empty => self.engine.empty(),
                ToCore::Load { loading, batch } => {
                    let result = self.engine.load(&batch);
                    self.storage.send(ToStorage::Loaded { core: self.core, loading, result });
                }
                ToCore::Durable(number) => self.note_durable(number),
                ToCore::FailWaiters(up_to) => self.fail_waiters(up_to),
                ToCore::Obey => self.engine.obey(true),
                ToCore::HasObeyed => self.end_obedience(),
                ToCore::Replay(bytes) => self.replay(&bytes),
                ToCore::EndReplay => self.end_replay(),
                ToCore::BeginStream { is_loaded } => self.begin_stream(is_loaded),
                ToCore::EndStream => self.end_stream(),
                ToCore::WakeWaiters => self.engine.wake_waiters(),
                // The end of the turn looks at it.
                ToCore::StreamHasRoom => {}
                ToCore::Persistence(persistence) => self.engine.set_persistence(persistence),
                ToCore::Serve => {
                    self.open_to_clients();
                    self.storage.send(ToStorage::Serves);
                }
                ToCore::Answer(connection, reply) => self.engine.on_host_answer(connection, reply),
                ToCore::Listen { opened, closed } => self.change_listeners(opened, &closed),
                ToCore::Stop => self.request_stop(),
            }
        }
    }

    /// The configuration has changed, on all cores: one of them tells.
    pub(super) fn configured(&mut self) {
        if self.core == 0 {
            self.storage.send(ToStorage::Configured(Box::new(self.engine.config().clone())));
        }
    }

    /// More is durable: output that waits is looked at again.
    fn note_durable(&mut self, number: u64) {
        self.storage.durable = number;
        self.engine.note_durable(number);
        if number == u64::MAX {
            self.connections.iter_mut().flatten().for_each(|connection| connection.gate = OutputGate::default());
        }
        self.look_at_waiting();
    }

    /// What was written up to this number may be lost: who waits for it must not believe that it is there, and gets errors.
    fn fail_waiters(&mut self, up_to: u64) {
        self.storage.failed = up_to;
        self.look_at_waiting();
    }

    fn look_at_waiting(&mut self) {
        for id in std::mem::take(&mut self.storage.waiting) {
            if let Some(Some(connection)) = self.connections.get_mut(id.index as usize) {
                connection.gate.is_listed = false;
            }
            self.engine.mark_dirty(id);
        }
    }

    /// Commands of the log are to run.
    fn replay(&mut self, bytes: &[u8]) {
        let engine = &mut self.engine;
        let replay = self.storage.replay.get_or_insert_with(|| Replay { connection: engine.open_replay(), chunks: 0 });
        replay.chunks += 1;
        engine.on_bytes(replay.connection, bytes);
    }

    /// Says when a chunk of the log has been read to its end.
    #[inline]
    pub(super) fn replay_on(&mut self) {
        if let Some(replay) = &mut self.storage.replay
            && replay.chunks > 0
            && self.engine.replay_bytes_left(replay.connection) == 0
        {
            for _ in 0..std::mem::take(&mut replay.chunks) {
                self.storage.send(ToStorage::Replayed);
            }
        }
    }

    /// The last chunk has been read: all of it has run, or the end is tried again in the next turn.
    fn end_replay(&mut self) {
        if let Some(replay) = &self.storage.replay {
            if !self.engine.has_replayed(replay.connection) {
                return self.mesh.tell(self.core, ToCore::EndReplay);
            }
            self.engine.close_replay(replay.connection);
            self.storage.replay = None;
        }
        self.storage.send(ToStorage::ReplayEnded);
    }

    /// All of the log has run: time begins, and nothing of it has changed since it was saved.
    fn end_obedience(&mut self) {
        self.engine.obey(false);
        self.engine.forget_changes();
    }

    /// What is propagated from now on goes to the log. If all has just been loaded, time begins.
    fn begin_stream(&mut self, is_loaded: bool) {
        if is_loaded {
            self.end_obedience();
        }
        self.storage.streams = true;
        self.engine.begin_stream();
        self.storage.send(ToStorage::StreamBegun);
    }

    /// What there is goes to the log, and nothing more.
    fn end_stream(&mut self) {
        self.number_records();
        self.storage.streams = false;
        self.engine.set_stream_full(false);
        self.engine.end_stream();
        self.storage.send(ToStorage::StreamEnded);
    }

    /// Commands of this turn may ask how much is not written.
    #[inline]
    pub(super) fn note_stream(&mut self) {
        if self.storage.streams {
            self.engine.note_log_pending(self.mesh.stream.pending_bytes());
        }
    }

    /// Hands over what this turn has propagated, before anything leaves that may show it.
    #[inline]
    pub(super) fn number_records(&mut self) {
        if self.storage.streams {
            self.number_units();
        }
    }

    fn number_units(&mut self) {
        let Core { engine, mesh, core, storage, .. } = self;
        let caught = storage.caught.take();
        Numbering { engine, mesh, core: *core, encoder: &mut storage.encoder, sender: &storage.sender }.number(caught);
    }

    /// Whether what this core propagates goes to the log.
    pub(super) fn streams(&self) -> bool {
        self.storage.streams
    }

    /// Whether its keys are being saved.
    pub(super) fn is_saving(&self) -> bool {
        self.storage.cut.is_some()
    }

    /// The keys of this core are caught.
    pub(super) fn saving_begun(&mut self, cut: u64, units_before: u64) {
        self.storage.cut = Some(cut);
        self.storage.caught = self.storage.streams.then_some((cut, units_before));
        self.storage.send(ToStorage::SavingBegun { cut, keys: self.engine.figures().keys });
    }

    /// Whether something can be saved in the next turn.
    pub(super) fn can_save_on(&self) -> bool {
        self.storage.cut.is_some() && self.storage.parts_out < PARTS_OUT_MAX && !self.is_saving_paused()
    }

    fn is_saving_paused(&self) -> bool {
        let delay_us = self.engine.config().key_delays.save_us;
        self.storage.paused.is_some_and(|(keys, since)| since.elapsed() < pause_of_keys(delay_us, keys))
    }

    /// Saves a slice, behind all else that the turn does: its replies have left, so that clients work on them meanwhile.
    #[inline]
    pub(super) fn save_on(&mut self, turn_started: Instant) {
        if self.can_save_on() {
            self.save_slice(turn_started);
        }
    }

    #[cold]
    fn save_slice(&mut self, turn_started: Instant) {
        let began = Instant::now();
        let least = self.storage.served.least_slice(self.engine.commands_processed(), turn_started);
        let time = least.max((began - turn_started) / BACKGROUND_PART);
        if self.ring.has_queued() {
            // Cores that are to be woken do not wait for it either.
            self.enter_ring();
        }
        let is_delayed = self.engine.config().key_delays.save_us != 0;
        loop {
            let bytes = if is_delayed { 1 } else { SLICE_BYTES };
            let wanted = (self.engine.part_bytes() + bytes).min(PART_BYTES);
            match self.engine.save_slice(wanted) {
                ControlFlow::Break(()) => return self.send_part(true),
                ControlFlow::Continue(()) if is_delayed => return self.send_part(false),
                ControlFlow::Continue(()) if self.is_part_due() => return self.send_part(false),
                ControlFlow::Continue(()) if began.elapsed() >= time => return,
                ControlFlow::Continue(()) => {}
            }
        }
    }

    /// Whether a part is big enough, or nothing more comes into it.
    fn is_part_due(&mut self) -> bool {
        self.engine.part_bytes() >= PART_BYTES || self.engine.is_part_complete()
    }

    fn send_part(&mut self, is_last: bool) {
        let cut = self.storage.cut.expect("something is being saved");
        let memory = self.storage.memory.pop().unwrap_or_else(|| Vec::with_capacity(PART_BYTES + PART_BYTES / 8));
        let mut part = self.engine.take_part(memory);
        self.storage.paused = (!is_last).then(|| (part.keys, Instant::now()));
        if is_last {
            // What was given up is not continued.
            part.continues = false;
            self.storage.cut = None;
            self.engine.end_saving();
            self.storage.memory = Vec::new();
        }
        self.storage.parts_out += 1;
        self.storage.send(ToStorage::Part { core: self.core, cut, part, is_last });
    }

    fn give_up_saving(&mut self, cut: u64) {
        if self.storage.cut == Some(cut) {
            self.send_part(true);
        }
    }

    fn keep_memory(&mut self, memory: Vec<u8>) {
        if self.storage.cut.is_some() && memory.capacity() <= 2 * PART_BYTES {
            self.storage.memory.push(memory);
        }
    }
}

/// The engine of a core whose units get their numbers, on whatever thread.
pub(super) struct Numbering<'a> {
    pub engine: &'a mut Engine,
    pub mesh: &'a Mesh,
    /// The core of the engine.
    pub core: usize,
    /// Holds nothing between two units.
    pub encoder: &'a mut Encoder,
    pub sender: &'a Sender<ToStorage>,
}

impl Numbering<'_> {
    /// Hands over what has been propagated. `caught`: a cut that this core has made, and how many units are below it.
    pub fn number(mut self, caught: Option<(u64, u64)>) {
        let Taken::Units(units) = self.engine.take_units() else {
            unreachable!("they are taken each turn, and a turn is bounded")
        };
        let taken_before = self.mesh.views[self.core].lender.note_units_taken(units.len() as u64);
        let below = caught.map_or(units.len(), |(_, units_below)| (units_below - taken_before) as usize);
        let mut number = self.hand_over(&units, 0..below);
        if let Some((cut, _)) = caught
            && let Some(number) = self.mesh.stream.take_cut(cut)
        {
            self.tell(ToStorage::CutNumbered { cut, number });
        }
        number = self.hand_over(&units, below..units.len()).or(number);
        self.engine.give_back(units);
        self.engine.settle_shown(number, || self.mesh.stream.last());
        self.heed_stream();
    }

    /// Makes a group of units, if they propagate anything, and gives its number.
    fn hand_over(&mut self, units: &Units, wanted: Range<usize>) -> Option<u64> {
        for records in units.records(wanted) {
            match records {
                Records::OfOne { db, units, requests } => self.encoder.records_of_one(db, units, requests),
                Records::Other(unit) => self.encoder.record(unit.propagated()),
            }
        }
        let content = self.encoder.take();
        if content.is_empty() {
            return None;
        }
        let number = self.mesh.stream.take();
        if self.mesh.stream.push(self.core, Group::new(number, content)) {
            self.tell(ToStorage::GroupsWait);
        }
        Some(number)
    }

    /// While too much waits in the stream, writes do.
    fn heed_stream(&mut self) {
        let was_full = self.engine.is_stream_full();
        let is_full = self.mesh.stream.is_full(was_full);
        if is_full != was_full {
            self.engine.set_stream_full(is_full);
        }
    }

    /// Without a receiver the process ends already.
    fn tell(&self, message: ToStorage) {
        let _ = self.sender.send(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_gets_little_of_a_turn_while_clients_are_served_and_for_a_while_after() {
        let start = Instant::now();
        let mut served = Served { commands: 0, at: start };
        let idle = start + 2 * SERVING_TIME;
        assert_eq!(served.least_slice(0, idle), BACKGROUND_MIN);
        assert_eq!(served.least_slice(8, idle), SERVING_MIN);
        // Between two commands of a client.
        assert_eq!(served.least_slice(8, idle + SERVING_TIME / 2), SERVING_MIN);
        assert_eq!(served.least_slice(9, idle + SERVING_TIME), SERVING_MIN);
        assert_eq!(served.least_slice(9, idle + 2 * SERVING_TIME), BACKGROUND_MIN);
    }
}
