//! DEBUG's subcommands, on one core and on three.

mod common;

use std::cell::Cell;
use std::time::Duration;

use common::TestCore;
use torc_engine::config::DebugAccess;
use torc_engine::state::HostFunctions;
use torc_engine::{Engine, HostReply, HostRequest, LogKind, Reload};

thread_local! {
    /// What DEBUG SLEEP has slept.
    static SLEPT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn server(cores: u16) -> TestCore {
    TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes)
}

#[test]
fn protocol_has_a_reply_of_each_type() {
    let client = server(1).client();
    let resp2 = [
        ("string", "\"Hello World\""),
        ("integer", ":12345"),
        ("double", "\"3.141\""),
        ("bignum", "\"1234567999999999999999999999999999999\""),
        ("null", "nil"),
        ("array", "[:0, :1, :2]"),
        ("set", "[:0, :1, :2]"),
        ("map", "[:0, :0, :1, :1, :2, :0]"),
        ("ATTRIB", "\"Some real reply following the attribute\""),
        ("push", "-ERR RESP2 is not supported by this command"),
        ("verbatim", "\"This is a verbatim\\nstring\""),
        ("true", ":1"),
        ("false", ":0"),
    ];
    for (name, reply) in resp2 {
        assert_eq!(client.send(&format!("DEBUG PROTOCOL {name}")), reply, "{name}");
    }
    client.send("HELLO 3");
    let resp3 = [
        ("string", "\"Hello World\""),
        ("double", ",3.141"),
        ("bignum", "(1234567999999999999999999999999999999"),
        ("null", "nil"),
        ("set", "~[:0, :1, :2]"),
        ("map", "{:0: #f, :1: #t, :2: #f}"),
        ("verbatim", "=txt:This is a verbatim\\nstring"),
        ("true", "#t"),
        ("false", "#f"),
    ];
    for (name, reply) in resp3 {
        assert_eq!(client.send(&format!("DEBUG PROTOCOL {name}")), reply, "{name}");
    }
    let wrong = client.send("DEBUG PROTOCOL x");
    assert!(wrong.starts_with("-ERR Wrong protocol type name. Please use one of the following: string|"), "{wrong}");
}

