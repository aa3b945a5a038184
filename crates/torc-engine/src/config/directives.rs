//! The directives that Torc honours: one row each, with everything that is to be known about it.
//!
//! A row says when the directive may change, how its arguments are read, and how its value is shown. Nothing
//! else in the program knows a directive by name: start options, CONFIG GET and CONFIG SET walk this table,
//! everybody else reads the typed fields of [`Config`].

use super::error::ValueError;
use super::parse::{is_blank, parse_integer, parse_memory_bytes, parse_octal};
use super::values::{
    AclPubsubDefault, AppendFsync, DebugAccess, IoBackend, LogLevel, MaxmemoryPolicy, MemoryLimit, OomScoreAdj,
    OutputLimit, PipelineOrder, RdbVersion, Sanitize, SavePoint, SavePoints, TlsAuthClients, TlsUserField,
};
use super::{BIND_ADDRESSES_MAX, Config};
use crate::event::Notified;

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;
const UINT_MAX: i128 = u32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const KIB: i128 = 1 << 10;
const MIB: i128 = 1 << 20;
const GIB: i128 = 1 << 30;
/// A database's number is kept in 16 bits; SELECT reaches all of these.
const DATABASES_MAX: i128 = u16::MAX as i128;

/// When a directive may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In the file or on the command line only.
    Start,
    /// Also by CONFIG SET.
    Always,
    /// Also by CONFIG SET, for those whom `enable-protected-configs` allows it.
    Protected,
}

/// How an integer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// In decimal.
    Decimal,
    /// In base 8, as file modes are.
    Octal,
    /// In decimal, with an optional unit such as `mb`.
    Memory,
}

/// The kinds of values, each with the way into its field of [`Config`] and out of it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool {
        /// Reads the field.
        get: fn(&Config) -> bool,
        /// Writes the field.
        set: fn(&mut Config, bool),
    },
    /// A number within a range. It travels as the one type that holds every integer field, signed or not.
    Integer {
        /// The least value allowed.
        min: i128,
        /// The greatest value allowed.
        max: i128,
        /// How the number is written.
        notation: Notation,
        /// Reads the field.
        get: fn(&Config) -> i128,
        /// Writes the field; the value is within the range.
        set: fn(&mut Config, i128),
    },
    /// One of some names.
    Choice {
        /// The names.
        names: &'static [&'static str],
        /// Reads the field as an index into the names.
        get: fn(&Config) -> usize,
        /// Writes the field; the index is within the names.
        set: fn(&mut Config, usize),
    },
    /// Any text.
    Text {
        /// Reads the field.
        get: fn(&Config) -> String,
        /// Writes the field.
        set: fn(&mut Config, String),
    },
    /// One word that has to be checked, which may have blanks: most are names of files and directories.
    Name {
        /// Reads the field.
        get: fn(&Config) -> String,
        /// Checks the name and writes the field.
        set: fn(&mut Config, &str) -> Result<(), ValueError>,
    },
    /// Several words, which CONFIG SET passes as one argument with blanks between them.
    Words {
        /// Shows the field.
        get: fn(&Config) -> String,
        /// Reads the words into the field; on an error the field may be half written.
        set: fn(&mut Config, &[&str]) -> Result<(), ValueError>,
    },
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The current name, in lower case.
    pub name: &'static str,
    /// Older names of the same directive, in lower case; CONFIG GET shows each of them with the value, as Redis does.
    pub aliases: &'static [&'static str],
    /// When it may be given.
    pub when: When,
    /// What its arguments are.
    pub kind: Kind,
}

