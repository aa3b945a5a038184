//! What only the simulator does to an engine: faults that it puts in, the journal that it reads, an oracle that it leads by the hand.

use torc_resp::Protocol;

use super::Engine;
use crate::effect::Reads;
use crate::recorder::choice::Dictation;
use crate::recorder::journal::Event;
use crate::session::ConnectionId;

impl Engine {
    /// Keeps a journal from now on, with the effects of all units.
    pub fn simulate(&mut self) {
        self.read_effects(Reads::All);
        self.state.recorder.keeps_journal = true;
    }

    /// What ran here and was not taken out yet.
    pub fn journal(&mut self) -> &mut Vec<Event> {
        &mut self.state.recorder.journal
    }

    /// Dictates what commands choose that choose at random, or stops to; gives what was dictated before.
    pub fn dictate(&mut self, dictation: Option<Dictation>) -> Option<Dictation> {
        std::mem::replace(&mut self.state.recorder.dictation, dictation)
    }

    /// The time of what runs next, which may be an earlier one.
    pub fn set_any_time(&mut self, now_us: i64) {
        self.state.leave_time(now_us);
    }

    /// As by SELECT.
    pub fn select_db(&mut self, connection: ConnectionId, db: u16) {
        self.session(connection).db = db;
    }

    /// As by HELLO.
    pub fn set_protocol(&mut self, connection: ConnectionId, protocol: Protocol) {
        self.session(connection).protocol = protocol;
    }
}
