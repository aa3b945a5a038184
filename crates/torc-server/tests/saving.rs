//! Saving with real files: what is saved comes back on any number of cores, snapshots are one state of all keys, and whatever goes on
//! meanwhile goes on.
//!
//! `rdb-key-save-delay` makes a save as long as a test needs it.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::data::fill_types;
use common::resp::{Reply, append_request};
use common::saves::{AT_ONCE, ENDLESS, digest, fill, is_saving, launch, number_at, quiet, wait_until_saved};
use common::{Directory, Random, Server, wait_until};

#[test]
fn all_types_come_back_on_any_number_of_cores() {
    let directory = Directory::new("types");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    client.command("HSET fields f v g w");
    client.command("HPEXPIREAT fields 32503680000000 FIELDS 1 f");
    let expected = digest(&mut client);
    let changes: u64 = client.info("rdb_changes_since_last_save").parse().expect("a number");
    assert!(changes > 20, "{changes}");
    client.ok("SAVE");
    assert_eq!(client.info("rdb_changes_since_last_save"), "0");
    client.ok("SET later than-the-save");
    server.kill();
    assert_eq!(directory.names(), ["dump.rdb"]);
    for cores in [1, 2, 3] {
        let server = quiet(cores, &directory).start();
        let mut client = server.connect();
        assert_eq!(digest(&mut client), expected, "{cores} cores");
        assert_eq!(client.command("PEXPIRETIME list").integer(), 32_503_680_000_000);
        assert_eq!(client.command("HPEXPIRETIME fields FIELDS 2 f g").elements()[0].integer(), 32_503_680_000_000);
        assert_eq!(client.info("rdb_changes_since_last_save"), "0");
        assert_eq!(client.info("rdb_last_load_keys_loaded"), (expected.1 + 1).to_string(), "one in database 9");
        let log = server.finish();
        assert!(log.contains("Done loading RDB, keys loaded: "), "{log}");
    }
}

#[test]
fn what_has_expired_meanwhile_is_gone() {
    let directory = Directory::new("expired");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    for number in 0..20 {
        client.ok(&format!("SET short:{number} value PX 1"));
        client.ok(&format!("SET lasting:{number} value PX 10000000"));
    }
    client.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    client.ok("SET soon value PX 300");
    client.ok("SAVE");
    let soon = client.command("PEXPIRETIME soon").integer();
    server.kill();
    wait_until("it has expired", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
        now.as_millis() as i64 > soon.max(1)
    });
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("DBSIZE").integer(), 20);
    assert_eq!(client.command("EXISTS soon").integer(), 0);
}

/// Pairs of keys, on whichever cores they are, that a transaction changes together.
const PAIRS: u64 = 12;

