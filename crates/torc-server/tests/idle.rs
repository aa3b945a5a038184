//! What a connection that does nothing costs.

mod common;

use common::{Client, Launch, wait_until};

const CONNECTIONS: usize = 1_000;
/// Resident memory that an idle connection may hold.
const BYTES_PER_CONNECTION_MAX: u64 = 2 * 1024;

#[test]
fn an_idle_connection_holds_little_memory() {
    let server = Launch::cores(2).without_huge_pages().start();
    // What every server allocates once: buffers, tables, the code of the paths.
    let mut first: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut first {
        assert_eq!(client.command("SET key value").text(), "OK");
        assert_eq!(client.command("GET key").text(), "value");
    }
    server.touch_receive_buffers();
    let mut observer = server.connect();
    let connected = |observer: &mut Client| {
        let info = observer.command("INFO clients").text();
        let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:")).expect("it is a field");
        line.parse::<usize>().expect("it is a number")
    };
    let before = server.resident_bytes();

    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.command("GET key").text(), "value");
    }
    assert_eq!(connected(&mut observer), 100 + 1 + CONNECTIONS);
    let grown = server.resident_bytes().saturating_sub(before);
    let each = grown / CONNECTIONS as u64;
    println!("{each} bytes for each of {CONNECTIONS} idle connections");
    assert!(each <= BYTES_PER_CONNECTION_MAX, "{each} bytes for each idle connection");

    // They are all still served, and gone when they leave.
    for client in &mut clients {
        assert_eq!(client.command("GET key").text(), "value");
    }
    drop(clients);
    wait_until("the connections are gone", || connected(&mut observer) == 100 + 1);
}

#[test]
fn an_idle_server_uses_next_to_no_cpu_time() {
    let server = Launch::cores(2).start();
    let clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    wait_until("all are connected", || server.connect().command("PING").text() == "PONG");
    let before = server.cpu_ticks();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let ticks = server.cpu_ticks() - before;
    println!("{ticks} ticks of 10 ms in 3 s");
    assert!(ticks <= 15, "an idle server used {ticks} ticks of 10 ms in 3 s");
    drop(clients);
}
