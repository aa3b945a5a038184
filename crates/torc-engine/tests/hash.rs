//! The hash commands through the engine: each option, each error, on one core and over three, in both encodings.

mod common;

use common::{START_MS, TestCore};
use torc_engine::config::Config;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Runs a table on one core and on three, with packs and with tables, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        for pack_len_max in [128, 0] {
            let change = |config: &mut Config| config.hash_max_listpack_entries = pack_len_max;
            TestCore::with_config(cores, change).client().check(table);
        }
    }
}

/// The elements of an array reply, sorted.
fn sorted(reply: &str) -> Vec<String> {
    let inner = reply.trim_start_matches('[').trim_end_matches(']');
    let mut elements: Vec<String> = inner.split(", ").map(str::to_owned).filter(|text| !text.is_empty()).collect();
    elements.sort();
    elements
}

#[test]
fn fields_are_set_read_and_removed() {
    check(&[
        ("HSET h a 1", ":1"),
        ("HSET h a 2 b 3 b 4", ":1"),
        ("HGET h a", "\"2\""),
        ("HGET h b", "\"4\""),
        ("HGET h c", "nil"),
        ("HGET none a", "nil"),
        ("HMGET h a c b", "[\"2\", nil, \"4\"]"),
        ("HMGET none a b", "[nil, nil]"),
        ("HLEN h", ":2"),
        ("HLEN none", ":0"),
        ("HEXISTS h a", ":1"),
        ("HEXISTS h c", ":0"),
        ("HEXISTS none c", ":0"),
        ("HSTRLEN h a", ":1"),
        ("HSTRLEN h c", ":0"),
        ("HSTRLEN none c", ":0"),
        ("HMSET h c \"\" d -12", "+OK"),
        ("HSTRLEN h c", ":0"),
        ("HSTRLEN h d", ":3"),
        ("HSETNX h a 9", ":0"),
        ("HSETNX h e \"\\x00\\xff\"", ":1"),
        ("HGET h e", "\"\\x00\\xff\""),
        ("HDEL h a c nope a", ":2"),
        ("HDEL none a", ":0"),
        ("HLEN h", ":3"),
        ("HDEL h b d e", ":3"),
        ("EXISTS h", ":0"),
        ("HSETNX n f v", ":1"),
        ("HGETALL n", "[\"f\", \"v\"]"),
        ("HSET dup x 1 x 2 x 3", ":1"),
        ("HGETALL dup", "[\"x\", \"3\"]"),
        ("HGETALL none", "[]"),
        ("HKEYS n", "[\"f\"]"),
        ("HVALS n", "[\"v\"]"),
        ("HKEYS none", "[]"),
        ("TYPE n", "+hash"),
    ]);
}

#[test]
fn the_whole_hash_in_both_protocols() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.send("HSET h a 1 b two 3 4");
        client.check(&[
            ("HGETALL h", "[\"a\", \"1\", \"b\", \"two\", \"3\", \"4\"]"),
            ("HKEYS h", "[\"a\", \"b\", \"3\"]"),
            ("HVALS h", "[\"1\", \"two\", \"4\"]"),
            ("OBJECT ENCODING h", "\"listpack\""),
        ]);
        client.send("HELLO 3");
        client.check(&[
            ("HGETALL h", "{\"a\": \"1\", \"b\": \"two\", \"3\": \"4\"}"),
            ("HGETALL none", "{}"),
            ("HGET none f", "nil"),
            ("HRANDFIELD none 2", "[]"),
            ("HRANDFIELD none", "nil"),
        ]);
    }
}

