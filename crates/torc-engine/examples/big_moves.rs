//! How long RENAME between two cores holds each of them when the value is big, and how long a step of freeing the value on its new core takes.
//!
//! `cargo run --release -p torc-engine --example big_moves -- [millions of elements] [rounds] [types]` (10 20, all); types are a list of the beginnings of
//! their names, with commas.
//!
//! Two engines on one thread, no sockets, the server's allocator. A value is built on core 0 or 1, where its key is, and then goes to the other core and
//! back, so many rounds. Whatever an engine does is one call of it: each is timed by itself, as CPU time of the thread. The table has the longest call of the
//! core that gives and of the core that takes, in any round; then the value is removed where it came to.

#[allow(dead_code, reason = "what else is done to a value is for the other example")]
#[path = "big/types.rs"]
mod types;

use std::collections::VecDeque;

use torc_engine::config::Config;
use torc_engine::route::{CoreId, SlotMap};
use torc_engine::state::{CoreState, Identity};
use torc_engine::{ConnectionId, ConnectionInfo, Engine, Message};
use torc_store::{Keyspace, KeyspaceOptions};
use types::{Selection, TYPES, Type, cpu_ns, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As in the server's loop.
const UNITS_PER_TURN: u32 = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let millions = arguments.next().map_or(10, |text| text.parse().expect("a number of millions"));
    let rounds: usize = arguments.next().map_or(20, |text| text.parse().expect("a number of rounds"));
    let types = Selection(arguments.next());
    println!("| value | gives, us | takes, us | DEL, us | a step of freeing it, us | steps over 100 us | of |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for kind in TYPES.iter().filter(|kind| types.has(kind.name)) {
        measure(kind, kind.per_million * millions, rounds);
    }
}

fn measure(kind: &Type, count: u64, rounds: usize) {
    let mut cores = Cores::new();
    // The clock is slow: what is not to be measured is not timed.
    cores.is_timing = false;
    for number in 0..count {
        cores.call(&(kind.add)(number));
    }
    cores.is_timing = true;
    let home = usize::from(owner("big"));
    let away = (0..).map(|number| format!("away{number}")).find(|key| usize::from(owner(key)) != home);
    let away = away.expect("numbers do not end");
    let (mut gives, mut takes) = (0, 0);
    for _ in 0..rounds {
        for (from, to, giver) in [("big", &away[..], home), (&away[..], "big", 1 - home)] {
            cores.longest_ns = [0; 2];
            cores.call(&request("RENAME", &[from, to]));
            gives = gives.max(cores.longest_ns[giver]);
            takes = takes.max(cores.longest_ns[1 - giver]);
        }
    }
    cores.call(&request("RENAME", &["big", &away]));
    let left = cores.engines[home].inspect().keyspace().memory();
    assert!(left.entries_bytes + left.large_bytes < 1000, "nothing is left behind: {left:?}");
    cores.longest_ns = [0; 2];
    cores.call(&request("DEL", &[&away]));
    let removal_ns = *cores.longest_ns.iter().max().expect("there are two");
    let mut steps = Vec::new();
    loop {
        let start = cpu_ns();
        let more = cores.engines[1 - home].upkeep(UNITS_PER_TURN).more;
        steps.push(cpu_ns() - start);
        if !more {
            break;
        }
    }
    let left = cores.engines[1 - home].inspect().keyspace().memory();
    assert!(left.entries_bytes + left.large_bytes < 1000, "all is freed: {left:?}");
    let longest_step = steps.iter().max().copied().unwrap_or(0);
    let long = steps.iter().filter(|&&ns| ns > 100_000).count();
    let us = |ns: u64| ns as f64 / 1000.0;
    println!(
        "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {long} | {} |",
        kind.name,
        us(gives),
        us(takes),
        us(removal_ns),
        us(longest_step),
        steps.len()
    );
}

fn owner(key: &str) -> CoreId {
    SlotMap::even(2).owner(key.as_bytes())
}

/// Two engines, and a client of the first.
struct Cores {
    engines: Vec<Engine>,
    connection: ConnectionId,
    mail: VecDeque<(CoreId, Message)>,
    bytes: Vec<u8>,
    /// The longest call of each core.
    longest_ns: [u64; 2],
    is_timing: bool,
}

impl Cores {
    fn new() -> Cores {
        let mut engines: Vec<Engine> = (0..2).map(engine).collect();
        let connection = engines[0].connect(ConnectionInfo { local_peer: true, ..ConnectionInfo::default() });
        Cores { engines, connection, mail: VecDeque::new(), bytes: Vec::new(), longest_ns: [0; 2], is_timing: true }
    }

    /// Runs one command, which must succeed.
    fn call(&mut self, words: &[Vec<u8>]) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        let connection = self.connection;
        self.timed(0, |engine| engine.on_bytes(connection, &bytes));
        self.bytes = bytes;
        loop {
            for core in 0..2 {
                self.timed(core, Engine::run_stalled);
                let mut mail = std::mem::take(&mut self.mail);
                self.timed(core, |engine| {
                    engine.flush(|to, message| mail.push_back((to, message)));
                });
                self.mail = mail;
            }
            if self.mail.is_empty() {
                break;
            }
            for (to, message) in std::mem::take(&mut self.mail) {
                self.timed(usize::from(to), |engine| engine.on_message(1 - to, message));
            }
        }
        let engine = &mut self.engines[0];
        let reply = engine.drain_output(connection);
        assert!(!reply.is_empty() && reply[0] != b'-', "{}", reply.escape_ascii());
        engine.take_dirty(&mut Vec::new());
    }

    fn timed(&mut self, core: usize, work: impl FnOnce(&mut Engine)) {
        if !self.is_timing {
            return work(&mut self.engines[core]);
        }
        let start = cpu_ns();
        work(&mut self.engines[core]);
        self.longest_ns[core] = self.longest_ns[core].max(cpu_ns() - start);
    }
}

fn engine(core: CoreId) -> Engine {
    let config = Config { cores: 2, ..Config::default() };
    let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
    let mut engine = Engine::new(CoreState::new(core, 2, config, keyspace, Identity::default(), 7));
    engine.set_time(1_700_000_000_000_000);
    engine
}
