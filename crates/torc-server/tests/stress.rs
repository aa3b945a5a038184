//! No request is forgotten: whatever many clients ask of several cores at once, and however they leave, each reply comes.
//!
//! ```text
//!   one client    each command alone, pauses in between: both cores go to sleep and must be woken for each
//!   many clients  commands over keys of several cores, MULTI, waits, pipelines; some leave in the middle
//!   disturbance   other clients open, kill and unblock them; the process is stopped and goes on
//! ```
//! A reply that is late is a finding: what the server knows of itself is printed. `TORC_STRESS_SECONDS` makes it longer than a few
//! seconds, `TORC_STRESS_CLIENTS` changes how many there are, `TORC_STRESS_LATE_MS` what is late, `TORC_STRESS_SEED` what is asked;
//! with `TORC_STRESS_HOLD` the process of a finding is kept for a debugger.

mod common;

use std::fmt::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::resp::{Reply, append_request, request};
use common::{Client, LIMIT, Launch, Random, Server};

/// Keys of each kind: few, so that clients meet.
const KEYS: u64 = 14;

/// Latencies are counted up to each of these, milliseconds.
const BOUNDS_MS: [u64; 10] = [1, 5, 20, 50, 90, 120, 250, 500, 1000, u64::MAX];

/// What may be answered with an error: keys that others have removed, waits that others have ended.
const EXPECTED_ERRORS: [&str; 3] = ["ERR no such key", "UNBLOCKED", "ERR source and destination objects are the same"];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What all clients share.
struct Stress {
    server: Server,
    late: Duration,
    seed: u64,
    stop: AtomicBool,
    requests: AtomicU64,
    longest_us: AtomicU64,
    latencies: [AtomicU64; BOUNDS_MS.len()],
}

