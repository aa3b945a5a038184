//! Saving with real files: what is saved comes back on any number of cores, snapshots are one state of all keys, and the end of the
//! process loses nothing that was answered.
//!
//! `rdb-key-save-delay` makes a save as long as a test needs it.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::data::fill_types;
use common::resp::{Reply, append_request};
use common::{Client, Directory, Launch, Random, Server, wait_until};

/// A save that does not end by itself.
const ENDLESS: &str = "CONFIG SET rdb-key-save-delay 100000000";
const AT_ONCE: &str = "CONFIG SET rdb-key-save-delay 0";
/// The reply to commands that write when the data cannot be saved.
const REFUSED: &str =
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.";

fn launch(cores: usize, directory: &Directory) -> Launch {
    let launch = Launch::cores(cores).in_directory(directory);
    launch.with("--enable-debug-command", "yes").with("--enable-protected-configs", "yes")
}

/// Saves only when it is asked to.
fn quiet(cores: usize, directory: &Directory) -> Launch {
    launch(cores, directory).with("--save", "")
}

/// Some keys of each core.
fn fill(client: &mut Client, keys: u32) {
    for number in 0..keys {
        client.ok(&format!("SET key:{number} value:{number}"));
    }
}

/// What the keys are, as Redis tells it too.
fn digest(client: &mut Client) -> (String, i64) {
    (client.command("DEBUG DIGEST").text(), client.command("DBSIZE").integer())
}

fn is_saving(client: &mut Client) -> bool {
    client.info("rdb_bgsave_in_progress") == "1"
}

fn wait_until_saved(client: &mut Client) {
    wait_until("the save has ended", || !is_saving(client));
}

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

