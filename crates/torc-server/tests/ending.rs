//! The end of a process that has files: it loses nothing that was answered, and ends as it is told, also in the middle of a save.

mod common;

use std::thread;

use common::resp::Reply;
use common::saves::{AT_ONCE, ENDLESS, fill, is_saving, launch, number_at, quiet, wait_until_saved};
use common::{Client, Directory, Server, wait_until};

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