impl Stress {
    fn start(cores: usize) -> Stress {
        Stress {
            server: Launch::cores(cores).start(),
            late: Duration::from_millis(setting("TORC_STRESS_LATE_MS", LIMIT.as_millis() as u64)),
            seed: setting("TORC_STRESS_SEED", 1),
            stop: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            longest_us: AtomicU64::new(0),
            latencies: Default::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn connect(&self) -> Option<Client> {
        // The connection may be killed before it is used.
        let client = Client::try_connect(self.server.port()).ok()?;
        client.stream().set_read_timeout(Some(self.late)).expect("a timeout can be set");
        Some(client)
    }

    /// The next reply to requests that were sent at `since` and may wait so long; `None`: the connection was closed.
    fn reply(&self, client: &mut Client, since: Instant, wait_ms: u64, what: &dyn Fn() -> String) -> Option<Reply> {
        let limit = self.late + Duration::from_millis(wait_ms);
        client.stream().set_read_timeout(Some(limit)).expect("a timeout can be set");
        let reply = client.next_reply().unwrap_or_else(|error| self.find(&format!("{error}: {}", what())));
        let late_us = (since.elapsed().as_micros() as u64).saturating_sub(wait_ms * 1000);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.longest_us.fetch_max(late_us, Ordering::Relaxed);
        if late_us / 1000 >= setting("TORC_STRESS_SHOW_MS", u64::MAX) {
            println!("{late_us} us: {}", what());
        }
        let place = BOUNDS_MS.iter().position(|&bound_ms| late_us / 1000 < bound_ms).unwrap_or(BOUNDS_MS.len() - 1);
        self.latencies[place].fetch_add(1, Ordering::Relaxed);
        if let Some(Reply::Error(text)) = &reply
            && !EXPECTED_ERRORS.iter().any(|expected| text.starts_with(expected))
        {
            self.find(&format!("{text}: {}", what()));
        }
        reply
    }

    /// One request alone.
    fn call(&self, client: &mut Client, words: &[String], wait_ms: u64) -> Option<Reply> {
        let since = Instant::now();
        if !client.try_send(&request(words)) {
            return None;
        }
        self.reply(client, since, wait_ms, &|| words.join(" "))
    }

    /// Several requests at once. True: all were answered.
    fn pipeline(&self, client: &mut Client, requests: &[Ask]) -> bool {
        let since = Instant::now();
        let (mut bytes, mut wait_ms) = (Vec::new(), 0);
        requests.iter().for_each(|ask| append_request(&mut bytes, &ask.words));
        if !client.try_send(&bytes) {
            return false;
        }
        requests.iter().all(|ask| {
            wait_ms += ask.wait_ms;
            self.reply(client, since, wait_ms, &|| ask.words.join(" ")).is_some()
        })
    }

    /// Something is wrong.
    fn find(&self, what: &str) -> ! {
        self.stop.store(true, Ordering::Relaxed);
        let mut report = format!("{what}\nserver {}, {} requests so far\n", self.server.pid(), self.count());
        for words in ["INFO stats", "INFO errorstats", "CLIENT LIST"] {
            let answer = Client::try_connect(self.server.port()).and_then(|mut client| {
                client.stream().set_read_timeout(Some(Duration::from_secs(5)))?;
                client.try_send(&request(&words.split(' ').collect::<Vec<_>>()));
                client.next_reply()
            });
            writeln!(report, "{words}: {}", answer.map_or_else(|error| error.to_string(), shown))
                .expect("it is memory");
        }
        eprintln!("{report}");
        while std::env::var_os("TORC_STRESS_HOLD").is_some() {
            thread::sleep(Duration::from_secs(1));
        }
        panic!("{what}");
    }

    fn count(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Ends the server and tells what there was.
    fn finish(self, name: &str) {
        let mut client = self.connect().expect("the server lives");
        assert_eq!(client.command("FLUSHALL"), Reply::ok());
        assert_eq!(client.command("DBSIZE"), Reply::Integer(0));
        let mut counts = String::new();
        for (bound_ms, count) in BOUNDS_MS.iter().zip(&self.latencies) {
            let bound = if *bound_ms == u64::MAX { "more".to_owned() } else { format!("< {bound_ms} ms") };
            write!(counts, ", {bound}: {}", count.load(Ordering::Relaxed)).expect("it is memory");
        }
        let longest_us = self.longest_us.load(Ordering::Relaxed);
        println!("{name}: {} requests, longest {longest_us} us{counts}", self.count());
        drop(client);
        self.server.finish();
    }
}

fn shown(reply: Option<Reply>) -> String {
    reply.map_or_else(|| "closed".to_owned(), |reply| reply.text())
}

/// A request, and how long it may wait.
struct Ask {
    words: Vec<String>,
    wait_ms: u64,
}

impl Ask {
    fn of(line: &str) -> Ask {
        Ask { words: line.split(' ').map(str::to_owned).collect(), wait_ms: 0 }
    }
}

/// Draws requests.
struct Asker {
    random: Random,
}

impl Asker {
    fn new(seed: u64) -> Asker {
        Asker { random: Random::new(seed) }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    /// A key of this kind; a kind is a letter, and all keys of it hold the same type.
    fn key(&mut self, kind: char) -> String {
        format!("{kind}{}", self.below(KEYS))
    }

    fn keys(&mut self, kind: char, most: u64) -> Vec<String> {
        (0..=self.below(most)).map(|_| self.key(kind)).collect()
    }

    /// A command that does not wait.
    fn plain(&mut self) -> Ask {
        match self.below(5) {
            0 => self.sorted_set(),
            1 => self.set(),
            2 => self.list(),
            3 => self.string(),
            _ => self.any_kind(),
        }
    }

    fn sorted_set(&mut self) -> Ask {
        let (key, member, score) = (self.key('z'), self.below(40), self.below(100));
        let sources = self.keys('z', 5);
        let sources = format!("{} {}", sources.len(), sources.join(" "));
        Ask::of(&match self.below(10) {
            0..3 => format!("ZADD {key} {score} m{member}"),
            3 => format!("ZREM {key} m{member}"),
            4 => format!("ZDIFF {sources} WITHSCORES"),
            5 => format!("ZDIFFSTORE {key} {sources}"),
            6 => format!("ZUNIONSTORE {key} {sources}"),
            7 => format!("ZINTER {sources}"),
            8 => format!("ZRANGESTORE {key} {} 0 20", self.key('z')),
            _ => format!("ZMPOP {sources} MIN"),
        })
    }

    fn set(&mut self) -> Ask {
        let (key, member) = (self.key('s'), self.below(40));
        let sources = self.keys('s', 5).join(" ");
        Ask::of(&match self.below(10) {
            0..3 => format!("SADD {key} {member}"),
            3 => format!("SREM {key} {member}"),
            4 => format!("SINTER {sources}"),
            5 => format!("SUNIONSTORE {key} {sources}"),
            6 => format!("SDIFFSTORE {key} {sources}"),
            7 => format!("SMOVE {key} {} {member}", self.key('s')),
            8 => format!("SORT_RO {key} BY t* GET t* GET #"),
            _ => format!("SORT {key} ALPHA LIMIT 0 10 STORE {}", self.key('l')),
        })
    }

    fn list(&mut self) -> Ask {
        let (key, other, element) = (self.key('l'), self.key('l'), self.below(40));
        Ask::of(&match self.below(8) {
            0..3 => format!("RPUSH {key} {element}"),
            3 => format!("LPUSH {key} {element} {element}"),
            4 => format!("LMOVE {key} {other} LEFT RIGHT"),
            5 => format!("RPOPLPUSH {key} {other}"),
            6 => format!("LMPOP 2 {key} {other} LEFT"),
            _ => format!("LRANGE {key} 0 20"),
        })
    }

    fn string(&mut self) -> Ask {
        let (key, other, value) = (self.key('t'), self.key('t'), self.below(1000));
        let keys = self.keys('t', 6);
        let pairs = keys.iter().map(|key| format!("{key} {value}")).collect::<Vec<_>>().join(" ");
        Ask::of(&match self.below(10) {
            0 => format!("MSET {pairs}"),
            1 => format!("MGET {}", keys.join(" ")),
            2 => format!("MSETNX {pairs}"),
            3 => format!("SET {key} {value}"),
            4 => format!("SET {key} {value} PX {}", 1 + self.below(20)),
            5 => format!("GET {key}"),
            6 => format!("INCR {key}"),
            7 => format!("LCS {key} {other}"),
            8 => format!("EXISTS {}", keys.join(" ")),
            _ => format!("DEL {}", keys.join(" ")),
        })
    }

    fn any_kind(&mut self) -> Ask {
        let kind = ['z', 's', 'l', 't', 'x'][self.below(5) as usize];
        let (key, other) = (self.key(kind), self.key(kind));
        Ask::of(&match self.below(40) {
            0..8 => format!("RENAME {key} {other}"),
            8..14 => format!("COPY {key} {other} REPLACE"),
            14..22 => format!("DEL {} {}", self.keys(kind, 4).join(" "), self.key('l')),
            22..26 => format!("XADD {} * f v", self.key('x')),
            26..30 => format!("EXPIRE {key} {}", self.below(2)),
            30..32 => "DBSIZE".to_owned(),
            32 => "KEYS *".to_owned(),
            33 if self.below(20) == 0 => "FLUSHALL".to_owned(),
            34 if self.below(4) == 0 => "SWAPDB 0 1".to_owned(),
            35 => format!("SCAN {}", self.below(64)),
            36 => "INFO all".to_owned(),
            37 => "CONFIG RESETSTAT".to_owned(),
            38 => "RANDOMKEY".to_owned(),
            _ => format!("TYPE {key}"),
        })
    }

    /// A command that may wait for a key.
    fn waiting(&mut self) -> Ask {
        let wait_ms = 5 + self.below(60);
        let seconds = format!("0.{wait_ms:03}");
        let (lists, sorted_sets) = (self.keys('l', 3).join(" "), self.keys('z', 3).join(" "));
        let line = match self.below(6) {
            0 => format!("BLPOP {lists} {seconds}"),
            1 => format!("BZPOPMIN {sorted_sets} {seconds}"),
            2 => format!("BLMOVE {} {} LEFT RIGHT {seconds}", self.key('l'), self.key('l')),
            3 => format!("BLMPOP {seconds} 2 {} {} LEFT", self.key('l'), self.key('l')),
            4 => format!("BRPOPLPUSH {} {} {seconds}", self.key('l'), self.key('l')),
            _ => format!("XREAD BLOCK {wait_ms} STREAMS {} {} $ $", self.key('x'), self.key('x')),
        };
        Ask { wait_ms, ..Ask::of(&line) }
    }

    fn transaction(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        if self.below(2) == 0 {
            asks.push(Ask::of(&format!("WATCH {} {}", self.key('t'), self.key('z'))));
        }
        asks.push(Ask::of("MULTI"));
        asks.extend((0..self.below(6)).map(|_| self.plain()));
        asks.push(Ask::of(if self.below(10) == 0 { "DISCARD" } else { "EXEC" }));
        asks
    }
}

/// One client after another, until it is over.
fn keep_asking(stress: &Stress, number: u64, pauses: bool) {
    let mut asker = Asker::new(stress.seed * 1000 + number);
    while !stress.is_over() {
        if let Some(client) = stress.connect() {
            ask_for_a_while(stress, client, &mut asker, pauses);
        }
    }
}

fn ask_for_a_while(stress: &Stress, mut client: Client, asker: &mut Asker, pauses: bool) {
    for _ in 0..20 + asker.below(300) {
        if stress.is_over() {
            return;
        }
        let goes_on = match asker.below(100) {
            0..70 => {
                let ask = asker.plain();
                stress.call(&mut client, &ask.words, 0).is_some()
            }
            70..80 => {
                let ask = asker.waiting();
                stress.call(&mut client, &ask.words, ask.wait_ms).is_some()
            }
            80..86 => {
                let asks = asker.transaction();
                stress.pipeline(&mut client, &asks)
            }
            86..91 => {
                let asks = asker.transaction();
                asks.iter().all(|ask| stress.call(&mut client, &ask.words, 0).is_some())
            }
            91..95 => {
                let asks: Vec<Ask> = (0..2 + asker.below(30)).map(|_| asker.plain()).collect();
                stress.pipeline(&mut client, &asks)
            }
            95..98 => {
                thread::sleep(Duration::from_micros(asker.below(if pauses { 20_000 } else { 2_000 })));
                true
            }
            98 => return leave(stress, client, asker),
            _ => {
                let asks: Vec<Ask> = (0..2 + asker.below(6))
                    .map(|place| if place % 2 == 0 { asker.waiting() } else { asker.plain() })
                    .collect();
                stress.pipeline(&mut client, &asks)
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Leaves in the middle of something.
fn leave(stress: &Stress, mut client: Client, asker: &mut Asker) {
    let mut bytes = Vec::new();
    for _ in 0..1 + asker.below(4) {
        let asks = match asker.below(3) {
            0 => vec![asker.plain()],
            1 => vec![asker.waiting()],
            _ => asker.transaction(),
        };
        asks.iter().for_each(|ask| append_request(&mut bytes, &ask.words));
    }
    let sent = if asker.below(2) == 0 { bytes.len() } else { asker.below(bytes.len() as u64) as usize };
    client.try_send(&bytes[..sent]);
    match asker.below(3) {
        0 => drop(client),
        1 => client.reset(),
        _ => {
            // It may have been killed.
            let _ = client.stream().shutdown(Shutdown::Write);
            let since = Instant::now();
            while stress.reply(&mut client, since, 500, &|| "half closed".to_owned()).is_some() {}
        }
    }
}

/// Kills and unblocks other clients; with `stops` also stops the whole process for a moment, at times.
fn disturb(stress: &Stress, stops: bool) {
    let mut asker = Asker::new(stress.seed + 77);
    while !stress.is_over() {
        thread::sleep(Duration::from_millis(1 + asker.below(20)));
        if stops && asker.below(4) == 0 {
            stress.server.signal(libc::SIGSTOP);
            thread::sleep(Duration::from_millis(asker.below(150)));
            stress.server.signal(libc::SIGCONT);
        }
        let Some(mut client) = stress.connect() else { continue };
        let Some(list) = stress.call(&mut client, &Ask::of("CLIENT LIST").words, 0) else { continue };
        let list = list.text();
        // Those that wait are more likely.
        let wanted = if asker.below(4) == 0 { "id=" } else { " cmd=b" };
        let lines = list.lines().filter(|line| line.contains(wanted));
        let ids: Vec<&str> = lines.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).collect();
        if ids.is_empty() {
            continue;
        }
        let id = ids[asker.below(ids.len() as u64) as usize];
        let line = match asker.below(3) {
            0 => format!("CLIENT KILL ID {id} SKIPME yes"),
            1 => format!("CLIENT UNBLOCK {id} ERROR"),
            _ => format!("CLIENT UNBLOCK {id} TIMEOUT"),
        };
        stress.call(&mut client, &Ask::of(&line).words, 0);
    }
}

fn run(name: &str, cores: usize, clients: u64, stops: bool) {
    let stress = Stress::start(cores);
    let clients = setting("TORC_STRESS_CLIENTS", clients);
    thread::scope(|scope| {
        let stress = &stress;
        (0..clients).for_each(|number| _ = scope.spawn(move || keep_asking(stress, number, clients < 4)));
        if clients > 1 {
            scope.spawn(move || disturb(stress, stops));
        }
        let end = Instant::now() + Duration::from_secs(setting("TORC_STRESS_SECONDS", 2));
        while Instant::now() < end && !stress.is_over() {
            thread::sleep(Duration::from_millis(50));
        }
        stress.stop.store(true, Ordering::Relaxed);
    });
    stress.finish(name);
}

#[test]
fn one_client_of_two_cores_is_always_answered() {
    run("one client, two cores", 2, 1, false);
}

#[test]
fn many_clients_of_two_cores_are_always_answered() {
    run("many clients, two cores", 2, 16, false);
}

#[test]
fn many_clients_of_four_cores_are_always_answered_though_the_process_is_stopped_at_times() {
    run("many clients, four cores", 4, 16, true);
}
