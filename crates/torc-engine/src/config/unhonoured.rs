//! The directives of Redis 7.2 and Valkey 8 that exist but that Torc does not honour yet.
//!
//! Each has the one value that describes what Torc does anyway: "off" for a feature that is missing, Redis's
//! default for a mere adjustment of one. Giving a directive that value asks for nothing, so it is silent;
//! any other value is reported at start and refused by CONFIG SET. A directive that becomes honoured moves
//! from here to the table in `directives.rs`.

/// Whether CONFIG GET answers for a directive that Torc does not honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It does: the value in force is the truth about Torc, and clients ask for it.
    Yes,
    /// It does not: Torc has nothing that the value could describe.
    No,
}

/// A directive that Torc does not honour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unhonoured {
    /// The directive, in lower case, as Redis calls it.
    pub name: &'static str,
    /// The value that asks for nothing. Several words have one blank between them.
    pub in_force: &'static str,
    /// Whether CONFIG GET shows that value.
    pub shown: Shown,
}

impl Unhonoured {
    /// Whether this value asks for nothing that Torc does not do anyway.
    pub fn is_in_force(&self, value: &str) -> bool {
        value.eq_ignore_ascii_case(self.in_force)
    }

    /// Whether CONFIG SET refuses it whatever the value.
    pub fn is_immutable(&self) -> bool {
        IMMUTABLE.contains(&self.name)
    }
}

/// The row of this name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Unhonoured> {
    UNHONOURED.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

/// The ones that Redis does not let CONFIG SET change either.
pub(super) static IMMUTABLE: &[&str] = &[
    "always-show-logo",
    "aof_rewrite_cpulist",
    "bgsave_cpulist",
    "bio_cpulist",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "enable-module-command",
    "io-threads",
    "io-threads-do-reads",
    "pidfile",
    "replicaof",
    "server_cpulist",
    "set-proc-title",
    "slaveof",
    "socket-mark-id",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
];

/// What a directive would protect, and this version of Torc does not: a start that asks for it is refused, since a server
/// that goes on without it is open to those whom the user has shut out.
pub(super) fn protection(name: &str) -> Option<&'static str> {
    match name {
        "tls-replication" | "tls-cluster" => Some("connections between servers are not encrypted"),
        _ => None,
    }
}

/// What a user who relies on one of these directives has to be told, beyond that it is not honoured.
pub(super) fn risk(name: &str) -> Option<&'static str> {
    match name {
        "replicaof" | "slaveof" => Some("this server does NOT follow another"),
        _ => None,
    }
}

const fn shown(name: &'static str, in_force: &'static str) -> Unhonoured {
    Unhonoured { name, in_force, shown: Shown::Yes }
}

const fn hidden(name: &'static str, in_force: &'static str) -> Unhonoured {
    Unhonoured { name, in_force, shown: Shown::No }
}

