//! The state of one core that commands work on: its shard, its configuration, its counters and the time.
//!
//! Sessions are kept beside it (see [`crate::session::Sessions`]), so that a command can hold its
//! session and the core's state at once.

use std::time::Duration;

use torc_rdb::payload::Checksum;
use torc_store::{AccessClock, Keyspace, Parcel};

use crate::command::{Command, Registry, registry};
use crate::config::Config;
use crate::error::CommandError;
use crate::message::Asker;
use crate::random::Random;
use crate::route::{self, CoreId};
use crate::stats::{CoreStats, StatsBase};

/// What the server knows of itself and the engine reports (INFO, HELLO, CLUSTER).
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Process id.
    pub process_id: u32,
    /// 40 hex digits, new at each start.
    pub run_id: String,
    /// When the process started, Unix milliseconds.
    pub started_ms: i64,
    /// Path of the executable.
    pub executable: String,
    /// Path of the configuration file, or empty.
    pub config_file: String,
    /// Kernel and machine, as `uname` gives them.
    pub os: String,
    /// What the ring probe found, for INFO.
    pub ring_mode: String,
    /// The port of each core, when `core-ports` is on; else empty.
    pub core_ports: Vec<u16>,
    /// Bytes of memory the process may use: the machine's, or its cgroup's.
    pub memory_limit_bytes: u64,
}

/// Figures that only the server can know; it refreshes them about once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessUse {
    /// Resident bytes of the whole process.
    pub resident_bytes: u64,
    /// CPU seconds of the process in kernel mode.
    pub system_seconds: f64,
    /// CPU seconds of the process in user mode.
    pub user_seconds: f64,
}

/// What a command asked of the server, taken by it once a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerRequest {
    /// SHUTDOWN: stop the process cleanly.
    Shutdown,
}

/// The state of one core.
pub struct CoreState {
    /// This core.
    pub core: CoreId,
    /// How many cores there are.
    pub cores: u16,
    /// Configuration; the same on every core.
    pub config: Config,
    /// This core's part of all databases.
    pub keyspace: Keyspace,
    /// Time of this turn, Unix microseconds.
    pub now_us: i64,
    /// Time of this turn, Unix milliseconds.
    pub now_ms: i64,
    /// A clock for the duration of commands, nanoseconds, passed in; it stands still until the server sets one.
    pub clock_ns: fn() -> u64,
    /// Makes this core do nothing for a while, passed in; no time passes until the server sets one.
    pub sleep: fn(Duration),
    /// Writes a warning to the server's log, passed in; nobody reads it until the server sets one.
    pub log: fn(&str),
    /// Adjusts how inclined the kernel is to kill the process, as the configuration says, passed in; nothing is adjusted
    /// until the server sets one. Every core calls it.
    pub adjust_oom_score: fn(&Config) -> Result<(), String>,
    /// Whether RESTORE looks at checksums; only DEBUG turns that off.
    pub payload_checksum: Checksum,
    /// Counters.
    pub stats: CoreStats,
    /// What the counters that never go back showed at the last reset of the others.
    pub stats_base: StatsBase,
    /// Seeded random numbers.
    pub random: Random,
    /// All commands.
    pub registry: &'static Registry,
    /// Who this server is.
    pub identity: Identity,
    /// What the process uses.
    pub process: ProcessUse,
    /// Connections of this core.
    pub connections: usize,
    /// Bytes that the sessions of this core held when they were last looked at.
    pub sessions_bytes: usize,
    /// What a command asked of the server.
    pub request: Option<ServerRequest>,
    /// A value on its way from key to key while a command runs: one that was taken out, or that is to be put in.
    pub parcel: Option<Parcel>,
    /// What ran here, since the simulator last took it.
    #[cfg(feature = "simulation")]
    pub journal: Vec<crate::journal::Event>,
    /// Whether there is somebody who takes the journal. Else it is not kept: programs that are built beside the simulator are no
    /// different for it.
    #[cfg(feature = "simulation")]
    pub keeps_journal: bool,
    /// What commands that choose at random are to choose: for the simulator's oracle.
    #[cfg(feature = "simulation")]
    pub dictation: Option<crate::engine::choice::Dictation>,
}

