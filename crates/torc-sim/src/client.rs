//! One client: what it has made and not sent, its connection as both ends see it, and its oracle.

use torc_engine::ConnectionId;
use torc_engine::route::CoreId;

use crate::ledger::{Judgement, Ledger};
use crate::oracle::Oracle;

/// Where a client is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It sends and receives.
    Open,
    /// It has closed its sending side, or will when all is sent.
    Ending,
    /// It went away; what took effect is found out at rest.
    Dead,
    /// The server has closed its connection, or the run is over for it.
    Closed,
}

/// A client and its connection.
pub(crate) struct Client {
    /// What its keys begin with.
    pub letter: u8,
    pub life: Life,
    pub core: CoreId,
    pub connection: ConnectionId,
    pub socket: Socket,
    pub oracle: Oracle,
    pub ledger: Ledger,
    /// Bytes made for this connection, and how many of them arrived.
    outbox: Vec<u8>,
    arrived: usize,
    /// Bytes that were made and arrived before those in `outbox`.
    forgotten: u64,
}

/// The server's end of the connection, as the ring loop keeps it.
#[derive(Default)]
pub(crate) struct Socket {
    /// Whether the server takes bytes.
    pub receiving: bool,
    /// Whether the server knows of the end of input.
    pub ended: bool,
    /// Whether it waits for the client to take something before it sends more.
    pub is_full: bool,
}

impl Client {
    /// A client of this letter, on a new connection.
    pub fn new(letter: u8, core: CoreId, connection: ConnectionId) -> Self {
        let oracle = Oracle::new();
        Client {
            letter,
            life: Life::Open,
            core,
            connection,
            socket: Socket { receiving: true, ..Socket::default() },
            ledger: Ledger::new(oracle.log_len()),
            oracle,
            outbox: Vec::new(),
            arrived: 0,
            forgotten: 0,
        }
    }

    /// A new connection; the oracle was told that the old one is gone.
    pub fn reconnect(&mut self, core: CoreId, connection: ConnectionId) {
        self.oracle.connect();
        self.life = Life::Open;
        (self.core, self.connection) = (core, connection);
        self.socket = Socket { receiving: true, ..Socket::default() };
        self.ledger = Ledger::new(self.oracle.log_len());
        self.outbox.clear();
        (self.arrived, self.forgotten) = (0, 0);
    }

    /// Whether this is the connection's client.
    pub fn is_at(&self, core: CoreId, connection: ConnectionId) -> bool {
        self.is_connected() && self.core == core && self.connection == connection
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        matches!(self.life, Life::Open | Life::Ending)
    }

    /// Makes a request. Unless the answer is known without it, the oracle knows it from now on.
    pub fn make(&mut self, bytes: &[u8], judgement: Judgement, known: Option<Vec<u8>>) {
        self.outbox.extend_from_slice(bytes);
        let end = self.made();
        let expected = known.unwrap_or_else(|| self.oracle.feed(bytes, end));
        self.ledger.expect(judgement, expected, self.oracle.log_len(), bytes);
    }

    /// Bytes that were made and did not arrive.
    pub fn waiting(&self) -> &[u8] {
        &self.outbox[self.arrived..]
    }

    /// So many more bytes have arrived.
    pub fn arrive(&mut self, len: usize) {
        self.arrived += len;
        if self.arrived == self.outbox.len() {
            self.forgotten += self.arrived as u64;
            self.outbox.clear();
            self.arrived = 0;
        }
    }

    /// Bytes that have arrived on this connection.
    pub fn delivered(&self) -> u64 {
        self.forgotten + self.arrived as u64
    }

    fn made(&self) -> u64 {
        self.forgotten + self.outbox.len() as u64
    }
}
