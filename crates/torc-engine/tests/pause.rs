//! CLIENT PAUSE and CLIENT UNPAUSE, on one core and on three.

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::Engine;
use torc_engine::config::PipelineOrder;
use torc_engine::random::Random;

/// A line of INFO.
fn info(client: &Client, name: &str) -> String {
    let text = client.send("INFO everything");
    let line = text.split("\\r\\n").find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("INFO has {name}")).to_owned()
}

/// Sends a request that has to wait.
#[track_caller]
fn waits(client: &Client, line: &str) {
    assert_eq!(client.pipeline(&[line]), [""; 0], "{line}");
}

#[test]
fn wrong_arguments() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        server.client().check(&[
            ("CLIENT PAUSE", "-ERR wrong number of arguments for 'client|pause' command"),
            ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"),
            ("CLIENT PAUSE 1.5", "-ERR timeout is not an integer or out of range"),
            ("CLIENT PAUSE 99999999999999999999", "-ERR timeout is not an integer or out of range"),
            ("CLIENT PAUSE -1", "-ERR timeout is negative"),
            ("CLIENT PAUSE 9223372036854775807 WRITE", "-ERR timeout is out of range"),
            ("CLIENT PAUSE 1 x", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
            ("CLIENT PAUSE x x", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
            (
                "CLIENT PAUSE 1 WRITE x",
                "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ),
            ("CLIENT UNPAUSE x", "-ERR wrong number of arguments for 'client|unpause' command"),
            ("CLIENT UNPAUSE", "+OK"),
            ("CLIENT PAUSE 0", "+OK"),
            ("SET key value", "+OK"),
        ]);
    }
}

#[test]
fn writes_wait_and_reads_do_not() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "key");
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        keys.iter().for_each(|key| assert_eq!(other.send(&format!("SET {key} old")), "+OK"));
        assert_eq!(admin.send("CLIENT PAUSE 10000 WRITE"), "+OK");
        other.check(&[("GET nothing", "nil"), ("PING", "+PONG"), ("CLIENT SETNAME other", "+OK"), ("SELECT 1", "+OK")]);
        assert_eq!(other.send("SELECT 0"), "+OK");
        assert_eq!(info(&admin, "blocked_clients"), "0");
        for (number, key) in keys.iter().enumerate() {
            let writer = server.client_on(number as u16 % cores);
            waits(&writer, &format!("SET {key} new"));
            assert_eq!(writer.pipeline(&["PING"]), [""; 0], "what follows waits behind it");
            assert_eq!(other.send(&format!("GET {key}")), "\"old\"");
            assert_eq!(info(&admin, "blocked_clients"), "1");
            assert!(admin.send("CLIENT LIST").contains("flags=b "));
            writer.disconnect();
        }
        // A request that is no good says so at once.
        assert_eq!(other.send("SET key"), "-ERR wrong number of arguments for 'set' command");
        waits(&other, &format!("SET {} new", keys[0]));
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(other.poll(), ["+OK"]);
        assert_eq!(info(&admin, "blocked_clients"), "0");
        assert_eq!(other.send("DBSIZE"), format!(":{cores}"));
    }
}

#[test]
fn what_replicas_would_be_told_waits_too() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        assert_eq!(other.send("PFADD key a b"), ":1");
        assert_eq!(admin.send("CLIENT PAUSE 10000 WRITE"), "+OK");
        waits(&other, "PFCOUNT key");
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(other.poll(), [":2"]);
    }
}

#[test]
fn a_pause_of_all_holds_even_its_end() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        assert_eq!(admin.send("CLIENT PAUSE 100"), "+OK");
        waits(&other, "PING");
        waits(&admin, "CLIENT UNPAUSE");
        let closes = server.client();
        waits(&closes, "QUIT");
        server.advance_ms(99);
        assert!(other.poll().is_empty() && admin.poll().is_empty());
        for core in 0..cores {
            assert_eq!(server.engine(core, |engine| engine.next_deadline_ms()), Some(server.now_ms() + 1));
        }
        server.advance_ms(1);
        server.settle();
        assert_eq!(
            (other.poll(), admin.poll(), closes.poll()),
            (vec!["+PONG".into()], vec!["+OK".into()], vec!["+OK".into()])
        );
        assert_eq!(server.engine(0, |engine| engine.next_deadline_ms()), None);
    }
}

