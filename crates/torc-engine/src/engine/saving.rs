//! What the host calls to save and to load the keys of all cores.
//!
//! ```text
//!   one core      begin_cut
//!   each core     HostRequest::SavingBegun --> save_slice, take_part ... --> end_saving
//!   each core     load, load ... loaded
//! ```
//! What happens with the bytes is the host's business.

use std::any::Any;
use std::ops::ControlFlow;

use torc_resp::{Args, Span};

use super::Engine;
use crate::acl::User;
use crate::command::Command;
use crate::commands::server::AS_COMMANDS;
use crate::effect::Reads;
use crate::gather::Gather;
use crate::loading::{self, LoadBatch, LoadError};
use crate::persistence::{Loaded, Persistence};
use crate::saving::{FileSink, Part, SaveForm};
use crate::session::{Closing, CommandQueue, ConnectionId, ConnectionInfo, ReplyMode};
use crate::state::{CoreState, Gate};

impl Engine {
    /// Has the keys of all cores caught as they are at one time between two commands. Each core tells its host when it has
    /// ([`crate::HostRequest::SavingBegun`]). `holds`: no write begins anywhere before the host answers
    /// [`crate::HostRequest::WritesHeld`], which follows on this core. Called on one core; on none is anything being saved.
    pub fn begin_cut(&mut self, cut: u64, form: SaveForm, holds: bool) {
        let form: &[u8] = if form == SaveForm::Commands { AS_COMMANDS } else { b"rdb" };
        self.begin_own(self.state.registry.catch(), cut, &[form], holds);
    }

    /// Has all writes wait, without anything being caught: when [`crate::HostRequest::WritesHeld`] comes no command that writes is under way
    /// on any core, and none begins before the host answers. Called on one core.
    pub fn begin_hold(&mut self, cut: u64) {
        self.begin_own(self.state.registry.still(), cut, &[], true);
    }

    /// Has all cores run one of the host's own commands, and behind it `hold`.
    fn begin_own(&mut self, command: &'static Command, cut: u64, words: &[&[u8]], holds: bool) {
        // Nobody waits for the reply: it is a client that has left when it had sent its request.
        let session = self.sessions.insert(0, ConnectionInfo::default(), self.state.wall_ms(), User::of_host());
        session.closing = Closing::Gone;
        let connection = session.connection;
        self.state.connections = self.sessions.len();
        let mut queue = CommandQueue::default();
        let number = cut.to_string();
        push(&mut queue, command, &[&[command.row.name.as_bytes(), number.as_bytes()], words].concat());
        if holds {
            push(&mut queue, self.state.registry.hold(), &[b"hold", number.as_bytes()]);
        }
        let mut gather = Gather::new(command, queue, true, true);
        gather.is_cut = true;
        self.begin(connection, gather, None);
        self.run_local_queue();
    }

    /// Whether keys of this core are to be saved.
    #[inline]
    pub fn is_saving(&self) -> bool {
        self.state.keyspace.is_saving()
    }