/// Writes pairs until it is told to stop: by MULTI where `number` is even, else by MSET.
fn write_pairs(server: &Server, number: u64, stop: &AtomicBool, written: &AtomicU64) {
    let mut client = server.connect();
    let (first, second) = (format!("first:{number}"), format!("second:{number}"));
    let mut value = 0;
    while !stop.load(Ordering::Relaxed) {
        value += 1;
        let text = value.to_string();
        if number.is_multiple_of(2) {
            let mut pipeline = Vec::new();
            let words: [&[&str]; 5] =
                [&["MULTI"], &["INCR", &first], &["RPUSH", "log", &text], &["INCR", &second], &["EXEC"]];
            words.iter().for_each(|words| append_request(&mut pipeline, words));
            client.send(&pipeline);
            (0..4).for_each(|_| drop(client.reply()));
            assert_eq!(client.reply().elements()[2], Reply::Integer(value));
        } else {
            assert_eq!(client.call(&["MSET", &first, &text, &second, &text]), Reply::ok());
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn snapshots_hold_whole_transactions() {
    const SNAPSHOTS: usize = 5;
    let directory = Directory::new("whole");
    let server = quiet(2, &directory).start();
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut client = server.connect();
    fill(&mut client, 300);
    let mut before = Vec::new();
    thread::scope(|scope| {
        (0..PAIRS).for_each(|number| {
            drop(scope.spawn({
                let (server, stop, written) = (&server, &stop, &written);
                move || write_pairs(server, number, stop, written)
            }))
        });
        for number in 0..SNAPSHOTS {
            let goal = written.load(Ordering::Relaxed) + 50;
            wait_until("there are more changes", || written.load(Ordering::Relaxed) >= goal);
            before.push((0..PAIRS).map(|pair| number_at(&mut client, &format!("second:{pair}"))).collect::<Vec<_>>());
            assert_eq!(client.command("BGSAVE").text(), "Background saving started");
            wait_until_saved(&mut client);
            std::fs::rename(directory.path("dump.rdb"), directory.path(&format!("{number}.rdb"))).expect("it is saved");
        }
        stop.store(true, Ordering::Relaxed);
    });
    for (number, before) in before.iter().enumerate() {
        let server = quiet(1 + number % 3, &directory).with("--dbfilename", &format!("{number}.rdb")).start();
        let mut client = server.connect();
        let mut in_log = 0;
        for (pair, before) in before.iter().enumerate() {
            let first = number_at(&mut client, &format!("first:{pair}"));
            assert_eq!(first, number_at(&mut client, &format!("second:{pair}")), "pair {pair} of snapshot {number}");
            assert!(first >= *before, "pair {pair} of snapshot {number}: {first} is before {before}");
            in_log += if pair % 2 == 0 { first } else { 0 };
        }
        assert_eq!(client.command("LLEN log").integer(), in_log, "snapshot {number}");
        assert_eq!(client.command("DBSIZE").integer(), 300 + 2 * PAIRS as i64 + 1);
    }
}

#[test]
fn save_points_fire() {
    let directory = Directory::new("points");
    let server = launch(2, &directory).with("--save", "1 3").start();
    let mut client = server.connect();
    let started = client.command("LASTSAVE").integer();
    fill(&mut client, 10);
    server.wait_for_log("3 changes in 1 seconds. Saving...");
    wait_until("it is saved", || client.info("rdb_saves") == "1");
    assert!(client.command("LASTSAVE").integer() > started);
    assert_eq!(client.info("rdb_changes_since_last_save"), "0");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    // Too few for that point; another one is given later.
    client.ok("SET key:1 other");
    assert_eq!(client.call(&["CONFIG", "SET", "save", "3600 1"]), Reply::ok());
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
    assert_eq!(client.call(&["CONFIG", "SET", "save", "3600 1 1 1"]), Reply::ok());
    server.wait_for_log("1 changes in 1 seconds. Saving...");
    wait_until("it is saved", || client.info("rdb_saves") == "2");
    server.kill();
    let server = quiet(1, &directory).start();
    assert_eq!(server.connect().command("GET key:1").text(), "other");
}

#[test]
fn one_save_at_a_time() {
    let directory = Directory::new("one");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill(&mut client, 100);
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    assert!(is_saving(&mut client));
    let busy = Reply::Error("ERR Background save already in progress".to_owned());
    assert_eq!(client.command("BGSAVE"), busy);
    assert_eq!(client.command("SAVE"), busy);
    assert_eq!(client.command("BGSAVE NOW").text(), "ERR syntax error");
    client.ok("SET key:1 later");
    assert_eq!(client.command("BGSAVE SCHEDULE").text(), "Background saving scheduled");
    assert_eq!(client.command("BGSAVE SCHEDULE").text(), "Background saving scheduled");
    client.ok(AT_ONCE);
    wait_until("both are done", || client.info("rdb_saves") == "2" && !is_saving(&mut client));
    assert_eq!(client.info("rdb_changes_since_last_save"), "0", "what was scheduled began after the change");
    // With nothing under way, it begins at once.
    assert_eq!(client.command("BGSAVE SCHEDULE").text(), "Background saving started");
    wait_until("it is done", || client.info("rdb_saves") == "3");
    server.kill();
    let server = quiet(2, &directory).start();
    assert_eq!(server.connect().command("GET key:1").text(), "later");
}

#[test]
fn a_save_that_is_awaited_stops_nobody() {
    let directory = Directory::new("awaited");
    let server = quiet(2, &directory).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    fill(&mut client, 50);
    client.ok(ENDLESS);
    client.send(b"SAVE\r\n");
    wait_until("it has begun", || is_saving(&mut other));
    assert_eq!(other.command("BGSAVE").text(), "ERR Background save already in progress");
    other.ok("SET key:1 later");
    other.ok(AT_ONCE);
    assert_eq!(client.reply(), Reply::ok());
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
}

#[test]
fn a_cancelled_save_changes_nothing() {
    let directory = Directory::new("cancelled");
    let server = launch(2, &directory).with("--save", "3600 100000").start();
    let mut client = server.connect();
    let idle = "ERR Background saving is currently not in progress or scheduled";
    assert_eq!(client.command("BGSAVE CANCEL").text(), idle);
    fill(&mut client, 100);
    client.ok("SAVE");
    let file = directory.read("dump.rdb");
    client.ok(ENDLESS);
    client.ok("SET key:1 later");
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    assert_eq!(client.command("BGSAVE CANCEL").text(), "Background saving cancelled");
    wait_until_saved(&mut client);
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file.clone(), vec!["dump.rdb".to_owned()]));
    client.ok("SET key:2 later");
    assert_eq!(client.command("PING").text(), "PONG", "that was no failure");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(client.info("rdb_changes_since_last_save"), "2");
    // What is scheduled goes with it.
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    assert_eq!(client.command("BGSAVE SCHEDULE").text(), "Background saving scheduled");
    assert_eq!(client.command("BGSAVE CANCEL").text(), "Background saving cancelled");
    wait_until_saved(&mut client);
    assert_eq!(client.command("BGSAVE CANCEL").text(), idle);
    assert_eq!(directory.read("dump.rdb"), file);
    client.ok(AT_ONCE);
    client.ok("SAVE");
}

#[test]
fn in_a_transaction() {
    let directory = Directory::new("multi");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    client.ok("MULTI");
    assert_eq!(client.command("SAVE").text(), "ERR Command not allowed inside a transaction");
    assert!(client.command("EXEC").text().starts_with("EXECABORT"));
    client.ok("MULTI");
    for line in ["SET a 1", "SET b 1", "SET c 1", "BGSAVE", "INCR a", "INCR b", "INCR c", "BGSAVE"] {
        assert_eq!(client.command(line).text(), "QUEUED");
    }
    let replies = client.command("EXEC");
    let [_, _, _, first, .., second] = replies.elements() else { panic!("{replies:?}") };
    assert_eq!(first.text(), "Background saving started");
    assert!(["Background saving started", "ERR Background save already in progress"].contains(&second.text().as_str()));
    wait_until_saved(&mut client);
    server.kill();
    let server = quiet(1, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("MGET a b c"), Reply::Array(vec![Reply::bulk("2"); 3]), "it is saved as a whole");
}

/// Whole databases change hands while they are saved.
#[test]
fn everything_changes_during_a_save() {
    let directory = Directory::new("changes");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill(&mut client, 200);
    fill_types(&mut client);
    client.ok("SELECT 1");
    fill(&mut client, 150);
    client.ok("SELECT 0");
    let expected = digest(&mut client);
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    for number in 0..50 {
        client.ok(&format!("RENAME key:{number} renamed:{number}"));
        assert_eq!(client.command(&format!("MOVE key:{} 2", 50 + number)).integer(), 1);
        assert_eq!(client.command(&format!("DEL key:{}", 100 + number)).integer(), 1);
    }
    client.ok("SWAPDB 0 1");
    client.ok("RENAME key:1 key:2");
    client.ok("SWAPDB 1 3");
    client.ok("SET key:3 three");
    client.ok("FLUSHDB");
    client.ok("SET after the-flush");
    client.ok("SWAPDB 0 9");
    for db in [0, 1, 3, 9] {
        client.ok(&format!("SELECT {db}"));
        client.ok("FLUSHDB");
    }
    client.ok("SELECT 2");
    client.ok("FLUSHDB ASYNC");
    client.ok("SELECT 0");
    fill(&mut client, 300);
    assert!(is_saving(&mut client));
    client.ok(AT_ONCE);
    wait_until_saved(&mut client);
    assert_eq!(client.command("DBSIZE").integer(), 300);
    server.kill();
    for cores in [1, 2] {
        let server = quiet(cores, &directory).start();
        let mut client = server.connect();
        assert_eq!(digest(&mut client), expected);
        client.ok("SELECT 1");
        assert_eq!(client.command("DBSIZE").integer(), 150);
    }
}

/// As Redis has it: what was about to be saved is gone, and with save points the file has no key any more either.
#[test]
fn flushall_ends_a_save() {
    let directory = Directory::new("flushall");
    let server = quiet(2, &directory).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    fill(&mut client, 100);
    client.ok("SAVE");
    let file = directory.read("dump.rdb");
    client.ok("SET key:1 later");
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    client.ok("FLUSHALL");
    wait_until_saved(&mut client);
    server.wait_for_log("Background saving given up: all keys were removed");
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file, vec!["dump.rdb".to_owned()]));
    assert_eq!(client.info("rdb_changes_since_last_save"), "101");
    client.ok(AT_ONCE);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    wait_until_saved(&mut client);

    assert_eq!(client.call(&["CONFIG", "SET", "save", "3600 100000"]), Reply::ok());
    fill(&mut client, 100);
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    client.ok("FLUSHALL");
    assert_eq!(client.info("rdb_changes_since_last_save"), "0");
    other.send(b"BGSAVE\r\n");
    client.ok("SET key:1 after");
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
    client.ok(AT_ONCE);
    assert_eq!(other.reply().text(), "Background saving started", "after what FLUSHALL saves");
    wait_until_saved(&mut client);
    server.kill();
    let server = quiet(1, &directory).start();
    assert!(server.connect().command("DBSIZE").integer() <= 1);
}

