//! CONFIG SET appendonly with the real binary: on and off while clients write, while something is saved, when it cannot be, and at the end.

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::data::fill_types;
use common::logs::{Stop, appending, digest, slow_saves, wait_until_based, wait_until_written, without_log};
use common::{Client, Directory, Random, Server, wait_until};

const FAILED: &str =
    "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.";

fn on(client: &mut Client) {
    client.ok("CONFIG SET appendonly yes");
}

fn off(client: &mut Client) {
    client.ok("CONFIG SET appendonly no");
}

#[test]
fn the_log_begins_with_what_is_in_memory_and_ends_where_it_is_turned_off() {
    let directory = Directory::new("switching");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    assert_eq!(client.info("aof_enabled"), "0");
    on(&mut client);
    assert_eq!(client.info("aof_enabled"), "1");
    assert_eq!(client.command("CONFIG GET appendonly").elements()[1].text(), "yes");
    client.ok("MSET later:a 1 later:b 2 later:c 3");
    wait_until_based(&mut client);
    client.ok("SET last 1");
    off(&mut client);
    assert_eq!(client.info("aof_enabled"), "0");
    let expected = digest(&server);
    client.ok("SET in:memory only");
    server.kill();
    let server = appending(3, &directory).start();
    assert_eq!(digest(&server), expected);
    let mut client = server.connect();
    // The same without waiting for the base: what was there before stays.
    client.ok("SET more 1");
    off(&mut client);
    let expected = digest(&server);
    client.ok("SET in:memory only");
    slow_saves(&mut client);
    on(&mut client);
    assert_eq!(client.info("aof_rewrite_in_progress"), "1");
    client.ok("SET into the:increment");
    off(&mut client);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
    let names = fs::read_dir(directory.path("appendonlydir")).expect("it is there").count();
    assert_eq!(names, 4, "manifest, base, increment and lock");
}

/// Writes keys of several cores in one transaction, again and again.
fn write_alike(server: &Server, writer: usize, stops: &AtomicBool) {
    let mut client = server.connect();
    for number in 1.. {
        if stops.load(Ordering::Relaxed) {
            return;
        }
        match number % 5 {
            0 => client.ok(&format!("MSET a:{writer} {number} b:{writer} {number} c:{writer} {number}")),
            1 => {
                let sets = ["a", "b", "c"].map(|key| format!("SET {key}:{writer} {number}\r\n")).concat();
                client.send(format!("MULTI\r\n{sets}EXEC\r\n").as_bytes());
                (0..5).for_each(|_| _ = client.reply());
            }
            // What waits on one core for what another one pushes, and gives it to a third.
            2 => {
                client.send(format!("BLMOVE queue:{} done:{writer} LEFT RIGHT 0.02\r\n", (writer + 1) % 4).as_bytes());
                let _ = client.reply();
            }
            3 => {
                client.send(
                    format!(
                        "WATCH a:{writer}\r\nMULTI\r\nRPUSH queue:{writer} {number}\r\nINCR seen:{writer}\r\nEXEC\r\n"
                    )
                    .as_bytes(),
                );
                (0..5).for_each(|_| _ = client.reply());
            }
            // A unit of its own core between them.
            _ => _ = client.command(&format!("APPEND log:{writer} {number},")),
        }
    }
}

fn copy_log(from: &Directory, to: &Directory) {
    fs::create_dir_all(to.path("appendonlydir")).expect("it can be made");
    for entry in fs::read_dir(from.path("appendonlydir")).expect("it is there") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        fs::copy(from.path(&format!("appendonlydir/{name}")), to.path(&format!("appendonlydir/{name}")))
            .expect("a copy");
    }
}

fn assert_alike(server: &Server) {
    let mut client = server.connect();
    for writer in 0..4 {
        let values = client.command(&format!("MGET a:{writer} b:{writer} c:{writer}"));
        let values = [0, 1, 2].map(|at| values.elements()[at].text());
        assert!(values.iter().all(|value| *value == values[0]), "a transaction is whole, or not there: {values:?}");
    }
}

