//! The string commands through the engine: each option, each error, on one core and over three.

mod common;

use common::{Client, START_MS, TestCore, hits_and_misses, key_of_each_core};

/// Runs a table on one core and on three, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

#[test]
fn set_and_get() {
    check(&[
        ("GET a", "nil"),
        ("SET a 1", "+OK"),
        ("get a", "\"1\""),
        ("SET a \"\"", "+OK"),
        ("GET a", "\"\""),
        ("SET \"\" empty-key", "+OK"),
        ("GET \"\"", "\"empty-key\""),
        ("SET bin \"\\x00\\xff\\r\\n\"", "+OK"),
        ("GET bin", "\"\\x00\\xff\\r\\n\""),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("SET a", "-ERR wrong number of arguments for 'set' command"),
    ]);
}

#[test]
fn set_conditions() {
    check(&[
        ("SET a 1 XX", "nil"),
        ("SET a 1 nx", "+OK"),
        ("SET a 2 NX", "nil"),
        ("SET a 2 xx", "+OK"),
        ("GET a", "\"2\""),
        ("SET a 3 NX NX", "nil"),
        ("SET a 3 NX XX", "-ERR syntax error"),
        ("SET a 3 IFEQ 1", "nil"),
        ("SET a 3 IFEQ 2", "+OK"),
        ("SET a 4 GET IFEQ 2", "\"3\""),
        ("SET a 4 IFEQ 3 GET", "\"3\""),
        ("GET a", "\"4\""),
        ("SET none 1 IFEQ 1", "nil"),
        ("SET none 1 IFEQ 1 GET", "nil"),
        ("GET none", "nil"),
        ("SET a 5 IFNE 4", "nil"),
        ("SET a 5 IFNE 3", "+OK"),
        ("SET new 1 IFNE 1", "+OK"),
        ("GET new", "\"1\""),
        ("SET a 6 IFEQ", "-ERR syntax error"),
        ("SET a 6 IFNE", "-ERR syntax error"),
        ("SET a 6 IFEQ 5 NX", "-ERR syntax error"),
        ("SET a 6 XX IFEQ 5", "-ERR syntax error"),
        ("SET a 6 IFEQ 5 IFNE 5", "-ERR syntax error"),
        ("GET a", "\"5\""),
    ]);
}

#[test]
fn set_get_option() {
    check(&[
        ("SET a 1 GET", "nil"),
        ("SET a 2 get", "\"1\""),
        ("SET a 3 NX GET", "\"2\""),
        ("SET a 3 XX GET", "\"2\""),
        ("SET b 1 XX GET", "nil"),
        ("GET b", "nil"),
        ("SET b 1 NX GET", "nil"),
        ("GET b", "\"1\""),
        ("GET a", "\"3\""),
        ("SET a 4 GET GET", "\"3\""),
    ]);
}

