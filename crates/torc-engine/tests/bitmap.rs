//! The bitmap commands through the engine: each option, each error, on one core and over three.

mod common;

use common::{Client, TestCore, key_of_each_core};

/// Runs a table on one core and on three, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

const BAD_OFFSET: &str = "-ERR bit offset is not an integer or out of range";
const BAD_BIT: &str = "-ERR bit is not an integer or out of range";
const BAD_TYPE: &str =
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";

#[test]
fn setbit_and_getbit() {
    check(&[
        ("SETBIT a 1 1", ":0"),
        ("GET a", "\"@\""),
        ("OBJECT ENCODING a", "\"raw\""),
        ("SETBIT a 1 1", ":1"),
        ("SETBIT a 1 0", ":1"),
        ("GET a", "\"\\x00\""),
        ("SETBIT a 23 0", ":0"),
        ("GET a", "\"\\x00\\x00\\x00\""),
        ("SETBIT a 16 1", ":0"),
        ("GET a", "\"\\x00\\x00\\x80\""),
        ("GETBIT a 16", ":1"),
        ("GETBIT a 17", ":0"),
        ("GETBIT a 24", ":0"),
        ("GETBIT a 4294967295", ":0"),
        ("GETBIT none 0", ":0"),
        ("SETBIT b 0 0", ":0"),
        ("GET b", "\"\\x00\""),
        ("SETBIT c 1000 1", ":0"),
        ("STRLEN c", ":126"),
        ("BITCOUNT c", ":1"),
        ("SETBIT c 100000 1", ":0"),
        ("STRLEN c", ":12501"),
        ("GETBIT c 100000", ":1"),
    ]);
}

#[test]
fn setbit_keeps_what_goes_with_the_key() {
    check(&[
        ("SET n 1", "+OK"),
        ("OBJECT ENCODING n", "\"int\""),
        ("EXPIRE n 100", ":1"),
        ("SETBIT n 2 1", ":1"),
        ("OBJECT ENCODING n", "\"raw\""),
        ("GET n", "\"1\""),
        ("SETBIT n 6 1", ":0"),
        ("GET n", "\"3\""),
        ("TTL n", ":100"),
    ]);
}

#[test]
fn setbit_and_getbit_errors() {
    check(&[
        ("SET a x", "+OK"),
        ("SETBIT a -1 1", BAD_OFFSET),
        ("SETBIT a 4294967296 1", BAD_OFFSET),
        ("SETBIT a 9223372036854775807 1", BAD_OFFSET),
        ("SETBIT a 99999999999999999999 1", BAD_OFFSET),
        ("SETBIT a x 1", BAD_OFFSET),
        ("SETBIT a #1 1", BAD_OFFSET),
        ("SETBIT a 1 2", BAD_BIT),
        ("SETBIT a 1 -1", BAD_BIT),
        ("SETBIT a 1 x", BAD_BIT),
        ("SETBIT a x x", BAD_OFFSET),
        ("GETBIT a -1", BAD_OFFSET),
        ("GETBIT a 4294967296", BAD_OFFSET),
        ("GETBIT none x", BAD_OFFSET),
        ("SETBIT a 1", "-ERR wrong number of arguments for 'setbit' command"),
        ("GETBIT a", "-ERR wrong number of arguments for 'getbit' command"),
        ("GET a", "\"x\""),
    ]);
}

#[test]
fn the_limit_follows_the_longest_string() {
    let core = TestCore::with_config(1, |config| config.proto_max_bulk_len_bytes = 1 << 20);
    core.client().check(&[
        ("SETBIT a 8388608 1", BAD_OFFSET),
        ("BITFIELD a SET u8 8388608 1", BAD_OFFSET),
        ("EXISTS a", ":0"),
        ("SETBIT a 8388607 1", ":0"),
        ("STRLEN a", ":1048576"),
        ("BITFIELD a SET u8 8388607 255", "[:128]"),
        ("STRLEN a", ":1048577"),
        ("BITCOUNT a", ":8"),
        ("BITPOS a 1", ":8388607"),
    ]);
}

#[test]
fn the_longest_bitmap() {
    let client = TestCore::new(1).client();
    client.check(&[
        ("SETBIT a 4294967295 1", ":0"),
        ("STRLEN a", ":536870912"),
        ("GETBIT a 4294967295", ":1"),
        ("BITPOS a 1 -1", ":4294967295"),
        ("BITFIELD_RO a GET u1 4294967295 GET i2 4294967294", "[:1, :1]"),
        ("BITFIELD a GET u8 4294967296", BAD_OFFSET),
        ("BITFIELD a GET u8 #536870912", BAD_OFFSET),
        ("BITFIELD a GET u8 #536870911", "[:1]"),
    ]);
}

