//! Requests that wait for a key: who is served, in which order, by what, and what ends a wait. The commands stand for their kind: BLPOP
//! takes from the first key that is ready, XREAD reads from each, XREADGROUP takes from each and needs its groups, BLMOVE moves on.

mod common;

use common::{Client, START_MS, TestCore, encode, key_of_each_core, words};
use torc_engine::state::HostFunctions;
use torc_rdb::{EncodeOptions, Value, payload};

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Begins to wait; nothing may come back yet.
#[track_caller]
fn wait(client: &Client, line: &str) {
    assert_eq!(client.pipeline(&[line]), [""; 0], "{line}");
}

#[track_caller]
fn pop(client: &Client, keys: &str, timeout: &str) {
    wait(client, &format!("BLPOP {keys} {timeout}"));
}

/// An entry of a stream as it is shown: its id is the number, and so is its one field's value.
fn entry(number: u32) -> String {
    format!("[\"{number}-1\", [\"f\", \"{number}\"]]")
}

/// Adds such entries.
#[track_caller]
fn add(client: &Client, key: &str, numbers: &[u32]) {
    for number in numbers {
        assert_eq!(client.send(&format!("XADD {key} {number}-1 f {number}")), format!("\"{number}-1\""));
    }
}

/// What XREADGROUP answers for a key without its group.
fn no_group(key: &str) -> String {
    format!("-NOGROUP No such key '{key}' or consumer group 'g' in XREADGROUP with GROUP option")
}

/// One key for each core, or `count` keys of the only one.
fn keys(cores: u16, count: u16) -> Vec<String> {
    if cores == 1 { (0..count).map(|number| format!("key{number}")).collect() } else { key_of_each_core(cores, "key") }
}

fn assert_nothing_is_left(server: &TestCore, cores: u16) {
    for core in 0..cores {
        server.engine(core, |engine| {
            assert!(engine.nobody_waits() && engine.claims_are_idle() && engine.mesh_is_idle(), "core {core}");
            assert_eq!(engine.inspect().keyspace().observed_len(), 0, "core {core}");
        });
    }
}

