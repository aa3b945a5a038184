//! CLIENT TRACKING, on one core and on several: who is told of which keys, when, and what is forgotten.

mod common;

use common::{Client, TestCore, encode, key_of_each_core};

/// What has come, a message each.
fn heard(client: &Client) -> String {
    client.poll().join(" ")
}

/// What a client under RESP3 is told of these keys.
fn told(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    format!(">[\"invalidate\", [{}]]", keys.join(", "))
}

const ALL: &str = ">[\"invalidate\", nil]";

fn tracking(core: &TestCore, options: &str) -> Client {
    let client = core.client();
    client.send("HELLO 3");
    assert_eq!(client.send(&format!("CLIENT TRACKING ON {options}")), "+OK");
    client
}

#[test]
fn a_key_is_told_once_for_each_time_that_it_was_read() {
    for cores in [1, 2, 3] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, ""), core.client_on(cores - 1));
        for key in key_of_each_core(cores, "k") {
            let key = &key[..];
            writer.send(&format!("SET {key} 0"));
            assert_eq!(heard(&reader), "", "nobody has read it");
            assert_eq!(reader.send(&format!("GET {key}")), "\"0\"");
            writer.send(&format!("SET {key} 1"));
            assert_eq!(heard(&reader), told(&[key]));
            writer.send(&format!("SET {key} 2"));
            assert_eq!(heard(&reader), "");
            // Also of what it has changed itself, behind the reply.
            assert_eq!(reader.send(&format!("GET {key}")), "\"2\"");
            assert_eq!(reader.pipeline(&[&format!("APPEND {key} x")]).join(" "), format!(":2 {}", told(&[key])));
        }
        // Commands that only write note nothing.
        reader.send("SET w 1");
        writer.send("SET w 2");
        assert_eq!(heard(&reader), "");
    }
}

#[test]
fn every_way_to_read_is_noted() {
    let reads = [
        "MGET a b",
        "EXISTS a b",
        "TYPE a",
        "STRLEN b",
        "TTL b",
        "SINTER a b",
        "ZUNION 2 a b",
        "SORT_RO a",
        "LCS a b",
        "XREAD STREAMS a 0",
        "OBJECT ENCODING a",
        "BITCOUNT b",
        "DUMP a",
    ];
    for cores in [1, 3] {
        for read in reads {
            let core = TestCore::new(cores);
            let keys = key_of_each_core(cores, "k");
            let (a, b) = (&keys[0][..], if cores == 1 { "b" } else { &keys[2][..] });
            let (reader, writer) = (tracking(&core, ""), core.client());
            let words = read.split(' ').map(|word| match word {
                "a" => a.as_bytes(),
                "b" => b.as_bytes(),
                word => word.as_bytes(),
            });
            let words: Vec<&[u8]> = words.collect();
            reader.exchange(&encode(&words));
            for key in [a, b].into_iter().filter(|key| words.contains(&key.as_bytes())) {
                writer.send(&format!("SET {key} x"));
                assert_eq!(heard(&reader), told(&[key]), "{read} on {cores} cores");
            }
        }
    }
}