#[test]
fn switches_under_load_lose_nothing_and_tear_nothing() {
    let directory = Directory::new("switching-load");
    let server = without_log(3, &directory).start();
    let (stops, mut random) = (AtomicBool::new(false), Random::new(3));
    thread::scope(|scope| {
        for writer in 0..4 {
            let (server, stops) = (&server, &stops);
            scope.spawn(move || write_alike(server, writer, stops));
        }
        let _stop = Stop(&stops);
        let mut client = server.connect();
        for round in 0..8 {
            on(&mut client);
            let waits = round % 2 == 0;
            if waits {
                wait_until_based(&mut client);
            }
            thread::sleep(Duration::from_millis(random.below(60)));
            off(&mut client);
            if waits {
                let copy = Directory::new(&format!("switching-copy-{round}"));
                copy_log(&directory, &copy);
                let other = appending(2, &copy).start();
                assert_alike(&other);
                other.finish();
            }
        }
        on(&mut client);
        wait_until_based(&mut client);
    });
    let expected = digest(&server);
    wait_until_written(&mut server.connect());
    server.kill();
    let server = appending(2, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

#[test]
fn a_log_that_cannot_begin_stays_off() {
    let directory = Directory::new("switching-fails");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    client.ok("SET k v");
    let mut refused = |why: &str| {
        assert_eq!(client.command("CONFIG SET appendonly yes").text(), FAILED, "{why}");
        server.wait_for_log(why);
        assert_eq!(client.info("aof_enabled"), "0");
        assert_eq!(client.command("CONFIG GET appendonly").elements()[1].text(), "no");
        client.ok("SET k w");
    };
    // There is a file of that name.
    let blocking = directory.file("appendonlydir", "");
    refused("appendonlydir: File exists");
    fs::remove_file(blocking).expect("it can be removed");
    // A manifest that cannot be read.
    fs::create_dir(directory.path("appendonlydir")).expect("it can be made");
    let manifest = directory.file("appendonlydir/appendonly.aof.manifest", "nonsense\n");
    refused("appendonly.aof.manifest: reading the manifest file");
    fs::remove_file(manifest).expect("it can be removed");
    // Another server has it.
    let other = appending(1, &directory).start();
    refused(&format!("in use by process {}", other.pid()));
    other.finish();
    // The disk takes nothing.
    server.limit_file_bytes(Some(40));
    refused("Can't replace the AOF manifest");
    server.limit_file_bytes(None);
    on(&mut client);
    wait_until_based(&mut client);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(server.connect().command("GET k").text(), "w");
    server.finish();
}

#[test]
fn a_save_is_not_disturbed_and_the_first_base_follows_it() {
    let directory = Directory::new("switching-save");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    client.command("BGSAVE");
    for _ in 0..2 {
        on(&mut client);
        assert_eq!(client.info("aof_enabled"), "1");
        assert_eq!(
            (client.info("aof_rewrite_scheduled"), client.info("aof_rewrite_in_progress")),
            ("1".into(), "0".into())
        );
        client.ok("SET while:saved 1");
        off(&mut client);
        assert_eq!((client.info("aof_enabled"), client.info("rdb_bgsave_in_progress")), ("0".into(), "1".into()));
    }
    on(&mut client);
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until_based(&mut client);
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    client.ok("SET after 1");
    let expected = digest(&server);
    server.finish();
    let server = appending(2, &directory).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

#[test]
fn many_at_once_are_done_one_after_another() {
    let directory = Directory::new("switching-many");
    let server = without_log(2, &directory).start();
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    clients[0].ok("SET k v");
    for round in 0..10 {
        for (at, client) in clients.iter_mut().enumerate() {
            let word = if (at + round) % 2 == 0 { "yes" } else { "no" };
            client.send(format!("CONFIG SET appendonly {word}\r\n").as_bytes());
        }
        for client in &mut clients {
            assert_eq!(client.reply().text(), "OK");
        }
    }
    // Of a transaction it is done when that has ended.
    let client = &mut clients[0];
    for (word, enabled) in [("no", "0"), ("yes", "1"), ("no", "0"), ("yes", "1")] {
        client.send(
            format!("MULTI\r\nSET k {word}\r\nCONFIG SET appendonly {word}\r\nSET l {word}\r\nEXEC\r\n").as_bytes(),
        );
        (0..4).for_each(|_| _ = client.reply());
        assert_eq!(client.reply().elements().len(), 3);
        wait_until("the log is switched", || client.info("aof_enabled") == enabled);
    }
    wait_until_based(client);
    server.finish();
    let server = appending(2, &directory).start();
    let values = server.connect().command("MGET k l");
    assert_eq!([0, 1].map(|at| values.elements()[at].text()), ["yes", "yes"]);
    server.finish();
}

#[test]
fn under_always_nobody_waits_for_the_first_base_and_everybody_for_what_follows() {
    let directory = Directory::new("switching-always");
    let server = without_log(2, &directory).with("--appendfsync", "always").start();
    let mut client = server.connect();
    slow_saves(&mut client);
    on(&mut client);
    client.ok("MSET a 1 b 2 c 3");
    assert_eq!(client.info("aof_current_rewrite_time_sec"), "0");
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until_based(&mut client);
    client.ok("MSET a 4 b 5 c 6");
    server.kill();
    let server = appending(1, &directory).start();
    let values = server.connect().command("MGET a b c");
    assert_eq!([0, 1, 2].map(|at| values.elements()[at].text()), ["4", "5", "6"]);
    server.finish();
}

#[test]
fn the_end_waits_for_the_first_base_unless_it_is_forced() {
    let directory = Directory::new("switching-end");
    let server = without_log(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    on(&mut client);
    server.signal(libc::SIGTERM);
    server.wait_for_log("The end waits for the first AOF base");
    client.ok("SET meanwhile 1");
    client.ok("CONFIG SET rdb-key-save-delay 0");
    server.assert_clean_exit();
    let server = appending(1, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("DBSIZE").integer(), 51);
    off(&mut client);
    slow_saves(&mut client);
    on(&mut client);
    client.ok("SET lost 1");
    client.send(b"SHUTDOWN NOSAVE FORCE\r\n");
    server.assert_clean_exit();
    let server = appending(1, &directory).start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 51);
    server.finish();
}

#[test]
fn an_end_that_waits_for_a_base_that_fails_is_called_off() {
    let directory = Directory::new("switching-end-fails");
    let server = without_log(1, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    on(&mut client);
    let mut other = server.connect();
    other.send(b"SHUTDOWN\r\n");
    server.wait_for_log("The end waits for the first AOF base");
    server.limit_file_bytes(Some(0));
    client.ok("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(other.reply().text(), "ERR Errors trying to SHUTDOWN. Check logs.");
    server.limit_file_bytes(None);
    assert_eq!(client.command("PING").text(), "PONG");
    wait_until_based(&mut client);
    server.finish();
}

#[test]
fn a_rewrite_does_not_delay_the_end() {
    let directory = Directory::new("switching-rewrite-end");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    slow_saves(&mut client);
    client.command("BGREWRITEAOF");
    wait_until("it has begun", || client.info("aof_rewrite_in_progress") == "1");
    let began = std::time::Instant::now();
    let log = server.finish();
    assert!(!log.contains("could not be synced") && began.elapsed() < Duration::from_secs(8), "{log}");
    let server = appending(1, &directory).start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 50);
    server.finish();
}

#[test]
fn a_log_that_cannot_be_written_to_its_end_is_off_all_the_same() {
    let directory = Directory::new("switching-stuck");
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    client.ok("SET kept 1");
    wait_until_written(&mut client);
    server.limit_file_bytes(Some(0));
    client.ok("SET lost 1");
    wait_until("it cannot be written", || client.info("aof_last_write_status") == "err");
    off(&mut client);
    server.wait_for_log("The append only file could not be written to its end before it was closed");
    wait_until("it is off", || client.info("aof_enabled") == "0");
    client.ok("SET later 1");
    // One that begins anew has everything.
    server.limit_file_bytes(None);
    on(&mut client);
    wait_until_based(&mut client);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 3);
    server.finish();
}

#[test]
fn the_log_stays_where_it_is_when_the_directory_changes() {
    let (directory, other) = (Directory::new("switching-dir"), Directory::new("switching-other-dir"));
    let server = without_log(2, &directory).with("--enable-protected-configs", "yes").start();
    let mut client = server.connect();
    client.ok("SET k v");
    on(&mut client);
    wait_until_based(&mut client);
    client.ok(&format!("CONFIG SET dir {}", other.path("")));
    client.ok("SET l v");
    client.command("BGREWRITEAOF");
    wait_until("it is rewritten", || client.info("aof_rewrites") == "2");
    assert_eq!(other.names(), Vec::<String>::new());
    off(&mut client);
    // It begins where the directory is then, which one request may say.
    client.ok("SET m v");
    client.ok(&format!("CONFIG SET dir {} appendonly yes", other.path("")));
    wait_until_based(&mut client);
    server.kill();
    for (directory, keys) in [(&directory, 2), (&other, 3)] {
        let server = appending(1, directory).start();
        assert_eq!(server.connect().command("DBSIZE").integer(), keys);
        server.finish();
    }
}

/// Through the port of a core FLUSHALL is about that core: any number of cores, which have no such port, load the same.
#[test]
fn what_one_core_has_removed_stays_removed_on_any_number_of_cores() {
    let directory = Directory::new("core-ports");
    let with_ports = || appending(2, &directory).with("--core-ports", "yes").with("--appendfsync", "always");
    let server = with_ports().start();
    let mut client = server.connect();
    let fill = |client: &mut Client, round: u32| {
        for db in [0, 5] {
            client.ok(&format!("SELECT {db}"));
            (0..1500).for_each(|number| client.ok(&format!("SET {round}:{number} v")));
        }
        client.ok("SELECT 0");
    };
    let len = |client: &mut Client| client.command("DBSIZE").integer();
    fill(&mut client, 0);
    let mut nodes = [0, 1].map(|core| Client::connect(server.core_port(core)));
    let removed = len(&mut nodes[1]);
    assert!(removed > 100, "{removed}");
    nodes[1].ok("FLUSHALL");
    assert_eq!(len(&mut client), 1500 - removed);
    fill(&mut client, 1);
    nodes[0].ok("SELECT 5");
    nodes[0].ok("MULTI");
    for line in ["FLUSHDB", "SWAPDB 0 1"] {
        assert_eq!(nodes[0].command(line).text(), "QUEUED");
    }
    let replies = nodes[0].command("EXEC");
    assert_eq!(replies.elements()[0].text(), "OK");
    assert!(replies.elements()[1].text().contains("SWAPDB is not possible"), "{replies:?}");
    fill(&mut client, 2);
    let expected = digest(&server);
    server.kill();
    for cores in [3, 1] {
        let server = appending(cores, &directory).start();
        assert_eq!(digest(&server), expected, "{cores} cores");
        server.finish();
    }
    // Turned off and on, with a base between, and begun without a log.
    let server = with_ports().start();
    let mut client = server.connect();
    let mut node = Client::connect(server.core_port(1));
    off(&mut client);
    node.ok("SWAPDB 0 5");
    node.ok("FLUSHDB");
    on(&mut client);
    wait_until_based(&mut client);
    node.ok("FLUSHALL");
    client.ok("MSET a 1 b 2 c 3 d 4");
    let expected = digest(&server);
    server.kill();
    let server = appending(1, &directory).start();
    assert_eq!(digest(&server), expected);
}
