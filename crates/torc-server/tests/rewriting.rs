//! BGREWRITEAOF and DEBUG LOADAOF of a server whose log is off, and which files a log has: with the real binary.

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::check::log_of;
use common::data::fill_types;
use common::logs::{LOGS, Stop, appending, digest, manifest, slow_saves, wait_until_based, without_log};
use common::{Client, Directory, Server, wait_until};

const STARTED: &str = "Background append only file rewriting started";
const SCHEDULED: &str = "Background append only file rewriting scheduled";
const FAILED: &str =
    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.";

fn rewrite(client: &mut Client) {
    assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
    wait_until_based(client);
}

/// What INFO says of a rewrite that is to begin, and of one that is under way.
fn stages(client: &mut Client) -> (String, String) {
    (client.info("aof_rewrite_scheduled"), client.info("aof_rewrite_in_progress"))
}

/// The files of the log, without what is not of it.
fn log_files(directory: &Directory) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory.path(LOGS))
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter_map(|name| Some(name.strip_prefix("appendonly.aof.")?.to_owned()))
        .filter(|name| !["lock", "manifest"].contains(&&name[..]))
        .collect();
    names.sort();
    names
}

#[test]
fn a_base_is_written_although_the_log_is_off() {
    let directory = Directory::new("rewriting");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    let mut expected = digest(&server);
    for (number, form, ending) in [(1, "yes", "rdb"), (2, "no", "aof")] {
        client.ok(&format!("CONFIG SET aof-use-rdb-preamble {form}"));
        rewrite(&mut client);
        assert_eq!(manifest(&directory), format!("file appendonly.aof.{number}.base.{ending} seq {number} type b\n"));
        assert_eq!(log_files(&directory), [format!("{number}.base.{ending}")]);
        let figures = ["aof_enabled", "aof_rewrites", "aof_last_bgrewrite_status"].map(|name| client.info(name));
        assert_eq!(figures, ["0", &number.to_string(), "ok"]);
        client.ok("MSET not:based a not:either b");
        assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
        assert_eq!((digest(&server), client.info("rdb_changes_since_last_save")), (expected.clone(), "0".into()));
    }
    // With a log that is on, and off again.
    client.ok("SET more 1");
    client.ok("CONFIG SET appendonly yes");
    wait_until_based(&mut client);
    assert_eq!(log_files(&directory), ["1.incr.aof", "3.base.aof"]);
    client.ok("SET logged 1");
    client.ok("CONFIG SET appendonly no");
    expected = digest(&server);
    client.ok("SET not:logged 1");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!(digest(&server), expected);
    rewrite(&mut client);
    assert_eq!(log_files(&directory), ["4.base.aof"]);
    server.kill();
    let server = appending(3, &directory).start();
    assert_eq!(digest(&server), expected);
    assert_eq!(log_files(&directory), ["1.incr.aof", "4.base.aof"]);
    server.finish();
}

#[test]
fn a_save_goes_first_and_there_is_one_rewrite_at_a_time() {
    let directory = Directory::new("rewriting-save");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    client.command("BGSAVE");
    for _ in 0..2 {
        assert_eq!(client.command("BGREWRITEAOF").text(), SCHEDULED);
        assert_eq!(stages(&mut client), ("1".into(), "0".into()));
    }
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until_based(&mut client);
    assert_eq!((client.info("rdb_saves"), client.info("aof_rewrites")), ("1".into(), "1".into()));
    client.ok("CONFIG SET rdb-key-save-delay 10000000");
    assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
    assert_eq!(stages(&mut client), ("0".into(), "1".into()));
    let again = client.command("BGREWRITEAOF").text();
    assert_eq!(again, "ERR Background append only file rewriting already in progress");
    assert!(client.command("BGSAVE").text().starts_with("ERR Another child process is active (AOF?)"));
    assert_eq!(client.command("BGSAVE SCHEDULE").text(), "Background saving scheduled");
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until("the save has followed", || client.info("rdb_saves") == "2");
    wait_until_based(&mut client);
    client.send(b"MULTI\r\nSET a 1\r\nBGREWRITEAOF\r\nEXEC\r\n");
    (0..3).for_each(|_| _ = client.reply());
    assert_eq!(client.reply().elements()[1].text(), SCHEDULED);
    wait_until("it is done", || client.info("aof_rewrites") == "3");
    wait_until_based(&mut client);
    // What is loaded again waits for it.
    client.ok("CONFIG SET rdb-key-save-delay 2000");
    assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!((client.info("aof_rewrites"), client.command("DBSIZE").integer()), ("4".into(), 51));
    server.finish();
}