#[test]
fn the_stricter_pause_holds_until_the_later_end() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        // A longer one of writes is not ended by a shorter one.
        assert_eq!(admin.send("CLIENT PAUSE 60000 WRITE"), "+OK");
        assert_eq!(admin.send("CLIENT PAUSE 10 WRITE"), "+OK");
        server.advance_ms(100);
        waits(&other, "SET key value");
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(other.poll(), ["+OK"]);
        // One of all is not loosened by one of writes.
        let pauses = server.client_on(cores - 1);
        pauses.begin(&["CLIENT PAUSE 200 WRITE", "CLIENT PAUSE 0 ALL"]);
        server.settle();
        assert_eq!(pauses.poll(), ["+OK", "+OK"]);
        waits(&other, "GET key");
        server.advance_ms(200);
        server.settle();
        assert_eq!(other.poll(), ["\"value\""]);
        // What was over counts no more, even if no core has come to that.
        assert_eq!(admin.send("CLIENT PAUSE 200 ALL"), "+OK");
        waits(&other, "GET key");
        server.advance_ms(300);
        assert_eq!(admin.send("CLIENT PAUSE 100 WRITE"), "+OK");
        assert_eq!(other.poll(), ["\"value\""]);
        waits(&other, "DEL key");
    }
}

#[test]
fn info_tells_of_it() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let admin = server.client();
        let told = |name: &str| info(&admin, &format!("paused_{name}"));
        assert_eq!((told("reason"), told("actions")), ("none".into(), "none".into()));
        assert_eq!(told("timeout_milliseconds"), "0");
        assert_eq!(admin.send("CLIENT PAUSE 1000 WRITE"), "+OK");
        server.advance_ms(300);
        assert_eq!((told("reason"), told("actions")), ("client_pause".into(), "write".into()));
        assert_eq!(told("timeout_milliseconds"), "700");
        admin.pipeline(&["CLIENT UNPAUSE", "MULTI", "CLIENT PAUSE 1000 ALL", "INFO clients"]);
        assert!(admin.send("EXEC").contains("paused_actions:all\\r\\npaused_timeout_milliseconds:1000"));
    }
}

#[test]
fn for_ever_is_long_enough() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        let longest = i64::MAX - server.now_ms();
        assert_eq!(admin.send(&format!("CLIENT PAUSE {longest} WRITE")), "+OK");
        waits(&other, "SET key value");
        server.advance_ms(1_000_000_000_000);
        server.settle();
        assert!(other.poll().is_empty());
        assert_eq!(server.engine(0, |engine| engine.next_deadline_ms()), Some(i64::MAX));
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(other.poll(), ["+OK"]);
    }
}

#[test]
fn a_transaction_waits_at_exec_and_for_what_it_writes() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "key");
        let (admin, writes, reads) = (server.client(), server.client_on(cores - 1), server.client_on(cores - 1));
        let last = keys.last().expect("there is a core");
        writes.check(&[
            ("MULTI", "+OK"),
            (&format!("SET {} new", keys[0]), "+QUEUED"),
            (&format!("GET {last}"), "+QUEUED"),
        ]);
        assert_eq!(admin.send("CLIENT PAUSE 10000 WRITE"), "+OK");
        waits(&writes, "EXEC");
        reads.check(&[("MULTI", "+OK"), ("PING", "+QUEUED"), (&format!("GET {}", keys[0]), "+QUEUED")]);
        assert_eq!(reads.send("EXEC"), "[+PONG, nil]");
        // What writes is not even queued.
        assert_eq!(reads.send("MULTI"), "+OK");
        waits(&reads, "SET other value");
        assert_eq!(info(&admin, "blocked_clients"), "2");
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(reads.poll(), ["+QUEUED"]);
        assert!(writes.poll()[0].starts_with("[+OK, "));
    }
}

