//! Transactions over real sockets on two cores: transfers whose sum never changes, large and refused transactions, and
//! clients that leave in the middle.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::resp::{Reply, append_request};
use common::{Client, Launch, Random, Server, wait_until};

const ACCOUNTS: u64 = 1000;
const DEPOSIT: i64 = 1000;
const TOTAL: i64 = ACCOUNTS as i64 * DEPOSIT;
const TRANSFERRERS: u64 = 64;
const READERS: u64 = 4;

/// What all clients of the bank count.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    commits: AtomicU64,
    retries: AtomicU64,
    retries_of_one_max: AtomicU64,
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

/// Where the bank is: a server of this test, or the empty one at `TORC_BANK_ADDRESS`, such as a redis-server, by which
/// the test itself can be tried.
enum Bank {
    Own(Server),
    Other(String),
}

impl Bank {
    fn open() -> Bank {
        std::env::var("TORC_BANK_ADDRESS").map_or_else(|_| Bank::Own(Launch::cores(2).start()), Bank::Other)
    }

    fn connect(&self) -> Client {
        match self {
            Bank::Own(server) => server.connect(),
            Bank::Other(address) => Client::try_connect_to(address).expect("TORC_BANK_ADDRESS names a server"),
        }
    }
}

/// 64 clients move money between accounts of both cores with WATCH and MULTI while others read all accounts with one
/// MGET. Seconds: `TORC_BANK_SECONDS`, else 5.
#[test]
fn the_sum_of_all_accounts_never_differs() {
    let seconds = std::env::var("TORC_BANK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5u64);
    let bank = Bank::open();
    let mut words = vec!["MSET".to_owned()];
    (0..ACCOUNTS).for_each(|number| words.extend([account(number), DEPOSIT.to_string()]));
    assert_eq!(bank.connect().call(&words), Reply::ok());
    let tally = Tally::default();
    thread::scope(|scope| {
        for seed in 0..TRANSFERRERS {
            let (bank, tally) = (&bank, &tally);
            scope.spawn(move || transfer_until_stopped(bank.connect(), seed, tally));
        }
        for _ in 0..READERS {
            let (bank, tally) = (&bank, &tally);
            scope.spawn(move || read_until_stopped(bank.connect(), tally));
        }
        thread::sleep(Duration::from_secs(seconds));
        tally.stop.store(true, Ordering::Relaxed);
    });
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (commits, reads, longest_us) = (count(&tally.commits), count(&tally.reads), count(&tally.longest_us));
    println!(
        "{commits} transfers, {} retries, at most {} of one transfer, {reads} reads, longest request {longest_us} us, \
         in {seconds} s",
        count(&tally.retries),
        count(&tally.retries_of_one_max)
    );
    assert!(commits > 100 && reads > 10, "{commits} transfers, {reads} reads");
    assert!(longest_us < 1_000_000, "a client waited {longest_us} us");
    let mut client = bank.connect();
    assert_eq!(sum_of_all(&mut client), TOTAL);
    assert_no_errors(&mut client);
    if let Bank::Own(server) = bank {
        server.finish();
    }
}

/// No request of anybody was ever answered with an error.
fn assert_no_errors(client: &mut Client) {
    assert!(client.command("INFO stats").text().contains("\r\ntotal_error_replies:0\r\n"));
    let errors = client.command("INFO errorstats").text();
    assert!(!errors.contains("errorstat_"), "{errors}");
}

fn account(number: u64) -> String {
    format!("account:{number}")
}

fn transfer_until_stopped(mut client: Client, seed: u64, tally: &Tally) {
    let mut random = Random::new(seed);
    while !tally.stop.load(Ordering::Relaxed) {
        let from = random.below(ACCOUNTS);
        // Any other account.
        let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let (from, to, amount) = (account(from), account(to), random.below(100) as i64);
        let mut retries = 0;
        while !try_transfer(&mut client, &from, &to, amount, tally) {
            retries += 1;
        }
        tally.commits.fetch_add(1, Ordering::Relaxed);
        tally.retries.fetch_add(retries, Ordering::Relaxed);
        tally.retries_of_one_max.fetch_max(retries, Ordering::Relaxed);
    }
}

/// One attempt; whether nobody else touched the accounts meanwhile.
fn try_transfer(client: &mut Client, from: &str, to: &str, amount: i64, tally: &Tally) -> bool {
    assert_eq!(tally.timed(|| client.call(&["WATCH", from, to])), Reply::ok());
    let mut balance = |key: &str| -> i64 {
        tally.timed(|| client.call(&["GET", key])).text().parse().expect("an account is a number")
    };
    let (old_from, old_to) = (balance(from), balance(to));
    let mut pipeline = Vec::new();
    append_request(&mut pipeline, &["MULTI"]);
    append_request(&mut pipeline, &["SET", from, &(old_from - amount).to_string()]);
    append_request(&mut pipeline, &["SET", to, &(old_to + amount).to_string()]);
    append_request(&mut pipeline, &["EXEC"]);
    let reply = tally.timed(|| {
        client.send(&pipeline);
        assert_eq!(client.reply(), Reply::ok());
        (0..2).for_each(|_| assert_eq!(client.reply(), queued()));
        client.reply()
    });
    let is_committed = reply == Reply::Array(vec![Reply::ok(), Reply::ok()]);
    assert!(is_committed || reply == Reply::Null, "{reply:?}");
    is_committed
}

fn queued() -> Reply {
    Reply::Simple("QUEUED".to_owned())
}

fn read_until_stopped(mut client: Client, tally: &Tally) {
    while !tally.stop.load(Ordering::Relaxed) {
        let sum = tally.timed(|| sum_of_all(&mut client));
        assert_eq!(sum, TOTAL, "a reader sees half a transfer");
        tally.reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn sum_of_all(client: &mut Client) -> i64 {
    let words: Vec<String> = std::iter::once("MGET".to_owned()).chain((0..ACCOUNTS).map(account)).collect();
    let reply = client.call(&words);
    reply.elements().iter().map(|balance| balance.text().parse::<i64>().expect("an account is a number")).sum()
}

/// Commands of both cores in one transaction; each reply depends on the commands before it.
#[test]
fn a_transaction_of_100_000_commands() {
    const COMMANDS: usize = 100_000;
    const COUNTERS: usize = 7;
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let mut pipeline = Vec::new();
    let mut wanted = Vec::with_capacity(COMMANDS);
    append_request(&mut pipeline, &["MULTI"]);
    for number in 0..COMMANDS {
        let (key, value) = (format!("key:{}", number / 3), format!("value {}", number / 3));
        wanted.push(match number % 3 {
            0 => {
                append_request(&mut pipeline, &["SET", &key, &value]);
                Reply::ok()
            }
            1 => {
                append_request(&mut pipeline, &["GET", &key]);
                Reply::bulk(value)
            }
            _ => {
                let place = number / 3;
                append_request(&mut pipeline, &["INCR", &format!("counter:{}", place % COUNTERS)]);
                Reply::Integer((place / COUNTERS) as i64 + 1)
            }
        });
    }
    append_request(&mut pipeline, &["EXEC"]);
    let sender = client.stream().try_clone().expect("a socket can be cloned");
    let sending = thread::spawn(move || std::io::Write::write_all(&mut &sender, &pipeline));
    assert_eq!(client.reply(), Reply::ok());
    (0..COMMANDS).for_each(|_| assert_eq!(client.reply(), queued()));
    let reply = client.reply();
    assert_eq!(reply.elements().len(), COMMANDS);
    for (place, (got, wanted)) in reply.elements().iter().zip(&wanted).enumerate() {
        assert_eq!(got, wanted, "command {place}");
    }
    sending.join().expect("the sender does not panic").expect("the server reads on");
    assert_eq!(client.command("DBSIZE").integer(), COMMANDS.div_ceil(3) as i64 + COUNTERS as i64);
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
    // The session is as before: what is queued next runs, and what was refused is forgotten.
    assert_eq!(error(&mut client, "MULTI"), "OK");
    assert_eq!(client.call(&["SET", "key:0", &value]), queued());
    assert_eq!(error(&mut client, "MULTI"), "ERR MULTI calls can not be nested");
    assert_eq!(client.command("GET key:1"), queued());
    assert_eq!(client.command("EXEC"), Reply::Array(vec![Reply::ok(), Reply::Null]));
    server.finish();
}

/// A client that leaves right behind its EXEC: all of it is there, or nothing, whenever one looks. A client that only
/// stops sending has its EXEC run.
#[test]
fn clients_that_leave_behind_exec() {
    const ROUNDS: usize = 200;
    let server = Launch::cores(2).start();
    let keys = || (0..8).map(|number| format!("counter:{number}"));
    let get_all: Vec<String> = std::iter::once("MGET".to_owned()).chain(keys()).collect();
    let mut observer = server.connect();
    let mut look = || -> i64 {
        let counters = observer.call(&get_all);
        let first = &counters.elements()[0];
        assert!(counters.elements().iter().all(|counter| counter == first), "{counters:?}");
        if *first == Reply::Null { 0 } else { first.text().parse().expect("a counter is a number") }
    };
    let mut pipeline = Vec::new();
    append_request(&mut pipeline, &["MULTI"]);
    keys().for_each(|key| append_request(&mut pipeline, &["INCR", &key]));
    append_request(&mut pipeline, &["EXEC"]);
    for round in 0..ROUNDS {
        let (mut client, before) = (server.connect(), look());
        client.send(&pipeline);
        match round % 3 {
            0 => client.reset(),
            1 => drop(client),
            _ => {
                client.shut_down_sending();
                client.read_until_close();
                assert!(look() > before, "round {round}: everything of the transaction had been sent");
            }
        }
        look();
    }
    let mut client = server.connect();
    wait_until("those who left are gone", || client.command("INFO clients").text().contains("connected_clients:2\r\n"));
    let sum = look();
    println!("{sum} of {ROUNDS} transactions ran");
    assert!(sum >= ROUNDS as i64 / 3 && sum <= ROUNDS as i64, "{sum} transactions ran");
    assert_quiet(&server);
    server.finish();
}

/// Nothing is left of transactions: a write to any key is answered.
fn assert_quiet(server: &Server) {
    let mut client = server.connect();
    assert_eq!(client.command("FLUSHALL"), Reply::ok());
    assert_eq!(client.command("DBSIZE").integer(), 0);
}
