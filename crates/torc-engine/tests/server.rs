//! Commands about the server as a whole, on one core and on three.

mod common;

use std::collections::HashMap;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::command::Rename;
use torc_engine::config::{Config, LogLevel, OomScoreAdj};
use torc_engine::{Engine, FileContent, HostReply, HostRequest, LogKind, OomScore, Output, Shutdown};

/// The fields of an INFO reply.
fn info(client: &Client, sections: &str) -> HashMap<String, String> {
    let text = client.send(&format!("INFO {sections}"));
    let lines = text.trim_matches('"').split("\\r\\n").filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The headlines of an INFO reply.
fn headlines(client: &Client, sections: &str) -> String {
    let text = client.send(&format!("INFO {sections}"));
    let lines = text.trim_matches('"').split("\\r\\n").filter_map(|line| line.strip_prefix("# ").map(str::to_owned));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn info_has_the_sections_that_are_asked_for() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let default = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster TLS Keyspace";
        assert_eq!(headlines(&client, ""), default);
        assert_eq!(headlines(&client, "default"), default);
        let of_commands = "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Cluster TLS Keyspace";
        let all = of_commands.replace("Errorstats", "Errorstats Scripts");
        assert_eq!(headlines(&client, "ALL"), all);
        assert_eq!(headlines(&client, "everything"), all);
        assert_eq!(headlines(&client, "keyspace Server foo server"), "Server Keyspace");
        assert_eq!(headlines(&client, "default commandstats"), of_commands);
        assert_eq!(client.send("INFO foo"), "\"\"");
        assert_eq!(
            client.send("INFO cluster modules"),
            "\"# Modules\\r\\n\\r\\n# Cluster\\r\\ncluster_enabled:0\\r\\n\""
        );
        client.send("HELLO 3");
        assert_eq!(client.send("INFO modules"), "=txt:# Modules\\r\\n");
    }
}

#[test]
fn info_counts_who_waits_and_watches() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let key = key_of_each_core(cores, "k").pop().expect("there is a core");
        let counted = || {
            let fields = info(&client, "clients");
            let of = |name: &str| fields[name].parse::<u64>().expect("a number");
            [
                of("watching_clients"),
                of("total_blocking_keys"),
                of("total_blocking_keys_on_nokey"),
                of("pubsub_clients"),
            ]
        };
        assert_eq!(counted(), [0, 0, 0, 0]);
        let [one, two, reader, other_reader] = [0; 4].map(|_| server.client_on(cores - 1));
        one.send("WATCH a b c");
        assert_eq!(counted(), [1, 0, 0, 0]);
        one.send("UNWATCH");
        assert_eq!(one.pipeline(&["BLPOP l m 0"]), Vec::<String>::new());
        assert_eq!(two.pipeline(&["BLPOP m 0"]), Vec::<String>::new());
        assert_eq!(counted(), [0, 2, 0, 0]);
        client.send(&format!("XGROUP CREATE {key} g $ MKSTREAM"));
        for waits in [&reader, &other_reader] {
            assert!(waits.pipeline(&[&format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} >")]).is_empty());
        }
        assert_eq!(counted(), [0, 3, 1, 0]);
        client.send(&format!("XADD {key} * f v"));
        assert_eq!(counted(), [0, 3, 1, 0], "one of them still waits");
        client.send(&format!("DEL {key}"));
        client.send("RPUSH m x y");
        assert_eq!(counted(), [0, 0, 0, 0]);
    }
}

#[test]
fn info_counts_clients_that_were_closed_over_a_limit() {
    let server = TestCore::with_config(1, |config| {
        config.client_query_buffer_limit_bytes = 1000;
        config.client_output_buffer_limit.normal.hard_bytes = 10_000;
        config.timeout_seconds = 100;
    });
    let client = server.client();
    let counted = || {
        let fields = info(&client, "stats");
        ["query", "output"].map(|name| fields[&format!("client_{name}_buffer_limit_disconnections")].clone())
    };
    assert_eq!(counted(), ["0", "0"]);
    let long = server.client();
    long.raw(b"*2\r\n$3\r\nGET\r\n$5000\r\n");
    long.raw(&[b'x'; 900]);
    assert_eq!(counted(), ["0", "0"]);
    long.raw(&[b'x'; 900]);
    assert!(long.is_closed());
    assert_eq!(counted(), ["1", "0"]);
    // Found when it is to be sent, or by the walk over all sessions; counted once.
    client.send(&format!("SET big {}", "v".repeat(500)));
    client.send(&format!("APPEND big {}", "v".repeat(500)));
    for by_walk in [false, true] {
        let unread = server.client();
        let requests = "GET big\r\n".repeat(20);
        server.engine(0, |engine| {
            engine.on_bytes(unread.connection(), requests.as_bytes());
            if by_walk {
                (0..2).for_each(|_| engine.sweep_sessions());
            }
            for _ in 0..2 {
                assert!(matches!(engine.output(unread.connection()), Output::OverLimit));
                engine.sweep_sessions();
            }
        });
        unread.disconnect();
    }
    assert_eq!(counted(), ["1", "2"]);
    // Who was silent for too long is no such client.
    let silent = server.client();
    server.advance_ms(200_000);
    client.send("PING");
    server.engine(0, |engine| (0..4).for_each(|_| engine.sweep_sessions()));
    assert!(silent.is_closed());
    assert_eq!(counted(), ["1", "2"]);
    client.send("CONFIG RESETSTAT");
    assert_eq!(counted(), ["0", "0"]);
}

