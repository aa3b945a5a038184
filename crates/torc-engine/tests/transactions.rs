//! MULTI, EXEC and DISCARD, on one core and on three.

mod common;

use common::{TestCore, key_of_each_core};
use torc_engine::Engine;
use torc_resp::write_request;

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";

#[test]
fn the_three_commands_and_their_errors() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("EXEC", "-ERR EXEC without MULTI"),
            ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
            ("DISCARD", "-ERR DISCARD without MULTI"),
            ("MULTI x", "-ERR wrong number of arguments for 'multi' command"),
            ("MULTI", "+OK"),
            ("EXEC", "[]"),
            ("MULTI", "+OK"),
            ("MULTI", "-ERR MULTI calls can not be nested"),
            ("SET {t}a 1", "+QUEUED"),
            ("EXEC", "[+OK]"),
            ("MULTI", "+OK"),
            ("SET {t}a 2", "+QUEUED"),
            ("DISCARD x", "-ERR wrong number of arguments for 'discard' command"),
            ("DISCARD", "+OK"),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("GET {t}a", "\"1\""),
        ]);
    }
}

#[test]
fn what_cannot_be_queued_aborts() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("MULTI", "+OK"),
            ("SET {t}a 1", "+QUEUED"),
            ("FOO", "-ERR unknown command 'FOO', with args beginning with: "),
            ("PING", "+QUEUED"),
            ("EXEC", ABORTED),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("MULTI", "+OK"),
            ("GET", "-ERR wrong number of arguments for 'get' command"),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            ("CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            ("SHUTDOWN", "-ERR Command not allowed inside a transaction"),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
            ("GET {t}a", "nil"),
        ]);
    }
}

#[test]
fn reset_and_quit_are_not_queued() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("RESET", "+RESET"),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("GET a", "nil"),
            ("MULTI", "+OK"),
            ("QUIT", "+OK"),
        ]);
        assert!(client.is_closed());
    }
}

#[test]
fn errors_inside_do_not_stop_the_others() {
    for cores in [1u16, 3] {
        for key in key_of_each_core(cores, "key") {
            let client = TestCore::new(cores).client();
            let set = format!("SET {key} word");
            let get = format!("GET {key}");
            client.check(&[
                ("MULTI", "+OK"),
                (&set, "+QUEUED"),
                (&format!("INCR {key}"), "+QUEUED"),
                ("SELECT 99", "+QUEUED"),
                (&get, "+QUEUED"),
                (&format!("DEL {key} {key}"), "+QUEUED"),
                (&get, "+QUEUED"),
            ]);
            let replies =
                "[+OK, -ERR value is not an integer or out of range, -ERR DB index is out of range, \"word\", :1, nil]";
            assert_eq!(client.send("EXEC"), replies);
        }
    }
}

/// SELECT runs where the connection is, the keys are elsewhere: the order must be that of the queue all the same.
#[test]
fn select_inside_holds_for_what_follows() {
    for cores in [1u16, 3] {
        for key in key_of_each_core(cores, "key") {
            let client = TestCore::new(cores).client();
            let (set, get) = (format!("SET {key} "), format!("GET {key}"));
            client.check(&[
                ("MULTI", "+OK"),
                (&format!("{set}zero"), "+QUEUED"),
                ("SELECT 3", "+QUEUED"),
                (&get, "+QUEUED"),
                (&format!("{set}three"), "+QUEUED"),
                ("SELECT 0", "+QUEUED"),
                (&get, "+QUEUED"),
                ("SELECT 3", "+QUEUED"),
                ("EXEC", "[+OK, +OK, nil, +OK, +OK, \"zero\", +OK]"),
                (&get, "\"three\""),
                ("SELECT 0", "+OK"),
                (&get, "\"zero\""),
            ]);
        }
    }
}

