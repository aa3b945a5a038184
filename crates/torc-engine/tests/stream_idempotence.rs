//! XADD IDMP and IDMPAUTO, XCFGSET, and what XINFO, DUMP and copies know of it, on one core and over three.

mod common;

use common::{START_MS, TestCore, key_of_each_core};

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(table);
    }
}

/// The id of the entry with this number, when all are made in the first millisecond.
fn id(number: usize) -> String {
    format!("\"{START_MS}-{number}\"")
}

/// What XINFO STREAM says of producers.
fn shown(client: &common::Client, key: &str) -> String {
    let info = client.send(&format!("XINFO STREAM {key}"));
    let from = info.find("\"idmp-duration\"").expect("it is shown");
    let to = info.find(", \"groups\"").expect("it is shown");
    info[from..to].to_owned()
}

fn numbers(numbers: [u64; 6]) -> String {
    let names = ["idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates"];
    let pairs: Vec<String> = names.iter().zip(numbers).map(|(name, number)| format!("\"{name}\", :{number}")).collect();
    pairs.join(", ")
}

#[test]
fn an_entry_that_is_sent_again_is_not_added() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[
            ("XADD s IDMP p 1 * f v", &id(0)),
            ("XADD s IDMP p 1 * other fields 2 3", &id(0)),
            ("XADD s idmp p * * f v", &id(1)),
            ("XADD s IDMP q 1 * f v", &id(2)),
            ("XADD s MAXLEN = 0 IDMP q 1 * f v", &id(2)),
            ("XLEN s", ":3"),
            ("XADD s NOMKSTREAM KEEPREF IDMP q 2 MAXLEN ~ 100 * f v", &id(3)),
            ("XADD s * f v", &id(4)),
            // The entry may be gone.
            ("XDEL s 1-1", ":0"),
            (&format!("XDEL s {}", id(0).trim_matches('"')), ":1"),
            ("XADD s IDMP p 1 * f v", &id(0)),
            ("XLEN s", ":4"),
            ("XADD none NOMKSTREAM IDMP p 1 * f v", "nil"),
            ("EXISTS none", ":0"),
        ]);
        assert_eq!(shown(&client, "s"), numbers([100, 100, 2, 4, 4, 3]));
        assert!(client.send("XINFO STREAM s FULL").contains(&numbers([100, 100, 2, 4, 4, 3])));
    }
}

#[test]
fn the_content_identifies_an_entry_whatever_the_order_of_its_fields() {
    check(&[
        ("XADD s IDMPAUTO p * a 1 b 2", &id(0)),
        ("XADD s IDMPAUTO p * b 2 a 1", &id(0)),
        ("XADD s IDMPAUTO q * b 2 a 1", &id(1)),
        ("XADD s IDMPAUTO p * a 2 b 1", &id(2)),
        // Where a name ends and its value begins counts, and how often a field is there.
        ("XADD s IDMPAUTO p * ab c", &id(3)),
        ("XADD s IDMPAUTO p * a bc", &id(4)),
        ("XADD s IDMPAUTO p * a bc a bc", &id(5)),
        ("XADD s IDMPAUTO p * x y x y", &id(6)),
        ("XADD s IDMPAUTO p * a \"\"", &id(7)),
        ("XADD s IDMPAUTO p * a \"\"", &id(7)),
    ]);
}

