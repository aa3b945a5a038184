//! A core's part in saving and loading: what the storage plane says is done here, and what is to be saved is written a slice each turn.
//!
//! ```text
//!   SavingBegun --> slices: keys --256 KiB--> ToStorage::Part --written--> ToCore::Written: its memory, for the next part
//! ```

use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::time::Instant;

use torc_engine::ConnectionId;

use super::Core;
use super::token::{Operation, Token};
use super::upkeep::{BACKGROUND_MIN, BACKGROUND_PART};
use crate::storage::{Asker, ToCore, ToStorage};

/// Bytes of a part of a file.
const PART_BYTES: usize = 256 << 10;
/// Parts of a core that are not written yet, at most; what is to be saved before it changes waits beyond that.
const PARTS_OUT_MAX: usize = 2;
/// Bytes that are saved before the clock is looked at.
const SLICE_BYTES: usize = 8 << 10;
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
}

impl StorageLink {
    pub fn new(sender: Sender<ToStorage>) -> Self {
        StorageLink { sender, cut: None, memory: Vec::new(), parts_out: 0 }
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
        let descriptor = io_uring::types::Fd(inbox.doorbell());
        let poll = io_uring::opcode::PollAdd::new(descriptor, libc::POLLIN as u32).build();
        // SAFETY: the doorbell lives as long as the mesh, which the core holds.
        unsafe { self.ring.push(poll, Token::of(Operation::Doorbell)) };
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
                ToCore::BeginCut { cut, holds } => self.engine.begin_cut(cut, holds),
                ToCore::Written(memory) => {
                    self.storage.parts_out -= 1;
                    self.keep_memory(memory);
                }
                ToCore::GiveUp => self.give_up_saving(),
                ToCore::Saved { cut } => self.engine.note_saved(cut),
                ToCore::Load(batch) => {
                    let result = self.engine.load(&batch);
                    self.storage.send(ToStorage::Loaded { core: self.core, result });
                }
                ToCore::Persistence(persistence) => self.engine.set_persistence(persistence),
                ToCore::Answer(connection, reply) => self.engine.on_host_answer(connection, reply),
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

    /// The keys of this core are caught.
    pub(super) fn saving_begun(&mut self, cut: u64) {
        self.storage.cut = Some(cut);
        self.storage.send(ToStorage::SavingBegun { cut, keys: self.engine.figures().keys });
    }

    /// Whether something can be saved in the next turn.
    pub(super) fn can_save_on(&self) -> bool {
        self.storage.cut.is_some() && self.storage.parts_out < PARTS_OUT_MAX
    }

    /// Saves a slice, for which a turn has as much time as for all that it does in the background.
    #[inline]
    pub(super) fn save_on(&mut self, turn_started: Instant) {
        if self.can_save_on() {
            self.save_slice(turn_started);
        }
    }

    #[cold]
    fn save_slice(&mut self, turn_started: Instant) {
        let began = Instant::now();
        let time = BACKGROUND_MIN.max(turn_started.elapsed() / BACKGROUND_PART);
        loop {
            let wanted = (self.engine.part_bytes() + SLICE_BYTES).min(PART_BYTES);
            match self.engine.save_slice(wanted) {
                ControlFlow::Break(()) => return self.send_part(true),
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

    fn give_up_saving(&mut self) {
        if self.storage.cut.is_some() {
            self.send_part(true);
        }
    }

    fn keep_memory(&mut self, memory: Vec<u8>) {
        if self.storage.cut.is_some() && memory.capacity() <= 2 * PART_BYTES {
            self.storage.memory.push(memory);
        }
    }
}
