//! Commands on keys of any type, through engines of one core and of several.

mod common;

use std::collections::BTreeSet;

use common::{Client, START_MS, TestCore, hits_and_misses, key_of_each_core};
use torc_engine::config::MaxmemoryPolicy;
use torc_store::AccessClock;

/// Runs a table on a fresh server of one core, and on one of three.
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

#[test]
fn existence() {
    check(&[
        ("MSET a 1 b 2 c 3 d 4 e 5", "+OK"),
        ("EXISTS a b c nokey a", ":4"),
        ("EXISTS nokey", ":0"),
        ("TOUCH a a b nokey", ":3"),
        ("TOUCH nokey", ":0"),
        ("TYPE a", "+string"),
        ("TYPE nokey", "+none"),
        ("DEL a a nokey", ":1"),
        ("DEL nokey", ":0"),
        ("UNLINK b b c nokey", ":2"),
        ("EXISTS a b c d e", ":2"),
        ("SELECT 1", "+OK"),
        ("EXISTS d", ":0"),
        ("DEL d e", ":0"),
        ("SELECT 0", "+OK"),
        ("DEL d e", ":2"),
        ("DEL", "-ERR wrong number of arguments for 'del' command"),
        ("UNLINK", "-ERR wrong number of arguments for 'unlink' command"),
        ("EXISTS", "-ERR wrong number of arguments for 'exists' command"),
        ("TOUCH", "-ERR wrong number of arguments for 'touch' command"),
        ("TYPE", "-ERR wrong number of arguments for 'type' command"),
        ("TYPE a b", "-ERR wrong number of arguments for 'type' command"),
    ]);
}