#[test]
fn wrong_requests_change_nothing() {
    const ONLY_AUTO: &str = "-ERR IDMP/IDMPAUTO can be used only with auto-generated IDs";
    const TWICE: &str = "-ERR IDMP/IDMPAUTO specified multiple times";
    check(&[
        ("XADD s IDMP p 1 1-1 f v", ONLY_AUTO),
        ("XADD s IDMP p 1 5-* f v", ONLY_AUTO),
        ("XADD s IDMPAUTO p 1-1 f v", ONLY_AUTO),
        ("XADD s IDMP p 1 IDMP p 2 * f v", TWICE),
        ("XADD s IDMP p 1 IDMPAUTO p * f v", TWICE),
        ("XADD s IDMPAUTO p IDMPAUTO p * f v", TWICE),
        ("XADD s IDMP \"\" 1 * f v", "-ERR IDMP requires a non-empty producer ID"),
        ("XADD s IDMP p \"\" * f v", "-ERR IDMP requires a non-empty idempotent ID"),
        ("XADD s IDMPAUTO \"\" * f v", "-ERR IDMPAUTO requires a non-empty producer ID"),
        ("XADD s IDMP p * f v", "-ERR Invalid stream ID specified as stream command argument"),
        ("XADD s IDMP p 1 * f", "-ERR wrong number of arguments for 'xadd' command"),
        ("XTRIM s MAXLEN 0 IDMP p 1", "-ERR syntax error"),
        ("EXISTS s", ":0"),
        ("SET text 1", "+OK"),
        ("XADD text IDMP p 1 * f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XCFGSET text IDMP-DURATION 5", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XADD full 18446744073709551615-18446744073709551615 f v", "\"18446744073709551615-18446744073709551615\""),
        ("XADD full IDMP p 1 * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
        ("XADD full IDMP p 1 * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
        ("XLEN full", ":1"),
    ]);
}

#[test]
fn how_long_and_how_many_identifiers_are_kept() {
    const DURATION: &str = "-ERR IDMP-DURATION must be between 1 and 86400 seconds";
    const MAXSIZE: &str = "-ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[
            ("XCFGSET s IDMP-DURATION 5", "-ERR no such key"),
            ("XCFGSET s", "-ERR no such key"),
            ("XADD s * f v", &id(0)),
            ("XCFGSET s", "-ERR At least one parameter must be specified"),
            ("XCFGSET s IDMP-DURATION", "-ERR syntax error"),
            ("XCFGSET s DURATION 5", "-ERR syntax error"),
            ("XCFGSET s IDMP-DURATION 0", DURATION),
            ("XCFGSET s IDMP-DURATION 86401", DURATION),
            ("XCFGSET s IDMP-DURATION -9223372036854775808", DURATION),
            ("XCFGSET s IDMP-MAXSIZE 0", MAXSIZE),
            ("XCFGSET s IDMP-MAXSIZE 10001", MAXSIZE),
            ("XCFGSET s IDMP-MAXSIZE 5 IDMP-DURATION x", NO_INTEGER),
            ("XCFGSET s IDMP-MAXSIZE 9223372036854775808", NO_INTEGER),
        ]);
        assert!(!client.send("XINFO STREAM s").contains("idmp"), "only streams that use it show it");
        client.check(&[
            ("XCFGSET s IDMP-MAXSIZE 2 IDMP-DURATION 3", "+OK"),
            ("XADD s IDMP p 1 * f v", &id(1)),
            ("XADD s IDMP p 2 * f v", &id(2)),
            ("XADD s IDMP q 1 * f v", &id(3)),
            ("XADD s IDMP p 3 * f v", &id(4)),
            // The oldest of the producer has given way, that of another has not.
            ("XADD s IDMP p 2 * f v", &id(2)),
            ("XADD s IDMP q 1 * f v", &id(3)),
            ("XADD s IDMP p 1 * f v", &id(5)),
        ]);
        assert_eq!(shown(&client, "s"), numbers([3, 2, 2, 3, 5, 2]));
        core.advance_ms(3000);
        client.check(&[("XADD s IDMP q 1 * f v", &id(3))]);
        core.advance_ms(1);
        assert_eq!(shown(&client, "s"), numbers([3, 2, 0, 0, 5, 3]));
        client.check(&[("XADD s IDMP q 1 * f v", &format!("\"{}-0\"", START_MS + 3001))]);
        assert_eq!(shown(&client, "s"), numbers([3, 2, 1, 1, 6, 3]));

        // The same limits again forget nothing; others forget all but the counters.
        client.check(&[("XCFGSET s IDMP-DURATION 3", "+OK")]);
        assert_eq!(shown(&client, "s"), numbers([3, 2, 1, 1, 6, 3]));
        client.check(&[("XCFGSET s IDMP-DURATION 4", "+OK")]);
        assert_eq!(shown(&client, "s"), numbers([4, 2, 0, 0, 6, 3]));
        client.check(&[
            ("CONFIG SET stream-idmp-duration 7 stream-idmp-maxsize 8", "+OK"),
            ("XADD t IDMP p 1 * f v", &format!("\"{}-0\"", START_MS + 3001)),
            ("XADD s IDMP p 1 * f v", &format!("\"{}-1\"", START_MS + 3001)),
        ]);
        assert_eq!(shown(&client, "t"), numbers([7, 8, 1, 1, 1, 0]));
        assert_eq!(shown(&client, "s"), numbers([4, 2, 1, 1, 7, 3]));
        assert!(client.send("CONFIG SET stream-idmp-duration 0").starts_with('-'));
        assert!(client.send("CONFIG SET stream-idmp-maxsize 10001").starts_with('-'));
    }
}

