//! The stream commands through the engine: each option, each error, on one core and over three.

mod common;

use common::{START_MS, TestCore, key_of_each_core};

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
        ("XADD s KEEPREF ACKED * a 1", INVALID_ID),
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

const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'x'";

#[test]
fn groups_come_and_go() {
    check(&[
        ("XGROUP CREATE s g $", XGROUP_NO_KEY),
        ("XGROUP CREATE s g x MKSTREAM", INVALID_ID),
        (
            "XGROUP CREATE s g 0 MKSTREAM ENTRIESREAD 1 ENTRIESREAD 1",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        ("EXISTS s", ":0"),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("TYPE s", "+stream"),
        ("XLEN s", ":0"),
        ("XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists"),
        ("XGROUP CREATE s h 5-1 ENTRIESREAD 3", "+OK"),
        ("XGROUP CREATE s i 5 ENTRIESREAD -1", "+OK"),
        ("XGROUP CREATE s j 5 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1"),
        ("XGROUP CREATE s j 5 ENTRIESREAD x", "-ERR value is not an integer or out of range"),
        ("XGROUP CREATE s j - ", INVALID_ID),
        (
            "XGROUP CREATE s j 5 NOPE",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        (
            "XGROUP create s j 5 ENTRIESREAD",
            "-ERR unknown subcommand or wrong number of arguments for 'create'. Try XGROUP HELP.",
        ),
        ("XGROUP CREATE s j", "-ERR wrong number of arguments for 'xgroup|create' command"),
        ("XGROUP NOPE s", "-ERR unknown subcommand 'NOPE'. Try XGROUP HELP."),
        ("XGROUP SETID s g 7-7", "+OK"),
        ("XGROUP SETID s g + ENTRIESREAD 2", "+OK"),
        ("XGROUP SETID s g $", "+OK"),
        (
            "XGROUP SETID s g 5 MKSTREAM",
            "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
        ),
        ("XGROUP SETID s x 5", "-NOGROUP No such consumer group 'x' for key name 's'"),
        ("XGROUP SETID none g 5", XGROUP_NO_KEY),
        ("XGROUP CREATECONSUMER s g alice", ":1"),
        ("XGROUP CREATECONSUMER s g alice", ":0"),
        ("XGROUP CREATECONSUMER s x alice", "-NOGROUP No such consumer group 'x' for key name 's'"),
        ("XGROUP DELCONSUMER s g bob", ":0"),
        ("XGROUP DELCONSUMER s g alice", ":0"),
        ("XGROUP DELCONSUMER s x alice", "-NOGROUP No such consumer group 'x' for key name 's'"),
        ("XGROUP DELCONSUMER none x alice", XGROUP_NO_KEY),
        ("XGROUP DESTROY s g", ":1"),
        ("XGROUP DESTROY s g", ":0"),
        ("XGROUP DESTROY none g", XGROUP_NO_KEY),
        ("SET text 1", "+OK"),
        ("XGROUP CREATE text g 0 MKSTREAM", WRONG_TYPE),
        ("XGROUP SETID text g 0", WRONG_TYPE),
        ("XGROUP DESTROY text g", WRONG_TYPE),
        ("XGROUP CREATECONSUMER text g a", WRONG_TYPE),
        ("XGROUP DELCONSUMER text g a", WRONG_TYPE),
        ("XREADGROUP GROUP g a STREAMS text >", WRONG_TYPE),
        ("XREAD STREAMS text 0", WRONG_TYPE),
        ("XACK text g 1", WRONG_TYPE),
        ("XPENDING text g", WRONG_TYPE),
        ("XCLAIM text g a 0 1", WRONG_TYPE),
        ("XAUTOCLAIM text g a 0 1", WRONG_TYPE),
        ("XSETID text 1", WRONG_TYPE),
        ("XINFO STREAM text", WRONG_TYPE),
        ("XINFO GROUPS text", WRONG_TYPE),
        ("XINFO CONSUMERS text g", WRONG_TYPE),
    ]);
}

const XGROUP_NO_KEY: &str = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
                             the MKSTREAM option to create an empty stream automatically.";

#[test]
fn xread_without_waiting() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let keys = key_of_each_core(cores, "s");
        let client = core.client();
        for key in &keys {
            assert_eq!(client.send(&format!("XADD {key} 1-0 from {key}")), "\"1-0\"");
            assert_eq!(client.send(&format!("XADD {key} 2-0 a 2")), "\"2-0\"");
        }
        let all = keys.join(" ");
        let ids = |id: &str| vec![id; keys.len()].join(" ");
        let first = |key: &String| format!(r#"["{key}", [["1-0", ["from", "{key}"]]]]"#);
        let expected: Vec<String> = keys.iter().map(first).collect();
        assert_eq!(
            client.send(&format!("XREAD COUNT 1 STREAMS {all} {}", ids("0"))),
            format!("[{}]", expected.join(", "))
        );
        assert_eq!(client.send(&format!("XREAD STREAMS {all} {}", ids("2"))), "nil");
        assert_eq!(client.send(&format!("XREAD STREAMS {all} {}", ids("$"))), "nil");
        let mut back: Vec<String> = keys.clone();
        back.reverse();
        let expected: Vec<String> = back.iter().map(|key| format!(r#"["{key}", [["2-0", ["a", "2"]]]]"#)).collect();
        let request = format!("XREAD STREAMS {} {}", back.join(" "), ids("+"));
        assert_eq!(client.send(&request), format!("[{}]", expected.join(", ")));
        // A key that has nothing new is not in the reply.
        let (last, others) = keys.split_last().expect("there is a core");
        let request = format!("XREAD STREAMS none {all} 0 {} 1-0", vec!["9"; others.len()].join(" "));
        assert_eq!(client.send(&request), format!(r#"[["{last}", [["2-0", ["a", "2"]]]]]"#));
        client.send("HELLO 3");
        let request = format!("XREAD COUNT 1 STREAMS {last} 0");
        assert_eq!(client.send(&request), format!(r#"{{"{last}": [["1-0", ["from", "{last}"]]]}}"#));
        assert_eq!(client.send(&format!("XREAD STREAMS {all} {}", ids("$"))), "nil");
    }
}

#[test]
fn xread_refuses() {
    check(&[
        ("XREAD STREAMS s", "-ERR wrong number of arguments for 'xread' command"),
        ("XREAD COUNT 5 STREAMS", "-ERR syntax error"),
        ("XREAD COUNT 5 NOPE", "-ERR syntax error"),
        (
            "XREAD STREAMS a b 0",
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
        ("XREAD STREAMS s x", INVALID_ID),
        ("XREAD STREAMS s -", INVALID_ID),
        (
            "XREAD STREAMS s >",
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("XREAD COUNT x STREAMS s 0", "-ERR value is not an integer or out of range"),
        ("XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range"),
        ("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative"),
        (
            "XREAD GROUP g c STREAMS s 0",
            "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        ("XREAD NOACK STREAMS s 0", "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
        ("XREADGROUP COUNT 5 NOACK STREAMS s a 0 b", "-ERR Missing GROUP option for XREADGROUP"),
        (
            "XREADGROUP GROUP g c STREAMS a b 0",
            "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s $",
            "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        ),
        ("XREADGROUP GROUP g c STREAMS s x", INVALID_ID),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        ("XGROUP CREATE s x $ MKSTREAM", "+OK"),
        (
            "XREADGROUP GROUP g c STREAMS s 0",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
    ]);
}

/// A stream `s` of three entries, read by a group `g` of two consumers.
const READ_BY_TWO: &[(&str, &str)] = &[
    ("XADD s 1-0 a 1", "\"1-0\""),
    ("XADD s 2-0 a 2", "\"2-0\""),
    ("XADD s 3-0 a 3", "\"3-0\""),
    ("XGROUP CREATE s g 0", "+OK"),
    ("XREADGROUP GROUP g alice COUNT 1 STREAMS s >", r#"[["s", [["1-0", ["a", "1"]]]]]"#),
    ("XREADGROUP GROUP g bob STREAMS s >", r#"[["s", [["2-0", ["a", "2"]], ["3-0", ["a", "3"]]]]]"#),
];

/// Checks a table after the commands of [`READ_BY_TWO`].
#[track_caller]
fn check_read(table: &[(&str, &str)]) {
    check(&[READ_BY_TWO, table].concat());
}

#[test]
fn reading_in_groups() {
    check_read(&[
        ("XREADGROUP GROUP g bob STREAMS s >", "nil"),
        ("XREADGROUP GROUP g bob STREAMS s 0", r#"[["s", [["2-0", ["a", "2"]], ["3-0", ["a", "3"]]]]]"#),
        ("XREADGROUP GROUP g bob COUNT 1 STREAMS s 2-0", r#"[["s", [["3-0", ["a", "3"]]]]]"#),
        ("XREADGROUP GROUP g carol STREAMS s 0", r#"[["s", []]]"#),
        ("XREADGROUP GROUP g carol BLOCK 0 STREAMS s 0", r#"[["s", []]]"#),
        ("XDEL s 2-0", ":1"),
        ("XREADGROUP GROUP g bob STREAMS s 0", r#"[["s", [["2-0", nil], ["3-0", ["a", "3"]]]]]"#),
        ("XPENDING s g", r#"[:3, "1-0", "3-0", [["alice", "1"], ["bob", "2"]]]"#),
        ("XACK s g 2-0 2-0 9-9", ":1"),
        ("XACK s g 1 x", INVALID_ID),
        ("XACK s x nonsense", ":0"),
        ("XACK none g 1", ":0"),
        ("XPENDING s g", r#"[:2, "1-0", "3-0", [["alice", "1"], ["bob", "1"]]]"#),
        ("XADD s 4-0 a 4", "\"4-0\""),
        ("XREADGROUP GROUP g alice NOACK STREAMS s >", r#"[["s", [["4-0", ["a", "4"]]]]]"#),
        ("XREADGROUP GROUP g alice STREAMS s 0", r#"[["s", [["1-0", ["a", "1"]]]]]"#),
        ("XGROUP DELCONSUMER s g bob", ":1"),
        ("XPENDING s g", r#"[:1, "1-0", "1-0", [["alice", "1"]]]"#),
        ("XGROUP SETID s g 0", "+OK"),
        (
            "XREADGROUP GROUP g dave COUNT 1 STREAMS s s > >",
            r#"[["s", [["1-0", ["a", "1"]]]], ["s", [["3-0", ["a", "3"]]]]]"#,
        ),
        ("XREADGROUP GROUP g dave STREAMS s s > >", r#"[["s", [["4-0", ["a", "4"]]]]]"#),
        ("XPENDING s g", r#"[:3, "1-0", "4-0", [["dave", "3"]]]"#),
        ("DEL s", ":1"),
    ]);
}

#[test]
fn pending_entries() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_TWO);
        core.advance_ms(50);
        client.check(&[
            ("XREADGROUP GROUP g bob COUNT 1 STREAMS s 0", r#"[["s", [["2-0", ["a", "2"]]]]]"#),
            ("XPENDING s g - + 10", r#"[["1-0", "alice", :50, :1], ["2-0", "bob", :0, :2], ["3-0", "bob", :50, :1]]"#),
            ("XPENDING s g - + 2", r#"[["1-0", "alice", :50, :1], ["2-0", "bob", :0, :2]]"#),
            ("XPENDING s g (1 3 10", r#"[["2-0", "bob", :0, :2], ["3-0", "bob", :50, :1]]"#),
            ("XPENDING s g IDLE 50 - + 10", r#"[["1-0", "alice", :50, :1], ["3-0", "bob", :50, :1]]"#),
            ("XPENDING s g IDLE 50 - + 10 bob", r#"[["3-0", "bob", :50, :1]]"#),
            ("XPENDING s g - + 10 alice", r#"[["1-0", "alice", :50, :1]]"#),
            ("XPENDING s g - + 10 nobody", "[]"),
            ("XPENDING s g + - 10", "[]"),
            ("XPENDING s g - + 0", "[]"),
            ("XPENDING s g - + -1", "[]"),
            ("XPENDING s g - + x", "-ERR value is not an integer or out of range"),
            ("XPENDING s g x + 5", INVALID_ID),
            ("XPENDING s g - +", "-ERR syntax error"),
            ("XPENDING s g IDLE 5 - +", "-ERR syntax error"),
            ("XPENDING s g IDLE x - + 5", "-ERR value is not an integer or out of range"),
            ("XPENDING s g (18446744073709551615-18446744073709551615 + 5", "-ERR invalid start ID for the interval"),
            ("XPENDING s x", NO_GROUP),
            ("XPENDING none g", "-NOGROUP No such key 'none' or consumer group 'g'"),
            ("XACK s g 1-0 2-0 3-0", ":3"),
            ("XPENDING s g", "[:0, nil, nil, nil]"),
            ("XPENDING s g - + 10", "[]"),
        ]);
    }
}

#[test]
fn claiming() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_TWO);
        core.advance_ms(100);
        let time = START_MS + 40;
        client.check(&[
            ("XCLAIM s g carol 101 1-0 2-0", "[]"),
            ("XCLAIM s g carol 100 1-0 2-0", r#"[["1-0", ["a", "1"]], ["2-0", ["a", "2"]]]"#),
            ("XCLAIM s g carol 0 3-0 9-0 JUSTID", r#"["3-0"]"#),
            (
                "XPENDING s g - + 10",
                r#"[["1-0", "carol", :0, :2], ["2-0", "carol", :0, :2], ["3-0", "carol", :0, :1]]"#,
            ),
            ("XCLAIM s g carol 0 3 IDLE 7 RETRYCOUNT 9 JUSTID", r#"["3-0"]"#),
            (&format!("XCLAIM s g carol 0 2 TIME {time} RETRYCOUNT -3"), r#"[["2-0", ["a", "2"]]]"#),
            ("XPENDING s g (1 + 10", r#"[["2-0", "carol", :60, :3], ["3-0", "carol", :7, :9]]"#),
            ("XCLAIM s g carol 0 2 IDLE -9223372036854775808 JUSTID", r#"["2-0"]"#),
            ("XPENDING s g 2 2 10", r#"[["2-0", "carol", :0, :3]]"#),
            ("XACK s g 1-0", ":1"),
            ("XCLAIM s g dave 0 1-0", "[]"),
            ("XCLAIM s g dave 0 1-0 FORCE", r#"[["1-0", ["a", "1"]]]"#),
            ("XCLAIM s g dave 0 9-0 FORCE JUSTID LASTID 8-0", "[]"),
            ("XPENDING s g - + 1", r#"[["1-0", "dave", :0, :2]]"#),
            ("XADD s 7-0 a 7", "\"7-0\""),
            ("XREADGROUP GROUP g dave STREAMS s >", "nil"),
            ("XDEL s 1-0", ":1"),
            ("XCLAIM s g dave 0 1-0", "[]"),
            ("XPENDING s g", r#"[:2, "2-0", "3-0", [["carol", "2"]]]"#),
            ("XCLAIM s g dave x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM"),
            ("XCLAIM s g dave 0 1-0 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM"),
            ("XCLAIM s g dave 0 1-0 TIME x", "-ERR Invalid TIME option argument for XCLAIM"),
            ("XCLAIM s g dave 0 1-0 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM"),
            ("XCLAIM s g dave 0 1-0 LASTID x", INVALID_ID),
            ("XCLAIM s g dave 0 1-0 NOPE", "-ERR Unrecognized XCLAIM option 'NOPE'"),
            ("XCLAIM s g dave 0 1-0 IDLE", "-ERR Unrecognized XCLAIM option 'IDLE'"),
            ("XCLAIM s x dave 0 1-0", NO_GROUP),
        ]);
    }
}

#[test]
fn claiming_what_is_idle() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_TWO);
        core.advance_ms(100);
        client.check(&[
            ("XAUTOCLAIM s g carol 101 0", r#"["0-0", [], []]"#),
            ("XAUTOCLAIM s g carol 100 0 COUNT 1", r#"["2-0", [["1-0", ["a", "1"]]], []]"#),
            ("XDEL s 2-0", ":1"),
            ("XAUTOCLAIM s g carol 100 - COUNT 2 JUSTID", r#"["0-0", ["3-0"], ["2-0"]]"#),
            ("XPENDING s g - + 10", r#"[["1-0", "carol", :0, :2], ["3-0", "carol", :0, :1]]"#),
            ("XAUTOCLAIM s g carol 0 (1-0", r#"["0-0", [["3-0", ["a", "3"]]], []]"#),
            (
                "XAUTOCLAIM s g dave -5 (18446744073709551615-18446744073709551615",
                "-ERR invalid start ID for the interval",
            ),
            ("XAUTOCLAIM s g dave x 0", "-ERR Invalid min-idle-time argument for XAUTOCLAIM"),
            ("XAUTOCLAIM s g dave 0 x", INVALID_ID),
            ("XAUTOCLAIM s g dave 0 0 COUNT 0", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g dave 0 0 COUNT 8070450532247928833", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g dave 0 0 COUNT", "-ERR syntax error"),
            ("XAUTOCLAIM s g dave 0 0 NOPE", "-ERR syntax error"),
            ("XAUTOCLAIM s x dave 0 0", NO_GROUP),
        ]);
    }
}

#[test]
fn what_xinfo_shows() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.send("HELLO 3");
        client.check(&[
            ("XINFO STREAM s", "-ERR no such key"),
            ("XINFO STREAM s NOPE", "-ERR no such key"),
            ("XINFO GROUPS s", "-ERR no such key"),
            ("XINFO CONSUMERS s g", "-ERR no such key"),
            ("XADD s 1-0 a 1", "\"1-0\""),
            ("XADD s 2-0 a 2", "\"2-0\""),
            ("XADD s 3-0 a 3", "\"3-0\""),
            ("XDEL s 3-0", ":1"),
            ("XINFO GROUPS s", "[]"),
            ("XGROUP CREATE s g 0", "+OK"),
            ("XGROUP CREATECONSUMER s g bob", ":1"),
            ("XINFO STREAM s NOPE", "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
            ("XINFO STREAM s FULL COUNT x", "-ERR value is not an integer or out of range"),
            ("XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'"),
            ("XINFO STREAM s", r#"{"length": :2, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "3-0", "max-deleted-entry-id": "3-0", "entries-added": :3, "recorded-first-entry-id": "1-0", "groups": :1, "first-entry": ["1-0", ["a", "1"]], "last-entry": ["2-0", ["a", "2"]]}"#),
            ("XREADGROUP GROUP g alice COUNT 1 STREAMS s >", r#"{"s": [["1-0", ["a", "1"]]]}"#),
        ]);
        core.advance_ms(30);
        let (start, later) = (START_MS, START_MS + 30);
        let full = format!(
            r#"{{"length": :2, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "3-0", "max-deleted-entry-id": "3-0", "entries-added": :3, "recorded-first-entry-id": "1-0", "entries": [["1-0", ["a", "1"]]], "groups": [{{"name": "g", "last-delivered-id": "1-0", "entries-read": nil, "lag": nil, "pel-count": :1, "pending": [["1-0", "alice", :{start}, :1]], "consumers": [{{"name": "alice", "seen-time": :{later}, "active-time": :{start}, "pel-count": :1, "pending": [["1-0", :{start}, :1]]}}, {{"name": "bob", "seen-time": :{start}, "active-time": :-1, "pel-count": :0, "pending": []}}]}}]}}"#
        );
        client.check(&[
            ("XREADGROUP GROUP g alice STREAMS s 1", r#"{"s": []}"#),
            ("XINFO STREAM s FULL COUNT 1", &full),
            ("XINFO GROUPS s", r#"[{"name": "g", "consumers": :2, "pending": :1, "last-delivered-id": "1-0", "entries-read": nil, "lag": nil}]"#),
            ("XINFO CONSUMERS s g", r#"[{"name": "alice", "pending": :1, "idle": :0, "inactive": :30}, {"name": "bob", "pending": :0, "idle": :30, "inactive": :-1}]"#),
            ("DEL s", ":1"),
            ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
            ("XINFO STREAM s", r#"{"length": :0, "radix-tree-keys": :0, "radix-tree-nodes": :1, "last-generated-id": "0-0", "max-deleted-entry-id": "0-0", "entries-added": :0, "recorded-first-entry-id": "0-0", "groups": :1, "first-entry": nil, "last-entry": nil}"#),
        ]);
        assert!(client.send("XINFO HELP").starts_with("[+XINFO <subcommand>"));
        assert!(client.send("XGROUP HELP").starts_with("[+XGROUP <subcommand>"));
    }
}

#[test]
fn how_far_a_group_has_read() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let progress = |line: &str| {
            assert!(!client.send(line).starts_with('-'), "{line}");
            let groups = client.send("XINFO GROUPS x");
            let at = groups.find("\"entries-read\"").expect("there is a group");
            groups[at..].trim_end_matches(']').to_owned()
        };
        for number in 1..=5 {
            client.send(&format!("XADD x {number}-0 data a"));
        }
        let table = [
            ("XGROUP CREATE x g1 0", r#""entries-read", nil, "lag", :5"#),
            ("XREADGROUP GROUP g1 c COUNT 1 STREAMS x >", r#""entries-read", :1, "lag", :4"#),
            ("XREADGROUP GROUP g1 c COUNT 10 STREAMS x >", r#""entries-read", :5, "lag", :0"#),
            ("XADD x 6-0 data f", r#""entries-read", :5, "lag", :1"#),
            ("XGROUP SETID x g1 0", r#""entries-read", nil, "lag", :6"#),
            ("XDEL x 3-0", r#""entries-read", nil, "lag", nil"#),
            ("XREADGROUP GROUP g1 c COUNT 2 STREAMS x >", r#""entries-read", nil, "lag", nil"#),
            ("XREADGROUP GROUP g1 c COUNT 3 STREAMS x >", r#""entries-read", :6, "lag", :0"#),
            ("XGROUP SETID x g1 0", r#""entries-read", nil, "lag", nil"#),
            ("XTRIM x MINID = 4-0", r#""entries-read", nil, "lag", :3"#),
            ("XTRIM x MAXLEN 0", r#""entries-read", nil, "lag", :0"#),
            ("XADD x 9-0 a b", r#""entries-read", nil, "lag", :1"#),
            ("XGROUP SETID x g1 9-0 ENTRIESREAD 3", r#""entries-read", :3, "lag", :4"#),
        ];
        for (line, expected) in table {
            assert_eq!(progress(line), expected, "{line}");
        }
    }
}

#[test]
fn xsetid_sets_what_it_may() {
    check(&[
        ("XSETID s 1-1", "-ERR no such key"),
        ("XADD s 5-0 a 1", "\"5-0\""),
        ("XSETID s 4-0", "-ERR The ID specified in XSETID is smaller than the target stream top item"),
        ("XSETID s x", INVALID_ID),
        ("XSETID s 200-0", "+OK"),
        ("XADD s 199-0 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        (
            "XSETID s 200-0 ENTRIESADDED 0",
            "-ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        ("XSETID s 200-0 ENTRIESADDED -1", "-ERR entries_added must be positive"),
        ("XSETID s 200-0 ENTRIESADDED x", "-ERR value is not an integer or out of range"),
        (
            "XSETID s 200-0 MAXDELETEDID 200-1",
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 200-0 ENTRIESADDED", "-ERR syntax error"),
        ("XSETID s 200-0 NOPE 1", "-ERR syntax error"),
        ("XSETID s 300-0 ENTRIESADDED 100 MAXDELETEDID 200-0", "+OK"),
        ("XSETID s 199-0", "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
        (
            "XINFO STREAM s",
            r#"["length", :1, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "300-0", "max-deleted-entry-id", "200-0", "entries-added", :100, "recorded-first-entry-id", "5-0", "groups", :0, "first-entry", ["5-0", ["a", "1"]], "last-entry", ["5-0", ["a", "1"]]]"#,
        ),
    ]);
}

#[test]
fn deleting_with_references() {
    check_read(&[
        ("XGROUP CREATE s h 0", "+OK"),
        ("XREADGROUP GROUP h carol COUNT 2 STREAMS s >", r#"[["s", [["1-0", ["a", "1"]], ["2-0", ["a", "2"]]]]]"#),
        ("XDELEX s ACKED IDS 3 1-0 3-0 9-0", "[:2, :2, :-1]"),
        ("XACKDEL s g ACKED IDS 1 1-0", "[:2]"),
        ("XACKDEL s g ACKED IDS 1 1-0", "[:-1]"),
        ("XACKDEL s h ACKED IDS 1 1-0", "[:1]"),
        ("XDELEX s DELREF IDS 2 2-0 2-0", "[:1, :-1]"),
        ("XPENDING s g", r#"[:1, "3-0", "3-0", [["bob", "1"]]]"#),
        ("XPENDING s h", "[:0, nil, nil, nil]"),
        ("XDELEX s IDS 1 3-0 KEEPREF", "[:1]"),
        ("XPENDING s g", r#"[:1, "3-0", "3-0", [["bob", "1"]]]"#),
        ("XDELEX s DELREF IDS 1 3-0", "[:-1]"),
        ("XPENDING s g", "[:0, nil, nil, nil]"),
        ("XLEN s", ":0"),
        ("XDELEX none IDS 2 1-0 2-0", "[:-1, :-1]"),
        ("XACKDEL none g IDS 2 1-0 2-0", "[:-1, :-1]"),
        ("XACKDEL s x IDS 1 1-0", "[:-1]"),
        ("XACKDEL s x IDS 2 text 1", "[:-1, :-1]"),
        ("XACKDEL none g IDS 1 text DELREF", "[:-1]"),
        ("XACKDEL s x IDS 1 text other", "-ERR syntax error"),
        ("XACKDEL s h IDS 2 1-0 text", INVALID_ID),
        ("XDELEX none IDS 1 text", "[:-1]"),
        ("XDELEX none IDS 1 text IDS 2 1-0 2-0", "[:-1, :-1]"),
        ("XADD s DELREF ACKED * a b", INVALID_ID),
        ("XTRIM s MAXLEN 1 DELREF ACKED", "-ERR syntax error"),
        ("XDELEX s IDS 0 1-1", "-ERR Number of IDs must be a positive integer"),
        ("XDELEX s IDS x 1-1", "-ERR Number of IDs must be a positive integer"),
        ("XDELEX s IDS 9223372036854775807 1-1", "-ERR The `numids` parameter must match the number of arguments"),
        ("XDELEX s IDS 3 1-1 2-2", "-ERR The `numids` parameter must match the number of arguments"),
        ("XDELEX s IDS 1 1-1 2-2", "-ERR syntax error"),
        ("XDELEX s IDS 1 x", INVALID_ID),
        ("XDELEX s KEEPREF DELREF IDS 1 1-1", "-ERR syntax error"),
        ("XDELEX s KEEPREF IDS", "-ERR wrong number of arguments for 'xdelex' command"),
        ("XDELEX s KEEPREF KEEPREF IDS", "-ERR syntax error"),
        ("XACKDEL s g IDS 0 1-1", "-ERR Number of IDs must be a positive integer"),
        ("XACKDEL s g ACKED", "-ERR wrong number of arguments for 'xackdel' command"),
    ]);
}

#[test]
fn trimming_with_references() {
    check_read(&[
        ("XTRIM s MAXLEN 1 ACKED", ":0"),
        ("XACK s g 2-0", ":1"),
        ("XTRIM s MAXLEN 1 ACKED", ":1"),
        ("XRANGE s - +", r#"[["1-0", ["a", "1"]], ["3-0", ["a", "3"]]]"#),
        ("XTRIM s MINID 3-0 DELREF", ":1"),
        ("XPENDING s g", r#"[:1, "3-0", "3-0", [["bob", "1"]]]"#),
        ("XADD s KEEPREF MAXLEN 1 4-0 a 4", "\"4-0\""),
        ("XPENDING s g", r#"[:1, "3-0", "3-0", [["bob", "1"]]]"#),
        ("XADD s DELREF MAXLEN = 0 5-0 a 5", "\"5-0\""),
        ("XADD s ACKED MAXLEN 0 6-0 a 6", "\"6-0\""),
        ("XLEN s", ":1"),
    ]);
}

#[test]
fn waiting_for_entries() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let keys = key_of_each_core(3, "s");
        let (reader, writer) = (core.client(), core.client_on(cores - 1));
        let all = keys.join(" ");
        assert!(reader.pipeline(&[&format!("XREAD BLOCK 0 STREAMS {all} $ $ 0")]).is_empty());
        writer.check(&[(&format!("XADD {} 1-0 a 1", keys[1]), "\"1-0\"")]);
        assert_eq!(reader.poll(), [format!(r#"[["{}", [["1-0", ["a", "1"]]]]]"#, keys[1])]);

        // What is there already is not what `$` waits for, and time ends the wait.
        assert!(reader.pipeline(&[&format!("XREAD BLOCK 100 STREAMS {} $", keys[1])]).is_empty());
        writer.check(&[(&format!("XGROUP CREATE {} g $", keys[1]), "+OK")]);
        assert!(reader.poll().is_empty());
        core.advance_ms(101);
        core.settle();
        assert_eq!(reader.poll(), ["nil"]);

        // A key that becomes something else and then a stream again.
        assert!(reader.pipeline(&[&format!("XREAD BLOCK 0 STREAMS {} $", keys[1])]).is_empty());
        writer.check(&[
            (&format!("SET {} text", keys[1]), "+OK"),
            (&format!("DEL {}", keys[1]), ":1"),
            (&format!("XADD {} 1-0 old 1", keys[1]), "\"1-0\""),
            (&format!("XADD {} 2-0 new 1", keys[1]), "\"2-0\""),
        ]);
        assert_eq!(reader.poll(), [format!(r#"[["{}", [["2-0", ["new", "1"]]]]]"#, keys[1])]);
        writer.check(&[
            ("MULTI", "+OK"),
            (&format!("XREAD BLOCK 0 STREAMS {} $", keys[1]), "+QUEUED"),
            ("EXEC", "[nil]"),
        ]);
    }
}

#[test]
fn waiting_in_groups() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (reader, writer) = (core.client(), core.client_on(cores - 1));
        let other = core.client();
        let read = "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >";
        let no_group = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
        writer.check(&[("XGROUP CREATE s g $ MKSTREAM", "+OK")]);
        assert!(reader.pipeline(&[read]).is_empty());
        assert!(other.pipeline(&["XREADGROUP GROUP g bob BLOCK 0 STREAMS s >"]).is_empty());
        writer.check(&[("XADD s 1-0 a 1", "\"1-0\"")]);
        assert_eq!(reader.poll(), [r#"[["s", [["1-0", ["a", "1"]]]]]"#]);
        assert!(other.poll().is_empty(), "an entry goes to one consumer");
        writer.check(&[("XADD s 2-0 a 2", "\"2-0\"")]);
        assert_eq!(other.poll(), [r#"[["s", [["2-0", ["a", "2"]]]]]"#]);
        writer.check(&[("XPENDING s g", r#"[:2, "1-0", "2-0", [["alice", "1"], ["bob", "1"]]]"#)]);

        for (ends, error) in [
            (&["XGROUP DESTROY s g"][..], no_group),
            (&["DEL s"], no_group),
            (&["FLUSHALL"], no_group),
            (&["SET s text"], WRONG_TYPE),
        ] {
            writer.check(&[("DEL s", ":1"), ("XGROUP CREATE s g $ MKSTREAM", "+OK")]);
            assert!(reader.pipeline(&[read]).is_empty());
            for end in ends {
                assert!(!writer.send(end).starts_with('-'));
            }
            assert_eq!(reader.poll(), [error], "{ends:?}");
            if core.client().send("EXISTS s") == ":0" {
                writer.check(&[("SET s text", "+OK")]);
            }
        }
    }
}

#[test]
fn streams_travel_whole() {
    check_read(&[
        ("RENAME s{s} t{s}", "-ERR no such key"),
        ("EXPIRE s 100", ":1"),
        ("XADD s 4-0 a 4", "\"4-0\""),
        ("TTL s", ":100"),
        ("WATCH s", "+OK"),
        ("XTRIM s MAXLEN 4", ":0"),
        ("XDEL s 9-9", ":0"),
        ("XACK s g 9-9", ":0"),
        ("MULTI", "+OK"),
        ("XLEN s", "+QUEUED"),
        ("EXEC", "[:4]"),
        ("WATCH s", "+OK"),
        ("XDEL s 4-0", ":1"),
        ("MULTI", "+OK"),
        ("XADD s * a b", "+QUEUED"),
        ("EXEC", "nil"),
    ]);
}

#[test]
fn keys_of_requests() {
    check(&[
        ("COMMAND GETKEYS XREAD COUNT 5 STREAMS a b 0 $", r#"["a", "b"]"#),
        ("COMMAND GETKEYS XREADGROUP GROUP g c BLOCK 5 NOACK STREAMS a >", r#"["a"]"#),
        ("COMMAND GETKEYS XREAD STREAMS a b 0", r#"["a"]"#),
        ("COMMAND GETKEYS XREAD COUNT 5 BLOCK 0", "-ERR Invalid arguments specified for command"),
        ("COMMAND GETKEYS XGROUP CREATE a g 0", r#"["a"]"#),
        ("COMMAND GETKEYS XINFO STREAM a", r#"["a"]"#),
        ("COMMAND GETKEYS XADD a * b c", r#"["a"]"#),
    ]);
}

/// What a copy must have: entries, gaps, groups, consumers and what they were given.
#[test]
fn copies_have_everything() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_TWO);
        client.check(&[("XDEL s 2-0", ":1"), ("XGROUP CREATE s empty $ ENTRIESREAD 7", "+OK")]);
        let shown = client.send("XINFO STREAM s FULL COUNT 0");
        for copy in key_of_each_core(cores, "copy") {
            assert_eq!(client.send(&format!("COPY s {copy}")), ":1");
            assert_eq!(client.send(&format!("XINFO STREAM {copy} FULL COUNT 0")), shown);
            client.check(&[
                (
                    &format!("XADD {copy} 3-0 a 1"),
                    "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
                ),
                (&format!("XACK {copy} g 3-0"), ":1"),
                (&format!("XREADGROUP GROUP g bob STREAMS {copy} 0"), &format!(r#"[["{copy}", [["2-0", nil]]]]"#)),
            ]);
        }
        assert_eq!(client.send("XINFO STREAM s FULL COUNT 0"), shown);
    }
}

#[test]
fn only_what_changes_entries_ends_a_transaction_that_watches_the_stream() {
    let core = TestCore::new(1);
    let client = core.client();
    let table = [
        ("XGROUP CREATE x n 0", true),
        ("XGROUP SETID x g 0", true),
        ("XGROUP CREATECONSUMER x g d", true),
        ("XGROUP DELCONSUMER x g c", true),
        ("XGROUP DESTROY x g", true),
        ("XACK x g 1-1", true),
        ("XACKDEL x g ACKED IDS 1 2-1", true),
        ("XACKDEL x g IDS 1 1-1", false),
        ("XDELEX x ACKED IDS 2 1-1 9-9", true),
        ("XDELEX x IDS 1 1-1", false),
        ("XCLAIM x g d 0 1-1", true),
        ("XAUTOCLAIM x g d 0 0", true),
        ("XREADGROUP GROUP g c STREAMS x >", true),
        ("XREADGROUP GROUP g c STREAMS x 0", true),
        ("XSETID x 5-5", true),
        ("XTRIM x MAXLEN 9", true),
        ("XDEL x 9-1", true),
        ("XTRIM x MAXLEN 1", false),
        ("XDEL x 1-1", false),
        ("XADD x 6-6 a b", false),
    ];
    for (command, goes_on) in table {
        for line in [
            "DEL x",
            "XADD x 1-1 a b",
            "XADD x 2-1 a b",
            "XGROUP CREATE x g 0",
            "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        ] {
            client.send(line);
        }
        client.send("WATCH x");
        client.send(command);
        client.send("MULTI");
        client.send("ECHO same");
        assert_eq!(client.send("EXEC") != "nil", goes_on, "{command}");
    }
}

#[test]
fn the_highest_id_stands_for_new_entries_to_a_group() {
    let core = TestCore::new(1);
    let client = core.client();
    client.send("XADD x 1-1 a b");
    client.send("XGROUP CREATE x g 0");
    let command = "XREADGROUP GROUP g c STREAMS x 18446744073709551615-18446744073709551615";
    assert_eq!(client.send(command), r#"[["x", [["1-1", ["a", "b"]]]]]"#);
    assert_eq!(client.send(command), "nil");
}

/// A key without the group has the whole request fail: then the consumer is made in none of them, whichever comes first.
#[test]
fn a_request_that_fails_makes_no_consumer() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        for key in key_of_each_core(3, "x") {
            client.send(&format!("XGROUP CREATE {key} g $ MKSTREAM"));
            for keys in [format!("{key} absent > >"), format!("absent {key} > >")] {
                let reply = client.send(&format!("XREADGROUP GROUP g c STREAMS {keys}"));
                assert!(reply.starts_with("-NOGROUP No such key 'absent'"), "{reply}");
                assert_eq!(client.send(&format!("XINFO CONSUMERS {key} g")), "[]", "{cores} cores");
            }
            client.send(&format!("XREADGROUP GROUP g c STREAMS {key} {key} > >"));
            assert!(client.send(&format!("XINFO CONSUMERS {key} g")).contains("\"c\""), "{cores} cores");
        }
    }
}

/// A consumer is made in every key, also where nothing new is while another key has something.
#[test]
fn a_request_makes_its_consumer_in_all_keys() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(3, "x");
        keys.iter().for_each(|key| _ = client.send(&format!("XGROUP CREATE {key} g $ MKSTREAM")));
        client.send(&format!("XADD {} 1-0 a 1", keys[1]));
        let reply = client.send(&format!("XREADGROUP GROUP g c STREAMS {} > > >", keys.join(" ")));
        assert_eq!(reply, format!(r#"[["{}", [["1-0", ["a", "1"]]]]]"#, keys[1]));
        for key in &keys {
            let consumers = client.send(&format!("XINFO CONSUMERS {key} g"));
            assert!(consumers.contains("\"c\""), "{cores} cores: {consumers}");
        }
    }
}

/// A node is rewritten without what is deleted; here that stands between ids which are further apart than a node can say.
#[test]
fn entries_keep_their_ids_when_those_between_them_go() {
    let client = TestCore::new(1).client();
    for id in
        ["1-1", "1152921504606846976-1", "1152921504606846976-2", "1152921504606846976-3", "2882303761517117440-1"]
    {
        assert_eq!(client.send(&format!("XADD s {id} a {id}")), format!("\"{id}\""));
    }
    client.check(&[
        ("XDEL s 1152921504606846976-1 1152921504606846976-2 1152921504606846976-3", ":3"),
        (
            "XRANGE s - +",
            "[[\"1-1\", [\"a\", \"1-1\"]], [\"2882303761517117440-1\", [\"a\", \"2882303761517117440-1\"]]]",
        ),
        ("XADD s 18446744073709551615-1 a b", "\"18446744073709551615-1\""),
        ("XDEL s 2882303761517117440-1 1-1", ":2"),
        ("XRANGE s - +", "[[\"18446744073709551615-1\", [\"a\", \"b\"]]]"),
    ]);
}
