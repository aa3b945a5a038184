//! Sets: every command, every form, on one core and on several.

mod common;

use std::collections::BTreeSet;

use common::{Client, TestCore, key_of_each_core};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Servers to run a test on: one core, and three.
fn each(test: impl Fn(&Client, u16)) {
    for cores in [1, 3] {
        test(&TestCore::new(cores).client(), cores);
    }
}

/// The elements of an array or a set, sorted.
fn sorted(reply: &str) -> Vec<String> {
    let inner = reply.trim_start_matches('~').trim_start_matches('[').trim_end_matches(']');
    let mut elements: Vec<String> =
        inner.split(", ").filter(|word| !word.is_empty()).map(|word| word.trim_matches('"').to_owned()).collect();
    elements.sort();
    elements
}

#[test]
fn members_come_and_go() {
    each(|client, _| {
        assert_eq!(client.send("SADD s a b a 17"), ":3");
        assert_eq!(client.send("SADD s b c"), ":1");
        assert_eq!(client.send("SCARD s"), ":4");
        assert_eq!(client.send("SISMEMBER s 17"), ":1");
        assert_eq!(client.send("SISMEMBER s 017"), ":0");
        assert_eq!(client.send("SMISMEMBER s a x c"), "[:1, :0, :1]");
        assert_eq!(client.send("SMISMEMBER none a b"), "[:0, :0]");
        assert_eq!(sorted(&client.send("SMEMBERS s")), ["17", "a", "b", "c"]);
        assert_eq!(client.send("SREM s a x b"), ":2");
        assert_eq!(client.send("TYPE s"), "+set");
        assert_eq!(client.send("SREM s c 17"), ":2");
        assert_eq!(client.send("EXISTS s"), ":0");
        assert_eq!(client.send("SMEMBERS s"), "[]");
        assert_eq!(client.send("SCARD s"), ":0");
    });
}

#[test]
fn encodings_follow_the_members() {
    let client = TestCore::new(1).client();
    for (members, encoding) in [("1 2 3", "intset"), ("1 2 x", "listpack"), ("x", "listpack")] {
        client.send("DEL s");
        client.send(&format!("SADD s {members}"));
        assert_eq!(client.send("OBJECT ENCODING s"), format!("\"{encoding}\""));
    }
    client.send("DEL s");
    (0..513).for_each(|number| assert_eq!(client.send(&format!("SADD s {number}")), ":1"));
    assert_eq!(client.send("OBJECT ENCODING s"), "\"hashtable\"");
    assert_eq!(client.send("SCARD s"), ":513");
    client.send("DEL s");
    (0..129).for_each(|number| assert_eq!(client.send(&format!("SADD s x{number}")), ":1"));
    assert_eq!(client.send("OBJECT ENCODING s"), "\"hashtable\"");
    client.send("DEL s");
    assert_eq!(client.send(&format!("SADD s {}", "y".repeat(65))), ":1");
    assert_eq!(client.send("OBJECT ENCODING s"), "\"hashtable\"");
}

#[test]
fn the_algebra_is_the_same_on_any_number_of_cores() {
    each(|client, cores| {
        let keys = if cores == 1 { ["x", "y", "z"].map(String::from).to_vec() } else { key_of_each_core(3, "key") };
        let [x, y, z] = [&keys[0], &keys[1], &keys[2]];
        client.send(&format!("SADD {x} 1 2 3 a b"));
        client.send(&format!("SADD {y} 2 3 b c"));
        client.send(&format!("SADD {z} 3 4 b d"));
        assert_eq!(sorted(&client.send(&format!("SINTER {x} {y} {z}"))), ["3", "b"]);
        assert_eq!(sorted(&client.send(&format!("SINTER {x} {y}"))), ["2", "3", "b"]);
        assert_eq!(sorted(&client.send(&format!("SINTER {x}"))), ["1", "2", "3", "a", "b"]);
        assert_eq!(client.send(&format!("SINTER {x} nothing {y}")), "[]");
        assert_eq!(sorted(&client.send(&format!("SUNION {x} {y} {z} none"))), ["1", "2", "3", "4", "a", "b", "c", "d"]);
        assert_eq!(sorted(&client.send(&format!("SUNION {x} {y} {z} {x} {y}"))).len(), 8);
        assert_eq!(sorted(&client.send(&format!("SDIFF {x} {y} {z}"))), ["1", "a"]);
        assert_eq!(client.send(&format!("SDIFF {x} {x}")), "[]");
        assert_eq!(client.send(&format!("SDIFF none {x}")), "[]");
        assert_eq!(client.send(&format!("SINTERCARD 2 {x} {y}")), ":3");
        assert_eq!(client.send(&format!("SINTERCARD 2 {x} {y} LIMIT 2")), ":2");
        assert_eq!(client.send(&format!("SINTERCARD 2 {x} {y} LIMIT 0")), ":3");
        assert_eq!(client.send(&format!("SINTERSTORE {z} {x} {y}")), ":3");
        assert_eq!(sorted(&client.send(&format!("SMEMBERS {z}"))), ["2", "3", "b"]);
        assert_eq!(client.send(&format!("SUNIONSTORE {x} {x} {y}")), ":6");
        assert_eq!(client.send(&format!("SDIFFSTORE {y} {x} {y}")), ":2");
        assert_eq!(sorted(&client.send(&format!("SMEMBERS {y}"))), ["1", "a"]);
        assert_eq!(client.send(&format!("SET {z} text")), "+OK");
        assert_eq!(client.send(&format!("SUNIONSTORE {z} {y}")), ":2");
        assert_eq!(client.send(&format!("SINTERSTORE {z} {y} none")), ":0");
        assert_eq!(client.send(&format!("EXISTS {z}")), ":0");
    });
}

