//! The state of one core that commands work on: its shard, its configuration, its counters and the time.
//!
//! Sessions are kept beside it (see [`crate::session::Sessions`]), so that a command can hold its
//! session and the core's state at once.

use std::sync::Arc;
use std::time::Duration;

use torc_lua::Budget as ScriptMemory;
use torc_rdb::payload::Checksum;
use torc_store::{AccessClock, DetachedValue, Keyspace, KeyspaceStats};

use crate::acl::{DenialContext, DenialLog, LogEntry, Reason, Users};
use crate::client_memory::ClientMemory;
use crate::command::{Command, Flags, Registry, registry_with};
use crate::config::Config;
use crate::effect::{Effects, follow_need_of_names};
use crate::error::CommandError;
use crate::event::EventClasses;
use crate::host_request::{Clients, HostRequest, LogKind, NobodyLeaves};
use crate::logins::Logins;
use crate::memory::{self, MemoryBudget, Meter};
use crate::pause::{Pause, Paused};
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::random::Random;
use crate::recorder::Recorder;
use crate::route::{self, CoreId, SlotMap};
use crate::script::{ScriptKind, Scripts};
use crate::shown::Shown;
use crate::stand_by::StandBy;
use crate::stats::{CoreStats, StatsBase};
use crate::tls_facts::{TlsFacts, TlsHandshakes};
use crate::tracking::{Broadcasts, ReadTable};

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
    /// What the cores wait in, and on which kernel, for INFO.
    pub ring_mode: String,
    /// The kernel's interface that it stands on.
    pub multiplexing_api: &'static str,
    /// The port of each core, when `core-ports` is on; else empty.
    pub core_ports: Vec<u16>,
    /// Bytes of memory the process may use: the machine's, or its cgroup's.
    pub memory_limit_bytes: u64,
    /// As many clients as the limit of open files has room for; 0: not known.
    pub clients_possible: u32,
}

/// Figures that only the server can know; it refreshes them about every 100 ms.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessUse {
    /// Resident bytes of the whole process.
    pub resident_bytes: u64,
    /// CPU seconds of the process in kernel mode.
    pub system_seconds: f64,
    /// CPU seconds of the process in user mode.
    pub user_seconds: f64,
    /// Handshakes of the encrypted port.
    pub handshakes: TlsHandshakes,
}

/// What commands may know of the server and of their core beside keys.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// This core.
    pub core: CoreId,
    /// How many cores there are.
    pub cores: u16,
    /// Number of databases.
    pub databases: u16,
    /// Who owns which slot.
    pub slots: &'a SlotMap,
    /// The configuration.
    pub config: &'a Config,
    /// All users.
    pub users: &'a Users,
    /// Process id, run id and the like.
    pub identity: &'a Identity,
    /// What the process uses.
    pub process: ProcessUse,
    /// Which certificates are in force.
    pub tls: &'a TlsFacts,
    /// What may be used, and for how long more was.
    pub memory: MemoryFacts,
    /// How saving and loading go.
    pub persistence: &'a Persistence,
    /// CLIENT PAUSE.
    pub(crate) pause: Option<Pause>,
    /// All commands.
    pub registry: &'static Registry,
    /// Time of this turn, Unix microseconds.
    pub now_us: i64,
    /// Time of this turn, Unix milliseconds.
    pub now_ms: i64,
}

/// What is known of the budget of all cores.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryFacts {
    /// `maxmemory` in bytes; 0: no limit.
    pub max_bytes: u64,
    /// What the process uses, as the cores have last added it up.
    pub used_bytes: u64,
    /// How long more was used than may be, in all, microseconds.
    pub exceeded_us: u64,
    /// How long more has been used now, microseconds.
    pub exceeded_now_us: u64,
}

/// Figures of one database on one core.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseFigures {
    /// Keys.
    pub keys: usize,
    /// Keys with a time to live.
    pub expires: usize,
    /// The mean time to live of those, as estimated.
    pub ttl_average_ms: i64,
    /// Hashes with fields that have a time to live.
    pub expiring_hashes: usize,
}

