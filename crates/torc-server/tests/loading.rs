//! Loading at the start: what a server does while it loads, files that cannot be loaded, and files of redis-server.
//!
//! `key-load-delay` makes loading as long as a test needs it.

mod common;

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Child, Command, Stdio};

use common::data::fill_types;
use common::resp::Reply;
use common::{Client, Directory, Launch, Ports, Server, binary, reserved_port, wait_until};

const LOADING: &str = "LOADING Redis is loading the dataset in memory";

fn launch(cores: usize, directory: &Directory) -> Launch {
    let launch = Launch::cores(cores).in_directory(directory).with("--save", "");
    launch.with("--enable-debug-command", "yes").with("--enable-protected-configs", "yes")
}

/// A file with so many keys.
fn saved(directory: &Directory, keys: u32) {
    let server = launch(2, directory).start();
    let mut client = server.connect();
    for number in 0..keys {
        client.ok(&format!("SET key:{number} value:{number}"));
    }
    client.ok("SAVE");
}

/// A server that has begun to load and takes its time.
fn start_slowly(launch: &Launch) -> (Server, Client) {
    let server = launch.spawn();
    let mut client = None;
    wait_until("it listens", || {
        client = Client::try_connect(server.port()).ok();
        client.is_some()
    });
    let mut client = client.expect("just connected");
    wait_until("it loads", || client.info("loading_total_bytes") != "0");
    (server, client)
}

#[test]
fn while_it_loads() {
    let directory = Directory::new("loading");
    saved(&directory, 100);
    let file = directory.read("dump.rdb");
    let (server, mut client) = start_slowly(&launch(2, &directory).with("--key-load-delay", "100000000"));
    assert!(!server.log().contains("Ready to accept connections"));
    for line in ["GET key:1", "SET key:1 x", "PING", "DBSIZE", "SAVE", "BGSAVE", "BGSAVE CANCEL", "KEYS *"] {
        assert_eq!(client.command(line).text(), LOADING, "{line}");
    }
    for line in ["CONFIG GET port", "COMMAND COUNT", "CLIENT ID", "LASTSAVE", "HELLO 2", "SELECT 1", "SHUTDOWN ABORT"] {
        assert_ne!(client.command(line), Reply::Error(LOADING.to_owned()), "{line}");
    }
    client.ok("MULTI");
    assert_eq!(client.command("SET key:1 x").text(), LOADING);
    assert!(client.command("EXEC").text().starts_with("EXECABORT"));
    assert_eq!(client.command("CONFIG SET dir /").text(), LOADING, "nor goes the data elsewhere meanwhile");
    assert_eq!(client.info("loading"), "1");
    assert_eq!(client.info("loading_total_bytes"), file.len().to_string());
    assert_eq!(client.info("rdb_bgsave_in_progress"), "0");
    client.ok("CONFIG SET key-load-delay 0");
    server.wait_for_log("Ready to accept connections");
    wait_until("it is loaded", || client.info("loading") == "0");
    client.ok("SELECT 0");
    assert_eq!(client.command("DBSIZE").integer(), 100);
    assert_eq!(client.command("GET key:1").text(), "value:1");
    assert_eq!(client.info("rdb_last_load_keys_loaded"), "100");
}

#[test]
fn whoever_comes_while_there_is_little_to_load_is_served() {
    let directory = Directory::new("loading-little");
    saved(&directory, 10);
    let mut launch = launch(2, &directory).with("--key-load-delay", "5000");
    // On a machine that is busy it may take longer than clients are kept waiting; they are told of it then.
    let is_served = (0..10).any(|_| {
        let server = launch.spawn();
        let mut client = None;
        wait_until("it listens", || {
            client = Client::try_connect(server.port()).ok();
            client.is_some()
        });
        let reply = client.expect("just connected").command("GET key:1").text();
        assert!(reply == "value:1" || reply == LOADING, "{reply}");
        server.finish();
        reply == "value:1"
    });
    assert!(is_served, "50 ms are little");
    // What takes long is told of at once, or nobody would know why.
    launch = launch.with("--key-load-delay", "100000000");
    let (_server, mut client) = start_slowly(&launch);
    assert_eq!(client.command("GET key:1").text(), LOADING);
}

#[test]
fn progress_is_told() {
    let directory = Directory::new("progress");
    let server = launch(2, &directory).start();
    let mut client = server.connect();
    client.ok("CONFIG SET rdbcompression no");
    for number in 0..40 {
        assert_eq!(client.call(&["SET", &format!("key:{number}"), &"x".repeat(100_000)]), Reply::ok());
    }
    client.ok("SAVE");
    server.kill();
    let (server, mut client) = start_slowly(&launch(1, &directory).with("--key-load-delay", "50000"));
    let mut percents = Vec::new();
    wait_until("it is loaded", || {
        if let Some(line) =
            client.command("INFO persistence").text().lines().find_map(|line| line.strip_prefix("loading_loaded_perc:"))
        {
            percents.push(line.parse::<f64>().expect("a number"));
        }
        client.info("loading") == "0"
    });
    assert!(percents.is_sorted() && percents.iter().any(|percent| (1.0..100.0).contains(percent)), "{percents:?}");
    assert_eq!(client.command("DBSIZE").integer(), 40);
    drop(client);
    server.finish();
}

