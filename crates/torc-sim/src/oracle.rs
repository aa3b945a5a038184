//! What a client must see: an engine of one core that gets the same requests, whole and at once.
//!
//! Everything is logged, so that the state after any number of requests can be made again: that is how it is
//! found out how far a client got that died.

use torc_engine::session::{ReplyMode, Session};
use torc_engine::{ConnectionId, Engine};

use crate::peers::{self, Dump, START_MS};

enum Action {
    Connect,
    Bytes(Vec<u8>),
    EndOfInput,
    Disconnect,
}

struct Logged {
    now_ms: i64,
    action: Action,
    /// Where the bytes end in all that the client has sent on its connection.
    stream_end: u64,
}

/// One client's oracle.
pub(crate) struct Oracle {
    engine: Engine,
    connection: ConnectionId,
    now_ms: i64,
    log: Vec<Logged>,
}

impl Oracle {
    /// An empty keyspace, and a connection to it.
    pub fn new() -> Self {
        let mut oracle = Oracle::unconnected();
        oracle.connect();
        oracle
    }

    fn unconnected() -> Self {
        let engine = peers::engine(0, 1, 1, false);
        Oracle { engine, connection: ConnectionId { index: 0, generation: 0 }, now_ms: START_MS, log: Vec::new() }
    }

    /// A new connection; the one before must have been closed.
    pub fn connect(&mut self) {
        self.perform(Action::Connect, 0);
    }

    /// Bytes from the client; gives the replies to them. `stream_end`: where they end in all that it has sent.
    pub fn feed(&mut self, bytes: &[u8], stream_end: u64) -> Vec<u8> {
        self.perform(Action::Bytes(bytes.to_vec()), stream_end)
    }

    /// The client will send no more.
    pub fn end_of_input(&mut self) {
        let replies = self.perform(Action::EndOfInput, 0);
        assert!(replies.is_empty(), "the end of input is no request");
    }

    /// The connection is gone.
    pub fn disconnect(&mut self) {
        self.perform(Action::Disconnect, 0);
    }

    /// Moves the time, as on all cores. What has expired by then is removed: of keys nobody could tell, but fields of hashes are
    /// counted until they are removed.
    pub fn set_time(&mut self, now_ms: i64) {
        if now_ms == self.now_ms {
            return;
        }
        self.now_ms = now_ms;
        self.engine.set_time(now_ms * 1000);
        while self.engine.upkeep(u32::MAX).more {}
    }

    /// Number of logged actions.
    pub fn log_len(&self) -> usize {
        self.log.len()
    }

    /// The session.
    pub fn session(&self) -> &Session {
        self.engine.inspect_session(self.connection).expect("the oracle's connection stays until it is told")
    }

    /// Whether the next request is sure to be read as one, run at once and answered.
    pub fn is_plain(&self) -> bool {
        let session = self.session();
        !session.is_in_multi()
            && session.reply_mode() == ReplyMode::On
            && !session.is_closing()
            && session.input_len() == 0
    }

    /// All keys.
    pub fn dump(&self) -> Dump {
        let mut dump = Dump::new();
        peers::dump_into(&mut dump, &self.engine, |_| true);
        dump
    }

    /// Number of keys that have not expired.
    pub fn key_count(&mut self) -> usize {
        while self.engine.upkeep(u32::MAX).more {}
        peers::key_count(&self.engine)
    }

    /// The client died after an unknown number of its requests: finds the number that explains `actual`. At least
    /// `done` log entries took effect, and none that needs more than `delivered` bytes of its connection.
    pub fn rewind(self, actual: &Dump, done: usize, delivered: u64) -> Option<Oracle> {
        let now_ms = self.now_ms;
        let mut again = Oracle::unconnected();
        let mut rest = self.log.into_iter().peekable();
        loop {
            if again.log_len() >= done {
                again.set_time(now_ms);
                if again.dump() == *actual {
                    again.disconnect();
                    return Some(again);
                }
            }
            let next = rest.next_if(|logged| again.log_len() < done || logged.stream_end <= delivered)?;
            again.set_time(next.now_ms);
            again.perform(next.action, next.stream_end);
        }
    }

    fn perform(&mut self, action: Action, stream_end: u64) -> Vec<u8> {
        match &action {
            Action::Connect => self.connection = self.engine.connect(peers::connection_info()),
            Action::Bytes(bytes) => self.engine.on_bytes(self.connection, bytes),
            Action::EndOfInput => self.engine.on_end_of_input(self.connection),
            Action::Disconnect => self.engine.disconnected(self.connection),
        }
        self.log.push(Logged { now_ms: self.now_ms, action, stream_end });
        self.take_output()
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            self.engine.take_dirty(&mut Vec::new());
            self.engine.take_host_requests();
            out.append(&mut self.engine.drain_output(self.connection));
            if !self.engine.has_work() {
                return out;
            }
            self.engine.run_stalled();
        }
    }
}
