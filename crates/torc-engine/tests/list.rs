//! The list commands through the engine: each option, each error, each form of a list, on one core and over three.

mod common;

use common::{Client, TestCore, key_of_each_core};

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";

/// Runs a table on one core and on three, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

/// A client of a server whose lists are packs, or become objects with their fourth element.
fn small_and_large() -> [Client; 2] {
    [-2, 3].map(|fill| TestCore::with_config(1, |config| config.list_max_listpack_size = fill).client())
}

fn range(client: &Client, key: &str) -> String {
    client.send(&format!("LRANGE {key} 0 -1"))
}

#[test]
fn push_at_both_ends() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l a", ":1"),
            ("RPUSH l b c", ":3"),
            ("LPUSH l 1 2 3", ":6"),
            ("LRANGE l 0 -1", "[\"3\", \"2\", \"1\", \"a\", \"b\", \"c\"]"),
            ("LLEN l", ":6"),
            ("LLEN none", ":0"),
            ("LPUSHX none a", ":0"),
            ("RPUSHX none a", ":0"),
            ("EXISTS none", ":0"),
            ("LPUSHX l x y", ":8"),
            ("RPUSHX l z", ":9"),
            ("LRANGE l 0 1", "[\"y\", \"x\"]"),
            ("LRANGE l -1 -1", "[\"z\"]"),
            ("LPUSH l", "-ERR wrong number of arguments for 'lpush' command"),
            ("RPUSHX l", "-ERR wrong number of arguments for 'rpushx' command"),
            ("TYPE l", "+list"),
        ]);
    }
}

#[test]
fn other_types_are_refused_and_stay_as_they_are() {
    check(&[
        ("SET s v", "+OK"),
        ("RPUSH l a", ":1"),
        ("LPUSH s a", WRONG),
        ("RPUSH s a", WRONG),
        ("LPUSHX s a", WRONG),
        ("RPUSHX s a", WRONG),
        ("LPOP s", WRONG),
        ("RPOP s 0", WRONG),
        ("LLEN s", WRONG),
        ("LRANGE s 0 1", WRONG),
        ("LINDEX s 0", WRONG),
        ("LSET s 0 a", WRONG),
        ("LINSERT s BEFORE a b", WRONG),
        ("LREM s 0 a", WRONG),
        ("LTRIM s 0 0", WRONG),
        ("LPOS s a", WRONG),
        ("LMOVE s l LEFT LEFT", WRONG),
        ("LMOVE l s LEFT LEFT", WRONG),
        ("LMOVE s s LEFT LEFT", WRONG),
        ("RPOPLPUSH s l", WRONG),
        ("RPOPLPUSH l s", WRONG),
        ("LMPOP 2 s l LEFT", WRONG),
        ("LRANGE l 0 -1", "[\"a\"]"),
        ("GET s", "\"v\""),
        ("GET l", WRONG),
        ("APPEND l a", WRONG),
    ]);
}

#[test]
fn pop() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l a b c d e 6 7", ":7"),
            ("LPOP l", "\"a\""),
            ("RPOP l", "\"7\""),
            ("LPOP l 0", "[]"),
            ("LPOP l 2", "[\"b\", \"c\"]"),
            ("RPOP l 2", "[\"6\", \"e\"]"),
            ("LPOP l 100", "[\"d\"]"),
            ("EXISTS l", ":0"),
            ("LPOP l", "nil"),
            ("RPOP l 1", "nil"),
            ("LPOP l 0", "nil"),
            ("RPUSH l a", ":1"),
            ("RPOP l", "\"a\""),
            ("EXISTS l", ":0"),
            ("LPOP l -1", "-ERR value is out of range, must be positive"),
            ("LPOP l x", "-ERR value is out of range, must be positive"),
            ("RPOP l 9223372036854775808", "-ERR value is out of range, must be positive"),
            ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
        ]);
        assert_eq!(client.raw(b"LPOP none\r\nLPOP none 1\r\n"), b"$-1\r\n*-1\r\n");
    }
}

