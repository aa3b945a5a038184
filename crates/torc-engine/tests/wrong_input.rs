//! Wrong input of every kind to every command: keys of another type, and random arguments.
//!
//! The requests are made from the rows themselves, so that a command that is added is tested too. What must hold: the right error, no
//! change of any value, no panic, no allocation that only an argument asks for, and no byte lost in the end.

mod common;
mod requests;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;

use common::{Client, TestCore, key_of_each_core};
use requests::Chooser;
use torc_engine::command::{Command, Flags};

/// Refuses, and so ends the test, what no request of these tests has a reason to ask for.
struct Bounded;

const ALLOCATION_BYTES_MAX: usize = 256 << 20;

// SAFETY: hands everything on to the system's allocator, or fails as an allocator may.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > ALLOCATION_BYTES_MAX {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > ALLOCATION_BYTES_MAX {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Types of values, and what makes one of each: small, and (in the second line) in its large form.
const KINDS: [(&str, [&str; 2]); 6] = [
    ("string", ["SET {} text", "SETRANGE {} 5000 x"]),
    ("list", ["RPUSH {} a b c", "RPUSH {} a b {many}"]),
    ("set", ["SADD {} 1 2 3", "SADD {} a b {many}"]),
    ("zset", ["ZADD {} 1 a 2 b", "ZADD {} 1 a 2 b {pairs}"]),
    ("hash", ["HSET {} a 1 b 2", "HSET {} a 1 b 2 {pairs}"]),
    ("stream", ["XADD {} 1-1 a 1", "XADD {} 1-1 a 1 b {many}"]),
];

fn fill(client: &Client, kind: usize, form: usize, key: &str) {
    let many: Vec<String> = (0..301).map(|number| format!("{number}")).collect();
    let line = KINDS[kind].1[form].replace("{}", key);
    let line = line.replace("{many}", &many.join(" ")).replace("{pairs}", &many[..300].join(" "));
    let reply = client.send(&line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// A correct request without anything that may be left out, whose keys are given.
struct Correct<'a> {
    command: &'static Command,
    keys: std::iter::Cycle<std::slice::Iter<'a, String>>,
}

impl Chooser for Correct<'_> {
    fn choose(&mut self, _count: usize) -> usize {
        0
    }

    fn include(&mut self) -> bool {
        // The place to search from comes out of several, but one must be there.
        self.command.full_name.starts_with("geosearch")
    }

    fn repeat(&mut self) -> usize {
        0
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        let text = match word {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" | "src" | "dst" => {
                self.keys.next().expect("they go round").as_str()
            }
            "min" | "max" if self.command.full_name.contains("lex") => "[a",
            "id" | "last-id" => "1-1",
            "encoding" => "u8",
            "ip:port" => "1.2.3.4:5",
            "start" | "stop" | "end" | "offset" | "index" | "cursor" | "db" => "0",
            "serialized-value" => "x",
            _ => "1",
        };
        text.as_bytes().to_vec()
    }
}

/// What type a command's keys must have: the one of its group, with these exceptions. `None`: any will do.
fn kinds_taken(command: &Command) -> Option<&'static [&'static str]> {
    const EXCEPTIONS: [(&[&str], Option<&[&str]>); 5] = [
        // They overwrite whatever is there, or leave it alone.
        (&["set", "setex", "psetex", "setnx", "mset", "msetnx", "msetex"], None),
        // Without a condition it is DEL; with one it has an error of its own.
        (&["delex"], None),
        // Other types read as absent.
        (&["mget"], None),
        // Members without scores have score 1.
        (
            &["zunion", "zinter", "zdiff", "zintercard", "zunionstore", "zinterstore", "zdiffstore"],
            Some(&["set", "zset"]),
        ),
        (&["sort", "sort_ro"], Some(&["list", "set", "zset"])),
    ];
    let name = command.full_name;
    if let Some((_, kinds)) = EXCEPTIONS.iter().find(|(names, _)| names.contains(&name)) {
        return *kinds;
    }
    match command.row.group {
        "string" | "bitmap" | "hyperloglog" => Some(&["string"]),
        "list" => Some(&["list"]),
        "set" => Some(&["set"]),
        "sorted-set" | "sorted_set" | "geo" => Some(&["zset"]),
        "hash" => Some(&["hash"]),
        "stream" => Some(&["stream"]),
        "generic" | "server" | "scripting" | "transactions" | "cluster" | "connection" | "pubsub" => None,
        other => panic!("{name} is of group {other}: which types does it take?"),
    }
}

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn every_command_refuses_the_types_it_does_not_take_and_changes_nothing() {
    for cores in [1, 3] {
        for form in [0, 1] {
            let core = TestCore::new(cores);
            let client = core.client();
            let keys = key_of_each_core(cores, "key");
            let mut refused = 0;
            for command in requests::commands().filter(|command| command.row.concerns_keys()) {
                refused += check_kinds(&client, command, &keys, form);
            }
            assert!(refused > 500, "{refused} requests were refused");
        }
    }
}

