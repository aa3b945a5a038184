//! The stream commands about entries through the engine: each option, each error, on one core and over three.

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