#[test]
fn what_was_added_travels_with_the_stream() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.check(&[("XADD s IDMP p 1 * f v", &id(0)), ("XADD s IDMP p 2 * f v", &id(1))]);
        core.advance_ms(60_000);
        client.check(&[("XADD s IDMPAUTO \"other one\" * f v", &format!("\"{}-0\"", START_MS + 60_000))]);
        let expected = numbers([100, 100, 2, 3, 3, 0]);
        for copy in key_of_each_core(cores, "copy") {
            client.check(&[(&format!("COPY s {copy}"), ":1")]);
            assert_eq!(shown(&client, &copy), expected);
            let renamed = format!("{copy}renamed");
            client.check(&[
                (&format!("RENAME {copy} {renamed}"), "+OK"),
                (&format!("XADD {renamed} IDMP p 2 * f v"), &id(1)),
            ]);
            assert_eq!(shown(&client, &renamed), numbers([100, 100, 2, 3, 3, 1]));
        }
        let dump = client.raw(b"*2\r\n$4\r\nDUMP\r\n$1\r\ns\r\n");
        let start = dump.iter().position(|byte| *byte == b'\n').expect("a bulk string has a head") + 1;
        let payload = &dump[start..dump.len() - 2];
        assert_eq!((payload[0], payload[payload.len() - 10]), (26, 13), "type and version of Redis 8.6");
        core.advance_ms(40_001);
        assert_eq!(client.call(&[&b"RESTORE"[..], b"r", b"0", payload]), "+OK");
        // What has expired meanwhile is as good as gone; a payload that is made now does not have it.
        assert_eq!(shown(&client, "r"), numbers([100, 100, 1, 1, 3, 0]));
        client.check(&[("XADD r IDMPAUTO \"other one\" * f v", &format!("\"{}-0\"", START_MS + 60_000))]);
        let later = client.raw(b"*2\r\n$4\r\nDUMP\r\n$1\r\ns\r\n");
        assert!(later.len() < dump.len());
        client.check(&[("XADD plain 1-1 f v", "\"1-1\"")]);
        let plain = client.raw(b"*2\r\n$4\r\nDUMP\r\n$5\r\nplain\r\n");
        let start = plain.iter().position(|byte| *byte == b'\n').expect("a bulk string has a head") + 1;
        assert_eq!(
            (plain[start], plain[plain.len() - 12]),
            (21, 11),
            "whoever does not use it has the format of Redis 7.2"
        );
    }
}

#[test]
fn a_duplicate_changes_nothing_for_those_who_watch_or_wait() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (client, reader) = (core.client(), core.client());
        client.check(&[("XADD s IDMP p 1 * f v", &id(0)), ("WATCH s", "+OK")]);
        assert!(reader.pipeline(&["XREAD BLOCK 0 STREAMS s $"]).is_empty());
        core.client().check(&[("XADD s IDMP p 1 * f v", &id(0)), ("XCFGSET s IDMP-MAXSIZE 100", "+OK")]);
        client.check(&[("MULTI", "+OK"), ("XADD s IDMP p 2 * f v", "+QUEUED"), ("EXEC", &format!("[{}]", id(1)))]);
        assert_eq!(reader.poll(), [format!(r#"[["s", [[{}, ["f", "v"]]]]]"#, id(1))]);
    }
}
