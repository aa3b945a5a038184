//! BLPOP, BRPOP, BLMOVE, BRPOPLPUSH and BLMPOP: served at once, served later, out of time, inside MULTI, and their errors.

mod common;

use common::{Client, TestCore, key_of_each_core};

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Begins to wait; nothing may come back yet.
#[track_caller]
fn wait(client: &Client, line: &str) {
    assert_eq!(client.pipeline(&[line]), [""; 0], "{line}");
}

/// Keys a, b, c: on one core, or each on its own.
fn keys(cores: u16) -> Vec<String> {
    if cores == 1 { ["a", "b", "c"].map(str::to_owned).into() } else { key_of_each_core(3, "key") }
}

/// Puts the keys in the places of `%0`, `%1` and `%2`.
fn with(keys: &[String], line: &str) -> String {
    (0..3).fold(line.to_owned(), |line, number| line.replace(&format!("%{number}"), &keys[number]))
}

/// Runs a table with keys on one core and on three.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        let (keys, client) = (keys(cores), TestCore::new(cores).client());
        for (line, expected) in table {
            assert_eq!(client.send(&with(&keys, line)), with(&keys, expected), "{line} on {cores} cores");
        }
    }
}

#[test]
fn what_is_there_is_taken_at_once() {
    check(&[
        ("RPUSH %1 1 2 3 4 5 6", ":6"),
        ("BLPOP %0 %1 %2 0", "[\"%1\", \"1\"]"),
        ("BRPOP %0 %1 %2 0.5", "[\"%1\", \"6\"]"),
        ("BLMPOP 0 3 %0 %1 %2 LEFT COUNT 2", "[\"%1\", [\"2\", \"3\"]]"),
        ("BLMOVE %1 %2 LEFT RIGHT 0", "\"4\""),
        ("BRPOPLPUSH %1 %2 0", "\"5\""),
        ("EXISTS %1", ":0"),
        ("LRANGE %2 0 -1", "[\"5\", \"4\"]"),
        ("BLMOVE %2 %2 LEFT RIGHT 0", "\"5\""),
        ("BLMPOP 0 1 %2 RIGHT", "[\"%2\", [\"5\"]]"),
        ("BLPOP %2 %2 0", "[\"%2\", \"4\"]"),
        ("EXISTS %2", ":0"),
    ]);
}

