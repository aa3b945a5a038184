//! RENAME, RENAMENX, COPY, MOVE and SWAPDB, on one core and on several.

mod common;

use common::{TestCore, key_of_each_core};
use torc_engine::config::DebugAccess;

/// Two keys: on one core, and on two.
fn pairs() -> Vec<(TestCore, String, String)> {
    let mut pairs = vec![(TestCore::new(1), "a".to_owned(), "b".to_owned())];
    let keys = key_of_each_core(3, "key");
    for (from, to) in [(0, 1), (1, 0), (1, 2)] {
        pairs.push((TestCore::new(3), keys[from].clone(), keys[to].clone()));
    }
    pairs
}

#[test]
fn rename_moves_value_and_expiry() {
    for (server, a, b) in pairs() {
        server.client().check(&[
            (&format!("RENAME {a} {b}"), "-ERR no such key"),
            (&format!("RENAME {a} {a}"), "-ERR no such key"),
            (&format!("SET {b} old EX 50"), "+OK"),
            (&format!("RENAME {a} {b}"), "-ERR no such key"),
            (&format!("GET {b}"), "\"old\""),
            (&format!("SET {a} 12"), "+OK"),
            (&format!("RENAME {a} {a}"), "+OK"),
            (&format!("RENAME {a} {b}"), "+OK"),
            (&format!("GET {b}"), "\"12\""),
            (&format!("TTL {b}"), ":-1"),
            (&format!("OBJECT ENCODING {b}"), "\"int\""),
            (&format!("EXISTS {a}"), ":0"),
            (&format!("SETEX {b} 70 x"), "+OK"),
            (&format!("APPEND {b} y"), ":2"),
            (&format!("RENAME {b} {a}"), "+OK"),
            (&format!("TTL {a}"), ":70"),
            (&format!("OBJECT ENCODING {a}"), "\"raw\""),
            (&format!("RENAME {a}"), "-ERR wrong number of arguments for 'rename' command"),
            ("DBSIZE", ":1"),
        ]);
        server.advance_ms(70_001);
        server.client().check(&[(&format!("RENAME {a} {b}"), "-ERR no such key")]);
    }
}

#[test]
fn renamenx_keeps_what_is_there() {
    for (server, a, b) in pairs() {
        server.client().check(&[
            (&format!("RENAMENX {a} {b}"), "-ERR no such key"),
            (&format!("MSET {a} 1 {b} 2"), "+OK"),
            (&format!("RENAMENX {a} {b}"), ":0"),
            (&format!("RENAMENX {a} {a}"), ":0"),
            (&format!("MGET {a} {b}"), "[\"1\", \"2\"]"),
            (&format!("DEL {b}"), ":1"),
            (&format!("RENAMENX {a} {b}"), ":1"),
            (&format!("MGET {a} {b}"), "[nil, \"1\"]"),
        ]);
    }
}

#[test]
fn copy_and_its_options() {
    for (server, a, b) in pairs() {
        server.client().check(&[
            (&format!("COPY {a} {b}"), ":0"),
            (&format!("SET {a} 1 EX 30"), "+OK"),
            (&format!("COPY {a} {b}"), ":1"),
            (&format!("TTL {b}"), ":30"),
            (&format!("SET {b} 2"), "+OK"),
            (&format!("COPY {a} {b}"), ":0"),
            (&format!("GET {b}"), "\"2\""),
            (&format!("COPY {a} {b} REPLACE"), ":1"),
            (&format!("GET {b}"), "\"1\""),
            (&format!("COPY {a} {a}"), "-ERR source and destination objects are the same"),
            (&format!("COPY {a} {b} NOSUCH"), "-ERR syntax error"),
            (&format!("COPY {a} {b} DB"), "-ERR syntax error"),
            (&format!("COPY {a} {b} DB x"), "-ERR value is not an integer or out of range"),
            (&format!("COPY {a} {b} DB 16"), "-ERR DB index is out of range"),
            (&format!("COPY {a} {b} DB 3"), ":1"),
            (&format!("COPY {a} {b} DB 3"), ":0"),
            (&format!("COPY {a} {a} DB 3 REPLACE"), ":1"),
            ("SELECT 3", "+OK"),
            (&format!("MGET {a} {b}"), "[\"1\", \"1\"]"),
        ]);
    }
}

