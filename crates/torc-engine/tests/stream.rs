//! The stream commands through the engine: each option, each error, on one core and over three.

mod common;

use common::{START_MS, TestCore};

/// Runs a table on one core and on three, each time on an empty server.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn xadd_makes_ids() {
    let auto = format!("\"{START_MS}-0\"");
    let next = format!("\"{START_MS}-1\"");
    check(&[
        ("XADD s * a 1", &auto),
        ("XADD s * a 2 b 3", &next),
        ("TYPE s", "+stream"),
        ("OBJECT ENCODING s", "\"stream\""),
        ("XADD s 99999999999999-* a 1", "\"99999999999999-0\""),
        ("XADD s 99999999999999-* a 1", "\"99999999999999-1\""),
        ("XADD s * a 1", "\"99999999999999-2\""),
        ("XLEN s", ":5"),
        ("XADD t 0-* a 1", "\"0-1\""),
        ("XADD t 5 a 1", "\"5-0\""),
        ("XADD t 5-0 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD t 4-* a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD t 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD none 0 a 1", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("EXISTS none", ":0"),
        ("XADD t 5-18446744073709551615 a 1", "\"5-18446744073709551615\""),
        ("XADD t 5-* a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD t 18446744073709551615-18446744073709551614 a 1", "\"18446744073709551615-18446744073709551614\""),
        ("XADD t * a 1", "\"18446744073709551615-18446744073709551615\""),
        ("XADD t * a 1", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
    ]);
}

#[test]
fn xadd_refuses() {
    check(&[
        ("XADD s", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s * a", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s * a 1 b", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN 5 NOMKSTREAM", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN ~ 5 *", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s - a 1", INVALID_ID),
        ("XADD s + a 1", INVALID_ID),
        ("XADD s x-1 a 1", INVALID_ID),
        ("XADD s 18446744073709551616 a 1", INVALID_ID),
        ("XADD s MAXLEN -1 * a 1", "-ERR The MAXLEN argument must be >= 0."),
        ("XADD s MAXLEN x * a 1", "-ERR value is not an integer or out of range"),
        ("XADD s MAXLEN 9223372036854775808 * a 1", "-ERR value is not an integer or out of range"),
        ("XADD s MINID x * a 1", INVALID_ID),
        ("XADD s MAXLEN 5 MINID 1 * a 1", BOTH_STRATEGIES),
        ("XADD s MAXLEN 5 MAXLEN 1 * a 1", BOTH_STRATEGIES),
        ("XADD s LIMIT 5 * a 1", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("XADD s MAXLEN 5 LIMIT 5 * a 1", "-ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("XADD s MAXLEN ~ 5 LIMIT -5 * a 1", "-ERR The LIMIT argument must be >= 0."),
        ("XADD s KEEPREF ACKED * a 1", "-ERR syntax error"),
        ("EXISTS s", ":0"),
        ("XADD s NOMKSTREAM * a 1", "nil"),
        ("EXISTS s", ":0"),
        ("XADD s NOMKSTREAM 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("SET text 1", "+OK"),
        ("XADD text * a 1", WRONG_TYPE),
        ("XLEN text", WRONG_TYPE),
        ("XRANGE text - +", WRONG_TYPE),
        ("XREVRANGE text + -", WRONG_TYPE),
        ("XDEL text 1", WRONG_TYPE),
        ("XTRIM text MAXLEN 0", WRONG_TYPE),
        ("XDELEX text IDS 1 1-1", WRONG_TYPE),
        ("XACKDEL text g IDS 1 1-1", WRONG_TYPE),
    ]);
}

const BOTH_STRATEGIES: &str = "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible";

#[test]
fn ranges() {
    check(&[
        ("XRANGE s - +", "[]"),
        ("XREVRANGE s + -", "[]"),
        ("XLEN s", ":0"),
        ("XADD s 1-0 a 1", "\"1-0\""),
        ("XADD s 1-1 a 2 b -77777", "\"1-1\""),
        ("XADD s 2-0 other 0123", "\"2-0\""),
        ("XADD s 3-5 a \"\\x00\\xff\"", "\"3-5\""),
        ("XRANGE s - + COUNT 2", r#"[["1-0", ["a", "1"]], ["1-1", ["a", "2", "b", "-77777"]]]"#),
        ("XRANGE s 2 3", r#"[["2-0", ["other", "0123"]], ["3-5", ["a", "\x00\xff"]]]"#),
        ("XRANGE s (1-0 2", r#"[["1-1", ["a", "2", "b", "-77777"]], ["2-0", ["other", "0123"]]]"#),
        ("XRANGE s (1-0 (2-0", r#"[["1-1", ["a", "2", "b", "-77777"]]]"#),
        ("XRANGE s 3 2", "[]"),
        ("XRANGE s - + COUNT 0", "nil"),
        ("XRANGE s - + COUNT -5", "nil"),
        ("XRANGE none - + COUNT 0", "[]"),
        ("XREVRANGE s + - COUNT 1", r#"[["3-5", ["a", "\x00\xff"]]]"#),
        ("XREVRANGE s 2 1-1", r#"[["2-0", ["other", "0123"]], ["1-1", ["a", "2", "b", "-77777"]]]"#),
        ("XREVRANGE s (2 (1-0", r#"[["2-0", ["other", "0123"]], ["1-1", ["a", "2", "b", "-77777"]]]"#),
        ("XRANGE s (- +", INVALID_ID),
        ("XRANGE s x +", INVALID_ID),
        ("XRANGE s - x", INVALID_ID),
        ("XRANGE s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval"),
        ("XRANGE s - (0-0", "-ERR invalid end ID for the interval"),
        ("XRANGE s - + COUNT", "-ERR syntax error"),
        ("XRANGE s - + LIMIT 1", "-ERR syntax error"),
        ("XRANGE s - + COUNT x", "-ERR value is not an integer or out of range"),
        ("XRANGE s -", "-ERR wrong number of arguments for 'xrange' command"),
        ("XREVRANGE s + x", INVALID_ID),
    ]);
}

#[test]
fn deleting_entries() {
    check(&[
        ("XADD s 1-0 a 1", "\"1-0\""),
        ("XADD s 2-0 a 2", "\"2-0\""),
        ("XADD s 3-0 a 3", "\"3-0\""),
        ("XDEL s 2-0 2-0 9-9", ":1"),
        ("XDEL s 1 x", INVALID_ID),
        ("XDEL none x", ":0"),
        ("XRANGE s - +", r#"[["1-0", ["a", "1"]], ["3-0", ["a", "3"]]]"#),
        ("XDEL s 1 3", ":2"),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
        ("XADD s 3-0 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD s 3-1 a 1", "\"3-1\""),
        ("XRANGE s - +", r#"[["3-1", ["a", "1"]]]"#),
        ("DEL s", ":1"),
        ("EXISTS s", ":0"),
    ]);
}

#[test]
fn trimming() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let fill = |key: &str| {
            for number in 1..=1000 {
                assert_eq!(client.send(&format!("XADD {key} {number}-0 f v")), format!("\"{number}-0\""));
            }
        };
        fill("s");
        client.check(&[
            ("XTRIM none MAXLEN 0", ":0"),
            ("XTRIM s MAXLEN 1000", ":0"),
            ("XTRIM s MAXLEN ~ 950", ":0"),
            ("XTRIM s MAXLEN ~ 899", ":100"),
            ("XTRIM s MAXLEN = 850", ":50"),
            ("XTRIM s MAXLEN ~ 500 LIMIT 99", ":50"),
            ("XTRIM s MAXLEN ~ 500 LIMIT 100", ":100"),
            ("XTRIM s MAXLEN ~ 500 LIMIT 0", ":200"),
            ("XLEN s", ":500"),
            ("XTRIM s MINID 600-1", ":100"),
            ("XTRIM s MINID ~ 750", ":100"),
            ("XRANGE s - + COUNT 1", r#"[["701-0", ["f", "v"]]]"#),
            ("XADD s MAXLEN 10 2000-0 f v", "\"2000-0\""),
            ("XLEN s", ":10"),
            ("XADD s MINID ~ 3000 3000-0 f v", "\"3000-0\""),
            ("XADD s MINID 2000 3001-0 f v", "\"3001-0\""),
            ("XLEN s", ":3"),
            ("XADD s MAXLEN 0 3002-0 f v", "\"3002-0\""),
            ("XLEN s", ":0"),
            ("XTRIM s MAXLEN", "-ERR wrong number of arguments for 'xtrim' command"),
            ("XTRIM s LIMIT 5", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
            ("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy"),
            ("XTRIM s MAXLEN 5 NOMKSTREAM", "-ERR syntax error"),
            ("XTRIM s MAXLEN 5 *", "-ERR syntax error"),
            ("XTRIM s MAXLEN 5 LIMIT 5", "-ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ]);
    }
}