#[test]
fn a_pause_in_a_transaction_begins_at_its_end() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "key");
        let last = keys.last().expect("there is a core");
        let (admin, other) = (server.client(), server.client_on(cores - 1));
        let first = format!("SET {} a", keys[0]);
        let second = format!("SET {last} b");
        let replies = admin.pipeline(&["MULTI", &first, "CLIENT PAUSE 10000 WRITE", &second, "EXEC"]);
        assert_eq!(replies.last().map(String::as_str), Some("[+OK, +OK, +OK]"));
        waits(&other, "SET other c");
        assert_eq!(admin.send(&format!("GET {last}")), "\"b\"");
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(other.poll(), ["+OK"]);
        // One that was called off by a watched key pauses nobody.
        other.check(&[("WATCH other", "+OK"), ("MULTI", "+OK"), ("CLIENT PAUSE 10000 WRITE", "+QUEUED")]);
        assert_eq!(admin.send("SET other d"), "+OK");
        assert_eq!(other.send("EXEC"), "nil");
        assert_eq!(admin.send("SET other e"), "+OK");
    }
}

#[test]
fn what_expires_stays_until_the_end() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "key");
        let admin = server.client();
        for key in &keys {
            admin.check(&[(&format!("SET {key} value PX 10"), "+OK"), (&format!("HSET h{key} f v"), ":1")]);
            assert_eq!(admin.send(&format!("HPEXPIRE h{key} 10 FIELDS 1 f")), "[:1]");
        }
        let size = admin.send("DBSIZE");
        assert_eq!(admin.send("CLIENT PAUSE 10000 WRITE"), "+OK");
        server.advance_ms(1000);
        server.upkeep();
        for key in &keys {
            admin.check(&[
                (&format!("GET {key}"), "nil"),
                (&format!("HGET h{key} f"), "nil"),
                (&format!("TTL {key}"), ":-2"),
            ]);
        }
        assert_eq!((info(&admin, "expired_keys"), info(&admin, "expired_subkeys")), ("0".into(), "0".into()));
        assert_eq!(admin.send("DBSIZE"), size);
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        keys.iter().for_each(|key| assert_eq!(admin.send(&format!("GET {key}")), "nil"));
        assert_eq!(info(&admin, "expired_keys"), cores.to_string());
        server.upkeep();
        assert_eq!(admin.send("DBSIZE"), ":0");
    }
}

#[test]
fn who_waits_for_a_key_or_a_pause() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, before, within) = (server.client(), server.client_on(cores - 1), server.client_on(cores - 1));
        waits(&before, "BLPOP list 1");
        let id = within.send("CLIENT ID");
        assert_eq!(admin.send("CLIENT PAUSE 100000 WRITE"), "+OK");
        waits(&within, "BLPOP list 0");
        assert_eq!(info(&admin, "blocked_clients"), "2");
        // A pause is no wait that could be ended.
        assert_eq!(admin.send(&format!("CLIENT UNBLOCK {}", &id[1..])), ":0");
        // A wait that had begun runs out of time.
        server.advance_ms(2000);
        server.settle();
        assert_eq!(before.poll(), ["nil"]);
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(admin.send(&format!("CLIENT UNBLOCK {} ERROR", &id[1..])), ":1");
        assert_eq!(within.poll(), ["-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
    }
}

#[test]
fn who_leaves_during_a_pause_writes_nothing() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, leaves, ends) = (server.client(), server.client_on(cores - 1), server.client_on(cores - 1));
        assert_eq!(admin.send("CLIENT PAUSE 100000 WRITE"), "+OK");
        waits(&leaves, "SET key a");
        leaves.disconnect();
        waits(&ends, "SET key b");
        server.engine(cores - 1, |engine| engine.on_end_of_input(ends.connection()));
        assert!(ends.is_closed());
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert_eq!(admin.send("GET key"), "nil");
    }
}

#[test]
fn an_idle_client_is_not_closed_while_it_waits_for_the_end() {
    let server = TestCore::with_config(3, |config| config.timeout_seconds = 1);
    let (admin, other) = (server.client(), server.client_on(2));
    assert_eq!(admin.send("CLIENT PAUSE 100000 WRITE"), "+OK");
    waits(&other, "SET key a");
    server.advance_ms(5000);
    server.engine(2, |engine| (0..10).for_each(|_| engine.sweep_sessions()));
    assert!(!other.is_closed());
}

