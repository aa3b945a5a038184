//! DEBUG LOADAOF and DEBUG RELOAD of a server with a log: nothing that was answered is lost, and a failure leaves the log as it was.

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::data::fill_types;
use common::logs::{Stop, appending, digest, wait_until_based, wait_until_written};
use common::{Client, Directory, Launch, Server, wait_until};

#[test]
fn the_log_is_loaded_as_it_was_written_and_goes_on() {
    let directory = Directory::new("loadaof");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    // It had not expired when it was changed, and has by now.
    client.ok("SET kept 5 PX 100");
    client.command("INCR kept");
    client.command("PERSIST kept");
    client.ok("SET gone 5 PX 100");
    thread::sleep(Duration::from_millis(150));
    let expected = digest(&server);
    for round in 0..3 {
        assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
        assert_eq!(digest(&server), expected, "round {round}");
        assert_eq!(client.command("GET kept").text(), "6");
        assert_eq!(client.command("EXISTS gone").integer(), 0);
        assert_eq!(client.info("rdb_changes_since_last_save"), "0");
        client.command("BGREWRITEAOF");
        wait_until_based(&mut client);
    }
    client.ok("MSET later:a 1 later:b 2");
    let expected = digest(&server);
    server.finish();
    let server = appending(3, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

#[test]
fn nobody_who_waits_is_served_what_was_pushed_long_ago() {
    let directory = Directory::new("loadaof-waiting");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    let (mut popper, mut reader) = (server.connect(), server.connect());
    for number in 0..20 {
        client.command(&format!("RPUSH queue {number}"));
        client.command("LPOP queue");
    }
    client.command("XGROUP CREATE stream group $ MKSTREAM");
    popper.send(b"BLPOP queue 0\r\n");
    reader.send(b"XREADGROUP GROUP group reader BLOCK 0 STREAMS stream >\r\n");
    wait_until("both wait", || client.info("blocked_clients") == "2");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!(client.info("blocked_clients"), "2");
    client.command("RPUSH queue now");
    assert_eq!(popper.reply().elements()[1].text(), "now");
    client.command("XADD stream 5-1 f v");
    assert_eq!(reader.reply().elements().len(), 1);
    let expected = digest(&server);
    server.finish();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

#[test]
fn keys_are_as_idle_as_their_last_write_after_the_log_is_loaded() {
    let directory = Directory::new("loaded-idle");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    let idle = |client: &mut Client| {
        for key in ["k", "stream", "based"] {
            let idle = client.command(&format!("OBJECT IDLETIME {key}")).integer();
            assert!((0..100).contains(&idle), "{key}: {idle}");
        }
        let told = format!("{:?}", client.command("XINFO CONSUMERS stream group"));
        let has_long_number = told.split(|byte: char| !byte.is_ascii_digit()).any(|number| number.len() > 6);
        assert!(!has_long_number, "{told}");
    };
    client.ok("SET based v");
    client.command("BGREWRITEAOF");
    wait_until_based(&mut client);
    client.ok("SET k v");
    client.command("APPEND k w");
    client.command("XADD stream 5-1 f v");
    client.command("XGROUP CREATE stream group 0");
    client.command("XGROUP CREATECONSUMER stream group idle");
    client.command("XREADGROUP GROUP group reader STREAMS stream >");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    idle(&mut client);
    server.finish();
    let server = appending(1, &directory).start();
    idle(&mut server.connect());
    server.finish();
    // A counter of uses is that of a new key.
    let server = appending(1, &directory).with("--maxmemory-policy", "allkeys-lfu").start();
    let frequency = server.connect().command("OBJECT FREQ k").integer();
    assert!((1..=6).contains(&frequency), "{frequency}");
    server.finish();
}

/// Sets keys of several cores to the next number, again and again; the last number that was answered.
fn write_numbers(server: &Server, writer: usize, stops: &AtomicBool) -> u64 {
    let (mut client, mut answered) = (server.connect(), 0);
    for number in 1.. {
        if stops.load(Ordering::Relaxed) {
            break;
        }
        let reply = client.command(&format!("MSET a:{writer} {number} b:{writer} {number} c:{writer} {number}"));
        match reply.text().as_str() {
            "OK" => answered = number,
            other => assert!(other.starts_with("LOADING"), "{other}"),
        }
    }
    answered
}

#[test]
fn nothing_that_was_answered_is_lost_while_it_is_loaded_again() {
    let directory = Directory::new("loadaof-load");
    let server = appending(3, &directory).start();
    let stops = AtomicBool::new(false);
    let answered: Vec<u64> = thread::scope(|scope| {
        let (server, stops) = (&server, &stops);
        let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write_numbers(server, writer, stops))).collect();
        let stop = Stop(stops);
        let mut client = server.connect();
        for round in 0..12 {
            thread::sleep(Duration::from_millis(20));
            let command = if round % 3 == 2 { "DEBUG RELOAD" } else { "DEBUG LOADAOF" };
            assert_eq!(client.command(command).text(), "OK", "{command}");
        }
        drop(stop);
        writers.into_iter().map(|writer| writer.join().expect("a writer ends")).collect()
    });
    let mut client = server.connect();
    wait_until_based(&mut client);
    let expected = digest(&server);
    let look = |client: &mut Client| {
        for (writer, answered) in answered.iter().enumerate() {
            let values = client.command(&format!("MGET a:{writer} b:{writer} c:{writer}"));
            for at in 0..3 {
                let found: u64 = values.elements()[at].text().parse().expect("a number");
                assert!(found >= *answered, "{answered} was answered, and {found} is there");
            }
        }
    };
    look(&mut client);
    server.finish();
    let server = appending(2, &directory).start();
    assert_eq!(digest(&server), expected);
    look(&mut server.connect());
    server.finish();
}

#[test]
fn a_log_that_cannot_be_loaded_ends_the_server_and_stays_as_it_is() {
    let directory = Directory::new("loadaof-damaged");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    (0..20).for_each(|number| client.ok(&format!("SET key:{number} value")));
    wait_until_written(&mut client);
    let name = "appendonlydir/appendonly.aof.1.incr.aof";
    let mut damaged = directory.read(name);
    damaged[200] = b'!';
    fs::write(directory.path(name), &damaged).expect("it can be written");
    client.send(b"DEBUG LOADAOF\r\n");
    let (status, log) = server.end();
    assert!(!status.success() && log.contains("The server ends, and the AOF stays as it was"), "{log}");
    assert_eq!(directory.read(name), damaged);
}

#[test]
fn a_log_is_not_loaded_before_it_has_a_base() {
    let directory = Directory::new("loadaof-none");
    let server = appending(1, &directory).start();
    let mut client = server.connect();
    client.ok("SET k v");
    client.ok("CONFIG SET appendonly no");
    // It waits for the first base.
    client.ok("SET l w");
    client.ok("CONFIG SET rdb-key-save-delay 200000");
    client.ok("CONFIG SET appendonly yes");
    assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
    assert_eq!(client.command("MGET k l").elements().len(), 2);
    assert_eq!(client.command("GET l").text(), "w");
    server.finish();
    // Nor where nobody may use DEBUG.
    let server = Launch::cores(1).start();
    assert!(server.connect().command("DEBUG LOADAOF").text().starts_with("ERR DEBUG command not allowed"));
    server.finish();
}

#[test]
fn what_was_reloaded_is_in_a_log_of_its_own() {
    let directory = Directory::new("reload-log");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    let saved = digest(&server);
    assert_eq!(client.command("DEBUG RELOAD").text(), "OK");
    assert_eq!(digest(&server), saved);
    wait_until_based(&mut client);
    // The file is older than memory.
    client.ok("SET newer 1");
    client.command("DEL text");
    assert_eq!(client.command("DEBUG RELOAD NOSAVE").text(), "OK");
    assert_eq!(digest(&server), saved);
    wait_until_based(&mut client);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), saved);
    server.finish();
}

#[test]
fn a_reload_that_fails_ends_the_server_and_the_log_has_everything() {
    let directory = Directory::new("reload-fails");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    assert_eq!(client.command("SAVE").text(), "OK");
    client.ok("SET newer 1");
    let expected = digest(&server);
    let dump = directory.read("dump.rdb");
    fs::write(directory.path("dump.rdb"), &dump[..dump.len() / 2]).expect("it can be written");
    client.send(b"DEBUG RELOAD NOSAVE\r\n");
    let (status, log) = server.end();
    assert!(!status.success() && log.contains("The server ends, and the AOF stays as it was"), "{log}");
    let server = appending(2, &directory).start();
    assert_eq!(digest(&server), expected);
    // What cannot even be saved is not removed.
    let mut client = server.connect();
    server.limit_file_bytes(Some(100));
    assert_eq!(client.command("DEBUG RELOAD").text(), "ERR Error trying to load the RDB dump, check server logs.");
    server.limit_file_bytes(None);
    assert_eq!(digest(&server), expected);
    wait_until_based(&mut client);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}