#[test]
fn the_reply_precedes_what_is_told_of_it() {
    for cores in [1, 2, 3] {
        let core = TestCore::new(cores);
        let reader = tracking(&core, "");
        for key in key_of_each_core(cores, "k") {
            let lines = [format!("GET {key}"), format!("SET {key} 1"), format!("GET {key}"), format!("DEL {key}")];
            let lines: Vec<&str> = lines.iter().map(|line| &line[..]).collect();
            let got = reader.pipeline(&lines);
            let first_told = got.iter().position(|reply| *reply == told(&[&key])).expect("it is told");
            assert!(first_told > 0, "{got:?}");
            assert_eq!(got.iter().filter(|reply| **reply == told(&[&key])).count(), 2, "{got:?}");
            // A transaction is answered as a whole.
            let got = reader.pipeline(&["MULTI", &format!("GET {key}"), &format!("SET {key} 2"), "EXEC"]);
            assert_eq!(got[3..], ["[nil, +OK]".to_owned(), told(&[&key])], "{cores} cores");
            reader.send(&format!("DEL {key}"));
            heard(&reader);
        }
        let keys = key_of_each_core(cores, "m");
        let mut lines = vec!["MULTI".to_owned()];
        lines.extend(keys.iter().flat_map(|key| [format!("GET {key}"), format!("SET {key} 1")]));
        lines.extend(["GET m".to_owned(), "EXEC".to_owned()]);
        let lines: Vec<&str> = lines.iter().map(|line| &line[..]).collect();
        let got = reader.pipeline(&lines);
        assert!(got[lines.len() - 1].starts_with("[nil, +OK"), "{got:?}");
        let mut behind = got[lines.len()..].to_vec();
        behind.sort_unstable();
        let mut wanted: Vec<String> = keys.iter().map(|key| told(&[key])).collect();
        wanted.sort_unstable();
        assert_eq!(behind, wanted);
    }
}

#[test]
fn what_a_transaction_writes_and_then_reads_is_not_stale() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, ""), core.client());
        assert_eq!(reader.pipeline(&["MULTI", "SET k 1", "GET k", "EXEC"]).len(), 4, "it has read what it has written");
        writer.send("SET k 2");
        assert_eq!(heard(&reader), told(&["k"]));
    }
}

#[test]
fn expired_keys_are_told() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, "NOLOOP"), core.client());
        for key in key_of_each_core(cores, "k") {
            writer.send(&format!("SET {key} 1 PX 10"));
            writer.send(&format!("HSET h{key} f 1 g 2"));
            writer.send(&format!("HPEXPIRE h{key} 10 FIELDS 1 f"));
            reader.pipeline(&[&format!("GET {key}"), &format!("HGETALL h{key}")]);
            core.advance_ms(20);
            writer.send(&format!("GET {key}"));
            core.upkeep();
            assert_eq!(heard(&reader), format!("{} {}", told(&[&key]), told(&[&format!("h{key}")])));
            // In the background as well, and also who removes it by looking, whatever it wants to hear of its own changes.
            writer.send(&format!("SET {key} 1 PX 10"));
            reader.send(&format!("GET {key}"));
            core.advance_ms(20);
            let got = reader.pipeline(&[&format!("GET {key}")]);
            assert!(got.contains(&told(&[&key])), "{got:?}");
        }
    }
}

#[test]
fn flushing_tells_all_keys() {
    for cores in [1, 3] {
        for flush in ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "FLUSHALL ASYNC"] {
            let core = TestCore::new(cores);
            let (reader, other, broadcast) = (tracking(&core, ""), tracking(&core, "NOLOOP"), tracking(&core, "BCAST"));
            let writer = core.client();
            writer.pipeline(&["SET k 1", "SET l 2", "SET m 3"]);
            heard(&broadcast);
            reader.pipeline(&["MGET k l m"]);
            assert!(writer.send(flush).starts_with("+OK"));
            for (number, client) in [&reader, &other, &broadcast].into_iter().enumerate() {
                let heard = client.poll();
                // On several cores nobody need be told who has read nothing.
                assert!((cores > 1 && number == 1) || !heard.is_empty());
                assert!(heard.iter().all(|told| told == ALL), "{flush}: client {number} on {cores} cores: {heard:?}");
                assert!(cores > 1 || heard.len() == 1, "{flush}: {heard:?}");
            }
            writer.send("SET k 2");
            assert_eq!(heard(&reader), "");
        }
    }
}

#[test]
fn flushing_nothing_is_told_too() {
    for cores in [1, 2, 3] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, ""), core.client_on(cores - 1));
        key_of_each_core(cores, "k").iter().for_each(|key| _ = reader.send(&format!("GET {key}")));
        assert!(writer.send("INFO STATS").contains(&format!("tracking_total_keys:{cores}")));
        writer.send("FLUSHALL ASYNC");
        assert!(writer.send("INFO STATS").contains("tracking_total_keys:0"), "{cores} cores");
        assert!(reader.poll().iter().all(|told| told == ALL));
    }
}