#[test]
fn set_expiry() {
    check(&[
        ("SET a 1 EX 10", "+OK"),
        ("TTL a", ":10"),
        ("SET a 2 KEEPTTL", "+OK"),
        ("PTTL a", ":10000"),
        ("SET a 2 XX GET keepttl", "\"2\""),
        ("PTTL a", ":10000"),
        ("SET a 2", "+OK"),
        ("TTL a", ":-1"),
        ("SET a 2 px 1500", "+OK"),
        ("PTTL a", ":1500"),
        ("SET a 2 EX 10 EX 20", "+OK"),
        ("TTL a", ":20"),
        ("SET a 2 EXAT 1700000005", "+OK"),
        ("PTTL a", ":5000"),
        ("SET a 2 PXAT 1700000000123", "+OK"),
        ("PTTL a", ":123"),
        ("SET a 2 PXAT 9223372036854775807", "+OK"),
        ("PEXPIRETIME a", ":9223372036854775807"),
        ("SET a 2 NX EX 1", "nil"),
        ("PEXPIRETIME a", ":9223372036854775807"),
        ("SET b 1 KEEPTTL KEEPTTL", "+OK"),
        ("TTL b", ":-1"),
        ("SET a 1 EX 10 PX 20", "-ERR syntax error"),
        ("SET a 1 EX 10 KEEPTTL", "-ERR syntax error"),
        ("SET a 1 KEEPTTL EX 10", "-ERR syntax error"),
        ("SET a 1 EX 10 EXAT 10", "-ERR syntax error"),
        ("SET a 1 PERSIST", "-ERR syntax error"),
        ("SET a 1 EX", "-ERR syntax error"),
        ("SET a 1 FOO", "-ERR syntax error"),
        ("SET a 1 EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EX -1", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EXAT 0", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EX 9223372036854775", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 PX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EXAT 9223372036854776", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EX abc", "-ERR value is not an integer or out of range"),
        ("SET a 1 EX 1.5", "-ERR value is not an integer or out of range"),
        ("SET a 1 PXAT 92233720368547758070", "-ERR value is not an integer or out of range"),
        ("GET a", "\"2\""),
        ("SETEX a 10 v", "+OK"),
        ("PTTL a", ":10000"),
        ("PSETEX a 10 v", "+OK"),
        ("PTTL a", ":10"),
        ("SETEX a 0 v", "-ERR invalid expire time in 'setex' command"),
        ("SETEX a -1 v", "-ERR invalid expire time in 'setex' command"),
        ("SETEX a 9223372036854775807 v", "-ERR invalid expire time in 'setex' command"),
        ("SETEX a x v", "-ERR value is not an integer or out of range"),
        ("PSETEX a 0 v", "-ERR invalid expire time in 'psetex' command"),
        ("PSETEX a x v", "-ERR value is not an integer or out of range"),
        ("SETEX a 10", "-ERR wrong number of arguments for 'setex' command"),
    ]);
}

#[test]
fn a_time_in_the_past_removes_the_key() {
    check(&[
        ("SET a 1", "+OK"),
        ("SET a 2 PXAT 1", "+OK"),
        ("DBSIZE", ":0"),
        ("GET a", "nil"),
        ("SET a 1", "+OK"),
        ("SET a 2 GET EXAT 1", "\"1\""),
        ("DBSIZE", ":0"),
        ("SET b 1 EXAT 1", "+OK"),
        ("DBSIZE", ":0"),
        ("SET b 1 PXAT 1700000000000", "+OK"),
        ("DBSIZE", ":0"),
        ("SET b 1 PXAT 1700000000001", "+OK"),
        ("DBSIZE", ":1"),
    ]);
}

#[test]
fn keys_vanish_when_their_time_has_passed() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        client.check(&[("SET a 1 PX 100", "+OK"), ("SET b 1 EXAT 1700000001", "+OK"), ("SET c 1 EX 2", "+OK")]);
        server.advance_ms(100);
        client.check(&[("GET a", "\"1\""), ("PTTL a", ":0")]);
        server.advance_ms(1);
        client.check(&[("GET a", "nil"), ("INCR a", ":1"), ("TTL a", ":-1"), ("STRLEN b", ":1")]);
        server.advance_ms(900);
        client.check(&[("SETNX b 2", ":1"), ("APPEND c x", ":2"), ("PTTL c", ":999")]);
        server.advance_ms(1000);
        client.check(&[("GETDEL c", "nil"), ("SET c 1 XX", "nil"), ("GETRANGE c 0 -1", "\"\"")]);
    }
}

#[test]
fn getex() {
    check(&[
        ("GETEX none EX 0", "nil"),
        ("GETEX none EX", "-ERR syntax error"),
        ("SET a v", "+OK"),
        ("GETEX a", "\"v\""),
        ("TTL a", ":-1"),
        ("GETEX a EX 10", "\"v\""),
        ("PTTL a", ":10000"),
        ("GETEX a", "\"v\""),
        ("PTTL a", ":10000"),
        ("GETEX a px 7", "\"v\""),
        ("PTTL a", ":7"),
        ("GETEX a EX 10 EX 20", "\"v\""),
        ("TTL a", ":20"),
        ("GETEX a PERSIST PERSIST", "\"v\""),
        ("TTL a", ":-1"),
        ("GETEX a EXAT 1700000003", "\"v\""),
        ("PTTL a", ":3000"),
        ("GETEX a EX 0", "-ERR invalid expire time in 'getex' command"),
        ("GETEX a EX x", "-ERR value is not an integer or out of range"),
        ("GETEX a PERSIST EX 10", "-ERR syntax error"),
        ("GETEX a EX 10 PERSIST", "-ERR syntax error"),
        ("GETEX a EX 10 PX 10", "-ERR syntax error"),
        ("GETEX a NX", "-ERR syntax error"),
        ("GETEX a GET", "-ERR syntax error"),
        ("GETEX a KEEPTTL", "-ERR syntax error"),
        ("GETEX a PXAT 1", "\"v\""),
        ("GET a", "nil"),
        ("DBSIZE", ":0"),
    ]);
}