/// A terminal: what is shown on it, and what a process may have as its output.
fn terminal() -> (File, File) {
    let (mut shown, mut output) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointers are to what the call fills in or reads; the descriptors are nobody else's.
    unsafe {
        let opened =
            libc::openpty(&raw mut shown, &raw mut output, std::ptr::null_mut(), std::ptr::null(), &raw const size);
        assert_eq!(opened, 0);
        (File::from_raw_fd(shown), File::from_raw_fd(output))
    }
}

#[test]
fn a_bar_shows_on_a_terminal_how_far_it_is() {
    let directory = Directory::new("loading-bar");
    let server = launch(2, &directory).start();
    let mut client = server.connect();
    client.ok("CONFIG SET rdbcompression no");
    for number in 0..40 {
        assert_eq!(client.call(&["SET", &format!("key:{number}"), &"x".repeat(100_000)]), Reply::ok());
    }
    client.ok("SAVE");
    server.kill();
    let (mut shown, output) = terminal();
    let (port, _ports) = reserved_port();
    let error = output.try_clone().expect("a descriptor");
    let mut child = Command::new(binary())
        .args(["--port", &port.to_string(), "--cores", "2", "--dir", &directory.path(""), "--key-load-delay", "10000"])
        .stdout(output)
        .stderr(error)
        .spawn()
        .expect("it starts");
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains("Ready to accept connections") {
        let read = shown.read(&mut piece).expect("the server has not ended");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    child.kill().and_then(|()| child.wait()).expect("it ends");
    let bars: Vec<&str> = text.split('\r').filter(|part| part.contains("dump.rdb  [")).collect();
    assert!(bars.len() > 1 && bars.iter().all(|bar| bar.ends_with(" % of 4 MiB")), "{text:?}");
    assert!(bars.first() != bars.last(), "{bars:?}");
    // No line of the log stands behind it.
    let lines = text.lines().filter_map(|line| line.rsplit('\r').next()).filter(|line| !line.is_empty());
    assert!(lines.into_iter().all(|line| line.contains(":M ")), "{text:?}");
}

#[test]
fn the_end_in_the_middle_of_loading() {
    let directory = Directory::new("end");
    saved(&directory, 100);
    let file = directory.read("dump.rdb");
    // Also with save points that would fire at once: a part of the data is never saved.
    let slow = || launch(2, &directory).with("--key-load-delay", "100000000").with("--save", "1 0");
    for ending in ["SIGTERM", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE", "SHUTDOWN"] {
        let (server, mut client) = start_slowly(&slow());
        match ending {
            "SIGTERM" => server.signal(libc::SIGTERM),
            line => client.send(format!("{line}\r\n").as_bytes()),
        }
        let log = server.assert_clean_exit();
        assert!(!log.contains("Ready to accept connections"), "{ending}: {log}");
        assert_eq!((directory.read("dump.rdb"), directory.names()), (file.clone(), vec!["dump.rdb".to_owned()]));
    }
}

/// The start fails with status 1, says all this in one line, and leaves everything as it was.
#[track_caller]
fn assert_refused(directory: &Directory, launch: Launch, parts: &[&str]) {
    let before = directory.read("dump.rdb");
    let (status, printed) = launch.spawn().end();
    assert_eq!(status.code(), Some(1), "{printed}");
    let last = printed.lines().find(|line| line.starts_with("torc: ")).unwrap_or_default();
    for part in parts.iter().chain(&["dump.rdb: "]) {
        assert!(last.contains(part), "{part:?} is not said in:\n{printed}");
    }
    assert!(!printed.contains("Ready to accept connections") && !printed.contains("panicked"), "{printed}");
    assert!(directory.read("dump.rdb") == before && directory.names() == ["dump.rdb"], "it is untouched");
}

#[test]
fn files_that_are_damaged() {
    let directory = Directory::new("damaged");
    saved(&directory, 50);
    let sound = directory.read("dump.rdb");
    let path = directory.path("dump.rdb");
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).expect("it can be written");
    let refused = |bytes: &[u8], parts: &[&str]| {
        put(bytes);
        assert_refused(&directory, launch(2, &directory), parts);
    };
    for len in [0, 5, 9, 20, sound.len() / 2, sound.len() - 9, sound.len() - 1] {
        refused(&sound[..len], &["at byte "]);
    }
    // A bit in the middle of a value shows only in the checksum.
    let mut flipped = sound.clone();
    let place = sound.windows(5).position(|bytes| bytes == b"value").expect("values are readable");
    flipped[place] ^= 1;
    refused(&flipped, &["at byte ", "checksum"]);
    // One in the kind of a value shows where it is.
    let name = sound
        .windows(5)
        .position(|bytes| bytes == b"\x05key:1")
        .or_else(|| sound.windows(4).position(|bytes| bytes == b"key:"));
    let kind = name.expect("keys are readable") - 2;
    let mut foreign_kind = sound.clone();
    foreign_kind[kind] = 77;
    refused(&foreign_kind, &[&format!("at byte {kind}"), "77"]);
    // Without its checksum the first one is loaded.
    put(&flipped);
    let server = launch(2, &directory).with("--rdbchecksum", "no").start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 50);
    server.finish();
}