#[test]
fn encodings() {
    let client = TestCore::with_config(1, |config| config.hash_max_listpack_entries = 128).client();
    let long = "x".repeat(65);
    client.check(&[
        ("HSET h f v", ":1"),
        ("OBJECT ENCODING h", "\"listpack\""),
        (&format!("HSET h f {}", &long[1..]), ":0"),
        ("OBJECT ENCODING h", "\"listpack\""),
        (&format!("HSET h f {long}"), ":0"),
        ("OBJECT ENCODING h", "\"hashtable\""),
        ("HSTRLEN h f", ":65"),
        (&format!("HSET h2 {long} v"), ":1"),
        ("OBJECT ENCODING h2", "\"hashtable\""),
    ]);
    for number in 0..129 {
        client.send(&format!("HSET many f{number} {number}"));
        let expected = if number < 128 { "\"listpack\"" } else { "\"hashtable\"" };
        assert_eq!(client.send("OBJECT ENCODING many"), expected, "{number}");
    }
    for number in 0..129 {
        assert_eq!(client.send(&format!("HGET many f{number}")), format!("\"{number}\""));
    }
    assert_eq!(sorted(&client.send("HKEYS many")).len(), 129);
}

#[test]
fn counters() {
    check(&[
        ("HINCRBY h n 5", ":5"),
        ("HINCRBY h n -7", ":-2"),
        ("HGET h n", "\"-2\""),
        ("HINCRBY h other 1", ":1"),
        ("HSET h word v big 9223372036854775807 small -9223372036854775808 space \" 5\" e \"\"", ":5"),
        ("HINCRBY h word 1", "-ERR hash value is not an integer"),
        ("HINCRBY h space 1", "-ERR hash value is not an integer"),
        ("HINCRBY h e 1", "-ERR hash value is not an integer"),
        ("HINCRBY h big 1", "-ERR increment or decrement would overflow"),
        ("HINCRBY h small -1", "-ERR increment or decrement would overflow"),
        ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
        ("HINCRBY h n 9223372036854775808", "-ERR value is not an integer or out of range"),
        ("HINCRBY h big -9223372036854775808", ":-1"),
        ("HMGET h small word n", "[\"-9223372036854775808\", \"v\", \"-2\"]"),
        ("HINCRBYFLOAT h f 1.5", "\"1.5\""),
        ("HINCRBYFLOAT h f 1e2", "\"101.5\""),
        ("HINCRBYFLOAT h n -0.5", "\"-2.5\""),
        ("HINCRBYFLOAT new f 3", "\"3\""),
        ("HINCRBYFLOAT h word 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h space 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h e 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h f nan", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h f x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"),
        ("HSET h huge 1e4932", ":1"),
        ("HINCRBYFLOAT h huge 1e4932", "-ERR increment would produce NaN or Infinity"),
        ("HSET h huge inf", ":0"),
        ("HINCRBYFLOAT h huge 1", "-ERR increment would produce NaN or Infinity"),
        ("HGET h huge", "\"inf\""),
    ]);
}

#[test]
fn arity_and_wrong_types() {
    let commands = [
        "HSET s f v",
        "HSETNX s f v",
        "HMSET s f v",
        "HGET s f",
        "HMGET s f",
        "HGETALL s",
        "HKEYS s",
        "HVALS s",
        "HLEN s",
        "HEXISTS s f",
        "HDEL s f",
        "HSTRLEN s f",
        "HINCRBY s f 1",
        "HINCRBYFLOAT s f 1",
        "HRANDFIELD s",
        "HRANDFIELD s 2",
        "HSCAN s 0",
        "HSCAN s 0 COUNT",
        "HEXPIRE s 10 FIELDS 1 f",
        "HEXPIRE s x FIELDS 1 f",
        "HPEXPIRE s 10 FIELDS 1 f",
        "HEXPIREAT s 10 FIELDS 1 f",
        "HPEXPIREAT s 10 FIELDS 1 f",
        "HTTL s FIELDS 1 f",
        "HTTL s FIELDS 0 f",
        "HPTTL s FIELDS 1 f",
        "HEXPIRETIME s FIELDS 1 f",
        "HPEXPIRETIME s FIELDS 1 f",
        "HPERSIST s FIELDS 1 f",
        "HGETEX s FIELDS 1 f",
        "HGETEX s EX x FIELDS 1 f",
        "HSETEX s FIELDS 1 f v",
        "HGETDEL s FIELDS 1 f",
    ];
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.send("SET s text");
        for command in commands {
            assert_eq!(client.send(command), WRONG_TYPE, "{command}");
        }
        client.check(&[
            ("GET s", "\"text\""),
            ("HSET h a", "-ERR wrong number of arguments for 'hset' command"),
            ("HSET h a b c", "-ERR wrong number of arguments for 'hset' command"),
            ("HMSET h a b c", "-ERR wrong number of arguments for 'hmset' command"),
            ("HSETNX h a b c", "-ERR wrong number of arguments for 'hsetnx' command"),
            ("HGET h", "-ERR wrong number of arguments for 'hget' command"),
            ("HDEL h", "-ERR wrong number of arguments for 'hdel' command"),
            ("EXISTS h", ":0"),
        ]);
    }
}

