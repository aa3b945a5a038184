//! Rest: everything is delivered, then what must hold of a quiet server is asserted. Also the end of a run.

use torc_engine::Engine;
use torc_engine::session::Session;

use crate::client::Life;
use crate::network::Mutation;
use crate::peers::{self, Dump, letter_of};
use crate::shared::SHARED_LETTER;
use crate::swarm::pick;
use crate::trace::note;
use crate::world::World;

/// Rounds in which everything that is due happens once, until nothing may be due any more.
const ROUNDS_MAX: usize = 2_000_000;

impl World {
    /// Lets everything arrive, then compares the whole state with that of the oracles.
    pub fn rest(&mut self) {
        self.settling = true;
        self.network.slow_core = None;
        self.deliver_everything();
        self.assert_quiet();
        self.compare_keys();
        self.settling = false;
        self.reconnect();
    }

    fn deliver_everything(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut progress = false;
            for client in 0..self.clients.len() {
                progress |= self.bytes(client);
                progress |= self.take(client);
            }
            for core in 0..self.swarm.cores {
                let engine = &mut self.engines[usize::from(core)];
                progress |= engine.has_work();
                engine.run_stalled();
                self.flush(core);
                progress |= self.output(core);
            }
            // Fewer messages than could arrive, so that batches fill.
            for _ in 0..1 + self.random.below(3 * u64::from(self.swarm.cores)) {
                progress |= self.message();
            }
            if !progress {
                return;
            }
        }
        panic!("the cores never come to rest");
    }

    fn assert_quiet(&mut self) {
        assert!(self.network.is_empty(), "messages are under way");
        for engine in &self.engines {
            assert!(engine.mesh_is_idle(), "core {} waits for another core", engine.inspect().core());
            assert!(engine.claims_are_idle(), "locks are left: {}", describe_claims(&self.engines));
        }
        for client in self.clients.iter_mut().filter(|client| client.is_connected()) {
            let letter = char::from(client.letter);
            assert!(client.waiting().is_empty(), "the server does not take what {letter} sends");
            assert!(client.ledger.is_settled(), "{letter} is not answered: {}", client.ledger.first_owed());
            assert!(client.life == Life::Open, "the server does not close {letter}, which has ended");
            let expected = client.oracle.session();
            assert!(!expected.is_finished(), "the server does not close {letter}");
            let engine = &self.engines[usize::from(client.core)];
            let session = engine.inspect_session(client.connection).expect("it is connected");
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
            let actual = dump_of(&self.engines, letter);
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
        self.shared.verify(&dump_of(&self.engines, SHARED_LETTER));
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
        self.now_ms += span_ms;
        note(format_args!("it is {}", self.now_ms));
        for engine in &mut self.engines {
            let skew_ms = i64::from(self.mutation == Some(Mutation::SkewClock) && engine.inspect().core() == 0) * 700;
            engine.set_time((self.now_ms + skew_ms) * 1000);
        }
        if self.swarm.has_hashes() {
            self.upkeep_all();
        }
        for client in &mut self.clients {
            client.oracle.set_time(self.now_ms);
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
        self.deliver_everything();
        self.assert_quiet();
        self.compare_keys();
        // The background looks for expired keys now and then only.
        self.advance(10_000);
        let expected: usize = self.clients.iter_mut().map(|client| client.oracle.key_count()).sum();
        self.upkeep_all();
        let shared = dump_of(&self.engines, SHARED_LETTER).len();
        let found: usize = self.engines.iter().map(peers::key_count).sum();
        assert_eq!(found, expected + shared, "keys of all shards");
        for engine in &self.engines {
            assert!(engine.figures().connections == 0 && engine.inspect().connections() == 0, "sessions are left");
        }
        self.empty();
    }

    /// FLUSHALL, after which no memory may be in use.
    fn empty(&mut self) {
        let (core, connection) = self.connect();
        let request: &[u8] = if self.random.below(2) == 0 { b"FLUSHALL\r\n" } else { b"FLUSHALL ASYNC\r\n" };
        self.engines[usize::from(core)].on_bytes(connection, request);
        self.deliver_everything();
        let engine = &mut self.engines[usize::from(core)];
        assert_eq!(engine.inspect_session(connection).map(Session::output), Some(&b"+OK\r\n"[..]));
        engine.disconnected(connection);
        self.upkeep_all();
        let fresh = peers::engine(0, 1, 1, false).inspect().keyspace().memory();
        for engine in &self.engines {
            let (memory, pending) =
                (engine.inspect().keyspace().memory(), engine.inspect().keyspace().stats().lazyfree_pending_objects);
            assert_eq!(
                (memory.entries_bytes, memory.large_bytes, pending),
                (fresh.entries_bytes, fresh.large_bytes, 0)
            );
            assert_eq!(memory.table_bytes, fresh.table_bytes, "tables of core {}", engine.inspect().core());
            assert!(engine.mesh_is_idle() && engine.figures().connections == 0);
            assert_eq!(
                engine.inspect().keyspace().observed_len(),
                0,
                "keys of core {} are watched",
                engine.inspect().core()
            );
        }
    }

    fn upkeep_all(&mut self) {
        for engine in &mut self.engines {
            while engine.upkeep(u32::MAX).more {}
        }
    }
}

fn describe_claims(engines: &[Engine]) -> String {
    engines.iter().map(|engine| format!("\ncore {}: {}", engine.inspect().core(), engine.describe_claims())).collect()
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
