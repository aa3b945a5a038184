//! A core that sleeps lends its engine, and transactions that claim all keys follow one another: over real sockets, with everything that
//! the core itself must do afterwards.

mod common;

use std::thread;

use common::logs::{appending, wait_until_based, wait_until_written};
use common::resp::Reply;
use common::{Client, Directory, Launch, Server, wait_until};

/// Adds one to a counter that is not declared, chosen by its argument, and to one of all.
const COUNT: &str = "redis.call('incr', 'counter:' .. ARGV[1]) return redis.call('incr', 'all')";
/// Counters: they are on both cores.
const COUNTERS: u64 = 16;

fn figure(client: &mut Client, name: &str) -> u64 {
    client.info(name).parse().expect("it is a number")
}

fn count(client: &mut Client, counter: u64) -> u64 {
    client.call(&["EVAL", COUNT, "0", &counter.to_string()]).integer() as u64
}

fn sum(client: &mut Client) -> u64 {
    let values = (0..COUNTERS).map(|counter| client.command(&format!("GET counter:{counter}")).text());
    values.map(|value| value.parse::<u64>().expect("each has been counted")).sum()
}

#[test]
fn a_script_over_a_core_that_sleeps_wakes_nobody() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    for number in 1..=1000 {
        assert_eq!(count(&mut client, number % COUNTERS), number);
    }
    // Each of them schedules, calls at least once, and releases.
    let lent = figure(&mut client, "torc_lent_turns");
    assert!(lent >= 1000, "{lent} lent turns");
    assert_eq!(sum(&mut client), 1000);
}

#[test]
fn nothing_is_lent_where_that_is_not_wanted() {
    let server = Launch::cores(2).with("--lend-when-idle", "no").start();
    let mut client = server.connect();
    for number in 1..=100 {
        assert_eq!(count(&mut client, number % COUNTERS), number);
    }
    assert_eq!(figure(&mut client, "torc_lent_turns"), 0);
    client.ok("CONFIG SET lend-when-idle yes");
    wait_until("the other core has slept since then", || {
        count(&mut client, 0);
        figure(&mut client, "torc_lent_turns") > 0
    });
}

/// Many clients, of both cores, count at once.
fn count_at_once(server: &Server, clients: u64, each: u64) {
    thread::scope(|scope| {
        for number in 0..clients {
            scope.spawn(move || {
                let mut client = server.connect();
                (0..each).for_each(|step| _ = count(&mut client, (number + step) % COUNTERS));
            });
        }
    });
}

#[test]
fn scripts_of_many_clients_follow_one_another() {
    let server = Launch::cores(2).start();
    count_at_once(&server, 16, 200);
    let mut client = server.connect();
    assert_eq!(client.command("GET all").text(), "3200");
    assert_eq!(sum(&mut client), 3200);
    assert!(figure(&mut client, "torc_claims_passed_on") > 0, "some wait for the same claims");
}

#[test]
fn what_was_done_on_another_thread_is_in_the_log() {
    let directory = Directory::new("lending");
    {
        let server = appending(2, &directory).start();
        let mut client = server.connect();
        wait_until_based(&mut client);
        for number in 1..=300 {
            assert_eq!(count(&mut client, number % COUNTERS), number);
        }
        count_at_once(&server, 8, 50);
        assert!(figure(&mut client, "torc_lent_turns") > 0);
        wait_until_written(&mut client);
        server.kill();
    }
    let server = appending(2, &directory).start();
    let mut client = server.connect();
    assert_eq!(client.command("GET all").text(), "700");
    assert_eq!(sum(&mut client), 700);
}

#[test]
fn who_waits_on_a_core_that_lends_is_served() {
    let server = Launch::cores(2).start();
    // The core with fewer connections gets the next one.
    let mut clients = [server.connect(), server.connect()];
    for turn in 0..2 {
        let [waiting, pushing] = &mut clients;
        for number in 0..100 {
            let key = format!("queue:{turn}:{number}");
            waiting.send(&common::resp::request(&["BLPOP", &key, "0"]));
            wait_until("it waits", || pushing.info("blocked_clients") == "1");
            let reply = pushing.call(&["EVAL", "return redis.call('lpush', ARGV[1], 'job')", "0", &key]);
            assert_eq!(reply.integer(), 1);
            assert_eq!(waiting.reply().elements(), [Reply::bulk(&key), Reply::bulk("job")]);
        }
        clients.swap(0, 1);
    }
}
