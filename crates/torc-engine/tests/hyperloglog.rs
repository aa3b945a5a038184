//! The HyperLogLog commands through the engine: each reply, each error, the bytes, on one core and over three.

mod common;

use common::{Client, TestCore, key_of_each_core};

/// Runs a table on one core and on three, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

const NOT_ONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";
/// An empty value whose count is out of date.
const EMPTY: &str = "\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"";

#[test]
fn elements_are_added_and_counted() {
    check(&[
        ("PFADD h", ":1"),
        ("GET h", EMPTY),
        ("PFADD h", ":0"),
        ("PFCOUNT h", ":0"),
        ("PFADD h a b c", ":1"),
        ("PFADD h a b c", ":0"),
        ("PFADD h c d", ":1"),
        ("PFCOUNT h", ":4"),
        ("OBJECT ENCODING h", "\"raw\""),
        ("PFADD h \"\"", ":1"),
        ("PFCOUNT h", ":5"),
        ("PFCOUNT none", ":0"),
        ("PFADD g hello", ":1"),
        ("PFDEBUG DECODE g", "\"Z:9216 v:1,1 Z:7167\""),
        ("PFDEBUG encoding g", "+sparse"),
        ("EXPIRE g 100", ":1"),
        ("PFADD g 12345678", ":1"),
        ("TTL g", ":100"),
        ("PFDEBUG DECODE g", "\"Z:9216 v:1,1 Z:1362 v:3,1 Z:5804\""),
        ("PFADD", "-ERR wrong number of arguments for 'pfadd' command"),
        ("PFCOUNT", "-ERR wrong number of arguments for 'pfcount' command"),
    ]);
}

/// The count is kept in the value until a register changes.
#[test]
fn the_count_is_cached() {
    check(&[
        ("PFADD h a b c", ":1"),
        ("GETRANGE h 8 15", "\"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\""),
        ("PFCOUNT h", ":3"),
        ("GETRANGE h 8 15", "\"\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\""),
        ("PFADD h a", ":0"),
        ("GETRANGE h 8 15", "\"\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\""),
        ("SETRANGE h 8 \"\\x07\\x01\"", ":27"),
        ("PFCOUNT h", ":263"),
        ("PFADD h d", ":1"),
        ("GETRANGE h 8 15", "\"\\x07\\x01\\x00\\x00\\x00\\x00\\x00\\x80\""),
        ("PFCOUNT h", ":4"),
    ]);
}