#[test]
fn expiry_arguments() {
    check(&[
        ("SET a x", "+OK"),
        ("EXPIRE a", "-ERR wrong number of arguments for 'expire' command"),
        ("PEXPIRE a", "-ERR wrong number of arguments for 'pexpire' command"),
        ("EXPIREAT a", "-ERR wrong number of arguments for 'expireat' command"),
        ("PEXPIREAT a", "-ERR wrong number of arguments for 'pexpireat' command"),
        ("EXPIRE a x", "-ERR value is not an integer or out of range"),
        ("EXPIRE a 1.5", "-ERR value is not an integer or out of range"),
        ("EXPIRE a 10 FOO", "-ERR Unsupported option FOO"),
        ("EXPIRE a x FOO", "-ERR Unsupported option FOO"),
        ("EXPIRE a 10 NX foo", "-ERR Unsupported option foo"),
        ("EXPIRE a 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 10 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 10 LT NX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 10 NX GT LT", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a x NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 10 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("PEXPIRE a 10 XX GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE a 9223372036854775", "-ERR invalid expire time in 'expire' command"),
        ("EXPIRE a 9223372036854776", "-ERR invalid expire time in 'expire' command"),
        ("EXPIRE a -9223372036854776", "-ERR invalid expire time in 'expire' command"),
        ("EXPIRE a 9223372036854775808", "-ERR value is not an integer or out of range"),
        ("PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("EXPIREAT a 9223372036854776", "-ERR invalid expire time in 'expireat' command"),
        ("EXPIRE nokey 9223372036854776", "-ERR invalid expire time in 'expire' command"),
        ("TTL a", ":-1"),
        ("GET a", "\"x\""),
    ]);
}

#[test]
fn expiry_conditions() {
    check(&[
        ("SET a x", "+OK"),
        ("EXPIRE a 10 XX", ":0"),
        ("EXPIRE a 10 GT", ":0"),
        ("EXPIRE a 10 XX GT", ":0"),
        ("EXPIRE a 10 XX LT", ":0"),
        ("TTL a", ":-1"),
        ("EXPIRE a 20 nx", ":1"),
        ("EXPIRE a 30 NX nx", ":0"),
        ("EXPIRE a 10 GT", ":0"),
        ("EXPIRE a 30 gt", ":1"),
        ("TTL a", ":30"),
        ("EXPIRE a 40 LT", ":0"),
        ("EXPIRE a 20 LT", ":1"),
        ("EXPIRE a 25 XX", ":1"),
        ("EXPIRE a 35 XX GT", ":1"),
        ("EXPIRE a 15 XX LT", ":1"),
        ("TTL a", ":15"),
        ("PERSIST a", ":1"),
        ("PERSIST a", ":0"),
        ("EXPIRE a 50 LT", ":1"),
        ("EXPIRE nokey 10", ":0"),
        ("EXPIRE nokey -1 LT", ":0"),
        ("PERSIST nokey", ":0"),
        ("PEXPIREAT a 33177117420500", ":1"),
        ("PEXPIREAT a 33177117420500 GT", ":0"),
        ("PEXPIREAT a 33177117420500 LT", ":0"),
        ("PEXPIREAT a 33177117420501 GT", ":1"),
        ("PEXPIREAT a 33177117420500 LT", ":1"),
        ("EXPIRE a 0 GT", ":0"),
        ("EXPIRE a -1 NX", ":0"),
        ("GET a", "\"x\""),
        ("EXPIRE a -1 LT", ":1"),
        ("EXISTS a", ":0"),
    ]);
}

#[test]
fn expiry_in_the_past_removes_the_key() {
    check(&[
        ("SET a x", "+OK"),
        ("EXPIRE a 0", ":1"),
        ("EXISTS a", ":0"),
        ("EXPIRE a 0", ":0"),
        ("SET a x", "+OK"),
        ("EXPIRE a -9223372036854775", ":1"),
        ("EXISTS a", ":0"),
        ("SET a x", "+OK"),
        ("PEXPIRE a -9223372036854775808", ":1"),
        ("EXISTS a", ":0"),
        ("SET a x", "+OK"),
        ("EXPIREAT a 1", ":1"),
        ("EXISTS a", ":0"),
        ("SET a x", "+OK"),
        ("PEXPIREAT a -9223372036854775808", ":1"),
        ("DBSIZE", ":0"),
    ]);
}

#[test]
fn expiry_is_reported() {
    check(&[
        ("SET a x", "+OK"),
        ("TTL a", ":-1"),
        ("PTTL a", ":-1"),
        ("EXPIRETIME a", ":-1"),
        ("PEXPIRETIME a", ":-1"),
        ("TTL nokey", ":-2"),
        ("PTTL nokey", ":-2"),
        ("EXPIRETIME nokey", ":-2"),
        ("PEXPIRETIME nokey", ":-2"),
        ("EXPIRE a 100", ":1"),
        ("TTL a", ":100"),
        ("PEXPIRE a 100000", ":1"),
        ("TTL a", ":100"),
        ("EXPIREAT a 33177117420", ":1"),
        ("EXPIRETIME a", ":33177117420"),
        ("PEXPIRETIME a", ":33177117420000"),
        ("PEXPIREAT a 33177117420499", ":1"),
        ("EXPIRETIME a", ":33177117420"),
        ("PEXPIREAT a 33177117420500", ":1"),
        ("EXPIRETIME a", ":33177117421"),
        ("PEXPIREAT a 9223372036854775807", ":1"),
        ("PEXPIRETIME a", ":9223372036854775807"),
        ("EXPIRETIME a", ":9223372036854776"),
        ("EXPIREAT a 9223372036854775", ":1"),
        ("EXPIRETIME a", ":9223372036854775"),
        ("TTL", "-ERR wrong number of arguments for 'ttl' command"),
        ("PTTL a b", "-ERR wrong number of arguments for 'pttl' command"),
        ("EXPIRETIME", "-ERR wrong number of arguments for 'expiretime' command"),
        ("PEXPIRETIME a b", "-ERR wrong number of arguments for 'pexpiretime' command"),
        ("PERSIST", "-ERR wrong number of arguments for 'persist' command"),
    ]);
}

#[test]
fn time_passes() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[("SET a x", "+OK"), ("PEXPIRE a 1500", ":1"), ("TTL a", ":2"), ("PTTL a", ":1500")]);
        assert_eq!(client.send("PEXPIRETIME a"), format!(":{}", START_MS + 1500));
        core.advance_ms(1001);
        client.check(&[("TTL a", ":0"), ("PTTL a", ":499"), ("EXISTS a", ":1"), ("KEYS *", "[\"a\"]")]);
        core.advance_ms(499);
        client.check(&[("PTTL a", ":0"), ("GET a", "\"x\"")]);
        core.advance_ms(1);
        client.check(&[
            ("TTL a", ":-2"),
            ("EXISTS a", ":0"),
            ("TYPE a", "+none"),
            ("TOUCH a", ":0"),
            ("KEYS *", "[]"),
            ("RANDOMKEY", "nil"),
            ("EXPIRE a 10", ":0"),
            ("PERSIST a", ":0"),
            ("DEL a", ":0"),
        ]);
    }
}

