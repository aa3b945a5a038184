//! Saves and reloads that fail: nothing is lost by that, clients learn of it, and it ends with the first success.

mod common;

use common::resp::Reply;
use common::saves::{REFUSED, fill, launch, quiet};
use common::{Client, Directory, Launch, wait_until};

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

/// As on a disk that is full, under `appendfsync always`: whoever waits for it gets an error and keeps the connection.
#[test]
fn a_log_that_cannot_be_written_fails_those_who_wait_for_it() {
    let directory = Directory::new("log-fails");
    let server = launch(2, &directory).with("--appendonly", "yes").with("--appendfsync", "always").start();
    let (mut client, mut reader) = (server.connect(), server.connect());
    client.ok("MSET {a} old {b} old");
    server.limit_file_bytes(Some(10));
    client.send(b"SET {a} new\r\nGET {b}\r\nGET {a}\r\n");
    let lost = "MISCONF Errors writing to the AOF file: what this reply would show may be lost";
    assert_eq!(client.reply().text(), lost);
    // What leaves at once waits together.
    assert!([lost, "old"].contains(&client.reply().text().as_str()));
    assert_eq!(client.reply().text(), lost);
    wait_until("writes are refused", || client.command("SET {c} more").text().starts_with("MISCONF"));
    for _ in 0..2 {
        assert_eq!(reader.command("GET {b}").text(), "old", "other keys are read");
        assert_eq!(reader.command("GET {a}").text(), lost, "what may be lost is not shown");
        assert_eq!(reader.command("EXISTS {a} {b}").text(), lost);
    }
    assert_eq!(reader.info("aof_last_write_status"), "err");
    server.limit_file_bytes(None);
    wait_until("it can be written", || client.command("SET {b} more").text() == "OK");
    assert_eq!(reader.command("MGET {a} {b}"), Reply::Array(vec![Reply::bulk("new"), Reply::bulk("more")]));
    server.kill();
    let server = launch(1, &directory).with("--appendonly", "yes").start();
    assert_eq!(server.connect().command("MGET {a} {b}"), Reply::Array(vec![Reply::bulk("new"), Reply::bulk("more")]));
    server.finish();
}