#[test]
fn move_and_swapdb() {
    for (server, a, b) in pairs() {
        server.client().check(&[
            (&format!("MOVE {a} 1"), ":0"),
            (&format!("SET {a} 1 EX 100"), "+OK"),
            (&format!("SET {b} 2"), "+OK"),
            (&format!("MOVE {a} 0"), "-ERR source and destination objects are the same"),
            (&format!("MOVE {a} 99"), "-ERR DB index is out of range"),
            (&format!("MOVE {a} x"), "-ERR value is not an integer or out of range"),
            (&format!("MOVE {a} 1"), ":1"),
            (&format!("EXISTS {a}"), ":0"),
            (&format!("SET {a} again"), "+OK"),
            (&format!("MOVE {a} 1"), ":0"),
            ("SWAPDB 0 1", "+OK"),
            (&format!("MGET {a} {b}"), "[\"1\", nil]"),
            (&format!("TTL {a}"), ":100"),
            ("SWAPDB x 1", "-ERR invalid first DB index"),
            ("SWAPDB 0 x", "-ERR invalid second DB index"),
            ("SWAPDB 0 16", "-ERR DB index is out of range"),
            ("SWAPDB -1 0", "-ERR DB index is out of range"),
            ("SWAPDB 1 1", "+OK"),
            ("SELECT 1", "+OK"),
            (&format!("MGET {a} {b}"), "[\"again\", \"2\"]"),
        ]);
    }
}

