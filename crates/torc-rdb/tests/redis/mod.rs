//! A redis-server process of a test's own, on a free loopback port, and a connection to it. Without the program the test fails.
//!
//! There may be two programs: `redis-server` of the path, and a newer one whose path `TORC_NEWER_REDIS` gives. `cargo xtask test`
//! sees to both; in tests started by hand, what needs the newer one is skipped with a notice where the variable is not set.

#![allow(dead_code)] // Each test file uses its own part of this.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use torc_resp::{reader, write_request};

/// Names the program of a newer version.
pub const NEWER: &str = "TORC_NEWER_REDIS";

/// A running server with one connection; it ends when this is dropped.
pub struct Redis {
    /// The version of the payloads that it writes, the newest that it reads.
    pub version: u16,
    process: Child,
    connection: TcpStream,
    input: Vec<u8>,
}

impl Redis {
    /// The server of the path, and the newer one if there is one.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once_with(|| Redis::start(&[])).chain(std::iter::once_with(|| Redis::newer(&[])).flatten())
    }

    /// Starts the newer version, if it is there.
    pub fn newer(arguments: &[&str]) -> Option<Self> {
        let Ok(program) = std::env::var(NEWER) else {
            println!("{NEWER} is not set: left out");
            return None;
        };
        Some(Redis::start_program(&program, arguments))
    }

    /// Starts it; `arguments` are directives in the form of the command line.
    pub fn start(arguments: &[&str]) -> Self {
        Redis::start_program("redis-server", arguments)
    }

    /// Starts a program that takes its directives.
    pub fn start_program(program: &str, arguments: &[&str]) -> Self {
        loop {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let port = free.local_addr().expect("it is bound").port();
            drop(free);
            if let Some(redis) = Redis::start_at(port, program, arguments) {
                return redis;
            }
        }
    }

    /// Starts it at this port. None: another process has taken the port meanwhile.
    fn start_at(port: u16, program: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--enable-debug-command", "yes", "--sanitize-dump-payload", "yes", "--dir", "/tmp"]);
        command.args(arguments).stdout(Stdio::null());
        let mut process = command.spawn().expect("redis-server is installed: cargo xtask test sees to it");
        let deadline = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            if let Ok(connection) = TcpStream::connect(("127.0.0.1", port)) {
                break connection;
            }
            assert!(process.try_wait().expect("it can be asked").is_none(), "redis-server ended at once");
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        };
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
        let mut redis = Redis { version: 0, process, connection, input: Vec::new() };
        let own = format!("process_id:{}\r\n", redis.process.id());
        if !String::from_utf8_lossy(&redis.call(&["INFO", "server"])).contains(&own) {
            return None;
        }
        while redis.call(&["PING"]).starts_with(b"-LOADING") {
            assert!(Instant::now() < deadline, "redis-server does not end loading");
            std::thread::sleep(Duration::from_millis(10));
        }
        redis.send("SET key x");
        redis.version = version_of(&redis.bulk("DUMP key"));
        redis.send("DEL key");
        Some(redis)
    }

    /// Sends one request and gives the encoded reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Vec<u8> {
        let mut request = Vec::new();
        write_request(&mut request, arguments);
        self.connection.write_all(&request).expect("redis-server takes the request");
        loop {
            if let Some(len) = reader::reply_len(&self.input) {
                return self.input.drain(..len.expect("the reply is RESP")).collect();
            }
            let mut buffer = [0; 65_536];
            let len = self.connection.read(&mut buffer).expect("redis-server answers");
            assert!(len > 0, "redis-server closed the connection");
            self.input.extend_from_slice(&buffer[..len]);
        }
    }

    /// Sends one request given as words without spaces; an error is a failure of the test.
    pub fn send(&mut self, line: &str) -> Vec<u8> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.expect(&words)
    }

    /// Sends one request; an error is a failure of the test.
    pub fn expect<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Vec<u8> {
        let reply = self.call(arguments);
        assert!(!reader::is_error(&reply), "{}", reply.escape_ascii());
        reply
    }

    /// A reply that is a string.
    pub fn bulk(&mut self, line: &str) -> Vec<u8> {
        let reply = self.send(line);
        reader::bulk(&reply).unwrap_or_else(|| panic!("{line}: {}", reply.escape_ascii())).to_vec()
    }

    /// A reply that is an array of strings.
    pub fn bulks(&mut self, line: &str) -> Vec<Vec<u8>> {
        let reply = self.send(line);
        let elements = reader::Elements::new(&reply).unwrap_or_else(|| panic!("{line}: {}", reply.escape_ascii()));
        elements.map(|element| reader::bulk(element).expect("an array of strings").to_vec()).collect()
    }
}

/// The version that a payload's seal tells.
pub fn version_of(payload: &[u8]) -> u16 {
    let at = payload.len() - 10;
    u16::from_le_bytes(payload[at..at + 2].try_into().expect("two bytes"))
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It holds nothing that is worth keeping.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