#[test]
fn info_counts_turns_and_what_they_take() {
    let server = TestCore::new(3);
    let client = server.client();
    for core in 0..3 {
        server.engine(core, |engine| (0..10).for_each(|_| engine.turn_ended(3_000)));
    }
    let fields = info(&client, "stats");
    let wanted = [
        ("eventloop_cycles", "30"),
        ("eventloop_duration_sum", "90"),
        ("eventloop_duration_cmd_sum", "0"),
        ("instantaneous_eventloop_cycles_per_sec", "0"),
        ("instantaneous_eventloop_duration_usec", "0"),
    ];
    wanted.iter().for_each(|(name, value)| assert_eq!(fields[*name], *value, "{name}"));
    // Ten turns in each tenth of a second.
    for _ in 0..20 {
        server.advance_ms(100);
        server.engine(1, |engine| {
            (0..10).for_each(|_| engine.turn_ended(3_000));
            engine.sweep_sessions();
        });
    }
    let fields = info(&client, "stats");
    assert_eq!(fields["instantaneous_eventloop_cycles_per_sec"], "100");
    assert_eq!(fields["instantaneous_eventloop_duration_usec"], "3");
}

#[test]
fn info_adds_up_the_cores() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let _other = server.client_on(cores - 1);
        for key in key_of_each_core(cores, "key") {
            client.send(&format!("SET {key} value"));
            client.send(&format!("GET {key}"));
            client.send(&format!("GET missing-{key}"));
        }
        client.send("SELECT 2");
        client.send("SET a 1 EX 100");
        server.advance_ms(1500);
        let fields = info(&client, "");
        let n = cores.to_string();
        let wanted = [
            ("redis_version", "7.4.0"),
            ("torc_version", env!("CARGO_PKG_VERSION")),
            ("torc_cores", n.as_str()),
            ("redis_mode", "standalone"),
            ("tcp_port", "6379"),
            ("uptime_in_seconds", "1"),
            ("connected_clients", "2"),
            ("total_connections_received", "2"),
            ("keyspace_hits", n.as_str()),
            ("keyspace_misses", n.as_str()),
            ("role", "master"),
            ("loading", "0"),
            ("maxmemory_policy", "noeviction"),
            ("rdb_changes_since_last_save", &(cores + 1).to_string()),
            ("db0", &format!("keys={n},expires=0,avg_ttl=0,subexpiry=0")),
        ];
        for (name, value) in wanted {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name} on {cores}");
        }
        let db2 = &fields["db2"];
        assert!(db2.starts_with("keys=1,expires=1,avg_ttl=9"), "{db2}");
        assert!(!fields.contains_key("db1"));
        let number = |name: &str| fields[name].parse::<u64>().expect("a number");
        assert!(number("used_memory") > 0 && number("used_memory_peak") >= number("used_memory"));
        assert!(number("used_memory_dataset") <= number("used_memory"));
        assert!(number("total_net_input_bytes") > 0);
    }
}

/// A command that runs on all cores is one call, and its error is one error.
#[test]
fn commands_and_errors_are_counted_once() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        let keys = key_of_each_core(cores, "key").join(" ");
        for line in [
            "CONFIG RESETSTAT",
            "DBSIZE",
            "PING",
            "CONFIG SET foo bar",
            "FOO",
            "GET",
            "SELECT 99",
            "MULTI",
            "SET a x",
            "INCR a",
            "EXEC",
        ] {
            client.send(line);
        }
        client.send(&format!("DEL {keys}"));
        let fields = info(&client, "commandstats errorstats stats");
        let stats = |calls: u64, rejected: u64, failed: u64| {
            format!("calls={calls},usec=0,usec_per_call=0.00,rejected_calls={rejected},failed_calls={failed}")
        };
        let wanted = [
            ("cmdstat_dbsize", stats(1, 0, 0)),
            ("cmdstat_config|set", stats(1, 0, 1)),
            ("cmdstat_del", stats(1, 0, 0)),
            ("cmdstat_get", stats(0, 1, 0)),
            ("cmdstat_select", stats(1, 0, 1)),
            ("cmdstat_set", stats(1, 0, 0)),
            ("cmdstat_incr", stats(1, 0, 1)),
            ("cmdstat_exec", stats(1, 0, 0)),
            ("errorstat_ERR", "count=5".to_owned()),
            ("total_error_replies", "5".to_owned()),
        ];
        for (name, value) in wanted {
            assert_eq!(fields.get(name), Some(&value), "{name} on {cores}");
        }
    }
}

