//! Where clients come in, and how that is changed while they are served: CONFIG SET bind and port, unix sockets of every kind.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Client, Directory, LIMIT, Launch, reserved_port, wait_until};

const PORT_FAILED: &str =
    "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.";
const BIND_FAILED: &str =
    "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.";

fn answers(address: impl Into<SocketAddr>) -> bool {
    Client::try_connect_to(address.into()).is_ok_and(|mut client| {
        // One that is closed just now may still be connected to, and is reset then.
        client.try_send(b"PING\r\n") && client.try_reply().is_some_and(|reply| reply.text() == "PONG")
    })
}

/// The answer to CONFIG SET bind.
fn bind(client: &mut Client, addresses: &str) -> String {
    client.call(&["CONFIG", "SET", "bind", addresses]).text()
}

fn local(port: u16) -> (Ipv4Addr, u16) {
    (Ipv4Addr::LOCALHOST, port)
}

/// What a unix socket answers to one line.
fn ask(mut stream: UnixStream, line: &str, expected_len: usize) -> String {
    stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
    stream.write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
    let mut reply = vec![0; expected_len];
    stream.read_exact(&mut reply).expect("it answers");
    String::from_utf8(reply).expect("text")
}

#[test]
fn another_port() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).start();
        let (port, _reservation) = reserved_port();
        let mut client = server.connect();
        let here = server.port();
        client.ok(&format!("CONFIG SET port {port}"));
        assert!(answers(local(port)), "it listens when it is answered");
        assert!(!answers(local(here)), "and the old port is closed");
        assert_eq!(client.command("PING").text(), "PONG", "who was there stays");
        assert_eq!(client.info("tcp_port"), port.to_string());
        // One that is taken changes nothing.
        let holder = std::net::TcpListener::bind(local(0)).expect("a port");
        let taken = holder.local_addr().expect("it is bound").port();
        assert_eq!(client.command(&format!("CONFIG SET timeout 7 port {taken}")).text(), PORT_FAILED);
        assert!(answers(local(port)));
        assert_eq!(client.command("CONFIG GET timeout").elements()[1].text(), "0");
        assert_eq!(client.command("CONFIG GET port").elements()[1].text(), port.to_string());
        server.wait_for_log("Could not create server TCP listening socket");
        // And back.
        client.ok(&format!("CONFIG SET port {here}"));
        assert!(answers(local(here)));
        assert!(!answers(local(port)));
    }
}

#[test]
fn other_addresses() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).start();
        let mut client = server.connect();
        let port = server.port();
        let second = (Ipv4Addr::new(127, 0, 0, 2), port);
        assert!(!answers(second));
        assert_eq!(bind(&mut client, "127.0.0.1 127.0.0.2"), "OK");
        assert!(answers(second) && answers(local(port)));
        assert_eq!(client.command("CONFIG GET bind").elements()[1].text(), "127.0.0.1 127.0.0.2");
        let overlapping = ["* 127.0.0.3", "127.0.0.1 127.0.0.1", "127.0.0.3 localhost 127.0.0.1"];
        let absent = ["999.999.999.999", "127.0.0.1 1.2.3.4", "127.0.0.3 no.such.host.invalid"];
        for nonsense in absent.into_iter().chain(overlapping) {
            assert_eq!(bind(&mut client, nonsense), BIND_FAILED);
        }
        assert!(answers(second) && answers(local(port)) && !answers((Ipv4Addr::new(127, 0, 0, 3), port)));
        // An address that holds those that are listened on, and back.
        assert_eq!(bind(&mut client, "*"), "OK");
        assert!(answers((Ipv4Addr::new(127, 0, 0, 3), port)) && answers(local(port)));
        assert_eq!(bind(&mut client, "127.0.0.1 -::1"), "OK");
        assert!(answers(local(port)));
        assert!(!answers((Ipv4Addr::new(127, 0, 0, 3), port)));
        // An address that is not there and need not be.
        assert_eq!(bind(&mut client, "127.0.0.1 -1.2.3.4"), "OK");
        assert!(answers(local(port)));
        assert_eq!(bind(&mut client, "-1.2.3.4"), BIND_FAILED);
    }
}

#[test]
fn without_any_port_for_a_while() {
    let directory = Directory::new("portless");
    let path = directory.path("torc.sock");
    let server = Launch::cores(2).with("--unixsocket", &path).start();
    let port = server.port();
    let mut client = server.connect();
    client.ok("CONFIG SET port 0");
    assert!(!answers(local(port)));
    let unix = || UnixStream::connect(&path).expect("it listens");
    assert_eq!(ask(unix(), "PING", 7), "+PONG\r\n");
    assert_eq!(ask(unix(), &format!("CONFIG SET port {port}"), 5), "+OK\r\n");
    assert!(answers(local(port)));
    assert_eq!(bind(&mut client, ""), "OK");
    assert!(!answers(local(port)));
    assert_eq!(bind(&mut client, "127.0.0.1"), "OK");
    assert!(answers(local(port)));
    assert_eq!(client.command("PING").text(), "PONG");
}

