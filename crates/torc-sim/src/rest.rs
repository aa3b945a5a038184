//! Rest: everything is delivered, then what must hold of a quiet server is asserted. Also the end of a run.

use torc_engine::Engine;
use torc_engine::session::Session;
use torc_resp::OutputBuffer;

use crate::client::Life;
use crate::cluster::Surroundings;
use crate::network::Mutation;
use crate::peers::{self, Dump, letter_of};
use crate::shared::SHARED_LETTER;
use crate::swarm::pick;
use crate::trace::note;
use crate::world::World;

/// Messages that arrive in one round, at most, for each core.
const MESSAGES_PER_CORE: u64 = 3;

impl World {
    /// Lets everything arrive, then compares the whole state with that of the oracles.
    pub fn rest(&mut self) {
        self.settling = true;
        self.cluster.network.slow_core = None;
        self.deliver_everything(MESSAGES_PER_CORE);
        self.assert_quiet();
        self.compare_keys();
        self.settling = false;
        self.reconnect();
    }

    fn assert_quiet(&mut self) {
        self.cluster.assert_quiet();
        for client in self.clients.iter_mut().filter(|client| client.is_connected()) {
            let letter = char::from(client.letter);
            assert!(client.waiting().is_empty(), "the server does not take what {letter} sends");
            assert!(client.ledger.is_settled(), "{letter} is not answered: {}", client.ledger.first_owed());
            assert!(client.life == Life::Open, "the server does not close {letter}, which has ended");
            let expected = client.oracle.session();
            assert!(!expected.is_finished(), "the server does not close {letter}");
            let session = self.cluster.engine(client.core).inspect_session(client.connection).expect("it is connected");
            assert!(!session.is_stalled() && !session.is_waiting(), "{letter} waits for nothing");
            assert_eq!(session.input_len(), expected.input_len(), "input of {letter} that waits");
            assert_eq!(
                (session.db(), session.protocol(), session.reply_mode()),
                (expected.db(), expected.protocol(), expected.reply_mode())
            );
            assert_eq!(session.is_in_multi(), expected.is_in_multi(), "a transaction of {letter}");
            assert_eq!(session.name(), expected.name(), "the name of {letter}");
        }
    }

    /// Each client's keys are those of its oracle; for dead clients, of the oracle after as many requests as explain them.
    fn compare_keys(&mut self) {
        for client in &mut self.clients {
            let letter = client.letter;
            let actual = dump_of(&self.cluster.engines, letter);
            if client.life == Life::Dead {
                let (done, delivered) = (client.ledger.acknowledged(), client.delivered());
                let oracle = std::mem::replace(&mut client.oracle, crate::oracle::Oracle::new());
                let found = oracle.rewind(&actual, done, delivered);
                client.oracle = found.unwrap_or_else(|| {
                    panic!("no number of requests of {} explains its keys: {:?}", char::from(letter), shown(&actual))
                });
                client.life = Life::Closed;
            } else {
                let expected = client.oracle.dump();
                let difference = peers::difference(&actual, &expected);
                assert!(difference.is_empty(), "keys of {}: {difference}", char::from(letter));
                client.ledger.acknowledge(client.oracle.log_len());
            }
        }
        self.shared.verify(&dump_of(&self.cluster.engines, SHARED_LETTER));
    }

    fn reconnect(&mut self) {
        for client in 0..self.clients.len() {
            if self.clients[client].life == Life::Closed {
                let (core, connection) = self.connect();
                self.clients[client].reconnect(core, connection);
            }
        }
    }

    /// Time jumps, on all cores and for all oracles alike.
    pub fn pass_time(&mut self) {
        let span_ms = pick(&mut self.random, &[0, 1, 40, 500, 1000, 3000, 20_000, 200_000]) as i64;
        self.advance(span_ms);
    }

    fn advance(&mut self, span_ms: i64) {
        self.cluster.now_us += span_ms * 1000;
        let now_us = self.cluster.now_us;
        note(format_args!("it is {}", now_us / 1000));
        for engine in &mut self.cluster.engines {
            let skew_ms = i64::from(self.mutation == Some(Mutation::SkewClock) && engine.inspect().core() == 0) * 700;
            engine.set_time(now_us + skew_ms * 1000);
        }
        if self.swarm.has_hashes() {
            self.upkeep_all();
        }
        for client in &mut self.clients {
            client.oracle.set_time(now_us / 1000);
        }
    }

    /// All clients go, one way or the other; then the server must be as it was at the start.
    pub fn end(&mut self) {
        for client in 0..self.clients.len() {
            match self.random.below(2) {
                0 => self.half_close(client),
                _ => self.die(client),
            }
        }
        self.settling = true;
        self.deliver_everything(MESSAGES_PER_CORE);
        self.assert_quiet();
        self.compare_keys();
        // The background looks for expired keys now and then only.
        self.advance(10_000);
        let expected: usize = self.clients.iter_mut().map(|client| client.oracle.key_count()).sum();
        self.upkeep_all();
        let shared = dump_of(&self.cluster.engines, SHARED_LETTER).len();
        let found: usize = self.cluster.engines.iter().map(peers::key_count).sum();
        assert_eq!(found, expected + shared, "keys of all shards");
        self.cluster.assert_deserted();
        self.empty();
    }

    /// FLUSHALL, after which no memory may be in use.
    fn empty(&mut self) {
        let (core, connection) = self.connect();
        let request: &[u8] = if self.random.below(2) == 0 { b"FLUSHALL\r\n" } else { b"FLUSHALL ASYNC\r\n" };
        self.cluster.engine(core).on_bytes(connection, request);
        self.deliver_everything(MESSAGES_PER_CORE);
        let engine = self.cluster.engine(core);
        assert_eq!(
            engine.inspect_session(connection).map(Session::output).and_then(OutputBuffer::as_slice),
            Some(&b"+OK\r\n"[..])
        );
        engine.disconnected(connection);
        self.upkeep_all();
        let fresh = peers::engine(0, 1, 1, false).inspect().keyspace().memory();
        for engine in &self.cluster.engines {
            let (memory, pending) =
                (engine.inspect().keyspace().memory(), engine.inspect().keyspace().stats().lazyfree_pending_objects);
            assert_eq!(
                (memory.entries_bytes, memory.large_bytes, pending),
                (fresh.entries_bytes, fresh.large_bytes, 0)
            );
            assert_eq!(memory.table_bytes, fresh.table_bytes, "tables of core {}", engine.inspect().core());
        }
        self.cluster.assert_quiet();
        self.cluster.assert_deserted();
    }

    fn upkeep_all(&mut self) {
        for engine in &mut self.cluster.engines {
            while engine.upkeep(u32::MAX).more {}
        }
    }
}

fn dump_of(engines: &[Engine], letter: u8) -> Dump {
    let mut dump = Dump::new();
    engines.iter().for_each(|engine| peers::dump_into(&mut dump, engine, |key| letter_of(key) == Some(letter)));
    dump
}

/// Keys with all that is compared of them, readable.
fn shown(dump: &Dump) -> Vec<String> {
    let line = |((db, key), (value, expire_at, encoding)): (&(u16, Vec<u8>), &peers::Stored)| {
        format!("{db} {} = {} {expire_at:?} {encoding}", key.escape_ascii(), value.escape_ascii())
    };
    dump.iter().map(line).collect()
}