#[test]
fn own_changes_are_left_out_on_request() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let (reader, other) = (tracking(&core, "NOLOOP"), tracking(&core, ""));
        for key in key_of_each_core(cores, "k") {
            reader.send(&format!("GET {key}"));
            other.send(&format!("GET {key}"));
            assert_eq!(reader.pipeline(&[&format!("SET {key} 1")]), ["+OK"]);
            assert_eq!(heard(&other), told(&[&key]));
            reader.send(&format!("GET {key}"));
            other.send(&format!("SET {key} 2"));
            assert_eq!(heard(&reader), told(&[&key]));
        }
    }
}

#[test]
fn opting_in_and_out_is_about_the_next_command_or_transaction() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let (opts_in, opts_out, writer) = (tracking(&core, "OPTIN"), tracking(&core, "OPTOUT"), core.client());
        let change = || {
            writer.send("SET k 1");
            writer.send("SET l 1");
        };
        opts_in.send("GET k");
        opts_out.send("GET k");
        change();
        assert_eq!((heard(&opts_in), heard(&opts_out)), (String::new(), told(&["k"])));
        opts_in.pipeline(&["CLIENT CACHING YES", "GET k", "GET l"]);
        opts_out.pipeline(&["CLIENT CACHING NO", "GET k", "GET l"]);
        change();
        assert_eq!((heard(&opts_in), heard(&opts_out)), (told(&["k"]), told(&["l"])));
        // Other subcommands of CLIENT may stand in between.
        opts_in.pipeline(&["CLIENT CACHING YES", "CLIENT ID", "MULTI", "GET k", "GET l", "EXEC", "GET m"]);
        opts_out.pipeline(&["CLIENT CACHING NO", "MULTI", "GET k", "GET l", "EXEC", "GET m"]);
        writer.send("SET m 1");
        assert_eq!((heard(&opts_in), heard(&opts_out)), (String::new(), told(&["m"])));
        change();
        assert_eq!((heard(&opts_in), heard(&opts_out)), (format!("{} {}", told(&["k"]), told(&["l"])), String::new()));
    }
}

#[test]
fn prefixes_are_told_of_whether_read_or_not() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (users, all) = (tracking(&core, "BCAST PREFIX user: PREFIX {group}"), tracking(&core, "BCAST NOLOOP"));
        let writer = core.client();
        assert_eq!(users.send("GET other"), "nil");
        writer.send("MSET {group}:1 1 {group}:2 2 {group}:1 3");
        // Once a turn, in order.
        assert_eq!(heard(&users), told(&["{group}:1", "{group}:2"]));
        assert_eq!(heard(&all), told(&["{group}:1", "{group}:2"]));
        for key in key_of_each_core(cores, "user:") {
            writer.send(&format!("SET {key} 1"));
            assert_eq!(heard(&users), told(&[&key]), "{cores} cores");
            assert_eq!(heard(&all), told(&[&key]));
            assert_eq!(all.pipeline(&[&format!("SET {key} 2")]), ["+OK"], "not of its own");
            assert_eq!(heard(&users), told(&[&key]));
        }
        writer.send("SET use 1");
        assert_eq!((heard(&users), heard(&all)), (String::new(), told(&["use"])));
        assert_eq!(all.send("CLIENT TRACKING OFF"), "+OK");
        writer.send("SET user:1 1");
        assert_eq!((heard(&users), heard(&all)), (told(&["user:1"]), String::new()));
        users.send("RESET");
        all.disconnect();
        writer.send("SET user:1 1");
        assert_eq!(heard(&users), "");
        let info = writer.send("INFO STATS");
        assert!(info.contains("tracking_total_prefixes:0"), "{info}");
    }
}

