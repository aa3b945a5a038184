//! MULTI, EXEC and DISCARD, on one core and on three.

mod common;

use common::{TestCore, key_of_each_core};

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";

#[test]
fn the_three_commands_and_their_errors() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("EXEC", "-ERR EXEC without MULTI"),
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
            ("EXEC x", "-ERR wrong number of arguments for 'exec' command"),
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
fn keys_of_several_cores_are_refused() {
    let server = TestCore::new(3);
    let client = server.client();
    let keys = key_of_each_core(3, "key");
    let crosscore = "-CROSSCORE Keys of 'exec' are owned by different cores and it must run on one; give the keys a common {hash tag}";
    client.check(&[
        ("MULTI", "+OK"),
        (&format!("SET {} 1", keys[0]), "+QUEUED"),
        (&format!("SET {} 1", keys[1]), "+QUEUED"),
        ("EXEC", crosscore),
        ("EXEC", "-ERR EXEC without MULTI"),
        (&format!("GET {}", keys[0]), "nil"),
        ("MULTI", "+OK"),
        (&format!("DEL {} {}", keys[1], keys[2]), "+QUEUED"),
        ("EXEC", crosscore),
        ("MULTI", "+OK"),
        ("DBSIZE", "+QUEUED"),
        ("EXEC", crosscore),
    ]);
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
