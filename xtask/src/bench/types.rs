//! Scenarios of the data types: the data, the measured command, and the memory of big values.
//!
//! All are run against one core of Torc and redis-server; the bars are ratios of server CPU per command and of resident
//! memory. Values of 16 bytes unless a row says otherwise.

/// A command under load.
#[derive(Debug, Clone, Copy)]
pub struct CommandLoad {
    /// Commands sent once for each of `keys` numbers before.
    pub fills: &'static [&'static str],
    /// How many numbers there are.
    pub keys: u32,
    /// The command.
    pub command: &'static str,
    /// Requests in flight on each connection.
    pub pipeline: u32,
    /// Connections.
    pub connections: u32,
    /// Ends after this number of commands instead of the usual time, because the key has no more elements to take.
    pub commands_max: Option<u32>,
    /// Replies are long: the warm-up is short.
    pub is_heavy: bool,
}

/// Something big that is filled in, and whose memory is measured.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLoad {
    /// The command sent once for each number.
    pub fill: &'static str,
    /// How many.
    pub elements: u32,
}

/// A light command on 50 connections at P=64.
const LIGHT: CommandLoad = CommandLoad {
    fills: &[],
    keys: 100_000,
    command: "",
    pipeline: 64,
    connections: 50,
    commands_max: None,
    is_heavy: false,
};

/// A heavy command, one at a time on two connections.
const HEAVY: CommandLoad = CommandLoad { pipeline: 1, connections: 2, is_heavy: true, ..LIGHT };

/// Name, title, load, and the most CPU beside redis-server's.
pub type CommandRow = (&'static str, &'static str, CommandLoad, f64);

/// Every command measured.
pub static COMMANDS: &[CommandRow] = &[
    ("type-lpush", "LPUSH", CommandLoad { command: "LPUSH list __data__", ..LIGHT }, 0.65),
    (
        "type-rpop",
        "RPOP",
        CommandLoad {
            fills: &["RPUSH list __data__"],
            keys: 6_000_000,
            command: "RPOP list",
            commands_max: Some(5_000_000),
            ..LIGHT
        },
        0.65,
    ),
    (
        "type-lrange100",
        "LRANGE of 100 elements",
        CommandLoad { fills: &["RPUSH list __data__"], keys: 1000, command: "LRANGE list 0 99", ..LIGHT },
        0.65,
    ),
    (
        "type-hset",
        "HSET, a hash of 100,000 fields",
        CommandLoad { fills: &["HSET hash f:__num__ __data__"], command: "HSET hash f:__num__ __data__", ..LIGHT },
        0.65,
    ),
    (
        "type-hget",
        "HGET, a hash of 100,000 fields",
        CommandLoad { fills: &["HSET hash f:__num__ __data__"], command: "HGET hash f:__num__", ..LIGHT },
        0.65,
    ),
    (
        "type-hgetall20",
        "HGETALL of 20 fields, 10,000 hashes",
        CommandLoad {
            fills: &["HSET h:__num__ field1 __data__ field2 __data__ field3 __data__ field4 __data__ field5 __data__ \
                      field6 __data__ field7 __data__ field8 __data__ field9 __data__ field10 __data__ field11 __data__ \
                      field12 __data__ field13 __data__ field14 __data__ field15 __data__ field16 __data__ \
                      field17 __data__ field18 __data__ field19 __data__ field20 __data__"],
            keys: 10_000,
            command: "HGETALL h:__num__",
            ..LIGHT
        },
        0.65,
    ),
    ("type-sadd", "SADD, a set of 100,000 members", CommandLoad { command: "SADD set m:__num__", ..LIGHT }, 0.65),
    (
        "type-sismember",
        "SISMEMBER, a set of 100,000 members",
        CommandLoad { fills: &["SADD set m:__num__"], command: "SISMEMBER set m:__num__", ..LIGHT },
        0.65,
    ),
    (
        "type-zadd",
        "ZADD, a sorted set of 100,000 members",
        CommandLoad {
            fills: &["ZADD zset __scattered__ m:__num__"],
            command: "ZADD zset __scattered__ m:__shifted__",
            ..LIGHT
        },
        0.65,
    ),
    (
        "type-zrange",
        "ZRANGE of 100 members, a sorted set of 100,000",
        CommandLoad { fills: &["ZADD zset __scattered__ m:__num__"], command: "ZRANGE zset 50000 50099", ..LIGHT },
        0.65,
    ),
    (
        "type-zincrby",
        "ZINCRBY, a sorted set of 100,000 members",
        CommandLoad { fills: &["ZADD zset __scattered__ m:__num__"], command: "ZINCRBY zset 1 m:__num__", ..LIGHT },
        0.65,
    ),
    ("type-xadd", "XADD", CommandLoad { command: "XADD stream * field __data__", ..LIGHT }, 0.65),
    (
        "type-xrange",
        "XRANGE of 10 entries, a stream of 100,000",
        CommandLoad {
            fills: &["XADD stream __num__-1 field __data__"],
            command: "XRANGE stream __num__ + COUNT 10",
            ..LIGHT
        },
        0.65,
    ),
    ("type-incr", "INCR", CommandLoad { command: "INCR counter:__num__", ..LIGHT }, 0.65),
    (
        "type-mset10",
        "MSET of 10 keys",
        CommandLoad {
            command: "MSET a:__num__ __data__ b:__num__ __data__ c:__num__ __data__ d:__num__ __data__ e:__num__ __data__ \
                      f:__num__ __data__ g:__num__ __data__ h:__num__ __data__ i:__num__ __data__ j:__num__ __data__",
            ..LIGHT
        },
        0.65,
    ),
    ("type-pfadd", "PFADD", CommandLoad { command: "PFADD hll e:__num__", ..LIGHT }, 0.65),
    ("type-setbit", "SETBIT", CommandLoad { command: "SETBIT bits __num__ 1", ..LIGHT }, 0.65),
    (
        "type-geoadd",
        "GEOADD, 100,000 places",
        CommandLoad {
            fills: &["GEOADD geo __lon__ __lat__ p:__num__"],
            command: "GEOADD geo __lon__ __lat__ p:__shifted__",
            ..LIGHT
        },
        0.65,
    ),
    (
        "type-geosearch",
        "GEOSEARCH, 200 km around, 100,000 places",
        CommandLoad {
            fills: &["GEOADD geo __lon__ __lat__ p:__num__"],
            command: "GEOSEARCH geo FROMLONLAT __lon__ __lat__ BYRADIUS 200 km",
            ..LIGHT
        },
        0.65,
    ),
    (
        "type-zunionstore",
        "ZUNIONSTORE of two sorted sets of 100,000 members",
        CommandLoad {
            fills: &["ZADD z1 __scattered__ m:__num__", "ZADD z2 __num__ m:__shifted__"],
            command: "ZUNIONSTORE union 2 z1 z2",
            ..HEAVY
        },
        0.8,
    ),
    (
        "type-sinter",
        "SINTER of two sets of 100,000 members, half of them in both",
        CommandLoad { fills: &["SADD s1 m:__num__", "SADD s2 m:__shifted__"], command: "SINTER s1 s2", ..HEAVY },
        0.8,
    ),
    (
        "type-sort",
        "SORT of a list of 100,000 numbers",
        CommandLoad { fills: &["RPUSH list __scattered__"], command: "SORT list", ..HEAVY },
        0.8,
    ),
];