/// What an engine calls of its host in the middle of a turn.
#[derive(Debug, Clone, Copy)]
pub struct HostFunctions {
    /// A clock for the duration of commands and turns, nanoseconds.
    pub clock_ns: fn() -> u64,
    /// The time, Unix microseconds.
    pub unix_us: fn() -> i64,
    /// Does nothing for so long: DEBUG SLEEP.
    pub sleep: fn(Duration),
    /// 32 bytes that nobody can foresee: ACL GENPASS.
    pub secret: fn() -> [u8; 32],
}

impl HostFunctions {
    /// Clocks that stand still, and no sleep.
    pub const STILL: HostFunctions = HostFunctions { clock_ns: || 0, unix_us: || 0, sleep: |_| (), secret: || [0; 32] };
}

/// How far the replies to a pipeline go ahead of who takes them. Other values than these only in tests, where replies are short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyBounds {
    /// A core that has made this many bytes of replies for another one asks for room before it makes more.
    pub ahead_bytes: usize,
    /// There is room when no more than this is left of a connection's output. Then it goes on, too, if it has stalled over its output.
    pub room_bytes: usize,
    /// So many subscriptions begin or end at a time; the rest of a command has its turn later.
    pub confirmations: usize,
}

impl ReplyBounds {
    /// The bounds of a server.
    pub const DEFAULT: ReplyBounds =
        ReplyBounds { ahead_bytes: 4 * 1024 * 1024, room_bytes: 1024 * 1024, confirmations: 1000 };
}

/// How much of the time of a turn is used up. The clock is read behind what may have taken long, and nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurnTime {
    /// On the host's clock; before the first turn nothing takes time.
    began_ns: u64,
    is_over: bool,
}

impl TurnTime {
    /// A turn that has lasted this long begins nothing that may take long.
    const TURN_NS_MAX: u64 = 1_000_000;

    const NONE: TurnTime = TurnTime { began_ns: u64::MAX, is_over: false };

    /// A turn, or a part of one that gets its own time, begins.
    pub fn begin(&mut self, clock_ns: u64) {
        *self = TurnTime { began_ns: clock_ns, is_over: false };
    }

    /// It is that late.
    #[inline]
    pub fn note(&mut self, clock_ns: u64) {
        self.is_over = clock_ns.saturating_sub(self.began_ns) >= Self::TURN_NS_MAX;
    }

    /// Whether the time is used up.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// When it began, on the host's clock; a time that never comes before the first turn.
    #[inline]
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }
}

/// A cut, as one core has made it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caught {
    /// Which one.
    pub cut: u64,
    /// Changes by commands until then.
    pub changes: u64,
}

/// Which commands the state of the data allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// All.
    Open,
    /// The data is being loaded: those that do without it.
    Loading,
    /// It could not be saved: none that writes, if the configuration says so.
    SaveFailed,
    /// The log cannot be written: none that writes.
    LogFailed,
    /// Too much waits to be written to the log: those that write wait.
    LogFull,
    /// A script or a function has run for long: those that may run then.
    Busy(ScriptKind),
    /// Nothing else is the matter, and a client has paused the others: those that the pause holds wait.
    Paused,
}