/// What a script does not catch, and what it returns, was counted by the command; what it makes itself was not.
#[test]
fn errors_of_scripts_are_counted_once() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.send("SET key value");
        for (script, code, count) in [
            ("return redis.call('lpush', KEYS[1], 'x')", "WRONGTYPE", 1),
            ("return redis.pcall('lpush', KEYS[1], 'x')", "WRONGTYPE", 2),
            ("redis.pcall('lpush', KEYS[1], 'x') return 1", "WRONGTYPE", 3),
            ("return redis.error_reply('MINE of a script')", "MINE", 1),
            ("error('no code')", "ERR", 1),
            ("return redis.call('nothing')", "ERR", 2),
            ("redis.pcall('lpush', KEYS[1]) return 1", "ERR", 3),
        ] {
            client.call(&["EVAL", script, "1", "key"]);
            let fields = info(&client, "errorstats commandstats");
            let (counted, wanted) = (&fields[&format!("errorstat_{code}")], format!("count={count}"));
            assert_eq!(counted, &wanted, "{script} on {cores}");
        }
        assert_eq!(info(&client, "stats")["total_error_replies"], "7");
        let calls = info(&client, "commandstats");
        assert!(calls["cmdstat_eval"].ends_with("failed_calls=5"));
        assert!(calls["cmdstat_lpush"].starts_with("calls=3,"), "{calls:?}");
        assert!(calls["cmdstat_lpush"].ends_with("rejected_calls=1,failed_calls=3"), "{calls:?}");
    }
}

/// Error texts show what was sent byte for byte, but for zeros, which end it, and line ends.
#[test]
fn error_texts_are_bytes() {
    let client = TestCore::new(1).client();
    let error = |request: &[u8]| client.raw(request);
    let reply = error(b"*2\r\n$3\r\nf\xff\n\r\n$4\r\nb\x80\x00c\r\n");
    assert_eq!(reply, b"-ERR unknown command 'f\xff ', with args beginning with: 'b\x80' \r\n");
    let reply = error(b"*2\r\n$6\r\nOBJECT\r\n$3\r\n\xfe\x00c\r\n");
    assert_eq!(reply, b"-ERR unknown subcommand '\xfe'. Try OBJECT HELP.\r\n");
    let reply = error(b"*4\r\n$6\r\nEXPIRE\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\n\xf0\r\n\r\n");
    assert_eq!(reply, b"-ERR Unsupported option \xf0\r\n");
    let long = [0xf1; 200];
    let mut expected = b"-ERR unknown command '".to_vec();
    expected.extend_from_slice(&long[..128]);
    expected.extend_from_slice(b"', with args beginning with: \r\n");
    let request = [b"*1\r\n$200\r\n", &long[..], b"\r\n"].concat();
    assert_eq!(error(&request), expected);
}

#[test]
fn resetstat_begins_again() {
    let server = TestCore::new(3);
    let client = server.client();
    for line in ["SET a 1 PX 10", "SET b 1 PX 10", "SET c 1", "GET c", "GET d", "FOO"] {
        client.send(line);
    }
    server.advance_ms(100);
    server.upkeep();
    assert_eq!(info(&client, "stats")["expired_keys"], "2");
    assert_eq!(client.send("CONFIG RESETSTAT"), "+OK");
    let fields = info(&client, "all");
    for name in
        ["expired_keys", "keyspace_hits", "keyspace_misses", "total_error_replies", "total_connections_received"]
    {
        assert_eq!(fields[name], "0", "{name}");
    }
    assert!(!fields.keys().any(|name| name.starts_with("errorstat_") || name == "cmdstat_get"));
    assert_eq!(fields["rdb_changes_since_last_save"], "3", "what is not saved stays unsaved");
}

#[test]
fn operations_a_second_are_sampled() {
    let server = TestCore::new(1);
    let client = server.client();
    for _ in 0..200 {
        client.pipeline(&["PING", "PING"]);
        server.advance_ms(10);
        server.engine(0, torc_engine::Engine::sweep_sessions);
    }
    assert_eq!(info(&client, "stats")["instantaneous_ops_per_sec"], "200");
}