#[test]
fn keys_of_several_cores() {
    for cores in [2u16, 3, 5] {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "key");
        let (a, b) = (&keys[0], &keys[1]);
        for core in 0..cores {
            let client = server.client_on(core);
            client.check(&[
                ("MULTI", "+OK"),
                (&format!("SET {a} 1"), "+QUEUED"),
                (&format!("SET {b} 2"), "+QUEUED"),
                (&format!("MGET {b} {a} none"), "+QUEUED"),
                ("DBSIZE", "+QUEUED"),
                ("SELECT 5", "+QUEUED"),
                (&format!("GET {a}"), "+QUEUED"),
                (&format!("SET {b} five"), "+QUEUED"),
                (&format!("RENAME {b} {a}"), "+QUEUED"),
                (&format!("EXISTS {a} {b}"), "+QUEUED"),
                (&format!("RENAME {b} {a}"), "+QUEUED"),
                (&format!("GETDEL {a}"), "+QUEUED"),
                ("PING", "+QUEUED"),
                (
                    "EXEC",
                    "[+OK, +OK, [\"2\", \"1\", nil], :2, +OK, nil, +OK, +OK, :1, -ERR no such key, \"five\", +PONG]",
                ),
                ("SELECT 0", "+OK"),
                (&format!("MGET {a} {b}"), "[\"1\", \"2\"]"),
                ("MULTI", "+OK"),
                (&format!("DEL {a} {b}"), "+QUEUED"),
                ("FLUSHALL", "+QUEUED"),
                ("KEYS *", "+QUEUED"),
                ("EXEC", "[:2, +OK, []]"),
            ]);
        }
        for core in 0..cores {
            server.engine(core, |engine| assert!(engine.claims_are_idle() && engine.mesh_is_idle(), "core {core}"));
        }
    }
}

#[test]
fn a_watched_key_that_changes_makes_exec_fail() {
    for cores in [1u16, 2, 4] {
        let server = TestCore::new(cores);
        let keys = if cores == 1 { vec!["a".to_owned(), "b".to_owned()] } else { key_of_each_core(cores, "key") };
        let (a, b) = (&keys[0], &keys[1]);
        let (client, other) = (server.client(), server.client_on(cores - 1));
        let changes = [
            format!("SET {a} 1"),
            format!("SET {a} 1"),
            format!("APPEND {b} x"),
            format!("DEL {a}"),
            format!("MSET {a} 1 {b} 1"),
            format!("RENAME {a} {b}"),
            format!("PEXPIRE {b} 100000"),
            format!("PERSIST {b}"),
            format!("SETRANGE {b} 0 z"),
            "FLUSHALL".to_owned(),
            format!("SET {b} 7"),
            "SWAPDB 0 1".to_owned(),
            "SWAPDB 1 0".to_owned(),
            format!("MOVE {b} 2"),
        ];
        for change in &changes {
            assert_eq!(client.send(&format!("WATCH {a} {b}")), "+OK");
            let reply = other.send(change);
            assert!(!reply.starts_with('-'), "{change}: {reply}");
            client.check(&[
                ("MULTI", "+OK"),
                ("PING", "+QUEUED"),
                (&format!("SET {b} no"), "+QUEUED"),
                ("EXEC", "nil"),
            ]);
        }
        for no_change in [
            format!("GET {a}"),
            format!("DEL {a}"),
            format!("EXPIRE {a} 10"),
            format!("SETNX {b} 1"),
            "SET else 1".to_owned(),
            "FLUSHDB".to_owned(),
        ] {
            client.send(&format!("DEL {a} {b}"));
            if no_change.starts_with("SETNX") {
                client.send(&format!("SET {b} 0"));
            } else {
                client.send("SET else 1");
            }
            assert_eq!(client.send(&format!("WATCH {a} {b}")), "+OK");
            other.send(&no_change);
            client.check(&[("MULTI", "+OK"), (&format!("SET {a} yes"), "+QUEUED"), ("EXEC", "[+OK]")]);
            assert_eq!(client.send(&format!("GETDEL {a}")), "\"yes\"", "{no_change}");
        }
        for core in 0..cores {
            server.engine(core, |engine| assert_eq!(engine.inspect().keyspace().observed_len(), 0, "core {core}"));
        }
    }
}