#[test]
fn debug_reload_goes_through_the_file() {
    let directory = Directory::new("reload");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    fill(&mut client, 50);
    client.command("APPEND number 7");
    let expected = digest(&mut client);
    assert_eq!(client.command("OBJECT ENCODING number").text(), "raw");
    client.ok("DEBUG RELOAD");
    assert_eq!(digest(&mut client), expected);
    assert_eq!(client.command("OBJECT ENCODING number").text(), "int", "values are made anew");
    assert_eq!(
        (client.info("rdb_changes_since_last_save"), client.info("rdb_saves")),
        ("0".to_owned(), "1".to_owned())
    );
    // What is not in the file is lost, or stays.
    client.ok("SET later 1");
    client.ok("DEBUG RELOAD NOSAVE");
    assert_eq!(digest(&mut client), expected);
    client.ok("SET later 1");
    let refusal = "ERR Error trying to load the RDB dump, check server logs.";
    assert_eq!(client.command("DEBUG RELOAD NOSAVE NOFLUSH").text(), refusal, "its keys are there already");
    client.ok("SET key:1 changed");
    client.ok("DEBUG RELOAD NOSAVE NOFLUSH MERGE");
    assert_eq!(client.command("MGET key:1 later"), Reply::Array(vec![Reply::bulk("value:1"), Reply::bulk("1")]));
}

