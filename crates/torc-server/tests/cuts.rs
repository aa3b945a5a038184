//! A core in a long command, and a cut of all cores at that moment: the cut waits, and writers of other cores do not.
//!
//! `core-ports` lets the test choose the core of a connection.

mod common;

use std::time::{Duration, Instant};

use common::resp::Reply;
use common::saves::{digest, fill, quiet, wait_until_saved};
use common::{Client, Directory, Server, wait_until};

/// How long the command takes, and what a write of another core may take at most: far less, on a machine that is busy.
const LONG: Duration = Duration::from_millis(1500);
const BRIEF: Duration = Duration::from_millis(400);

fn begin_long_command(client: &mut Client) {
    client.send(format!("DEBUG SLEEP {}\r\n", LONG.as_secs_f64()).as_bytes());
    std::thread::sleep(Duration::from_millis(100));
}

/// A key that the core of this connection owns.
fn own_key(client: &mut Client) -> String {
    let is_own = |key: &String| client.call(&["SET", key, "0"]) == Reply::ok();
    (0..1000).map(|number| format!("own:{number}")).find(is_own).expect("each core owns many slots")
}

/// Writes through a connection until `until`; the longest time that a write took.
fn write_until(writer: &mut Client, key: &str, until: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        let began = Instant::now();
        writer.call(&["INCR", key]).integer();
        longest = longest.max(began.elapsed());
    }
    longest
}

fn core_client(server: &Server, core: u16) -> Client {
    Client::connect(server.core_port(core))
}

#[test]
fn a_long_command_of_one_core_holds_no_writer_of_another() {
    let directory = Directory::new("long-command");
    let server = quiet(2, &directory).with("--core-ports", "yes").start();
    let mut client = server.connect();
    fill(&mut client, 200);
    let (mut sleeper, mut saver, mut writer) =
        (core_client(&server, 1), core_client(&server, 0), core_client(&server, 0));
    let key = own_key(&mut writer);
    client.ok("SAVE");
    let saved_before: i64 = client.info("rdb_saves").parse().expect("a number");
    let began = Instant::now();
    begin_long_command(&mut sleeper);
    saver.send(b"BGSAVE\r\n");
    let longest = write_until(&mut writer, &key, began + LONG - Duration::from_millis(200));
    assert!(longest < BRIEF, "a write has taken {longest:?}");
    assert_eq!(sleeper.reply(), Reply::ok());
    assert!(began.elapsed() >= LONG);
    assert_eq!(saver.reply().text(), "Background saving started");
    wait_until_saved(&mut client);
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(client.info("rdb_saves"), (saved_before + 1).to_string());
    let held_us: u64 = client.info("torc_cut_held_usec_max").parse().expect("a number");
    assert!((1..BRIEF.as_micros() as u64).contains(&held_us), "it has held writers for {held_us} us");
    let expected = digest(&mut client);
    server.kill();
    let server = quiet(2, &directory).start();
    let (_, keys) = digest(&mut server.connect());
    assert_eq!(keys, expected.1, "the file has all keys");
}

#[test]
fn a_save_is_cancelled_while_its_cut_probes() {
    let directory = Directory::new("cancelled-probe");
    let server = quiet(2, &directory).with("--core-ports", "yes").start();
    let mut client = server.connect();
    fill(&mut client, 200);
    let (mut sleeper, mut saver, mut other) =
        (core_client(&server, 1), core_client(&server, 0), core_client(&server, 0));
    let key = own_key(&mut other);
    let began = Instant::now();
    begin_long_command(&mut sleeper);
    saver.send(b"BGSAVE\r\n");
    wait_until("the save is under way", || matches!(other.command("BGSAVE"), Reply::Error(_)));
    assert_eq!(other.command("BGSAVE CANCEL").text(), "Background saving cancelled");
    other.ok(&format!("SET {key} 1"));
    assert!(began.elapsed() < LONG, "it is answered at once, and holds nobody");
    // Whoever has asked for it may leave.
    drop(saver);
    assert_eq!(sleeper.reply(), Reply::ok());
    wait_until_saved(&mut client);
    assert!(directory.names().is_empty(), "{:?}", directory.names());
    assert_eq!(client.command("BGSAVE").text(), "Background saving started");
    wait_until_saved(&mut client);
    assert_eq!(directory.names(), ["dump.rdb"]);
}

#[test]
fn flushall_does_not_wait_for_a_cut_that_probes_nor_the_end_for_its_client() {
    let directory = Directory::new("flushed-probe");
    let server = quiet(2, &directory).with("--core-ports", "yes").start();
    let mut client = server.connect();
    fill(&mut client, 200);
    let (mut sleeper, mut saver, mut other) =
        (core_client(&server, 1), core_client(&server, 0), core_client(&server, 0));
    begin_long_command(&mut sleeper);
    saver.send(b"BGSAVE\r\n");
    wait_until("the save is under way", || matches!(other.command("BGSAVE"), Reply::Error(_)));
    let began = Instant::now();
    // Through the port of a core it is about the keys of that core.
    other.ok("FLUSHALL");
    assert!(began.elapsed() < BRIEF, "{:?}", began.elapsed());
    assert_eq!(sleeper.reply(), Reply::ok());
    assert_eq!(saver.reply().text(), "Background saving started", "it has begun, and ends");
    begin_long_command(&mut sleeper);
    other.send(b"SHUTDOWN SAVE\r\n");
    let log = server.assert_clean_exit();
    assert!(log.contains("all keys were removed") && log.contains("DB saved on disk"), "{log}");
    assert_eq!(directory.names(), ["dump.rdb"]);
}

/// CONFIG SET appendonly cuts and holds as well.
#[test]
fn a_log_goes_on_and_off_behind_a_long_command() {
    let directory = Directory::new("switched-behind");
    let server = quiet(2, &directory).with("--core-ports", "yes").start();
    let mut client = server.connect();
    fill(&mut client, 200);
    let (mut sleeper, mut asker, mut writer) =
        (core_client(&server, 1), core_client(&server, 0), core_client(&server, 0));
    let key = own_key(&mut writer);
    for appends in ["yes", "no"] {
        let began = Instant::now();
        begin_long_command(&mut sleeper);
        asker.send(format!("CONFIG SET appendonly {appends}\r\n").as_bytes());
        let longest = write_until(&mut writer, &key, began + LONG - Duration::from_millis(200));
        assert!(longest < BRIEF, "{appends}: a write has taken {longest:?}");
        assert_eq!([sleeper.reply(), asker.reply()], [Reply::ok(), Reply::ok()]);
    }
    // What was written up to there is in it.
    let expected = digest(&mut client);
    server.kill();
    let server = quiet(3, &directory).with("--appendonly", "yes").start();
    assert_eq!(digest(&mut server.connect()), expected);
}