impl Directive {
    /// This directive with older names.
    const fn also(mut self, aliases: &'static [&'static str]) -> Directive {
        self.aliases = aliases;
        self
    }

    /// Every name that CONFIG GET and the configuration file take: the current one, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Reads start-time arguments into `config`. On an error `config` may be half written.
    pub(super) fn apply(&self, config: &mut Config, arguments: &[&str]) -> Result<(), ValueError> {
        if let Kind::Words { set, .. } = self.kind {
            return match arguments {
                // As in Redis one word may hold all of them, as in `--save "60 1000"`.
                [all] if !all.is_empty() => set(config, &all.split_ascii_whitespace().collect::<Vec<_>>()),
                words => set(config, words),
            };
        }
        let [argument] = arguments else {
            return Err(ValueError::Count("one argument"));
        };
        match self.kind {
            Kind::Bool { set, .. } => set(config, parse_bool(argument)?),
            Kind::Integer { min, max, notation, set, .. } => {
                set(config, parse_number(argument, notation, min, max)?);
            }
            Kind::Choice { names, set, .. } => {
                let index = names.iter().position(|name| name.eq_ignore_ascii_case(argument));
                set(config, index.ok_or(ValueError::Choice(names))?);
            }
            Kind::Text { set, .. } => set(config, (*argument).to_owned()),
            Kind::Name { set, .. } => set(config, argument)?,
            Kind::Words { .. } => unreachable!("words were handled above"),
        }
        Ok(())
    }

    /// Reads the single argument of CONFIG SET into `config`. On an error `config` may be half written.
    pub(super) fn apply_set(&self, config: &mut Config, argument: &str) -> Result<(), ValueError> {
        match self.kind {
            // What CONFIG SET is given replaces what was there; a file adds a line to those before.
            Kind::Words { set, .. } if self.name == "save" => {
                set(config, &[""])?;
                set(config, &argument.split(' ').collect::<Vec<_>>())
            }
            Kind::Words { set, .. } if argument.is_empty() => set(config, &[]),
            Kind::Words { set, .. } => set(config, &argument.split(' ').collect::<Vec<_>>()),
            _ => self.apply(config, &[argument]),
        }
    }

    /// The value as CONFIG GET shows it.
    pub fn render(&self, config: &Config) -> String {
        match self.kind {
            Kind::Bool { get, .. } => if get(config) { "yes" } else { "no" }.to_owned(),
            Kind::Integer { get, notation: Notation::Octal, .. } => format!("{:o}", get(config)),
            Kind::Integer { get, .. } => get(config).to_string(),
            Kind::Choice { names, get, .. } => names[get(config)].to_owned(),
            Kind::Text { get, .. } | Kind::Name { get, .. } | Kind::Words { get, .. } => get(config),
        }
    }
}

/// Whether CONFIG SET changes this directive only for those whom `enable-protected-configs` allows it.
pub fn is_protected(name: &str) -> bool {
    find(name).is_some_and(|directive| directive.when == When::Protected)
}

/// The row of this name or alias, in any case.
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.names().any(|known| known.eq_ignore_ascii_case(name)))
}

macro_rules! boolean {
    ($name:literal, $when:ident, $($field:ident).+) => {
        Directive {
            name: $name,
            aliases: &[],
            when: When::$when,
            kind: Kind::Bool { get: |config| config.$($field).+, set: |config, value| config.$($field).+ = value },
        }
    };
}

// The cast back cannot lose anything: each row's maximum fits its field, which a test below checks by
// setting every row to its maximum.
macro_rules! integer {
    ($name:literal, $when:ident, $($field:ident).+, $min:expr, $max:expr, $notation:ident) => {
        Directive {
            name: $name,
            aliases: &[],
            when: When::$when,
            kind: Kind::Integer {
                min: $min,
                max: $max,
                notation: Notation::$notation,
                get: |config| i128::from(config.$($field).+),
                set: |config, value| config.$($field).+ = value as _,
            },
        }
    };
}

macro_rules! choice {
    ($name:literal, $when:ident, $($field:ident).+, $values:ident) => {
        Directive {
            name: $name,
            aliases: &[],
            when: When::$when,
            kind: Kind::Choice {
                names: &$values::NAMES,
                get: |config| config.$($field).+ as usize,
                set: |config, index| config.$($field).+ = $values::ALL[index],
            },
        }
    };
}

macro_rules! text {
    ($name:literal, $when:ident, $($field:ident).+) => {
        Directive {
            name: $name,
            aliases: &[],
            when: When::$when,
            kind: Kind::Text { get: |config| config.$($field).+.clone(), set: |config, value| config.$($field).+ = value },
        }
    };
}