#[test]
fn changes_that_meet() {
    let server = Launch::cores(2).start();
    let (other, _reservation) = reserved_port();
    let ports = [server.port(), other];
    let mut clients = [server.connect(), server.connect()];
    for round in 0..30 {
        for (place, client) in clients.iter_mut().enumerate() {
            client.send(format!("CONFIG SET port {}\r\n", ports[(round + place) % 2]).as_bytes());
        }
        clients.iter_mut().for_each(|client| assert_eq!(client.reply().text(), "OK"));
        let now = clients[0].info("tcp_port").parse().expect("a port");
        let then = if now == ports[0] { ports[1] } else { ports[0] };
        // Whichever of the two is in force last.
        wait_until("it is as is configured", || answers(local(now)) && !answers(local(then)));
    }
    let now: u16 = clients[0].info("tcp_port").parse().expect("a port");
    let then = if now == ports[0] { ports[1] } else { ports[0] };
    clients[1].send(format!("MULTI\r\nCONFIG SET port {then}\r\nEXEC\r\n").as_bytes());
    let replies: Vec<_> = (0..3).map(|_| clients[1].reply()).collect();
    assert_eq!(replies[2].elements()[0].text(), "OK");
    assert!(answers(local(then)));
    wait_until("the port before is closed", || !answers(local(now)));
}

/// What is listened on is what is configured, soon at the latest.
#[track_caller]
fn wait_until_as_configured(client: &mut Client, ports: [u16; 2]) -> u16 {
    let now: u16 = client.info("tcp_port").parse().expect("a port");
    let other = if now == ports[0] { ports[1] } else { ports[0] };
    wait_until("what is configured is listened on", || answers(local(now)) && !answers(local(other)));
    now
}

#[test]
fn a_change_of_which_a_part_fails_is_taken_back() {
    let directory = Directory::new("no-log");
    directory.file("appendonlydir", "a file where a directory is to be");
    let server = Launch::cores(2).in_directory(&directory).start();
    let (other, _reservation) = reserved_port();
    let mut client = server.connect();
    let refusal = client.command(&format!("CONFIG SET port {other} appendonly yes")).text();
    assert!(refusal.starts_with("ERR CONFIG SET failed (possibly related to argument 'appendonly')"), "{refusal}");
    assert_eq!(wait_until_as_configured(&mut client, [server.port(), other]), server.port());
}

#[test]
fn a_change_whose_client_leaves_is_done_or_taken_back() {
    let server = Launch::cores(2).with("--enable-debug-command", "yes").start();
    let (other, _reservation) = reserved_port();
    // Each is on a core of its own: one cannot close its socket while the other waits for that.
    let (mut sleeper, mut leaver) = (server.connect(), server.connect());
    sleeper.send(b"DEBUG SLEEP 0.5\r\n");
    leaver.send(format!("CONFIG SET port {other}\r\n").as_bytes());
    wait_until("it is asked for", || answers(local(other)) || Client::try_connect(other).is_ok());
    leaver.reset();
    assert_eq!(sleeper.reply().text(), "OK");
    wait_until_as_configured(&mut sleeper, [server.port(), other]);
}

/// Clients come and go while ports change: nobody who is accepted is forgotten.
#[test]
fn changes_under_load() {
    let server = Launch::cores(2).start();
    let (other, _reservation) = reserved_port();
    let ports = [server.port(), other];
    let (is_over, mut client) = (AtomicBool::new(false), server.connect());
    let answered: u32 = std::thread::scope(|scope| {
        let knocking = |place: usize| {
            let (mut answered, mut at) = (0, place);
            while !is_over.load(Ordering::Relaxed) {
                answered += u32::from(answers(local(ports[at % 2])));
                at += 1;
            }
            answered
        };
        let threads: Vec<_> = (0..3).map(|place| scope.spawn(move || knocking(place))).collect();
        let refused = (1..=40).find(|change| {
            let port = ports[change % 2];
            client.command(&format!("CONFIG SET port {port}")).text() != "OK" || !answers(local(port))
        });
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(refused, None, "which change has failed");
        threads.into_iter().map(|thread| thread.join().expect("no client fails")).sum()
    });
    assert!(answered > 20, "{answered} were answered");
    wait_until("all are gone", || client.info("connected_clients") == "1");
}

#[test]
fn core_ports_have_unix_sockets_and_keep_their_port() {
    let directory = Directory::new("own-sockets");
    let path = directory.path("torc.sock");
    let launch = || Launch::cores(2).with("--core-ports", "yes").with("--unixsocket", &path);
    let server = launch().start();
    let mut client = server.connect();
    let refusal = client.command("CONFIG SET port 1").text();
    assert!(
        refusal.ends_with("'port') - core-ports is on: cluster clients know the ports that follow this one"),
        "{refusal}"
    );
    // Keys on both cores; each core's own socket counts its own.
    for key in 0..100 {
        client.ok(&format!("SET key:{key} value"));
    }
    let own = [0, 1].map(|core| Client::connect(server.core_port(core)).command("DBSIZE").integer());
    assert_eq!(own.iter().sum::<i64>(), 100);
    for (core, own) in own.into_iter().enumerate() {
        let stream = UnixStream::connect(format!("{path}.{core}")).expect("it listens");
        let expected = format!(":{own}\r\n");
        assert_eq!(ask(stream, "DBSIZE", expected.len()), expected);
    }
    server.finish();
    let left: Vec<_> = directory.names().into_iter().filter(|name| name.contains("sock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_abstract_name() {
    let name = format!("@torc-test-{}", std::process::id());
    let server = Launch::cores(2).with("--unixsocket", &name).start();
    let address = UnixAddress::from_abstract_name(&name[1..]).expect("a name");
    let stream = UnixStream::connect_addr(&address).expect("it listens");
    assert_eq!(ask(stream, "PING", 7), "+PONG\r\n");
    let taken = Launch::cores(1).with("--unixsocket", &name).run_to_end();
    assert!(taken.1.contains("Failed opening Unix socket: bind: @torc-test-"), "{}", taken.1);
    server.finish();
    // The kernel takes down the rings of a process, and with them what listens, shortly after its end.
    wait_until("nobody listens", || UnixStream::connect_addr(&address).is_err());
}