/// Sends one request of the command for each type of value; gives how many were refused.
fn check_kinds(client: &Client, command: &'static Command, keys: &[String], form: usize) -> usize {
    let mut refused = 0;
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        client.send("FLUSHALL");
        keys.iter().for_each(|key| fill(client, kind, form, key));
        let before: Vec<Vec<u8>> = keys.iter().map(|key| dump(client, key)).collect();
        let request = requests::request(command, &mut Correct { command, keys: keys.iter().cycle() });
        if !request.iter().any(|word| keys.iter().any(|key| key.as_bytes() == word)) {
            return 0;
        }
        let reply = client.call(&request);
        let shown = format!("{} to {name}: {reply}", request.join(&b' ').escape_ascii());
        let wrong = match command.full_name {
            "lcs" => "-ERR The specified keys must contain string values",
            _ => WRONG_TYPE,
        };
        let taken = kinds_taken(command).is_none_or(|kinds| kinds.contains(name));
        assert_eq!(reply == wrong, !taken, "{shown}");
        if !taken {
            refused += 1;
            let after: Vec<Vec<u8>> = keys.iter().map(|key| dump(client, key)).collect();
            assert!(before == after, "{shown} has changed the value");
        }
    }
    refused
}

fn dump(client: &Client, key: &str) -> Vec<u8> {
    client.raw(format!("*2\r\n$4\r\nDUMP\r\n${}\r\n{key}\r\n", key.len()).as_bytes())
}

/// Numbers like those of an attacker, and some that work.
struct Nasty {
    state: u64,
    keys: Vec<String>,
    payloads: Vec<Vec<u8>>,
}

/// What most words are replaced by. (Not among them: counts that no limit forbids and that ask for gigabytes of replies.)
const NASTY: [&str; 64] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-2",
    "10",
    "63",
    "64",
    "100",
    "1000",
    "65536",
    "2147483647",
    "4294967295",
    "4294967296",
    "4611686018427387904",
    "-4611686018427387904",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1048575",
    "1048576",
    "1048577",
    "8388607",
    "8388608",
    "0.5",
    "-0",
    "nan",
    "inf",
    "-inf",
    "+inf",
    "1e308",
    "-1e308",
    "1e-400",
    "5e-324",
    "",
    " ",
    "a",
    "b",
    "c",
    "*",
    "-",
    "+",
    "$",
    ">",
    "(1",
    "[a",
    "(",
    "[",
    "1-1",
    "0-0",
    "1-18446744073709551615",
    "18446744073709551615-18446744073709551615",
    "5-*",
    "u8",
    "i64",
    "u64",
    "#1",
    "1 1",
];

impl Nasty {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Spoils a request now and then.
    fn spoil(&mut self, request: &mut Vec<Vec<u8>>) {
        if request.len() < 2 || self.below(4) > 0 {
            return;
        }
        let at = 1 + self.below(request.len() - 1);
        match self.below(4) {
            0 => drop(request.remove(at)),
            1 => request.insert(at, self.pick(&NASTY).into()),
            2 => request[at] = self.pick(&NASTY).into(),
            _ => request.truncate(at),
        }
    }
}

impl Chooser for Nasty {
    fn choose(&mut self, count: usize) -> usize {
        self.below(count)
    }

    fn include(&mut self) -> bool {
        self.below(3) == 0
    }