#[test]
fn an_overwritten_key_keeps_no_expiry() {
    check(&[("SET a x", "+OK"), ("EXPIRE a 10", ":1"), ("SET a y", "+OK"), ("TTL a", ":-1")]);
}

#[test]
fn keys_by_pattern() {
    check(&[
        ("KEYS *", "[]"),
        ("SET one 1", "+OK"),
        ("KEYS *", "[\"one\"]"),
        ("KEYS o?e", "[\"one\"]"),
        ("KEYS O*", "[]"),
        ("KEYS \"\"", "[]"),
        ("DEL one", ":1"),
        ("SET \"\" empty", "+OK"),
        ("KEYS *", "[\"\"]"),
        ("KEYS **", "[]"),
        ("KEYS \"\"", "[\"\"]"),
    ]);
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let wanted: BTreeSet<String> = (0..50).map(|number| format!("\"key:{number}\"")).collect();
        for number in 0..50 {
            client.send(&format!("SET key:{number} x"));
            client.send(&format!("SET other:{number} x"));
        }
        assert_eq!(elements(&client.send("KEYS key:*")), wanted);
        assert_eq!(elements(&client.send("KEYS *")).len(), 100);
        client.check(&[
            ("KEYS", "-ERR wrong number of arguments for 'keys' command"),
            ("KEYS a b", "-ERR wrong number of arguments for 'keys' command"),
        ]);
    }
}

#[test]
fn scan_arguments() {
    check(&[
        ("SCAN", "-ERR wrong number of arguments for 'scan' command"),
        ("SCAN abc", "-ERR invalid cursor"),
        ("SCAN abc FOO", "-ERR invalid cursor"),
        ("SCAN \" 1\"", "-ERR invalid cursor"),
        ("SCAN 18446744073709551616", "-ERR invalid cursor"),
        ("SCAN 18446744073709551615", "[\"0\", []]"),
        ("SCAN -1", "[\"0\", []]"),
        ("SCAN 0 FOO", "-ERR syntax error"),
        ("SCAN 0 FOO 1", "-ERR syntax error"),
        ("SCAN 0 MATCH", "-ERR syntax error"),
        ("SCAN 0 TYPE", "-ERR syntax error"),
        ("SCAN 0 COUNT", "-ERR syntax error"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 COUNT -1", "-ERR syntax error"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT 99999999999999999999", "-ERR value is not an integer or out of range"),
        ("SCAN 0 TYPE foo COUNT 0", "-ERR syntax error"),
    ]);
    let client = TestCore::new(1).client();
    client.check(&[
        ("SCAN 0", "[\"0\", []]"),
        ("SCAN \"\"", "[\"0\", []]"),
        ("SCAN +0", "[\"0\", []]"),
        ("SET a 1", "+OK"),
        ("SCAN 0 COUNT 9223372036854775807", "[\"0\", [\"a\"]]"),
        ("SCAN 0 TYPE STRING", "[\"0\", [\"a\"]]"),
        ("SCAN 0 TYPE hash", "[\"0\", []]"),
        ("SCAN 0 TYPE foo", "[\"0\", []]"),
        ("SCAN 0 MATCH b*", "[\"0\", []]"),
        ("scan 0 match a count 5 type string match a", "[\"0\", [\"a\"]]"),
        ("SET \"\" e", "+OK"),
        ("SCAN 0 MATCH \"\"", "[\"0\", [\"\"]]"),
    ]);
}