#[test]
fn another_connection_is_told() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (reader, target, writer) = (core.client(), core.client_on(cores - 1), core.client());
        let id = target.send("CLIENT ID").trim_start_matches(':').to_owned();
        assert_eq!(reader.send("CLIENT GETREDIR"), ":-1");
        assert_eq!(reader.send(&format!("CLIENT TRACKING ON REDIRECT {id}")), "+OK");
        assert_eq!(reader.send("CLIENT GETREDIR"), format!(":{id}"));
        assert!(reader.send("CLIENT INFO").contains(&format!("redir={id}")));
        target.pipeline(&["SUBSCRIBE __redis__:invalidate"]);
        for key in key_of_each_core(cores, "k") {
            reader.send(&format!("GET {key}"));
            writer.send(&format!("SET {key} 1"));
            assert_eq!(heard(&reader), "");
            assert_eq!(heard(&target), format!("[\"message\", \"__redis__:invalidate\", [\"{key}\"]]"));
        }
        reader.send("GET k");
        writer.send("FLUSHALL");
        let heard_of_all = target.poll();
        assert!(heard_of_all.contains(&"[\"message\", \"__redis__:invalidate\", nil]".to_owned()), "{heard_of_all:?}");
        // Under RESP3 it need not have subscribed.
        target.pipeline(&["UNSUBSCRIBE", "HELLO 3"]);
        reader.send("GET k");
        writer.send("SET k 2");
        assert_eq!(heard(&target), told(&["k"]));
        // When it is gone, who has read is told of that.
        target.disconnect();
        reader.send("HELLO 3");
        reader.send("GET k");
        writer.send("SET k 3");
        assert_eq!(heard(&reader), format!(">[\"tracking-redir-broken\", :{id}]"));
        let info = reader.send("CLIENT TRACKINGINFO");
        let wanted = format!("{{\"flags\": ~[\"on\", \"broken_redirect\"], \"redirect\": :{id}, \"prefixes\": []}}");
        assert_eq!(info, wanted);
        assert!(reader.send("CLIENT INFO").contains("flags=tR"));
    }
}

#[test]
fn who_waits_for_a_key_is_told_meanwhile() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, ""), core.client());
        reader.send("GET k");
        reader.begin(&["BLPOP list 0"]);
        writer.send("SET k 1");
        assert_eq!(heard(&reader), told(&["k"]));
        writer.send("RPUSH list x");
        assert_eq!(heard(&reader), "[\"list\", \"x\"]");
    }
}

#[test]
fn what_a_wait_has_changed_is_told_behind_its_reply() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let (reader, writer) = (tracking(&core, ""), core.client_on(cores - 1));
        for (number, key) in key_of_each_core(cores, "{list").into_iter().enumerate() {
            let (from, to) = (format!("{key}}}from"), format!("{key}}}to"));
            reader.send(&format!("LRANGE {to} 0 -1"));
            reader.begin(&[&format!("BLMOVE {from} {to} LEFT LEFT 0")]);
            assert_eq!(heard(&reader), "");
            writer.send(&format!("RPUSH {from} x{number}"));
            assert_eq!(heard(&reader), format!("\"x{number}\" {}", told(&[&to])), "{cores} cores");
        }
        // XREAD reads by being served.
        for key in key_of_each_core(cores, "s") {
            reader.begin(&[&format!("XREAD BLOCK 0 STREAMS {key} $")]);
            assert_eq!(heard(&reader), "");
            writer.send(&format!("XADD {key} 1-1 f v"));
            let got = reader.poll();
            assert!(got.iter().any(|reply| reply.contains("1-1")), "{got:?}");
            writer.send(&format!("XADD {key} 1-2 f v"));
            assert_eq!(heard(&reader), told(&[&key]), "{cores} cores");
        }
    }
}