#[test]
fn files_of_others() {
    let directory = Directory::new("foreign");
    saved(&directory, 5);
    let sound = directory.read("dump.rdb");
    let text = b"# a text that somebody has saved under the wrong name\n".repeat(10);
    for (bytes, parts) in [
        (&text[..], ["not an RDB file", ""]),
        (&[&b"REDIS0099"[..], &sound[9..]].concat()[..], ["99", ""]),
        (&[&b"REDIS00xx"[..], &sound[9..]].concat()[..], ["not an RDB file", ""]),
    ] {
        std::fs::write(directory.path("dump.rdb"), bytes).expect("it can be written");
        assert_refused(&directory, launch(2, &directory), &parts);
    }
}

/// Redis has written such by mistake, and passes over them too.
#[test]
fn keys_without_a_value() {
    let directory = Directory::new("empty-keys");
    // Without a checksum: a set without members, a hash without fields, and a string.
    let file = b"REDIS0009\xfe\x00\x02\x03set\x00\x04\x04hash\x00\x00\x03key\x05value\xff\0\0\0\0\0\0\0\0";
    std::fs::write(directory.path("dump.rdb"), file).expect("it can be written");
    let server = launch(2, &directory).start();
    server.wait_for_log("Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 2.");
    server.wait_for_log("skipping empty key: set");
    server.wait_for_log("skipping empty key: hash");
    assert_eq!(server.connect().command("KEYS *"), Reply::Array(vec![Reply::bulk("key")]));
}

#[test]
fn files_that_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("unreadable");
    saved(&directory, 5);
    let path = directory.path("dump.rdb");
    let set_mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    set_mode(0o000);
    let (status, printed) = launch(2, &directory).without_overrides().spawn().end();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains(&format!("torc: {path}: Permission denied")), "{printed}");
    std::fs::remove_file(&path).expect("it is ours");
    std::fs::create_dir(&path).expect("it can be made");
    let (status, printed) = launch(2, &directory).spawn().end();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains(&format!("torc: {path}: Is a directory")), "{printed}");
    for (dir, why) in [("nowhere", "No such file or directory"), ("file", "it is no directory")] {
        directory.file("file", "text");
        let (status, printed) = launch(1, &directory).with("--dir", &directory.path(dir)).spawn().end();
        assert_eq!(status.code(), Some(1), "{printed}");
        assert!(printed.contains(&format!("torc: Can't chdir to '{}': {why}", directory.path(dir))), "{printed}");
    }
}

#[test]
fn keys_beyond_the_databases() {
    let directory = Directory::new("databases");
    let server = launch(1, &directory).start();
    let mut client = server.connect();
    client.ok("SELECT 12");
    client.ok("SET key value");
    client.ok("SAVE");
    server.kill();
    let few = launch(2, &directory).with("--databases", "4");
    assert_refused(&directory, few, &["at byte ", "database 12 is beyond those of this server"]);
}

/// redis-server of the machine, on a directory.
struct Redis {
    child: Child,
    port: u16,
    _ports: Ports,
}

impl Redis {
    /// `None`: there is none, which is said.
    fn start(directory: &Directory) -> Option<Redis> {
        let (port, ports) = common::reserved_port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"])
            .args(["--dir", &directory.path(".")])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("left out, since there is no redis-server");
            return None;
        };
        let server = Redis { child, port, _ports: ports };
        wait_until("redis-server answers", || {
            let pong = |mut client: Client| client.command("PING") == Reply::Simple("PONG".to_owned());
            Client::try_connect(port).is_ok_and(pong)
        });
        Some(server)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn redis_server_loads_our_file_and_we_load_its() {
    let directory = Directory::new("redis");
    let server = launch(2, &directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    let expected = client.command("DEBUG DIGEST");
    client.ok("SAVE");
    server.kill();
    let Some(redis) = Redis::start(&directory) else { return };
    let mut client = Client::connect(redis.port);
    assert_eq!(client.command("DEBUG DIGEST"), expected, "redis-server has loaded our file");
    client.ok("FLUSHALL");
    fill_types(&mut client);
    let expected = client.command("DEBUG DIGEST");
    client.ok("SAVE");
    drop(redis);
    for cores in [1, 3] {
        let server = launch(cores, &directory).start();
        let mut client = server.connect();
        assert_eq!(client.command("DEBUG DIGEST"), expected, "we have loaded that of redis-server");
        assert_eq!(client.command("PEXPIRETIME list").integer(), 32_503_680_000_000);
    }
}