/// The state of one core.
pub struct CoreState {
    /// This core.
    pub(crate) core: CoreId,
    /// How many cores there are.
    pub(crate) cores: u16,
    /// Who owns which slot; the same on every core.
    pub(crate) slots: Arc<SlotMap>,
    /// Configuration; the same on every core.
    pub(crate) config: Config,
    /// This core's part of all databases.
    pub(crate) keyspace: Keyspace,
    /// Time of this turn, Unix microseconds.
    pub(crate) now_us: i64,
    /// What commands see as the time, Unix milliseconds: that of this turn, or none ([`CoreState::obey`]).
    pub(crate) now_ms: i64,
    /// What is left of the time of this turn.
    pub(crate) turn: TurnTime,
    /// Whether this core stands by for a cut.
    pub(crate) stand_by: StandBy,
    /// What the host lends.
    pub(crate) host: HostFunctions,
    /// Whether RESTORE looks at checksums; only DEBUG turns that off.
    pub(crate) payload_checksum: Checksum,
    /// How far replies go ahead of who takes them.
    pub(crate) reply_bounds: ReplyBounds,
    /// Counters.
    pub(crate) stats: CoreStats,
    /// What the counters that never go back showed at the last reset of the others.
    pub(crate) stats_base: StatsBase,
    /// Seeded random numbers.
    pub(crate) random: Random,
    /// All commands.
    pub(crate) registry: &'static Registry,
    /// Process id, run id and the like, for INFO, HELLO and CLUSTER.
    pub(crate) identity: Identity,
    /// What the process uses.
    pub(crate) process: ProcessUse,
    /// Which certificates are in force.
    pub(crate) tls: Arc<TlsFacts>,
    /// How saving and loading go.
    pub(crate) persistence: Persistence,
    /// Which commands this and a pause allow.
    pub(crate) gate: Gate,
    /// CLIENT PAUSE.
    pub(crate) pause: Option<Pause>,
    /// What has expired later than this stays, since a transaction may still read it, Unix milliseconds.
    claims_floor_ms: i64,
    /// So much waits in the stream that writes wait.
    pub(crate) is_stream_full: bool,
    /// The host takes all units at the end of each turn, and may lose none.
    pub(crate) is_streaming: bool,
    /// Units whose effects were told on this core so far.
    pub(crate) units_told: u64,
    /// The last cut.
    pub(crate) caught: Caught,
    /// Changes by commands that were there when the data was caught that was saved last.
    pub(crate) changes_saved: u64,
    /// Connections of this core.
    pub(crate) connections: usize,
    /// Keys for which somebody waits whose wait ends with the key (XREADGROUP).
    pub(crate) awaited_on_nokey: usize,
    /// Bytes that the sessions of this core held when they were last looked at.
    pub(crate) sessions_bytes: usize,
    /// This core's part in what all cores may use.
    pub(crate) memory: Meter,
    /// What the clients of all cores take; the same for all of them.
    pub(crate) client_memory: Arc<ClientMemory>,
    /// Who may do what; the same on every core.
    pub(crate) users: Users,
    /// What was denied of late.
    pub(crate) denials: DenialLog,
    /// Logins that have failed of late.
    pub(crate) logins: Logins,
    /// What commands asked of the host in this turn, in order.
    pub(crate) host_requests: Vec<HostRequest>,
    /// Whom to ask whether a client has left.
    pub(crate) clients: Box<dyn Clients>,
    /// A detached value while a command runs: the value it has taken out of a key, or the one it will put into a key.
    pub(crate) detached_value: Option<DetachedValue>,
    /// Requests are propagated commands, which are obeyed: they may say what a client must not.
    pub(crate) obeys: bool,
    /// Who is to get which message.
    pub(crate) pubsub: PubSub,
    /// Who has read keys of this core, and may have cached them.
    pub(crate) read_table: ReadTable,
    /// Keys of this core that have changed in this turn, of which clients are told by prefix.
    pub(crate) broadcasts: Broadcasts,
    /// Scripts that are known here, and that run.
    pub(crate) scripts: Scripts,
    /// What has run for longer than `busy-reply-threshold`.
    busy_with: Option<ScriptKind>,
    /// Scripts and functions of other cores that have, and hold all keys of this one.
    busy_holders: Vec<ScriptKind>,
    /// What the running unit has changed.
    pub(crate) effects: Effects,
    /// What the replies of commands show.
    pub(crate) shown: Shown,
    /// What the simulator is told of this core; empty in a server.
    pub(crate) recorder: Recorder,
}

impl CoreState {
    /// Has requests taken for propagated commands from now on, or not any more. Such commands see no time: nothing expires by itself.
    pub fn obey(&mut self, obeys: bool) {
        self.obeys = obeys;
        self.now_ms = self.seen_ms();
        self.follow_access_clock();
    }