fn number_at(client: &mut Client, key: &str) -> i64 {
    match client.call(&["GET", key]) {
        Reply::Null => 0,
        reply => reply.text().parse().expect("a counter"),
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

/// Increments its counter until the server is gone; gives the last value that was answered.
fn count_until_the_end(server_port: u16, key: &str) -> i64 {
    let mut client = Client::connect(server_port);
    let mut last = 0;
    loop {
        if !client.try_send(&common::resp::request(&["INCR", key])) {
            return last;
        }
        match client.next_reply() {
            Ok(Some(Reply::Integer(value))) => last = value,
            Ok(None) => return last,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn sigterm_saves_all_that_was_answered() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let directory = Directory::new(&format!("sigterm-{signal}"));
        let server = launch(2, &directory).with("--save", "3600 1000000").start();
        let port = server.port();
        let counted: Vec<i64> = thread::scope(|scope| {
            let counters: Vec<_> = (0..16)
                .map(|number| scope.spawn(move || count_until_the_end(port, &format!("key:{number}"))))
                .collect();
            let mut client = server.connect();
            wait_until("all count", || (0..16).all(|number| number_at(&mut client, &format!("key:{number}")) > 20));
            server.signal(signal);
            let counted = counters.into_iter().map(|counter| counter.join().expect("it ends")).collect();
            let log = server.assert_clean_exit();
            assert!(log.contains("Saving the final RDB snapshot before exiting."), "{log}");
            counted
        });
        assert_eq!(directory.names(), ["dump.rdb"]);
        let server = quiet(3, &directory).start();
        let mut client = server.connect();
        for (number, counted) in counted.into_iter().enumerate() {
            let saved = number_at(&mut client, &format!("key:{number}"));
            assert!((counted..=counted + 1).contains(&saved), "{saved} is saved, {counted} was answered");
        }
    }
}

#[test]
fn shutdown_saves_as_it_is_told() {
    let directory = Directory::new("shutdown");
    let stop = |server: Server, line: &str| {
        let mut client = server.connect();
        client.ok(&format!("SET key {}", line.replace(' ', "-")));
        client.send(&common::resp::request(&line.split(' ').collect::<Vec<_>>()));
        client.assert_closed();
        server.assert_clean_exit()
    };
    let saved = || {
        let server = quiet(1, &directory).start();
        let mut client = server.connect();
        client.call(&["GET", "key"]).text()
    };
    stop(quiet(2, &directory).start(), "SHUTDOWN SAVE");
    assert_eq!(saved(), "SHUTDOWN-SAVE");
    let file = directory.read("dump.rdb");
    stop(quiet(2, &directory).start(), "SHUTDOWN");
    stop(launch(2, &directory).with("--save", "100 1").start(), "SHUTDOWN NOSAVE");
    assert_eq!(directory.read("dump.rdb"), file, "the file is as it was");
    stop(launch(2, &directory).start(), "SHUTDOWN NOW");
    assert_eq!(saved(), "SHUTDOWN-NOW", "save points hold by themselves");
    assert_eq!(directory.names(), ["dump.rdb"]);
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

#[test]
fn sigterm_in_the_middle_of_a_save() {
    let directory = Directory::new("middle");
    let server = launch(2, &directory).with("--save", "3600 1000000").start();
    let mut client = server.connect();
    fill(&mut client, 100);
    client.ok(ENDLESS);
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    client.ok("SET key:1 later");
    client.ok(AT_ONCE);
    client.ok(ENDLESS);
    server.signal(libc::SIGTERM);
    // The final save is as slow; a second signal does not disturb it.
    server.wait_for_log("Saving the final RDB snapshot before exiting.");
    server.signal(libc::SIGTERM);
    let mut other = server.connect();
    other.send(b"SHUTDOWN NOSAVE\r\n");
    assert_eq!(client.command("GET key:1").text(), "later", "reads go on");
    client.ok(AT_ONCE);
    other.assert_closed();
    server.assert_clean_exit();
    assert_eq!(directory.names(), ["dump.rdb"]);
    let server = quiet(1, &directory).start();
    assert_eq!(server.connect().command("GET key:1").text(), "later");
    assert_eq!(server.connect().command("DBSIZE").integer(), 100);
}

#[test]
fn shutdown_nosave_in_the_middle_of_a_save() {
    let directory = Directory::new("nosave");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill(&mut client, 100);
    client.ok("SAVE");
    let file = directory.read("dump.rdb");
    client.ok(ENDLESS);
    client.ok("SET key:1 later");
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    client.send(b"SHUTDOWN NOSAVE\r\n");
    client.assert_closed();
    server.assert_clean_exit();
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file, vec!["dump.rdb".to_owned()]));
}

#[test]
fn shutdown_is_called_off() {
    let directory = Directory::new("abort");
    let server = quiet(2, &directory).start();
    let (mut client, mut stopper, mut writer) = (server.connect(), server.connect(), server.connect());
    assert_eq!(client.command("SHUTDOWN ABORT").text(), "ERR No shutdown in progress.");
    fill(&mut client, 100);
    client.ok(ENDLESS);
    for round in 0..3 {
        stopper.send(b"SHUTDOWN SAVE\r\n");
        wait_until("it is being saved", || is_saving(&mut client));
        writer.send(format!("SET key:1 {round}\r\n").as_bytes());
        writer.send(b"SET key:2 later\r\n");
        client.ok("SHUTDOWN ABORT");
        assert_eq!(stopper.reply().text(), "ERR Errors trying to SHUTDOWN. Check logs.");
        assert_eq!((writer.reply(), writer.reply()), (Reply::ok(), Reply::ok()), "writes go on");
        assert_eq!(client.command("SHUTDOWN ABORT").text(), "ERR No shutdown in progress.");
    }
    assert_eq!(client.command("GET key:1").text(), "2");
    client.ok(AT_ONCE);
    wait_until_saved(&mut client);
    client.ok("SAVE");
    stopper.send(b"SHUTDOWN SAVE\r\n");
    stopper.assert_closed();
    server.assert_clean_exit();
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

/// With a disk that is full, what FLUSHALL has removed must not stay in the file for good.
#[test]
fn flushall_is_saved_later_if_not_at_once() {
    let directory = Directory::new("flushall-later");
    let server = launch(2, &directory).with("--save", "3600 100000").start();
    let mut client = server.connect();
    fill(&mut client, 100);
    client.ok("SAVE");
    server.limit_file_bytes(Some(10));
    client.ok("FLUSHALL");
    wait_until("it cannot be saved", || client.info("rdb_last_bgsave_status") == "err");
    server.limit_file_bytes(None);
    wait_until("it is saved", || client.info("rdb_last_bgsave_status") == "ok");
    server.kill();
    let server = quiet(1, &directory).start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 0);
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
fn a_reload_that_fails() {
    let directory = Directory::new("reload-fails");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    fill(&mut client, 200);
    let refusal = "ERR Error trying to load the RDB dump, check server logs.";
    server.limit_file_bytes(Some(100));
    assert_eq!(client.command("DEBUG RELOAD").text(), refusal);
    assert_eq!(client.command("DBSIZE").integer(), 200, "what could not be saved is not removed");
    client.ok("SET key:1 later");
    server.limit_file_bytes(None);
    assert_eq!(client.command("DEBUG RELOAD NOSAVE NOFLUSH").text(), refusal, "there is no file");
    client.ok("SAVE");
    let file = directory.read("dump.rdb");
    directory.file("dump.rdb", "no such thing");
    assert_eq!(client.command("DEBUG RELOAD NOSAVE").text(), refusal);
    std::fs::write(directory.path("dump.rdb"), &file).expect("it can be written");
    client.ok("DEBUG RELOAD NOSAVE");
    assert_eq!(client.command("DBSIZE").integer(), 200);
    // The end in the middle of it: what is there only in part is not saved.
    client.ok("CONFIG SET key-load-delay 100000000");
    assert_eq!(client.call(&["CONFIG", "SET", "save", "1 0"]), Reply::ok());
    client.send(b"DEBUG RELOAD NOSAVE\r\n");
    let mut other = server.connect();
    wait_until("it is loading", || other.info("loading") == "1");
    server.signal(libc::SIGTERM);
    server.assert_clean_exit();
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file, vec!["dump.rdb".to_owned()]));
}

#[test]
fn a_second_sigint_ends_the_process_at_once() {
    let directory = Directory::new("sigint");
    let server = launch(2, &directory).with("--save", "3600 100000").start();
    let mut client = server.connect();
    fill(&mut client, 100);
    client.ok("SAVE");
    let file = directory.read("dump.rdb");
    client.ok(ENDLESS);
    // One that is called off does not count.
    server.signal(libc::SIGINT);
    server.wait_for_log("Saving the final RDB snapshot before exiting.");
    client.ok("SHUTDOWN ABORT");
    client.ok(AT_ONCE);
    wait_until_saved(&mut client);
    let file = if client.info("rdb_saves") == "2" { directory.read("dump.rdb") } else { file };
    client.ok(ENDLESS);
    server.signal(libc::SIGINT);
    wait_until("it is being saved", || directory.names().len() == 2);
    server.signal(libc::SIGINT);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file, vec!["dump.rdb".to_owned()]));
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