    /// Saves keys until about `bytes` are there to be taken. `Break`: no more comes after what is there, which
    /// is one part.
    pub fn save_slice(&mut self, bytes: usize) -> ControlFlow<()> {
        let has_more = self.state.keyspace.save_slice(bytes);
        if has_more || self.is_part_complete() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Whether the next part is complete, however small: another one follows it.
    pub fn is_part_complete(&mut self) -> bool {
        !self.sink().is_one_part()
    }

    /// Bytes of the file that are there to be taken.
    pub fn part_bytes(&self) -> usize {
        self.state.keyspace.written_bytes()
    }

    /// Takes the next part of what has been written, which may be more than one; what is written next goes to `memory`.
    pub fn take_part(&mut self, memory: Vec<u8>) -> Part {
        self.sink().take_part(memory)
    }

    fn sink(&mut self) -> &mut FileSink {
        let sink: &mut dyn Any = self.state.keyspace.saving().expect("something is being saved");
        sink.downcast_mut().expect("an engine saves to no other")
    }

    /// Nothing is to be saved any more: all of it is written, or it is given up.
    pub fn end_saving(&mut self) {
        self.state.keyspace.end_saving();
    }

    /// What was caught by a cut is safely on disk.
    pub fn note_saved(&mut self, cut: u64) {
        if self.state.caught.cut == cut {
            // FLUSHALL may have said more meanwhile.
            self.state.changes_saved = self.state.changes_saved.max(self.state.caught.changes);
        }
    }

    /// Changes by commands that are in no file.
    pub fn unsaved_changes(&self) -> u64 {
        self.state.unsaved_changes()
    }

    /// Removes all keys and libraries, to load others.
    pub fn empty(&mut self) {
        self.untold(|state| {
            state.keyspace.flush_all(true);
            state.scripts.flush_libraries();
        });
    }

    /// Takes libraries of a file, and its keys that belong to this core.
    ///
    /// # Errors
    /// One of them cannot be loaded; those before it are.
    pub fn load(&mut self, batch: &LoadBatch) -> Result<Loaded, LoadError> {
        self.untold(|state| loading::load(state, batch))
    }

    /// Changes keys as no client has: nobody is told, and nothing is kept to tell of it.
    fn untold<T>(&mut self, change: impl FnOnce(&mut CoreState) -> T) -> T {
        // What has expired before is told.
        self.end_idle_unit();
        let result = change(&mut self.state);
        self.state.keyspace.settle_changes(true);
        self.state.keyspace.forget_recorded_changes();
        result
    }

    /// Commands that were propagated before are about to run on all cores, or have all run. Meanwhile requests are obeyed that no client may
    /// make, and those for different keys may overtake each other. Such
    /// commands see no time, and nobody is served what they give.
    pub fn obey(&mut self, obeys: bool) {
        self.state.obey(obeys);
    }

    /// All that was propagated has run on all cores: who waits for a key looks whether there is something now.
    pub fn wake_waiters(&mut self) {
        self.waitlist.wake_all(&mut self.state);
        self.run_local_queue();
    }

    /// A connection through which such commands come, in their order, as [`Engine::on_bytes`] takes them. None of them is answered.
    pub fn open_replay(&mut self) -> ConnectionId {
        let info = ConnectionInfo { is_host: true, ..ConnectionInfo::default() };
        let session = self.sessions.insert(0, info, self.state.wall_ms(), User::of_host());
        (session.authenticated, session.reply_mode) = (true, ReplyMode::Off);
        session.connection
    }

    /// Bytes that came through it and have not been looked at.
    pub fn replay_bytes_left(&self, connection: ConnectionId) -> usize {
        self.sessions.peek(connection).map_or(0, |session| session.input.len())
    }

    /// Whether all of what came through it has run.
    pub fn has_replayed(&self, connection: ConnectionId) -> bool {
        let session = self.sessions.peek(connection).expect("it is open");
        session.input.is_empty() && !session.is_waiting()
    }

    /// Nothing more comes through it.
    pub fn close_replay(&mut self, connection: ConnectionId) {
        assert!(self.has_replayed(connection), "what was propagated has run");
        self.bury(connection);
    }

    /// What was loaded is no change since the data was saved.
    pub fn forget_changes(&mut self) {
        self.state.changes_saved = self.state.keyspace.changes();
    }

    /// Errors that commands have answered since the start.
    pub fn errors(&self) -> u64 {
        self.state.stats.total_error_replies
    }

    /// From now on the host takes what is propagated at the end of each turn, and puts it into an order over all cores.
    pub fn begin_stream(&mut self) {
        self.state.is_streaming = true;
        self.read_effects(Reads::Commands);
        self.order_records(true);
    }

    /// No longer. The host has taken what there is; what a transaction brings home from now on goes nowhere.
    pub fn end_stream(&mut self) {
        self.state.is_streaming = false;
        self.read_effects(Reads::Nothing);
        self.order_records(false);
    }

    /// How saving and loading go, from now on.
    pub fn set_persistence(&mut self, persistence: Persistence) {
        self.state.persistence = persistence;
        self.follow_persistence();
    }

    /// Whether too much that was propagated waits to be taken: then writes wait, too.
    pub fn set_stream_full(&mut self, is_full: bool) {
        self.state.is_stream_full = is_full;
        self.follow_persistence();
    }

    /// So much of what was propagated is not written yet, for INFO.
    #[inline]
    pub fn note_log_pending(&mut self, bytes: u64) {
        self.state.persistence.log.pending_bytes = bytes;
    }

    /// What it was told last.
    pub fn is_stream_full(&self) -> bool {
        self.state.is_stream_full
    }

    fn follow_persistence(&mut self) {
        let before = self.state.gate;
        self.state.follow_gate();
        if before == Gate::LogFull && self.state.gate != before {
            self.sessions.wake_stalled();
        }
    }
}

fn push(queue: &mut CommandQueue, command: &'static Command, words: &[&[u8]]) {
    let mut spans = Vec::new();
    let mut start = 0;
    for word in words {
        spans.push(Span { start, len: word.len() as u32 });
        start += word.len() as u32;
    }
    let fits = queue.push(command, Args::new(&words.concat(), &spans), usize::MAX);
    assert!(fits, "a few words fit");
}