#[test]
fn a_stream_entry_is_not_claimed_in_a_pause() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let (admin, reader) = (server.client(), server.client_on(cores - 1));
        admin.check(&[
            ("XADD stream 1-1 a b", "\"1-1\""),
            ("XGROUP CREATE stream group 0", "+OK"),
            ("XREADGROUP GROUP group one STREAMS stream >", "[[\"stream\", [[\"1-1\", [\"a\", \"b\"]]]]]"),
        ]);
        waits(&reader, "XREADGROUP GROUP group two BLOCK 0 CLAIM 1000 STREAMS stream >");
        assert_eq!(admin.send("CLIENT PAUSE 100000 WRITE"), "+OK");
        server.advance_ms(2000);
        server.settle();
        assert!(reader.poll().is_empty());
        let at_end = server.now_ms() + 98_000;
        (0..cores).for_each(|core| assert_eq!(server.engine(core, |engine| engine.next_deadline_ms()), Some(at_end)));
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        assert!(reader.poll()[0].contains("1-1"));
    }
}

/// How much has been changed on all cores.
fn changes(server: &TestCore, cores: u16) -> u64 {
    (0..cores).map(|core| server.engine(core, |engine| engine.inspect().keyspace().changes())).sum()
}

/// One client pauses writes while others send writes of all kinds, in pipelines, transactions and waits. From the moment at which it has
/// its reply to the end of the pause nothing changes on any core, whatever is late; and then everything comes to its end.
#[test]
fn nothing_changes_between_the_reply_and_the_end() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let cores = 1 + random.below(4) as u16;
        let order = if seed % 3 == 0 { PipelineOrder::Relaxed } else { PipelineOrder::Writes };
        let server = TestCore::with_config(cores, |config| config.pipeline_order = order);
        let admin = server.client_on(random.below(cores.into()) as u16);
        let mut writers: Vec<Client> = (0..6).map(|_| server.client_on(random.below(cores.into()) as u16)).collect();
        for writer in &writers {
            let lines = some_writes(&mut random, &key_of_each_core(cores, "key"));
            writer.begin(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for _ in 0..random.below(30) {
            server.step(random.below(1 << 20) as usize);
        }
        admin.begin(&["CLIENT PAUSE 100000 WRITE"]);
        while admin.peek().is_empty() {
            if random.below(40) == 0 && !writers.is_empty() {
                let leaves = writers.swap_remove(random.below(writers.len() as u64) as usize);
                server.engine(leaves.core(), |engine| engine.disconnected(leaves.connection()));
            }
            server.step(random.below(1 << 20) as usize);
        }
        let paused = changes(&server, cores);
        while server.step(random.below(1 << 20) as usize) {}
        server.advance_ms(1000);
        server.settle();
        assert_eq!(changes(&server, cores), paused, "seed {seed}: something changed in a pause");
        assert_eq!(admin.send("CLIENT UNPAUSE"), "+OK");
        // Waits of one pipeline run out one after another.
        for _ in 0..10 {
            server.advance_ms(1000);
            server.settle();
        }
        for writer in &writers {
            let session_is_done = |engine: &mut Engine| {
                let session = engine.inspect_session(writer.connection()).expect("it is connected");
                !session.is_stalled() && !session.is_waiting()
            };
            assert!(server.engine(writer.core(), session_is_done), "seed {seed}: a writer waits for ever");
        }
        for core in 0..cores {
            let is_at_rest =
                |engine: &mut Engine| engine.claims_are_idle() && engine.nobody_waits() && !engine.has_work();
            assert!(server.engine(core, is_at_rest), "seed {seed}: something is left");
        }
    }
}

/// A few requests that write one key, several, or wait for one.
fn some_writes(random: &mut Random, keys: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..=random.below(6) {
        let mut key = || &keys[random.below(keys.len() as u64) as usize];
        let (one, other) = (key(), key());
        match random.below(6) {
            0 => lines.extend(["MULTI".into(), format!("INCR {one}"), format!("INCR {other}"), "EXEC".into()]),
            1 => lines.push(format!("MSET {one} 1 {other} 2")),
            2 => lines.push(format!("RPUSH l{one} a b")),
            3 => lines.push(format!("BLMOVE l{one} l{other} LEFT RIGHT 0.1")),
            4 => lines.push(format!("GET {one}")),
            _ => lines.push(format!("INCR {one}")),
        }
    }
    lines
}