#[test]
fn scan_finds_every_key_on_every_core() {
    for cores in [1, 3, 7] {
        let client = TestCore::new(cores).client();
        assert!(scan_all(&client, "").is_empty());
        let wanted: BTreeSet<String> = (0..3000).map(|number| format!("\"key:{number}\"")).collect();
        for number in 0..3000 {
            client.send(&format!("SET key:{number} {number}"));
        }
        let found = scan_all(&client, "COUNT 100");
        assert_eq!(found.len(), 3000, "nothing is found twice while nothing changes");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        assert_eq!(scan_all(&client, "MATCH key:12?? TYPE string").len(), 100);
        assert_eq!(scan_all(&client, "TYPE list COUNT 1000"), Vec::<String>::new());
        // Another database has nothing.
        client.check(&[("SELECT 1", "+OK")]);
        assert!(scan_all(&client, "").is_empty());
    }
}

#[test]
fn scan_goes_on_to_the_next_core_until_count_is_used_up() {
    for cores in [1, 2, 3, 7] {
        let core = TestCore::new(cores);
        let client = core.client_on(cores - 1);
        client.check(&[("SCAN 0", "[\"0\", []]"), ("SCAN 0 COUNT 1000 MATCH x* TYPE hash", "[\"0\", []]")]);
        let wanted: BTreeSet<String> = (0..100).map(|number| format!("\"key:{number}\"")).collect();
        (0..100).for_each(|number| assert_eq!(client.send(&format!("SET key:{number} x")), "+OK"));
        let all = client.send("SCAN 0 COUNT 1000");
        assert_eq!(
            elements(all.strip_prefix("[\"0\", ").and_then(|rest| rest.strip_suffix(']')).expect("the end")),
            wanted
        );
        let some = client.send("SCAN 0 TYPE string MATCH key:1* COUNT 500 COUNT 400");
        assert!(some.starts_with("[\"0\", ") && some.matches("key:").count() == 11, "{some}");
        assert_eq!(client.send("SCAN 0 COUNT 1000 TYPE list"), "[\"0\", []]");
        // What the first cores lack of COUNT is asked of the next ones, and not much more.
        for count in [1, 5, 20, 60, 99] {
            let found = client.send(&format!("SCAN 0 COUNT {count}")).matches("key:").count();
            assert!((count..count + 40).contains(&found), "{found} of {count} on {cores} cores");
        }
        // The command is counted once.
        let calls = |client: &Client| {
            let info = client.send("INFO commandstats");
            let start = info.find("cmdstat_scan:calls=").expect("it has run") + "cmdstat_scan:calls=".len();
            info[start..].split(',').next().expect("a number").parse::<usize>().expect("a number")
        };
        let before = calls(&client);
        client.pipeline(&["SCAN 0 COUNT 1000", "PING"]);
        assert_eq!(calls(&client), before + 1);
        assert_eq!(client.pipeline(&["CLIENT REPLY OFF", "SCAN 0 COUNT 1000", "CLIENT REPLY ON"]), ["+OK"]);
    }
}

#[test]
fn a_scan_whose_client_goes_ends() {
    let core = TestCore::new(3);
    let client = core.client();
    let connection = client.connection();
    core.engine(0, |engine| engine.on_bytes(connection, b"SCAN 0 COUNT 1000\r\n"));
    client.disconnect();
    core.settle();
    (0..3).for_each(|number| core.engine(number, |engine| assert!(!engine.has_work())));
    assert_eq!(core.client().send("CLIENT LIST").matches("id=").count(), 1);
}

