//! One engine without sockets, for `big_values` and `saving`.

use torc_engine::config::{Config, DebugAccess};
use torc_engine::state::{CoreState, HostFunctions, Identity};
use torc_engine::{ConnectionId, ConnectionInfo, Engine};
use torc_store::{Keyspace, KeyspaceOptions};

use crate::types::{cpu_ns, request};

/// An engine with one connection.
pub struct Core {
    pub engine: Engine,
    connection: ConnectionId,
    #[allow(dead_code, reason = "time stands still in `saving`")]
    pub now_us: i64,
    pub reply: Vec<u8>,
    bytes: Vec<u8>,
}

impl Core {
    /// Without a key.
    pub fn new() -> Core {
        disable_huge_pages();
        let config = Config { enable_debug_command: DebugAccess::Yes, ..Config::default() };
        let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
        let state = CoreState::new(0, 1, config, keyspace, Identity::default(), 1);
        let mut engine =
            Engine::new(state.with_host_functions(HostFunctions { clock_ns: cpu_ns, ..HostFunctions::STILL }));
        let now_us = 1_700_000_000_000_000;
        engine.set_time(now_us);
        let connection = engine.connect(ConnectionInfo { local_peer: true, ..Default::default() });
        Core { engine, connection, now_us, reply: Vec::new(), bytes: Vec::new() }
    }

    /// Runs one command, which must succeed, and gives its CPU time in nanoseconds.
    pub fn call(&mut self, words: &[Vec<u8>]) -> u64 {
        self.bytes.clear();
        self.bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        let start = cpu_ns();
        self.engine.on_bytes(self.connection, &self.bytes);
        let took = cpu_ns() - start;
        self.reply = self.engine.drain_output(self.connection);
        assert!(!self.reply.is_empty() && self.reply[0] != b'-', "{:?}", self.reply.escape_ascii().to_string());
        self.engine.take_dirty(&mut Vec::new());
        took
    }

    /// The same of words with spaces between them.
    pub fn line(&mut self, line: &str) -> u64 {
        self.call(&request(line, &[]))
    }
}

/// As the server does at its start. The first touch of a huge page takes milliseconds on some machines, and would be counted as the engine's.
fn disable_huge_pages() {
    // SAFETY: the call takes numbers, and sets a flag of the process.
    let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    assert_eq!(result, 0, "Linux has this flag");
}