#[test]
fn config() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        client.check(&[
            ("CONFIG GET port maxc* port", "[\"port\", \"6379\", \"maxclients\", \"10000\"]"),
            ("CONFIG GET nothing", "[]"),
            ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"),
            ("CONFIG SET timeout", "-ERR wrong number of arguments for 'config|set' command"),
            ("CONFIG SET timeout 1 hz", "-ERR syntax error"),
            ("CONFIG SET foo bar", "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
            (
                "CONFIG SET timeout 5 databases 1",
                "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
            ),
            ("CONFIG GET timeout", "[\"timeout\", \"0\"]"),
            ("CONFIG SET timeout 5 maxmemory-policy allkeys-lfu lfu-log-factor 3", "+OK"),
            ("CONFIG GET timeout", "[\"timeout\", \"5\"]"),
            ("CONFIG REWRITE", "-ERR The server is running without a config file"),
            ("CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP."),
        ]);
        for core in 0..cores {
            let seen = server.client_on(core);
            assert_eq!(seen.send("CONFIG GET timeout"), "[\"timeout\", \"5\"]");
        }
        client.send("SET a 1");
        assert_eq!(server.engine(cores - 1, |engine| engine.config().eviction.lfu_log_factor), 3);
        assert!(client.send("CONFIG HELP").contains("+SET parameter value [parameter value ...],"));
    }
    let server = TestCore::new(1);
    server.engine(0, |engine| engine.inspect_mut().identity_mut().config_file = "/etc/torc.conf".to_owned());
    let client = server.client();
    client.begin(&["CONFIG REWRITE"]);
    server.settle();
    let asked = server.engine(0, torc_engine::Engine::take_host_requests);
    let [HostRequest::WriteFile { path, content: FileContent::Directives(directives), asker }] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(path, "/etc/torc.conf");
    let of_users = directives.iter().find(|directive| directive.names == ["user"]).expect("users are written");
    assert_eq!(of_users.lines, [b"user default on nopass sanitize-payload ~* &* +@all".to_vec()]);
    server.engine(0, |engine| engine.on_host_answer(*asker, HostReply::Done));
    assert_eq!(client.poll(), ["+OK"]);
}

#[test]
fn the_policy_decides_what_accesses_leave_behind() {
    let server = TestCore::new(1);
    let client = server.client();
    client.send("CONFIG SET maxmemory-policy allkeys-lfu");
    client.send("SET a 1");
    let frequency = server.engine(0, |engine| {
        let now_ms = engine.inspect().now_ms();
        engine.inspect_mut().keyspace_mut().read(0, b"a", now_ms, false).expect("the key is there").frequency(now_ms)
    });
    assert_eq!(frequency, 5, "a new key counts as having been used a few times");
}

#[test]
fn command_describes_commands_as_redis_does() {
    let client = TestCore::new(1).client();
    let spec = |flags: &str, first: u32, last: i32, step: u32| {
        format!(
            "[[\"flags\", [{flags}], \"begin_search\", [\"type\", \"index\", \"spec\", [\"index\", :{first}]], \"find_keys\", \
             [\"type\", \"range\", \"spec\", [\"lastkey\", :{last}, \"keystep\", :{step}, \"limit\", :0]]]]"
        )
    };
    let get = format!(
        "[\"get\", :2, [+readonly, +fast], :1, :1, :1, [+@read, +@string, +@fast], [], {}, []]",
        spec("+RO, +access", 1, 0, 1)
    );
    let usage =
        format!("[\"memory|usage\", :-3, [+readonly], :2, :2, :1, [+@read, +@slow], [], {}, []]", spec("+RO", 2, 0, 1));
    let list = "[\"client|list\", :-2, [+admin, +noscript, +loading, +stale], :0, :0, :0, [+@admin, +@slow, +@dangerous, \
                +@connection], [\"nondeterministic_output\"], [], []]";
    let ping = "[\"ping\", :-1, [+fast], :0, :0, :0, [+@fast, +@connection], [\"request_policy:all_shards\", \
                \"response_policy:all_succeeded\"], [], []]";
    let multi = "[\"multi\", :1, [+noscript, +loading, +stale, +fast, +allow_busy], :0, :0, :0, [+@fast, +@transaction], [], [], []]";
    let exec =
        "[\"exec\", :1, [+noscript, +loading, +stale, +skip_slowlog], :0, :0, :0, [+@slow, +@transaction], [], [], []]";
    client.check(&[
        ("COMMAND INFO get", &format!("[{get}]")),
        ("COMMAND INFO memory|usage foo client|LIST client|foo", &format!("[{usage}, nil, {list}, nil]")),
        ("COMMAND INFO ping multi exec", &format!("[{ping}, {multi}, {exec}]")),
        ("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command"),
        ("COMMAND FOO", "-ERR unknown subcommand 'FOO'. Try COMMAND HELP."),
    ]);
    client.send("HELLO 3");
    let reply = client.send("COMMAND INFO get");
    assert!(
        reply.starts_with(
            "[[\"get\", :2, ~[+readonly, +fast], :1, :1, :1, ~[+@read, +@string, +@fast], ~[], ~[{\"flags\": ~[+RO"
        ),
        "{reply}"
    );
    assert!(reply.ends_with("~[]]]"), "a set of subcommands that is empty: {reply}");
    let reply = client.send("COMMAND INFO memory");
    assert!(
        reply.starts_with("[[\"memory\", :-2, ~[], :0, :0, :0, ~[+@slow], ~[], ~[], [[\"memory|"),
        "an array: {reply}"
    );
    let all = client.send("COMMAND");
    assert_eq!(all, client.send("COMMAND INFO"));
    assert!(all.contains("\"client|list\"") && all.contains("\"exec\""));
}