/// As on a disk that is full: files may grow only so far.
#[test]
fn writes_are_refused_until_the_data_can_be_saved() {
    let directory = Directory::new("misconf");
    let server = launch(2, &directory).with("--save", "1 1").start();
    let mut client = server.connect();
    fill(&mut client, 100);
    wait_until("it is saved", || client.info("rdb_saves") != "0" && client.info("rdb_changes_since_last_save") == "0");
    let file = directory.read("dump.rdb");
    server.limit_file_bytes(Some(500));
    client.ok("SET key:1 later");
    wait_until("it cannot be saved", || client.info("rdb_last_bgsave_status") == "err");
    server.wait_for_log("Background saving error: ");
    server.wait_for_log("dump.rdb: File too large");
    assert_refused(&mut client);
    assert_eq!((directory.read("dump.rdb"), directory.names()), (file, vec!["dump.rdb".to_owned()]));
    // SAVE fails too, with a plain error; so does the end.
    assert_eq!(client.command("SAVE").text(), "ERR");
    assert_eq!(client.command("SHUTDOWN").text(), "ERR Errors trying to SHUTDOWN. Check logs.");
    server.signal(libc::SIGTERM);
    server.wait_for_log("Error trying to save the DB, can't exit.");
    client.ok("CONFIG SET stop-writes-on-bgsave-error no");
    client.ok("SET key:2 later");
    client.ok("CONFIG SET stop-writes-on-bgsave-error yes");
    assert_refused(&mut client);
    // A save point tries again, and then all goes on.
    server.limit_file_bytes(None);
    wait_until("it is saved", || client.info("rdb_last_bgsave_status") == "ok");
    client.ok("SET key:3 later");
    assert_eq!(client.command("PING").text(), "PONG");
    server.finish();
    let server = quiet(1, &directory).start();
    assert_eq!(server.connect().command("MGET key:1 key:2 key:3"), Reply::Array(vec![Reply::bulk("later"); 3]));
}

fn assert_refused(client: &mut Client) {
    for line in ["SET key:1 more", "PING", "DEL key:5", "FLUSHALL"] {
        assert!(client.command(line).text().starts_with(REFUSED), "{line}");
    }
    assert_eq!(client.command("GET key:1").text(), "later", "reads go on");
    client.ok("MULTI");
    assert!(client.command("SET key:1 more").text().starts_with("MISCONF"));
    assert!(client.command("EXEC").text().starts_with("EXECABORT"));
    assert_eq!(client.command("DBSIZE").integer(), 100);
}

#[test]
fn a_save_that_is_awaited_and_fails_refuses_nothing() {
    let directory = Directory::new("awaited-fails");
    let server = launch(2, &directory).with("--save", "3600 1000000").start();
    let mut client = server.connect();
    fill(&mut client, 100);
    server.limit_file_bytes(Some(500));
    assert_eq!(client.command("SAVE").text(), "ERR");
    client.ok("SET key:1 more");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    client.send(b"SHUTDOWN FORCE\r\n");
    client.assert_closed();
    let log = server.assert_clean_exit();
    assert!(log.contains("Error trying to save the DB. Exit anyway."), "{log}");
    assert!(directory.names().is_empty());
}