/// Every directive that Torc honours. The last nine are Torc's own.
///
/// The `lazyfree-lazy-*` directives are kept as they are set, and `no` asks for what Torc never does: it frees
/// small values at once and big ones in slices, whoever asks and however. Nothing but the moment at which
/// memory is given back depends on it. `list-compress-depth` is kept likewise: lists are not compressed in memory.
/// And `sanitize-dump-payload`: RESTORE trusts no payload whatever it says.
pub static DIRECTIVES: &[Directive] = &[
    integer!("port", Always, port, 0, 65535, Decimal),
    Directive {
        name: "bind",
        aliases: &[],
        when: When::Always,
        kind: Kind::Words {
            get: |config| config.bind.join(" "),
            set: |config, words| addresses(words).map(|found| config.bind = found),
        },
    },
    text!("unixsocket", Start, unixsocket),
    integer!("unixsocketperm", Start, unixsocketperm, 0, 0o777, Octal),
    integer!("tls-port", Start, tls.port, 0, 65535, Decimal),
    text!("tls-cert-file", Always, tls.cert_file),
    text!("tls-key-file", Always, tls.key_file),
    text!("tls-key-file-pass", Always, tls.key_file_pass),
    text!("tls-ca-cert-file", Always, tls.ca_cert_file),
    text!("tls-ca-cert-dir", Always, tls.ca_cert_dir),
    choice!("tls-auth-clients", Always, tls.auth_clients, TlsAuthClients),
    choice!("tls-auth-clients-user", Always, tls.auth_clients_user, TlsUserField),
    text!("tls-protocols", Always, tls.protocols),
    text!("tls-ciphers", Always, tls.ciphers),
    text!("tls-ciphersuites", Always, tls.ciphersuites),
    boolean!("tls-prefer-server-ciphers", Always, tls.prefer_server_ciphers),
    boolean!("tls-session-caching", Always, tls.session_caching),
    integer!("tls-session-cache-size", Always, tls.session_cache_size, 0, INT_MAX, Decimal),
    integer!("tls-session-cache-timeout", Always, tls.session_cache_timeout_seconds, 0, INT_MAX, Decimal),
    integer!("tls-auto-reload-interval", Always, tls.auto_reload_interval_seconds, 0, INT_MAX, Decimal),
    integer!("tcp-keepalive", Always, tcp_keepalive_seconds, 0, INT_MAX, Decimal),
    integer!("tcp-backlog", Start, tcp_backlog, 0, INT_MAX, Decimal),
    integer!("timeout", Always, timeout_seconds, 0, INT_MAX, Decimal),
    integer!("maxclients", Always, maxclients, 1, UINT_MAX, Decimal),
    boolean!("protected-mode", Always, protected_mode),
    text!("requirepass", Always, requirepass),
    text!("aclfile", Start, acl.aclfile),
    integer!("acllog-max-len", Always, acl.acllog_max_len, 0, UINT_MAX, Decimal),
    choice!("acl-pubsub-default", Always, acl.acl_pubsub_default, AclPubsubDefault),
    integer!("databases", Start, databases, 1, DATABASES_MAX, Decimal),
    choice!("loglevel", Always, loglevel, LogLevel),
    text!("logfile", Start, logfile),
    Directive {
        name: "hz",
        aliases: &[],
        when: When::Always,
        kind: Kind::Integer {
            min: 0,
            max: INT_MAX,
            notation: Notation::Decimal,
            get: |config| i128::from(config.hz),
            // Redis accepts any number and quietly moves it into this range.
            set: |config, value| config.hz = value.clamp(1, 500) as u32,
        },
    },
    integer!("proto-max-bulk-len", Always, proto_max_bulk_len_bytes, MIB, LONG_MAX, Memory),
    integer!("client-query-buffer-limit", Always, client_query_buffer_limit_bytes, MIB, LONG_MAX, Memory),
    Directive {
        name: "maxmemory",
        aliases: &[],
        when: When::Always,
        kind: Kind::Name {
            get: |config| render_memory_limit(config.maxmemory),
            set: |config, word| {
                const WRONG: ValueError = ValueError::Other("argument must be a memory value");
                config.maxmemory = parse_memory_limit(word, WRONG)?;
                Ok(())
            },
        },
    },
    integer!("maxmemory-samples", Always, eviction.samples, 1, 64, Decimal),
    integer!("maxmemory-eviction-tenacity", Always, eviction.tenacity, 0, 100, Decimal),
    Directive {
        name: "maxmemory-clients",
        aliases: &[],
        when: When::Always,
        kind: Kind::Name {
            get: |config| render_memory_limit(config.maxmemory_clients),
            set: |config, word| {
                const WRONG: ValueError = ValueError::Other("argument must be a memory or percent value");
                config.maxmemory_clients = parse_memory_limit(word, WRONG)?;
                Ok(())
            },
        },
    },
    // Room for the longest string twice. What a relay carries lies in one batch, whose places are numbers of 32 bits.
    integer!("relay-max-bytes", Always, relay_max_bytes, KIB, 2 * GIB, Memory),
    Directive {
        name: "client-output-buffer-limit",
        aliases: &[],
        when: When::Always,
        kind: Kind::Words { get: render_output_limits, set: set_output_limits },
    },
    integer!("busy-reply-threshold", Always, busy_reply_threshold_ms, 0, LONG_MAX, Decimal).also(&["lua-time-limit"]),
    // A core needs some for its interpreter.
    integer!("lua-memory-max", Always, lua_memory_max, 0, LONG_MAX, Memory),
    boolean!("lua-enable-deprecated-api", Start, lua_enable_deprecated_api),
    integer!("hll-sparse-max-bytes", Always, hll_sparse_max_bytes, 0, LONG_MAX, Memory),
    Directive {
        name: "notify-keyspace-events",
        aliases: &[],
        when: When::Always,
        kind: Kind::Name { get: |config| config.notify_keyspace_events.letters(), set: set_notified },
    },
    choice!("maxmemory-policy", Always, eviction.policy, MaxmemoryPolicy),
    integer!("lfu-log-factor", Always, eviction.lfu_log_factor, 0, INT_MAX, Decimal),
    integer!("tracking-table-max-keys", Always, tracking_table_max_keys, 0, i64::MAX as i128, Decimal),
    integer!("lfu-decay-time", Always, eviction.lfu_decay_time_minutes, 0, INT_MAX, Decimal),
    boolean!("lazyfree-lazy-eviction", Always, lazyfree.eviction),
    boolean!("lazyfree-lazy-expire", Always, lazyfree.expire),
    boolean!("lazyfree-lazy-server-del", Always, lazyfree.server_del),
    boolean!("lazyfree-lazy-user-del", Always, lazyfree.user_del),
    boolean!("lazyfree-lazy-user-flush", Always, lazyfree.user_flush),
    integer!("list-max-listpack-size", Always, list_max_listpack_size, INT_MIN, INT_MAX, Decimal)
        .also(&["list-max-ziplist-size"]),
    integer!("list-compress-depth", Always, list_compress_depth, 0, INT_MAX, Decimal),
    integer!("set-max-intset-entries", Always, set_max_intset_entries, 0, LONG_MAX, Decimal),
    integer!("set-max-listpack-entries", Always, set_max_listpack_entries, 0, LONG_MAX, Decimal),
    integer!("set-max-listpack-value", Always, set_max_listpack_value, 0, LONG_MAX, Decimal),
    integer!("hash-max-listpack-entries", Always, hash_max_listpack_entries, 0, LONG_MAX, Decimal)
        .also(&["hash-max-ziplist-entries"]),
    integer!("hash-max-listpack-value", Always, hash_max_listpack_value, 0, LONG_MAX, Memory)
        .also(&["hash-max-ziplist-value"]),
    integer!("zset-max-listpack-entries", Always, zset_max_listpack_entries, 0, LONG_MAX, Decimal)
        .also(&["zset-max-ziplist-entries"]),
    integer!("zset-max-listpack-value", Always, zset_max_listpack_value, 0, LONG_MAX, Memory)
        .also(&["zset-max-ziplist-value"]),
    integer!("stream-node-max-entries", Always, stream_node_max_entries, 0, LONG_MAX, Decimal),
    integer!("stream-node-max-bytes", Always, stream_node_max_bytes, 0, LONG_MAX, Memory),
    choice!("sanitize-dump-payload", Always, sanitize_dump_payload, Sanitize),
    choice!("oom-score-adj", Always, oom_score_adj, OomScoreAdj),
    Directive {
        name: "oom-score-adj-values",
        aliases: &[],
        when: When::Always,
        kind: Kind::Words {
            get: |config| config.oom_score_adj_values.map(|value| value.to_string()).join(" "),
            set: set_oom_score_adj_values,
        },
    },
    integer!("stream-idmp-duration", Always, stream_idmp_duration, 1, 86_400, Decimal),
    integer!("stream-idmp-maxsize", Always, stream_idmp_maxsize, 1, 10_000, Decimal),
    Directive {
        name: "save",
        aliases: &[],
        when: When::Always,
        kind: Kind::Words { get: render_save_points, set: add_save_points },
    },
    Directive {
        name: "dir",
        aliases: &[],
        when: When::Protected,
        kind: Kind::Name { get: |config| config.dir.clone(), set: set_dir },
    },
    Directive {
        name: "dbfilename",
        aliases: &[],
        when: When::Protected,
        kind: Kind::Name { get: |config| config.dbfilename.clone(), set: set_dbfilename },
    },
    boolean!("rdbcompression", Always, rdbcompression),
    boolean!("rdbchecksum", Start, rdbchecksum),
    choice!("rdb-version", Always, rdb_version, RdbVersion),
    boolean!("rdb-save-incremental-fsync", Always, rdb_save_incremental_fsync),
    boolean!("stop-writes-on-bgsave-error", Always, stop_writes_on_bgsave_error),
    boolean!("appendonly", Always, log.appendonly),
    Directive {
        name: "appendfilename",
        aliases: &[],
        when: When::Start,
        kind: Kind::Name { get: |config| config.log.appendfilename.clone(), set: set_appendfilename },
    },
    Directive {
        name: "appenddirname",
        aliases: &[],
        when: When::Start,
        kind: Kind::Name { get: |config| config.log.appenddirname.clone(), set: set_appenddirname },
    },
    choice!("appendfsync", Always, log.appendfsync, AppendFsync),
    boolean!("no-appendfsync-on-rewrite", Always, log.no_appendfsync_on_rewrite),
    integer!("auto-aof-rewrite-percentage", Always, log.auto_aof_rewrite_percentage, 0, INT_MAX, Decimal),
    integer!("auto-aof-rewrite-min-size", Always, log.auto_aof_rewrite_min_size, 0, LONG_MAX, Memory),
    boolean!("aof-use-rdb-preamble", Always, log.aof_use_rdb_preamble),
    boolean!("aof-load-truncated", Always, log.aof_load_truncated),
    integer!("aof-load-corrupt-tail-max-size", Always, log.aof_load_corrupt_tail_max_size, 0, LONG_MAX, Memory),
    boolean!("aof-timestamp-enabled", Always, log.aof_timestamp_enabled),
    boolean!("aof-disable-auto-gc", Always, log.aof_disable_auto_gc),
    integer!("rdb-key-save-delay", Always, key_delays.save_us, INT_MIN, INT_MAX, Decimal),
    integer!("key-load-delay", Always, key_delays.load_us, INT_MIN, INT_MAX, Decimal),
    choice!("enable-protected-configs", Start, enable_protected_configs, DebugAccess),
    choice!("enable-debug-command", Start, enable_debug_command, DebugAccess),
    integer!("cores", Start, cores, 0, 1024, Decimal),
    boolean!("disable-thp", Start, disable_thp),
    boolean!("core-ports", Start, core_ports),
    integer!("admin-port", Start, admin_port, 0, 65535, Decimal),
    Directive {
        name: "admin-bind",
        aliases: &[],
        when: When::Start,
        kind: Kind::Words {
            get: |config| config.admin_bind.join(" "),
            set: |config, words| addresses(words).map(|found| config.admin_bind = found),
        },
    },
    boolean!("admin-tls", Start, tls.is_for_admin),
    choice!("pipeline-order", Always, pipeline_order, PipelineOrder),
    choice!("io-backend", Start, wait.io_backend, IoBackend),
    integer!("spin-us", Start, wait.spin_us, 0, 1_000_000, Decimal),
    boolean!("lend-when-idle", Always, wait.lend_when_idle),
];