#[test]
fn range_and_index() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l a b 3 dd ee", ":5"),
            ("LRANGE l 1 3", "[\"b\", \"3\", \"dd\"]"),
            ("LRANGE l -3 -2", "[\"3\", \"dd\"]"),
            ("LRANGE l -100 1", "[\"a\", \"b\"]"),
            ("LRANGE l 3 100", "[\"dd\", \"ee\"]"),
            ("LRANGE l 3 2", "[]"),
            ("LRANGE l 5 9", "[]"),
            ("LRANGE l 0 -6", "[]"),
            ("LRANGE l -9223372036854775808 9223372036854775807", "[\"a\", \"b\", \"3\", \"dd\", \"ee\"]"),
            ("LRANGE none 0 -1", "[]"),
            ("LRANGE l a 1", NOT_INTEGER),
            ("LRANGE none 0 9223372036854775808", NOT_INTEGER),
            ("LINDEX l 0", "\"a\""),
            ("LINDEX l 2", "\"3\""),
            ("LINDEX l 4", "\"ee\""),
            ("LINDEX l -1", "\"ee\""),
            ("LINDEX l -5", "\"a\""),
            ("LINDEX l 5", "nil"),
            ("LINDEX l -6", "nil"),
            ("LINDEX l -9223372036854775808", "nil"),
            ("LINDEX none x", "nil"),
            ("LINDEX l x", NOT_INTEGER),
        ]);
    }
}

#[test]
fn set_and_insert() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l aa bb cc dd 5", ":5"),
            ("LSET l 1 BB", "+OK"),
            ("LSET l -1 five", "+OK"),
            ("LSET l 2 3", "+OK"),
            ("LRANGE l 0 -1", "[\"aa\", \"BB\", \"3\", \"dd\", \"five\"]"),
            ("LSET l 5 x", "-ERR index out of range"),
            ("LSET l -6 x", "-ERR index out of range"),
            ("LSET none 0 x", "-ERR no such key"),
            ("LSET none x x", "-ERR no such key"),
            ("LSET l x x", NOT_INTEGER),
            ("LINSERT l BEFORE aa first", ":6"),
            ("LINSERT l after five last", ":7"),
            ("LINSERT l AFTER 3 \"\"", ":8"),
            ("LINSERT l BEFORE nothing x", ":-1"),
            ("LINSERT none BEFORE a x", ":0"),
            ("LINSERT l BESIDE a x", "-ERR syntax error"),
            ("LRANGE l 0 -1", "[\"first\", \"aa\", \"BB\", \"3\", \"\", \"dd\", \"five\", \"last\"]"),
        ]);
    }
}

#[test]
fn remove_and_trim() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l x a x 1 x b x", ":7"),
            ("LREM l 1 x", ":1"),
            ("LREM l -1 x", ":1"),
            ("LREM l 5 1", ":1"),
            ("LREM l 0 nothing", ":0"),
            ("LRANGE l 0 -1", "[\"a\", \"x\", \"x\", \"b\"]"),
            ("LREM l 0 x", ":2"),
            ("LREM none 0 x", ":0"),
            ("LREM l x x", NOT_INTEGER),
            (
                "LREM l -9223372036854775808 x",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("LREM l -9223372036854775807 a", ":1"),
            ("LREM l 9223372036854775807 b", ":1"),
            ("EXISTS l", ":0"),
            ("RPUSH l 0 1 2 3 4 5 6 7 8 9", ":10"),
            ("LTRIM l 1 -2", "+OK"),
            ("LRANGE l 0 -1", "[\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\"]"),
            ("LTRIM l 0 100", "+OK"),
            ("LTRIM l 4 -1", "+OK"),
            ("LTRIM l -100 1", "+OK"),
            ("LRANGE l 0 -1", "[\"5\", \"6\"]"),
            ("LTRIM l 0 x", NOT_INTEGER),
            ("LTRIM none 0 -1", "+OK"),
            ("LTRIM l 2 5", "+OK"),
            ("EXISTS l", ":0"),
        ]);
    }
}

