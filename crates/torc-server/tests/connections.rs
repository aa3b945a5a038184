//! Connections that end, in whatever way and whatever the server does meanwhile; and who tries passwords.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::resp::request;
use common::{Client, Directory, Launch, Server, wait_until};

/// How a client ends its connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    HalfClose,
}

/// Ends a connection; what is returned is to be kept.
fn end(client: Client, how: End) -> Option<Client> {
    match how {
        End::Close => drop(client),
        End::Reset => client.reset(),
        End::HalfClose => {
            client.shut_down_sending();
            return Some(client);
        }
    }
    None
}

/// Whether the kernel takes the server's end of a connection for open.
fn is_established(server_port: u16, client_port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let ports = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let port = |word: &str| u16::from_str_radix(word.rsplit(':').next()?, 16).ok();
        let (local, remote) = (port(words.next()?)?, port(words.next()?)?);
        (words.next()? == "01").then_some((local, remote))
    };
    table.lines().skip(1).filter_map(ports).any(|ports| ports == (server_port, client_port))
}

/// The lines of CLIENT LIST about others.
fn others(observer: &mut Client) -> Vec<String> {
    let list = observer.command("CLIENT LIST").text();
    list.lines().filter(|line| !line.contains(" cmd=client|list ")).map(str::to_owned).collect()
}

fn id_of(client: &mut Client) -> String {
    client.command("CLIENT ID").integer().to_string()
}

/// Waits until a client is blocked by the command that it has sent.
fn wait_until_blocked(observer: &mut Client, id: &str) {
    wait_until("the client is blocked", || {
        let line = observer.call(&["CLIENT", "LIST", "ID", id]).text();
        line.contains(" flags=b")
    });
}

/// So many connections each send a part of a large request, all at once and more than all receive buffers hold, and end.
fn burst(server: &Server, how: End) {
    const CONNECTIONS: usize = 16;
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(b"*2\r\n$3\r\nGET\r\n$400000000\r\n"));
    let piece = vec![b'x'; 100_000];
    for _ in 0..120 {
        clients.iter_mut().for_each(|client| client.send(&piece));
    }
    clients.into_iter().for_each(|client| _ = end(client, how));
}

#[test]
fn connections_that_end_behind_a_burst_are_noticed() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).start();
        let mut observer = server.connect();
        for how in [End::Reset, End::Close, End::Reset] {
            burst(&server, how);
            wait_until("all connections are gone", || others(&mut observer).is_empty());
        }
    }
}

#[test]
fn connections_from_which_nothing_is_received_are_noticed() {
    let directory = Directory::new("silent");
    let path = directory.path("socket");
    let server = Launch::cores(2).with("--unixsocket", &path).start();
    let mut observer = server.connect();
    // More input than the server takes behind a request that waits.
    let behind = request(&["SET", "key", "value"]).repeat(10_000);
    for how in [End::Reset, End::Close] {
        let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        for client in &mut clients {
            let id = id_of(client);
            client.send(&request(&["BLPOP", "nothing", "0"]));
            wait_until_blocked(&mut observer, &id);
            client.stream().set_nonblocking(true).expect("the socket is open");
            client.try_send(&behind);
        }
        let is_full = |line: &String| line.contains(" events= ");
        wait_until("nothing more is received", || {
            others(&mut observer).iter().filter(|line| is_full(line)).count() == 8
        });
        match how {
            End::Reset => {
                clients.into_iter().for_each(Client::reset);
                wait_until("all connections are gone", || others(&mut observer).is_empty());
            }
            // A close behind what is unread cannot be told from a half-close.
            _ => {
                assert_eq!(observer.command("RPUSH nothing 1 2 3 4 5 6 7 8").integer(), 8);
                drop(clients);
                wait_until("all connections are gone", || others(&mut observer).is_empty());
            }
        }
    }
    let mut client = UnixStream::connect(&path).expect("the server listens");
    client.write_all(&request(&["BLPOP", "never", "0"])).expect("it takes requests");
    wait_until("it is blocked", || others(&mut observer).iter().any(|line| line.contains(" flags=bU")));
    client.set_nonblocking(true).expect("the socket is open");
    let _ = client.write_all(&behind);
    drop(client);
    wait_until("the connection is gone", || others(&mut observer).is_empty());
}