fn parse_bool(argument: &str) -> Result<bool, ValueError> {
    if argument.eq_ignore_ascii_case("yes") {
        Ok(true)
    } else if argument.eq_ignore_ascii_case("no") {
        Ok(false)
    } else {
        Err(ValueError::Bool)
    }
}

fn parse_number(argument: &str, notation: Notation, min: i128, max: i128) -> Result<i128, ValueError> {
    let word = argument.as_bytes();
    let number = match notation {
        Notation::Decimal => parse_integer(word).map(i128::from),
        Notation::Octal => parse_octal(word).map(i128::from),
        Notation::Memory => parse_memory_bytes(word).map(i128::from),
    };
    if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
        return Ok(number);
    }
    let is_number = number.is_some();
    Err(match notation {
        Notation::Decimal => ValueError::Integer { min, max, is_number },
        Notation::Octal => ValueError::Octal { is_number },
        Notation::Memory => ValueError::Memory { min, max, is_number },
    })
}

/// A single empty word means that no address is listened on.
fn addresses(words: &[&str]) -> Result<Vec<String>, ValueError> {
    match words {
        words if words.len() > BIND_ADDRESSES_MAX => Err(ValueError::Other("Too many bind addresses specified.")),
        [""] => Ok(Vec::new()),
        words => Ok(words.iter().map(|address| (*address).to_owned()).collect()),
    }
}