#[test]
fn command_lists_and_finds_keys() {
    let client = TestCore::new(3).client();
    client.check(&[
        ("COMMAND LIST FILTERBY PATTERN CONFIG|*SET*", "[\"config|resetstat\", \"config|set\"]"),
        ("COMMAND LIST FILTERBY ACLCAT transaction", "[\"discard\", \"exec\", \"multi\", \"unwatch\", \"watch\"]"),
        ("COMMAND LIST FILTERBY ACLCAT foo", "[]"),
        ("COMMAND LIST FILTERBY MODULE foo", "[]"),
        ("COMMAND LIST FILTERBY FOO bar", "-ERR syntax error"),
        ("COMMAND LIST FOO", "-ERR syntax error"),
        ("COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command"),
        ("COMMAND GETKEYS get", "-ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYS get a", "[\"a\"]"),
        ("COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYS foo a b", "-ERR Invalid command specified"),
        ("COMMAND GETKEYS ping a b", "-ERR The command has no key arguments"),
        ("COMMAND GETKEYS mset a 1 b 2", "[\"a\", \"b\"]"),
        ("COMMAND GETKEYS memory usage x", "[\"x\"]"),
        ("COMMAND GETKEYSANDFLAGS get a", "[[\"a\", [+RO, +access]]]"),
        ("COMMAND GETKEYSANDFLAGS set a b", "[[\"a\", [+OW, +update]]]"),
        ("COMMAND GETKEYSANDFLAGS set a b get", "[[\"a\", [+RW, +access, +update]]]"),
        ("COMMAND GETKEYSANDFLAGS bitfield a get u8 0", "[[\"a\", [+RO, +access]]]"),
        ("COMMAND DOCS foo", "[]"),
    ]);
    let count: usize = client.send("COMMAND COUNT")[1..].parse().expect("a number");
    let listed = client.send("COMMAND LIST");
    assert_eq!(listed.split(", ").filter(|name| !name.contains('|')).count(), count);
    let docs = client.send("COMMAND DOCS ping client|setname foo");
    assert_eq!(
        docs,
        "[\"ping\", [\"summary\", \"Returns the server\\'s liveliness response.\", \"since\", \"1.0.0\", \"group\", \"connection\", \
         \"complexity\", \"O(1)\", \"arguments\", [[\"name\", \"message\", \"type\", \"string\", \"display_text\", \"message\", \
         \"flags\", [+optional]]]], \"client|setname\", [\"summary\", \"Sets the connection name.\", \"since\", \"2.6.9\", \
         \"group\", \"connection\", \"complexity\", \"O(1)\", \"arguments\", [[\"name\", \"connection-name\", \"type\", \"string\", \
         \"display_text\", \"connection-name\"]]]]"
    );
    client.send("HELLO 3");
    let docs = client.send("COMMAND DOCS memory");
    assert!(
        docs.starts_with("{\"memory\": {\"summary\"") && docs.contains("\"subcommands\": {\"memory|doctor\": {"),
        "{docs}"
    );
}

#[test]
fn time_is_the_clock_that_was_passed_in() {
    let server = TestCore::new(1);
    server.advance_ms(1);
    server.client().check(&[
        ("TIME", "[\"1700000000\", \"1000\"]"),
        ("TIME x", "-ERR wrong number of arguments for 'time' command"),
    ]);
}

#[test]
fn lolwut_ends_with_the_version() {
    let client = TestCore::new(1).client();
    let ending = format!("\\nTorc ver. {}, Redis ver. 7.4.0\\n\"", env!("CARGO_PKG_VERSION"));
    for line in ["LOLWUT", "LOLWUT VERSION 5", "LOLWUT VERSION 5 20 10", "LOLWUT foo"] {
        let art = client.send(line);
        assert!(art.ends_with(&ending) && art.len() > 100, "{line}: {art}");
    }
    assert_eq!(client.send("LOLWUT VERSION foo"), "-ERR value is not an integer or out of range");
}

#[test]
fn shutdown_asks_the_server_to_stop() {
    let server = TestCore::new(3);
    let client = server.client_on(1);
    client.check(&[
        ("SHUTDOWN FOO", "-ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error"),
        ("SHUTDOWN ABORT NOW", "-ERR syntax error"),
    ]);
    let stopped = |answer: HostReply| {
        server.engine(1, |engine| engine.on_host_answer(client.connection(), answer));
        client.poll()
    };
    let wanted = |saves, is_forced| Shutdown { saves, is_forced };
    let asks = [
        ("SHUTDOWN", wanted(None, false)),
        ("SHUTDOWN NOSAVE NOW", wanted(Some(false), false)),
        ("shutdown force save", wanted(Some(true), true)),
    ];
    for (line, wanted) in asks {
        assert_eq!(client.pipeline(&[line]), Vec::<String>::new());
        let asked = server.engine(1, Engine::take_host_requests);
        let [HostRequest::Shutdown { how, by, asker }] = &asked[..] else { panic!("{line}: {asked:?}") };
        assert_eq!((*how, *asker), (wanted, client.connection()));
        assert!(by.starts_with("id=") && by.contains(" addr="), "{by}");
        // If it stops, nobody is left to answer.
        assert_eq!(stopped(HostReply::Failed), ["-ERR Errors trying to SHUTDOWN. Check logs."]);
    }
    assert_eq!(client.pipeline(&["SHUTDOWN ABORT"]), Vec::<String>::new());
    let abort = HostRequest::AbortShutdown { asker: client.connection() };
    assert_eq!(server.engine(1, Engine::take_host_requests), [abort]);
    assert_eq!(stopped(HostReply::Done), ["+OK"]);
}