#[test]
fn bitcount() {
    check(&[
        ("BITCOUNT none", ":0"),
        ("BITCOUNT none 0 -1 BIT", ":0"),
        ("SET a foobar", "+OK"),
        ("BITCOUNT a", ":26"),
        ("BITCOUNT a 0 0", ":4"),
        ("BITCOUNT a 1 1", ":6"),
        ("BITCOUNT a 1 1 BYTE", ":6"),
        ("BITCOUNT a 5 30 BIT", ":17"),
        ("BITCOUNT a 5 30 bit", ":17"),
        ("BITCOUNT a 0 -1", ":26"),
        ("BITCOUNT a -2 -1", ":7"),
        ("BITCOUNT a -2 -3", ":0"),
        ("BITCOUNT a -100 -200", ":0"),
        ("BITCOUNT a -200 -100", ":4"),
        ("BITCOUNT a 3 1", ":0"),
        ("BITCOUNT a 100 200", ":0"),
        ("BITCOUNT a 0 100", ":26"),
        ("BITCOUNT a -9223372036854775808 9223372036854775807", ":26"),
        ("BITCOUNT a -1 -1 BIT", ":0"),
        ("BITCOUNT a -7 -7 BIT", ":1"),
        ("SET n 1", "+OK"),
        ("BITCOUNT n", ":3"),
        ("BITCOUNT a 0", "-ERR syntax error"),
        ("BITCOUNT none 0", "-ERR syntax error"),
        ("BITCOUNT a 0 1 WORD", "-ERR syntax error"),
        ("BITCOUNT none 0 1 WORD", "-ERR syntax error"),
        ("BITCOUNT a 0 1 BIT BIT", "-ERR syntax error"),
        ("BITCOUNT a x 1", NOT_AN_INTEGER),
        ("BITCOUNT a 0 x", NOT_AN_INTEGER),
        ("BITCOUNT none 0 x", NOT_AN_INTEGER),
        ("BITCOUNT a 0 x WORD", NOT_AN_INTEGER),
        ("BITCOUNT a 0 9223372036854775808", NOT_AN_INTEGER),
    ]);
}

#[test]
fn bitpos() {
    check(&[
        ("BITPOS none 0", ":0"),
        ("BITPOS none 1", ":-1"),
        ("BITPOS none 0 3 4", ":0"),
        ("SET a \"\\xff\\xf0\\x00\"", "+OK"),
        ("BITPOS a 0", ":12"),
        ("BITPOS a 1", ":0"),
        ("BITPOS a 1 2", ":-1"),
        ("BITPOS a 0 0 0", ":-1"),
        ("BITPOS a 0 0 1", ":12"),
        ("BITPOS a 0 1", ":12"),
        ("BITPOS a 0 -1", ":16"),
        ("BITPOS a 0 -100 -1", ":12"),
        ("BITPOS a 0 5 11 BIT", ":-1"),
        ("BITPOS a 0 5 12 BIT", ":12"),
        ("BITPOS a 1 12 -1 BIT", ":-1"),
        ("BITPOS a 1 11 11 BIT", ":11"),
        ("BITPOS a 1 2 1", ":-1"),
        ("BITPOS a 1 -1 -2", ":-1"),
        ("SET a \"\\xff\\xff\\xff\"", "+OK"),
        ("BITPOS a 0", ":24"),
        ("BITPOS a 0 0", ":24"),
        ("BITPOS a 0 2", ":24"),
        ("BITPOS a 0 3", ":-1"),
        ("BITPOS a 0 0 -1", ":-1"),
        ("BITPOS a 0 0 100 BIT", ":-1"),
        ("SET empty \"\"", "+OK"),
        ("BITPOS empty 0", ":-1"),
        ("BITPOS empty 1", ":-1"),
        ("BITPOS empty 0 0", ":-1"),
        ("BITPOS a 2", "-ERR The bit argument must be 1 or 0."),
        ("BITPOS a -1", "-ERR The bit argument must be 1 or 0."),
        ("BITPOS a x", NOT_AN_INTEGER),
        ("BITPOS a 1 x", NOT_AN_INTEGER),
        ("BITPOS none 1 x", NOT_AN_INTEGER),
        ("BITPOS a 1 0 x", NOT_AN_INTEGER),
        ("BITPOS a 1 0 x WORD", "-ERR syntax error"),
        ("BITPOS a 1 0 1 WORD", "-ERR syntax error"),
        ("BITPOS a 1 0 1 BIT BIT", "-ERR syntax error"),
        ("BITPOS a 1 x x x BIT", "-ERR syntax error"),
        ("BITCOUNT a x x x BIT", "-ERR syntax error"),
    ]);
}