#[test]
fn populate_fills_what_is_missing() {
    for cores in [1, 3] {
        let server = server(cores);
        let client = server.client();
        client.check(&[
            ("SET key:1 mine", "+OK"),
            ("DEBUG POPULATE 100", "+OK"),
            ("DBSIZE", ":100"),
            ("GET key:1", "\"mine\""),
            ("GET key:99", "\"value:99\""),
            ("DEBUG POPULATE 2 other 9", "+OK"),
            ("GET other:1", "\"value:1\\x00\\x00\""),
            ("DEBUG POPULATE 1 short 3", "+OK"),
            ("GET short:0", "\"val\""),
            ("DBSIZE", ":103"),
            ("DEBUG POPULATE -1", "-ERR value is out of range, must be positive"),
            ("DEBUG POPULATE 1 x -1", "-ERR value is out of range, must be positive"),
            ("DEBUG POPULATE 1 x y", "-ERR value is out of range, must be positive"),
            ("DEBUG POPULATE 1 x 9223372036854775807", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
            ("DEBUG POPULATE 1 x 1 1", "-ERR wrong number of arguments for 'debug|populate' command"),
            ("DEBUG POPULATE", "-ERR wrong number of arguments for 'debug|populate' command"),
            ("DBSIZE", ":103"),
        ]);
    }
}

#[test]
fn object_describes_a_value() {
    for cores in [1, 3] {
        let server = server(cores);
        let client = server.client();
        assert_eq!(client.send("DEBUG OBJECT a"), "-ERR no such key");
        client.send("SET a 20000");
        server.advance_ms(5000);
        let shown = client.send("DEBUG OBJECT a");
        assert!(
            shown.starts_with("+Value at:0x") && shown.contains(" refcount:1 encoding:int serializedlength:3 lru:"),
            "{shown}"
        );
        assert!(shown.ends_with(" lru_seconds_idle:5"), "{shown}");
        client.send("INCR a");
        let place = |text: &str| text.split(' ').nth(1).map(str::to_owned);
        assert_eq!(place(&client.send("DEBUG OBJECT a")), place(&shown), "a number is changed in place");
    }
}

#[test]
fn sleep_log_error_and_threshold() {
    let server = server(1);
    let slow = HostFunctions { sleep: |span| SLEPT.set(SLEPT.get() + span), ..HostFunctions::STILL };
    server.engine(0, |engine| engine.inspect_mut().set_host_functions(slow));
    let client = server.client();
    client.check(&[
        ("DEBUG SLEEP 0.25", "+OK"),
        ("DEBUG SLEEP x", "+OK"),
        ("DEBUG SLEEP -1", "+OK"),
        ("DEBUG SLEEP nan", "+OK"),
        ("DEBUG SLEEP", "-ERR wrong number of arguments for 'debug|sleep' command"),
        ("DEBUG LOG \"a b\"", "+OK"),
        ("DEBUG QUICKLIST-PACKED-THRESHOLD 100b", "+OK"),
        ("DEBUG QUICKLIST-PACKED-THRESHOLD 0", "+OK"),
        (
            "DEBUG QUICKLIST-PACKED-THRESHOLD 5gb",
            "-ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
        (
            "DEBUG QUICKLIST-PACKED-THRESHOLD x",
            "-ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
        ("DEBUG ERROR \"CODE a\\nb\"", "-CODE a b"),
    ]);
    let asked = server.engine(0, |engine| engine.take_host_requests());
    let log = HostRequest::Log { kind: LogKind::DebugLog, text: "DEBUG LOG: a b".to_owned() };
    assert_eq!(asked, [log]);
    assert_eq!(SLEPT.get(), Duration::from_millis(250), "what is no number counts as zero");
}

// The numbers are those of a redis-server with the same keys.
#[test]
fn digests_are_those_of_redis() {
    for cores in [1, 3] {
        let client = server(cores).client();
        client.check(&[
            ("DEBUG DIGEST", "+0000000000000000000000000000000000000000"),
            ("DEBUG DIGEST-VALUE none", "[+0000000000000000000000000000000000000000]"),
            ("SET a 1", "+OK"),
            ("SET b hello EX 1000", "+OK"),
            ("SADD s x y 3", ":3"),
            ("SELECT 3", "+OK"),
            ("SADD s 1 2 3", ":3"),
            ("DEBUG DIGEST-VALUE s", "[+2a462a3f51a1db89738ebbeef0c47ce1bbc85246]"),
            ("SELECT 0", "+OK"),
            ("DEBUG DIGEST-VALUE b none s a", "[+d037c4eb8a8b36b602fbced4000daeab0714c1e3, +0000000000000000000000000000000000000000, +415a07507e2348d139f9fd645a024f6be569dd65, +b4fc66738120fba0b5aa500ab5c2bf89cea1c5da]"),
            ("DEBUG DIGEST", "+8f13ff0b70f8b8966eadfcae53184e92d6b65a7c"),
        ]);
    }
}

#[test]
fn a_reload_is_the_hosts() {
    let server = server(2);
    let client = server.client_on(1);
    let refusal = "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
    client.check(&[("DEBUG RELOAD now", refusal), ("MULTI", "+OK")]);
    client.check(&[("DEBUG RELOAD", "-ERR Command not allowed inside a transaction"), ("DISCARD", "+OK")]);
    let how = |saves, empties, replaces| Reload { saves, empties, replaces, from_log: false };
    let failed = "-ERR Error trying to load the RDB dump, check server logs.";
    for (line, how, answer, reply) in [
        ("DEBUG RELOAD", how(true, true, false), HostReply::Done, "+OK"),
        ("DEBUG RELOAD NOSAVE noflush", how(false, false, false), HostReply::Done, "+OK"),
        ("DEBUG RELOAD MERGE", how(true, true, true), HostReply::Failed, failed),
    ] {
        assert_eq!(client.pipeline(&[line]), Vec::<String>::new());
        let asker = client.connection();
        assert_eq!(server.engine(1, Engine::take_host_requests), [HostRequest::Reload { how, asker }]);
        server.engine(1, |engine| engine.on_host_answer(asker, answer));
        assert_eq!(client.poll(), [reply]);
    }
}

#[test]
fn writes_of_the_log_are_slowed_by_the_host() {
    let server = server(2);
    let client = server.client_on(1);
    for (line, micros) in [("DEBUG AOF-FLUSH-SLEEP 500000", 500_000), ("DEBUG aof-flush-sleep what", 0)] {
        assert_eq!(client.pipeline(&[line]), Vec::<String>::new());
        let (asker, pause) = (client.connection(), Duration::from_micros(micros));
        assert_eq!(server.engine(1, Engine::take_host_requests), [HostRequest::SlowWrites { pause, asker }]);
        server.engine(1, |engine| engine.on_host_answer(asker, HostReply::Done));
        assert_eq!(client.poll(), ["+OK"]);
    }
}

#[test]
fn a_crash_is_the_hosts() {
    let server = server(2);
    let client = server.client_on(1);
    assert_eq!(client.pipeline(&["DEBUG SEGFAULT"]), Vec::<String>::new());
    let asker = client.connection();
    assert_eq!(server.engine(1, Engine::take_host_requests), [HostRequest::Crash { asker }]);
}
