//! redis-server with an append-only file, and what it appends.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use torc_resp::{reader, write_request};

use super::scenario::{Scenario, Step, Words, request};
use crate::redis::{NEWER, Redis};

/// A server, its folder, and how much of its file was read.
pub struct Reference {
    redis: Redis,
    folder: PathBuf,
    read: usize,
    /// The first number of its version.
    pub version: u8,
    waiting: Vec<TcpStream>,
}

impl Reference {
    /// The program of the path.
    pub fn installed() -> Reference {
        Reference::start("redis-server", 7)
    }

    /// The newer program, if there is one.
    pub fn newer() -> Option<Reference> {
        let program = std::env::var(NEWER).ok();
        if program.is_none() {
            println!("{NEWER} is not set: left out");
        }
        program.map(|program| Reference::start(&program, 8))
    }

    fn start(program: &str, version: u8) -> Reference {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("torc-propagation-{process}-{number}"));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let path = folder.to_str().expect("the folder has a plain name");
        let mut redis = Redis::start_program(
            program,
            &["--dir", path, "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"],
        );
        // Keys are to expire when a request looks at them, and not before.
        redis.send("DEBUG SET-ACTIVE-EXPIRE 0");
        Reference { redis, folder, read: 0, version, waiting: Vec::new() }
    }

    /// Runs a scenario; gives what was appended for it and between which times it ran.
    pub fn run(&mut self, scenario: &Scenario) -> (Vec<Words>, RangeInclusive<i64>) {
        self.reset();
        scenario.given.iter().for_each(|step| self.step(step));
        self.appended();
        let from_ms = now_ms();
        scenario.run.iter().for_each(|step| self.step(step));
        let appended = self.appended();
        self.waiting.clear();
        (appended, from_ms..=now_ms())
    }

    /// No keys, no libraries and nobody who waits.
    pub fn reset(&mut self) {
        self.waiting.clear();
        for line in ["CONFIG SET stream-node-max-entries 100", "SELECT 0", "FLUSHALL", "FUNCTION FLUSH"] {
            self.redis().send(line);
        }
    }

    /// The connection.
    pub fn redis(&mut self) -> &mut Redis {
        &mut self.redis
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Request(line) => drop(self.redis.expect(&request(line))),
            Step::After(span_ms) => std::thread::sleep(Duration::from_millis(*span_ms)),
            Step::Wait(line) => self.wait(&request(line)),
        }
    }

    /// Another connection.
    pub fn connect(&mut self) -> TcpStream {
        let port: u16 = String::from_utf8_lossy(&self.redis.bulks("CONFIG GET port")[1]).parse().expect("a port");
        TcpStream::connect(("127.0.0.1", port)).expect("it listens")
    }

    /// Another client asks, and waits as soon as this returns.
    fn wait(&mut self, request: &Words) {
        let mut connection = self.connect();
        let mut bytes = Vec::new();
        write_request(&mut bytes, request);
        connection.write_all(&bytes).expect("it takes the request");
        self.waiting.push(connection);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !String::from_utf8_lossy(&self.redis.bulk("INFO clients")).contains("blocked_clients:1\r\n") {
            assert!(Instant::now() < deadline, "the client does not wait");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What was appended since the last call, without what only frames it.
    fn appended(&mut self) -> Vec<Words> {
        let folder = fs::read_dir(self.folder.join("appendonlydir")).expect("the folder is there");
        let mut files = folder.map(|entry| entry.expect("it can be read").path());
        let file = files.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("there is an increment");
        let bytes = fs::read(file).expect("it can be read");
        let mut rest = &bytes[self.read..];
        self.read = bytes.len();
        let mut commands = Vec::new();
        while let Some(len) = reader::reply_len(rest) {
            let (command, behind) = rest.split_at(len.expect("the file is RESP"));
            let words = reader::Elements::new(command).expect("a command is an array");
            let words: Words = words.map(|word| reader::bulk(word).expect("of strings").to_vec()).collect();
            if !["select", "multi", "exec"].iter().any(|frame| words[0].eq_ignore_ascii_case(frame.as_bytes())) {
                commands.push(words);
            }
            rest = behind;
        }
        assert!(rest.is_empty(), "the file ends with a whole command");
        commands
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It is in the folder for temporary files, if it stays.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The clock, Unix milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    i64::try_from(since.as_millis()).expect("it fits")
}