/// Name, title, load, and the most memory beside redis-server's.
pub type MemoryRow = (&'static str, &'static str, MemoryLoad, f64);

/// Every memory measured.
pub static MEMORIES: &[MemoryRow] = &[
    (
        "typemem-zset",
        "Memory: a sorted set of 1 M members with names of 16 B",
        MemoryLoad { fill: "ZADD zset __scattered__ __key__", elements: 1_000_000 },
        0.65,
    ),
    (
        "typemem-hash",
        "Memory: a hash of 10 M short fields",
        MemoryLoad { fill: "HSET hash f:__num__ v:__num__", elements: 10_000_000 },
        0.65,
    ),
    (
        "typemem-hashes",
        "Memory: 1 M hashes of 5 fields",
        MemoryLoad {
            fill: "HSET h:__num__ name n__num__ mail m__num__ city c__num__ seen __num__ score __scattered__",
            elements: 1_000_000,
        },
        0.7,
    ),
    (
        "typemem-list",
        "Memory: a list of 10 M elements of 16 B",
        MemoryLoad { fill: "RPUSH list __key__", elements: 10_000_000 },
        0.9,
    ),
    (
        "typemem-set",
        "Memory: a set of 10 M integers",
        MemoryLoad { fill: "SADD set __num__", elements: 10_000_000 },
        0.65,
    ),
    (
        "typemem-stream",
        "Memory: a stream of 5 M entries of one field with 16 B",
        MemoryLoad { fill: "XADD stream * field __key__", elements: 5_000_000 },
        0.9,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_load_has_a_name_of_its_own() {
        let names: Vec<&str> = COMMANDS.iter().map(|row| row.0).chain(MEMORIES.iter().map(|row| row.0)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(COMMANDS.iter().all(|(.., load, bar)| !load.command.is_empty() && *bar < 1.0));
    }
}