#[test]
fn others_during_a_reload() {
    let directory = Directory::new("reload-others");
    let server = quiet(2, &directory).start();
    let (mut client, mut other, mut writer) = (server.connect(), server.connect(), server.connect());
    fill(&mut client, 50);
    client.ok(ENDLESS);
    client.send(b"DEBUG RELOAD\r\n");
    wait_until("it is being saved", || is_saving(&mut other));
    assert_eq!(other.command("GET key:2").text(), "value:2");
    other.ok("CONFIG SET key-load-delay 100000000");
    other.ok(AT_ONCE);
    wait_until("it is loading", || other.info("loading") == "1");
    assert!(other.command("GET key:2").text().starts_with("LOADING"));
    other.ok("CONFIG SET key-load-delay 0");
    assert_eq!(client.reply(), Reply::ok());
    // What is written meanwhile waits, and is not lost.
    client.ok("CONFIG SET rdb-key-save-delay 10000");
    client.send(b"DEBUG RELOAD\r\n");
    wait_until("it is being saved", || is_saving(&mut other));
    writer.send(b"SET key:2 later\r\n");
    assert_eq!((client.reply(), writer.reply()), (Reply::ok(), Reply::ok()));
    assert_eq!(other.command("GET key:2").text(), "later");
    // A save that is under way comes first.
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    client.send(b"DEBUG RELOAD\r\n");
    other.ok(AT_ONCE);
    assert_eq!(client.reply(), Reply::ok());
    assert_eq!(client.command("DBSIZE").integer(), 50);
    client.ok("SAVE");
}