#[test]
fn bitop() {
    check(&[
        ("SET a \"\\xff\\x0f\\xaa\"", "+OK"),
        ("SET b \"\\x0f\\xff\"", "+OK"),
        ("SET c \"\\x81\"", "+OK"),
        ("BITOP AND d a b", ":3"),
        ("GET d", "\"\\x0f\\x0f\\x00\""),
        ("OBJECT ENCODING d", "\"raw\""),
        ("BITOP or d a b none", ":3"),
        ("GET d", "\"\\xff\\xff\\xaa\""),
        ("BITOP XOR d a b c", ":3"),
        ("GET d", "\"q\\xf0\\xaa\""),
        ("BITOP NOT d a", ":3"),
        ("GET d", "\"\\x00\\xf0U\""),
        ("BITOP DIFF d a b c", ":3"),
        ("GET d", "\"p\\x00\\xaa\""),
        ("BITOP DIFF1 d b a", ":3"),
        ("GET d", "\"\\xf0\\x00\\xaa\""),
        ("BITOP ANDOR d a b c", ":3"),
        ("GET d", "\"\\x8f\\x0f\\x00\""),
        ("BITOP ONE d a b c", ":3"),
        ("GET d", "\"p\\xf0\\xaa\""),
        ("BITOP ONE d c", ":1"),
        ("GET d", "\"\\x81\""),
        ("BITOP AND d a none", ":3"),
        ("GET d", "\"\\x00\\x00\\x00\""),
        ("EXPIRE d 100", ":1"),
        ("BITOP OR d a", ":3"),
        ("TTL d", ":-1"),
        ("BITOP NOT a a", ":3"),
        ("GET a", "\"\\x00\\xf0U\""),
        ("BITOP OR d none none2", ":0"),
        ("EXISTS d", ":0"),
        ("BITOP OR d none", ":0"),
        ("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key."),
        ("BITOP DIFF d a", "-ERR BITOP DIFF must be called with at least two source keys."),
        ("BITOP diff1 d a", "-ERR BITOP DIFF1 must be called with at least two source keys."),
        ("BITOP ANDOR d a", "-ERR BITOP ANDOR must be called with at least two source keys."),
        ("BITOP NAND d a b", "-ERR syntax error"),
        ("BITOP AND d", "-ERR wrong number of arguments for 'bitop' command"),
        ("EXISTS d", ":0"),
    ]);
}

#[test]
fn bitop_over_cores() {
    let client = TestCore::new(3).client();
    let keys = key_of_each_core(3, "k");
    let [a, b, c] = [0, 1, 2].map(|core: usize| keys[core].as_str());
    client.send(&format!("SET {a} \"\\xf0\\x01\""));
    client.send(&format!("SET {b} \"\\x3c\""));
    for (operation, expected) in [
        ("AND", "\"0\\x00\""),
        ("OR", "\"\\xfc\\x01\""),
        ("XOR", "\"\\xcc\\x01\""),
        ("DIFF", "\"\\xc0\\x01\""),
        ("DIFF1", "\"\\x0c\\x00\""),
        ("ANDOR", "\"0\\x00\""),
        ("ONE", "\"\\xcc\\x01\""),
    ] {
        assert_eq!(client.send(&format!("BITOP {operation} {c} {a} {b}")), ":2", "{operation}");
        assert_eq!(client.send(&format!("GET {c}")), expected, "{operation}");
    }
    assert_eq!(client.send(&format!("BITOP NOT {b} {a}")), ":2");
    assert_eq!(client.send(&format!("GET {b}")), "\"\\x0f\\xfe\"");
    assert_eq!(
        client.send(&format!("BITOP NOT {b} {a} {c}")),
        "-ERR BITOP NOT must be called with a single source key."
    );
    assert_eq!(client.send(&format!("BITOP FOO {b} {a} {c}")), "-ERR syntax error");
    assert_eq!(client.send(&format!("BITOP OR {b} none:{a} {{{c}}}none")), ":0");
    assert_eq!(client.send(&format!("EXISTS {b}")), ":0");
}

