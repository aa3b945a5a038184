//! Configuration without input or output: text becomes a [`Config`], and a [`Config`] becomes text.
//!
//! ```text
//! file, command line --parse_line--> words --Config::apply_start--> Config <--Config::set-- CONFIG SET
//!                       [`Loader`] follows `include`                       --Config::get--> CONFIG GET
//! ```
//!
//! [`Config`] is plain data: whoever needs a setting reads a typed field of a copy. What can be written into
//! it, and how, is the table in `directives.rs`; the names that exist in Redis but mean nothing here yet are in
//! `unhonoured.rs`. Nothing here opens a file: [`Loader`] is given a function that does.

mod directives;
mod error;
mod load;
mod parse;
mod rewrite;
mod suggest;
#[cfg(test)]
mod tests;
mod tls;
mod unhonoured;
mod values;

pub use directives::{DIRECTIVES, Directive, Kind, Notation, When, is_protected};
pub use error::{ConfigError, Origin, Problem, SetError, ValueError};
pub use load::{Loader, ReadFiles};
pub use parse::{UnbalancedQuotes, parse_line, parse_memory_bytes};
pub use rewrite::{DirectiveLines, directive_lines, rewritten};
pub use tls::TlsConfig;
pub use values::{
    AclPubsubDefault, AppendFsync, DebugAccess, IoBackend, LogLevel, MaxmemoryPolicy, MemoryLimit, OomScoreAdj,
    OutputLimit, OutputLimits, PipelineOrder, RdbVersion, Sanitize, SavePoint, SavePoints, TlsAuthClients,
    TlsUserField,
};

use std::time::Duration;

use crate::acl::{UserLine, check_line};
use crate::command::{Rename, names_after};
use crate::event::Notified;
use crate::glob::{self, Case};
use unhonoured::{Shown, UNHONOURED};

/// As many addresses as `bind` takes.
pub const BIND_ADDRESSES_MAX: usize = 16;