#[test]
fn dbsize_adds_up_the_cores() {
    for cores in [1u16, 3] {
        let client = TestCore::new(cores).client();
        for key in key_of_each_core(cores, "key") {
            client.send(&format!("SET {key} 1"));
        }
        assert_eq!(client.send("DBSIZE"), format!(":{cores}"));
        assert_eq!(client.send("SELECT 1"), "+OK");
        assert_eq!(client.send("DBSIZE"), ":0");
    }
}

#[test]
fn memory_usage() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[
            ("MEMORY USAGE foo", "nil"),
            ("MEMORY USAGE foo SAMPLES -1", "-ERR syntax error"),
            ("MEMORY USAGE foo SAMPLES a", "-ERR value is not an integer or out of range"),
            ("MEMORY USAGE foo SAMPLES", "-ERR syntax error"),
            ("MEMORY USAGE foo x y", "-ERR syntax error"),
            ("MEMORY USAGE foo x", "-ERR syntax error"),
            ("MEMORY USAGE", "-ERR wrong number of arguments for 'memory|usage' command"),
            ("MEMORY FOO", "-ERR unknown subcommand 'FOO'. Try MEMORY HELP."),
            ("SET foo 0123456789", "+OK"),
        ]);
        let bytes: u64 = client.send("MEMORY USAGE foo SAMPLES 0")[1..].parse().expect("a number");
        assert!((16..=200).contains(&bytes), "{bytes}");
        assert!(client.send("MEMORY HELP").contains("+USAGE key [SAMPLES count],"));
    }
}

#[test]
fn debug_is_gated() {
    use torc_engine::config::DebugAccess;
    let refused = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
                   local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
    let closed = TestCore::new(1).client();
    closed.check(&[("DEBUG SET-ACTIVE-EXPIRE 0", refused), ("DEBUG HELP", refused)]);
    let server = TestCore::with_config(3, |config| config.enable_debug_command = DebugAccess::Local);
    let stranger = torc_engine::ConnectionInfo::default();
    server.engine(0, |engine| engine.inspect_mut().config_mut().protected_mode = false);
    assert_eq!(server.client_with(0, stranger).send("DEBUG SET-ACTIVE-EXPIRE 0"), refused);
    let client = server.client();
    client.check(&[
        ("DEBUG", "-ERR wrong number of arguments for 'debug' command"),
        ("DEBUG FOO", "-ERR unknown subcommand 'FOO'. Try DEBUG HELP."),
        ("DEBUG SET-ACTIVE-EXPIRE 0", "+OK"),
        ("SET a 1 PX 10", "+OK"),
        ("SET b 1 PX 10", "+OK"),
    ]);
    server.advance_ms(100);
    server.upkeep();
    assert_eq!(client.send("DBSIZE"), ":2");
    assert_eq!(client.send("DEBUG SET-ACTIVE-EXPIRE 1"), "+OK");
    server.upkeep();
    assert_eq!(client.send("DBSIZE"), ":0");
}

// The documentation is derived from the rows' syntax lines when it is asked for, and a line that cannot be read panics.
#[test]
fn every_command_is_documented() {
    let client = TestCore::new(1).client();
    let list = client.send("COMMAND LIST");
    let names = list.trim_matches(['[', ']']).split(", ").map(|name| name.trim_matches('"').to_owned());
    let mut count = 0;
    for name in names {
        let docs = client.send(&format!("COMMAND DOCS {name}"));
        assert!(docs.contains("\"summary\", \""), "{name}: {docs}");
        count += 1;
    }
    assert!(count > 200, "{count}");
}