    fn repeat(&mut self) -> usize {
        self.below(8).saturating_sub(4)
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        match word {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" | "src" | "dst" => {
                let at = self.below(self.keys.len());
                self.keys[at].clone().into_bytes()
            }
            "numkeys" | "numfields" | "numids" if self.below(4) > 0 => self.pick(&["1", "1", "1", "2", "3"]).into(),
            "group" | "consumer" => self.pick(&["g", "g", "h", ""]).into(),
            // No real waiting: a client that waits is given up.
            "timeout" => self.pick(&["0", "0.001", "1", "-1", "nan", "inf", "1e300", "9223372036854775807"]).into(),
            "encoding" if self.below(4) > 0 => self.pick(&["u1", "u8", "i8", "u63", "i64", "i1"]).into(),
            "serialized-value" => {
                let at = self.below(self.payloads.len());
                let mut payload = self.payloads[at].clone();
                if self.below(3) == 0 && !payload.is_empty() {
                    let at = self.below(payload.len());
                    payload[at] ^= 1 << self.below(8);
                }
                payload
            }
            _ => self.pick(&NASTY).into(),
        }
    }
}

/// Says what the engine was asked last when it panics.
struct Last(String);

impl Drop for Last {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last requests:\n{}", self.0);
        }
    }
}

/// Commands that end the server, that are for breaking it, or after which nobody is answered for a while.
const LEFT_OUT: [&str; 4] = ["shutdown", "debug|populate", "config|set", "client|pause"];

#[test]
fn random_arguments_break_nothing() {
    let of = |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seed, count) = (of("TORC_REQUESTS_SEED", 1u64), of("TORC_REQUESTS", 15_000u64));
    for cores in [1, 3] {
        send_random(cores, seed, count);
    }
}

fn send_random(cores: u16, seed: u64, count: u64) {
    let core = TestCore::with_config(cores, |config| {
        config.proto_max_bulk_len_bytes = 1 << 20;
        config.enable_debug_command = torc_engine::config::DebugAccess::Yes;
    });
    let commands: Vec<&'static Command> =
        requests::commands().filter(|command| !LEFT_OUT.contains(&command.full_name)).collect();
    let keys: Vec<String> = (0..14).map(|number| format!("k{number}")).collect();
    let mut nasty = Nasty { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, keys, payloads: vec![b"x".to_vec()] };
    let mut client = core.client();
    let mut last = Last(String::new());
    for number in 0..count {
        if number % 100 == 0 {
            last.0.clear();
            client = renew(&core, client, &mut nasty);
        }
        let command = commands[nasty.below(commands.len())];
        let mut request = requests::request(command, &mut nasty);
        nasty.spoil(&mut request);
        writeln!(last.0, "{:?}", request.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>())
            .expect("text grows");
        let reply = client.raw(&encoded(&request));
        let unusual = command.row.flags.has(Flags::BLOCKING) || reply.is_empty() || !command.row.concerns_keys();
        if unusual {
            // It may wait, be subscribed, be in a transaction: another one goes on.
            client.disconnect();
            client = core.client_on(nasty.below(usize::from(cores)) as u16);
        }
        core.advance_ms(nasty.below(3) as i64);
    }
    let client = renew(&core, client, &mut nasty);
    client.send("FLUSHALL");
    client.disconnect();
    core.upkeep();
    for number in 0..cores {
        core.engine(number, |engine| {
            let memory = engine.inspect().keyspace().memory();
            assert_eq!((memory.entries_bytes, memory.large_bytes), (0, 0), "core {number} of {cores}");
        });
    }
}

/// A new client, and all keys new: of each type two, large and small, the rest absent.
fn renew(core: &TestCore, client: Client, nasty: &mut Nasty) -> Client {
    client.disconnect();
    let client = core.client();
    assert_eq!(client.send("FLUSHALL"), "+OK");
    core.upkeep();
    for (number, key) in nasty.keys.iter().enumerate().take(12) {
        fill(&client, number % 6, number / 6, key);
    }
    client.send("XGROUP CREATE k5 g 0");
    client.send("XREADGROUP GROUP g c COUNT 1 STREAMS k5 >");
    client.send("EXPIRE k7 1000");
    if nasty.payloads.len() == 1 {
        for key in &nasty.keys[..12] {
            let bulk = dump(&client, key);
            let start = bulk.iter().position(|&byte| byte == b'\n').expect("a length") + 1;
            nasty.payloads.push(bulk[start..bulk.len() - 2].to_vec());
        }
    }
    client
}

fn encoded(request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
    for word in request {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