#[test]
fn positions() {
    for client in small_and_large() {
        client.check(&[
            ("RPUSH l a b c 1 2 3 c c", ":8"),
            ("LPOS l c", ":2"),
            ("LPOS l 1", ":3"),
            ("LPOS l none", "nil"),
            ("LPOS l none COUNT 1", "[]"),
            ("LPOS none a", "nil"),
            ("LPOS none a COUNT 0", "[]"),
            ("LPOS l c COUNT 0", "[:2, :6, :7]"),
            ("LPOS l c COUNT 2", "[:2, :6]"),
            ("LPOS l c RANK 2", ":6"),
            ("LPOS l c RANK -1", ":7"),
            ("LPOS l c RANK -2 COUNT 0", "[:6, :2]"),
            ("LPOS l c RANK 4", "nil"),
            ("LPOS l c RANK -9223372036854775807", "nil"),
            ("LPOS l c COUNT 0 MAXLEN 7", "[:2, :6]"),
            ("LPOS l c COUNT 0 MAXLEN 5 RANK -1", "[:7, :6]"),
            ("LPOS l c MAXLEN 2", "nil"),
            ("LPOS l c MAXLEN 0", ":2"),
            ("LPOS l c count 0 maxlen 3 rank 1", "[:2]"),
            (
                "LPOS l c RANK 0",
                "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
                 from the end of the list",
            ),
            (
                "LPOS l c RANK -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("LPOS l c RANK x", NOT_INTEGER),
            ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
            ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"),
            ("LPOS l c COUNT", "-ERR syntax error"),
            ("LPOS l c FOO 1", "-ERR syntax error"),
        ]);
    }
}

#[test]
fn moves() {
    check(&[
        ("RPUSH a 1 2 3 4", ":4"),
        ("LMOVE a b LEFT RIGHT", "\"1\""),
        ("LMOVE a b left right", "\"2\""),
        ("LMOVE a b RIGHT LEFT", "\"4\""),
        ("LRANGE b 0 -1", "[\"4\", \"1\", \"2\"]"),
        ("RPOPLPUSH a b", "\"3\""),
        ("EXISTS a", ":0"),
        ("LRANGE b 0 -1", "[\"3\", \"4\", \"1\", \"2\"]"),
        ("LMOVE a b LEFT LEFT", "nil"),
        ("RPOPLPUSH a b", "nil"),
        ("LMOVE b b LEFT RIGHT", "\"3\""),
        ("RPOPLPUSH b b", "\"3\""),
        ("LMOVE b b LEFT LEFT", "\"3\""),
        ("LRANGE b 0 -1", "[\"3\", \"4\", \"1\", \"2\"]"),
        ("RPUSH one x", ":1"),
        ("EXPIRE one 100", ":1"),
        ("LMOVE one one LEFT RIGHT", "\"x\""),
        ("TTL one", ":100"),
        ("SET s v", "+OK"),
        ("LMOVE a s LEFT LEFT", "nil"),
        ("RPOPLPUSH a s", "nil"),
        ("LMOVE b s LEFT LEFT", WRONG),
        ("LLEN b", ":4"),
        ("LMOVE b c UP LEFT", "-ERR syntax error"),
        ("LMOVE b c LEFT", "-ERR wrong number of arguments for 'lmove' command"),
    ]);
}

#[test]
fn moves_between_any_two_cores() {
    let keys = key_of_each_core(3, "k");
    for (from, to) in [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)] {
        let client = TestCore::new(3).client();
        let (from, to) = (&keys[from], &keys[to]);
        client.send(&format!("RPUSH {from} 1 two"));
        assert_eq!(client.send(&format!("RPOPLPUSH {from} {to}")), "\"two\"");
        assert_eq!(client.send(&format!("LMOVE {from} {to} LEFT LEFT")), "\"1\"");
        assert_eq!(client.send(&format!("LMOVE {from} {to} LEFT LEFT")), "nil");
        assert_eq!(client.send(&format!("EXISTS {from}")), ":0");
        assert_eq!(range(&client, to), "[\"1\", \"two\"]");
        client.send(&format!("SET {from} s"));
        assert_eq!(client.send(&format!("LMOVE {from} {to} LEFT LEFT")), WRONG);
        assert_eq!(client.send(&format!("LMOVE {to} {from} LEFT LEFT")), WRONG);
        assert_eq!(range(&client, to), "[\"1\", \"two\"]");
        client.check(&[("MULTI", "+OK")]);
        client.send(&format!("LMOVE {to} {from}2 LEFT LEFT"));
        client.send(&format!("LMPOP 2 {from}2 {to} LEFT"));
        assert_eq!(client.send("EXEC"), format!("[\"1\", [\"{from}2\", [\"1\"]]]"));
    }
}

