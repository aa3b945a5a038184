//! An engine that does what scenarios say, and whose log is kept.

use torc_engine::Engine;
use torc_engine::config::{Config, DebugAccess};
use torc_resp::write_request;
use torc_store::BigFrom;

use super::log::Log;
use super::scenario::{CORES, Step, request};
use crate::common::{Client, TestCore};

/// How an engine is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How many cores it has.
    pub cores: u16,
    /// Every value is big: no set, hash or sorted set is packed, and each is saved an element at a time.
    pub has_big_values: bool,
}

impl Setup {
    /// One core and several, with values as they are and with big ones.
    pub fn all() -> impl Iterator<Item = Setup> {
        [1, CORES].into_iter().flat_map(|cores| [false, true].map(|has_big_values| Setup { cores, has_big_values }))
    }

    /// With another number of cores.
    pub fn with_other_cores(self) -> Setup {
        Setup { cores: 1 + CORES - self.cores, ..self }
    }

    /// A new engine, whose time has begun or not.
    pub fn engine(self, is_before_time: bool) -> TestCore {
        let change = |config: &mut Config| self.configure(config);
        let make = if is_before_time { TestCore::before_time } else { TestCore::with_config };
        let core = make(self.cores, change);
        if self.has_big_values {
            let big_from = BigFrom { len: 1, bytes: 1 };
            let enlarge = |engine: &mut Engine| engine.inspect_mut().keyspace_mut().set_big_from(big_from);
            (0..self.cores).for_each(|number| core.engine(number, enlarge));
        }
        core
    }

    fn configure(self, config: &mut Config) {
        config.enable_debug_command = DebugAccess::Yes;
        if self.has_big_values {
            config.set_max_intset_entries = 0;
            config.set_max_listpack_entries = 0;
            config.hash_max_listpack_entries = 0;
            config.zset_max_listpack_entries = 0;
            config.list_max_listpack_size = 1;
        }
    }
}

/// An engine whose log is kept.
pub struct Told {
    /// The engine.
    pub core: TestCore,
    /// How it is set up.
    pub setup: Setup,
    /// Who asks.
    pub client: Client,
    /// A client on another core, where there is one.
    other: Client,
    /// What it propagates.
    pub log: Log,
}

impl Told {
    /// A new engine.
    pub fn new(setup: Setup) -> Told {
        let core = setup.engine(false);
        let log = Log::begin(&core, setup.cores);
        let (client, other) = (core.client(), core.client_on(setup.cores - 1));
        Told { core, setup, client, other, log }
    }

    /// Does what a scenario says.
    pub fn step(&self, step: &Step) {
        match step {
            Step::Request(line) => {
                let reply = self.client.call(&request(line));
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            Step::Wait(line) => {
                let mut bytes = Vec::new();
                write_request(&mut bytes, &request(line));
                assert!(self.other.raw(&bytes).is_empty(), "{line} waits");
            }
            Step::After(span_ms) => self.core.advance_ms(i64::try_from(*span_ms).expect("a short time")),
        }
    }
}
