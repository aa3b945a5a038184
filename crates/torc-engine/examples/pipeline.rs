//! Time of the engine alone for pipelines of GET and SET: no sockets, no kernel.
//!
//! `cargo run --release -p torc-engine --example pipeline -- [depth] [keys] [rounds]` prints nanoseconds per command.
//! Under callgrind, the difference between two numbers of rounds gives instructions per command.

use std::time::Instant;

use torc_engine::config::Config;
use torc_engine::random::Random;
use torc_engine::state::{CoreState, Identity};
use torc_engine::{ConnectionId, ConnectionInfo, Engine, Output};
use torc_store::{Keyspace, KeyspaceOptions};

const CONNECTIONS: usize = 50;

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let argument = |index: usize, default| arguments.get(index).copied().unwrap_or(default);
    let (depth, keys, rounds) = (argument(0, 16), argument(1, 100_000), argument(2, 2_000));
    let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
    let mut engine = Engine::new(CoreState::new(0, 1, Config::default(), keyspace, Identity::default(), 1));
    engine.set_time(1_700_000_000_000_000);
    let connections: Vec<ConnectionId> =
        (0..CONNECTIONS).map(|_| engine.connect(ConnectionInfo { local_peer: true, ..Default::default() })).collect();
    let mut random = Random::new(7);
    for key in 0..keys {
        run(&mut engine, connections[0], &request(key, true));
    }
    let buffers: Vec<Vec<u8>> = (0..997)
        .map(|_| (0..depth).flat_map(|_| request(random.below(keys), random.below(11) == 0)).collect())
        .collect();
    let started = Instant::now();
    let mut next = 0;
    for _ in 0..rounds {
        for &connection in &connections {
            run(&mut engine, connection, &buffers[next]);
            next = (next + 1) % buffers.len();
        }
    }
    let commands = rounds * depth * CONNECTIONS as u64;
    println!("{:.1} ns per command", started.elapsed().as_nanos() as f64 / commands as f64);
}

fn run(engine: &mut Engine, connection: ConnectionId, bytes: &[u8]) {
    engine.on_bytes(connection, bytes);
    assert!(matches!(engine.output(connection), Output::Bytes(_)), "a request is answered");
    engine.output_sent(connection);
    engine.take_dirty(&mut Vec::new());
}

fn request(key: u64, set: bool) -> Vec<u8> {
    let key = format!("key:{key:012}");
    match set {
        true => format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$64\r\n{}\r\n", "x".repeat(64)).into_bytes(),
        false => format!("*2\r\n$3\r\nGET\r\n$16\r\n{key}\r\n").into_bytes(),
    }
}