#[test]
fn a_stored_result_has_no_expiry_and_replaces_any_type() {
    each(|client, _| {
        client.send("SADD {k}a 1 2");
        client.send("SET {k}d x EX 100");
        assert_eq!(client.send("SUNIONSTORE {k}d {k}a"), ":2");
        assert_eq!(client.send("TTL {k}d"), ":-1");
        assert_eq!(client.send("OBJECT ENCODING {k}d"), "\"intset\"");
    });
}

#[test]
fn big_sets_are_combined() {
    each(|client, cores| {
        let keys = if cores == 1 { ["x", "y"].map(String::from).to_vec() } else { key_of_each_core(2, "key") };
        for (key, from) in [(&keys[0], 0), (&keys[1], 1000)] {
            for start in (from..from + 2000).step_by(100) {
                let members: Vec<String> = (start..start + 100).map(|number| format!("m{number}")).collect();
                client.send(&format!("SADD {key} {}", members.join(" ")));
            }
        }
        assert_eq!(client.send(&format!("SINTERSTORE {} {} {}", keys[0], keys[0], keys[1])), ":1000");
        assert_eq!(client.send(&format!("SUNIONSTORE {} {} {}", keys[0], keys[0], keys[1])), ":2000");
        assert_eq!(client.send(&format!("SISMEMBER {} m1999", keys[0])), ":1");
        assert_eq!(client.send(&format!("SISMEMBER {} m999", keys[0])), ":0");
    });
}

#[test]
fn a_member_moves() {
    each(|client, cores| {
        let keys = if cores == 1 { ["x", "y"].map(String::from).to_vec() } else { key_of_each_core(2, "key") };
        let (x, y) = (&keys[0], &keys[1]);
        client.send(&format!("SADD {x} a b"));
        assert_eq!(client.send(&format!("SMOVE {x} {y} a")), ":1");
        assert_eq!(client.send(&format!("SMOVE {x} {y} a")), ":0");
        assert_eq!(client.send(&format!("SMOVE {x} {x} b")), ":1");
        assert_eq!(client.send(&format!("SMOVE {x} {y} b")), ":1");
        assert_eq!(client.send(&format!("EXISTS {x}")), ":0");
        assert_eq!(sorted(&client.send(&format!("SMEMBERS {y}"))), ["a", "b"]);
        client.send(&format!("SET {x} text"));
        assert_eq!(client.send(&format!("SMOVE {y} {x} a")), WRONG_TYPE);
        assert_eq!(client.send(&format!("SMOVE {y} {x} none")), WRONG_TYPE);
        assert_eq!(client.send(&format!("SMOVE {x} {y} a")), WRONG_TYPE);
        client.send(&format!("DEL {y}"));
        assert_eq!(client.send(&format!("SMOVE {y} {x} a")), ":0", "without a source nothing else matters");
    });
}