#[test]
fn waiters_are_served_in_the_order_of_their_arrival() {
    for cores in [1u16, 2, 4] {
        let server = TestCore::new(cores);
        let waiters: Vec<Client> = (0..4).map(|number| server.client_on(number % cores)).collect();
        waiters.iter().for_each(|waiter| pop(waiter, "queue other", "0"));
        let pusher = server.client();
        assert_eq!(pusher.send("RPUSH queue a b"), ":2");
        assert_eq!(waiters[0].poll(), ["[\"queue\", \"a\"]"]);
        assert_eq!(waiters[1].poll(), ["[\"queue\", \"b\"]"]);
        assert_eq!(pusher.send("EXISTS queue"), ":0");
        assert_eq!(pusher.send("RPUSH other c"), ":1");
        assert_eq!(waiters[2].poll(), ["[\"other\", \"c\"]"]);
        assert!(waiters[3].poll().is_empty());
        assert_eq!(pusher.send("RPUSH queue d e"), ":2");
        assert_eq!(waiters[3].poll(), ["[\"queue\", \"d\"]"]);
        assert_eq!(pusher.send("BLPOP queue 0"), "[\"queue\", \"e\"]");
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn whatever_makes_the_key_ready_wakes() {
    let list = payload::encode(&Value::List(vec![b"one".to_vec()]), &EncodeOptions::default());
    for cores in [1u16, 3] {
        let keys = keys(cores, 3);
        let (a, b) = (&keys[0], &keys[1]);
        let ways: [&[&str]; 13] = [
            &["RPUSH %a one"],
            &["LPUSH %a one"],
            &["RESTORE %a"],
            &["RPUSH %b one", "RENAME %b %a"],
            &["RPUSH %b one", "RENAMENX %b %a"],
            &["RPUSH %b one", "COPY %b %a"],
            &["RPUSH %b one", "LMOVE %b %a LEFT LEFT"],
            &["RPUSH %b one", "RPOPLPUSH %b %a"],
            &["RPUSH %b one", "SORT %b ALPHA STORE %a"],
            &["SET %a x", "MULTI", "DEL %b %a", "RPUSH %a one", "EXEC"],
            &["SET %a x", "RPUSH %b one", "COPY %b %a REPLACE"],
            &["SELECT 1", "RPUSH %a one", "SELECT 0", "SWAPDB 0 1"],
            &["SELECT 1", "RPUSH %a one", "MOVE %a 0", "SELECT 0"],
        ];
        for way in ways {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let waiter = server.client_on(core);
                pop(&waiter, &format!("nothing {a}"), "0");
                let other = server.client();
                for line in way {
                    let line = line.replace("%a", a).replace("%b", b);
                    let reply = match line.strip_prefix("RESTORE ") {
                        Some(key) => other.call(&[b"RESTORE", key.as_bytes(), b"0", &list]),
                        None => other.send(&line),
                    };
                    assert!(!reply.starts_with('-'), "{line}: {reply}");
                }
                assert_eq!(waiter.poll(), [format!("[\"{a}\", \"one\"]")], "{way:?} from core {core} of {cores}");
                other.send("FLUSHALL");
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

#[test]
fn whatever_makes_a_sorted_set_wakes() {
    for cores in [1u16, 3] {
        let keys = keys(cores, 3);
        let (a, b) = (&keys[0], &keys[1]);
        let ways: [&[&str]; 9] = [
            &["ZADD %a 1 one"],
            &["ZINCRBY %a 1 one"],
            &["ZADD %b 1 one", "ZUNIONSTORE %a 2 %b none"],
            &["ZADD %b 1 one", "ZRANGESTORE %a %b 0 -1"],
            &["ZADD %b 1 one", "ZDIFFSTORE %a 1 %b"],
            &["SADD %b one", "ZINTERSTORE %a 1 %b"],
            &["ZADD %b 1 one", "RENAME %b %a"],
            &["GEOADD %b 13 38 one", "GEOSEARCHSTORE %a %b FROMMEMBER one BYRADIUS 1 m STOREDIST", "ZADD %b 1 other"],
            &["SET %a x", "SET %a y", "DEL %a", "ZADD %a 1 one"],
        ];
        for way in ways {
            let server = TestCore::new(cores);
            let (waiter, other) = (server.client_on(cores - 1), server.client());
            wait(&waiter, &format!("BZPOPMIN nothing {a} 0"));
            for line in way {
                let reply = other.send(&line.replace("%a", a).replace("%b", b));
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            let got = waiter.poll();
            assert_eq!(got.len(), 1, "{way:?} on {cores} cores");
            assert!(got[0].starts_with(&format!("[\"{a}\", \"one\", ")), "{way:?} on {cores} cores: {got:?}");
            assert_nothing_is_left(&server, cores);
        }
    }
}

#[test]
fn a_transaction_wakes_at_its_end() {
    for cores in [1u16, 2, 3] {
        let keys = if cores == 1 { vec!["a".into(), "b".into()] } else { key_of_each_core(cores, "key") };
        let (a, b) = (&keys[0], &keys[1]);
        let server = TestCore::new(cores);
        let (first, second) = (server.client_on(cores - 1), server.client());
        pop(&first, &format!("{a} {b}"), "0");
        pop(&second, b, "0");
        let other = server.client();
        other.check(&[
            ("MULTI", "+OK"),
            (&format!("RPUSH {b} gone"), "+QUEUED"),
            (&format!("DEL {b}"), "+QUEUED"),
            (&format!("RPUSH {b} one two three"), "+QUEUED"),
            (&format!("RPUSH {a} four"), "+QUEUED"),
            (&format!("BLPOP {b} 0"), "+QUEUED"),
            (&format!("BLPOP none {b} {a} 0"), "+QUEUED"),
            ("BLPOP none 0", "+QUEUED"),
            ("EXEC", &format!("[:1, :1, :3, :1, [\"{b}\", \"one\"], [\"{b}\", \"two\"], nil]")),
        ]);
        // The key that was changed first is served first.
        assert_eq!(first.poll(), [format!("[\"{b}\", \"three\"]")]);
        assert!(second.poll().is_empty());
        assert_eq!(other.send(&format!("BLPOP {a} 0")), format!("[\"{a}\", \"four\"]"));
        second.disconnect();
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn a_wait_ends_by_time_by_command_and_with_its_connection() {
    for cores in [1u16, 2, 4] {
        let server = TestCore::new(cores);
        let other = server.client();
        for core in 0..cores {
            let waiter = server.client_on(core);
            let id = waiter.send("CLIENT ID").trim_start_matches(':').to_owned();
            pop(&waiter, "a b c", "0.05");
            server.advance_ms(49);
            assert!(waiter.poll().is_empty());
            server.advance_ms(1);
            assert_eq!(waiter.poll(), ["nil"]);
            assert_eq!(other.send(&format!("CLIENT UNBLOCK {id}")), ":0");
            for (how, reply) in
                [("", "nil"), ("TIMEOUT", "nil"), ("ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK")]
            {
                pop(&waiter, "a b c", "0");
                assert_eq!(other.send(&format!("CLIENT UNBLOCK {id} {how}")), ":1");
                assert_eq!(waiter.poll(), [reply]);
            }
            pop(&waiter, "a b c", "100");
            waiter.disconnect();
            assert_eq!(other.send("RPUSH b x"), ":1");
            assert_eq!(other.send("BLPOP a b c 0"), "[\"b\", \"x\"]");
            assert_nothing_is_left(&server, cores);
        }
        other.check(&[
            ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"),
            ("CLIENT UNBLOCK 1 MAYBE", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
            ("CLIENT UNBLOCK 99999", ":0"),
            ("BLPOP a x", "-ERR timeout is not a float or out of range"),
            ("BLPOP a -1", "-ERR timeout is negative"),
            ("SET a text", "+OK"),
            ("BLPOP a 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ]);
    }
}

#[test]
fn what_is_behind_a_wait_in_the_pipeline_waits_too() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let waiter = server.client_on(cores - 1);
        let replies = waiter.pipeline(&["SET x 1", "BLPOP a b c 0", "INCR x", "GET x"]);
        assert_eq!(replies, ["+OK"]);
        let other = server.client();
        other.check(&[("GET x", "\"1\""), ("RPUSH c 1", ":1"), ("GET x", "\"2\"")]);
        assert_eq!(waiter.poll(), ["[\"c\", \"1\"]", ":2", "\"2\""]);
    }
}

#[test]
fn timeouts_are_read_as_redis_reads_them() {
    let server = TestCore::new(1);
    let client = server.client();
    let (float, negative, range) =
        ("-ERR timeout is not a float or out of range", "-ERR timeout is negative", "-ERR timeout is out of range");
    for text in ["abc", "", " 1", "1 ", "nan", "1_0", "1e5x", "0x", "1e5000"] {
        assert_eq!(client.call(&["BLPOP", "a", text]), float, "{text}");
    }
    for text in ["-1", "-inf", "-0.002", "-1e30"] {
        assert_eq!(client.send(&format!("BLPOP a {text}")), negative, "{text}");
    }
    for text in ["inf", "Infinity", "1e400", "1e30", "9223372036854775.5", "9223372036854776", "9223372036854775"] {
        assert_eq!(client.send(&format!("BLPOP a {text}")), range, "{text}");
    }
    for (text, milliseconds) in [
        ("0x10", 16_000),
        ("+1", 1000),
        ("0x1p3", 8000),
        ("1e-10", 1),
        ("0.05", 50),
        ("0.0011", 2),
        (".5", 500),
        ("1e1", 10_000),
    ] {
        pop(&client, "a", text);
        server.advance_ms(milliseconds - 1);
        assert!(client.poll().is_empty(), "{text}");
        server.advance_ms(1);
        assert_eq!(client.poll(), ["nil"], "{text}");
    }
    for text in ["0", "-0", "-0.0001", "0.0", "0x0"] {
        let endless = server.client();
        pop(&endless, "a", text);
        server.advance_ms(100_000_000);
        assert!(endless.poll().is_empty(), "{text}");
    }
    for text in ["abc", "", " 1", "0x10", "1.5", "9223372036854775808", "-0", "+1"] {
        let reply = client.call(&["XREAD", "BLOCK", text, "STREAMS", "a", "0"]);
        assert_eq!(reply, "-ERR timeout is not an integer or out of range", "{text}");
    }
    client.check(&[
        ("XREAD BLOCK -1 STREAMS a 0", negative),
        ("XREAD BLOCK -9223372036854775808 STREAMS a 0", negative),
        ("XREAD BLOCK 9223372036854775807 STREAMS a 0", range),
        ("MULTI", "+OK"),
        ("BLPOP a inf", "+QUEUED"),
        ("BLPOP a x", "+QUEUED"),
        ("XREAD BLOCK 9223372036854775807 STREAMS a 0", "+QUEUED"),
        ("EXEC", &format!("[{range}, {float}, {range}]")),
    ]);
}

#[test]
fn a_reader_gets_all_that_is_there_or_waits_from_where_it_is() {
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 4);
        let (a, b) = (&keys[0], &keys[keys.len() - 1]);
        for core in 0..cores {
            let server = TestCore::new(cores);
            let (reader, other) = (server.client_on(core), server.client());
            add(&other, a, &[1, 2]);
            add(&other, b, &[1]);
            let (one, two) = (entry(1), entry(2));
            reader.check(&[
                (
                    &format!("XREAD STREAMS {a} none {b} 0 0 0"),
                    &format!("[[\"{a}\", [{one}, {two}]], [\"{b}\", [{one}]]]"),
                ),
                (&format!("XREAD BLOCK 0 STREAMS {b} {a} 0 1-1"), &format!("[[\"{b}\", [{one}]], [\"{a}\", [{two}]]]")),
                (&format!("XREAD STREAMS {a} {b} 2-1 1-1"), "nil"),
                (
                    &format!("XREAD BLOCK 0 STREAMS {a} {a} {a} $ 1-1 0"),
                    &format!("[[\"{a}\", [{two}]], [\"{a}\", [{one}, {two}]]]"),
                ),
            ]);
            wait(&reader, &format!("XREAD BLOCK 50 STREAMS {a} {b} $ 1-1"));
            server.advance_ms(50);
            assert_eq!(reader.poll(), ["nil"]);
            let second = server.client_on(cores - 1);
            for (key, number) in [(a, 3), (b, 2)] {
                wait(&reader, &format!("XREAD BLOCK 0 STREAMS {a} {b} $ $"));
                wait(&second, &format!("XREAD BLOCK 0 STREAMS {b} {a} $ $"));
                add(&other, key, &[number]);
                let expected = format!("[[\"{key}\", [{}]]]", entry(number));
                assert_eq!(reader.poll(), std::slice::from_ref(&expected));
                assert_eq!(second.poll(), [expected]);
            }
            let both = format!("{{\"{b}\": [{}], \"{a}\": [{}]}}", entry(2), entry(3));
            reader.check(&[
                ("HELLO 3", &reader_hello(&reader)),
                (&format!("XREAD STREAMS {b} {a} 1-1 2-1"), &both),
                ("MULTI", "+OK"),
                (&format!("XREAD BLOCK 0 STREAMS {b} {a} $ $"), "+QUEUED"),
                (&format!("XREAD BLOCK 0 STREAMS {b} {a} 1-1 2-1"), "+QUEUED"),
                ("EXEC", &format!("[nil, {both}]")),
                (&format!("SET {b} text"), "+OK"),
                (&format!("XREAD BLOCK 0 STREAMS {a} {b} 0 0"), WRONG),
                (
                    &format!("XREAD BLOCK 0 STREAMS {a} {b} 0 x"),
                    "-ERR Invalid stream ID specified as stream command argument",
                ),
            ]);
            wait(&reader, &format!("XREAD BLOCK 0 STREAMS {a} $"));
            other.send(&format!("SET {a} text"));
            assert!(reader.poll().is_empty(), "a wrong type does not end its wait");
            other.check(&[("FLUSHALL", "+OK")]);
            add(&other, a, &[1, 2, 3]);
            assert!(reader.poll().is_empty(), "it waits for what is behind the position of its beginning");
            add(&other, a, &[4]);
            assert_eq!(reader.poll(), [format!("{{\"{a}\": [{}]}}", entry(4))]);
            assert_nothing_is_left(&server, cores);
        }
    }
}

fn reader_hello(client: &Client) -> String {
    let reply = client.send("HELLO 3");
    client.send("HELLO 2");
    reply
}

#[test]
fn a_reader_that_takes_takes_each_element_once() {
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 4);
        let (a, b) = (&keys[0], &keys[keys.len() - 1]);
        for core in 0..cores {
            let server = TestCore::new(cores);
            let (reader, second, other) = (server.client_on(core), server.client(), server.client());
            let (group_a, group_b) = (format!("XGROUP CREATE {a} g 0"), format!("XGROUP CREATE {b} g 0"));
            let read = |block: &str, keys: &[&String]| {
                let names: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
                let ids = vec![">"; keys.len()].join(" ");
                format!("XREADGROUP GROUP g c {block} STREAMS {} {ids}", names.join(" "))
            };
            reader.check(&[(&read("BLOCK 0", &[a, b]), &no_group(a))]);
            add(&other, a, &[1, 2]);
            other.check(&[(&group_a, "+OK")]);
            reader.check(&[(&read("BLOCK 0", &[a, b]), &no_group(b))]);
            add(&other, b, &[3]);
            other.check(&[(&group_b, "+OK")]);
            reader.check(&[
                (
                    &read("BLOCK 0", &[b, a, b]),
                    &format!("[[\"{b}\", [{}]], [\"{a}\", [{}, {}]]]", entry(3), entry(1), entry(2)),
                ),
                (&read("", &[b, a]), "nil"),
                (&format!("XLEN {a}"), ":2"),
            ]);
            wait(&reader, &read("BLOCK 0", &[a, b, a]));
            wait(&second, &read("BLOCK 0", &[b, a]));
            other.check(&[
                ("MULTI", "+OK"),
                (&format!("XADD {a} 4-1 f 4"), "+QUEUED"),
                (&format!("XADD {a} 5-1 f 5"), "+QUEUED"),
                ("EXEC", "[\"4-1\", \"5-1\"]"),
            ]);
            assert_eq!(reader.poll(), [format!("[[\"{a}\", [{}, {}]]]", entry(4), entry(5))]);
            assert!(second.poll().is_empty());
            assert_eq!(other.send(&format!("DEL {a}")), ":1");
            assert_eq!(second.poll(), [no_group(a)]);
            assert_nothing_is_left(&server, cores);
        }
    }
}

#[test]
fn a_wait_may_end_with_an_error_when_its_key_changes() {
    for cores in [1u16, 3] {
        let keys = keys(cores, 3);
        let (a, b) = (&keys[0], &keys[keys.len() - 1]);
        let gone = no_group(a);
        let groups = [a, b].map(|key| format!("XGROUP CREATE {key} g $ MKSTREAM"));
        let begin = |waiter: &Client, other: &Client| {
            groups.iter().for_each(|group| assert_eq!(other.send(group), "+OK"));
            wait(waiter, &format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {b} {a} > >"));
        };
        let ways: [(&[&str], &str); 16] = [
            (&["DEL %a"], &gone),
            (&["DEL nothing %a"], &gone),
            (&["UNLINK %a"], &gone),
            (&["XGROUP DESTROY %a g"], &gone),
            (&["FLUSHALL"], &gone),
            (&["FLUSHDB ASYNC"], &gone),
            (&["SWAPDB 0 1"], &gone),
            (&["RENAME %a %b"], &gone),
            (&["SET %b x", "RENAME %b %a"], WRONG),
            (&["SET %a x"], WRONG),
            (&["MOVE %a 1"], &gone),
            (&["MULTI", "DEL %a", "SET %b y", "EXEC"], &gone),
            (&["PEXPIREAT %a 1"], &gone),
            // Seen by a reader of this and of other keys, by a writer.
            (&["PEXPIRE %a 10", "later", "GET %a"], &gone),
            (&["PEXPIRE %a 10", "later", "MGET %b %a"], &gone),
            (&["PEXPIRE %a 10", "later", "MULTI", "GET %a", "SET %b y", "EXEC"], &gone),
        ];
        for (way, error) in ways {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let (waiter, patient, other) = (server.client_on(core), server.client(), server.client());
                begin(&waiter, &other);
                wait(&patient, &format!("XREAD BLOCK 0 STREAMS {a} $"));
                for line in way {
                    if *line == "later" {
                        server.advance_ms(11);
                        continue;
                    }
                    other.send(&line.replace("%a", a).replace("%b", b));
                }
                let got = waiter.poll();
                // The error is that of the key that is looked at first.
                let may_be_b =
                    way.iter().any(|line| line.contains("%b") || line.contains("FLUSH") || line.contains("SWAP"));
                let either = may_be_b && (got == [WRONG] || got == [no_group(b)]);
                assert!(got == [error] || either, "{way:?} from core {core} of {cores}: {got:?}");
                assert!(patient.poll().is_empty());
                patient.disconnect();
                assert_nothing_is_left(&server, cores);
            }
        }
        // By itself.
        let server = TestCore::new(cores);
        let (waiter, other) = (server.client_on(cores - 1), server.client());
        begin(&waiter, &other);
        assert_eq!(other.send(&format!("PEXPIRE {a} 10")), ":1");
        server.advance_ms(11);
        server.upkeep();
        server.settle();
        assert_eq!(waiter.poll(), [gone]);
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn an_expired_key_without_anything_for_its_waiters_is_nothing_to_them() {
    for cores in [1u16, 2] {
        let server = TestCore::new(cores);
        let (waiter, other) = (server.client_on(cores - 1), server.client());
        other.check(&[("XGROUP CREATE a g $ MKSTREAM", "+OK"), ("PEXPIRE a 10", ":1")]);
        wait(&waiter, "XREAD BLOCK 0 STREAMS a $");
        server.advance_ms(11);
        other.check(&[("GET a", "nil"), ("MULTI", "+OK"), ("SET x 1", "+QUEUED"), ("EXEC", "[+OK]")]);
        assert!(waiter.poll().is_empty());
        add(&other, "a", &[1]);
        assert_eq!(waiter.poll(), [format!("[[\"a\", [{}]]]", entry(1))]);
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn a_move_takes_from_one_key_and_puts_into_another() {
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 4);
        for (a, b) in [(&keys[0], &keys[keys.len() - 1]), (&keys[0], &keys[0])] {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let (mover, other) = (server.client_on(core), server.client());
                let line = format!("BLMOVE {a} {b} LEFT RIGHT 0.1");
                other.send(&format!("RPUSH {a} 1 2"));
                assert_eq!(mover.send(&line), "\"1\"");
                let left = if a == b { "[\"2\", \"1\"]" } else { "[\"2\"]" };
                assert_eq!(other.send(&format!("LRANGE {a} 0 -1")), left);
                other.send("FLUSHALL");
                wait(&mover, &line);
                server.advance_ms(100);
                assert_eq!(mover.poll(), ["nil"]);
                wait(&mover, &line);
                assert_eq!(other.send(&format!("RPUSH {a} 3")), ":1");
                assert_eq!(mover.poll(), ["\"3\""]);
                assert_eq!(other.send(&format!("LRANGE {b} 0 -1")), "[\"3\"]");
                other.send("FLUSHALL");
                other.check(&[
                    ("MULTI", "+OK"),
                    (&line, "+QUEUED"),
                    (&format!("RPUSH {a} 4"), "+QUEUED"),
                    (&line, "+QUEUED"),
                    (&format!("BLPOP {b} 0"), "+QUEUED"),
                    ("EXEC", &format!("[nil, :1, \"4\", [\"{b}\", \"4\"]]")),
                    (&format!("SET {a} text"), "+OK"),
                    (&line, wrong),
                    (&format!("DEL {a}"), ":1"),
                ]);
                if a != b {
                    other.send(&format!("SET {b} text"));
                    wait(&mover, &line);
                    assert_eq!(other.send(&format!("RPUSH {a} 5")), ":1");
                    assert_eq!(mover.poll(), [wrong]);
                    assert_eq!(mover.send(&line), wrong);
                    other.check(&[
                        (&format!("BLPOP {a} 0"), &format!("[\"{a}\", \"5\"]")),
                        (&format!("GET {b}"), "\"text\""),
                    ]);
                }
                other.send("FLUSHALL");
                wait(&mover, &line);
                let id = mover_id(&other);
                assert_eq!(other.send(&format!("CLIENT UNBLOCK {id} ERROR")), ":1");
                assert_eq!(mover.poll(), ["-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
                wait(&mover, &line);
                mover.disconnect();
                assert_eq!(other.send(&format!("RPUSH {a} 6")), ":1");
                assert_eq!(other.send(&format!("BLPOP {a} 0")), format!("[\"{a}\", \"6\"]"));
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

/// The id of the one client that is blocked.
fn mover_id(client: &Client) -> String {
    let list = client.send("CLIENT LIST");
    let line = list.split("\\n").find(|line| line.contains("flags=b")).expect("one is blocked");
    let id = line.split("id=").nth(1).expect("it has an id");
    assert!(client.send("INFO clients").contains("blocked_clients:1"));
    id.split(' ').next().expect("it ends").to_owned()
}

#[test]
fn moves_follow_each_other_in_chains() {
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 4);
        for (a, b) in [("{x}a".to_owned(), "{x}b".to_owned()), (keys[0].clone(), keys[keys.len() - 1].clone())] {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let clients: Vec<Client> = (0..3).map(|number| server.client_on((core + number) % cores)).collect();
                wait(&clients[0], &format!("BLMOVE {a} {b} LEFT RIGHT 0"));
                wait(&clients[1], &format!("BLMOVE {b} {a} LEFT RIGHT 0"));
                pop(&clients[2], &b, "0");
                let other = server.client();
                assert_eq!(other.send(&format!("RPUSH {a} 1")), ":1");
                assert_eq!(clients[0].poll(), ["\"1\""]);
                // On two cores a move does not keep its place in the line.
                let moved = clients[1].poll();
                let popped = clients[2].poll();
                if moved == ["\"1\""] {
                    assert!(popped.is_empty());
                    assert_eq!(other.send(&format!("RPUSH {b} 2")), ":1");
                    assert_eq!(clients[2].poll(), [format!("[\"{b}\", \"2\"]")]);
                    assert_eq!(other.send(&format!("BLPOP {a} 0")), format!("[\"{a}\", \"1\"]"));
                } else {
                    assert!(cores > 1 && !a.starts_with('{'), "the order is kept on one core");
                    assert_eq!(popped, [format!("[\"{b}\", \"1\"]")]);
                    assert_eq!(other.send(&format!("RPUSH {b} 2")), ":1");
                    assert_eq!(clients[1].poll(), ["\"2\""]);
                    assert_eq!(other.send(&format!("BLPOP {a} 0")), format!("[\"{a}\", \"2\"]"));
                }
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

#[test]
fn several_waits_for_one_key_and_one_key_several_times() {
    for cores in [1u16, 2] {
        let server = TestCore::new(cores);
        let clients: Vec<Client> = (0..4).map(|number| server.client_on(number % cores)).collect();
        wait(&clients[0], "BLMOVE {x}a {x}b LEFT RIGHT 0");
        pop(&clients[1], "{x}a {x}a {x}b {x}a", "0");
        wait(&clients[2], "BRPOP {x}c {x}b {x}b 0");
        wait(&clients[3], "BLMOVE {x}a {x}a LEFT RIGHT 0");
        let other = server.client();
        assert_eq!(other.send("RPUSH {x}a 1 2 3"), ":3");
        assert_eq!(clients[0].poll(), ["\"1\""]);
        assert_eq!(clients[1].poll(), ["[\"{x}a\", \"2\"]"]);
        assert_eq!(clients[2].poll(), ["[\"{x}b\", \"1\"]"]);
        assert_eq!(clients[3].poll(), ["\"3\""]);
        other.check(&[("LRANGE {x}a 0 -1", "[\"3\"]"), ("EXISTS {x}b", ":0")]);
        wait(&clients[0], "XREAD BLOCK 0 STREAMS {x}s {x}s {x}s 1-1 0 9-1");
        wait(&clients[1], "XREAD BLOCK 0 STREAMS {x}s {x}s 1-1 9-1");
        add(&other, "{x}s", &[1]);
        assert_eq!(clients[0].poll(), [format!("[[\"{{x}}s\", [{}]]]", entry(1))]);
        assert!(clients[1].poll().is_empty());
        add(&other, "{x}s", &[2]);
        assert_eq!(clients[1].poll(), [format!("[[\"{{x}}s\", [{}]]]", entry(2))]);
        assert_nothing_is_left(&server, cores);
    }
}

/// The exception to the order of arrival, as docs/transactions.md explains it.
#[test]
fn only_a_move_to_another_core_is_overtaken() {
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 2);
        for (a, b) in [("{x}a".to_owned(), "{x}b".to_owned()), (keys[0].clone(), keys[keys.len() - 1].clone())] {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let (mover, popper, other) = (server.client_on(core), server.client_on(cores - 1), server.client());
                wait(&mover, &format!("BLMOVE {a} {b} LEFT RIGHT 0"));
                pop(&popper, &a, "0");
                let popped = |element: u32| [format!("[\"{a}\", \"{element}\"]")];
                assert_eq!(other.send(&format!("RPUSH {a} 1")), ":1");
                if cores == 1 || a.starts_with('{') {
                    assert_eq!(mover.poll(), ["\"1\""]);
                    assert!(popper.poll().is_empty());
                    assert_eq!(other.send(&format!("RPUSH {a} 2")), ":1");
                    assert_eq!(popper.poll(), popped(2));
                } else {
                    assert_eq!(popper.poll(), popped(1));
                    assert!(mover.poll().is_empty());
                    // It has not been forgotten: two elements are enough for both.
                    pop(&popper, &a, "0");
                    assert_eq!(other.send(&format!("RPUSH {a} 2 3")), ":2");
                    assert_eq!((popper.poll(), mover.poll()), (popped(2).into(), vec!["\"3\"".to_owned()]));
                }
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

/// CLIENT UNBLOCK has answered, and before the client hears of it its time runs out, or it goes.
#[test]
fn what_happens_between_unblocking_and_the_end_of_the_wait() {
    let server = TestCore::new(1);
    let (waiter, other) = (server.client(), server.client());
    let id = waiter.send("CLIENT ID").trim_start_matches(':').to_owned();
    let line = format!("CLIENT UNBLOCK {id} ERROR\r\n");
    let unblock = |engine: &mut torc_engine::Engine| engine.on_bytes(other.connection(), line.as_bytes());
    pop(&waiter, "a", "0.05");
    let late_us = (server.now_ms() + 60) * 1000;
    server.engine(0, |engine| {
        unblock(engine);
        engine.set_time(late_us);
        engine.end_overdue_waits();
    });
    assert_eq!(waiter.poll(), ["-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
    assert_eq!(other.poll(), [":1"]);
    pop(&waiter, "a", "0");
    let connection = waiter.connection();
    server.engine(0, |engine| {
        unblock(engine);
        engine.on_end_of_input(connection);
        engine.run_stalled();
        engine.disconnected(connection);
    });
    assert_eq!(other.poll(), [":1"]);
    assert_nothing_is_left(&server, 1);
}

/// While EXEC is on its way, a slow command lets time pass.
#[test]
fn what_has_expired_before_waiters_are_served_is_nothing_to_serve() {
    for cores in [1, 2] {
        for (wait, push) in [
            ("BLPOP k 1", "RPUSH k a"),
            ("BZPOPMIN k 1", "ZADD k 1 a"),
            ("BLMOVE k other LEFT LEFT 1", "RPUSH k a"),
            ("XREAD BLOCK 1000 STREAMS k $", "XADD k * f v"),
        ] {
            let server = TestCore::new(cores);
            let (waiter, writer) = (server.client(), server.client_on(cores - 1));
            assert_eq!(waiter.exchange(&encode(&words(wait))), [""; 0], "{wait} waits");
            // The clock shows it from the commands of EXEC on.
            let late = HostFunctions { unix_us: || (START_MS + 200) * 1000, ..HostFunctions::STILL };
            (0..cores).for_each(|core| server.engine(core, |engine| engine.inspect_mut().set_host_functions(late)));
            let replies = writer.pipeline(&["MULTI", push, "PEXPIRE k 100", "EXEC"]);
            assert!(replies[3].ends_with(":1]"), "{replies:?}");
            assert_eq!(waiter.poll(), [""; 0], "{wait} over {cores} cores goes on waiting");
            assert_eq!(writer.send("EXISTS k"), ":0");
            server.advance_ms(1001);
            server.engine(0, |engine| engine.end_overdue_waits());
            assert_eq!(waiter.poll(), ["nil"], "{wait}");
        }
    }
}

/// The host knows that a client has left before it says so: what was pushed stays, or goes to the next.
#[test]
fn who_has_left_is_given_nothing() {
    for cores in [1u16, 2, 3] {
        let keys = keys(cores, 3);
        let (a, b) = (&keys[0], keys.last().expect("there are keys"));
        for line in [format!("BLPOP {a} 0"), format!("BLPOP {a} {b} 0"), format!("BLMOVE {a} {b} LEFT LEFT 0")] {
            for core in 0..cores {
                let server = TestCore::new(cores);
                let (waiter, next, pusher) = (server.client_on(core), server.client_on(cores - 1), server.client());
                wait(&waiter, &line);
                waiter.leave_unnoticed();
                assert_eq!(pusher.send(&format!("RPUSH {a} one")), ":1");
                pusher.check(&[(&format!("LRANGE {a} 0 -1"), "[\"one\"]"), (&format!("EXISTS {b}"), ":0")]);
                assert!(waiter.is_closed(), "{line}: its connection is to be closed");
                // Its wait is over on all cores.
                assert_eq!(pusher.send(&format!("RPUSH {b} two")), ":1");
                assert_eq!(pusher.send(&format!("DEL {a} {b}")), if a == b { ":1" } else { ":2" });
                assert!(waiter.poll().is_empty());

                let left = server.client_on(core);
                wait(&left, &line);
                pop(&next, &format!("{a} {b}"), "0");
                left.leave_unnoticed();
                let pushed = pusher.pipeline(&["MULTI", &format!("RPUSH {b} x"), &format!("RPUSH {a} y"), "EXEC"]);
                assert_eq!(pushed.len(), 4);
                assert_eq!(next.poll().len(), 1, "{line}: the next is served");
                assert_eq!(pusher.send(&format!("EXISTS {a} {b}")), if a == b { ":2" } else { ":1" });
                left.disconnect();
                waiter.disconnect();
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

/// The end of what a client sends may be handed in after that.
#[test]
fn the_end_of_who_has_left_comes_later() {
    let server = TestCore::new(2);
    let (a, pusher) = (&keys(2, 2)[1], server.client());
    for core in [0, 1] {
        let waiter = server.client_on(core);
        pop(&waiter, a, "0.05");
        waiter.leave_unnoticed();
        assert_eq!(pusher.send(&format!("RPUSH {a} one")), ":1");
        let connection = waiter.connection();
        server.engine(core, |engine| engine.on_end_of_input(connection));
        server.advance_ms(60);
        assert!(waiter.poll().is_empty(), "its wait does not end twice");
        assert!(waiter.is_closed());
        waiter.disconnect();
        assert_eq!(pusher.send(&format!("LPOP {a}")), "\"one\"");
        assert_nothing_is_left(&server, 2);
    }
}