#[test]
fn scan_in_a_transaction_over_cores_ends_with_the_first() {
    let core = TestCore::new(3);
    let keys = key_of_each_core(3, "k");
    let client = core.client();
    client.send(&format!("MSET {} x {} y {} z", keys[0], keys[1], keys[2]));
    client.check(&[("MULTI", "+OK"), ("SCAN 0 COUNT 10", "+QUEUED"), ("DBSIZE", "+QUEUED")]);
    let next = 1u64 << 43;
    assert_eq!(client.send("EXEC"), format!("[[\"{next}\", [\"{}\"]], :3]", keys[0]));
    assert_eq!(client.send(&format!("SCAN {next}")), format!("[\"0\", [\"{}\", \"{}\"]]", keys[1], keys[2]));
}

#[test]
fn scan_from_any_core_gives_the_same() {
    let core = TestCore::new(3);
    let keys = key_of_each_core(3, "k");
    let client = core.client_on(2);
    for key in &keys {
        client.send(&format!("SET {key} x"));
    }
    let wanted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    assert_eq!(scan_all(&client, ""), wanted, "core 0 comes first");
    assert_eq!(scan_all(&core.client(), ""), wanted);
}

#[test]
fn randomkey_reaches_every_key() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client
            .check(&[("RANDOMKEY", "nil"), ("RANDOMKEY x", "-ERR wrong number of arguments for 'randomkey' command")]);
        for number in 0..12 {
            client.send(&format!("SET key:{number} x"));
        }
        let seen: BTreeSet<String> = (0..600).map(|_| client.send("RANDOMKEY")).collect();
        let wanted: BTreeSet<String> = (0..12).map(|number| format!("\"key:{number}\"")).collect();
        assert_eq!(seen, wanted);
        client.check(&[("SELECT 3", "+OK"), ("RANDOMKEY", "nil"), ("HELLO 3 SETNAME x", &client.send("HELLO 3"))]);
        assert_eq!(client.raw(b"RANDOMKEY\r\n"), b"_\r\n");
    }
}

#[test]
fn randomkey_weighs_cores_by_their_keys() {
    let client = TestCore::new(3).client();
    let lone = &key_of_each_core(3, "lone")[2];
    let home = &key_of_each_core(3, "home")[0];
    client.send(&format!("SET {lone} x"));
    for number in 0..99 {
        client.send(&format!("SET {{{home}}}{number} x"));
    }
    let lone = format!("\"{lone}\"");
    let hits = (0..2000).filter(|_| client.send("RANDOMKEY") == lone).count();
    assert!((5..60).contains(&hits), "one key of a hundred came {hits} times in 2000");
}

#[test]
fn flush() {
    check(&[
        ("MSET a 1 b 2 c 3", "+OK"),
        ("SELECT 1", "+OK"),
        ("MSET a 1 b 2 c 3", "+OK"),
        ("FLUSHDB x", "-ERR syntax error"),
        ("FLUSHDB ASYNC SYNC", "-ERR syntax error"),
        ("FLUSHALL x", "-ERR syntax error"),
        ("FLUSHALL x y z", "-ERR syntax error"),
        ("DBSIZE", ":3"),
        ("FLUSHDB", "+OK"),
        ("DBSIZE", ":0"),
        ("SELECT 0", "+OK"),
        ("DBSIZE", ":3"),
        ("FLUSHDB sync", "+OK"),
        ("DBSIZE", ":0"),
        ("MSET a 1 b 2 c 3", "+OK"),
        ("FLUSHDB ASYNC", "+OK"),
        ("GET a", "nil"),
        ("MSET a 1 b 2 c 3", "+OK"),
        ("SELECT 2", "+OK"),
        ("SET a 1", "+OK"),
        ("FLUSHALL", "+OK"),
        ("DBSIZE", ":0"),
        ("SELECT 0", "+OK"),
        ("DBSIZE", ":0"),
        ("SET a 1", "+OK"),
        ("FLUSHALL Async", "+OK"),
        ("SET a 1", "+OK"),
        ("FLUSHALL SYNC", "+OK"),
        ("DBSIZE", ":0"),
    ]);
}