/// Adds points, as a line of a file does: the first line replaces what holds by itself, and an empty word all that was said before.
fn add_save_points(config: &mut Config, words: &[&str]) -> Result<(), ValueError> {
    if words == [""] || words.is_empty() {
        config.save = SavePoints { points: Vec::new(), are_default: false };
        return Ok(());
    }
    let (pairs, rest) = words.as_chunks::<2>();
    let number = |word: &str, least| parse_integer(word.as_bytes()).filter(|&number| number >= least);
    let mut points = Vec::new();
    for [seconds, changes] in pairs {
        let (Some(seconds), Some(changes)) = (number(seconds, 1), number(changes, 0)) else {
            return Err(ValueError::Other("Invalid save parameters"));
        };
        points.push(SavePoint { seconds: seconds as u64, changes: changes as u64 });
    }
    if !rest.is_empty() {
        return Err(ValueError::Other("Invalid save parameters"));
    }
    if !config.save.are_default {
        points.splice(..0, config.save.points.iter().copied());
    }
    config.save = SavePoints { points, are_default: false };
    Ok(())
}

fn render_save_points(config: &Config) -> String {
    let points = config.save.points.iter().map(|point| format!("{} {}", point.seconds, point.changes));
    points.collect::<Vec<_>>().join(" ")
}