#[test]
fn watches_end() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let observed = || {
            (0..cores)
                .map(|core| server.engine(core, |engine| engine.inspect().keyspace().observed_len()))
                .sum::<usize>()
        };
        for end in ["UNWATCH", "EXEC", "DISCARD", "RESET", "aborted", "expired"] {
            client.check(&[("SET a 1 PX 50", "+OK"), ("WATCH a b c a", "+OK")]);
            assert_eq!(observed(), 3, "{end}");
            match end {
                "UNWATCH" => {
                    client.check(&[
                        ("UNWATCH", "+OK"),
                        ("SET a 2", "+OK"),
                        ("MULTI", "+OK"),
                        ("GET a", "+QUEUED"),
                        ("EXEC", "[\"2\"]"),
                    ]);
                }
                "EXEC" => client.check(&[("MULTI", "+OK"), ("EXEC", "[]")]),
                "DISCARD" => client.check(&[("MULTI", "+OK"), ("DISCARD", "+OK")]),
                "RESET" => client.check(&[("RESET", "+RESET")]),
                "aborted" => {
                    client.check(&[
                        ("MULTI", "+OK"),
                        ("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: "),
                        ("EXEC", ABORTED),
                    ]);
                }
                _ => {
                    server.advance_ms(51);
                    client.check(&[("MULTI", "+OK"), ("SET z 1", "+QUEUED"), ("EXEC", "nil"), ("EXISTS z", ":0")]);
                }
            }
            assert_eq!(observed(), 0, "{end}");
        }
        client.check(&[
            ("MULTI", "+OK"),
            ("WATCH a", "-ERR WATCH inside MULTI is not allowed"),
            ("SET a 3", "+QUEUED"),
            ("UNWATCH", "+QUEUED"),
            ("EXEC", "[+OK, +OK]"),
            ("UNWATCH", "+OK"),
        ]);
    }
}

/// A key that has expired at WATCH, but is there yet, counts as missing; that it is removed is no change.
#[test]
fn an_expired_key_is_missing_when_it_is_watched() {
    for cores in [1u16, 2] {
        let server = TestCore::new(cores);
        let client = server.client();
        client.send("SET a 1 PX 10");
        server.advance_ms(11);
        client.check(&[("WATCH a", "+OK")]);
        server.upkeep();
        client.check(&[("MULTI", "+OK"), ("GET a", "+QUEUED"), ("EXEC", "[nil]")]);
    }
}

#[test]
fn one_core_runs_commands_on_all_keys_inside() {
    TestCore::new(1).client().check(&[
        ("MULTI", "+OK"),
        ("SET a 1", "+QUEUED"),
        ("SET b 1", "+QUEUED"),
        ("DBSIZE", "+QUEUED"),
        ("DEL a b", "+QUEUED"),
        ("CONFIG SET timeout 5", "+QUEUED"),
        ("CONFIG GET timeout", "+QUEUED"),
        ("EXEC", "[+OK, +OK, :2, :2, +OK, [\"timeout\", \"5\"]]"),
    ]);
}

#[test]
fn the_protocol_may_change_inside() {
    for cores in [1u16, 3] {
        for key in key_of_each_core(cores, "key") {
            let client = TestCore::new(cores).client();
            client.check(&[
                ("MULTI", "+OK"),
                ("HELLO 3", "+QUEUED"),
                ("CONFIG GET port", "+QUEUED"),
                (&format!("GET {key}"), "+QUEUED"),
            ]);
            let reply = client.send("EXEC");
            assert!(reply.contains("\"proto\": :3") && reply.ends_with("{\"port\": \"6379\"}, nil]"), "{reply}");
        }
    }
}