#[test]
fn object() {
    check(&[
        ("SET a 1", "+OK"),
        ("OBJECT ENCODING a", "\"int\""),
        ("OBJECT REFCOUNT a", ":2147483647"),
        ("SET a 9999", "+OK"),
        ("OBJECT REFCOUNT a", ":2147483647"),
        ("SET a 10000", "+OK"),
        ("OBJECT REFCOUNT a", ":1"),
        ("SET a -1", "+OK"),
        ("OBJECT REFCOUNT a", ":1"),
        ("SET a x", "+OK"),
        ("OBJECT ENCODING a", "\"embstr\""),
        ("OBJECT REFCOUNT a", ":1"),
        ("SET a 123456789012345678901234567890123456789012345", "+OK"),
        ("OBJECT ENCODING a", "\"raw\""),
        ("OBJECT IDLETIME a", ":0"),
        ("OBJECT FREQ a", NOT_LFU),
        ("OBJECT ENCODING nokey", "nil"),
        ("OBJECT REFCOUNT nokey", "nil"),
        ("OBJECT IDLETIME nokey", "nil"),
        ("OBJECT FREQ nokey", "nil"),
        ("OBJECT", "-ERR wrong number of arguments for 'object' command"),
        ("OBJECT FOO", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
        ("OBJECT FOO a", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
        ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
        ("OBJECT ENCODING a b", "-ERR wrong number of arguments for 'object|encoding' command"),
        ("OBJECT FREQ", "-ERR wrong number of arguments for 'object|freq' command"),
        ("OBJECT IDLETIME", "-ERR wrong number of arguments for 'object|idletime' command"),
        ("OBJECT REFCOUNT", "-ERR wrong number of arguments for 'object|refcount' command"),
        ("OBJECT HELP a", "-ERR wrong number of arguments for 'object|help' command"),
    ]);
    let help = TestCore::new(1).client().send("OBJECT HELP");
    assert!(help.contains("+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, +ENCODING"), "{help}");
}

const NOT_LFU: &str = "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                       switching between policies at runtime LRU and LFU data will take some time to adjust.";

const IS_LFU: &str = "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
                      switching between policies at runtime LRU and LFU data will take some time to adjust.";

#[test]
fn idle_time_is_moved_by_reads_and_not_by_questions() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[("SET a x", "+OK"), ("EXPIRE a 1000", ":1")]);
        core.advance_ms(30_000);
        let questions = [
            "EXISTS a",
            "TYPE a",
            "TTL a",
            "PTTL a",
            "EXPIRETIME a",
            "OBJECT ENCODING a",
            "KEYS *",
            "SCAN 0",
            "RANDOMKEY",
        ];
        for question in questions {
            client.send(question);
            assert_eq!(client.send("OBJECT IDLETIME a"), ":30", "after {question}");
        }
        for access in ["GET a", "TOUCH a", "EXPIRE a 1000", "PERSIST a"] {
            client.send(access);
            assert_eq!(client.send("OBJECT IDLETIME a"), ":0", "after {access}");
            core.advance_ms(30_000);
            assert_eq!(client.send("OBJECT IDLETIME a"), ":30");
        }
        client.check(&[("CLIENT NO-TOUCH on", "+OK"), ("GET a", "\"x\""), ("EXPIRE a 900", ":1")]);
        client.check(&[("OBJECT IDLETIME a", ":30"), ("TOUCH a", ":1"), ("OBJECT IDLETIME a", ":0")]);
    }
}