impl CoreState {
    /// An empty shard of `cores`. `seed` determines all randomness but the table's hash.
    pub fn new(
        core: CoreId,
        cores: u16,
        config: Config,
        mut keyspace: Keyspace,
        identity: Identity,
        seed: u64,
    ) -> Self {
        assert!(core < cores, "core {core} of {cores}");
        let registry = registry();
        keyspace.set_access_clock(access_clock(&config));
        CoreState {
            core,
            cores,
            config,
            keyspace,
            now_us: 0,
            now_ms: 0,
            clock_ns: || 0,
            sleep: |_| {},
            log: |_| {},
            adjust_oom_score: |_| Ok(()),
            payload_checksum: Checksum::Checked,
            stats: CoreStats::new(registry.id_count()),
            stats_base: StatsBase::default(),
            random: Random::new(seed),
            registry,
            identity,
            process: ProcessUse::default(),
            connections: 0,
            sessions_bytes: 0,
            request: None,
            parcel: None,
            #[cfg(feature = "simulation")]
            journal: Vec::new(),
            #[cfg(feature = "simulation")]
            keeps_journal: false,
            #[cfg(feature = "simulation")]
            dictation: None,
        }
    }

    /// Notes for the simulator that a request, or a part of it, runs here; nothing in a server.
    #[inline]
    pub fn note_run(&mut self, _asker: &Asker) {
        #[cfg(feature = "simulation")]
        self.note(crate::journal::EventKind::Ran(_asker.request));
    }

    /// Notes for the simulator that watched keys were compared.
    #[inline]
    pub fn note_comparison(&mut self, _asker: &Asker, _changed: bool) {
        #[cfg(feature = "simulation")]
        self.note(crate::journal::EventKind::Compared { request: _asker.request, changed: _changed });
    }

    /// Notes for the simulator that a waiting request was served, or had ended its wait before. `by` nobody: a key has expired.
    #[inline]
    pub fn note_service(&mut self, _waiter: &Asker, _by: Option<&Asker>, _served: bool) {
        #[cfg(feature = "simulation")]
        if let Some(by) = _by {
            self.note(match _served {
                true => crate::journal::EventKind::Served { waiter: _waiter.request, by: by.request },
                false => crate::journal::EventKind::Declined { waiter: _waiter.request, by: by.request },
            });
        }
    }

    /// Notes for the simulator that the request that ran here last has ended the wait of another; nothing in a server.
    #[inline]
    pub fn note_unblock(&mut self, _waiter: &Asker) {
        #[cfg(feature = "simulation")]
        self.note(crate::journal::EventKind::Unblocked(_waiter.request));
    }

    /// Adds an event to the journal.
    #[cfg(feature = "simulation")]
    pub fn note(&mut self, kind: crate::journal::EventKind) {
        if self.keeps_journal {
            self.journal.push(crate::journal::Event { kind, now_us: self.now_us });
        }
    }

    /// CONFIG RESETSTAT: INFO's counters start again at zero.
    pub fn reset_stats(&mut self) {
        let keyspace = self.keyspace.stats();
        self.stats_base = StatsBase {
            expired_keys: keyspace.expired_keys,
            expired_fields: keyspace.expired_fields,
            lazyfreed_objects: keyspace.lazyfreed_objects,
        };
        self.stats.reset();
    }

    /// Counts a command that failed.
    #[cold]
    pub fn count_failure(&mut self, command: &Command, error: &CommandError) {
        self.stats.count_error(&error.code());
        self.stats.calls[usize::from(command.id)].failed_calls += 1;
    }

    /// Moves the time forward; an earlier time is ignored.
    pub fn advance_time(&mut self, now_us: i64) {
        if now_us > self.now_us {
            self.now_us = now_us;
            self.now_ms = now_us / 1000;
        }
    }

    /// Commands see another time from now on, which may be an earlier one; moves this core's own time forward to it. Gives
    /// the own time, for [`CoreState::leave_time`].
    pub fn enter_time(&mut self, now_us: i64) -> i64 {
        self.advance_time(now_us);
        self.now_ms = now_us / 1000;
        std::mem::replace(&mut self.now_us, now_us)
    }

    /// Back to this core's own time.
    pub fn leave_time(&mut self, own_us: i64) {
        self.now_us = own_us;
        self.now_ms = own_us / 1000;
    }

    /// The core that owns a key.
    #[inline]
    pub fn owner(&self, key: &[u8]) -> CoreId {
        if self.cores == 1 { 0 } else { route::slot_core(route::key_slot(key), self.cores) }
    }
}

/// What the access field of keys means under this configuration.
pub fn access_clock(config: &Config) -> AccessClock {
    match config.maxmemory_policy.is_lfu() {
        true => AccessClock::Lfu { log_factor: config.lfu_log_factor, decay_minutes: config.lfu_decay_time_minutes },
        false => AccessClock::Lru,
    }
}