#[test]
fn scans() {
    check(&[
        ("HSCAN none 0", "[\"0\", []]"),
        ("HSCAN none 0 COUNT x", "[\"0\", []]"),
        ("HSCAN none x", "-ERR invalid cursor"),
        ("HSET h foo 1", ":1"),
        ("HSCAN h 0", "[\"0\", [\"foo\", \"1\"]]"),
        ("HSCAN h 0 MATCH f* COUNT 5", "[\"0\", [\"foo\", \"1\"]]"),
        ("HSCAN h 0 MATCH g*", "[\"0\", []]"),
        ("HSCAN h 0 NOVALUES", "[\"0\", [\"foo\"]]"),
        ("HSCAN h 0 novalues MATCH *", "[\"0\", [\"foo\"]]"),
        ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
        ("HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range"),
        ("HSCAN h 0 TYPE x", "-ERR syntax error"),
        ("HSCAN h 0 MATCH", "-ERR syntax error"),
        ("HSCAN h x", "-ERR invalid cursor"),
    ]);
}

#[test]
fn a_scan_of_a_table_visits_all() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        for number in 0..1000 {
            client.send(&format!("HSET h f{number} {number}"));
        }
        let (mut cursor, mut seen, mut rounds) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
        loop {
            let reply = client.send(&format!("HSCAN h {cursor} COUNT 50 NOVALUES"));
            let (next, found) = reply[2..].split_once("\", ").expect("a cursor and an array");
            cursor = next.to_owned();
            seen.extend(sorted(found.trim_end_matches(']')));
            rounds += 1;
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 1000);
        assert!(rounds > 5, "{rounds} rounds");
    }
}

