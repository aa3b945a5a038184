//! What happens to a host that reads effects and does not take them: they are bounded, and it is told.

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::effect::Reads;
use torc_engine::{Engine, Taken};

/// As the engine bounds them.
const UNITS_MAX: usize = 32 * 1024;
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Commands of a pipeline.
const DEPTH: usize = 256;

fn reading() -> (TestCore, Client) {
    let core = TestCore::new(1);
    core.engine(0, |engine| engine.read_effects(Reads::All));
    let client = core.client();
    (core, client)
}

/// How many units the host gets; `None`: it has lost some.
fn take(core: &TestCore) -> Option<usize> {
    match core.engine(0, Engine::take_units) {
        Taken::Units(units) => Some(units.len()),
        Taken::Lost => None,
    }
}

fn has_room(core: &TestCore) -> bool {
    core.engine(0, |engine| engine.has_room_for_units())
}

fn increment(client: &Client, pipelines: usize) {
    for _ in 0..pipelines {
        client.pipeline(&["INCR n"; DEPTH]);
    }
}

#[test]
fn so_many_units_are_kept_and_no_more() {
    let (core, client) = reading();
    increment(&client, UNITS_MAX / DEPTH);
    assert_eq!(take(&core), Some(UNITS_MAX));
    increment(&client, UNITS_MAX / DEPTH);
    client.send("INCR n");
    assert_eq!(take(&core), None);
    // Reading has ended, and begins anew when the host says so.
    client.send("INCR n");
    assert_eq!(take(&core), Some(0));
    core.engine(0, |engine| engine.read_effects(Reads::All));
    client.send("INCR n");
    assert_eq!(take(&core), Some(1));
    assert_eq!(client.send("GET n"), format!("\"{}\"", 2 * UNITS_MAX + 3));
}

#[test]
fn so_many_bytes_are_kept_and_one_unit_of_any_size() {
    let (core, client) = reading();
    let value = vec![b'x'; BYTES_MAX / 4];
    for _ in 0..4 {
        client.call(&[&b"SET"[..], b"k", &value]);
    }
    assert_eq!(take(&core), Some(4), "the last of them exceeds the bound");
    for _ in 0..5 {
        client.call(&[&b"SET"[..], b"k", &value]);
    }
    assert_eq!(take(&core), None);
}

#[test]
fn a_host_that_asks_loses_nothing() {
    let (core, client) = reading();
    let mut taken = 0;
    for _ in 0..2 * UNITS_MAX / DEPTH {
        if !has_room(&core) {
            taken += take(&core).expect("there was room");
        }
        assert!(has_room(&core));
        increment(&client, 1);
    }
    assert_eq!(taken + take(&core).expect("there was room"), 2 * UNITS_MAX);
}

#[test]
fn a_transaction_ends_on_a_core_where_nobody_reads() {
    let core = TestCore::new(2);
    let client = core.client();
    core.engine(1, |engine| engine.read_effects(Reads::All));
    let keys = key_of_each_core(2, "k");
    assert_eq!(client.send(&format!("MSET {} 1 {} 2", keys[0], keys[1])), "+OK");
    assert_eq!(take(&core), Some(0));
}