#[test]
fn read_and_change() {
    check(&[
        ("GETSET a 1", "nil"),
        ("SET a 2 EX 10", "+OK"),
        ("GETSET a 3", "\"2\""),
        ("TTL a", ":-1"),
        ("GETDEL a", "\"3\""),
        ("GETDEL a", "nil"),
        ("SETNX a 1", ":1"),
        ("SETNX a 2", ":0"),
        ("GET a", "\"1\""),
        ("DELIFEQ a 2", ":0"),
        ("DELIFEQ a 1", ":1"),
        ("DELIFEQ a 1", ":0"),
        ("DELEX a", ":0"),
        ("DELEX a IFEQ 1", ":0"),
        ("DELEX a IFDNE x", ":0"),
        ("DIGEST a", "nil"),
        ("SET a b IFDEQ 2d06800538d394c2", "nil"),
        ("SET a \"\" IFDNE 2d06800538d394c2", "+OK"),
        ("DIGEST a", "\"2d06800538d394c2\""),
        ("SET a b IFDNE 2D06800538D394C2", "nil"),
        ("SET a b ifdeq 2D06800538D394C2 GET", "\"\""),
        ("DIGEST a", "\"575a0b1c44d8843f\""),
        ("SET a b IFDEQ", "-ERR syntax error"),
        ("SET a b IFDEQ 2d06800538d394c2 NX", "-ERR syntax error"),
        ("SET a b IFDEQ 1", "-ERR digest must be exactly 16 hexadecimal characters"),
        ("DELEX a IFEQ", "-ERR wrong number of arguments for 'delex' command"),
        ("DELEX a IFEQ b c", "-ERR wrong number of arguments for 'delex' command"),
        ("DELEX a EQ b", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
        ("DELEX a IFDEQ b", "-ERR digest must be exactly 16 hexadecimal characters"),
        ("DELEX a IFEQ c", ":0"),
        ("DELEX a IFNE b", ":0"),
        ("DELEX a IFDEQ 2d06800538d394c2", ":0"),
        ("DELEX a IFDNE 2d06800538d394c2", ":1"),
        ("SET a b", "+OK"),
        ("DELEX a ifeq b", ":1"),
        ("SADD a b", ":1"),
        ("DELEX a IFEQ b", "-ERR Key should be of string type if conditions are specified"),
        ("DIGEST a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("SET a b IFDNE 2d06800538d394c2", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("DELEX a", ":1"),
        ("GET a", "nil"),
        ("STRLEN a", ":0"),
        ("SET a hello", "+OK"),
        ("STRLEN a", ":5"),
        ("SET a -12", "+OK"),
        ("STRLEN a", ":3"),
    ]);
}

#[test]
fn counters() {
    check(&[
        ("INCR a", ":1"),
        ("INCRBY a 10", ":11"),
        ("DECR a", ":10"),
        ("DECRBY a 20", ":-10"),
        ("DECRBY fresh 3", ":-3"),
        ("OBJECT ENCODING a", "\"int\""),
        ("SET a 5 EX 10", "+OK"),
        ("INCR a", ":6"),
        ("TTL a", ":10"),
        ("INCRBY a x", "-ERR value is not an integer or out of range"),
        ("INCRBY a 1.0", "-ERR value is not an integer or out of range"),
        ("DECRBY a 9223372036854775808", "-ERR value is not an integer or out of range"),
        ("DECRBY a -9223372036854775808", "-ERR decrement would overflow"),
        ("SET a 9223372036854775807", "+OK"),
        ("INCR a", "-ERR increment or decrement would overflow"),
        ("DECRBY a -1", "-ERR increment or decrement would overflow"),
        ("SET a -9223372036854775808", "+OK"),
        ("DECR a", "-ERR increment or decrement would overflow"),
        ("INCRBY a 9223372036854775807", ":-1"),
        ("SET a \" 1\"", "+OK"),
        ("INCR a", "-ERR value is not an integer or out of range"),
        ("SET a 01", "+OK"),
        ("INCR a", "-ERR value is not an integer or out of range"),
        ("SET a \"\"", "+OK"),
        ("INCR a", "-ERR value is not an integer or out of range"),
        ("INCR", "-ERR wrong number of arguments for 'incr' command"),
    ]);
}

#[test]
fn floats() {
    check(&[
        ("INCRBYFLOAT a 10.50", "\"10.5\""),
        ("INCRBYFLOAT a 0.1", "\"10.6\""),
        ("INCRBYFLOAT a -5.6", "\"5\""),
        ("OBJECT ENCODING a", "\"embstr\""),
        ("INCR a", ":6"),
        ("OBJECT ENCODING a", "\"int\""),
        ("INCRBYFLOAT a 2.0e2", "\"206\""),
        ("INCRBYFLOAT a 0x1p3", "\"214\""),
        ("INCRBYFLOAT a -1e-30", "\"214\""),
        ("INCRBYFLOAT zero -1e-30", "\"0\""),
        ("SET a 1 EX 10", "+OK"),
        ("INCRBYFLOAT a 1.5", "\"2.5\""),
        ("TTL a", ":10"),
        ("INCR a", "-ERR value is not an integer or out of range"),
        ("INCRBYFLOAT none x", "-ERR value is not a valid float"),
        ("INCRBYFLOAT none \"\"", "-ERR value is not a valid float"),
        ("INCRBYFLOAT none nan", "-ERR value is not a valid float"),
        ("INCRBYFLOAT none 1e5000", "-ERR value is not a valid float"),
        ("INCRBYFLOAT none \" 1\"", "-ERR value is not a valid float"),
        ("INCRBYFLOAT none inf", "-ERR increment would produce NaN or Infinity"),
        ("GET none", "nil"),
        ("SET a abc", "+OK"),
        ("INCRBYFLOAT a 1", "-ERR value is not a valid float"),
        ("SET a inf", "+OK"),
        ("INCRBYFLOAT a -inf", "-ERR increment would produce NaN or Infinity"),
        ("SETRANGE hole 2 a", ":3"),
        ("INCRBYFLOAT hole 1", "-ERR value is not a valid float"),
    ]);
}

#[test]
fn append_and_ranges() {
    check(&[
        ("APPEND a 12", ":2"),
        ("OBJECT ENCODING a", "\"int\""),
        ("APPEND a \"\"", ":2"),
        ("OBJECT ENCODING a", "\"raw\""),
        ("APPEND a 3", ":3"),
        ("GET a", "\"123\""),
        ("INCR a", ":124"),
        ("APPEND none \"\"", ":0"),
        ("EXISTS none", ":1"),
        ("SET s hello", "+OK"),
        ("GETRANGE s 0 -1", "\"hello\""),
        ("GETRANGE s -3 -1", "\"llo\""),
        ("GETRANGE s -1 -3", "\"\""),
        ("GETRANGE s 5 10", "\"\""),
        ("GETRANGE s -100 100", "\"hello\""),
        ("GETRANGE s -100 -50", "\"h\""),
        ("SUBSTR s 1 3", "\"ell\""),
        ("GETRANGE missing 0 1", "\"\""),
        ("GETRANGE s x 1", "-ERR value is not an integer or out of range"),
        ("SUBSTR s 1 x", "-ERR value is not an integer or out of range"),
        ("SETRANGE s 1 EY", ":5"),
        ("GET s", "\"hEYlo\""),
        ("SETRANGE s 7 x", ":8"),
        ("GET s", "\"hEYlo\\x00\\x00x\""),
        ("SETRANGE s 0 \"\"", ":8"),
        ("SETRANGE n 3 ab", ":5"),
        ("GET n", "\"\\x00\\x00\\x00ab\""),
        ("OBJECT ENCODING n", "\"raw\""),
        ("SETRANGE m 0 12", ":2"),
        ("OBJECT ENCODING m", "\"raw\""),
        ("SETRANGE nothing 10 \"\"", ":0"),
        ("EXISTS nothing", ":0"),
        ("SETRANGE s -1 x", "-ERR offset is out of range"),
        ("SETRANGE s x x", "-ERR value is not an integer or out of range"),
        ("SETRANGE s 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE s 9223372036854775807 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE nothing 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE nothing 536870912 \"\"", ":0"),
        ("SET t 1 EX 10", "+OK"),
        ("APPEND t 2", ":2"),
        ("SETRANGE t 0 9", ":2"),
        ("GET t", "\"92\""),
        ("TTL t", ":10"),
    ]);
}

/// Whatever is configured: they may become elements of lists, whose lengths have 32 bits.
#[test]
fn strings_are_shorter_than_four_gibibytes() {
    let client = TestCore::with_config(1, |config| config.proto_max_bulk_len_bytes = 1 << 40).client();
    client.check(&[
        ("SETRANGE a 4294967295 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETBIT a 34359738360 1", "-ERR bit offset is not an integer or out of range"),
        ("EXISTS a", ":0"),
    ]);
}

#[test]
fn strings_are_bounded_by_proto_max_bulk_len() {
    let client = TestCore::with_config(1, |config| config.proto_max_bulk_len_bytes = 1 << 20).client();
    client.check(&[
        ("SETRANGE a 1048575 x", ":1048576"),
        ("APPEND a x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("APPEND a \"\"", ":1048576"),
        ("SETRANGE a 1048576 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("GETRANGE a 1048570 -1", "\"\\x00\\x00\\x00\\x00\\x00x\""),
        ("STRLEN a", ":1048576"),
        ("SETRANGE b 600 x", ":601"),
        ("LCS b b LEN", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
        ("SETRANGE c 500 x", ":501"),
        ("LCS c c LEN", ":501"),
    ]);
}

#[test]
fn several_keys() {
    check(&[
        ("MSET a 1 b 2 c 3 d 4", "+OK"),
        ("MGET a b none c d a", "[\"1\", \"2\", nil, \"3\", \"4\", \"1\"]"),
        ("MSET a x a y", "+OK"),
        ("GET a", "\"y\""),
        ("SET a 1 EX 10", "+OK"),
        ("MSET a 2 b 3", "+OK"),
        ("TTL a", ":-1"),
        ("MSET a", "-ERR wrong number of arguments for 'mset' command"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("MSET a 1 b 2 c", "-ERR wrong number of arguments for 'mset' command"),
        ("GET a", "\"2\""),
        ("MGET", "-ERR wrong number of arguments for 'mget' command"),
        ("MSETNX {t}a 1 {t}b 2", ":1"),
        ("MSETNX {t}c 1 {t}b 2", ":0"),
        ("MGET {t}a {t}b {t}c", "[\"1\", \"2\", nil]"),
        ("MSETNX {t}d 1 {t}d 2", ":1"),
        ("GET {t}d", "\"2\""),
        ("MSETNX {t}e 1 {t}f", "-ERR wrong number of arguments for 'msetnx' command"),
        ("MSETNX {t}e", "-ERR wrong number of arguments for 'msetnx' command"),
    ]);
}

#[test]
fn msetex() {
    check(&[
        ("MSETEX 2 {t}a 1 {t}b 2", ":1"),
        ("MGET {t}a {t}b", "[\"1\", \"2\"]"),
        ("TTL {t}a", ":-1"),
        ("MSETEX 2 {t}a 3 {t}b 4 EX 10", ":1"),
        ("TTL {t}a", ":10"),
        ("TTL {t}b", ":10"),
        ("MSETEX 1 {t}a 5 KEEPTTL", ":1"),
        ("PTTL {t}a", ":10000"),
        ("MSETEX 2 {t}a 6 {t}c 6 NX", ":0"),
        ("MSETEX 2 {t}a 6 {t}c 6 XX", ":0"),
        ("MGET {t}a {t}b {t}c", "[\"5\", \"4\", nil]"),
        ("MSETEX 2 {t}a 6 {t}b 6 PXAT 1700000000500 xx", ":1"),
        ("PTTL {t}b", ":500"),
        ("MSETEX 2 {t}c 7 {t}d 7 nx px 9", ":1"),
        ("PTTL {t}d", ":9"),
        ("MSETEX 1 {t}a 7", ":1"),
        ("TTL {t}a", ":-1"),
        ("MSETEX 2 {t}c 7 {t}d 7 EXAT 1", ":1"),
        ("MGET {t}c {t}d", "[nil, nil]"),
        ("MSETEX 1 EX PX NX", ":1"),
        ("GET EX", "\"PX\""),
        ("MSETEX 0 {t}a 1", "-ERR invalid numkeys value"),
        ("MSETEX -1 {t}a 1", "-ERR invalid numkeys value"),
        ("MSETEX x {t}a 1", "-ERR invalid numkeys value"),
        ("MSETEX 9223372036854775807 {t}a 1", "-ERR invalid numkeys value"),
        ("MSETEX 2 {t}a 1", "-ERR wrong number of key-value pairs"),
        ("MSETEX 2 {t}a 1 {t}b", "-ERR wrong number of key-value pairs"),
        ("MSETEX 1 {t}a", "-ERR wrong number of arguments for 'msetex' command"),
        ("MSETEX 1 {t}a 1 NX XX", "-ERR syntax error"),
        ("MSETEX 1 {t}a 1 EX 10 KEEPTTL", "-ERR syntax error"),
        ("MSETEX 1 {t}a 1 EX", "-ERR syntax error"),
        ("MSETEX 1 {t}a 1 GET", "-ERR syntax error"),
        ("MSETEX 1 {t}a 1 IFEQ 1", "-ERR syntax error"),
        ("MSETEX 1 {t}a 1 EX 0", "-ERR invalid expire time in 'msetex' command"),
        ("MSETEX 1 {t}a 1 EX x", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn lcs() {
    check(&[
        ("MSET {t}a ohmytext {t}b mynewtext", "+OK"),
        ("LCS {t}a {t}b", "\"mytext\""),
        ("LCS {t}a {t}b LEN", ":6"),
        ("LCS {t}a {t}b IDX", "[\"matches\", [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], \"len\", :6]"),
        ("LCS {t}a {t}b idx MINMATCHLEN 4", "[\"matches\", [[[:4, :7], [:5, :8]]], \"len\", :6]"),
        (
            "LCS {t}a {t}b IDX minmatchlen -3 WITHMATCHLEN",
            "[\"matches\", [[[:4, :7], [:5, :8], :4], [[:2, :3], [:0, :1], :2]], \"len\", :6]",
        ),
        ("LCS {t}a {t}b LEN WITHMATCHLEN", ":6"),
        ("LCS {t}a {t}b WITHMATCHLEN MINMATCHLEN 4", "\"mytext\""),
        ("LCS {t}a {t}none", "\"\""),
        ("LCS {t}a {t}none LEN", ":0"),
        ("LCS {t}a {t}none IDX", "[\"matches\", [], \"len\", :0]"),
        ("LCS {t}a {t}b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."),
        ("LCS {t}a {t}b FOO", "-ERR syntax error"),
        ("LCS {t}a {t}b MINMATCHLEN", "-ERR syntax error"),
        ("LCS {t}a {t}b MINMATCHLEN x", "-ERR value is not an integer or out of range"),
        ("LCS {t}a", "-ERR wrong number of arguments for 'lcs' command"),
    ]);
}

#[test]
fn lcs_answers_a_map_in_resp3() {
    let client = TestCore::new(1).client();
    client.send("HELLO 3");
    client.check(&[
        ("MSET a ohmytext b mynewtext", "+OK"),
        ("LCS a b IDX MINMATCHLEN 4", "{\"matches\": [[[:4, :7], [:5, :8]]], \"len\": :6}"),
        ("MGET none", "[nil]"),
    ]);
}

#[test]
fn keys_on_several_cores() {
    let server = TestCore::new(3);
    let client = server.client_on(1);
    let [a, b, c] = key_of_each_core(3, "key").try_into().expect("three cores have three keys");
    let send = |line: String| client.send(&line);
    assert_eq!(send(format!("MSET {c} 3 {a} 1 {b} 2")), "+OK");
    assert_eq!(send(format!("MGET {a} none {c} {b} {c}")), "[\"1\", nil, \"3\", \"2\", \"3\"]");
    for core in 0..3 {
        assert_eq!(server.engine(core, |engine| engine.inspect().keyspace().len(0)), 1, "core {core}");
    }
    assert_eq!(send(format!("MSETNX {a} 1 {b} 2")), ":0");
    assert_eq!(send(format!("MSETEX 2 {a} 1 {b} 2 NX")), ":0");
    assert_eq!(send(format!("MSETEX 2 {a} one {b} two XX EX 100")), ":1");
    assert_eq!(send(format!("MGET {a} {b}")), "[\"one\", \"two\"]");
    assert_eq!(send(format!("TTL {b}")), ":100");
    assert_eq!(send(format!("LCS {a} {b}")), "\"o\"");
    assert_eq!(
        send(format!("LCS {a} {b} IDX LEN")),
        "-ERR If you want both the length and indexes, please just use IDX."
    );
    assert_eq!(send(format!("DEL {a} {b} {c}")), ":3");
    assert_eq!(send(format!("MSETNX {a} 1 {b} 2")), ":1");
    assert_eq!(send(format!("MSETNX {a} 1 {b}")), "-ERR wrong number of arguments for 'msetnx' command");
    assert_eq!(send(format!("MSETEX 2 {a} 1 {b} 2 EX 0")), "-ERR invalid expire time in 'msetex' command");
    // What follows the pairs are words, not keys.
    assert_eq!(send(format!("MSETEX 1 {a} 1 EX 10")), ":1");
    assert_eq!(send(format!("MSET {a} 1 {b}")), "-ERR wrong number of arguments for 'mset' command");
}

#[test]
fn reads_count_hits_and_misses() {
    let server = TestCore::new(1);
    let client = server.client();
    let counts = |client: &Client, line: &str| {
        let before = server.engine(0, |engine| hits_and_misses(engine));
        client.send(line);
        let after = server.engine(0, |engine| hits_and_misses(engine));
        (after.0 - before.0, after.1 - before.1)
    };
    for (line, expected) in [
        ("SET a 1", (0, 0)),
        ("GET a", (1, 0)),
        ("GET b", (0, 1)),
        ("MGET a b a", (2, 1)),
        ("SET a 1 GET", (1, 0)),
        ("SET a 1 NX", (0, 0)),
        ("GETSET b 1", (0, 1)),
        ("GETEX a", (1, 0)),
        ("INCR a", (0, 0)),
        ("APPEND a 1", (0, 0)),
        ("STRLEN a", (1, 0)),
        ("GETRANGE a 0 1", (1, 0)),
        ("LCS a none", (1, 1)),
        ("GETDEL a", (1, 0)),
    ] {
        assert_eq!(counts(&client, line), expected, "{line}");
    }
}

#[test]
fn a_large_value_survives_every_edit() {
    let client = TestCore::new(1).client();
    let big = vec![b'x'; 3 << 20];
    assert_eq!(client.call(&[&b"SET"[..], b"big", &big]), "+OK");
    client.check(&[
        ("STRLEN big", ":3145728"),
        ("APPEND big yz", ":3145730"),
        ("GETRANGE big -3 -1", "\"xyz\""),
        ("SETRANGE big 3145730 !", ":3145731"),
        ("SETRANGE big 0 AB", ":3145731"),
        ("GETRANGE big 0 2", "\"ABx\""),
        ("GETRANGE big -4 -1", "\"xyz!\""),
        ("SET big small", "+OK"),
        ("GET big", "\"small\""),
        ("DBSIZE", ":1"),
    ]);
    assert_eq!(START_MS, 1_700_000_000_000, "the tables above are written for this time");
}

#[test]
fn taking_away_an_expiry_that_is_not_there_is_no_change() {
    let core = TestCore::new(1);
    let client = core.client();
    for (set, goes_on) in [("SET k v", true), ("SET k v EX 100", false)] {
        client.send(set);
        client.send("WATCH k");
        assert_eq!(client.send("GETEX k PERSIST"), "\"v\"");
        client.send("MULTI");
        client.send("GET k");
        assert_eq!(client.send("EXEC") != "nil", goes_on, "{set}");
    }
}
