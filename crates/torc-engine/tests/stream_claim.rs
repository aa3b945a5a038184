//! XREADGROUP with CLAIM: entries that were given long ago before those that nobody has read, on one core and over three.

mod common;

use common::{TestCore, key_of_each_core};

/// A stream of four entries, of which alice was given two.
const READ_BY_ALICE: &[(&str, &str)] = &[
    ("XADD s 1-0 f 1", "\"1-0\""),
    ("XADD s 2-0 f 2", "\"2-0\""),
    ("XADD s 3-0 f 3", "\"3-0\""),
    ("XADD s 4-0 f 4", "\"4-0\""),
    ("XGROUP CREATE s g 0", "+OK"),
    ("XREADGROUP GROUP g alice COUNT 2 STREAMS s >", r#"[["s", [["1-0", ["f", "1"]], ["2-0", ["f", "2"]]]]]"#),
];

#[test]
fn old_entries_come_first_and_say_how_old_they_are() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_ALICE);
        core.advance_ms(100);
        client.check(&[
            ("XREADGROUP GROUP g bob COUNT 1 CLAIM 101 STREAMS s >", r#"[["s", [["3-0", ["f", "3"], :0, :0]]]]"#),
            ("XREADGROUP GROUP g bob CLAIM 100 COUNT 1 STREAMS s >", r#"[["s", [["1-0", ["f", "1"], :100, :1]]]]"#),
            // NOACK is for what is new.
            (
                "XREADGROUP CLAIM 100 GROUP g bob NOACK STREAMS s >",
                r#"[["s", [["2-0", ["f", "2"], :100, :1], ["4-0", ["f", "4"], :0, :0]]]]"#,
            ),
            ("XREADGROUP GROUP g bob CLAIM 100 STREAMS s >", "nil"),
            ("XPENDING s g", r#"[:3, "1-0", "3-0", [["bob", "3"]]]"#),
            ("XPENDING s g - + 9", r#"[["1-0", "bob", :0, :2], ["2-0", "bob", :0, :2], ["3-0", "bob", :0, :1]]"#),
        ]);
        // The one that was given longest ago comes first; what is gone or acknowledged does not come.
        core.advance_ms(50);
        client.check(&[
            ("XCLAIM s g alice 0 3-0 IDLE 500 JUSTID", r#"["3-0"]"#),
            ("XDEL s 2-0", ":1"),
            (
                "XREADGROUP GROUP g carol CLAIM 0 STREAMS s >",
                r#"[["s", [["3-0", ["f", "3"], :500, :1], ["1-0", ["f", "1"], :50, :2]]]]"#,
            ),
            ("XACK s g 1-0 3-0", ":2"),
            ("XREADGROUP GROUP g carol CLAIM 0 STREAMS s >", "nil"),
            ("XPENDING s g", r#"[:1, "2-0", "2-0", [["bob", "1"]]]"#),
            ("XINFO CONSUMERS s missing", "-NOGROUP No such consumer group 'missing' for key name 's'"),
        ]);
    }
}

#[test]
fn other_ids_ignore_it() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(READ_BY_ALICE);
        core.advance_ms(100);
        client.check(&[
            (
                "XREADGROUP GROUP g alice BLOCK 0 CLAIM 0 STREAMS s 0",
                r#"[["s", [["1-0", ["f", "1"]], ["2-0", ["f", "2"]]]]]"#,
            ),
            ("XREADGROUP GROUP g bob CLAIM 0 STREAMS s 0", r#"[["s", []]]"#),
            ("XGROUP SETID s g 0", "+OK"),
            // What is pending and is new again comes twice, as two deliveries.
            (
                "XREADGROUP GROUP g bob CLAIM 0 COUNT 3 STREAMS s >",
                r#"[["s", [["1-0", ["f", "1"], :0, :2], ["2-0", ["f", "2"], :0, :2], ["1-0", ["f", "1"], :0, :0]]]]"#,
            ),
            ("XPENDING s g - + 9", r#"[["1-0", "bob", :0, :1], ["2-0", "bob", :0, :3]]"#),
        ]);
    }
}

#[test]
fn wrong_requests() {
    const NO_INTEGER: &str = "-ERR min-idle-time is not an integer";
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(READ_BY_ALICE);
        client.check(&[
            ("XREADGROUP GROUP g bob CLAIM x STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM 5.5 STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM +5 STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM -0 STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM 9223372036854775808 STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM STREAMS s >", NO_INTEGER),
            ("XREADGROUP GROUP g bob CLAIM -1 STREAMS s >", "-ERR min-idle-time must be a positive integer"),
            (
                "XREADGROUP GROUP g bob CLAIM -9223372036854775808 STREAMS s >",
                "-ERR min-idle-time must be a positive integer",
            ),
            (
                "XREAD CLAIM 5 STREAMS s 0",
                "-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREADGROUP GROUP none bob CLAIM 5 STREAMS s >",
                "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option",
            ),
            ("XINFO CONSUMERS s g", r#"[["name", "alice", "pending", :2, "idle", :0, "inactive", :0]]"#),
            (
                "XREADGROUP GROUP g bob CLAIM 9223372036854775807 STREAMS s >",
                r#"[["s", [["3-0", ["f", "3"], :0, :0], ["4-0", ["f", "4"], :0, :0]]]]"#,
            ),
        ]);
    }
}

#[test]
fn several_streams_and_transactions() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(3, "s");
        for key in &keys {
            client.check(&[
                (&format!("XADD {key} 1-0 f 1"), "\"1-0\""),
                (&format!("XADD {key} 2-0 f 2"), "\"2-0\""),
                (&format!("XGROUP CREATE {key} g 0"), "+OK"),
            ]);
        }
        let all = keys.join(" ");
        client.send(&format!("XREADGROUP GROUP g alice COUNT 1 STREAMS {all} > > >"));
        core.advance_ms(10);
        let each = |key: &String| format!(r#"["{key}", [["1-0", ["f", "1"], :10, :1], ["2-0", ["f", "2"], :0, :0]]]"#);
        let expected: Vec<String> = keys.iter().map(each).collect();
        client.check(&[
            (&format!("XREADGROUP GROUP g bob CLAIM 10 STREAMS {all} > > >"), &format!("[{}]", expected.join(", "))),
            (&format!("XREADGROUP GROUP g bob CLAIM 10 STREAMS {all} > > >"), "nil"),
        ]);
        core.advance_ms(20);
        client.check(&[
            ("MULTI", "+OK"),
            (&format!("XREADGROUP GROUP g carol COUNT 1 BLOCK 0 CLAIM 20 STREAMS {} >", keys[0]), "+QUEUED"),
            (&format!("XREADGROUP GROUP g carol BLOCK 0 CLAIM 21 STREAMS {} >", keys[0]), "+QUEUED"),
            ("EXEC", &format!(r#"[[["{}", [["1-0", ["f", "1"], :20, :2]]]], nil]"#, keys[0])),
        ]);
    }
}

#[test]
fn a_wait_ends_when_an_entry_is_old_enough() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (reader, other, writer) = (core.client(), core.client_on(cores - 1), core.client());
        writer.check(READ_BY_ALICE);
        writer.check(&[("XACK s g 2-0", ":1"), ("XGROUP SETID s g $", "+OK")]);
        core.advance_ms(30);
        assert!(reader.pipeline(&["XREADGROUP GROUP g bob BLOCK 0 CLAIM 100 STREAMS s >"]).is_empty());
        assert!(other.pipeline(&["XREADGROUP GROUP g carol BLOCK 500 CLAIM 60 STREAMS s >"]).is_empty());
        core.advance_ms(29);
        core.settle();
        assert!(reader.poll().is_empty() && other.poll().is_empty());
        core.advance_ms(1);
        core.settle();
        assert_eq!(other.poll(), [r#"[["s", [["1-0", ["f", "1"], :60, :1]]]]"#]);
        // It is young again, for whoever waits.
        core.advance_ms(99);
        core.settle();
        assert!(reader.poll().is_empty());
        core.advance_ms(1);
        core.settle();
        assert_eq!(reader.poll(), [r#"[["s", [["1-0", ["f", "1"], :100, :2]]]]"#]);
        writer.check(&[("XPENDING s g - + 9", r#"[["1-0", "bob", :0, :3]]"#)]);
    }
}

#[test]
fn a_wait_hears_of_what_is_given_to_others_meanwhile() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (first, second, writer) = (core.client(), core.client_on(cores - 1), core.client());
        writer.check(&[("XGROUP CREATE s g 0 MKSTREAM", "+OK")]);
        assert!(first.pipeline(&["XREADGROUP GROUP g alice BLOCK 0 CLAIM 100 STREAMS s >"]).is_empty());
        assert!(second.pipeline(&["XREADGROUP GROUP g bob BLOCK 0 CLAIM 100 STREAMS s >"]).is_empty());
        core.advance_ms(70);
        writer.check(&[("XADD s 1-0 f 1", "\"1-0\"")]);
        assert_eq!(first.poll(), [r#"[["s", [["1-0", ["f", "1"], :0, :0]]]]"#]);
        assert!(second.poll().is_empty());
        core.advance_ms(99);
        core.settle();
        assert!(second.poll().is_empty());
        core.advance_ms(1);
        core.settle();
        assert_eq!(second.poll(), [r#"[["s", [["1-0", ["f", "1"], :100, :1]]]]"#]);

        // Read by somebody who does not wait, and made older than it is.
        assert!(second.pipeline(&["XREADGROUP GROUP g bob BLOCK 0 CLAIM 1000 STREAMS s >"]).is_empty());
        writer.check(&[("XCLAIM s g carol 0 1-0 IDLE 900 JUSTID", r#"["1-0"]"#)]);
        core.advance_ms(99);
        core.settle();
        assert!(second.poll().is_empty());
        core.advance_ms(1);
        core.settle();
        assert_eq!(second.poll(), [r#"[["s", [["1-0", ["f", "1"], :1000, :2]]]]"#]);

        // Time, and the end of the group, end the wait as ever.
        assert!(second.pipeline(&["XREADGROUP GROUP g bob BLOCK 50 CLAIM 1000 STREAMS s >"]).is_empty());
        core.advance_ms(51);
        core.settle();
        assert_eq!(second.poll(), ["nil"]);
        assert!(second.pipeline(&["XREADGROUP GROUP g bob BLOCK 0 CLAIM 1000 STREAMS s >"]).is_empty());
        writer.check(&[("XGROUP DESTROY s g", ":1")]);
        assert_eq!(second.poll(), ["-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"]);
        core.advance_ms(5000);
        core.settle();
        assert!(core.engine(0, |engine| engine.next_deadline_ms()).is_none(), "nobody waits for a time");
    }
}