#[test]
fn what_flushall_saves_by_itself_puts_nothing_off() {
    let directory = Directory::new("rewriting-flushall");
    let server = without_log(2, &directory).with("--save", "100000 100000").start();
    let mut client = server.connect();
    for number in 0..20 {
        client.send(format!("FLUSHALL\r\nBGREWRITEAOF\r\nSET k {number}\r\n").as_bytes());
        client.reply();
        assert_eq!(client.reply().text(), STARTED, "round {number}");
        client.reply();
        wait_until_based(&mut client);
        rewrite(&mut client);
        client.command("DEL k");
        assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
        assert_eq!(client.command("GET k").text(), number.to_string());
    }
    server.finish();
}

#[test]
fn one_that_fails_leaves_what_was_there_and_refuses_nothing() {
    let directory = Directory::new("rewriting-fails");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    client.ok("SET k v");
    // There is a file of that name.
    let blocking = directory.file(LOGS, "");
    assert_eq!(client.command("BGREWRITEAOF").text(), FAILED);
    server.wait_for_log("Can't rewrite the append only file: ");
    fs::remove_file(blocking).expect("it can be removed");
    // Another server has the log.
    let other = appending(1, &directory).start();
    assert_eq!(client.command("BGREWRITEAOF").text(), FAILED);
    server.wait_for_log(&format!("in use by process {}", other.pid()));
    other.finish();
    assert_eq!(client.info("aof_rewrites_consecutive_failures"), "2");
    rewrite(&mut client);
    assert_eq!((client.info("aof_last_bgrewrite_status"), client.info("aof_rewrites")), ("ok".into(), "1".into()));
    let before = (manifest(&directory), log_files(&directory));
    // The disk takes nothing.
    server.limit_file_bytes(Some(40));
    for failures in ["1", "2"] {
        assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
        wait_until("it has failed", || client.info("aof_rewrites_consecutive_failures") == failures);
        wait_until_based(&mut client);
        client.ok("SET k w");
        assert_eq!(client.info("aof_last_bgrewrite_status"), "err");
        assert_eq!((manifest(&directory), log_files(&directory)), before);
    }
    server.limit_file_bytes(None);
    rewrite(&mut client);
    assert_eq!(client.info("aof_rewrites_consecutive_failures"), "0");
    client.command("DEL k");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!(client.command("GET k").text(), "w");
    server.finish();
}

#[test]
fn a_log_that_is_turned_on_has_a_newer_base() {
    let directory = Directory::new("rewriting-on");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
    wait_until("it is under way", || client.info("current_save_keys_total") == "50");
    client.ok("SET newer 1");
    client.ok("CONFIG SET appendonly yes");
    assert_eq!(client.info("aof_enabled"), "1");
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until_based(&mut client);
    let expected = digest(&server);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

#[test]
fn the_end_does_not_wait_for_it() {
    let directory = Directory::new("rewriting-end");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    assert_eq!(client.command("BGREWRITEAOF").text(), STARTED);
    wait_until("it is under way", || client.info("current_save_keys_total") == "50");
    let began = Instant::now();
    let log = server.finish();
    assert!(!log.contains("could not be synced") && began.elapsed() < Duration::from_secs(8), "{log}");
    let server = without_log(1, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("DEBUG LOADAOF").text(), "ERR Error trying to load the AOF files, check server logs.");
    server.finish();
}

#[test]
fn nothing_is_removed_where_there_is_nothing_to_load() {
    let directory = Directory::new("loadaof-off-none");
    let server = without_log(1, &directory).start();
    let mut client = server.connect();
    client.ok("SET k v");
    let refused = "ERR Error trying to load the AOF files, check server logs.";
    assert_eq!(client.command("DEBUG LOADAOF").text(), refused);
    server.wait_for_log("The AOF cannot be loaded: there is none in");
    fs::create_dir(directory.path(LOGS)).expect("it can be made");
    directory.file(&format!("{LOGS}/appendonly.aof.manifest"), "nonsense\n");
    assert_eq!(client.command("DEBUG LOADAOF").text(), refused);
    server.wait_for_log("Invalid AOF manifest file format");
    assert_eq!(client.command("GET k").text(), "v");
    server.finish();
}

#[test]
fn files_are_loaded_and_left_as_they_are() {
    let directory = Directory::new("loadaof-off");
    // Of an old server, where it has left it.
    let single = log_of(&["SELECT 0", "SET old 1", "SET torn 2"]);
    fs::write(directory.path("appendonly.aof"), &single[..single.len() - 3]).expect("it can be written");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!((client.command("GET old").text(), client.command("DBSIZE").integer()), ("1".into(), 1));
    server.wait_for_log("Nothing is cut off that file, since appendonly is no");
    assert_eq!(directory.read("appendonly.aof"), single[..single.len() - 3]);
    assert_eq!(log_files(&directory), Vec::<String>::new());
    // The lock is let go.
    let other = appending(1, &directory).start();
    assert_eq!(other.connect().command("GET old").text(), "1");
    other.connect().ok("SET newer 1");
    other.finish();
    let path = format!("{LOGS}/appendonly.aof.1.incr.aof");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!(client.command("GET newer").text(), "1");
    // What is damaged ends the server, as memory has a part of it by then.
    let mut damaged = directory.read(&path);
    damaged[0] = b'!';
    fs::write(directory.path(&path), &damaged).expect("it can be written");
    client.send(b"DEBUG LOADAOF\r\n");
    let (status, log) = server.end();
    assert!(!status.success() && log.contains("The server ends, and the AOF stays as it was"), "{log}");
    assert_eq!(directory.read(&path), damaged);
}

/// Sets keys of several cores to the same, again and again.
fn write_alike(server: &Server, stops: &AtomicBool) {
    let mut client = server.connect();
    for number in 1.. {
        if stops.load(Ordering::Relaxed) {
            return;
        }
        let reply = client.command(&format!("MSET a {number} b {number} c {number}")).text();
        assert!(reply == "OK" || reply.starts_with("LOADING"), "{reply}");
    }
}

#[test]
fn transactions_stay_whole_while_bases_are_written_and_loaded() {
    let directory = Directory::new("rewriting-load");
    let server = without_log(3, &directory).start();
    server.connect().ok("MSET a 0 b 0 c 0");
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stops);
        for _ in 0..3 {
            scope.spawn(|| write_alike(&server, &stops));
        }
        let mut client = server.connect();
        for _ in 0..10 {
            rewrite(&mut client);
            assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
            let values = client.command("MGET a b c");
            let values = [0, 1, 2].map(|at| values.elements()[at].text());
            assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        }
    });
    server.finish();
}

