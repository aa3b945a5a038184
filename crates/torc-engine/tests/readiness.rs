//! Whether a key is ready for a waiter is asked without a trace: no hit or miss is counted, no access is noted and nothing expired is
//! removed. What a request itself counts, with and without a wait, is what redis-server 7.0.15 counts.

mod common;

use common::{Client, TestCore, hits_and_misses, key_of_each_core};

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Commands that go on waiting while their key `k` holds a string, and what makes it ready.
const WAITING: [(&str, &str); 9] = [
    ("BLPOP k 0", "RPUSH k x"),
    ("BRPOP k 0", "RPUSH k x"),
    ("BLMPOP 0 1 k LEFT", "RPUSH k x"),
    ("BLMOVE k d LEFT LEFT 0", "RPUSH k x"),
    ("BRPOPLPUSH k d 0", "RPUSH k x"),
    ("BZPOPMIN k 0", "ZADD k 1 x"),
    ("BZPOPMAX k 0", "ZADD k 1 x"),
    ("BZMPOP 0 1 k MIN", "ZADD k 1 x"),
    ("XREAD BLOCK 0 STREAMS k 0", "XADD k 5-1 f v"),
];

/// Hits and misses of all cores.
fn counted(server: &TestCore, cores: u16) -> (u64, u64) {
    (0..cores).fold((0, 0), |(hits, misses), core| {
        let (more_hits, more_misses) = server.engine(core, |engine| hits_and_misses(engine));
        (hits + more_hits, misses + more_misses)
    })
}

/// What `line` counts on an empty server after `before`.
fn counts_of(cores: u16, before: &[&str], line: &str) -> (u64, u64) {
    let server = TestCore::new(cores);
    let client = server.client();
    client.pipeline(before);
    let (hits, misses) = counted(&server, cores);
    client.pipeline(&[line]);
    let (hits_after, misses_after) = counted(&server, cores);
    (hits_after - hits, misses_after - misses)
}

fn wait(client: &Client, line: &str) {
    assert_eq!(client.pipeline(&[line]), [""; 0], "{line}");
}

#[test]
fn a_request_counts_what_redis_counts() {
    let (list, set, stream, string) = ("RPUSH k x", "ZADD k 1 x", "XADD k 5-1 f v", "SET k v");
    let group = |id| format!("XGROUP CREATE k g {id}");
    let (group_at_start, group_at_end) = (group("0"), group("$"));
    for (before, line, expected) in [
        (&[list][..], "BLPOP k 1", (0, 0)),
        (&[list], "BLMPOP 1 1 k LEFT", (0, 0)),
        (&[list], "BLMOVE k d LEFT LEFT 1", (0, 0)),
        (&[list], "BRPOPLPUSH k d 1", (0, 0)),
        (&[set], "BZPOPMIN k 1", (0, 0)),
        (&[set], "BZPOPMAX k 1", (0, 0)),
        (&[set], "BZMPOP 1 1 k MIN", (0, 0)),
        (&[set], "ZMPOP 1 k MIN", (0, 0)),
        (&[], "ZMPOP 1 k MIN", (0, 0)),
        (&[string], "BLPOP k 1", (0, 0)),
        (&[string], "BZPOPMIN k 1", (0, 0)),
        (&[stream], "XREAD STREAMS k 0", (2, 0)),
        (&[stream], "XREAD STREAMS k 9", (2, 0)),
        (&[stream], "XREAD STREAMS k $", (2, 0)),
        (&[stream], "XREAD STREAMS k j 0 0", (2, 2)),
        (&[], "XREAD STREAMS k 9", (0, 2)),
        (&[string], "XREAD STREAMS k 9", (1, 0)),
        (&[stream, &group_at_start], "XREADGROUP GROUP g c STREAMS k >", (2, 0)),
        (&[stream, &group_at_start], "XREADGROUP GROUP g c STREAMS k 0", (2, 0)),
        (&[stream, &group_at_end], "XREADGROUP GROUP g c STREAMS k >", (2, 0)),
        (&[stream], "XREADGROUP GROUP g c STREAMS k >", (1, 0)),
        (&[], "XREADGROUP GROUP g c STREAMS k >", (0, 1)),
    ] {
        for cores in [1, 3] {
            assert_eq!(counts_of(cores, before, line), expected, "{line} after {before:?} on {cores} cores");
        }
    }
}

#[test]
fn serving_a_waiter_counts_nothing() {
    for cores in [1, 3] {
        for (line, push) in WAITING {
            let server = TestCore::new(cores);
            let (waiter, pusher) = (server.client(), server.client_on(cores - 1));
            wait(&waiter, line);
            let at_first = counted(&server, cores);
            let expected = if line.starts_with("XREAD") { (0, 2) } else { (0, 0) };
            assert_eq!(at_first, expected, "{line} on {cores} cores");
            pusher.check(&[("SET k v", "+OK"), ("DEL k", ":1")]);
            pusher.send(push);
            assert_eq!(waiter.poll().len(), 1, "{line} on {cores} cores");
            assert_eq!(counted(&server, cores), at_first, "{line} on {cores} cores");
        }
    }
}