/// Every setting that Torc honours, named as its directive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The TCP port that every core listens on; 0 means none.
    pub port: u16,
    /// The addresses to listen on, in Redis's notation: `*` and `::*` are all addresses of a family, and an
    /// address after `-` may be missing on this machine. Empty means that no TCP port is opened.
    pub bind: Vec<String>,
    /// The path of the unix socket; empty means none.
    pub unixsocket: String,
    /// The file mode of the unix socket; 0 leaves it as the umask makes it.
    pub unixsocketperm: u32,
    /// Encrypted connections.
    pub tls: TlsConfig,
    /// Time without traffic after which a connection is probed; 0 turns probes off.
    pub tcp_keepalive_seconds: u32,
    /// How many connections may wait to be accepted.
    pub tcp_backlog: u32,
    /// Time after which an idle client is closed; 0 means never.
    pub timeout_seconds: u32,
    /// How many clients may be connected.
    pub maxclients: u32,
    /// Whether clients from other machines are turned away while there is no password.
    pub protected_mode: bool,
    /// The password of the default user; empty means that none is asked for.
    pub requirepass: String,
    /// What is said of users.
    pub acl: AclConfig,
    /// How many databases SELECT can choose from.
    pub databases: u32,
    /// What is logged.
    pub loglevel: LogLevel,
    /// `rename-command`: what clients call commands, in the order in which it was said.
    pub renamed_commands: Vec<Rename>,
    /// The file that is logged to; empty means standard output.
    pub logfile: String,
    /// How many times a second background work is looked at, from 1 to 500.
    pub hz: u32,
    /// The longest argument of a request, in bytes.
    pub proto_max_bulk_len_bytes: u64,
    /// The most that may be read from a client ahead of its execution, in bytes.
    pub client_query_buffer_limit_bytes: u64,
    /// How much memory the process may use.
    pub maxmemory: MemoryLimit,
    /// How much all clients may take together.
    pub maxmemory_clients: MemoryLimit,
    /// The most that one command may carry from core to core of what keys hold, in bytes.
    pub relay_max_bytes: u64,
    /// The most that may wait to be sent to a client, by class.
    pub client_output_buffer_limit: OutputLimits,
    /// Keys that are noted at most, on all cores together, since clients may have cached them; 0: any number.
    pub tracking_table_max_keys: u64,
    /// A script that has run for longer makes its core busy, in milliseconds.
    pub busy_reply_threshold_ms: u64,
    /// What scripts and functions may use on all cores together, in bytes; 0: 1 GiB for each core.
    pub lua_memory_max: u64,
    /// Scripts have `getfenv` and `setfenv`.
    pub lua_enable_deprecated_api: bool,
    /// Of which events clients are notified.
    pub notify_keyspace_events: Notified,
    /// The longest HyperLogLog that keeps its registers sparsely, in bytes.
    pub hll_sparse_max_bytes: u64,
    /// Which keys are evicted, and how.
    pub eviction: EvictionConfig,
    /// Kept for CONFIG GET; big values are always freed in slices.
    pub lazyfree: LazyFree,
    /// The most a node of a list holds: entries when positive, else a size class: -1 is 4 KiB, -2 is 8, -3 is 16, -4 is 32
    /// and -5 is 64 KiB.
    pub list_max_listpack_size: i32,
    /// Kept for CONFIG GET; lists are not compressed in memory.
    pub list_compress_depth: u32,
    /// How many members a set of integers may have as an `intset`.
    pub set_max_intset_entries: u64,
    /// How many members a set may have as a `listpack`.
    pub set_max_listpack_entries: u64,
    /// How long a member of a `listpack` set may be, in bytes.
    pub set_max_listpack_value: u64,
    /// How many fields a hash may have as a `listpack`.
    pub hash_max_listpack_entries: u64,
    /// How long a field or value of a `listpack` hash may be, in bytes.
    pub hash_max_listpack_value: u64,
    /// How many members a sorted set may have as a `listpack`.
    pub zset_max_listpack_entries: u64,
    /// How long a member of a `listpack` sorted set may be, in bytes.
    pub zset_max_listpack_value: u64,
    /// How many entries a node of a stream holds; 0 means no limit.
    pub stream_node_max_entries: u64,
    /// How big a node of a stream may be, in bytes; 0 means no limit.
    pub stream_node_max_bytes: u64,
    /// Kept for CONFIG GET; payloads are always examined in full.
    pub sanitize_dump_payload: Sanitize,
    /// How the kernel's inclination to kill this process is adjusted.
    pub oom_score_adj: OomScoreAdj,
    /// By how much: for a server, a replica, and a child process; each within 2000 of 0.
    pub oom_score_adj_values: [i32; 3],
    /// For how many seconds a new stream keeps the identifiers that producers add entries with.
    pub stream_idmp_duration: u64,
    /// How many of these it keeps of each producer.
    pub stream_idmp_maxsize: u64,
    /// When the data is saved.
    pub save: SavePoints,
    /// The directory of all files; the server makes it absolute.
    pub dir: String,
    /// The name of the file that the data is saved in.
    pub dbfilename: String,
    /// Whether strings are compressed in files.
    pub rdbcompression: bool,
    /// Whether files have a checksum, and whether it is looked at.
    pub rdbchecksum: bool,
    /// The version that files are written in.
    pub rdb_version: RdbVersion,
    /// Whether a file is given to the disk as it is written, and not at its end.
    pub rdb_save_incremental_fsync: bool,
    /// Whether writes are refused when the data could not be saved.
    pub stop_writes_on_bgsave_error: bool,
    /// What is to be done about a log.
    pub log: LogConfig,
    /// How long saving and loading pause for each key.
    pub key_delays: KeyDelays,
    /// Who may change where files are.
    pub enable_protected_configs: DebugAccess,
    /// Who may use DEBUG.
    pub enable_debug_command: DebugAccess,
    /// How many cores serve; 0 means one for each CPU that may be used.
    pub cores: u32,
    /// Whether the kernel is asked not to back memory with huge pages, which are resident as a whole.
    pub disable_thp: bool,
    /// Whether each core also listens on a port of its own.
    pub core_ports: bool,
    /// The port of `/metrics` and `/healthz`; 0 means none.
    pub admin_port: u16,
    /// The addresses that it is opened on, in the notation of [`Config::bind`].
    pub admin_bind: Vec<String>,
    /// What of a pipeline may become visible before what was sent before it.
    pub pipeline_order: PipelineOrder,
    /// What a core does when it has nothing to do.
    pub wait: WaitConfig,
}