/// What was made, what runs a while later, and the keys that are used by it; what was made beside them is as old as it is.
#[test]
fn commands_that_look_at_keys_use_them() {
    let cases = [
        ("SET %1 x", "RENAME %1 %2", "%2"),
        ("SET %1 x", "RENAME %1 %1", "%1"),
        ("SET %1 x", "RENAMENX %1 %2", "%2"),
        ("MSET %1 x %2 y", "RENAMENX %1 %2", "%1 %2"),
        ("MSET %1 x %2 y", "COPY %1 %2", "%1 %2"),
        ("RPUSH %1 x", "COPY %1 %2", "%1 %2"),
        ("SET %1 x", "COPY %1 %2 DB 1", "%1"),
        ("SET %1 x", "SETNX %1 y", "%1"),
        ("RPUSH %1 x", "SETNX %1 y", "%1"),
        ("SET %1 x", "SET %1 y NX", "%1"),
        ("SET %1 x", "SET %1 y IFEQ z", "%1"),
        ("MSET %1 x %2 y", "MSETNX %1 y", "%1"),
        ("SET %2 x", "MSETNX %1 y %2 z", "%2"),
        ("SET %1 x", "MSETEX 1 %1 y NX", "%1"),
        ("SADD %1 x y", "SMOVE %1 %2 x", "%1 %2"),
        ("SADD %2 x", "SMOVE %1 %2 x", "%2"),
        ("SET %2 x", "SMOVE %1 %2 x", "%2"),
        ("SET %1 x", "INCR %1", "%1"),
        ("SET %1 x", "RPUSH %1 y", "%1"),
        ("RPUSH %1 x", "APPEND %1 y", "%1"),
        ("SET %1 x", "RESTORE %1 0 y", "%1"),
        ("RPUSH %1 x y", "SORT %1 ALPHA STORE %2", "%1 %2"),
        ("MSET %1 x %2 y", "LCS %1 %2", "%1 %2"),
    ];
    for cores in [1, 3] {
        // Keys of one core, and of two.
        let [first, second] =
            [key_of_each_core(cores, "k")[0].clone(), key_of_each_core(cores, "k").pop().expect("one")];
        let named = |line: &str| line.replace("%1", &format!("{{{first}}}1")).replace("%2", &format!("{{{second}}}2"));
        for (made, used, keys) in cases {
            let core = TestCore::new(cores);
            let client = core.client();
            client.send(&named(made));
            client.send("SET other x");
            core.advance_ms(30_000);
            client.send(&named(used));
            for key in keys.split(' ') {
                assert_eq!(
                    client.send(&named(&format!("OBJECT IDLETIME {key}"))),
                    ":0",
                    "{used}: {key} on {cores} cores"
                );
            }
            assert_eq!(client.send("OBJECT IDLETIME other"), ":30");
        }
    }
}

#[test]
fn moved_keys_are_used_unless_the_client_leaves_no_trace() {
    let core = TestCore::new(1);
    let client = core.client();
    client.check(&[("MSET a x b y c z", "+OK"), ("RPUSH l x y", ":2"), ("RPUSH m z", ":1")]);
    core.advance_ms(30_000);
    client.check(&[
        ("MOVE a 1", ":1"),
        ("LMOVE l m LEFT LEFT", "\"x\""),
        ("OBJECT IDLETIME m", ":0"),
        ("SELECT 1", "+OK"),
        ("OBJECT IDLETIME a", ":0"),
        ("SELECT 0", "+OK"),
        ("CLIENT NO-TOUCH on", "+OK"),
        ("SETNX b x", ":0"),
        ("SET b x NX", "nil"),
        ("RENAMENX b c", ":0"),
        ("COPY b d", ":1"),
        ("OBJECT IDLETIME b", ":30"),
        ("RENAME b e", "+OK"),
        ("OBJECT IDLETIME e", ":30"),
    ]);
}