#[test]
fn what_the_host_must_do_first_is_answered_when_it_has_done_it() {
    const FAILED: &str = "-ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new \
                          oom-score-adj configuration, check server logs.";
    let score = |mode| OomScore { mode, values: Config::default().oom_score_adj_values };
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (client, other) = (server.client(), server.client());
        let ask = |wanted, asker| HostRequest::AdjustOomScore { wanted, asker };
        let asked = || asked_beside_notices(&server, 0);
        let modes = || -> Vec<OomScoreAdj> {
            (0..cores).map(|core| server.engine(core, |engine| engine.config().oom_score_adj)).collect()
        };
        let wanted = score(OomScoreAdj::Absolute);
        for is_done in [false, true] {
            let lines = ["PING", "CONFIG SET oom-score-adj absolute maxclients 77", "PING"];
            assert_eq!(client.pipeline(&lines), ["+PONG"], "what follows waits too");
            assert_eq!(asked(), [ask(wanted, Some(client.connection()))], "it asks once");
            assert_eq!(other.send("PING"), "+PONG");
            assert!(client.poll().is_empty() && modes().iter().all(|mode| *mode == OomScoreAdj::No));
            server.engine(0, |engine| engine.on_host_answer(client.connection(), reply_of(is_done)));
            let first = if is_done { "+OK" } else { FAILED };
            server.settle();
            assert_eq!(client.poll(), [first, "+PONG"]);
            let maxclients = server.engine(cores - 1, |engine| engine.config().maxclients);
            assert_eq!(maxclients == 77, is_done, "all of it is in force or nothing");
        }
        assert!(modes().iter().all(|mode| *mode == OomScoreAdj::Absolute));
        assert_eq!(asked(), [ask(wanted, None)], "each core sees to it, and nobody waits for that");
        // Nothing is asked for what changes nothing, or is wrong.
        assert_eq!(client.send("CONFIG SET oom-score-adj absolute"), "+OK");
        assert!(client.send("CONFIG SET oom-score-adj no maxclients x").starts_with("-ERR CONFIG SET failed"));
        assert_eq!(client.send("CONFIG SET oom-score-adj no maxclients"), "-ERR syntax error");
        assert_eq!(asked(), []);
        // Who asked may be gone.
        let (id, lines) = (client.connection(), ["CONFIG SET oom-score-adj yes"]);
        assert!(client.pipeline(&lines).is_empty());
        client.disconnect();
        server.engine(0, |engine| engine.on_host_answer(id, HostReply::Done));
        server.settle();
        assert!(modes().iter().all(|mode| *mode == OomScoreAdj::Absolute));
        // As in Redis, it has run and failed.
        let calls = ["calls=5", "rejected_calls=0", "failed_calls=3"];
        let shown = other.send("INFO commandstats");
        let line = shown.split("\\r\\n").find(|line| line.contains("config|set")).expect("it was called");
        assert!(calls.iter().all(|count| line.contains(count)), "{line}");
        assert!(other.send("INFO errorstats").contains("errorstat_ERR:count=3"));
    }
}

fn reply_of(is_done: bool) -> HostReply {
    if is_done { HostReply::Done } else { HostReply::Failed }
}

/// What a core has asked of its host, but for the notices of CONFIG SET.
fn asked_beside_notices(server: &TestCore, core: u16) -> Vec<HostRequest> {
    let mut asked = server.engine(core, Engine::take_host_requests);
    asked.retain(|request| *request != HostRequest::Configured);
    asked
}

#[test]
fn a_transaction_waits_for_what_the_host_must_do() {
    const FAILED: &str = "-ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new \
                          oom-score-adj configuration, check server logs.";
    for cores in [1, 2, 3] {
        let server = TestCore::new(cores);
        let (client, other) = (server.client_on(cores - 1), server.client());
        let own = cores - 1;
        let ask = |mode, asker| {
            let wanted = OomScore { mode, values: Config::default().oom_score_adj_values };
            HostRequest::AdjustOomScore { wanted, asker }
        };
        let asked = || asked_beside_notices(&server, own);
        let answer = |id, is_done| {
            server.engine(own, |engine| engine.on_host_answer(id, reply_of(is_done)));
            server.settle();
        };
        let id = client.connection();
        let queue = [
            "MULTI",
            "SET a 1",
            "CONFIG SET oom-score-adj absolute maxclients 77",
            "INCR a",
            "CONFIG SET maxclients 88",
            "CONFIG SET oom-score-adj relative",
            "CONFIG GET maxclients",
            "EXEC",
            "PING",
        ];
        for first_done in [false, true] {
            let replies = client.pipeline(&queue);
            assert_eq!(replies.len(), 7, "EXEC is not answered, nor what is behind it: {replies:?}");
            assert_eq!(asked(), [ask(OomScoreAdj::Absolute, Some(id))]);
            assert_eq!(other.send("PING"), "+PONG");
            assert!(client.poll().is_empty());
            answer(id, first_done);
            assert!(client.poll().is_empty(), "the next part is asked for");
            let again = first_done.then(|| ask(OomScoreAdj::Absolute, None));
            assert_eq!(asked(), again.into_iter().chain([ask(OomScoreAdj::Relative, Some(id))]).collect::<Vec<_>>());
            answer(id, false);
            let first = if first_done { "+OK" } else { FAILED };
            let executed = format!("[+OK, {first}, :2, +OK, {FAILED}, [\"maxclients\", \"88\"]]");
            assert_eq!(client.poll(), [&executed, "+PONG"], "{cores} cores");
        }
        assert_eq!(asked(), []);
        // If a watched key has changed, nothing is asked.
        client.check(&[("WATCH a", "+OK"), ("SET a 2", "+OK"), ("MULTI", "+OK")]);
        client.check(&[("CONFIG SET oom-score-adj no", "+QUEUED"), ("EXEC", "nil")]);
        assert_eq!(asked(), []);
        // A transaction goes on to its end, though its client is gone. What is locked stays so until then.
        client.pipeline(&["MULTI", "CONFIG SET oom-score-adj no", "SET a 3", "EXEC"]);
        assert_eq!(asked(), [ask(OomScoreAdj::No, Some(id))]);
        client.disconnect();
        assert!(other.pipeline(&["GET a"]).is_empty());
        answer(id, true);
        assert_eq!(other.poll(), ["\"3\""]);
        for core in 0..cores {
            server.engine(core, |engine| {
                assert_eq!(engine.config().oom_score_adj, OomScoreAdj::No);
                assert!(engine.claims_are_idle() && engine.mesh_is_idle());
            });
        }
        let shown = other.send("INFO commandstats");
        assert!(shown.contains("cmdstat_config|set:calls=7,"), "{shown}");
        assert!(shown.contains("failed_calls=3"), "{shown}");
    }
}