/// What a client has sent before it ends is read and done, however long that takes, where its end shows before it is read.
#[test]
fn what_was_sent_before_the_end_is_done() {
    let directory = Directory::new("before-the-end");
    let path = directory.path("socket");
    let server = Launch::cores(2).with("--unixsocket", &path).with("--enable-debug-command", "yes").start();
    let mut observer = server.connect();
    let mut client = UnixStream::connect(&path).expect("the server listens");
    // Both cores sleep, while the requests and the end of the connection come.
    let mut sleepers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    sleepers.iter_mut().for_each(|sleeper| sleeper.send(&request(&["DEBUG", "SLEEP", "0.8"])));
    client.write_all(&request(&["CLIENT", "REPLY", "OFF"])).expect("it takes requests");
    client.write_all(&request(&["INCR", "count"]).repeat(4_000)).expect("it takes requests");
    drop(client);
    sleepers.iter_mut().for_each(|sleeper| assert_eq!(sleeper.reply().text(), "OK"));
    drop(sleepers);
    wait_until("the connections are gone", || others(&mut observer).is_empty());
    assert_eq!(observer.command("GET count").text(), "4000");
}

#[test]
fn nothing_is_handed_to_who_has_left() {
    for cores in [1, 2, 3] {
        let server = Launch::cores(cores).start();
        let mut pusher = server.connect();
        let cases = [
            ("BLPOP k 0", "RPUSH k x", "LLEN k"),
            ("BZPOPMIN k kb kc 0", "ZADD k 1 x", "ZCARD k"),
            ("BLMOVE k kd LEFT RIGHT 0", "RPUSH k x", "LLEN k"),
        ];
        for (wait, push, count) in cases {
            for (number, how) in [End::Close, End::Reset, End::HalfClose].into_iter().cycle().take(30).enumerate() {
                let mut waiter = server.connect();
                let id = id_of(&mut waiter);
                waiter.send(&request(&wait.split(' ').collect::<Vec<_>>()));
                wait_until_blocked(&mut pusher, &id);
                let port = waiter.stream().local_addr().expect("it is connected").port();
                let kept = end(waiter, how);
                // On a busy machine the kernel may deliver what is pushed sooner than the end.
                wait_until("the kernel knows of the end", || !is_established(server.port(), port));
                assert_eq!(pusher.command(push).integer(), 1);
                assert_eq!(pusher.command(count).integer(), 1, "{wait}, {how:?}, {cores} cores, try {number}");
                assert_eq!(pusher.command("DEL k").integer(), 1);
                if let Some(mut half) = kept {
                    half.assert_closed();
                }
            }
        }
        wait_until("the connections are gone", || others(&mut pusher).is_empty());
    }
}

/// A closed connection is not listed for long, also where its last requests went to several cores.
#[test]
fn closed_connections_are_not_listed() {
    let server = Launch::cores(3).start();
    let mut observer = server.connect();
    let pipelines = [
        request(&["PING"]),
        [request(&["MULTI"]), request(&["MSET", "a", "1", "b", "2", "c", "3"]), request(&["EXEC"])].concat(),
        request(&["MGET", "a", "b", "c", "d"]).repeat(20),
        request(&["BLPOP", "x", "y", "z", "0"]),
        b"*2\r\n$3\r\nGET\r\n$10000\r\nxxx".to_vec(),
    ];
    for how in [End::Close, End::Reset] {
        for pipeline in &pipelines {
            let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
            clients.iter_mut().for_each(|client| client.send(pipeline));
            clients.into_iter().for_each(|client| _ = end(client, how));
            wait_until("the connections are gone", || others(&mut observer).is_empty());
        }
    }
}

#[test]
fn a_unix_socket_has_its_path_and_no_port() {
    let directory = Directory::new("unix-address");
    let path = directory.path("socket");
    let server = Launch::cores(1).with("--unixsocket", &path).start();
    let mut client = UnixStream::connect(&path).expect("the server listens");
    client.write_all(b"CLIENT INFO\r\n").expect("it takes requests");
    let mut received = [0; 1024];
    let len = client.read(&mut received).expect("it replies");
    let line = String::from_utf8_lossy(&received[..len]).into_owned();
    assert!(line.contains(&format!(" addr={path}:0 laddr={path}:0 ")), "{line}");
    drop(client);
    server.finish();
}

#[test]
fn failed_logins_are_slowed() {
    let server = Launch::cores(1).with("--requirepass", "secret").start();
    let mut user = server.connect();
    assert_eq!(user.command("AUTH secret").text(), "OK");
    let began = Instant::now();
    let mut guesser = server.connect();
    guesser.send(&request(&["AUTH", "wrong"]).repeat(14));
    for _ in 0..14 {
        assert!(guesser.reply().text().starts_with("WRONGPASS"));
        assert_eq!(user.command("PING").text(), "PONG");
    }
    // The first ten at once, and one more; then after 0.1, 0.2 and 0.3 s, less what is forgotten meanwhile.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300), "14 tries took only {took:?}");
    let mut late = server.connect();
    assert_eq!(late.command("AUTH secret").text(), "OK", "who knows the password gets in");
}