/// What a core waits in, and what becomes of it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitConfig {
    /// What the cores wait in.
    pub io_backend: IoBackend,
    /// How long an idle core spins before it parks.
    pub spin_us: u32,
    /// Whether a core that sleeps has its engine answer on the thread of the core that asks.
    pub lend_when_idle: bool,
}

/// Which keys are evicted, and how: `maxmemory-...`, `lfu-...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionConfig {
    /// Which keys are evicted, and what OBJECT FREQ and OBJECT IDLETIME follow.
    pub policy: MaxmemoryPolicy,
    /// How hard it is looked for the right keys.
    pub samples: u32,
    /// How much time evictions may take, from 0 to 100.
    pub tenacity: u32,
    /// How many accesses it takes to raise a key's access frequency.
    pub lfu_log_factor: u32,
    /// Time after which a key's access frequency falls by one; 0 means never.
    pub lfu_decay_time_minutes: u32,
}

impl Default for EvictionConfig {
    fn default() -> Self {
        EvictionConfig {
            policy: MaxmemoryPolicy::Noeviction,
            samples: 5,
            tenacity: 10,
            lfu_log_factor: 10,
            lfu_decay_time_minutes: 1,
        }
    }
}

/// Pauses for each key, in microseconds; negative: a microsecond for so many keys. For tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyDelays {
    /// Of saving.
    pub save_us: i32,
    /// Of loading.
    pub load_us: i32,
}

/// Whose values are freed in the background: `lazyfree-lazy-...`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyFree {
    /// What is evicted.
    pub eviction: bool,
    /// What has expired.
    pub expire: bool,
    /// What gives way to another value.
    pub server_del: bool,
    /// DEL.
    pub user_del: bool,
    /// FLUSHALL and FLUSHDB.
    pub user_flush: bool,
}

/// What the configuration says of users, beside the password of the default user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclConfig {
    /// The file of users; empty means none.
    pub aclfile: String,
    /// The lines `user`, in the order in which they were said.
    pub users: Vec<UserLine>,
    /// As many entries ACL LOG has.
    pub acllog_max_len: u32,
    /// Which channels new users may use.
    pub acl_pubsub_default: AclPubsubDefault,
}

impl Default for AclConfig {
    fn default() -> Self {
        AclConfig {
            aclfile: String::new(),
            users: Vec::new(),
            acllog_max_len: 128,
            acl_pubsub_default: AclPubsubDefault::Resetchannels,
        }
    }
}