/// Kinds of values that are big, each with the command that makes one and the one that tells its size.
fn big_values(key: &str) -> Vec<(Vec<Vec<u8>>, String)> {
    let many = |start: &str, element: &dyn Fn(usize) -> String| {
        let elements = (0..COUNT).map(element).collect::<Vec<_>>().join(" ");
        format!("{start} {elements}").split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    vec![
        (many(&format!("RPUSH {key}"), &|number| format!("element-{number}")), format!("LLEN {key}")),
        (many(&format!("SADD {key}"), &|number| format!("member-{number}")), format!("SCARD {key}")),
        (many(&format!("HSET {key}"), &|number| format!("field-{number} {number}")), format!("HLEN {key}")),
        (
            many(&format!("HSETEX {key} EX 100 FIELDS {COUNT}"), &|number| format!("field-{number} {number}")),
            format!("HLEN {key}"),
        ),
        (many(&format!("ZADD {key}"), &|number| format!("{} member-{number}", number % 77)), format!("ZCARD {key}")),
        (vec![b"SET".to_vec(), key.into(), vec![b'x'; BYTES]], format!("STRLEN {key}")),
        (vec![b"SETRANGE".to_vec(), key.into(), b"3000000".to_vec(), b"x".to_vec()], format!("STRLEN {key}")),
        (
            vec![b"XADD".to_vec(), key.into(), b"1-1".to_vec(), b"field".to_vec(), vec![b'x'; BYTES]],
            format!("XLEN {key}"),
        ),
    ]
}

/// Elements of collections.
const COUNT: usize = 6000;
/// Bytes of strings.
const BYTES: usize = 40_000;

/// Bytes of values on a core.
fn value_bytes(server: &TestCore, core: u16) -> usize {
    let memory = server.engine(core, |engine| engine.inspect().keyspace().memory());
    memory.entries_bytes + memory.large_bytes
}

/// Three cores that allow DEBUG, and a key on each.
fn three_cores() -> (TestCore, Vec<String>) {
    let server = TestCore::with_config(3, |config| config.enable_debug_command = DebugAccess::Yes);
    (server, key_of_each_core(3, "key"))
}

#[test]
fn big_values_go_to_another_core_whole() {
    let keys = key_of_each_core(3, "key");
    for (make, count) in big_values(&keys[1]) {
        let (server, keys) = three_cores();
        let (client, a, b) = (server.client(), &keys[1], &keys[2]);
        let [told, from] = [client.call(&make), client.send(&count)];
        assert!(!told.starts_with('-'), "{told}");
        client.check(&[(&format!("PEXPIRE {a} 90000"), ":1")]);
        let [digest, encoding] =
            ["DEBUG DIGEST-VALUE", "OBJECT ENCODING"].map(|line| client.send(&format!("{line} {a}")));
        let full = value_bytes(&server, 1);
        client.check(&[
            (&format!("SET {b} in-the-way"), "+OK"),
            (&format!("RENAMENX {a} {b}"), ":0"),
            (&count, &from),
            (&format!("GET {b}"), "\"in-the-way\""),
            (&format!("RENAME {a} {b}"), "+OK"),
            (&format!("EXISTS {a}"), ":0"),
            (&count.replace(a, b), &from),
            (&format!("PTTL {b}"), ":90000"),
            (&format!("DEBUG DIGEST-VALUE {b}"), &digest),
            (&format!("OBJECT ENCODING {b}"), &encoding),
        ]);
        assert_eq!(value_bytes(&server, 1), 0, "{count}: nothing is left behind");
        assert!(value_bytes(&server, 2).abs_diff(full) < 300, "{count}: it is counted where it is");
        // There and back, and to a third core, in one transaction; what comes between sees it where it is.
        let c = &keys[0];
        let lines = [
            "MULTI".to_owned(),
            format!("RENAMENX {b} {a}"),
            count.clone(),
            format!("RENAME {a} {c}"),
            format!("RENAMENX {c} {b}"),
            format!("RENAME {a} {c}"),
            format!("EXISTS {a} {b} {c}"),
            "EXEC".to_owned(),
        ];
        let replies: Vec<String> = lines.iter().map(|line| client.send(line)).collect();
        assert_eq!(replies[7], format!("[:1, {from}, +OK, :1, -ERR no such key, :1]"));
        client.check(&[(&format!("DEBUG DIGEST-VALUE {b}"), &digest), (&format!("UNLINK {b}"), ":1")]);
        let pending = server.engine(2, |engine| engine.inspect().keyspace().stats().lazyfree_pending_objects);
        assert_eq!(
            pending > 0,
            from == format!(":{COUNT}") || from == ":3000001",
            "{count}: what is big is freed in slices"
        );
        server.upkeep();
        assert!((0..3).all(|core| value_bytes(&server, core) == 0), "{count}: all is freed where it came to");
    }
}

#[test]
fn a_big_value_that_was_moved_works_on() {
    let (server, keys) = three_cores();
    let (client, a, b) = (server.client(), &keys[1], &keys[2]);
    for (make, count) in big_values(a).into_iter().take(5) {
        client.check(&[("FLUSHALL", "+OK")]);
        client.call(&make);
        client.check(&[(&format!("RENAME {a} {b}"), "+OK")]);
        let again: Vec<Vec<u8>> =
            make.iter().map(|word| if word == a.as_bytes() { b.clone().into_bytes() } else { word.clone() }).collect();
        // The same elements once more: only a list becomes longer.
        client.call(&again);
        let len = if count.starts_with("LLEN") { 2 * COUNT } else { COUNT };
        client.check(&[(&count.replace(a, b), &format!(":{len}"))]);
    }
    // Fields expire on their new core, in the background.
    server.advance_ms(1);
    client.check(&[("FLUSHALL", "+OK")]);
    client.call(&big_values(a)[3].0);
    client.check(&[(&format!("RENAME {a} {b}"), "+OK"), (&format!("HSET {b} stays 1"), ":1")]);
    server.advance_ms(100_001);
    server.upkeep();
    let expired = server.engine(2, |engine| engine.inspect().keyspace().stats().expired_fields);
    assert_eq!(expired as usize, COUNT);
    client.check(&[(&format!("HGETALL {b}"), "[\"stays\", \"1\"]")]);
}

#[test]
fn who_watches_or_waits_hears_of_a_big_value() {
    let (server, keys) = three_cores();
    let (client, a, b) = (server.client(), &keys[1], &keys[2]);
    let watchers = [a, b].map(|key| {
        let watcher = server.client();
        watcher.check(&[(&format!("WATCH {key}"), "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")]);
        watcher
    });
    client.call(&big_values(a)[0].0);
    client.check(&[(&format!("RENAME {a} {b}"), "+OK")]);
    watchers.iter().for_each(|watcher| watcher.check(&[("EXEC", "nil")]));
    // One waits where it goes to, and another where it comes from, once it is back there.
    let waiter = server.client_on(1);
    waiter.raw(format!("BLPOP {a} 0\r\n").as_bytes());
    client.check(&[(&format!("RENAME {b} {a}"), "+OK")]);
    assert_eq!(waiter.poll(), [format!("[\"{a}\", \"element-0\"]")]);
    client.check(&[(&format!("LLEN {a}"), &format!(":{}", COUNT - 1)), (&format!("EXISTS {b}"), ":0")]);
}