#[test]
fn random_members_are_members() {
    each(|client, _| {
        for len in [5, 100, 1000] {
            client.send("DEL s");
            (0..len).for_each(|number| assert_eq!(client.send(&format!("SADD s m{number}")), ":1"));
            for count in [1, 3, len / 2, len, len + 5] {
                let drawn = sorted(&client.send(&format!("SRANDMEMBER s {count}")));
                let distinct: BTreeSet<&String> = drawn.iter().collect();
                assert_eq!((drawn.len(), distinct.len()), (count.min(len), count.min(len)));
                assert!(drawn.iter().all(|member| member.starts_with('m')));
            }
            assert_eq!(sorted(&client.send(&format!("SRANDMEMBER s -{}", 2 * len))).len(), 2 * len);
            assert_eq!(client.send("SRANDMEMBER s 0"), "[]");
            let popped = sorted(&client.send("SPOP s 3"));
            assert_eq!(popped.len(), 3);
            assert_eq!(client.send("SCARD s"), format!(":{}", len - 3));
            assert!(popped.iter().all(|member| client.send(&format!("SISMEMBER s {member}")) == ":0"));
            assert!(client.send("SPOP s").starts_with("\"m"));
            assert_eq!(sorted(&client.send(&format!("SPOP s {len}"))).len(), len - 4);
            assert_eq!(client.send("EXISTS s"), ":0");
        }
        assert_eq!(client.send("SPOP s"), "nil");
        assert_eq!(client.send("SPOP s 3"), "[]");
        assert_eq!(client.send("SRANDMEMBER s"), "nil");
        assert_eq!(client.send("SRANDMEMBER s -3"), "[]");
    });
}

#[test]
fn a_scan_finds_all_members() {
    each(|client, _| {
        for (len, prefix) in [(10, ""), (50, "x"), (2000, "x")] {
            client.send("DEL s");
            (0..len).for_each(|number| assert_eq!(client.send(&format!("SADD s {prefix}{number}")), ":1"));
            let (mut cursor, mut found) = ("0".to_owned(), BTreeSet::new());
            loop {
                let reply = client.send(&format!("SSCAN s {cursor} COUNT 50"));
                let (next, members) = reply.trim_start_matches('[').split_once(", ").expect("two elements");
                cursor = next.trim_matches('"').to_owned();
                found.extend(sorted(members));
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(found.len(), len);
        }
        assert_eq!(client.send("SSCAN s 0 MATCH x1999 COUNT 10000"), "[\"0\", [\"x1999\"]]");
        assert_eq!(client.send("SSCAN none 0"), "[\"0\", []]");
        assert_eq!(client.send("SSCAN none 0 COUNT 0"), "[\"0\", []]");
    });
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    each(|client, _| {
        client.send("SET text x");
        client.send("SADD s a");
        for line in [
            "SADD text a",
            "SREM text a",
            "SISMEMBER text a",
            "SMISMEMBER text a",
            "SCARD text",
            "SMEMBERS text",
            "SPOP text",
            "SPOP text 2",
            "SRANDMEMBER text",
            "SRANDMEMBER text 2",
            "SINTER text",
            "SUNION s text",
            "SDIFF none text",
            "SINTER none text",
            "SINTERCARD 1 text",
            "SINTERSTORE d text",
            "SSCAN text 0",
        ] {
            assert_eq!(client.send(line), WRONG_TYPE, "{line}");
        }
        for (line, error) in [
            ("SPOP s -1", "ERR value is out of range, must be positive"),
            ("SPOP s x", "ERR value is out of range, must be positive"),
            ("SPOP s 1 2", "ERR syntax error"),
            ("SRANDMEMBER s x", "ERR value is not an integer or out of range"),
            (
                "SRANDMEMBER s -9223372036854775808",
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("SRANDMEMBER s -9223372036854775807", "ERR value is out of range"),
            ("SINTERCARD 0 s", "ERR numkeys should be greater than 0"),
            ("SINTERCARD x s", "ERR numkeys should be greater than 0"),
            ("SINTERCARD 3 s", "ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 1 s LIMIT -1", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT x", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT", "ERR syntax error"),
            ("SINTERCARD 1 s OTHER 1", "ERR syntax error"),
            ("SSCAN s x", "ERR invalid cursor"),
            ("SSCAN s 0 COUNT 0", "ERR syntax error"),
            ("SSCAN s 0 COUNT x", "ERR value is not an integer or out of range"),
            ("SADD s", "ERR wrong number of arguments for 'sadd' command"),
        ] {
            assert_eq!(client.send(line), format!("-{error}"), "{line}");
        }
        assert_eq!(client.send("GET text"), "\"x\"");
        assert_eq!(client.send("SMEMBERS s"), "[\"a\"]");
    });
}

#[test]
fn resp3_has_sets() {
    let client = TestCore::new(1).client();
    client.send("HELLO 3");
    client.send("SADD s 1");
    for line in ["SMEMBERS s", "SINTER s", "SUNION s", "SDIFF s", "SPOP s 1"] {
        assert_eq!(client.send(line), "~[\"1\"]", "{line}");
    }
}