/// What the configuration says of the append-only log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Whether changes are written to a log.
    pub appendonly: bool,
    /// What the names of its files begin with.
    pub appendfilename: String,
    /// The directory of its files, in [`Config::dir`].
    pub appenddirname: String,
    /// When it is given to the disk.
    pub appendfsync: AppendFsync,
    /// Whether it is not while something else is written.
    pub no_appendfsync_on_rewrite: bool,
    /// By how much it may grow before it is rewritten, in percent; 0 means that it never is by itself.
    pub auto_aof_rewrite_percentage: u64,
    /// Below this size it is not, in bytes.
    pub auto_aof_rewrite_min_size: u64,
    /// Whether its bases are RDB files; else they hold commands.
    pub aof_use_rdb_preamble: bool,
    /// Whether a log that ends in the middle of a record is loaded up to there.
    pub aof_load_truncated: bool,
    /// How much at its end may be damaged, in bytes.
    pub aof_load_corrupt_tail_max_size: u64,
    /// Whether the log says when what was written.
    pub aof_timestamp_enabled: bool,
    /// Whether files that a rewrite has replaced are left there.
    pub aof_disable_auto_gc: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            appendonly: false,
            appendfilename: "appendonly.aof".to_owned(),
            appenddirname: "appendonlydir".to_owned(),
            appendfsync: AppendFsync::Everysec,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size: 64 << 20,
            aof_use_rdb_preamble: true,
            aof_load_truncated: true,
            aof_load_corrupt_tail_max_size: 0,
            aof_timestamp_enabled: false,
            aof_disable_auto_gc: false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            port: 6379,
            bind: vec!["127.0.0.1".to_owned(), "-::1".to_owned()],
            unixsocket: String::new(),
            unixsocketperm: 0,
            tls: TlsConfig::default(),
            tcp_keepalive_seconds: 300,
            tcp_backlog: 511,
            timeout_seconds: 0,
            maxclients: 10_000,
            protected_mode: true,
            requirepass: String::new(),
            acl: AclConfig::default(),
            databases: 16,
            loglevel: LogLevel::Notice,
            renamed_commands: Vec::new(),
            logfile: String::new(),
            hz: 10,
            proto_max_bulk_len_bytes: 512 << 20,
            client_query_buffer_limit_bytes: 1 << 30,
            maxmemory: MemoryLimit::Bytes(0),
            maxmemory_clients: MemoryLimit::Bytes(0),
            relay_max_bytes: 1 << 30,
            client_output_buffer_limit: OutputLimits::default(),
            tracking_table_max_keys: 1_000_000,
            busy_reply_threshold_ms: 5000,
            lua_memory_max: 0,
            lua_enable_deprecated_api: false,
            notify_keyspace_events: Notified::default(),
            hll_sparse_max_bytes: 3000,
            eviction: EvictionConfig::default(),
            lazyfree: LazyFree::default(),
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_entries: 100,
            stream_node_max_bytes: 4096,
            sanitize_dump_payload: Sanitize::No,
            oom_score_adj: OomScoreAdj::No,
            oom_score_adj_values: [0, 200, 800],
            stream_idmp_duration: 100,
            stream_idmp_maxsize: 100,
            save: SavePoints::default(),
            dir: ".".to_owned(),
            dbfilename: "dump.rdb".to_owned(),
            rdbcompression: true,
            rdbchecksum: true,
            rdb_version: RdbVersion::Auto,
            rdb_save_incremental_fsync: true,
            stop_writes_on_bgsave_error: true,
            log: LogConfig::default(),
            key_delays: KeyDelays::default(),
            enable_protected_configs: DebugAccess::No,
            enable_debug_command: DebugAccess::No,
            cores: 0,
            disable_thp: true,
            core_ports: false,
            admin_port: 0,
            admin_bind: vec!["127.0.0.1".to_owned(), "-::1".to_owned()],
            pipeline_order: PipelineOrder::Writes,
            wait: WaitConfig { io_backend: IoBackend::Auto, spin_us: 0, lend_when_idle: true },
        }
    }
}

/// What became of a start option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in force, or asked for nothing that Torc does not do anyway.
    InForce,
    /// It exists in Redis but has no effect here.
    NotHonoured(NotHonoured),
}

/// A start option that has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHonoured {
    /// Where it was written.
    pub origin: Origin,
    /// The directive.
    pub name: &'static str,
    /// What a user who relies on it has to know, if that is more than its absence.
    pub risk: Option<&'static str>,
}

/// Whether a directive is there for tests only: CONFIG GET shows it to who knows its name.
fn is_for_tests(name: &str) -> bool {
    matches!(name, "rdb-key-save-delay" | "key-load-delay")
}

/// How long so many keys pause what is done with them, by `rdb-key-save-delay` or `key-load-delay`.
pub fn pause_of_keys(delay_us: i32, keys: u64) -> Duration {
    Duration::from_micros(match u64::try_from(delay_us) {
        Ok(delay_us) => delay_us.saturating_mul(keys),
        Err(_) => keys / u64::from(delay_us.unsigned_abs()),
    })
}