#[test]
fn big_values_change_during_a_save() {
    const ELEMENTS: usize = 50_000;
    let directory = Directory::new("big");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    for first in (0..ELEMENTS).step_by(1000) {
        let numbers = || first..first + 1000;
        let fields: String = numbers().map(|number| format!(" field:{number} {number}")).collect();
        let scores: String = numbers().map(|number| format!(" {number} member:{number}")).collect();
        client.command(&format!("HSET hash{fields}"));
        client.command(&format!("ZADD sorted{scores}"));
        client.command(&format!("RPUSH list{fields}"));
        client.command(&format!("SADD set{fields}"));
    }
    (0..200).for_each(|number| drop(client.command(&format!("XADD stream {}-1 f {number}", number + 1))));
    let expected = digest(&mut client);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    let mut rounds = 0;
    while is_saving(&mut client) || rounds == 0 {
        for number in (rounds % 100..ELEMENTS).step_by(4999) {
            client.command(&format!("HSET hash field:{number} changed new:{number}:{rounds} 1"));
            client.command(&format!("ZADD sorted {rounds} member:{number}"));
            client.command(&format!("LSET list {number} changed"));
            client.command(&format!("SREM set field:{number} {number}"));
        }
        client.command("LPOP list");
        client.command("XADD stream * f later");
        rounds += 1;
    }
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    server.kill();
    let server = quiet(3, &directory).start();
    assert_eq!(digest(&mut server.connect()), expected);
}

/// Sends what it draws until it has sent enough, and reads each reply, whatever it is. LOADING and refusals are as good as success.
fn meddle(server: &Server, seed: u64, lines: &[&str]) {
    const REQUESTS: usize = 150;
    let mut random = Random::new(seed);
    let mut client = server.connect();
    for _ in 0..REQUESTS {
        let line = lines[random.below(lines.len() as u64) as usize];
        client.send(&common::resp::request(&line.split(' ').collect::<Vec<_>>()));
        // A stop that is called off is answered; one that fails, too.
        client.reply();
    }
}

/// Whatever is asked for at the same time, everybody is answered, no write waits for ever, and the end comes.
#[test]
fn everything_at_once() {
    let common = [
        "SET a 1",
        "MSET a 2 b 3 c 4 d 5",
        "MGET a b c d",
        "DEBUG POPULATE 30",
        "BGSAVE",
        "BGSAVE SCHEDULE",
        "BGSAVE CANCEL",
        "SAVE",
        "FLUSHALL",
        "SHUTDOWN ABORT",
        "DEBUG RELOAD",
        "DEBUG RELOAD NOSAVE NOFLUSH MERGE",
        "CONFIG SET rdb-key-save-delay 0",
        "CONFIG SET rdb-key-save-delay 300",
    ];
    // A stop can only be tried where no file can be written.
    for (points, limit) in [("", None), ("3600 100000", None), ("", Some(10)), ("1 1", Some(10))] {
        let directory = Directory::new(&format!("at-once-{}-{}", points.len(), limit.is_some()));
        let server = launch(2, &directory).with("--save", points).with("--stop-writes-on-bgsave-error", "no").start();
        server.limit_file_bytes(limit);
        let mut lines = common.to_vec();
        lines.extend(limit.map(|_| "SHUTDOWN SAVE"));
        thread::scope(|scope| {
            for seed in 0..6 {
                let (server, lines) = (&server, &lines);
                scope.spawn(move || meddle(server, seed, lines));
            }
        });
        server.limit_file_bytes(None);
        let mut client = server.connect();
        client.ok(AT_ONCE);
        wait_until("nothing is under way", || client.command("SAVE") == Reply::ok());
        client.ok("SET a 1");
        let expected = digest(&mut client);
        client.ok("DEBUG RELOAD");
        assert_eq!(digest(&mut client), expected);
        server.finish();
        assert_eq!(directory.names(), ["dump.rdb"]);
    }
}
