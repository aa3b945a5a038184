//! Requests that wait for a key: who is served, in which order, by what, and what ends a wait.

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::config::DebugAccess;

fn server(cores: u16) -> TestCore {
    TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes)
}

/// Begins to wait; nothing may come back yet.
fn pop(client: &Client, keys: &str, timeout: &str) {
    assert_eq!(client.pipeline(&[&format!("DEBUG QUEUE-POP {keys} {timeout}")]), [""; 0]);
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
