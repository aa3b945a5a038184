//! Transactions over real sockets on two cores: transfers whose sum never changes, large and refused transactions, and
//! clients that leave in the middle.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::resp::{Reply, append_request};
use common::{Client, Launch, Random, Server};

const ACCOUNTS: u64 = 1000;
const DEPOSIT: i64 = 1000;
const TRANSFERRERS: u64 = 64;
const READERS: u64 = 4;

/// What all clients of the bank count.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    commits: AtomicU64,
    retries: AtomicU64,
    reads: AtomicU64,
    longest_us: AtomicU64,
}

impl Tally {
    /// A request whose answer must come within a second.
    fn timed<T>(&self, request: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = request();
        self.longest_us.fetch_max(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        result
    }
}

/// 64 clients move money between accounts of both cores with WATCH and MULTI while others read all accounts with one
/// MGET. Seconds: `TORC_BANK_SECONDS`, else 3.
#[test]
fn the_sum_of_all_accounts_never_differs() {
    let seconds = std::env::var("TORC_BANK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3u64);
    let server = Launch::cores(2).start();
    let mut words = vec!["MSET".to_owned()];
    (0..ACCOUNTS).for_each(|number| words.extend([account(number), DEPOSIT.to_string()]));
    assert_eq!(server.connect().call(&words), Reply::ok());
    let tally = Tally::default();
    thread::scope(|scope| {
        for seed in 0..TRANSFERRERS {
            let (server, tally) = (&server, &tally);
            scope.spawn(move || transfer_until_stopped(server.connect(), seed, tally));
        }
        for _ in 0..READERS {
            let (server, tally) = (&server, &tally);
            scope.spawn(move || read_until_stopped(server.connect(), tally));
        }
        thread::sleep(Duration::from_secs(seconds));
        tally.stop.store(true, Ordering::Relaxed);
    });
    let [commits, retries, reads, longest_us] =
        [&tally.commits, &tally.retries, &tally.reads, &tally.longest_us].map(|count| count.load(Ordering::Relaxed));
    println!("{commits} transfers, {retries} retries, {reads} reads, longest request {longest_us} us in {seconds} s");
    assert!(commits > 100 && reads > 10, "{commits} transfers, {reads} reads");
    assert!(longest_us < 1_000_000, "a client waited {longest_us} us");
    assert_eq!(sum_of_all(&mut server.connect()), ACCOUNTS as i64 * DEPOSIT);
    server.finish();
}

fn account(number: u64) -> String {
    format!("account:{number}")
}

fn transfer_until_stopped(mut client: Client, seed: u64, tally: &Tally) {
    let mut random = Random::new(seed);
    while !tally.stop.load(Ordering::Relaxed) {
        let (from, to) = (account(random.below(ACCOUNTS)), account(random.below(ACCOUNTS)));
        let amount = random.below(100) as i64;
        if from == to {
            continue;
        }
        assert_eq!(tally.timed(|| client.call(&["WATCH", &from, &to])), Reply::ok());
        let mut balance = |key: &String| -> i64 {
            tally.timed(|| client.call(&["GET", key])).text().parse().expect("an account is a number")
        };
        let (old_from, old_to) = (balance(&from), balance(&to));
        let mut pipeline = Vec::new();
        append_request(&mut pipeline, &["MULTI"]);
        append_request(&mut pipeline, &["SET", &from, &(old_from - amount).to_string()]);
        append_request(&mut pipeline, &["SET", &to, &(old_to + amount).to_string()]);
        append_request(&mut pipeline, &["EXEC"]);
        let reply = tally.timed(|| {
            client.send(&pipeline);
            (0..3)
                .for_each(|_| assert!(!matches!(client.reply(), Reply::Error(_)), "MULTI and its commands are taken"));
            client.reply()
        });
        let counted = if reply == Reply::Null { &tally.retries } else { &tally.commits };
        assert!(reply == Reply::Null || reply == Reply::Array(vec![Reply::ok(), Reply::ok()]), "{reply:?}");
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

fn read_until_stopped(mut client: Client, tally: &Tally) {
    while !tally.stop.load(Ordering::Relaxed) {
        let sum = tally.timed(|| sum_of_all(&mut client));
        assert_eq!(sum, ACCOUNTS as i64 * DEPOSIT, "a reader sees half a transfer");
        tally.reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn sum_of_all(client: &mut Client) -> i64 {
    let words: Vec<String> = std::iter::once("MGET".to_owned()).chain((0..ACCOUNTS).map(account)).collect();
    let reply = client.call(&words);
    reply.elements().iter().map(|balance| balance.text().parse::<i64>().expect("an account is a number")).sum()
}

#[test]
fn a_transaction_of_100_000_commands() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let mut pipeline = Vec::new();
    append_request(&mut pipeline, &["MULTI"]);
    for number in 0..100_000 {
        append_request(&mut pipeline, &["SET", &format!("key:{number}"), "value"]);
    }
    append_request(&mut pipeline, &["EXEC"]);
    let sender = client.stream().try_clone().expect("a socket can be cloned");
    let sending = thread::spawn(move || std::io::Write::write_all(&mut &sender, &pipeline));
    assert_eq!(client.reply(), Reply::ok());
    (0..100_000).for_each(|_| assert_eq!(client.reply(), Reply::Simple("QUEUED".to_owned())));
    let reply = client.reply();
    assert_eq!(reply.elements().len(), 100_000);
    assert!(reply.elements().iter().all(|element| *element == Reply::ok()));
    sending.join().expect("the sender does not panic").expect("the server reads on");
    assert_eq!(client.command("DBSIZE").integer(), 100_000);
    server.finish();
}

#[test]
fn wrong_order_and_too_much() {
    let server = Launch::cores(2).with("--client-query-buffer-limit", "1mb").start();
    let mut client = server.connect();
    let error = |client: &mut Client, line: &str| client.command(line).text();
    assert_eq!(error(&mut client, "EXEC"), "ERR EXEC without MULTI");
    assert_eq!(error(&mut client, "DISCARD"), "ERR DISCARD without MULTI");
    assert_eq!(error(&mut client, "MULTI"), "OK");
    assert_eq!(error(&mut client, "MULTI"), "ERR MULTI calls can not be nested");
    assert_eq!(error(&mut client, "WATCH a"), "ERR WATCH inside MULTI is not allowed");
    let value = "x".repeat(300_000);
    for number in 0..3 {
        assert_eq!(client.call(&["SET", &format!("key:{number}"), &value]).text(), "QUEUED");
    }
    let refused = client.call(&["SET", "key:3", &value]).text();
    assert!(refused.starts_with("ERR Transaction is larger"), "{refused}");
    assert_eq!(error(&mut client, "EXEC"), "EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(client.command("DBSIZE").integer(), 0);
    server.finish();
}

/// A client that leaves right behind its EXEC: all of it is there, or nothing.
#[test]
fn clients_that_leave_behind_exec() {
    let server = Launch::cores(2).start();
    for round in 0..200 {
        let mut client = server.connect();
        let mut pipeline = Vec::new();
        append_request(&mut pipeline, &["MULTI"]);
        (0..8).for_each(|number| append_request(&mut pipeline, &["INCR", &format!("counter:{number}")]));
        append_request(&mut pipeline, &["EXEC"]);
        client.send(&pipeline);
        if round % 2 == 0 { client.reset() } else { drop(client) }
    }
    let mut client = server.connect();
    let words: Vec<String> =
        std::iter::once("MGET".to_owned()).chain((0..8).map(|number| format!("counter:{number}"))).collect();
    let counters = client.call(&words);
    assert!(counters.elements().iter().all(|counter| counter == &counters.elements()[0]), "{counters:?}");
    assert_quiet(&server);
    server.finish();
}

/// Nothing is left of transactions: a write to any key is answered.
fn assert_quiet(server: &Server) {
    let mut client = server.connect();
    assert_eq!(client.command("FLUSHALL"), Reply::ok());
    assert_eq!(client.command("DBSIZE").integer(), 0);
}