    /// Pauses clients for as long as both this and the pause there is want it. `end_ms`: Unix milliseconds.
    pub(crate) fn begin_pause(&mut self, what: Paused, end_ms: i64) {
        self.pause = Pause::joined(self.pause, what, end_ms, self.wall_ms());
        self.follow_pause();
    }

    /// The pause, if there is one, is over.
    pub(crate) fn end_pause(&mut self) {
        self.pause = None;
        self.follow_pause();
    }

    fn follow_pause(&mut self) {
        self.follow_gate();
        self.follow_expiry_floor();
    }

    /// Works out which commands are allowed.
    pub(crate) fn follow_gate(&mut self) {
        self.gate = match (&self.persistence, self.busy_with.or(self.busy_holders.last().copied())) {
            (Persistence { loading: Some(_), .. }, _) => Gate::Loading,
            (_, Some(kind)) => Gate::Busy(kind),
            (Persistence { log, .. }, _) if log.has_failed => Gate::LogFailed,
            (Persistence { log, .. }, _) if log.is_full || self.is_stream_full => Gate::LogFull,
            (Persistence { saves, .. }, _) if saves.has_failed => Gate::SaveFailed,
            _ if self.pause.is_some() => Gate::Paused,
            _ => Gate::Open,
        };
    }

    /// What of this core has run for long: a script, or a function.
    pub(crate) fn busy_with(&self) -> Option<ScriptKind> {
        self.busy_with
    }

    /// A script or function of another core has run for long and holds all keys of this one, or does so no more.
    pub(crate) fn note_busy_holder(&mut self, kind: ScriptKind, is_held: bool) {
        if is_held {
            self.busy_holders.push(kind);
        } else {
            let told = self.busy_holders.iter().position(|holder| *holder == kind);
            self.busy_holders.remove(told.expect("it was told before"));
        }
        self.follow_gate();
    }

    /// A script has run for a while, or has ended: this core is busy, or is not any more.
    pub(crate) fn follow_busy(&mut self) {
        let busy_with = self.scripts.under_way.oldest_above((self.host.clock_ns)(), self.config.busy_after_ns());
        if std::mem::replace(&mut self.busy_with, busy_with) != busy_with {
            self.follow_gate();
        }
    }

    /// What has expired later than this stays, hidden, for a transaction.
    pub(crate) fn set_claims_floor(&mut self, floor_ms: i64) {
        self.claims_floor_ms = floor_ms;
        self.follow_expiry_floor();
    }

    /// During a pause nothing that has expired is removed: the data stays as it is.
    fn follow_expiry_floor(&mut self) {
        let floor_ms = if self.pause.is_some() { 0 } else { self.claims_floor_ms };
        self.keyspace.set_expiry_floor(floor_ms);
        follow_need_of_names(self);
    }

    /// Whether a request waits for the next turn, since more memory is used than could be evicted in this one.
    #[inline]
    pub(crate) fn must_wait_for_memory(&self, command: &Command) -> bool {
        self.memory.is_choked && command.row.flags.has(Flags::DENYOOM)
    }

    /// Whether something may be begun now that may take long.
    #[inline]
    pub(crate) fn may_begin_long(&self) -> bool {
        !(self.turn.is_over() | self.stand_by.is_on())
    }

    /// What commands see as the time, Unix milliseconds.
    fn seen_ms(&self) -> i64 {
        if self.obeys { 0 } else { self.wall_ms() }
    }

    /// The time of this turn, or of the transaction that is at work, Unix milliseconds, also where commands see none.
    pub(crate) fn wall_ms(&self) -> i64 {
        self.now_us / 1000
    }

    /// Events are told to clients while there is one whom they may reach.
    pub(crate) fn follow_notified(&mut self) {
        let is_heard = !self.pubsub.routes.is_empty();
        let classes = if is_heard { self.config.notify_keyspace_events.told() } else { EventClasses::NONE };
        self.effects.set_notified(&mut self.keyspace, classes);
    }

    /// Changes of keys are looked at while clients may have cached some.
    pub(crate) fn follow_tracked(&mut self) {
        let is_tracked = !self.read_table.is_empty() || self.pubsub.routes.has_prefixes();
        self.effects.set_tracked(&mut self.keyspace, is_tracked);
    }