#[test]
fn serving_a_reader_of_a_group_counts_nothing() {
    let server = TestCore::new(1);
    let (waiter, pusher) = (server.client(), server.client());
    pusher.check(&[("XGROUP CREATE k g $ MKSTREAM", "+OK")]);
    wait(&waiter, "XREADGROUP GROUP g c BLOCK 0 STREAMS k >");
    assert_eq!(counted(&server, 1), (2, 0));
    pusher.send("XADD k 5-1 f v");
    assert_eq!(waiter.poll().len(), 1);
    assert_eq!(counted(&server, 1), (2, 0));
}

#[test]
fn a_recheck_does_not_move_the_access_clock() {
    let group = ["XGROUP CREATE k g $ MKSTREAM"];
    let reader = ("XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "");
    for (line, _) in WAITING.into_iter().chain([reader]) {
        let server = TestCore::new(1);
        let (waiter, writer) = (server.client(), server.client());
        let is_group = line.starts_with("XREADGROUP");
        writer.pipeline(if is_group { &group } else { &[] });
        wait(&waiter, line);
        writer.pipeline(if is_group { &["CLIENT NO-TOUCH ON"] } else { &["SET k v", "CLIENT NO-TOUCH ON"] });
        server.advance_ms(10_000);
        // It changes the key, so whoever waits looks whether it is ready.
        writer.check(&[("EXPIRE k 1000", ":1"), ("OBJECT IDLETIME k", ":10")]);
        assert!(waiter.poll().is_empty(), "{line}");
    }
}

#[test]
fn asking_removes_no_key_that_has_expired() {
    for cores in [1, 3] {
        for (line, _) in WAITING.into_iter().filter(|(line, _)| !line.starts_with("XREAD")) {
            let server = TestCore::new(cores);
            let (waiter, client) = (server.client(), server.client());
            client.check(&[("SET k v PX 5", "+OK")]);
            client.check(&[("SET d v PX 5", "+OK")]);
            server.advance_ms(10);
            wait(&waiter, line);
            assert_eq!(client.send("DBSIZE"), ":2", "{line} on {cores} cores");
        }
    }
}

#[test]
fn a_request_that_reads_removes_one_as_in_redis() {
    let server = TestCore::new(1);
    let client = server.client();
    client.check(&[("SET k v PX 5", "+OK")]);
    server.advance_ms(10);
    client.check(&[("XREAD STREAMS k 0", "nil"), ("DBSIZE", ":0")]);
    assert_eq!(counted(&server, 1), (0, 2));
}

#[test]
fn errors_in_one_of_several_streams_count_as_in_redis() {
    let server = TestCore::new(1);
    let client = server.client();
    client.check(&[("SET k v", "+OK"), ("XREAD STREAMS k j 9 9", WRONG)]);
    assert_eq!(counted(&server, 1), (1, 0), "what stands behind the error is not looked at");
}

#[test]
fn in_a_transaction_nothing_waits_wherever_the_keys_are() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let keys = if cores == 1 { ["a", "b", "c"].map(str::to_owned).into() } else { key_of_each_core(cores, "key") };
        let [a, b, c] = &keys[..] else { panic!("three keys") };
        let queued = [
            format!("BLPOP {a} {b} {c} 0"),
            format!("BLMOVE {a} {b} LEFT LEFT 0"),
            format!("BZMPOP 0 2 {b} {c} MIN"),
            format!("XREAD BLOCK 0 STREAMS {a} {c} 0 0"),
            // A move whose destination is wrong is an error only if there is something to move.
            format!("SET {b} x"),
            format!("BLMOVE {a} {b} LEFT LEFT 0"),
            format!("RPUSH {a} x"),
            format!("BLMOVE {a} {b} LEFT LEFT 0"),
            // What stands behind the first key that is ready is not looked at; what stands before it is.
            format!("BLPOP {c} {a} {b} 0"),
            format!("BLPOP {c} {b} {a} 0"),
        ];
        let mut lines = vec!["MULTI"];
        lines.extend(queued.iter().map(String::as_str));
        lines.push("EXEC");
        let replies = client.pipeline(&lines);
        let popped = format!("[\"{a}\", \"x\"]");
        let expected = ["nil", "nil", "nil", "nil", "+OK", "nil", ":1", WRONG, &popped, WRONG].join(", ");
        assert_eq!(replies.last().map(String::as_str), Some(&*format!("[{expected}]")), "{cores} cores");
    }
}