/// Hits and misses of what Redis counts and of what it does not.
#[test]
fn commands_with_two_keys_count_the_keys_that_they_read() {
    let cases = [
        ("SET %1 x", "COPY %1 %2", (1, 0)),
        ("DEL %1", "COPY %1 %2", (0, 1)),
        ("MSET %1 x %2 y", "COPY %1 %2", (1, 0)),
        ("RPUSH %1 x", "COPY %1 %2 DB 1", (1, 0)),
        ("SET %1 x", "COPY %1 %1", (0, 0)),
        ("RPUSH %1 x", "LCS %1 %2", (1, 1)),
        ("RPUSH %2 x", "LCS %1 %2", (1, 1)),
        ("SADD %1 x", "SMOVE %1 %2 x", (0, 0)),
        ("SADD %2 x", "SMOVE %1 %2 x", (0, 0)),
        ("SET %1 x", "RENAME %1 %2", (0, 0)),
        ("SET %1 x", "RENAMENX %1 %2", (0, 0)),
        ("SET %1 x", "SETNX %1 y", (0, 0)),
        ("SET %1 x", "MSETNX %1 y %2 z", (0, 0)),
        ("SET %1 x", "RESTORE %1 0 y", (0, 0)),
    ];
    for cores in [1, 3] {
        let [first, second] =
            [key_of_each_core(cores, "k")[0].clone(), key_of_each_core(cores, "k").pop().expect("one")];
        let named = |line: &str| line.replace("%1", &format!("{{{first}}}1")).replace("%2", &format!("{{{second}}}2"));
        for (made, reads, expected) in cases {
            let core = TestCore::new(cores);
            let client = core.client();
            let counted = || {
                let of_cores = (0..cores).map(|number| core.engine(number, |engine| hits_and_misses(engine)));
                of_cores.fold((0, 0), |sum, of_core| (sum.0 + of_core.0, sum.1 + of_core.1))
            };
            client.send(&named(made));
            let before = counted();
            client.send(&named(reads));
            let after = counted();
            assert_eq!((after.0 - before.0, after.1 - before.1), expected, "{reads} after {made} on {cores} cores");
        }
    }
}

#[test]
fn frequency_under_an_lfu_policy() {
    let core = TestCore::with_config(1, |config| config.eviction.policy = MaxmemoryPolicy::AllkeysLfu);
    core.engine(0, |engine| {
        engine.inspect_mut().keyspace_mut().set_access_clock(AccessClock::Lfu { log_factor: 10, decay_minutes: 1 });
    });
    let client = core.client();
    client.check(&[
        ("SET a x", "+OK"),
        ("OBJECT FREQ a", ":5"),
        ("OBJECT IDLETIME a", IS_LFU),
        ("OBJECT IDLETIME nokey", "nil"),
    ]);
    for _ in 0..300 {
        client.send("TOUCH a");
    }
    assert_ne!(client.send("OBJECT FREQ a"), ":5");
}

#[test]
fn hits_and_misses_are_counted() {
    let core = TestCore::new(1);
    let client = core.client();
    client.check(&[
        ("SET a x", "+OK"),
        ("EXISTS a b c", ":1"),
        ("TTL a", ":-1"),
        ("TYPE b", "+none"),
        ("TOUCH a", ":1"),
    ]);
    let counted = core.engine(0, |engine| hits_and_misses(engine));
    assert_eq!(counted, (3, 3));
}

#[test]
fn inside_a_transaction() {
    TestCore::new(1).client().check(&[
        ("MULTI", "+OK"),
        ("SET a x", "+QUEUED"),
        ("EXPIRE a 10", "+QUEUED"),
        ("KEYS *", "+QUEUED"),
        ("RANDOMKEY", "+QUEUED"),
        ("SCAN 0", "+QUEUED"),
        ("DEL a b", "+QUEUED"),
        ("FLUSHALL", "+QUEUED"),
        ("EXEC", "[+OK, :1, [\"a\"], \"a\", [\"0\", [\"a\"]], :1, +OK]"),
    ]);
}

/// Scans until the cursor is 0 again; gives the keys in the order they came.
fn scan_all(client: &Client, options: &str) -> Vec<String> {
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    for _ in 0..100_000 {
        let reply = client.send(&format!("SCAN {cursor} {options}"));
        let (next, keys) = reply.split_once(", ").expect("a cursor and keys");
        cursor = next.trim_matches(['[', '"']).to_owned();
        found.extend(list(&keys[..keys.len() - 1]));
        if cursor == "0" {
            return found;
        }
    }
    panic!("the scan never ends");
}

fn elements(reply: &str) -> BTreeSet<String> {
    list(reply).collect()
}

/// The elements of an array of strings without commas.
fn list(reply: &str) -> impl Iterator<Item = String> + '_ {
    let inner = reply.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect("an array");
    inner.split(", ").filter(|element| !element.is_empty()).map(str::to_owned)
}
