//! Engines and keyspaces as this world sets them up: the same for the cores under test and for the oracles.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use torc_engine::config::{Config, DebugAccess, PipelineOrder};
use torc_engine::route::CoreId;
use torc_engine::snapshot::{self, Writing};
use torc_engine::state::{CoreState, HostFunctions, Identity, ReplyBounds};
use torc_engine::{Clients, ConnectionId, ConnectionInfo, Engine};
use torc_rdb::{Input, decode_value};
use torc_store::{BigFrom, Keyspace, KeyspaceOptions, ValueRef};

use crate::compare::{encoding, settled};

/// A version of the format that has everything.
const FORMAT_VERSION: u16 = 12;

/// The time at which every run starts, Unix milliseconds.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A key's value, when it expires, and how it is encoded.
pub(crate) type Stored = (Vec<u8>, Option<i64>, &'static str);

/// Keys by database and name.
pub(crate) type Dump = BTreeMap<(u16, Vec<u8>), Stored>;

/// Elements that a collection has at most before it becomes a table, where that is to happen early.
const SMALL_PACK_ENTRIES: u64 = 4;

/// Clients that have left, of which the engines have not been told.
pub(crate) type Left = Rc<RefCell<BTreeSet<(CoreId, ConnectionId)>>>;

thread_local! {
    /// What [`clock_ns`] has shown last, and whether it goes on.
    static CLOCK: Cell<(u64, bool)> = const { Cell::new((0, false)) };
}

/// Sets the clock that turns are measured with for a run. In some runs whatever may take long takes so long that turns end by it.
pub(crate) fn start_clock(seed: u64) {
    CLOCK.set((0, seed % 5 < 2));
}

/// The clock that turns are measured with, nanoseconds. It goes on by up to a millisecond whenever it is looked at.
pub(crate) fn clock_ns() -> u64 {
    let (now_ns, goes_on) = CLOCK.get();
    let next_ns = if goes_on { now_ns + now_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000 + 1 } else { now_ns };
    CLOCK.set((next_ns, goes_on));
    next_ns
}

/// So much time passes while nobody looks at that clock.
pub(crate) fn let_clock_pass(us: u64) {
    let (now_ns, goes_on) = CLOCK.get();
    if goes_on {
        CLOCK.set((now_ns + us * 1000, goes_on));
    }
}

/// What one engine asks about its clients.
struct LeftClients {
    core: CoreId,
    left: Left,
}

impl Clients for LeftClients {
    fn has_left(&self, connection: ConnectionId, _info: &ConnectionInfo) -> bool {
        self.left.borrow().contains(&(self.core, connection))
    }
}

/// One core of `cores`, without connections, that is told of a client's end when it comes. `small_packs`: collections become tables early.
pub(crate) fn engine(core: CoreId, cores: u16, seed: u64, small_packs: bool) -> Engine {
    engine_among(core, cores, seed, small_packs, &Left::default())
}

/// The same where clients may have left before it is told.
pub(crate) fn engine_among(core: CoreId, cores: u16, seed: u64, small_packs: bool, left: &Left) -> Engine {
    let mut config = Config { cores: u32::from(cores), enable_debug_command: DebugAccess::Yes, ..Config::default() };
    config.pipeline_order = pipeline_order(seed);
    config.busy_reply_threshold_ms = if is_impatient(seed) { 20 } else { 3_600_000 };
    // Values here have few elements: with such limits they take all their forms.
    if small_packs {
        config.list_max_listpack_size = SMALL_PACK_ENTRIES as i32;
        config.set_max_intset_entries = SMALL_PACK_ENTRIES;
        config.set_max_listpack_entries = SMALL_PACK_ENTRIES;
        config.hash_max_listpack_entries = SMALL_PACK_ENTRIES;
        config.zset_max_listpack_entries = SMALL_PACK_ENTRIES;
    }
    let databases = u16::try_from(config.databases).expect("the default is small");
    let mut keyspace = Keyspace::new(KeyspaceOptions { databases, hash_seed: [seed, 2, 3, 4] });
    if seed % 2 == 1 {
        // Little is big, so that values move between cores in both ways.
        keyspace.set_big_from(BigFrom { len: 3, bytes: 64 });
    }
    let identity = Identity { process_id: 1, run_id: "0".repeat(40), started_ms: START_MS, ..Identity::default() };
    let clients = LeftClients { core, left: Rc::clone(left) };
    let mut state = CoreState::new(core, cores, config, keyspace, identity, seed + u64::from(core));
    if seed.is_multiple_of(3) {
        // Few replies are much, so that requests wait for room.
        state.set_reply_bounds(ReplyBounds { ahead_bytes: 40, room_bytes: 20, confirmations: 2 });
    }
    let host = HostFunctions { clock_ns, ..HostFunctions::STILL };
    let mut engine = Engine::new(state.with_clients(Box::new(clients)).with_host_functions(host));
    engine.set_time(START_MS * 1000);
    engine
}

/// Whether scripts make their core busy soon in a run, whose clock goes on.
pub(crate) fn is_impatient(seed: u64) -> bool {
    seed.is_multiple_of(5)
}

/// What the engines of a run keep in order of a pipeline.
pub(crate) fn pipeline_order(seed: u64) -> PipelineOrder {
    if seed % 4 == 2 { PipelineOrder::Relaxed } else { PipelineOrder::Writes }
}

/// What is told to an engine about every connection.
pub(crate) fn connection_info() -> ConnectionInfo {
    ConnectionInfo {
        address: "127.0.0.1:50000".to_owned(),
        local_address: "127.0.0.1:6379".to_owned(),
        descriptor: 8,
        local_peer: true,
        ..ConnectionInfo::default()
    }
}

/// Adds all keys of an engine that have not expired and that are `wanted`; each must be on the core that owns it.
pub(crate) fn dump_into(dump: &mut Dump, engine: &Engine, wanted: impl Fn(&[u8]) -> bool) {
    let state = engine.inspect();
    for db in 0..state.keyspace().databases() {
        state.keyspace().for_each(db, state.now_ms(), &mut |value| {
            let key = value.key();
            assert_eq!(state.owner(key), state.core(), "{} is on the wrong core", key.escape_ascii());
            if !wanted(key) {
                return;
            }
            let content = match value.as_string() {
                Some(bytes) => bytes.to_vec(),
                None => match neutral(value, state) {
                    Some(text) => text.into_bytes(),
                    None => return,
                },
            };
            let encoding = str::from_utf8(encoding(value.encoding().as_bytes())).expect("names are text");
            let known = dump.insert((db, key.to_vec()), (content, value.expire_at(), encoding));
            assert!(known.is_none(), "{} is there twice", key.escape_ascii());
        });
    }
}

/// A value as text, without any order that the store has chosen. `None`: all that it had has expired.
fn neutral(value: ValueRef<'_>, state: &CoreState) -> Option<String> {
    let mut bytes = Vec::new();
    let writing = Writing { config: state.config(), version: FORMAT_VERSION, compress: false, now_ms: state.now_ms() };
    snapshot::encode(value, writing, &mut bytes)?;
    let (&kind, body) = bytes.split_first().expect("an encoded value begins with its type");
    let value = decode_value(&mut Input::new(body), kind, FORMAT_VERSION).expect("an engine encodes values well");
    Some(format!("{:?}", settled(value)))
}

/// What two dumps do not have in common, readable; empty if they are equal.
pub(crate) fn difference(actual: &Dump, expected: &Dump) -> String {
    let line = |((db, key), (value, expire_at, encoding)): (&(u16, Vec<u8>), &Stored)| {
        format!("{db} {} = {} {expire_at:?} {encoding}", key.escape_ascii(), value.escape_ascii())
    };
    let only = |one: &Dump, other: &Dump| -> Vec<String> {
        one.iter().filter(|(key, stored)| other.get(*key) != Some(stored)).map(line).collect()
    };
    if actual == expected {
        return String::new();
    }
    format!("\n  server: {:#?}\n  oracle: {:#?}", only(actual, expected), only(expected, actual))
}

/// Keys of an engine, expired ones that were not removed yet included.
pub(crate) fn key_count(engine: &Engine) -> usize {
    let keyspace = engine.inspect().keyspace();
    (0..keyspace.databases()).map(|db| keyspace.len(db)).sum()
}

/// The letter of the client that owns a key: the first letter of its hash tag, or of the key.
pub(crate) fn letter_of(key: &[u8]) -> Option<u8> {
    key.strip_prefix(b"{").unwrap_or(key).first().copied()
}
