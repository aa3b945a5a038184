//! How many messages a transaction costs: engines of 2 to 64 cores on one thread, one client, MULTI with so many SETs on as
//! many cores.
//!
//! A message is what a core pushes into the mailbox of another: requests or replies with their letters. Run with
//! `cargo run --release -p torc-engine --example messages`.

use std::collections::VecDeque;

use torc_engine::config::Config;
use torc_engine::route::{CoreId, SlotMap};
use torc_engine::state::{CoreState, Identity};
use torc_engine::{ConnectionInfo, Engine, Message};
use torc_store::{Keyspace, KeyspaceOptions};

fn main() {
    println!(
        "| cores | keys, each on a core of its own | messages, the client's core takes part | messages, it does not |"
    );
    println!("|---:|---:|---:|---:|");
    for cores in [2u16, 4, 8, 16, 32, 64] {
        for keys in [2u16, 4, 8, 16, 64].into_iter().filter(|&keys| keys <= cores) {
            let own = messages(cores, &(0..keys).collect::<Vec<_>>());
            let others = (keys < cores).then(|| messages(cores, &(1..=keys).collect::<Vec<_>>()));
            let others = others.map_or("-".to_owned(), |count| count.to_string());
            println!("| {cores} | {keys} | {own} | {others} |");
        }
    }
}

/// Messages of one MULTI with a SET on each of these cores, of a client of core 0.
fn messages(cores: u16, owners: &[CoreId]) -> usize {
    let mut engines: Vec<Engine> = (0..cores).map(|core| engine(core, cores)).collect();
    let info = ConnectionInfo { local_peer: true, ..ConnectionInfo::default() };
    let connection = engines[0].connect(info);
    let mut request = b"MULTI\r\n".to_vec();
    for &owner in owners {
        request.extend_from_slice(format!("SET {} value\r\n", key_of(owner, cores)).as_bytes());
    }
    request.extend_from_slice(b"EXEC\r\n");
    engines[0].on_bytes(connection, &request);
    let mut mail: VecDeque<(CoreId, CoreId, Message)> = VecDeque::new();
    let mut count = 0;
    loop {
        for (core, engine) in engines.iter_mut().enumerate() {
            engine.run_stalled();
            engine.flush(|to, message| mail.push_back((core as CoreId, to, message)));
        }
        if mail.is_empty() {
            break;
        }
        count += mail.len();
        // All that is under way arrives in one turn of each core.
        for (from, to, message) in std::mem::take(&mut mail) {
            engines[usize::from(to)].on_message(from, message);
        }
    }
    let session = engines[0].inspect_session(connection).expect("it is connected");
    assert!(
        session
            .output()
            .to_cow()
            .ends_with(format!("*{}\r\n{}", owners.len(), "+OK\r\n".repeat(owners.len())).as_bytes())
    );
    count
}

fn key_of(core: CoreId, cores: u16) -> String {
    let mut keys = (0..).map(|number| format!("key{number}"));
    keys.find(|key| SlotMap::even(cores).owner(key.as_bytes()) == core).expect("numbers do not end")
}

fn engine(core: CoreId, cores: u16) -> Engine {
    let config = Config { cores: u32::from(cores), ..Config::default() };
    let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
    let mut engine = Engine::new(CoreState::new(core, cores, config, keyspace, Identity::default(), 7));
    engine.set_time(1_700_000_000_000_000);
    engine
}
