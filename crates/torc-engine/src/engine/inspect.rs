//! Looking into an engine, and turning its screws, for tests, examples and the simulator. A host has no need of it.

use super::Engine;
use crate::session::{ConnectionId, Session};
use crate::state::CoreState;

impl Engine {
    /// The state that commands work on.
    pub fn inspect(&self) -> &CoreState {
        &self.state
    }

    /// The same, to set up what a test needs.
    pub fn inspect_mut(&mut self) -> &mut CoreState {
        &mut self.state
    }

    /// A connection's session, while the engine has one.
    pub fn inspect_session(&self, connection: ConnectionId) -> Option<&Session> {
        self.sessions.peek(connection)
    }

    /// All sessions of this core.
    pub fn inspect_sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// Takes a copy of a connection's output, which counts as sent, held or not; empty without a session.
    pub fn drain_output(&mut self, connection: ConnectionId) -> Vec<u8> {
        let output =
            self.sessions.peek(connection).map(|session| session.out.to_cow().into_owned()).unwrap_or_default();
        // As a host does, which has nothing to say of nothing.
        if !output.is_empty() {
            self.output_sent(connection, output.len());
        }
        output
    }

    /// Whether no message is out and none waits.
    pub fn mesh_is_idle(&self) -> bool {
        self.outbox.is_idle()
    }

    /// Whether nobody holds or awaits a lock of this core, and it does not stand by for that.
    pub fn claims_are_idle(&self) -> bool {
        let roles_are_idle = self.participant.is_idle() && self.waitlist.is_idle() && self.coordinator.is_idle();
        roles_are_idle && self.state.stand_by.is_idle()
    }

    /// Whether nobody waits for a key of this core.
    pub fn nobody_waits(&self) -> bool {
        self.waitlist.nobody_waits()
    }

    /// The claims on this core, for a failure's message.
    pub fn describe_claims(&self) -> String {
        self.participant.claims().describe()
    }
}