    /// Tells the store how accesses are noted.
    pub(crate) fn follow_access_clock(&mut self) {
        let counts = self.config.eviction.policy.is_lfu();
        let clock = match self.obeys {
            true => AccessClock::Stopped { at: self.wall_ms(), counts },
            false => access_clock(&self.config),
        };
        self.keyspace.set_access_clock(clock);
    }

    /// Puts `maxmemory` in force.
    pub(crate) fn follow_memory_limit(&mut self) {
        let max_bytes = memory::limit_bytes(self.config.maxmemory, self.identity.memory_limit_bytes);
        self.memory.set_limit(max_bytes, self.now_us);
        self.measure_memory();
    }

    /// Lets other cores know, at the end of a turn, what this one has gained or freed.
    #[inline]
    pub(crate) fn publish_memory(&mut self) {
        if self.memory.has_limit() {
            self.memory.publish_if_moved(self.keyspace.quick_bytes());
        }
    }

    /// Looks at what this core uses beside its keys and values, which changes slowly.
    pub(crate) fn measure_memory(&mut self) {
        let (keyspace, scripts) = (self.keyspace.memory(), self.scripts.figures());
        let quick_bytes = self.keyspace.quick_bytes();
        let script_bytes = scripts.source_bytes + scripts.interpreter_bytes + scripts.libraries.source_bytes;
        let clients_bytes = self.sessions_bytes + self.pubsub.in_flight.bytes();
        self.memory.beside_bytes = keyspace.used_bytes.saturating_sub(quick_bytes) + clients_bytes + script_bytes;
        self.memory.publish(quick_bytes);
    }

