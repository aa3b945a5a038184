//! RENAME, RENAMENX, COPY, MOVE and SWAPDB, on one core and on several.

mod common;

use common::{TestCore, key_of_each_core};

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