pub(super) static UNHONOURED: &[Unhonoured] = &[
    // Files, snapshots and logs.
    hidden("aof-rewrite-incremental-fsync", "yes"),
    hidden("aof-rewrite-cpulist", ""),
    hidden("aof_rewrite_cpulist", ""),
    hidden("rdb-del-sync-files", "no"),
    hidden("rdb-version-check", "strict"),
    hidden("loading-process-events-interval-bytes", "2mb"),
    hidden("bgsave-cpulist", ""),
    hidden("bgsave_cpulist", ""),
    // The process.
    shown("daemonize", "no"),
    shown("supervised", "no"),
    shown("pidfile", ""),
    hidden("always-show-logo", "no"),
    hidden("hide-user-data-from-log", "yes"),
    hidden("log-format", "legacy"),
    hidden("log-timestamp-format", "legacy"),
    hidden("syslog-enabled", "no"),
    hidden("syslog-ident", "redis"),
    hidden("syslog-facility", "local0"),
    hidden("crash-log-enabled", "yes"),
    hidden("crash-memcheck-enabled", "yes"),
    hidden("use-exit-on-panic", "no"),
    hidden("set-proc-title", "yes"),
    hidden("proc-title-template", "{title} {listen-addr} {server-mode}"),
    hidden("locale-collate", ""),
    hidden("jemalloc-bg-thread", "yes"),
    hidden("ignore-warnings", ""),
    hidden("server-cpulist", ""),
    hidden("server_cpulist", ""),
    hidden("bio-cpulist", ""),
    hidden("bio_cpulist", ""),
    hidden("shutdown-timeout", "10"),
    hidden("shutdown-on-sigint", "default"),
    hidden("shutdown-on-sigterm", "default"),
    hidden("dynamic-hz", "yes"),
    hidden("activerehashing", "yes"),
    hidden("active-expire-effort", "1"),
    hidden("availability-zone", ""),
    hidden("extended-redis-compatibility", "no"),
    hidden("import-mode", "no"),
    // Threads and sockets.
    hidden("io-threads", "1"),
    hidden("io-threads-do-reads", "no"),
    hidden("events-per-io-thread", "2"),
    hidden("prefetch-batch-max-size", "16"),
    hidden("bind-source-addr", ""),
    hidden("socket-mark-id", "0"),
    hidden("max-new-connections-per-cycle", "10"),
    hidden("max-new-tls-connections-per-cycle", "1"),
    hidden("mptcp", "no"),
    hidden("rdma-bind", ""),
    hidden("rdma-port", "0"),
    hidden("unixsocketgroup", ""),
    // Memory.
    hidden("activedefrag", "no"),
    hidden("active-defrag-ignore-bytes", "100mb"),
    hidden("active-defrag-threshold-lower", "10"),
    hidden("active-defrag-threshold-upper", "100"),
    hidden("active-defrag-cycle-min", "1"),
    hidden("active-defrag-cycle-max", "25"),
    hidden("active-defrag-cycle-us", "500"),
    hidden("active-defrag-max-scan-fields", "1000"),
    // Modules.
    hidden("enable-module-command", "no"),
    hidden("loadmodule", ""),
    // Scripts, events and watching the server.
    hidden("slowlog-log-slower-than", "10000"),
    hidden("slowlog-max-len", "128"),
    hidden("commandlog-execution-slower-than", "10000"),
    hidden("commandlog-slow-execution-max-len", "128"),
    hidden("commandlog-request-larger-than", "1048576"),
    hidden("commandlog-large-request-max-len", "128"),
    hidden("commandlog-reply-larger-than", "1048576"),
    hidden("commandlog-large-reply-max-len", "128"),
    hidden("latency-monitor-threshold", "0"),
    hidden("latency-tracking", "no"),
    hidden("latency-tracking-info-percentiles", "50 99 99.9"),
    // Replication.
    shown("replicaof", ""),
    shown("slaveof", ""),
    hidden("masteruser", ""),
    hidden("masterauth", ""),
    hidden("primaryuser", ""),
    hidden("primaryauth", ""),
    hidden("replica-announced", "yes"),
    hidden("replica-announce-ip", ""),
    hidden("slave-announce-ip", ""),
    hidden("replica-announce-port", "0"),
    hidden("slave-announce-port", "0"),
    hidden("replica-serve-stale-data", "yes"),
    hidden("slave-serve-stale-data", "yes"),
    hidden("replica-read-only", "yes"),
    hidden("slave-read-only", "yes"),
    hidden("replica-priority", "100"),
    hidden("slave-priority", "100"),
    hidden("replica-lazy-flush", "no"),
    hidden("slave-lazy-flush", "no"),
    hidden("replica-ignore-maxmemory", "yes"),
    hidden("slave-ignore-maxmemory", "yes"),
    hidden("replica-ignore-disk-write-errors", "no"),
    hidden("repl-diskless-sync", "yes"),
    hidden("repl-diskless-sync-delay", "5"),
    hidden("repl-diskless-sync-max-replicas", "0"),
    hidden("repl-diskless-load", "disabled"),
    hidden("repl-disable-tcp-nodelay", "no"),
    hidden("repl-ping-replica-period", "10"),
    hidden("repl-ping-slave-period", "10"),
    hidden("repl-timeout", "60"),
    hidden("repl-backlog-size", "1mb"),
    hidden("repl-backlog-ttl", "3600"),
    hidden("repl-mptcp", "no"),
    hidden("dual-channel-replication-enabled", "no"),
    hidden("min-replicas-to-write", "0"),
    hidden("min-slaves-to-write", "0"),
    hidden("min-replicas-max-lag", "10"),
    hidden("min-slaves-max-lag", "10"),
    hidden("propagation-error-behavior", "ignore"),
    // Cluster.
    shown("cluster-enabled", "no"),
    hidden("cluster-config-file", "nodes.conf"),
    hidden("cluster-node-timeout", "15000"),
    hidden("cluster-ping-interval", "1000"),
    hidden("cluster-port", "0"),
    hidden("cluster-announce-ip", ""),
    hidden("cluster-announce-client-ipv4", ""),
    hidden("cluster-announce-client-ipv6", ""),
    hidden("cluster-announce-port", "0"),
    hidden("cluster-announce-bus-port", "0"),
    hidden("cluster-announce-tls-port", "0"),
    hidden("cluster-announce-hostname", ""),
    hidden("cluster-announce-human-nodename", ""),
    hidden("cluster-preferred-endpoint-type", "ip"),
    hidden("cluster-migration-barrier", "1"),
    hidden("cluster-allow-replica-migration", "yes"),
    hidden("cluster-replica-validity-factor", "10"),
    hidden("cluster-slave-validity-factor", "10"),
    hidden("cluster-replica-no-failover", "no"),
    hidden("cluster-slave-no-failover", "no"),
    hidden("cluster-require-full-coverage", "yes"),
    hidden("cluster-allow-reads-when-down", "no"),
    hidden("cluster-allow-pubsubshard-when-down", "yes"),
    hidden("cluster-link-sendbuf-limit", "0"),
    hidden("cluster-slot-stats-enabled", "no"),
    hidden("cluster-blacklist-ttl", "60"),
    hidden("cluster-manual-failover-timeout", "5000"),
    hidden("cluster-slot-migration-log-max-len", "1000"),
    // TLS.
    hidden("tls-client-cert-file", ""),
    hidden("tls-client-key-file", ""),
    hidden("tls-client-key-file-pass", ""),
    hidden("tls-dh-params-file", ""),
    hidden("tls-replication", "no"),
    hidden("tls-cluster", "no"),
];