    /// How far replies go ahead of who takes them; for tests, in which they are short.
    pub fn set_reply_bounds(&mut self, bounds: ReplyBounds) {
        self.reply_bounds = bounds;
    }

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
        let users = Users::of_config(&config).expect("the configuration has been checked");
        let registry = registry_with(&config.renamed_commands);
        if config.core_ports {
            keyspace.count_groups(route::SLOTS as usize, route::key_slot);
        }
        keyspace.set_access_clock(access_clock(&config));
        let scripts = Scripts::of_config(&config, cores, seed);
        let mut state = CoreState {
            core,
            cores,
            slots: Arc::new(SlotMap::even(cores)),
            config,
            keyspace,
            now_us: 0,
            now_ms: 0,
            turn: TurnTime::NONE,
            stand_by: StandBy::default(),
            host: HostFunctions::STILL,
            payload_checksum: Checksum::Checked,
            stats: CoreStats::new(registry.id_count()),
            stats_base: StatsBase::default(),
            random: Random::new(seed),
            registry,
            identity,
            process: ProcessUse::default(),
            tls: Arc::default(),
            persistence: Persistence::default(),
            gate: Gate::Open,
            pause: None,
            claims_floor_ms: i64::MAX,
            is_stream_full: false,
            is_streaming: false,
            units_told: 0,
            caught: Caught::default(),
            changes_saved: 0,
            connections: 0,
            awaited_on_nokey: 0,
            sessions_bytes: 0,
            memory: Meter::new(core, MemoryBudget::new(cores)),
            client_memory: ClientMemory::new(cores),
            users,
            denials: DenialLog::default(),
            logins: Logins::default(),
            host_requests: Vec::new(),
            clients: Box::new(NobodyLeaves),
            detached_value: None,
            reply_bounds: ReplyBounds::DEFAULT,
            obeys: false,
            pubsub: PubSub::default(),
            read_table: ReadTable::default(),
            broadcasts: Broadcasts::default(),
            scripts,
            busy_with: None,
            busy_holders: Vec::new(),
            effects: Effects::default(),
            shown: Shown::default(),
            recorder: Recorder::default(),
        };
        state.follow_memory_limit();
        state
    }

    /// The same with another map than the even one. All cores must have the same.
    #[must_use]
    pub fn with_slots(mut self, slots: Arc<SlotMap>) -> Self {
        assert_eq!(slots.cores(), self.cores, "the map is for these cores");
        self.slots = slots;
        self
    }

    /// The same with what the clients of all cores take: all cores must have the same.
    #[must_use]
    pub fn with_client_memory(mut self, client_memory: Arc<ClientMemory>) -> Self {
        self.client_memory = client_memory;
        self
    }

    /// The same with what the scripts of all cores may use: all cores must have the same.
    #[must_use]
    pub fn with_script_memory(mut self, script_memory: Arc<ScriptMemory>) -> Self {
        self.scripts.memory = script_memory;
        self
    }

    /// The configuration says something else of how much scripts may use.
    pub(crate) fn follow_script_memory(&mut self) {
        self.scripts.memory.set_max(self.config.script_memory_bytes(self.cores));
    }

    /// The same with what all cores may use: all of them must have the same.
    #[must_use]
    pub fn with_memory_budget(mut self, budget: Arc<MemoryBudget>) -> Self {
        self.memory = Meter::new(self.core, budget);
        self.follow_memory_limit();
        self
    }

    /// The same with functions of the host; without them time stands still within a turn.
    #[must_use]
    pub fn with_host_functions(mut self, host: HostFunctions) -> Self {
        self.host = host;
        self
    }

    /// Takes other functions of the host, for tests.
    pub fn set_host_functions(&mut self, host: HostFunctions) {
        self.host = host;
    }

    /// Moves on to the time that it really is. For what happens after commands that may have taken long.
    pub(crate) fn catch_up(&mut self) {
        self.advance_time((self.host.unix_us)());
    }

    /// The same with a host that can say who has left.
    #[must_use]
    pub fn with_clients(mut self, clients: Box<dyn Clients>) -> Self {
        self.clients = clients;
        self
    }

    /// This core.
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// How many cores there are.
    pub fn cores(&self) -> u16 {
        self.cores
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration, to be changed past CONFIG SET.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Who this server is, to be changed while it runs.
    pub fn identity_mut(&mut self) -> &mut Identity {
        &mut self.identity
    }

    /// This core's part of all databases.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The same, to be changed past all commands.
    pub fn keyspace_mut(&mut self) -> &mut Keyspace {
        &mut self.keyspace
    }

    /// Counters.
    pub fn stats(&self) -> &CoreStats {
        &self.stats
    }

    /// Connections, as INFO counts them.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Time of this turn, Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What commands may know beside keys.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            core: self.core,
            cores: self.cores,
            databases: self.keyspace.databases(),
            slots: &self.slots,
            config: &self.config,
            users: &self.users,
            identity: &self.identity,
            process: self.process,
            tls: &self.tls,
            memory: self.memory_facts(),
            persistence: &self.persistence,
            pause: self.pause,
            registry: self.registry,
            now_us: self.now_us,
            now_ms: self.wall_ms(),
        }
    }

    fn memory_facts(&self) -> MemoryFacts {
        let (exceeded_us, exceeded_now_us) = self.memory.budget().exceeded_us(self.now_us);
        MemoryFacts {
            max_bytes: self.memory.max_bytes(),
            used_bytes: self.memory.budget().used_bytes(),
            exceeded_us,
            exceeded_now_us,
        }
    }

    /// What the store counts; what never goes back there counts from the last reset.
    pub(crate) fn keyspace_stats(&self) -> KeyspaceStats {
        let (stats, base) = (self.keyspace.stats(), &self.stats_base);
        KeyspaceStats {
            expired_keys: stats.expired_keys - base.expired_keys,
            expired_fields: stats.expired_fields - base.expired_fields,
            lazyfreed_objects: stats.lazyfreed_objects - base.lazyfreed_objects,
            ..stats
        }
    }

    /// Changes by commands that are in no file.
    pub(crate) fn unsaved_changes(&self) -> u64 {
        self.keyspace.changes().saturating_sub(self.changes_saved)
    }

    /// Figures of one database.
    pub(crate) fn database_figures(&self, db: u16) -> DatabaseFigures {
        let keyspace = &self.keyspace;
        DatabaseFigures {
            keys: keyspace.len(db),
            expires: keyspace.expires_len(db),
            ttl_average_ms: keyspace.average_ttl_ms(db, self.now_ms),
            expiring_hashes: keyspace.expiring_hashes_len(db),
        }
    }

    /// CONFIG RESETSTAT: INFO's counters start again at zero.
    pub(crate) fn reset_stats(&mut self) {
        let keyspace = self.keyspace.stats();
        self.stats_base = StatsBase {
            expired_keys: keyspace.expired_keys,
            expired_fields: keyspace.expired_fields,
            lazyfreed_objects: keyspace.lazyfreed_objects,
        };
        self.stats.reset();
        self.memory.budget().reset_exceeded();
        self.denials.reset_counters();
    }

    /// The same with other users than the configuration says: all cores must have the same.
    #[must_use]
    pub fn with_users(mut self, users: Users) -> Self {
        self.users = users;
        self
    }

    /// Something was denied to `user`. `client`: who asked, as CLIENT LIST shows it.
    #[cold]
    pub(crate) fn note_denial(
        &mut self,
        (reason, context): (Reason, DenialContext),
        object: &[u8],
        user: &[u8],
        client: String,
    ) {
        let now_ms = self.wall_ms();
        let (object, user) = (object.to_vec(), user.to_vec());
        let entry =
            LogEntry { count: 1, reason, context, object, user, client, id: 0, created_ms: now_ms, updated_ms: now_ms };
        self.denials.add(entry, self.core, self.config.acl.acllog_max_len as usize);
    }

    /// Counts a command that failed.
    #[cold]
    pub(crate) fn count_failure(&mut self, command: &Command, error: &CommandError) {
        if !matches!(error, CommandError::Counted(_)) {
            self.stats.count_error(&error.code());
        }
        self.stats.calls[usize::from(command.id)].failed_calls += 1;
    }

    /// Asks something of the host, which takes it at the end of this turn.
    pub(crate) fn ask_host(&mut self, request: HostRequest) {
        self.host_requests.push(request);
    }

    /// Has the host write a line into its log. Where `loglevel` leaves out lines of this kind, none is made.
    pub(crate) fn log(&mut self, kind: LogKind, text: impl FnOnce() -> String) {
        if kind.level() >= self.config.loglevel {
            self.ask_host(HostRequest::Log { kind, text: text() });
        }
    }

    /// Moves the time forward; an earlier time is ignored.
    pub(crate) fn advance_time(&mut self, now_us: i64) {
        if now_us > self.now_us {
            self.now_us = now_us;
            self.now_ms = self.seen_ms();
            if self.obeys {
                self.follow_access_clock();
            }
        }
    }

    /// Commands see another time from now on, which may be an earlier one; moves this core's own time forward to it. Gives
    /// the own time, for [`CoreState::leave_time`].
    pub(crate) fn enter_time(&mut self, now_us: i64) -> i64 {
        self.advance_time(now_us);
        let own_us = std::mem::replace(&mut self.now_us, now_us);
        self.now_ms = self.seen_ms();
        own_us
    }

    /// Back to this core's own time.
    pub(crate) fn leave_time(&mut self, own_us: i64) {
        self.now_us = own_us;
        self.now_ms = self.seen_ms();
    }

    /// The time of this turn, Unix microseconds.
    pub(crate) fn wall_us(&self) -> i64 {
        self.now_us
    }

    /// The core that owns a key.
    #[inline]
    pub fn owner(&self, key: &[u8]) -> CoreId {
        if self.cores == 1 { 0 } else { self.slots.owner(key) }
    }
}

/// What the access field of keys means under this configuration.
pub(crate) fn access_clock(config: &Config) -> AccessClock {
    match config.eviction.policy.is_lfu() {
        true => AccessClock::Lfu {
            log_factor: config.eviction.lfu_log_factor,
            decay_minutes: config.eviction.lfu_decay_time_minutes,
        },
        false => AccessClock::Lru,
    }
}