impl Config {
    /// What scripts and functions may use on so many cores together, in bytes.
    pub fn script_memory_bytes(&self, cores: u16) -> usize {
        const OF_EACH_CORE: usize = 1 << 30;
        match self.lua_memory_max {
            0 => OF_EACH_CORE * usize::from(cores),
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// A script that has run for longer makes its core busy, in nanoseconds.
    pub(crate) fn busy_after_ns(&self) -> u64 {
        self.busy_reply_threshold_ms.saturating_mul(1_000_000)
    }

    /// Applies one start option: a directive's name, in any case, and its arguments.
    ///
    /// Leaves `self` as it was when it fails.
    pub fn apply_start(&mut self, name: &[u8], arguments: &[Vec<u8>], origin: &Origin) -> Result<Applied, ConfigError> {
        let fail = |problem| Err(ConfigError { origin: origin.clone(), problem: Box::new(problem) });
        let name = String::from_utf8_lossy(name);
        let value = String::from_utf8_lossy(&arguments.join(&b' ')).into_owned();
        if let Some(directive) = directives::find(&name) {
            let mut changed = self.clone();
            return match as_text(arguments).and_then(|words| directive.apply(&mut changed, &words)) {
                Ok(()) => {
                    *self = changed;
                    Ok(Applied::InForce)
                }
                Err(error) => fail(Problem::Value { name: directive.name, value, error }),
            };
        }
        let Some(row) = unhonoured::find(&name) else {
            let suggestion = suggest::nearest_name(&name);
            return fail(Problem::Unknown { name: name.into_owned(), suggestion });
        };
        if arguments.is_empty() {
            let error = ValueError::Count("an argument");
            return fail(Problem::Value { name: row.name, value, error });
        }
        if row.is_in_force(&value) {
            return Ok(Applied::InForce);
        }
        if let Some(reason) = unhonoured::protection(row.name) {
            return fail(Problem::Unprotected { name: row.name, reason });
        }
        let risk = unhonoured::risk(row.name);
        Ok(Applied::NotHonoured(NotHonoured { origin: origin.clone(), name: row.name, risk }))
    }

    /// `rename-command`: from now on clients call the command that was called `from` by the name `to`, or not at all
    /// where that is empty. CONFIG GET does not show it, as in Redis.
    ///
    /// Leaves `self` as it was when it fails.
    fn rename_command(&mut self, arguments: &[Vec<u8>], origin: &Origin) -> Result<(), ConfigError> {
        const NAME: &str = "rename-command";
        let value = || String::from_utf8_lossy(&arguments.join(&b' ')).into_owned();
        let fail = |error| {
            let problem = Problem::Value { name: NAME, value: value(), error };
            ConfigError { origin: origin.clone(), problem: Box::new(problem) }
        };
        let words = as_text(arguments).map_err(fail)?;
        let [from, to] = words[..] else {
            return Err(fail(ValueError::Count("a command and its new name, or \"\" to disable it")));
        };
        let mut renames = self.renamed_commands.clone();
        renames.push(Rename { from: from.to_ascii_lowercase(), to: to.to_ascii_lowercase() });
        names_after(&renames).map_err(|text| fail(ValueError::Other(text)))?;
        self.renamed_commands = renames;
        Ok(())
    }

    /// `user`: one more user. CONFIG GET does not show them, as in Redis.
    ///
    /// Leaves `self` as it was when it fails.
    fn add_user(&mut self, arguments: &[Vec<u8>], origin: &Origin) -> Result<(), ConfigError> {
        let fail = |problem| ConfigError { origin: origin.clone(), problem: Box::new(problem) };
        let Some((name, rules)) = arguments.split_first() else {
            let error = ValueError::Count("a name and rules");
            return Err(fail(Problem::Value { name: "user", value: String::new(), error }));
        };
        let line = UserLine { name: name.clone(), rules: rules.to_vec() };
        check_line(&self.acl.users, &line).map_err(|reason| fail(Problem::User(reason)))?;
        self.acl.users.push(line);
        Ok(())
    }

    /// Whether the directives fit together.
    ///
    /// # Errors
    /// Why they do not, for whoever starts the server.
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.acl.aclfile.is_empty() && !self.acl.users.is_empty() {
            return Err(
                "users are defined in the configuration and there is an aclfile: define them in one of these places only",
            );
        }
        Ok(())
    }

    /// The names and values that CONFIG GET shows for these patterns, each directive once.
    ///
    /// A pattern without wildcards is answered under the name as it was asked for, as Redis does.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut add = |name: &'static str, value: &dyn Fn() -> String| {
            let is_shown = |pattern: &&&[u8]| !(is_for_tests(name) && glob::has_wildcard(pattern));
            let asked = patterns.iter().filter(is_shown).find(|pattern| is_asked_for(pattern, name));
            let Some(pattern) = asked else { return };
            let name = match glob::has_wildcard(pattern) {
                true => name.to_owned(),
                false => lossy(pattern),
            };
            found.push((name, value()));
        };
        for directive in DIRECTIVES {
            directive.names().for_each(|name| add(name, &|| directive.render(self)));
        }
        for row in UNHONOURED.iter().filter(|row| row.shown == Shown::Yes) {
            add(row.name, &|| row.in_force.to_owned());
        }
        found
    }

    /// CONFIG SET: applies all of these names and values, or, when any of them fails, none.
    ///
    /// As in Redis, names are checked before any value, and the first mistake is the one reported.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), SetError> {
        let mut targets = Vec::with_capacity(pairs.len());
        for (index, (name, _)) in pairs.iter().enumerate() {
            let target = Target::find(name)?;
            if pairs[..index].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(SetError::Duplicate(lossy(name)));
            }
            targets.push(target);
        }
        let mut changed = self.clone();
        for (target, (name, value)) in targets.iter().zip(pairs) {
            let value = str::from_utf8(value).map_err(|_| SetError::Value(lossy(name), ValueError::Encoding))?;
            target.apply(&mut changed, value).map_err(|error| SetError::Value(lossy(name), error))?;
        }
        *self = changed;
        Ok(())
    }
}

