//! A process whose memory is limited: what a client makes too big is refused, and what cannot be refused is logged.

mod common;

use common::resp::{self, Reply};
use common::{Client, Launch};

const MIB: usize = 1 << 20;
const OOM: &str = "OOM not enough memory for this request";

/// With 1,000 MiB of address space, of which a server reserves half before it has any key.
fn limited() -> Launch {
    Launch::cores(2).address_space_max(1000 << 20).with("--enable-debug-command", "yes")
}

#[test]
fn what_a_client_makes_too_big_is_refused() {
    let server = limited().start();
    let (mut client, mut other) = (server.connect(), server.connect());
    for line in [
        "SETRANGE far 536870000 x",
        "SETBIT far 4294967295 1",
        "BITFIELD far SET u8 4294967280 1",
        "DEBUG POPULATE 1 far 500000000",
    ] {
        assert_eq!(client.command(line), Reply::Error(OOM.to_owned()), "{line}");
        assert_eq!(client.command("EXISTS far"), Reply::Integer(0), "{line}");
        assert_eq!(other.command("PING").text(), "PONG");
    }
    // Something that fits, and grows beyond what fits or is copied.
    assert_eq!(client.command("SETRANGE big 199999999 x"), Reply::Integer(200_000_000));
    for line in ["SETRANGE big 536870000 x", "SETBIT big 4294967295 1", "DUMP big", "BITOP NOT copy big"] {
        let reply = client.command(line);
        assert_eq!(reply, Reply::Error(OOM.to_owned()), "{line}");
        assert_eq!(client.command("STRLEN big"), Reply::Integer(200_000_000), "{line}");
    }
    assert_eq!(client.command("STRLEN copy"), Reply::Integer(0));
    assert_eq!(other.command("PING").text(), "PONG");
    assert!(client.command("INFO errorstats").text().contains("errorstat_OOM:count="));
}

#[test]
fn a_request_that_is_too_big_is_refused() {
    let server = limited().start();
    let mut other = server.connect();
    for length in [300 * MIB, 512 * MIB] {
        let mut client = server.connect();
        client.send(format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${length}\r\n").as_bytes());
        let piece = vec![b'x'; MIB];
        // The server closes before all is sent.
        let sent = (0..length / MIB).take_while(|_| client.try_send(&piece)).count();
        assert!(sent < length / MIB, "{sent}");
        assert_eq!(other.command("EXISTS key"), Reply::Integer(0));
    }
    let mut client = server.connect();
    client.send(&resp::request(&["SET", "key", &"x".repeat(10 * MIB)]));
    assert_eq!(client.reply(), Reply::ok());
}

#[test]
fn many_big_values_end_in_errors() {
    let server = limited().start();
    let value = "x".repeat(4 * MIB);
    let refused = (0..500).find(|number| {
        let mut client: Client = server.connect();
        client.send(&resp::request(&["SET", &format!("key:{number}"), &value]));
        let reply = client.reply();
        assert!(reply == Reply::ok() || reply == Reply::Error(OOM.to_owned()), "{reply:?}");
        reply != Reply::ok()
    });
    assert!(refused.is_some_and(|number| number > 10), "{refused:?}");
    let mut client = server.connect();
    assert_eq!(client.command("FLUSHALL").text(), "OK");
}

#[test]
fn what_cannot_be_refused_is_logged_before_the_end() {
    let server = limited().start();
    let mut client = server.connect();
    client.send(&resp::request(&["DEBUG", "POPULATE", "1000000", "key", "100000"]));
    let log = server.assert_aborts();
    let line = log.lines().find(|line| line.contains("# Out of memory")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(" an allocation of ") && line.ends_with(" bytes was refused, and Torc ends"), "{line}");
}

/// Evicted keys are told to ten clients each. What is on its way to them is no reason to evict more.
#[test]
fn evictions_do_not_feed_on_what_they_tell_to_caches() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).with("--maxmemory-policy", "allkeys-lru").start();
        let mut client = server.connect();
        let value = "x".repeat(1000);
        let mut told: Vec<Client> = (0..10).map(|_| server.connect()).collect();
        let mut caches: Vec<Client> = (0..10).map(|_| server.connect()).collect();
        for (cache, told) in caches.iter_mut().zip(&mut told) {
            let id = told.command("CLIENT ID").integer();
            told.command("SUBSCRIBE __redis__:invalidate");
            cache.ok(&format!("CLIENT TRACKING on REDIRECT {id}"));
        }
        for key in 0..300 {
            assert_eq!(client.call(&["SET", &format!("key:{key}"), &value]), Reply::ok());
            for cache in &mut caches {
                cache.command(&format!("GET key:{key}"));
            }
        }
        let used: u64 = client.info("used_memory").parse().expect("a number");
        client.ok(&format!("CONFIG SET maxmemory {}", used - 40_000));
        let mut evicted = String::new();
        common::wait_until("no more keys go", || {
            let before = std::mem::replace(&mut evicted, client.info("evicted_keys"));
            std::thread::sleep(std::time::Duration::from_millis(100));
            evicted != "0" && evicted == before
        });
        let left = client.command("DBSIZE").integer();
        assert!((100..300).contains(&left), "{left} of 300 keys are left on {cores} cores");
    }
}

/// Messages that subscribers share are no memory of one of them, but memory all the same.
#[test]
fn long_messages_count_until_they_are_taken() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).start();
        let mut client = server.connect();
        let mut subscribers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for subscriber in &mut subscribers {
            subscriber.command("SUBSCRIBE channel");
        }
        let used = |client: &mut Client| client.info("used_memory").parse::<usize>().expect("a number");
        let before = used(&mut client);
        let message = "x".repeat(MIB);
        // Sockets take some of it.
        for _ in 0..24 {
            assert_eq!(client.call(&["PUBLISH", "channel", &message]), Reply::Integer(4));
        }
        common::wait_until("they count", || used(&mut client) > before + 8 * MIB);
        let most = used(&mut client);
        assert!(most < before + 30 * MIB, "{before}, {most}: each counts once");
        drop(subscribers);
        common::wait_until("they are gone", || used(&mut client) < before + MIB);
    }
}