#[test]
fn the_table_is_bounded() {
    for cores in [1, 2] {
        let core = TestCore::with_config(cores, |config| config.tracking_table_max_keys = 10);
        let (reader, writer) = (tracking(&core, "NOLOOP"), core.client());
        let mut told = 0;
        for number in 0..100 {
            reader.begin(&[&format!("GET {number}")]);
            let got = reader.poll();
            assert!(got.contains(&"nil".to_owned()), "{got:?}");
            told += got.len() - 1;
        }
        let info = writer.send("INFO STATS");
        let kept: usize =
            info.split("tracking_total_keys:").nth(1).unwrap().split('\\').next().unwrap().parse().unwrap();
        assert!(kept <= 10, "{kept}");
        assert_eq!(told + kept, 100, "what is forgotten is told");
        writer.send("CONFIG SET tracking-table-max-keys 2");
        assert_eq!(reader.poll().len(), kept - 2);
        let kept = 2;
        writer.send("CONFIG SET tracking-table-max-keys 0");
        (0..100).for_each(|number| _ = reader.send(&format!("GET n{number}")));
        assert!(writer.send("INFO STATS").contains(&format!("tracking_total_keys:{}", kept + 100)));
        assert!(writer.send("INFO CLIENTS").contains("tracking_clients:1"));
        writer.send("FLUSHALL");
        assert!(writer.send("INFO STATS").contains("tracking_total_keys:0"));
    }
}

#[test]
fn wrong_options_are_refused_in_redis_words() {
    for cores in [1, 2] {
        let core = TestCore::new(cores);
        let client = core.client();
        let overlap = "overlaps with an existing prefix 'user:'. Prefixes for a single client must not overlap.";
        client.check(&[
            ("CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command"),
            ("CLIENT TRACKING maybe", "-ERR syntax error"),
            ("CLIENT TRACKING ON REDIRECT", "-ERR syntax error"),
            ("CLIENT TRACKING ON REDIRECT x", "-ERR value is not an integer or out of range"),
            ("CLIENT TRACKING ON REDIRECT 999", "-ERR The client ID you want redirect to does not exist"),
            ("CLIENT TRACKING ON REDIRECT 1 REDIRECT 1", "-ERR A client can only redirect to a single other client"),
            ("CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled"),
            ("CLIENT TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST"),
            ("CLIENT TRACKING ON OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode"),
            (
                "CLIENT CACHING YES",
                "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
            ),
            ("CLIENT TRACKINGINFO", "[\"flags\", [\"off\"], \"redirect\", :-1, \"prefixes\", []]"),
            ("CLIENT TRACKING ON OPTIN", "+OK"),
            (
                "CLIENT TRACKING ON OPTOUT",
                "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with \
                 a different mode.",
            ),
            (
                "CLIENT TRACKING ON BCAST",
                "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with \
                 a different mode.",
            ),
            ("CLIENT CACHING NO", "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."),
            ("CLIENT CACHING maybe", "-ERR syntax error"),
            ("CLIENT CACHING YES", "+OK"),
            (
                "CLIENT TRACKINGINFO",
                "[\"flags\", [\"on\", \"optin\", \"caching-yes\"], \"redirect\", :0, \"prefixes\", []]",
            ),
            ("CLIENT TRACKING OFF", "+OK"),
            ("CLIENT TRACKING ON BCAST PREFIX user:", "+OK"),
            ("CLIENT TRACKING ON BCAST PREFIX us", &format!("-ERR Prefix 'us' {overlap}")),
            ("CLIENT TRACKING ON BCAST PREFIX user:1", &format!("-ERR Prefix 'user:1' {overlap}")),
            (
                "CLIENT TRACKING ON BCAST PREFIX a PREFIX ab",
                "-ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap.",
            ),
            ("CLIENT TRACKING ON BCAST PREFIX x NOLOOP", "+OK"),
        ]);
        let info = client.send("CLIENT TRACKINGINFO");
        assert!(
            info.starts_with("[\"flags\", [\"on\", \"bcast\", \"noloop\"], \"redirect\", :0, \"prefixes\", ["),
            "{info}"
        );
        assert!(info.contains("\"x\"") && info.contains("\"user:\""), "{info}");
    }
}