#[test]
fn what_is_no_hyperloglog() {
    for (value, error) in [
        ("x", NOT_ONE),
        ("12", NOT_ONE),
        ("\"\"", NOT_ONE),
        ("HYLL", NOT_ONE),
        ("\"HYLX\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"", NOT_ONE),
        ("\"HYLL\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"", NOT_ONE),
        ("\"HYLL\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"", NOT_ONE),
        ("\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x40\\x00\"", CORRUPT),
        ("\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x40\"", CORRUPT),
        ("\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"", CORRUPT),
    ] {
        for cores in [1, 3] {
            let client = TestCore::new(cores).client();
            client.send(&format!("SET h {value}"));
            client.send("PFADD other x");
            let before = client.send("GET h");
            for request in [
                "PFADD h hello",
                "PFCOUNT h",
                "PFCOUNT other h",
                "PFMERGE other h",
                "PFMERGE h other",
                "PFDEBUG GETREG h",
            ] {
                assert_eq!(client.send(request), error, "{request} with {value}");
            }
            assert_eq!(client.send("GET h"), before);
            assert_eq!(client.send("PFDEBUG TODENSE h"), error);
            assert_eq!(client.send("PFCOUNT other"), ":1");
            assert_eq!(client.send("GET h"), before);
        }
    }
}

#[test]
fn debugging() {
    check(&[
        ("PFDEBUG ENCODING none", "-ERR The specified key does not exist"),
        ("SET s x", "+OK"),
        ("PFDEBUG ENCODING s", NOT_ONE),
        ("PFADD h a", ":1"),
        ("PFDEBUG FOO h", "-ERR Unknown PFDEBUG subcommand 'FOO'"),
        ("PFDEBUG DECODE", "-ERR wrong number of arguments for 'pfdebug' command"),
        ("PFDEBUG ENCODING h", "+sparse"),
        ("PFDEBUG TODENSE h", ":1"),
        ("PFDEBUG TODENSE h", ":0"),
        ("STRLEN h", ":12304"),
        ("PFDEBUG ENCODING h", "+dense"),
        ("PFDEBUG DECODE h", "-ERR HLL encoding is not sparse"),
        ("PFCOUNT h", ":1"),
        ("PFADD h a", ":0"),
        ("PFADD h b", ":1"),
        ("PFCOUNT h", ":2"),
        ("PFSELFTEST", "+OK"),
        ("PFSELFTEST x", "-ERR wrong number of arguments for 'pfselftest' command"),
    ]);
    let client = TestCore::new(1).client();
    client.send("PFADD h hello 12345678");
    let registers = client.send("PFDEBUG GETREG h");
    let ranks: Vec<&str> = registers.trim_matches(['[', ']']).split(", ").collect();
    assert_eq!(ranks.len(), 16384);
    let set: Vec<(usize, &str)> = ranks.into_iter().enumerate().filter(|(_, rank)| *rank != ":0").collect();
    assert_eq!(set, [(9216, ":1"), (10579, ":3")]);
    assert_eq!(client.send("PFDEBUG ENCODING h"), "+dense", "reading registers makes them dense");
}

#[test]
fn merging() {
    check(&[
        ("PFADD a 1 2 3", ":1"),
        ("PFADD b 3 4", ":1"),
        ("PFCOUNT a b", ":4"),
        ("PFCOUNT a b none", ":4"),
        ("PFCOUNT none none2", ":0"),
        ("PFMERGE c a b", "+OK"),
        ("PFCOUNT c", ":4"),
        ("PFDEBUG ENCODING c", "+sparse"),
        ("OBJECT ENCODING c", "\"raw\""),
        ("PFADD b 5", ":1"),
        ("EXPIRE b 100", ":1"),
        ("PFMERGE b a", "+OK"),
        ("PFCOUNT b", ":5"),
        ("TTL b", ":100"),
        ("PFMERGE none", "+OK"),
        ("GET none", EMPTY),
        ("PFDEBUG TODENSE a", ":1"),
        ("PFMERGE d a b", "+OK"),
        ("PFDEBUG ENCODING d", "+dense"),
        ("PFCOUNT d", ":5"),
        ("PFCOUNT a d none", ":5"),
        ("PFMERGE b a", "+OK"),
        ("PFDEBUG ENCODING b", "+dense"),
        ("PFCOUNT b", ":5"),
        ("PFMERGE", "-ERR wrong number of arguments for 'pfmerge' command"),
    ]);
}

/// Adds so many elements, a few with each request.
fn add(client: &Client, key: &str, numbers: std::ops::Range<u32>) {
    let numbers: Vec<u32> = numbers.collect();
    for numbers in numbers.chunks(7) {
        let elements: Vec<String> = numbers.iter().map(|number| format!("element:{number}")).collect();
        client.send(&format!("PFADD {key} {}", elements.join(" ")));
    }
}

#[test]
fn merging_over_cores() {
    let client = TestCore::new(3).client();
    let keys = key_of_each_core(3, "k");
    let (one, here) = (TestCore::new(1).client(), ["a", "b", "c"]);
    for (number, key) in keys.iter().enumerate() {
        let start = number as u32 * 200;
        add(&client, key, start..start + 300);
        add(&one, here[number], start..start + 300);
    }
    let all = keys.join(" ");
    let expected = one.send("PFCOUNT a b c");
    assert_eq!(client.send(&format!("PFCOUNT {all}")), expected);
    assert_eq!(client.send(&format!("PFMERGE {all}")), "+OK");
    assert_eq!(one.send("PFMERGE a b c"), "+OK");
    assert_eq!(client.send(&format!("GET {}", keys[0])), one.send("GET a"), "the same bytes, sparse");
    assert_eq!(client.send(&format!("PFDEBUG ENCODING {}", keys[0])), "+sparse");
    client.send(&format!("PFDEBUG TODENSE {}", keys[2]));
    one.send("PFDEBUG TODENSE c");
    assert_eq!(client.send(&format!("PFMERGE {} {} {}", keys[1], keys[0], keys[2])), "+OK");
    assert_eq!(one.send("PFMERGE b a c"), "+OK");
    assert_eq!(client.send(&format!("GET {}", keys[1])), one.send("GET b"), "the same bytes, dense");
    assert_eq!(client.send(&format!("PFCOUNT {}", keys[1])), expected);
}

#[test]
fn a_sparse_value_that_grows_becomes_dense() {
    for limit in [0, 20, 100, 3000, 20_000] {
        let core = TestCore::with_config(1, |config| config.hll_sparse_max_bytes = limit);
        let client = core.client();
        client.check(&[("PFADD small", ":1"), ("PFADD dense", ":1"), ("PFDEBUG TODENSE dense", ":1")]);
        let mut was_dense = false;
        for number in 0..1500u32 {
            let element = format!("e{}", number.wrapping_mul(2_654_435_761));
            assert_eq!(client.send(&format!("PFADD small {element}")), client.send(&format!("PFADD dense {element}")));
            let len: u64 = client.send("STRLEN small")[1..].parse().expect("a length");
            let is_dense = client.send("PFDEBUG ENCODING small") == "+dense";
            assert_eq!(is_dense, len == 12304);
            assert!(is_dense || len <= limit.max(18), "{len} bytes with a limit of {limit}");
            assert!(is_dense || !was_dense, "it does not become sparse again");
            was_dense = is_dense;
        }
        assert_eq!(was_dense, limit < 3000, "with a limit of {limit}");
        assert_eq!(client.send("PFCOUNT small"), client.send("PFCOUNT dense"));
        assert_eq!(client.send("PFDEBUG GETREG small"), client.send("PFDEBUG GETREG dense"));
    }
}

#[test]
fn the_limit_is_configurable() {
    let client = TestCore::new(1).client();
    client.check(&[
        ("CONFIG GET hll-sparse-max-bytes", "[\"hll-sparse-max-bytes\", \"3000\"]"),
        ("CONFIG SET hll-sparse-max-bytes 18", "+OK"),
        ("PFADD h", ":1"),
        ("PFDEBUG ENCODING h", "+sparse"),
        ("PFADD h a", ":1"),
        ("PFDEBUG ENCODING h", "+dense"),
    ]);
}

/// The estimate stays within a few standard errors (0.81 %).
#[test]
fn the_error_is_small() {
    let client = TestCore::new(1).client();
    for number in 0..200u32 {
        add(&client, "h", number * 500..(number + 1) * 500);
        let (exact, counted): (f64, f64) =
            (f64::from((number + 1) * 500), client.send("PFCOUNT h")[1..].parse().expect("a count"));
        assert!((counted - exact).abs() / exact < 0.04, "{counted} for {exact}");
    }
}

#[test]
fn watchers_see_changes_only() {
    let core = TestCore::new(1);
    let (watcher, other) = (core.client(), core.client());
    let attempt = |change: &str| {
        watcher.check(&[("WATCH h", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")]);
        other.send(change);
        watcher.send("EXEC")
    };
    other.send("PFADD h a");
    assert_eq!(attempt("PFADD h a"), "[+PONG]");
    assert_eq!(attempt("PFADD h b"), "nil");
    assert_eq!(attempt("PFCOUNT h"), "nil", "the cached count is a part of the value");
    assert_eq!(attempt("PFCOUNT h"), "[+PONG]");
    assert_eq!(attempt("PFMERGE h"), "nil");
}

#[test]
fn other_types_are_refused() {
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[("SADD s a b", ":2"), ("PFADD h a", ":1")]);
        let before = client.send("GET h");
        for request in [
            "PFADD s a",
            "PFCOUNT s",
            "PFCOUNT h s",
            "PFMERGE h s",
            "PFMERGE s h",
            "PFMERGE none s",
            "PFDEBUG ENCODING s",
        ] {
            assert_eq!(client.send(request), WRONG_TYPE, "{request}");
        }
        client.check(&[("SCARD s", ":2"), ("EXISTS none", ":0")]);
        assert_eq!(client.send("GET h"), before);
    }
}