fn rename(from: &str, to: &str) -> Rename {
    Rename { from: from.to_owned(), to: to.to_owned() }
}

#[test]
fn renamed_commands_answer_to_their_new_names_only() {
    for cores in [1u16, 3] {
        let renames =
            vec![rename("get", "fetch"), rename("set", "get"), rename("flushall", ""), rename("config", "c0nf")];
        let client = TestCore::with_config(cores, |config| config.renamed_commands = renames).client();
        client.check(&[
            ("GET key value", "+OK"),
            ("FETCH key", "\"value\""),
            ("SET key value", "-ERR unknown command 'SET', with args beginning with: 'key' 'value' "),
            ("FLUSHALL", "-ERR unknown command 'FLUSHALL', with args beginning with: "),
            ("CONFIG GET port", "-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'port' "),
            ("C0NF GET port", "[\"port\", \"6379\"]"),
            ("C0NF GET rename-command", "[]"),
            // As in Redis, texts and descriptions keep the command's own name.
            ("FETCH", "-ERR wrong number of arguments for 'get' command"),
            ("COMMAND GETKEYS FETCH a", "[\"a\"]"),
            ("COMMAND GETKEYS SET a b", "-ERR Invalid command specified"),
            ("COMMAND INFO flushall", "[nil]"),
            ("COMMAND LIST FILTERBY PATTERN flusha*", "[]"),
            ("MULTI", "+OK"),
            ("FETCH key", "+QUEUED"),
            ("SET key value", "-ERR unknown command 'SET', with args beginning with: 'key' 'value' "),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ]);
        assert!(client.send("COMMAND INFO fetch").starts_with("[[\"get\","));
        assert!(client.send("C0NF HELP").contains("CONFIG <subcommand>"));
        assert!(client.send("INFO commandstats").contains("cmdstat_get:calls=1,"));
        let all = TestCore::new(1).client().send("COMMAND COUNT");
        let number = |reply: &str| reply.trim_start_matches(':').parse::<i64>().expect("a number");
        assert_eq!(number(&client.send("COMMAND COUNT")) + 1, number(&all));
    }
}

#[test]
fn damaged_payloads_are_logged_only_where_details_are_wanted() {
    for (level, count) in [(LogLevel::Notice, 0), (LogLevel::Verbose, 3), (LogLevel::Debug, 3), (LogLevel::Nothing, 0)]
    {
        let server = TestCore::with_config(1, |config| {
            config.loglevel = level;
            config.enable_debug_command = torc_engine::config::DebugAccess::Yes;
        });
        let client = server.client();
        client.send("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
        let payload = [b"\xff\0\0\0\0".as_slice(), b"\x0b\0", &[0; 8]].concat();
        for _ in 0..3 {
            assert_eq!(client.call(&[b"RESTORE".as_slice(), b"key", b"0", &payload]), "-ERR Bad data format");
        }
        let asked = server.engine(0, Engine::take_host_requests);
        assert_eq!(asked.len(), count, "{level:?}: {asked:?}");
        let is_right =
            |request: &HostRequest| matches!(request, HostRequest::Log { kind: LogKind::DamagedPayload, .. });
        assert!(asked.iter().all(is_right), "{asked:?}");
    }
}

#[test]
fn what_a_browser_sends_is_logged_with_where_it_came_from() {
    for line in ["POST / HTTP/1.1", "host: localhost:6379"] {
        let server = TestCore::new(1);
        let client = server.client();
        assert_eq!(client.pipeline(&[line, "PING"]), Vec::<String>::new());
        let asked = server.engine(0, Engine::take_host_requests);
        let [HostRequest::Log { kind: LogKind::CrossProtocol, text }] = &asked[..] else { panic!("{asked:?}") };
        assert!(text.starts_with("Possible SECURITY ATTACK detected."), "{text}");
        assert!(text.ends_with("Connection from 127.0.0.1:50000 aborted."), "{text}");
    }
}