#[test]
fn pop_from_the_first_of_several() {
    check(&[
        ("LMPOP 2 a b LEFT", "nil"),
        ("RPUSH b 1 2 3 4 5", ":5"),
        ("RPUSH c x", ":1"),
        ("SET s v", "+OK"),
        ("LMPOP 3 a b c LEFT", "[\"b\", [\"1\"]]"),
        ("LMPOP 3 a b s RIGHT COUNT 2", "[\"b\", [\"5\", \"4\"]]"),
        ("LMPOP 3 a s b RIGHT COUNT 2", WRONG),
        ("LMPOP 2 b c left count 100", "[\"b\", [\"2\", \"3\"]]"),
        ("EXISTS b", ":0"),
        ("LMPOP 1 c RIGHT", "[\"c\", [\"x\"]]"),
        ("LMPOP 0 c RIGHT", "-ERR numkeys should be greater than 0"),
        ("LMPOP x c RIGHT", "-ERR numkeys should be greater than 0"),
        ("LMPOP -1 c RIGHT", "-ERR numkeys should be greater than 0"),
        ("LMPOP 2 c RIGHT", "-ERR syntax error"),
        ("LMPOP 9223372036854775807 c RIGHT", "-ERR syntax error"),
        ("LMPOP 1 c UP", "-ERR syntax error"),
        ("LMPOP 1 c LEFT COUNT", "-ERR syntax error"),
        ("LMPOP 1 c LEFT COUNT 0", "-ERR count should be greater than 0"),
        ("LMPOP 1 c LEFT COUNT -1", "-ERR count should be greater than 0"),
        ("LMPOP 1 c LEFT COUNT 1 COUNT 1", "-ERR syntax error"),
        ("LMPOP 1 c LEFT FOO", "-ERR syntax error"),
        ("LMPOP 1 c", "-ERR wrong number of arguments for 'lmpop' command"),
        ("COMMAND GETKEYS LMPOP 2 a b LEFT", "[\"a\", \"b\"]"),
    ]);
}

#[test]
fn encodings_follow_the_configuration() {
    let client = TestCore::with_config(1, |config| config.list_max_listpack_size = 4).client();
    client.check(&[
        ("RPUSH l 1 2 3 4", ":4"),
        ("OBJECT ENCODING l", "\"listpack\""),
        ("RPUSH l 5", ":5"),
        ("OBJECT ENCODING l", "\"quicklist\""),
        ("LTRIM l 0 2", "+OK"),
        ("OBJECT ENCODING l", "\"quicklist\""),
        ("RPOP l", "\"3\""),
        ("OBJECT ENCODING l", "\"listpack\""),
        ("LINSERT l AFTER 2 3", ":3"),
        ("LINSERT l AFTER 3 4", ":4"),
        ("LINSERT l AFTER 4 5", ":5"),
        ("OBJECT ENCODING l", "\"quicklist\""),
        ("LRANGE l 0 -1", "[\"1\", \"2\", \"3\", \"4\", \"5\"]"),
        ("LMPOP 1 l LEFT COUNT 4", "[\"l\", [\"1\", \"2\", \"3\", \"4\"]]"),
        ("OBJECT ENCODING l", "\"listpack\""),
    ]);
}

#[test]
fn a_full_pack_is_unpacked_by_lset_too() {
    let client = TestCore::with_config(1, |config| config.list_max_listpack_size = 3).client();
    client.check(&[
        ("RPUSH l a b c", ":3"),
        ("OBJECT ENCODING l", "\"listpack\""),
        ("LSET l 1 x", "+OK"),
        ("OBJECT ENCODING l", "\"quicklist\""),
        ("LRANGE l 0 -1", "[\"a\", \"x\", \"c\"]"),
        ("RPUSH two a b", ":2"),
        ("LSET two 0 x", "+OK"),
        ("OBJECT ENCODING two", "\"listpack\""),
    ]);
}

#[test]
fn expiry_and_watches_follow_a_list() {
    let server = TestCore::new(1);
    let (client, other) = (server.client(), server.client());
    client.check(&[("RPUSH l a b", ":2"), ("EXPIRE l 100", ":1")]);
    let many: Vec<String> = (0..2000).map(|number| format!("element-{number}")).collect();
    assert_eq!(client.send(&format!("RPUSH l {}", many.join(" "))), ":2002");
    client.check(&[
        ("OBJECT ENCODING l", "\"quicklist\""),
        ("TTL l", ":100"),
        ("LTRIM l 0 9", "+OK"),
        ("TTL l", ":100"),
    ]);
    let changes = [
        "LPUSH l x",
        "LPOP l",
        "LSET l 0 y",
        "LINSERT l BEFORE y z",
        "LREM l 1 z",
        "LTRIM l 0 -1",
        "LMOVE l l LEFT RIGHT",
    ];
    for change in changes {
        client.check(&[("WATCH l", "+OK"), ("MULTI", "+OK")]);
        other.send(change);
        assert_eq!(client.send("EXEC"), "nil", "{change} is a change");
    }
    for none in ["LREM l 1 nothing", "LINSERT l BEFORE nothing z", "LSET l 100 x", "LPOP l 0"] {
        client.check(&[("WATCH l", "+OK"), ("MULTI", "+OK")]);
        other.send(none);
        assert_eq!(client.send("EXEC"), "[]", "{none} is no change");
    }
    server.advance_ms(200_000);
    client.check(&[("LLEN l", ":0"), ("LPUSHX l a", ":0"), ("LPOP l", "nil")]);
}