#[test]
fn random_fields() {
    check(&[
        ("HRANDFIELD none", "nil"),
        ("HRANDFIELD none 3", "[]"),
        ("HRANDFIELD none -3", "[]"),
        ("HSET h f v", ":1"),
        ("HRANDFIELD h", "\"f\""),
        ("HRANDFIELD h 0", "[]"),
        ("HRANDFIELD h 5", "[\"f\"]"),
        ("HRANDFIELD h 5 WITHVALUES", "[\"f\", \"v\"]"),
        ("HRANDFIELD h -3", "[\"f\", \"f\", \"f\"]"),
        ("HRANDFIELD h -2 withvalues", "[\"f\", \"v\", \"f\", \"v\"]"),
        ("HRANDFIELD h x", "-ERR value is not an integer or out of range"),
        ("HRANDFIELD h 1 foo", "-ERR syntax error"),
        ("HRANDFIELD h 1 withvalues foo", "-ERR syntax error"),
        (
            "HRANDFIELD h -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("HRANDFIELD h -9223372036854775807 withvalues", "-ERR value is out of range"),
        ("HRANDFIELD h 9223372036854775807 withvalues", "-ERR value is out of range"),
        ("HRANDFIELD h 9223372036854775807", "[\"f\"]"),
    ]);
    let client = TestCore::new(1).client();
    client.send("HELLO 3");
    client.send("HSET h f v");
    client.check(&[
        ("HRANDFIELD h 5 WITHVALUES", "[[\"f\", \"v\"]]"),
        ("HRANDFIELD h -2 WITHVALUES", "[[\"f\", \"v\"], [\"f\", \"v\"]]"),
        ("HRANDFIELD h 1", "[\"f\"]"),
    ]);
}

#[test]
fn random_fields_are_equally_likely() {
    // Chi-square with 39 degrees of freedom: 73 is exceeded once in a thousand tries, and the seed is fixed.
    for pack_len_max in [128, 0] {
        let change = |config: &mut Config| config.hash_max_listpack_entries = pack_len_max;
        let client = TestCore::with_config(1, change).client();
        for number in 0..40 {
            client.send(&format!("HSET h f{number} {number}"));
        }
        for (request, rounds) in [("HRANDFIELD h -1000", 10), ("HRANDFIELD h 10", 1000), ("HRANDFIELD h 30", 300)] {
            let mut counts = std::collections::BTreeMap::new();
            let mut drawn = 0;
            for _ in 0..rounds {
                let fields = sorted(&client.send(request));
                drawn += fields.len();
                if !request.contains('-') {
                    let distinct: std::collections::BTreeSet<_> = fields.iter().collect();
                    assert_eq!(distinct.len(), fields.len());
                }
                fields.into_iter().for_each(|field| *counts.entry(field).or_insert(0) += 1);
            }
            let expected = drawn as f64 / 40.0;
            let sum: f64 = counts.values().map(|&count: &i32| (f64::from(count) - expected).powi(2) / expected).sum();
            assert_eq!(counts.len(), 40);
            assert!(sum < 73.0, "{request} of {pack_len_max}: {sum}");
        }
    }
}

#[test]
fn random_fields_of_a_table_have_not_expired() {
    let core = TestCore::with_config(1, |config| config.hash_max_listpack_entries = 10);
    let client = core.client();
    for number in 0..20_000 {
        client.send(&format!("HSETEX h PX 10 FIELDS 1 f{number} v"));
    }
    client.send("HSET h a 1 b 2");
    core.advance_ms(11);
    assert!(["\"a\"", "\"b\""].contains(&client.send("HRANDFIELD h").as_str()));
    assert_eq!(sorted(&client.send("HRANDFIELD h 5")), ["\"a\"", "\"b\""]);
    assert_eq!(sorted(&client.send("HRANDFIELD h 1")).len(), 1);
    assert_eq!(sorted(&client.send("HRANDFIELD h -4")).len(), 4);
    core.advance_ms(2000);
    core.upkeep();
    client.check(&[("HLEN h", ":2")]);
}

#[test]
fn fields_get_an_expiry() {
    check(&[
        ("HEXPIRE none 10 FIELDS 2 a b", "[:-2, :-2]"),
        ("HSET h a 1 b 2 c 3 d 4", ":4"),
        ("HEXPIRE h 10 FIELDS 3 a nope b", "[:1, :-2, :1]"),
        ("HTTL h FIELDS 4 a b c nope", "[:10, :10, :-1, :-2]"),
        ("HPTTL h FIELDS 1 a", "[:10000]"),
        ("HEXPIRETIME h FIELDS 1 a", "[:1700000010]"),
        ("HPEXPIRETIME h FIELDS 1 a", "[:1700000010000]"),
        ("HPEXPIRE h 1500 NX FIELDS 2 a c", "[:0, :1]"),
        ("HTTL h FIELDS 1 c", "[:2]"),
        ("HPEXPIRE h 5000 XX FIELDS 2 a d", "[:1, :0]"),
        ("HPEXPIRE h 6000 GT FIELDS 4 a b c d", "[:1, :0, :1, :0]"),
        ("HPEXPIRE h 7000 lt FIELDS 4 a b c d", "[:0, :1, :0, :1]"),
        ("HPTTL h FIELDS 4 a b c d", "[:6000, :7000, :6000, :7000]"),
        ("HPEXPIREAT h 1700000020000 FIELDS 1 a", "[:1]"),
        ("HEXPIREAT h 1700000030 FIELDS 1 b", "[:1]"),
        ("HTTL h FIELDS 2 a b", "[:20, :30]"),
        ("HPERSIST h FIELDS 3 a nope a", "[:1, :-2, :-1]"),
        ("HPERSIST none FIELDS 1 a", "[:-2]"),
        ("HTTL none FIELDS 2 a b", "[:-2, :-2]"),
        ("HSET h b again", ":0"),
        ("HTTL h FIELDS 1 b", "[:-1]"),
        ("HINCRBY h c 1", ":4"),
        ("HINCRBYFLOAT h d 0.5", "\"4.5\""),
        ("HPTTL h FIELDS 2 c d", "[:6000, :7000]"),
        ("HEXPIRE h 0 FIELDS 2 c nope", "[:2, :-2]"),
        ("HEXPIREAT h 5 NX FIELDS 2 d a", "[:0, :2]"),
        ("HLEN h", ":2"),
        ("HPEXPIREAT h 1 FIELDS 2 b d", "[:2, :2]"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn expiry_arguments_are_checked() {
    let fields_missing = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let mismatch = "-ERR The `numfields` parameter must match the number of arguments";
    let not_positive = "-ERR Number of fields must be a positive integer";
    let not_integer = "-ERR value is not an integer or out of range";
    check(&[
        ("HSET h a 1", ":1"),
        ("HEXPIRE h 10 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command"),
        ("HEXPIRE h x FIELDS 1 a", not_integer),
        ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HEXPIRE h 70368744178 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("HEXPIREAT h 70368744178 FIELDS 1 a", "-ERR invalid expire time in 'hexpireat' command"),
        ("HPEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hpexpire' command"),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "[:1]"),
        ("HEXPIRE h 10 NX GT FIELDS 1 a", fields_missing),
        ("HEXPIRE h 10 FELDS 1 a", fields_missing),
        ("HEXPIRE h 10 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 10 FIELDS x a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 10 FIELDS 2 a", mismatch),
        ("HEXPIRE h 10 NX FIELDS 1 a b", mismatch),
        ("HTTL h FELDS 1 a", fields_missing),
        ("HTTL h FIELDS 0 a", not_positive),
        ("HTTL h FIELDS 2 a", mismatch),
        ("HPERSIST h FIELDS 1 a b", mismatch),
        ("HGETDEL h FELDS 1 a", fields_missing),
        ("HGETDEL h FIELDS -1 a", not_positive),
        ("HGETDEL h FIELDS 2 a", mismatch),
        ("HGETEX h XFIELDX 1 a", fields_missing),
        ("HGETEX h PXAT 1 1", fields_missing),
        ("HGETEX h EX FIELDS 1 a", not_integer),
        ("HGETEX h PERSIST 1 FIELDS 1 a", fields_missing),
        ("HGETEX h EX 1 FIELDS", "-ERR wrong number of arguments for 'hgetex' command"),
        ("HGETEX h FIELDS 9223372036854775808 a", not_positive),
        ("HGETEX h EX bla FIELDS 1 a", not_integer),
        ("HGETEX h PX -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HGETEX h EXAT 70368744178 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command"),
        ("HSETEX h FIELDS 2 a b", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FIELDS 2 a b c", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FIELDS 1 a b unknown", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FIELDS x a b", "-ERR invalid number of fields"),
        ("HSETEX h FIELDS 0 a b", "-ERR invalid number of fields"),
        ("HSETEX h gt FIELDS 1 a b", "-ERR unknown argument: gt"),
        ("HSETEX h NX xx FIELDS 1 a b", "-ERR Only one of NX or XX arguments can be specified"),
        ("HSETEX h XX FXX XX FIELDS 1 a b", "-ERR Only one of NX or XX arguments can be specified"),
        ("HSETEX h FXX FNX FIELDS 1 a b", "-ERR Only one of FXX or FNX arguments can be specified"),
        (
            "HSETEX h EX 10 KEEPTTL FIELDS 1 a b",
            "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        ("HSETEX h FXX KEEPTTL FNX a EX", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX h KEEPTTL FNX FXX a", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX h FNX KEEPTTL FNX EX", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX h EX FIELDS 1 a b", not_integer),
        ("HSETEX h EXAT -1 1 a b", "-ERR invalid expire time, must be >= 0"),
        ("HGETALL h", "[\"a\", \"1\"]"),
    ]);
}

#[test]
fn values_with_their_expiry() {
    check(&[
        ("HSETEX h EX 10 FIELDS 2 a 1 b 2", ":1"),
        ("HTTL h FIELDS 2 a b", "[:10, :10]"),
        ("HSETEX h KEEPTTL FIELDS 2 a 3 c 4", ":1"),
        ("HTTL h FIELDS 2 a c", "[:10, :-1]"),
        ("HSETEX h FIELDS 1 a 5", ":1"),
        ("HTTL h FIELDS 1 a", "[:-1]"),
        ("HSETEX h FNX PX 1500 FIELDS 2 a 9 z 9", ":0"),
        ("HSETEX h FXX PX 1500 FIELDS 2 a 9 z 9", ":0"),
        ("HEXISTS h z", ":0"),
        ("HSETEX h PXAT 1700000001500 FXX FIELDS 2 a 6 b 7", ":1"),
        ("HPTTL h FIELDS 2 a b", "[:1500, :1500]"),
        ("HSETEX none FXX FIELDS 1 a 1", ":0"),
        ("HSETEX none XX FIELDS 1 a 1", ":0"),
        ("HSETEX none xx FNX EX 5 FIELDS 1 a 1", ":0"),
        ("EXISTS none", ":0"),
        ("HSETEX h NX FIELDS 1 z 9", ":0"),
        ("HSETEX h NX FNX FIELDS 1 z 9", ":0"),
        ("HSETEX h XX FNX FIELDS 1 a 9", ":0"),
        ("HSETEX h XX FXX KEEPTTL FIELDS 1 a 6", ":1"),
        ("HMGET h a z", "[\"6\", nil]"),
        ("HSETEX once NX EX 10 FIELDS 1 a 1", ":1"),
        ("HSETEX once FNX NX FIELDS 1 b 1", ":0"),
        ("HSETEX once XX FNX FIELDS 1 b 1", ":1"),
        ("HMGET once a b", "[\"1\", \"1\"]"),
        ("HTTL once FIELDS 2 a b", "[:10, :-1]"),
        ("HSETEX new FNX FIELDS 2 a 1 a 2", ":1"),
        ("HGETALL new", "[\"a\", \"2\"]"),
        ("HSETEX past EXAT 1 FIELDS 1 a 1", ":1"),
        ("EXISTS past", ":0"),
        ("HSETEX new EXAT 1 FIELDS 1 a 1", ":1"),
        ("EXISTS new", ":0"),
        ("HGETEX h FIELDS 2 a nope", "[\"6\", nil]"),
        ("HGETEX none FIELDS 2 a b", "[nil, nil]"),
        ("HGETEX h EX 20 FIELDS 1 a", "[\"6\"]"),
        ("HTTL h FIELDS 2 a b", "[:20, :2]"),
        ("HGETEX h persist FIELDS 2 a c", "[\"6\", \"4\"]"),
        ("HTTL h FIELDS 2 a c", "[:-1, :-1]"),
        ("HGETEX h PXAT 1 FIELDS 1 a", "[\"6\"]"),
        ("HEXISTS h a", ":0"),
        ("HGETDEL h FIELDS 2 b nope", "[\"7\", nil]"),
        ("HGETDEL none FIELDS 1 b", "[nil]"),
        ("HGETDEL h FIELDS 1 c", "[\"4\"]"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn expired_fields_are_never_seen() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[
            ("HSET h a 1 b 2 c 3 d 4 e 5 f 6 g 7 stays 8", ":8"),
            ("HPEXPIRE h 10 FIELDS 7 a b c d e f g", "[:1, :1, :1, :1, :1, :1, :1]"),
            ("OBJECT ENCODING h", "\"listpackex\""),
        ]);
        core.advance_ms(11);
        client.check(&[
            ("HGETALL h", "[\"stays\", \"8\"]"),
            ("HKEYS h", "[\"stays\"]"),
            ("HVALS h", "[\"8\"]"),
            ("HSCAN h 0", "[\"0\", [\"stays\", \"8\"]]"),
            ("HLEN h", ":8"),
            ("HGET h a", "nil"),
            ("HLEN h", ":7"),
            ("HEXISTS h b", ":0"),
            ("HSTRLEN h c", ":0"),
            ("HMGET h stays d", "[\"8\", nil]"),
            ("HTTL h FIELDS 1 e", "[:-2]"),
            ("HLEN h", ":3"),
            ("HEXPIRE h 10 FIELDS 1 f", "[:-2]"),
            ("HGETEX h EX 10 FIELDS 1 f", "[nil]"),
            ("HDEL h g", ":0"),
            ("HLEN h", ":1"),
            ("HSETEX h PX 5 FIELDS 4 n 5 x 1 y 2 z 3", ":1"),
        ]);
        core.advance_ms(6);
        client.check(&[
            ("HSETEX h FXX FIELDS 1 n 2", ":0"),
            ("HSETNX h x new", ":1"),
            ("HINCRBY h y 5", ":5"),
            ("HSET h z 9", ":1"),
            ("HTTL h FIELDS 3 x y z", "[:-1, :-1, :-1]"),
            ("HPEXPIRE h 1 FIELDS 4 x y z stays", "[:1, :1, :1, :1]"),
        ]);
        core.advance_ms(2);
        client.check(&[("EXISTS h", ":1"), ("HGETALL h", "[]"), ("HRANDFIELD h 3", "[]"), ("EXISTS h", ":0")]);
    }
}

#[test]
fn the_background_reclaims() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[
            ("HSET keeps a 1 b 2", ":2"),
            ("HPEXPIRE keeps 100 FIELDS 1 a", "[:1]"),
            ("HSETEX goes PX 100 FIELDS 2 a 1 b 2", ":1"),
            ("HSETEX {goes}x PX 100 FIELDS 1 a 1", ":1"),
            ("RENAME {goes}x {goes}y", "+OK"),
            ("HSETEX moves PX 100 FIELDS 1 a 1", ":1"),
            ("MOVE moves 3", ":1"),
            ("HSETEX deleted PX 100 FIELDS 1 a 1", ":1"),
            ("DEL deleted", ":1"),
            ("HSETEX over PX 100 FIELDS 1 a 1", ":1"),
            ("SET over text", "+OK"),
            ("SWAPDB 3 4", "+OK"),
        ]);
        let info = client.send("INFO keyspace");
        assert!(info.contains("subexpiry=3") && info.contains("subexpiry=1"), "{info}");
        core.advance_ms(101);
        core.upkeep();
        client.check(&[
            ("DBSIZE", ":2"),
            ("HLEN keeps", ":1"),
            ("GET over", "\"text\""),
            ("SELECT 4", "+OK"),
            ("DBSIZE", ":0"),
        ]);
        let info = client.send("INFO");
        assert!(info.contains("expired_subkeys:5") && info.contains("subexpiry=0"), "{info}");
    }
}

#[test]
fn a_transaction_sees_one_time() {
    let core = TestCore::new(1);
    let client = core.client();
    client.send("HSETEX h PX 10 FIELDS 1 a 1");
    client.check(&[
        ("MULTI", "+OK"),
        ("HGET h a", "+QUEUED"),
        ("HPTTL h FIELDS 1 a", "+QUEUED"),
        ("HLEN h", "+QUEUED"),
    ]);
    assert_eq!(client.send("EXEC"), "[\"1\", [:10], :1]");
    let other = core.client();
    client.check(&[("WATCH h", "+OK"), ("MULTI", "+OK"), ("HGET h a", "+QUEUED")]);
    other.send("HEXPIRE h 100 FIELDS 1 a");
    assert_eq!(client.send("EXEC"), "nil", "an expiry is a change");
    assert_eq!(core.now_ms(), START_MS);
}