#[test]
fn an_unblocked_wait_counts_as_a_failure() {
    for cores in [1, 3] {
        let (keys, server) = (keys(cores), TestCore::new(cores));
        let (waiter, other) = (server.client(), server.client());
        let id = waiter.send("CLIENT ID").trim_start_matches(':').to_owned();
        wait(&waiter, &with(&keys, "BLPOP %0 %1 0"));
        assert_eq!(other.send(&format!("CLIENT UNBLOCK {id} ERROR")), ":1");
        assert_eq!(waiter.poll(), ["-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
        let info = other.send("INFO commandstats errorstats stats");
        assert!(info.contains("errorstat_UNBLOCKED:count=1\\r"), "{info}");
        assert!(info.contains("total_error_replies:1\\r"), "{info}");
        let line = info.split("cmdstat_blpop:").nth(1).and_then(|rest| rest.split("\\r").next());
        let line = line.expect("BLPOP was called");
        assert!(line.starts_with("calls=1,") && line.ends_with("rejected_calls=0,failed_calls=1"), "{line}");
    }
}

#[test]
fn wrong_arguments() {
    check(&[
        ("SET %0 s", "+OK"),
        ("RPUSH %1 x", ":1"),
        ("BLPOP %0 %1 0", WRONG),
        ("BRPOP %0 0", WRONG),
        ("BLMPOP 0 2 %0 %1 LEFT", WRONG),
        ("BLMOVE %0 %1 LEFT LEFT 0", WRONG),
        ("BLMOVE %1 %0 LEFT LEFT 0", WRONG),
        ("BRPOPLPUSH %0 %1 0", WRONG),
        ("BRPOPLPUSH %1 %0 0", WRONG),
        ("BLPOP %1 x", "-ERR timeout is not a float or out of range"),
        ("BLPOP %0 -1", "-ERR timeout is negative"),
        ("BRPOP %1 nan", "-ERR timeout is not a float or out of range"),
        ("BLMOVE %1 %2 UP LEFT x", "-ERR syntax error"),
        ("BLMOVE %1 %2 LEFT LEFT x", "-ERR timeout is not a float or out of range"),
        ("BRPOPLPUSH %1 %2 -0.1", "-ERR timeout is negative"),
        ("BLMPOP x 1 %1 LEFT", "-ERR timeout is not a float or out of range"),
        ("BLMPOP x 0 %1 LEFT", "-ERR numkeys should be greater than 0"),
        ("BLMPOP 0 0 %1 LEFT", "-ERR numkeys should be greater than 0"),
        ("BLMPOP 0 2 %1 LEFT", "-ERR syntax error"),
        ("BLMPOP 0 1 %1 LEFT COUNT 0", "-ERR count should be greater than 0"),
        ("BLMPOP 0 1 %1 UP", "-ERR syntax error"),
        ("BLPOP %1", "-ERR wrong number of arguments for 'blpop' command"),
        ("BLMPOP 0 1 %1", "-ERR wrong number of arguments for 'blmpop' command"),
        ("LRANGE %1 0 -1", "[\"x\"]"),
        ("GET %0", "\"s\""),
    ]);
}

#[test]
fn a_push_serves_who_waits() {
    let ways = [
        ("BLPOP %0 %1 0", "RPUSH %1 x y", "[\"%1\", \"x\"]", "[\"y\"]"),
        ("BRPOP %0 %1 0", "RPUSH %1 x y", "[\"%1\", \"y\"]", "[\"x\"]"),
        ("BLMPOP 0 2 %0 %1 RIGHT COUNT 5", "LPUSH %1 x y", "[\"%1\", [\"x\", \"y\"]]", "[]"),
        ("BLMOVE %1 %2 LEFT LEFT 0", "RPUSH %1 x y", "\"x\"", "[\"y\"]"),
        ("BRPOPLPUSH %1 %2 0", "RPUSH %1 x y", "\"y\"", "[\"x\"]"),
        ("BLPOP %1 0", "LMOVE %2 %1 LEFT LEFT", "[\"%1\", \"moved\"]", "[]"),
    ];
    for cores in [1, 3] {
        for (request, push, served, rest) in ways {
            let (server, keys) = (TestCore::new(cores), keys(cores));
            let (waiter, other) = (server.client_on(cores - 1), server.client());
            if push.starts_with("LMOVE") {
                other.send(&with(&keys, "RPUSH %2 moved"));
            }
            wait(&waiter, &with(&keys, request));
            assert!(!other.send(&with(&keys, push)).starts_with('-'));
            assert_eq!(waiter.poll(), [with(&keys, served)], "{request} on {cores} cores");
            assert_eq!(other.send(&with(&keys, "LRANGE %1 0 -1")), rest, "{request} on {cores} cores");
        }
    }
}

#[test]
fn moves_chain_from_waiter_to_waiter() {
    for cores in [1, 3] {
        let (server, keys) = (TestCore::new(cores), keys(cores));
        let [first, second, other] = [0, 0, 0].map(|core| server.client_on(core));
        wait(&first, &with(&keys, "BLMOVE %0 %1 LEFT RIGHT 0"));
        wait(&second, &with(&keys, "BLPOP %1 0"));
        assert_eq!(other.send(&with(&keys, "RPUSH %0 x")), ":1");
        assert_eq!(first.poll(), ["\"x\""]);
        assert_eq!(second.poll(), [with(&keys, "[\"%1\", \"x\"]")]);
        assert_eq!(other.send(&with(&keys, "EXISTS %0 %1")), ":0");
    }
}

#[test]
fn a_move_into_a_wrong_type_fails_when_it_is_its_turn() {
    for cores in [1, 3] {
        let (server, keys) = (TestCore::new(cores), keys(cores));
        let (waiter, other) = (server.client(), server.client());
        wait(&waiter, &with(&keys, "BRPOPLPUSH %0 %1 0"));
        other.send(&with(&keys, "SET %1 s"));
        assert_eq!(other.send(&with(&keys, "RPUSH %0 x")), ":1");
        assert_eq!(waiter.poll(), [WRONG]);
        assert_eq!(other.send(&with(&keys, "LRANGE %0 0 -1")), "[\"x\"]");
    }
}

#[test]
fn time_runs_out() {
    for cores in [1, 3] {
        let (server, keys) = (TestCore::new(cores), keys(cores));
        let client = server.client();
        for request in [
            "BLPOP %0 %1 0.01",
            "BRPOP %0 %1 0.01",
            "BLMPOP 0.01 2 %0 %1 LEFT",
            "BLMOVE %0 %1 LEFT LEFT 0.01",
            "BRPOPLPUSH %0 %1 0.01",
        ] {
            wait(&client, &with(&keys, request));
            server.advance_ms(20);
            assert_eq!(client.raw(b""), b"*-1\r\n", "{request} on {cores} cores");
        }
    }
}

#[test]
fn inside_multi_nobody_waits() {
    for cores in [1, 3] {
        let (server, keys) = (TestCore::new(cores), keys(cores));
        let client = server.client();
        let requests =
            ["BLPOP %0 0", "BRPOP %0 0", "BLMPOP 0 2 %0 %1 LEFT", "BLMOVE %0 %1 LEFT LEFT 0", "BRPOPLPUSH %0 %1 0"];
        client.send("MULTI");
        requests.iter().for_each(|request| assert_eq!(client.send(&with(&keys, request)), "+QUEUED"));
        assert_eq!(client.send("EXEC"), "[nil, nil, nil, nil, nil]");
        client.send(&with(&keys, "RPUSH %0 1 2 3 4 5"));
        client.send("MULTI");
        requests.iter().for_each(|request| assert_eq!(client.send(&with(&keys, request)), "+QUEUED"));
        let expected = "[[\"%0\", \"1\"], [\"%0\", \"5\"], [\"%0\", [\"2\"]], \"3\", \"4\"]";
        assert_eq!(client.send("EXEC"), with(&keys, expected));
    }
}

#[test]
fn replies_before_a_wait_do_not_wait_with_it() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client_on(0);
        assert_eq!(client.pipeline(&["PING", "BLPOP none{a} none{b} 0"]), ["+PONG"]);
        let id = client.connection();
        let holds = || core.engine(0, |engine| engine.holds_output(id));
        assert!(!holds(), "its output is sent");
        core.advance_ms(1);
        assert!(!holds(), "its output is sent");
    }
}
