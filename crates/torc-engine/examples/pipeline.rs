//! Time of the engine alone for pipelines of one command: no sockets, no kernel.
//!
//! `cargo run --release -p torc-engine --example pipeline -- [depth] [keys] [rounds] [command] [log]` prints nanoseconds per command.
//! `command` is `mixed` (GET and SET, 10 to 1, the default), `get`, `set`, `incr`, `hset` or `lpush`. With `log` what is propagated is
//! made a group at the end of each pipeline, which nobody writes.
//! Under callgrind, the difference between two numbers of rounds gives instructions per command.

use std::time::Instant;

use torc_engine::config::Config;
use torc_engine::effect::Records;
use torc_engine::random::Random;
use torc_engine::state::{CoreState, Identity};
use torc_engine::{ConnectionId, ConnectionInfo, Engine, Output, Taken};
use torc_log::Encoder;
use torc_store::{Keyspace, KeyspaceOptions};

const CONNECTIONS: usize = 50;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |index: usize, default: u64| words.get(index).map_or(default, |text| text.parse().expect("a number"));
    let load = words.get(3).map_or("mixed", String::as_str);
    let (depth, keys, rounds) = (argument(0, 16), argument(1, 100_000), argument(2, 2_000));
    let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
    let mut engine = Engine::new(CoreState::new(0, 1, Config::default(), keyspace, Identity::default(), 1));
    engine.set_time(1_700_000_000_000_000);
    let connections: Vec<ConnectionId> =
        (0..CONNECTIONS).map(|_| engine.connect(ConnectionInfo { local_peer: true, ..Default::default() })).collect();
    let mut random = Random::new(7);
    for key in 0..keys {
        match load {
            "mixed" | "get" | "set" => run(&mut engine, connections[0], &request("set", key)),
            other => run(&mut engine, connections[0], &request(other, key)),
        }
    }
    let mut encoder = words.get(4).map(|word| {
        assert_eq!(word, "log");
        engine.begin_stream();
        Encoder::default()
    });
    let buffers: Vec<Vec<u8>> = (0..997)
        .map(|_| {
            let draw = |_| {
                let (key, writes) = (random.below(keys), random.below(11) == 0);
                request(if load == "mixed" { if writes { "set" } else { "get" } } else { load }, key)
            };
            (0..depth).flat_map(draw).collect()
        })
        .collect();
    let started = Instant::now();
    let mut next = 0;
    for _ in 0..rounds {
        for &connection in &connections {
            run(&mut engine, connection, &buffers[next]);
            if let Some(encoder) = &mut encoder {
                hand_over(&mut engine, encoder);
            }
            next = (next + 1) % buffers.len();
        }
    }
    let commands = rounds * depth * CONNECTIONS as u64;
    println!("{:.1} ns per command", started.elapsed().as_nanos() as f64 / commands as f64);
}

fn run(engine: &mut Engine, connection: ConnectionId, bytes: &[u8]) {
    engine.on_bytes(connection, bytes);
    let Output::Bytes(output) = engine.output(connection) else { panic!("a request is answered") };
    let sent = output.len();
    engine.output_sent(connection, sent);
    engine.take_dirty(&mut Vec::new());
}

/// What a server does at the end of a turn.
fn hand_over(engine: &mut Engine, encoder: &mut Encoder) {
    let Taken::Units(units) = engine.take_units() else { panic!("they are taken each turn") };
    for records in units.records(0..units.len()) {
        match records {
            Records::OfOne { db, units, requests } => encoder.records_of_one(db, units, requests),
            Records::Other(unit) => encoder.record(unit.propagated()),
        }
    }
    engine.give_back(units);
    std::hint::black_box(encoder.take());
}

fn request(command: &str, key: u64) -> Vec<u8> {
    let (name, value) = (format!("key:{key:012}"), "x".repeat(64));
    let words: Vec<&str> = match command {
        "get" => vec!["GET", &name],
        "set" => vec!["SET", &name, &value],
        "incr" => vec!["INCR", &name],
        "hset" => vec!["HSET", &name, "field", &value],
        "lpush" => vec!["LPUSH", &name, "x"],
        other => panic!("no load is called {other}"),
    };
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