#[test]
fn a_directory_that_takes_no_file() {
    let directory = Directory::new("no-place");
    let place = |name: &str| directory.path(name);
    std::fs::create_dir(place("gone")).expect("it can be made");
    std::fs::create_dir(place("taken")).expect("it can be made");
    std::fs::create_dir(place("taken/dump.rdb")).expect("it can be made");
    std::fs::create_dir(place("closed")).expect("it can be made");
    let server = quiet(2, &directory).without_overrides().start();
    let mut client = server.connect();
    fill(&mut client, 10);
    let refusal = |why: &str| format!("ERR CONFIG SET failed (possibly related to argument 'dir') - {why}");
    assert_eq!(client.command("CONFIG SET dir nowhere").text(), refusal("No such file or directory"));
    directory.file("file", "text");
    assert_eq!(client.command("CONFIG SET dir file").text(), refusal("Not a directory"));
    for (name, why) in
        [("gone", "No such file or directory"), ("taken", "Is a directory"), ("closed", "Permission denied")]
    {
        client.ok(&format!("CONFIG SET dir {}", place(name)));
        match name {
            "gone" => std::fs::remove_dir(place("gone")).expect("it is empty"),
            "closed" => set_mode(&place("closed"), 0o500),
            _ => {}
        }
        assert_eq!(client.command("SAVE").text(), "ERR", "{name}");
        server.wait_for_log(why);
        client.ok("SET key:1 more");
    }
    set_mode(&place("closed"), 0o700);
    client.ok("SAVE");
    client.ok(&format!("CONFIG SET dir {}", place("taken")));
    client.ok("CONFIG SET dbfilename other.rdb");
    client.ok("SAVE");
    assert_eq!(
        client.command("CONFIG SET dbfilename a/b").text().split(" - ").nth(1),
        Some("dbfilename can't be a path, just a filename")
    );
    drop(client);
    server.finish();
    assert_eq!(directory.names(), ["closed", "file", "taken"]);
    let mut saved: Vec<_> = std::fs::read_dir(place("taken"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    saved.sort();
    assert_eq!(saved, ["dump.rdb", "other.rdb"]);
}

fn set_mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is our own");
}

#[test]
fn only_who_may_changes_where_files_are() {
    let directory = Directory::new("protected");
    let server = Launch::cores(1).in_directory(&directory).with("--save", "").start();
    let mut client = server.connect();
    for line in ["CONFIG SET dir /", "CONFIG SET dbfilename other.rdb"] {
        assert!(client.command(line).text().ends_with("can't set protected config"), "{line}");
    }
}

/// A file system of 1 MB, where whoever runs the test may mount one.
#[test]
fn a_disk_that_is_full() {
    let directory = Directory::new("full");
    let Some(disk) = Disk::mount(&directory.path("disk")) else { return };
    let server = launch(2, &directory).with("--dir", &disk.path).with("--save", "1 1").start();
    let mut client = server.connect();
    fill(&mut client, 10);
    client.ok("SAVE");
    let filling = format!("{}/filling", disk.path);
    client.ok("CONFIG SET rdbcompression no");
    assert_eq!(client.call(&["SET", "key:1", &"x".repeat(300_000)]), Reply::ok());
    std::fs::write(&filling, vec![0; 800_000]).expect("there is room for that");
    wait_until("it cannot be saved", || client.info("rdb_last_bgsave_status") == "err");
    server.wait_for_log("No space left on device");
    assert!(client.command("SET key:2 later").text().starts_with(REFUSED));
    assert_eq!(client.command("GET key:2").text(), "value:2");
    std::fs::remove_file(&filling).expect("it is ours");
    wait_until("it is saved", || client.info("rdb_last_bgsave_status") == "ok");
    client.ok("SET key:2 later");
    server.finish();
    let server = quiet(1, &directory).with("--dir", &disk.path).start();
    assert_eq!(server.connect().command("STRLEN key:1").integer(), 300_000);
    assert_eq!(server.connect().command("GET key:2").text(), "later");
}

struct Disk {
    path: String,
}

impl Disk {
    fn mount(path: &str) -> Option<Disk> {
        std::fs::create_dir(path).expect("it can be made");
        let text = |text: &str| std::ffi::CString::new(text).expect("no zero bytes");
        let (kind, target, options) = (text("tmpfs"), text(path), text("size=1m"));
        // SAFETY: the pointers are good for the call.
        let result = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
        if result != 0 {
            eprintln!("left out, since no file system can be mounted: {}", std::io::Error::last_os_error());
            return None;
        }
        Some(Disk { path: path.to_owned() })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let target = std::ffi::CString::new(self.path.as_str()).expect("no zero bytes");
        // SAFETY: the pointer is good for the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
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
