//! `maxmemory-clients`: clients that are closed since all of them together take too much.

mod common;

use common::{Client, TestCore};

/// Lets all cores walk over all of their sessions, twice: the first walk may have begun before.
fn sweep(server: &TestCore, cores: u16) {
    for _ in 0..2 {
        (0..cores).for_each(|core| server.engine(core, |engine| engine.sweep_sessions()));
    }
}

/// A client that keeps so many bytes of a request that has not come to its end.
fn holder(server: &TestCore, core: u16, kib: usize) -> Client {
    let client = server.client_on(core);
    let begin = format!("*2\r\n$4\r\nECHO\r\n${}\r\n{}", 1 << 20, "x".repeat(kib << 10));
    assert!(client.raw(begin.as_bytes()).is_empty());
    client
}

fn evicted(client: &Client) -> String {
    let text = client.send("INFO stats");
    let line = text.split("\\r\\n").find_map(|line| line.strip_prefix("evicted_clients:"));
    line.expect("INFO tells of it").to_owned()
}

#[test]
fn the_largest_clients_of_all_cores_go_until_the_rest_fits() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let admin = server.client();
        // Their buffers have room for as much again.
        let sizes = [100, 400, 300, 200];
        let clients: Vec<Client> =
            sizes.iter().zip(0..).map(|(&kib, number)| holder(&server, number % cores, kib)).collect();
        sweep(&server, cores);
        assert!(clients.iter().all(|client| !client.is_closed()), "without a limit nobody goes");
        assert_eq!(admin.send("CONFIG SET maxmemory-clients 1300kb"), "+OK");
        for _ in 0..4 {
            sweep(&server, cores);
        }
        let closed: Vec<bool> = clients.iter().map(Client::is_closed).collect();
        assert_eq!(closed, [false, true, false, false], "{cores} cores");
        assert_eq!(evicted(&admin), "1");
        assert_eq!(admin.send("CONFIG SET maxmemory-clients 650kb"), "+OK");
        for _ in 0..4 {
            sweep(&server, cores);
        }
        let closed: Vec<bool> = clients.iter().map(Client::is_closed).collect();
        assert_eq!(closed, [false, true, true, false], "{cores} cores");
        assert_eq!(
            (evicted(&admin), admin.send("CONFIG RESETSTAT"), evicted(&admin)),
            ("2".into(), "+OK".into(), "0".into())
        );
    }
}

#[test]
fn who_may_not_be_evicted_neither_goes_nor_counts() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let admin = server.client();
        let stays = server.client_on(cores - 1);
        assert_eq!(stays.send("CLIENT NO-EVICT on"), "+OK");
        let begin = format!("*2\r\n$4\r\nECHO\r\n${}\r\n{}", 1 << 20, "x".repeat(500 << 10));
        assert!(stays.raw(begin.as_bytes()).is_empty());
        let small = holder(&server, 0, 20);
        // Less than any limit may be: 128 KiB.
        assert_eq!(admin.send("CONFIG SET maxmemory-clients 1"), "+OK");
        for _ in 0..4 {
            sweep(&server, cores);
        }
        assert!(!stays.is_closed() && !small.is_closed() && !admin.is_closed());
        assert_eq!(evicted(&admin), "0");
    }
}

#[test]
fn the_limit_is_a_size_or_a_part_of_maxmemory() {
    let server = TestCore::new(1);
    let client = server.client();
    let failed =
        |text: &str| format!("-ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - {text}");
    client.check(&[
        ("CONFIG GET maxmemory-clients", "[\"maxmemory-clients\", \"0\"]"),
        ("CONFIG SET maxmemory-clients 1mb", "+OK"),
        ("CONFIG GET maxmemory-clients", "[\"maxmemory-clients\", \"1048576\"]"),
        ("CONFIG SET maxmemory-clients 5%", "+OK"),
        ("CONFIG GET maxmemory-clients", "[\"maxmemory-clients\", \"5%\"]"),
        ("CONFIG SET maxmemory-clients 101%", &failed("percentage argument must be less or equal to 100")),
        ("CONFIG SET maxmemory-clients x", &failed("argument must be a memory or percent value")),
        ("CONFIG SET maxmemory-clients -1%", &failed("argument must be a memory or percent value")),
    ]);
    // Nothing limits `maxmemory`, so a part of it limits nothing.
    let large = holder(&server, 0, 500);
    sweep(&server, 1);
    assert!(!large.is_closed());
}
