//! The stream commands about groups and consumers, and what has these in it, through the engine: each option, each error, on one core and over three.

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