/// A directory that begins with no slash is one of the directory before.
fn set_dir(config: &mut Config, path: &str) -> Result<(), ValueError> {
    config.dir = match path {
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative if config.dir == "." => relative.to_owned(),
        relative => format!("{}/{relative}", config.dir),
    };
    Ok(())
}

fn set_dbfilename(config: &mut Config, name: &str) -> Result<(), ValueError> {
    config.dbfilename = file_name(name, "dbfilename can't be a path, just a filename")?;
    Ok(())
}

fn set_appendfilename(config: &mut Config, name: &str) -> Result<(), ValueError> {
    config.log.appendfilename = file_name(name, "appendfilename can't be a path, just a filename")?;
    Ok(())
}

fn set_appenddirname(config: &mut Config, name: &str) -> Result<(), ValueError> {
    config.log.appenddirname = file_name(name, "appenddirname can't be a path, just a dirname")?;
    Ok(())
}

/// A name of something in a directory.
fn file_name(name: &str, else_wrong: &'static str) -> Result<String, ValueError> {
    if name.contains('/') || name.is_empty() {
        return Err(ValueError::Other(else_wrong));
    }
    Ok(name.to_owned())
}

fn set_notified(config: &mut Config, letters: &str) -> Result<(), ValueError> {
    let unknown = ValueError::Other("Invalid event class character. Use 'Ag$lshzxeKEtmdnoc'.");
    config.notify_keyspace_events = Notified::parse(letters).map_err(|_| unknown)?;
    Ok(())
}