#[test]
fn a_log_begins_with_a_base_of_nothing() {
    for (form, ending) in [("yes", "rdb"), ("no", "aof")] {
        let directory = Directory::new(&format!("rewriting-empty-{ending}"));
        let server = appending(2, &directory).with("--aof-use-rdb-preamble", form).start();
        let expected =
            format!("file appendonly.aof.1.base.{ending} seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n");
        assert_eq!(manifest(&directory), expected);
        let base = directory.read(&format!("{LOGS}/appendonly.aof.1.base.{ending}"));
        let mut client = server.connect();
        assert_eq!(client.info("aof_base_size"), base.len().to_string());
        assert_eq!(base.starts_with(b"REDIS0"), form == "yes");
        client.ok("SET k v");
        server.finish();
        common::check::check(&[directory.path(&format!("{LOGS}/appendonly.aof.manifest"))]).says(0, &[]);
        let server = appending(1, &directory).start();
        assert_eq!(server.connect().command("GET k").text(), "v");
        assert_eq!(manifest(&directory), expected);
        server.finish();
    }
}

#[test]
fn what_a_rewrite_has_replaced_stays_if_it_is_to() {
    let directory = Directory::new("rewriting-history");
    let server = appending(2, &directory).with("--aof-disable-auto-gc", "yes").start();
    let mut client = server.connect();
    client.ok("SET k 1");
    rewrite(&mut client);
    client.ok("SET k 2");
    rewrite(&mut client);
    let line = |number: u32, ending: &str, letter: &str| {
        format!("file appendonly.aof.{number}.{ending} seq {number} type {letter}\n")
    };
    let history =
        [line(2, "incr.aof", "h"), line(2, "base.rdb", "h"), line(1, "incr.aof", "h"), line(1, "base.rdb", "h")]
            .concat();
    let (base, increment) = (line(3, "base.rdb", "b"), line(3, "incr.aof", "i"));
    assert_eq!(manifest(&directory), format!("{base}{history}{increment}"));
    assert_eq!(log_files(&directory).len(), 6);
    // Also over a restart, and with the log off.
    server.finish();
    let server = appending(1, &directory).with("--aof-disable-auto-gc", "yes").start();
    let mut client = server.connect();
    assert_eq!(manifest(&directory), format!("{base}{history}{increment}"));
    client.ok("CONFIG SET appendonly no");
    rewrite(&mut client);
    let history = format!("{}{}{history}", line(3, "incr.aof", "h"), line(3, "base.rdb", "h"));
    assert_eq!(manifest(&directory), format!("{}{history}", line(4, "base.rdb", "b")));
    // What stays keeps its name.
    client.ok("CONFIG SET appendonly yes");
    wait_until_based(&mut client);
    let history = format!("{}{history}", line(4, "base.rdb", "h"));
    assert_eq!(manifest(&directory), format!("{}{history}{}", line(5, "base.rdb", "b"), line(4, "incr.aof", "i")));
    // Answered when it is gone.
    client.ok("CONFIG SET aof-disable-auto-gc no");
    assert_eq!(manifest(&directory), format!("{}{}", line(5, "base.rdb", "b"), line(4, "incr.aof", "i")));
    assert_eq!(log_files(&directory), ["4.incr.aof", "5.base.rdb"]);
    server.finish();
}
