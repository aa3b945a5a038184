//! The engines of one run, their mailboxes and the time: what all worlds have in common. Each world brings its clients and its judge.
//!
//! ```text
//!   world of own keys (`world`)              --+                    +-- engines
//!   world of shared keys (`strict::world`)     +--> cluster: turn --+-- network
//!   world of subscribers (`subscribers::world`)+                    +-- time
//! ```
//! A turn of the server's loop is taken apart here: a world calls its parts in any order, with any delay in between. On the way to rest
//! ([`Surroundings::deliver_everything`]) they come in the server's order, round after round, until nothing is left to do.

use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::{ConnectionId, Engine, Message};

use crate::network::{Mutation, Network};
use crate::peers::{self, Left, START_MS};

/// Rounds in which everything that is due happens once, until nothing may be due any more.
const ROUNDS_MAX: usize = 2_000_000;

/// See the head of the file.
pub(crate) struct Cluster {
    pub engines: Vec<Engine>,
    pub network: Network,
    /// Connections whose clients have left, of which the engines have not been told.
    pub left: Left,
    /// The time of the world, Unix microseconds. An engine knows it when it is told.
    pub now_us: i64,
    /// Messages between cores so far.
    pub messages: u64,
    /// Most messages that were in one mailbox.
    pub mailbox_messages_max: usize,
}

impl Cluster {
    /// So many engines, empty and without connections. `small_packs`: collections become tables early.
    pub fn new(cores: u16, seed: u64, small_packs: bool, mutation: Option<Mutation>) -> Self {
        let left = Left::default();
        peers::start_clock(seed);
        Cluster {
            engines: (0..cores).map(|core| peers::engine_among(core, cores, seed, small_packs, &left)).collect(),
            left,
            network: Network::new(cores, mutation),
            now_us: START_MS * 1000,
            messages: 0,
            mailbox_messages_max: 0,
        }
    }

    pub fn cores(&self) -> u16 {
        self.engines.len() as u16
    }

    pub fn any_core(&self, random: &mut Random) -> CoreId {
        random.below(u64::from(self.cores())) as CoreId
    }

    pub fn engine(&mut self, core: CoreId) -> &mut Engine {
        &mut self.engines[usize::from(core)]
    }

    /// A new connection to a core.
    pub fn connect(&mut self, core: CoreId) -> ConnectionId {
        self.engine(core).connect(peers::connection_info())
    }

    /// A core's turn begins.
    pub fn begin_turn(&mut self, core: CoreId) {
        let now_us = self.now_us;
        self.engine(core).begin_turn(now_us, peers::clock_ns());
    }

    /// A core's messages leave; `note` is told of each.
    pub fn flush(&mut self, core: CoreId, random: &mut Random, mut note: impl FnMut(CoreId, &Message)) {
        let Cluster { engines, network, messages, mailbox_messages_max, .. } = self;
        // There is nobody to read a log here.
        engines[usize::from(core)].take_host_requests();
        engines[usize::from(core)].flush(|to, message| {
            note(to, &message);
            *messages += 1;
            *mailbox_messages_max = network.send(core, to, message, random).max(*mailbox_messages_max);
        });
    }

    /// Asserts what holds of all engines at rest: nothing is under way, and nobody holds a lock.
    pub fn assert_quiet(&self) {
        assert!(self.network.is_empty(), "messages are under way");
        for engine in &self.engines {
            let core = engine.inspect().core();
            assert!(engine.mesh_is_idle(), "core {core} waits for another core");
            assert!(engine.claims_are_idle(), "locks are left on core {core}: {}", self.describe_claims());
        }
    }

    /// Asserts what holds when all clients are gone.
    pub fn assert_deserted(&self) {
        for engine in &self.engines {
            assert!(engine.figures().connections == 0 && engine.inspect().connections() == 0, "sessions are left");
            assert_eq!(
                engine.inspect().keyspace().observed_len(),
                0,
                "keys of core {} are watched",
                engine.inspect().core()
            );
        }
    }

    fn describe_claims(&self) -> String {
        let describe = |engine: &Engine| format!("\ncore {}: {}", engine.inspect().core(), engine.describe_claims());
        self.engines.iter().map(describe).collect()
    }
}

/// A world around a cluster.
pub(crate) trait Surroundings {
    /// The cluster, and the chance that decides for it.
    fn cluster(&mut self) -> (&mut Cluster, &mut Random);

    /// Each client sends a fragment of what it has made, and takes what is held back for it. False: there was nothing.
    fn move_clients(&mut self) -> bool;

    /// A core goes on with sessions whose reason to wait is over.
    fn resume(&mut self, core: CoreId);

    /// A core's messages leave.
    fn flush(&mut self, core: CoreId);

    /// A core's output gets to its clients. False: there was none.
    fn output(&mut self, core: CoreId) -> bool;

    /// A message arrives. False: none did.
    fn message(&mut self) -> bool;

    /// Everything is delivered. In a round up to `messages_per_core` times as many messages arrive as there are cores: fewer than could, so that
    /// batches fill.
    fn deliver_everything(&mut self, messages_per_core: u64) {
        let cores = self.cluster().0.cores();
        for _ in 0..ROUNDS_MAX {
            let mut progress = self.move_clients();
            for core in 0..cores {
                // A core that has no work sleeps.
                if self.cluster().0.engine(core).has_work() {
                    progress = true;
                    self.resume(core);
                }
                self.flush(core);
                progress |= self.output(core);
            }
            for _ in 0..1 + self.cluster().1.below(messages_per_core * u64::from(cores)) {
                progress |= self.message();
            }
            if !progress {
                return;
            }
        }
        panic!("the cores never come to rest");
    }
}