#[test]
fn bitfield() {
    check(&[
        ("BITFIELD a", "[]"),
        ("BITFIELD a GET u8 0 GET i64 100", "[:0, :0]"),
        ("EXISTS a", ":0"),
        ("BITFIELD a SET u8 0 255 GET u8 0 GET i8 0 GET u4 4", "[:0, :255, :-1, :15]"),
        ("BITFIELD a SET i8 #1 -100 GET i8 #1 GET i8 8", "[:0, :-100, :-100]"),
        ("STRLEN a", ":2"),
        ("OBJECT ENCODING a", "\"raw\""),
        ("BITFIELD a INCRBY i5 100 1 GET u4 0", "[:1, :15]"),
        ("STRLEN a", ":14"),
        ("bitfield a incrby u2 102 1 overflow sat incrby u2 102 100", "[:1, :3]"),
        ("BITFIELD a INCRBY u2 102 1", "[:0]"),
        ("BITFIELD a OVERFLOW FAIL INCRBY u2 102 4 GET u2 102", "[nil, :0]"),
        ("BITFIELD a OVERFLOW FAIL SET u2 102 4 OVERFLOW WRAP SET u2 102 5 GET u2 102", "[nil, :0, :1]"),
        ("BITFIELD a OVERFLOW SAT SET i4 0 100 GET i4 0 SET i4 0 -100 GET i4 0", "[:-1, :7, :7, :-8]"),
        ("BITFIELD b SET i64 0 -9223372036854775808 GET i64 0", "[:0, :-9223372036854775808]"),
        ("BITFIELD b INCRBY i64 0 -1", "[:9223372036854775807]"),
        ("BITFIELD b OVERFLOW SAT INCRBY i64 0 1", "[:9223372036854775807]"),
        ("BITFIELD b SET u63 1 9223372036854775807 GET u63 1", "[:9223372036854775807, :9223372036854775807]"),
        ("BITFIELD long OVERFLOW FAIL INCRBY u1 700 2", "[nil]"),
        ("STRLEN long", ":88"),
        ("SET n 1", "+OK"),
        ("BITFIELD n GET u8 0", "[:49]"),
        ("OBJECT ENCODING n", "\"int\""),
        ("BITFIELD n INCRBY u8 0 1", "[:50]"),
        ("OBJECT ENCODING n", "\"raw\""),
        ("BITFIELD_RO a GET i8 8 GET u4 4", "[:-100, :15]"),
        ("BITFIELD_RO none GET i8 8", "[:0]"),
        ("BITFIELD_RO a", "[]"),
    ]);
}

#[test]
fn bitfield_errors() {
    check(&[
        ("SET a x", "+OK"),
        ("BITFIELD a SET u8 0 255 GET", "-ERR syntax error"),
        ("BITFIELD a GET u8", "-ERR syntax error"),
        ("BITFIELD a SET u8 0", "-ERR syntax error"),
        ("BITFIELD a OVERFLOW", "-ERR syntax error"),
        ("BITFIELD a FOO u8 0", "-ERR syntax error"),
        ("BITFIELD a OVERFLOW FOO SET u8 0 1", "-ERR Invalid OVERFLOW type specified"),
        ("BITFIELD a SET u64 0 1", BAD_TYPE),
        ("BITFIELD a SET i65 0 1", BAD_TYPE),
        ("BITFIELD a SET u0 0 1", BAD_TYPE),
        ("BITFIELD a SET I8 0 1", BAD_TYPE),
        ("BITFIELD a SET i 0 1", BAD_TYPE),
        ("BITFIELD a SET \"\" 0 1", BAD_TYPE),
        ("BITFIELD a SET i+8 0 1", BAD_TYPE),
        ("BITFIELD a SET u8 -1 1", BAD_OFFSET),
        ("BITFIELD a SET u8 #-1 1", BAD_OFFSET),
        ("BITFIELD a SET u8 # 1", BAD_OFFSET),
        ("BITFIELD a SET u8 #9223372036854775807 1", BAD_OFFSET),
        ("BITFIELD a SET u8 0 1 SET u8 4294967296 1", BAD_OFFSET),
        ("BITFIELD a SET u8 0 1.5", NOT_AN_INTEGER),
        ("BITFIELD a INCRBY u8 0 9223372036854775808", NOT_AN_INTEGER),
        ("BITFIELD_RO a GET u8 0 SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD_RO a INCRBY u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD_RO a GET u8 x", BAD_OFFSET),
        ("GET a", "\"x\""),
        ("BITFIELD", "-ERR wrong number of arguments for 'bitfield' command"),
    ]);
}

