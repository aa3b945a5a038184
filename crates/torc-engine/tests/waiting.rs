//! Requests that wait for a key: who is served, in which order, by what, and what ends a wait.

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::config::DebugAccess;

fn server(cores: u16) -> TestCore {
    TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes)
}

/// Begins to wait; nothing may come back yet.
#[track_caller]
fn wait(client: &Client, line: &str) {
    assert_eq!(client.pipeline(&[line]), [""; 0], "{line}");
}

#[track_caller]
fn pop(client: &Client, keys: &str, timeout: &str) {
    wait(client, &format!("DEBUG QUEUE-POP {keys} {timeout}"));
}

/// One key for each core, or `count` keys of the only one.
fn keys(cores: u16, count: u16) -> Vec<String> {
    if cores == 1 { (0..count).map(|number| format!("key{number}")).collect() } else { key_of_each_core(cores, "key") }
}

fn assert_nothing_is_left(server: &TestCore, cores: u16) {
    for core in 0..cores {
        server.engine(core, |engine| {
            assert!(engine.nobody_waits() && engine.claims_are_idle() && engine.mesh_is_idle(), "core {core}");
            assert_eq!(engine.state.keyspace.observed_len(), 0, "core {core}");
        });
    }
}

#[test]
fn waiters_are_served_in_the_order_of_their_arrival() {
    for cores in [1u16, 2, 4] {
        let server = server(cores);
        let waiters: Vec<Client> = (0..4).map(|number| server.client_on(number % cores)).collect();
        waiters.iter().for_each(|waiter| pop(waiter, "queue other", "0"));
        let pusher = server.client();
        assert_eq!(pusher.send("DEBUG QUEUE-PUSH queue a b"), ":2");
        assert_eq!(waiters[0].poll(), ["[\"queue\", \"a\"]"]);
        assert_eq!(waiters[1].poll(), ["[\"queue\", \"b\"]"]);
        assert_eq!(pusher.send("EXISTS queue"), ":0");
        assert_eq!(pusher.send("DEBUG QUEUE-PUSH other c"), ":1");
        assert_eq!(waiters[2].poll(), ["[\"other\", \"c\"]"]);
        assert!(waiters[3].poll().is_empty());
        assert_eq!(pusher.send("DEBUG QUEUE-PUSH queue d e"), ":2");
        assert_eq!(waiters[3].poll(), ["[\"queue\", \"d\"]"]);
        assert_eq!(pusher.send("DEBUG QUEUE-POP queue 0"), "[\"queue\", \"e\"]");
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn whatever_makes_the_key_ready_wakes() {
    for cores in [1u16, 3] {
        let keys = if cores == 1 { vec!["a".into(), "b".into(), "c".into()] } else { key_of_each_core(3, "key") };
        let (a, b) = (&keys[0], &keys[1]);
        let ways: [&[&str]; 7] = [
            &["DEBUG QUEUE-PUSH %a one"],
            &["SET %a 3:one"],
            &["SET %b 3:one", "RENAME %b %a"],
            &["SET %b 3:one", "COPY %b %a"],
            &["MSET %b x %a 3:one", "DEL %b"],
            &["SELECT 1", "DEBUG QUEUE-PUSH %a one", "SELECT 0", "SWAPDB 0 1"],
            &["SELECT 1", "DEBUG QUEUE-PUSH %a one", "MOVE %a 0", "SELECT 0"],
        ];
        for way in ways {
            for core in 0..cores {
                let server = server(cores);
                let waiter = server.client_on(core);
                pop(&waiter, &format!("nothing {a}"), "0");
                let other = server.client();
                for line in way {
                    let reply = other.send(&line.replace("%a", a).replace("%b", b));
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
fn a_transaction_wakes_at_its_end() {
    for cores in [1u16, 2, 3] {
        let keys = if cores == 1 { vec!["a".into(), "b".into()] } else { key_of_each_core(cores, "key") };
        let (a, b) = (&keys[0], &keys[1]);
        let server = server(cores);
        let (first, second) = (server.client_on(cores - 1), server.client());
        pop(&first, &format!("{a} {b}"), "0");
        pop(&second, b, "0");
        let other = server.client();
        other.check(&[
            ("MULTI", "+OK"),
            (&format!("DEBUG QUEUE-PUSH {b} gone"), "+QUEUED"),
            (&format!("DEL {b}"), "+QUEUED"),
            (&format!("DEBUG QUEUE-PUSH {b} one two three"), "+QUEUED"),
            (&format!("DEBUG QUEUE-PUSH {a} four"), "+QUEUED"),
            (&format!("DEBUG QUEUE-POP {b} 0"), "+QUEUED"),
            (&format!("DEBUG QUEUE-POP none {b} {a} 0"), "+QUEUED"),
            ("DEBUG QUEUE-POP none 0", "+QUEUED"),
            ("EXEC", &format!("[:1, :1, :3, :1, [\"{b}\", \"one\"], [\"{b}\", \"two\"], nil]")),
        ]);
        // The key that was changed first is served first.
        assert_eq!(first.poll(), [format!("[\"{b}\", \"three\"]")]);
        assert!(second.poll().is_empty());
        assert_eq!(other.send(&format!("DEBUG QUEUE-POP {a} 0")), format!("[\"{a}\", \"four\"]"));
        second.disconnect();
        assert_nothing_is_left(&server, cores);
    }
}

#[test]
fn a_wait_ends_by_time_by_command_and_with_its_connection() {
    for cores in [1u16, 2, 4] {
        let server = server(cores);
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
            assert_eq!(other.send("DEBUG QUEUE-PUSH b x"), ":1");
            assert_eq!(other.send("DEBUG QUEUE-POP a b c 0"), "[\"b\", \"x\"]");
            assert_nothing_is_left(&server, cores);
        }
        other.check(&[
            ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"),
            ("CLIENT UNBLOCK 1 MAYBE", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
            ("CLIENT UNBLOCK 99999", ":0"),
            ("DEBUG QUEUE-POP a x", "-ERR timeout is not a float or out of range"),
            ("DEBUG QUEUE-POP a -1", "-ERR timeout is negative"),
            ("SET a text", "+OK"),
            ("DEBUG QUEUE-POP a 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ]);
    }
}

#[test]
fn what_is_behind_a_wait_in_the_pipeline_waits_too() {
    for cores in [1u16, 3] {
        let server = server(cores);
        let waiter = server.client_on(cores - 1);
        let replies = waiter.pipeline(&["SET x 1", "DEBUG QUEUE-POP a b c 0", "INCR x", "GET x"]);
        assert_eq!(replies, ["+OK"]);
        let other = server.client();
        other.check(&[("GET x", "\"1\""), ("DEBUG QUEUE-PUSH c 1", ":1"), ("GET x", "\"2\"")]);
        assert_eq!(waiter.poll(), ["[\"c\", \"1\"]", ":2", "\"2\""]);
    }
}

#[test]
fn timeouts_are_read_as_redis_reads_them() {
    let server = server(1);
    let client = server.client();
    let (float, negative, range) =
        ("-ERR timeout is not a float or out of range", "-ERR timeout is negative", "-ERR timeout is out of range");
    for text in ["abc", "", " 1", "1 ", "nan", "1_0", "1e5x", "0x", "1e5000"] {
        assert_eq!(client.call(&["DEBUG", "QUEUE-POP", "a", text]), float, "{text}");
    }
    for text in ["-1", "-inf", "-0.002", "-1e30"] {
        assert_eq!(client.send(&format!("DEBUG QUEUE-POP a {text}")), negative, "{text}");
    }
    for text in ["inf", "Infinity", "1e400", "1e30", "9223372036854775.5", "9223372036854776", "9223372036854775"] {
        assert_eq!(client.send(&format!("DEBUG QUEUE-POP a {text}")), range, "{text}");
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
        let reply = client.call(&["DEBUG", "QUEUE-READ", text, "a", "0"]);
        assert_eq!(reply, "-ERR timeout is not an integer or out of range", "{text}");
    }
    client.check(&[
        ("DEBUG QUEUE-READ -1 a 0", negative),
        ("DEBUG QUEUE-READ -9223372036854775808 a 0", negative),
        ("DEBUG QUEUE-READ 9223372036854775807 a 0", range),
        ("MULTI", "+OK"),
        ("DEBUG QUEUE-POP a inf", "+QUEUED"),
        ("DEBUG QUEUE-POP a x", "+QUEUED"),
        ("DEBUG QUEUE-READ 9223372036854775807 a 0", "+QUEUED"),
        ("EXEC", &format!("[{range}, {float}, {range}]")),
    ]);
}

#[test]
fn a_reader_gets_all_that_is_there_or_waits_from_where_it_is() {
    for cores in [1u16, 2, 4] {
        let keys = keys(cores, 4);
        let (a, b) = (&keys[0], &keys[keys.len() - 1]);
        for core in 0..cores {
            let server = server(cores);
            let (reader, other) = (server.client_on(core), server.client());
            other.check(&[(&format!("DEBUG QUEUE-PUSH {a} a1 a2"), ":2"), (&format!("DEBUG QUEUE-PUSH {b} b1"), ":1")]);
            reader.check(&[
                (
                    &format!("DEBUG QUEUE-READ - {a} 0 none 0 {b} 0"),
                    &format!("[[\"{a}\", [\"a1\", \"a2\"]], [\"{b}\", [\"b1\"]]]"),
                ),
                (&format!("DEBUG QUEUE-READ 0 {b} 0 {a} 1"), &format!("[[\"{b}\", [\"b1\"]], [\"{a}\", [\"a2\"]]]")),
                (&format!("DEBUG QUEUE-READ - {a} 2 {b} 1"), "nil"),
                (
                    &format!("DEBUG QUEUE-READ 0 {a} $ {a} 1 {a} 0"),
                    &format!("[[\"{a}\", [\"a2\"]], [\"{a}\", [\"a1\", \"a2\"]]]"),
                ),
            ]);
            wait(&reader, &format!("DEBUG QUEUE-READ 50 {a} $ {b} 1"));
            server.advance_ms(50);
            assert_eq!(reader.poll(), ["nil"]);
            let second = server.client_on(cores - 1);
            for change in ["DEBUG QUEUE-PUSH %a a3", "DEBUG QUEUE-PUSH %b b2"] {
                wait(&reader, &format!("DEBUG QUEUE-READ 0 {a} $ {b} $"));
                wait(&second, &format!("DEBUG QUEUE-READ 0 {b} $ {a} $"));
                other.send(&change.replace("%a", a).replace("%b", b));
                let (key, element) = if change.contains("%a") { (a, "a3") } else { (b, "b2") };
                assert_eq!(reader.poll(), [format!("[[\"{key}\", [\"{element}\"]]]")]);
                assert_eq!(second.poll(), [format!("[[\"{key}\", [\"{element}\"]]]")]);
            }
            reader.check(&[
                ("HELLO 3", &reader_hello(&reader)),
                (&format!("DEBUG QUEUE-READ - {b} 1 {a} 2"), &format!("{{\"{b}\": [\"b2\"], \"{a}\": [\"a3\"]}}")),
                ("MULTI", "+OK"),
                (&format!("DEBUG QUEUE-READ 0 {b} $ {a} $"), "+QUEUED"),
                (&format!("DEBUG QUEUE-READ 0 {b} 1 {a} 2"), "+QUEUED"),
                ("EXEC", &format!("[nil, {{\"{b}\": [\"b2\"], \"{a}\": [\"a3\"]}}]")),
                (&format!("SET {b} text"), "+OK"),
                (
                    &format!("DEBUG QUEUE-READ 0 {a} 0 {b} 0"),
                    "-WRONGTYPE Operation against a key holding the wrong kind of value",
                ),
                (
                    &format!("DEBUG QUEUE-READ 0 {a} 0 {b} x"),
                    "-WRONGTYPE Operation against a key holding the wrong kind of value",
                ),
            ]);
            wait(&reader, &format!("DEBUG QUEUE-READ 0 {a} $"));
            other.send(&format!("SET {a} text"));
            assert!(reader.poll().is_empty(), "a wrong type does not end its wait");
            other.check(&[("FLUSHALL", "+OK"), (&format!("DEBUG QUEUE-PUSH {a} 1 2 3 4"), ":4")]);
            assert_eq!(reader.poll(), [format!("{{\"{a}\": [\"4\"]}}")]);
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
            let server = server(cores);
            let (reader, second, other) = (server.client_on(core), server.client(), server.client());
            let gone = "-NOQUEUE No such queue";
            reader.check(&[
                (&format!("DEBUG QUEUE-DRAIN 0 {a} {b}"), gone),
                (&format!("DEBUG QUEUE-PUSH {a} 1 2"), ":2"),
                (&format!("DEBUG QUEUE-DRAIN 0 {a} {b}"), gone),
                (&format!("DEBUG QUEUE-PUSH {b} 3"), ":1"),
                (
                    &format!("DEBUG QUEUE-DRAIN 0 {b} {a} {b}"),
                    &format!("[[\"{b}\", [\"3\"]], [\"{a}\", [\"1\", \"2\"]]]"),
                ),
                (&format!("DEBUG QUEUE-DRAIN - {b} {a}"), "nil"),
                (&format!("STRLEN {a}"), ":0"),
            ]);
            wait(&reader, &format!("DEBUG QUEUE-DRAIN 0 {a} {b} {a}"));
            wait(&second, &format!("DEBUG QUEUE-DRAIN 0 {b} {a}"));
            assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {a} 4 5")), ":2");
            assert_eq!(reader.poll(), [format!("[[\"{a}\", [\"4\", \"5\"]]]")]);
            assert!(second.poll().is_empty());
            assert_eq!(other.send(&format!("DEL {a}")), ":1");
            assert_eq!(second.poll(), [gone]);
            assert_nothing_is_left(&server, cores);
        }
    }
}

#[test]
fn a_wait_may_end_with_an_error_when_its_key_changes() {
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let gone = "-NOQUEUE No such queue";
    for cores in [1u16, 3] {
        let keys = keys(cores, 3);
        let (a, b) = (&keys[0], &keys[keys.len() - 1]);
        let ways: [(&[&str], &str); 13] = [
            (&["DEL %a"], gone),
            (&["FLUSHALL"], gone),
            (&["FLUSHDB ASYNC"], gone),
            (&["SWAPDB 0 1"], gone),
            (&["RENAME %a %b"], gone),
            (&["SET %b x", "RENAME %b %a"], wrong),
            (&["SET %a x"], wrong),
            (&["MOVE %a 1"], gone),
            (&["MULTI", "DEL %a", "SET %b y", "EXEC"], gone),
            (&["PEXPIREAT %a 1"], gone),
            // Seen by a reader of this and of other keys, by a writer.
            (&["PEXPIRE %a 10", "later", "GET %a"], gone),
            (&["PEXPIRE %a 10", "later", "MGET %b %a"], gone),
            (&["PEXPIRE %a 10", "later", "MULTI", "GET %a", "SET %b y", "EXEC"], gone),
        ];
        for (way, error) in ways {
            for core in 0..cores {
                let server = server(cores);
                let (waiter, patient, other) = (server.client_on(core), server.client(), server.client());
                other.check(&[(&format!("SET {a} \"\""), "+OK"), (&format!("SET {b} \"\""), "+OK")]);
                wait(&waiter, &format!("DEBUG QUEUE-DRAIN 0 {b} {a}"));
                pop(&patient, a, "0");
                for line in way {
                    if *line == "later" {
                        server.advance_ms(11);
                        continue;
                    }
                    other.send(&line.replace("%a", a).replace("%b", b));
                }
                let got = waiter.poll();
                let either = way.iter().any(|line| line.contains("%b")) && got == [wrong];
                assert!(got == [error] || either, "{way:?} from core {core} of {cores}: {got:?}");
                assert!(patient.poll().is_empty());
                patient.disconnect();
                assert_nothing_is_left(&server, cores);
            }
        }
        // By itself.
        let server = server(cores);
        let (waiter, other) = (server.client_on(cores - 1), server.client());
        other.check(&[(&format!("SET {a} \"\" PX 10"), "+OK"), (&format!("SET {b} \"\""), "+OK")]);
        wait(&waiter, &format!("DEBUG QUEUE-DRAIN 0 {b} {a}"));
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
        let server = server(cores);
        let (waiter, other) = (server.client_on(cores - 1), server.client());
        other.check(&[("SET a \"\" PX 10", "+OK")]);
        pop(&waiter, "a", "0");
        server.advance_ms(11);
        other.check(&[("GET a", "nil"), ("MULTI", "+OK"), ("SET x 1", "+QUEUED"), ("EXEC", "[+OK]")]);
        assert!(waiter.poll().is_empty());
        other.check(&[("DEBUG QUEUE-PUSH a 1", ":1")]);
        assert_eq!(waiter.poll(), ["[\"a\", \"1\"]"]);
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
                let server = server(cores);
                let (mover, other) = (server.client_on(core), server.client());
                let line = format!("DEBUG QUEUE-MOVE {a} {b} 0.1");
                other.send(&format!("DEBUG QUEUE-PUSH {a} 1 2"));
                assert_eq!(mover.send(&line), "\"1\"");
                let left = if a == b { "[\"2\", \"1\"]" } else { "[\"2\"]" };
                assert_eq!(other.send(&format!("DEBUG QUEUE-READ - {a} 0")), format!("[[\"{a}\", {left}]]"));
                other.send("FLUSHALL");
                wait(&mover, &line);
                server.advance_ms(100);
                assert_eq!(mover.poll(), ["nil"]);
                wait(&mover, &line);
                assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {a} 3")), ":1");
                assert_eq!(mover.poll(), ["\"3\""]);
                assert_eq!(other.send(&format!("DEBUG QUEUE-READ - {b} 0")), format!("[[\"{b}\", [\"3\"]]]"));
                other.send("FLUSHALL");
                other.check(&[
                    ("MULTI", "+OK"),
                    (&line, "+QUEUED"),
                    (&format!("DEBUG QUEUE-PUSH {a} 4"), "+QUEUED"),
                    (&line, "+QUEUED"),
                    (&format!("DEBUG QUEUE-POP {b} 0"), "+QUEUED"),
                    ("EXEC", &format!("[nil, :1, \"4\", [\"{b}\", \"4\"]]")),
                    (&format!("SET {a} text"), "+OK"),
                    (&line, wrong),
                    (&format!("DEL {a}"), ":1"),
                ]);
                if a != b {
                    other.send(&format!("SET {b} text"));
                    wait(&mover, &line);
                    assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {a} 5")), ":1");
                    assert_eq!(mover.poll(), [wrong]);
                    assert_eq!(mover.send(&line), wrong);
                    other.check(&[
                        (&format!("DEBUG QUEUE-POP {a} 0"), &format!("[\"{a}\", \"5\"]")),
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
                assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {a} 6")), ":1");
                assert_eq!(other.send(&format!("DEBUG QUEUE-POP {a} 0")), format!("[\"{a}\", \"6\"]"));
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
                let server = server(cores);
                let clients: Vec<Client> = (0..3).map(|number| server.client_on((core + number) % cores)).collect();
                wait(&clients[0], &format!("DEBUG QUEUE-MOVE {a} {b} 0"));
                wait(&clients[1], &format!("DEBUG QUEUE-MOVE {b} {a} 0"));
                pop(&clients[2], &b, "0");
                let other = server.client();
                assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {a} 1")), ":1");
                assert_eq!(clients[0].poll(), ["\"1\""]);
                // On two cores a move does not keep its place in the line.
                let moved = clients[1].poll();
                let popped = clients[2].poll();
                if moved == ["\"1\""] {
                    assert!(popped.is_empty());
                    assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {b} 2")), ":1");
                    assert_eq!(clients[2].poll(), [format!("[\"{b}\", \"2\"]")]);
                    assert_eq!(other.send(&format!("DEBUG QUEUE-POP {a} 0")), format!("[\"{a}\", \"1\"]"));
                } else {
                    assert!(cores > 1 && !a.starts_with('{'), "the order is kept on one core");
                    assert_eq!(popped, [format!("[\"{b}\", \"1\"]")]);
                    assert_eq!(other.send(&format!("DEBUG QUEUE-PUSH {b} 2")), ":1");
                    assert_eq!(clients[1].poll(), ["\"2\""]);
                    assert_eq!(other.send(&format!("DEBUG QUEUE-POP {a} 0")), format!("[\"{a}\", \"2\"]"));
                }
                assert_nothing_is_left(&server, cores);
            }
        }
    }
}

#[test]
fn several_waits_for_one_key_and_one_key_several_times() {
    for cores in [1u16, 2] {
        let server = server(cores);
        let clients: Vec<Client> = (0..4).map(|number| server.client_on(number % cores)).collect();
        wait(&clients[0], "DEBUG QUEUE-MOVE {x}a {x}b 0");
        pop(&clients[1], "{x}a {x}a {x}b {x}a", "0");
        wait(&clients[2], "DEBUG QUEUE-READ 0 {x}b 1 {x}b 0 {x}a 5");
        wait(&clients[3], "DEBUG QUEUE-MOVE {x}a {x}a 0");
        let other = server.client();
        assert_eq!(other.send("DEBUG QUEUE-PUSH {x}a 1 2 3"), ":3");
        assert_eq!(clients[0].poll(), ["\"1\""]);
        assert_eq!(clients[1].poll(), ["[\"{x}a\", \"2\"]"]);
        assert_eq!(clients[2].poll(), ["[[\"{x}b\", [\"1\"]]]"]);
        assert_eq!(clients[3].poll(), ["\"3\""]);
        assert_eq!(other.send("DEBUG QUEUE-READ - {x}a 0 {x}b 0"), "[[\"{x}a\", [\"3\"]], [\"{x}b\", [\"1\"]]]");
        assert_nothing_is_left(&server, cores);
    }
}