/// A transaction on another core, in the middle of a pipeline that goes everywhere.
#[test]
fn pipelines_keep_their_order() {
    let server = TestCore::new(3);
    let client = server.client();
    let keys = key_of_each_core(3, "key");
    let lines: Vec<String> = vec![
        format!("SET {} a", keys[1]),
        format!("SET {} b", keys[2]),
        "MULTI".to_owned(),
        format!("GET {}", keys[2]),
        format!("SET {} c", keys[2]),
        "EXEC".to_owned(),
        format!("GET {}", keys[1]),
        format!("GET {}", keys[2]),
        "PING".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let replies = ["+OK", "+OK", "+OK", "+QUEUED", "+QUEUED", "[\"b\", +OK]", "\"a\"", "\"c\"", "+PONG"];
    assert_eq!(client.pipeline(&lines), replies);
    let stats = client.send("INFO commandstats");
    assert!(stats.contains("cmdstat_exec:calls=1,"), "EXEC that had to wait counts once: {stats}");
}

#[test]
fn a_transaction_has_a_limit() {
    let server = TestCore::with_config(1, |config| config.client_query_buffer_limit_bytes = 1 << 20);
    let client = server.client();
    assert_eq!(client.send("MULTI"), "+OK");
    let value = vec![b'x'; 400_000];
    let replies: Vec<String> = (0..3).map(|_| client.call(&[b"SET".as_slice(), b"a", &value])).collect();
    assert_eq!(replies[..2], ["+QUEUED", "+QUEUED"]);
    assert!(replies[2].starts_with("-ERR Transaction is larger"), "{}", replies[2]);
    client.check(&[("EXEC", ABORTED), ("GET a", "nil")]);
}

#[test]
fn what_a_transaction_locks_is_memory_of_its_session_while_it_runs() {
    let core = TestCore::new(2);
    let client = core.client();
    // All sessions are seen, and then their sum is shown.
    let sessions_bytes = |engine: &mut Engine| {
        (0..2).for_each(|_| engine.sweep_sessions());
        engine.figures().sessions_bytes
    };
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    let mut request = Vec::new();
    let words = keys.iter().flat_map(|key| [key.as_bytes(), b"v"]);
    write_request(&mut request, &[&b"MSET"[..]].into_iter().chain(words).collect::<Vec<_>>());
    let before = core.engine(0, sessions_bytes);
    let during = core.engine(0, |engine| {
        engine.on_bytes(client.connection(), &request);
        sessions_bytes(engine)
    });
    assert!(during >= before + 1000 * 8, "{during} after {before}: each key has a lock");
    assert_eq!(client.poll(), ["+OK"]);
    assert!(core.engine(0, sessions_bytes) < before + 1000 * 8);
}

#[test]
fn fields_that_expired_before_they_were_watched_are_no_change() {
    for cores in [1, 2] {
        let server = TestCore::new(cores);
        let (client, other) = (server.client(), server.client_on(cores - 1));
        client.check(&[("HSET h a 1 b 2", ":2"), ("HPEXPIRE h 1 FIELDS 1 a", "[:1]")]);
        client.check(&[("HSET gone a 1", ":1"), ("HPEXPIRE gone 1 FIELDS 1 a", "[:1]")]);
        server.advance_ms(20);
        assert_eq!(client.send("WATCH h gone"), "+OK");
        server.upkeep();
        assert_eq!(client.pipeline(&["MULTI", "HLEN h", "EXISTS gone", "EXEC"])[3], "[:1, :0]");
        // Those that expire later are one.
        client.check(&[("HPEXPIRE h 1 FIELDS 1 b", "[:1]"), ("WATCH h", "+OK")]);
        server.advance_ms(20);
        server.upkeep();
        assert_eq!(client.pipeline(&["MULTI", "HLEN h", "EXEC"])[2], "nil");
        assert_eq!(other.send("EXISTS h"), ":0");
    }
}

/// The cores' clocks differ by a while, as they do when messages are under way.
#[test]
fn a_transaction_tells_the_time_at_which_it_runs() {
    for cores in [2, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let keys = key_of_each_core(cores, "k");
        for ahead in 0..cores {
            let at_ms = server.now_ms() + 100;
            keys.iter().for_each(|key| assert_eq!(client.send(&format!("SET {key} v PXAT {at_ms}")), "+OK"));
            // One core is past the time at which the keys expire.
            server.engine(ahead, |engine| engine.set_time((at_ms + 5) * 1000));
            for involved in [&keys[..], &keys[1..], &keys[..1]] {
                let mut lines = vec!["MULTI".to_owned(), "TIME".to_owned()];
                lines.extend(involved.iter().map(|key| format!("EXISTS {key}")));
                lines.extend(["TIME".to_owned(), "EXEC".to_owned()]);
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let reply = client.pipeline(&lines).pop().expect("EXEC has a reply");
                let part =
                    |index: usize| -> i64 { reply.split('"').nth(index).expect("a part").parse().expect("a number") };
                let told_ms = part(1) * 1000 + part(3) / 1000;
                let is_late = told_ms > at_ms;
                assert_eq!(
                    reply.contains(":0"),
                    is_late,
                    "{reply} of {cores} cores, {ahead} ahead: {told_ms} and {at_ms}"
                );
                assert_ne!(reply.contains(":1"), is_late, "{reply}");
            }
            server.advance_ms(200);
        }
    }
}