/// A change of nothing is none for who watches the key.
#[test]
fn watchers_see_changes_only() {
    let core = TestCore::new(1);
    let (watcher, other) = (core.client(), core.client());
    let attempt = |change: &str| {
        watcher.check(&[("WATCH a", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")]);
        other.send(change);
        watcher.send("EXEC")
    };
    other.send("SETBIT a 1 1");
    assert_eq!(attempt("SETBIT a 1 1"), "[+PONG]");
    assert_eq!(attempt("SETBIT a 1 0"), "nil");
    assert_eq!(attempt("BITCOUNT a"), "[+PONG]");
    assert_eq!(attempt("BITFIELD a GET u8 0"), "[+PONG]");
    assert_eq!(attempt("BITFIELD a SET u8 0 7"), "nil");
    assert_eq!(attempt("BITOP NOT a a"), "nil");
    // As in Redis, not even what becomes raw, is made or grows, if every operation fails.
    other.send("SET a 12");
    assert_eq!(attempt("SETBIT a 2 1"), "[+PONG]");
    assert_eq!(other.send("OBJECT ENCODING a"), "\"raw\"");
    assert_eq!(attempt("BITFIELD a OVERFLOW FAIL SET u1 99 5"), "[+PONG]");
    assert_eq!(other.send("STRLEN a"), ":13");
    other.send("DEL a");
    assert_eq!(attempt("BITFIELD a OVERFLOW FAIL SET u1 0 5"), "[+PONG]");
    assert_eq!(other.send("GET a"), "\"\\x00\"");
    assert_eq!(attempt("BITFIELD a SET u1 99 0"), "nil");
}

/// Random bits beside a model that is a vector of truth values.
#[test]
fn random_bits_are_as_in_a_model() {
    let client: Client = TestCore::new(3).client();
    let (mut state, mut model) = (1u64, Vec::new());
    for _ in 0..3000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (offset, on) = ((state >> 33) as usize % 9000 % (1 + (state >> 50) as usize), state >> 32 & 1 == 1);
        if model.len() <= offset {
            model.resize((offset / 8 + 1) * 8, false);
        }
        let expected = format!(":{}", u8::from(std::mem::replace(&mut model[offset], on)));
        assert_eq!(client.send(&format!("SETBIT k {offset} {}", u8::from(on))), expected);
    }
    let ones = model.iter().filter(|bit| **bit).count();
    assert_eq!(client.send("BITCOUNT k"), format!(":{ones}"));
    assert_eq!(client.send("STRLEN k"), format!(":{}", model.len() / 8));
    for wanted in [false, true] {
        let position = model.iter().position(|bit| *bit == wanted).expect("both occur");
        assert_eq!(client.send(&format!("BITPOS k {}", u8::from(wanted))), format!(":{position}"));
    }
}

#[test]
fn other_types_are_refused() {
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[("SADD s a b", ":2"), ("SET a \"\\xff\"", "+OK")]);
        for request in [
            "SETBIT s 0 1",
            "GETBIT s 0",
            "BITCOUNT s",
            "BITCOUNT s 0 -1 BIT",
            "BITPOS s 1",
            "BITFIELD s",
            "BITFIELD s GET u8 0",
            "BITFIELD s SET u8 0 1",
            "BITFIELD_RO s GET u8 0",
            "BITOP NOT a s",
            "BITOP OR a a none s",
        ] {
            assert_eq!(client.send(request), WRONG_TYPE, "{request}");
        }
        client.check(&[
            ("SCARD s", ":2"),
            ("GET a", "\"\\xff\""),
            // The destination may hold anything.
            ("BITOP NOT s a", ":1"),
            ("GET s", "\"\\x00\""),
            ("SADD t a", ":1"),
            ("BITOP OR t none", ":0"),
            ("EXISTS t", ":0"),
        ]);
    }
}

#[test]
fn a_bit_that_is_set_again_is_no_change() {
    let core = TestCore::new(1);
    let client = core.client();
    for (command, goes_on) in
        [("SETBIT k 1 1", true), ("SETBIT k 0 0", true), ("SETBIT k 0 1", false), ("SETBIT k 99 0", false)]
    {
        client.send("SET k ab");
        client.send("APPEND k c");
        client.send("WATCH k");
        client.send(command);
        client.send("MULTI");
        client.send("GET k");
        assert_eq!(client.send("EXEC") != "nil", goes_on, "{command}");
    }
}