fn set_oom_score_adj_values(config: &mut Config, words: &[&str]) -> Result<(), ValueError> {
    if words.len() != config.oom_score_adj_values.len() {
        return Err(ValueError::Count("three integers"));
    }
    for (value, word) in config.oom_score_adj_values.iter_mut().zip(words) {
        let number = parse_integer(word.as_bytes()).filter(|number| (-2000..=2000).contains(number));
        let wrong = ValueError::Other("Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
        *value = number.ok_or(wrong)? as i32;
    }
    Ok(())
}

fn render_memory_limit(limit: MemoryLimit) -> String {
    match limit {
        MemoryLimit::Bytes(bytes) => bytes.to_string(),
        MemoryLimit::Percent(percent) => format!("{percent}%"),
    }
}

/// Reads a number of bytes, or a percentage; `neither` is the error for anything else.
fn parse_memory_limit(word: &str, neither: ValueError) -> Result<MemoryLimit, ValueError> {
    const TOO_MUCH: ValueError = ValueError::Other("percentage argument must be less or equal to 100");
    let Some(percent) = word.strip_suffix('%') else {
        return parse_memory_bytes(word.as_bytes()).map(MemoryLimit::Bytes).ok_or(neither);
    };
    let percent = torc_resp::number::parse_i64(percent.as_bytes()).filter(|&percent| percent >= 0).ok_or(neither)?;
    Ok(MemoryLimit::Percent(u8::try_from(percent).ok().filter(|&percent| percent <= 100).ok_or(TOO_MUCH)?))
}

/// Reads groups of a class, two sizes and a time. Classes that are not named keep their limits.
fn set_output_limits(config: &mut Config, words: &[&str]) -> Result<(), ValueError> {
    let (groups, rest) = words.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ValueError::Other("Wrong number of arguments in buffer limit configuration."));
    }
    for [class, hard, soft, seconds] in groups {
        let limits = &mut config.client_output_buffer_limit;
        let limit = match class.to_ascii_lowercase().as_str() {
            "normal" => &mut limits.normal,
            "slave" | "replica" => &mut limits.replica,
            "pubsub" => &mut limits.pubsub,
            _ => {
                return Err(ValueError::Other("Invalid client class specified in buffer limit configuration."));
            }
        };
        *limit = parse_output_limit(hard, soft, seconds)
            .ok_or(ValueError::Other("Error in hard, soft or soft_seconds setting in buffer limit configuration."))?;
    }
    Ok(())
}

fn parse_output_limit(hard: &str, soft: &str, seconds: &str) -> Option<OutputLimit> {
    // The time is read as C's strtoll reads it: blanks before it and zeros and a plus sign are fine.
    let seconds = seconds.trim_start_matches(|letter: char| letter.is_ascii() && is_blank(letter as u8));
    Some(OutputLimit {
        hard_bytes: parse_memory_bytes(hard.as_bytes())?,
        soft_bytes: parse_memory_bytes(soft.as_bytes())?,
        soft_seconds: if seconds.is_empty() { 0 } else { seconds.parse().ok()? },
    })
}

fn render_output_limits(config: &Config) -> String {
    let limits = &config.client_output_buffer_limit;
    [("normal", limits.normal), ("slave", limits.replica), ("pubsub", limits.pubsub)]
        .map(|(class, limit)| format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds))
        .join(" ")
}