/// What a name in CONFIG SET stands for.
enum Target {
    Honoured(&'static Directive),
    Unhonoured(&'static unhonoured::Unhonoured),
}

impl Target {
    fn find(name: &[u8]) -> Result<Target, SetError> {
        let text = str::from_utf8(name).map_err(|_| SetError::Unknown(lossy(name)))?;
        match directives::find(text) {
            Some(directive) if directive.when == When::Start => Err(SetError::Immutable(lossy(name))),
            Some(directive) => Ok(Target::Honoured(directive)),
            None => match unhonoured::find(text) {
                Some(row) if row.is_immutable() => Err(SetError::Immutable(lossy(name))),
                Some(row) => Ok(Target::Unhonoured(row)),
                None => Err(SetError::Unknown(lossy(name))),
            },
        }
    }

    fn apply(&self, config: &mut Config, value: &str) -> Result<(), ValueError> {
        match self {
            Target::Honoured(directive) => directive.apply_set(config, value),
            Target::Unhonoured(row) if row.is_in_force(value) => Ok(()),
            Target::Unhonoured(_) => Err(ValueError::NotHonoured),
        }
    }
}

/// A pattern without wildcards is a plain name: a backslash in it escapes nothing.
fn is_asked_for(pattern: &[u8], name: &str) -> bool {
    match glob::has_wildcard(pattern) {
        true => glob::matches(pattern, name.as_bytes(), Case::Insensitive),
        false => pattern.eq_ignore_ascii_case(name.as_bytes()),
    }
}

fn as_text(arguments: &[Vec<u8>]) -> Result<Vec<&str>, ValueError> {
    arguments.iter().map(|argument| str::from_utf8(argument).map_err(|_| ValueError::Encoding)).collect()
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
