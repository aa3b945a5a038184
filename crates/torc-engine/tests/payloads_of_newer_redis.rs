//! What DUMP gives, a newer redis-server restores as the same value; and what that one dumps, RESTORE takes.
//!
//! ```text
//!   commands -> Torc --DUMP--> RESTORE -> redis-server --DUMP--> RESTORE -> Torc
//!        compared each time: what the commands of the type read, times of fields, digest, encoding
//! ```
//! The server is the one that `TORC_NEWER_REDIS` names: Debian's redis-server does not read the version that Torc writes.

mod common;
#[path = "../../torc-rdb/tests/redis/mod.rs"]
mod redis;

use common::{Client, TestCore, render};
use redis::{Redis, version_of};
use torc_engine::config::DebugAccess;
use torc_resp::{reader, write_request};

/// The commands that make a value `key`, its encoding, and what reads it. Times are beyond those of the tests and of today.
fn values() -> Vec<(Vec<String>, &'static str, &'static str)> {
    let many = |command: &str, count: usize, element: fn(usize) -> String| {
        let elements: Vec<String> = (0..count).map(element).collect();
        vec![format!("{command} key {}", elements.join(" "))]
    };
    let one = |line: &str| vec![line.to_owned()];
    let long = "x".repeat(65);
    vec![
        (one("SET key hello"), "embstr", "GET key"),
        (one("SET key -12345"), "int", "GET key"),
        (one(&format!("SET key {}", "abc".repeat(500))), "raw", "GET key"),
        (many("RPUSH", 100, |number| format!("element{number}")), "listpack", "LRANGE key 0 -1"),
        (many("RPUSH", 3000, |number| format!("element{number}")), "quicklist", "LRANGE key 0 -1"),
        (many("SADD", 100, |number| format!("{}", number * number)), "intset", "SORT_RO key"),
        (many("SADD", 100, |number| format!("m{number}")), "listpack", "SORT_RO key ALPHA"),
        (many("SADD", 300, |number| format!("m{number}")), "hashtable", "SORT_RO key ALPHA"),
        (many("ZADD", 100, |number| format!("{}.25 m{number}", number % 7)), "listpack", "ZRANGE key 0 -1 WITHSCORES"),
        (many("ZADD", 300, |number| format!("{}.1 m{number}", number % 9)), "skiplist", "ZRANGE key 0 -1 WITHSCORES"),
        (many("HSET", 100, |number| format!("f{number} {number}")), "listpack", "HMGET key f0 f1 f50 f99 f100"),
        (many("HSET", 600, |number| format!("f{number} v{number}")), "hashtable", "HMGET key f0 f1 f50 f599 f600"),
        (
            vec!["HSET key a 1 b two c 3".into(), "HPEXPIREAT key 7000000000123 FIELDS 2 a c".into()],
            "listpackex",
            "HPEXPIRETIME key FIELDS 3 a b c",
        ),
        (
            vec![
                format!("HSET key a {long} b two c 3"),
                "HPEXPIREAT key 7000000000123 FIELDS 1 a".into(),
                "HPEXPIREAT key 6999999999123 FIELDS 1 b".into(),
            ],
            "hashtable",
            "HPEXPIRETIME key FIELDS 3 a b c",
        ),
        (stream(), "stream", "XRANGE key - +"),
        (stream(), "stream", "XPENDING key g - + 100"),
        (stream(), "stream", "XINFO CONSUMERS key idle"),
        (one("SETBIT key 9999 1"), "raw", "BITPOS key 1"),
        (many("PFADD", 50, |number| format!("e{number}")), "raw", "PFCOUNT key"),
        (
            one("GEOADD key 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"),
            "listpack",
            "GEODIST key Palermo Catania",
        ),
    ]
}

fn stream() -> Vec<String> {
    let mut lines: Vec<String> =
        (1..=250).map(|number| format!("XADD key {number}-1 user u{number} n {number}")).collect();
    let others = [
        "XADD key 300-0 other fields than before",
        "XGROUP CREATE key g 0",
        "XGROUP CREATE key idle $ ENTRIESREAD 251",
        "XREADGROUP GROUP g alice COUNT 20 STREAMS key >",
        "XREADGROUP GROUP g bob COUNT 5 STREAMS key >",
        "XACK key g 3-1 4-1",
        "XDEL key 7-1 100-1 250-1",
    ];
    lines.extend(others.map(str::to_owned));
    lines
}

/// A reply in the short notation, without how long ago something was.
fn shown(line: &str, reply: &[u8]) -> String {
    let text = render(&mut &*reply);
    if !line.starts_with("XPENDING") {
        return text;
    }
    // id, consumer, milliseconds, count
    let entries = text.split("], [").map(|entry| {
        let parts: Vec<&str> = entry.split(", ").collect();
        format!("{} {} {}", parts[0], parts[1], parts[3])
    });
    entries.collect::<Vec<_>>().join("\n")
}

fn ask(client: &Client, words: &[&[u8]]) -> Vec<u8> {
    let mut request = Vec::new();
    write_request(&mut request, words);
    client.raw(&request)
}

#[test]
fn values_go_there_and_come_back() {
    let Some(mut redis) = Redis::newer(&[]) else { return };
    for cores in [1, 3] {
        for (lines, encoding, question) in values() {
            let core = TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes);
            let client = core.client();
            for line in &lines {
                let reply = client.send(line);
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            let words: Vec<&[u8]> = question.split(' ').map(str::as_bytes).collect();
            let name = &lines[0][..lines[0].len().min(30)];
            let here = shown(question, &ask(&client, &words));
            let digest = ask(&client, &[b"DEBUG", b"DIGEST-VALUE", b"key"]);

            let reply = ask(&client, &[b"DUMP", b"key"]);
            let payload = reader::bulk(&reply).expect("the key is there");
            let version = if encoding == "listpackex" || question.starts_with("HPEXPIRETIME") { 12 } else { 11 };
            assert_eq!(version_of(payload), version, "{name}");
            redis.expect(&[b"RESTORE", &b"key"[..], b"0", payload, b"REPLACE"]);
            assert_eq!(redis.bulk("OBJECT ENCODING key"), encoding.as_bytes(), "{name}");
            assert_eq!(shown(question, &redis.call(&words)), here, "{name}: {question}");
            // Scores are in another notation in its digests.
            if !name.starts_with("ZADD") && !name.starts_with("GEOADD") {
                assert_eq!(redis.send("DEBUG DIGEST-VALUE key"), digest, "{name}");
            }

            let payload = redis.bulk("DUMP key");
            assert_eq!(version_of(&payload), redis.version);
            assert_eq!(ask(&client, &[b"RESTORE", b"back", b"0", &payload]), b"+OK\r\n", "{name}");
            assert_eq!(ask(&client, &[b"DEBUG", b"DIGEST-VALUE", b"back"]), digest, "{name}");
            assert_eq!(client.send("OBJECT ENCODING back"), format!("\"{encoding}\""), "{name}");
            let words: Vec<&[u8]> = words.iter().map(|word| if *word == b"key" { b"back" } else { *word }).collect();
            assert_eq!(shown(question, &ask(&client, &words)), here, "{name}: {question}");
        }
    }
}
