//! Clients that misbehave: what they send is answered as Redis answers it, and nobody else notices them.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::resp::{self, Reply, append_request};
use common::{Client, LIMIT, Launch, Random, Server, wait_until};

const MIB: u64 = 1 << 20;

/// How long a client may wait for a reply while others misbehave, on a machine that runs other tests too.
const LATENCY_MAX: Duration = Duration::from_secs(3);

#[track_caller]
fn assert_alive(server: &Server) {
    let mut client = server.connect();
    assert_eq!(client.command("SET alive yes"), Reply::ok());
    assert_eq!(client.command("GET alive").text(), "yes");
}

/// Sends the bytes; the server must answer with this error and close the connection.
#[track_caller]
fn assert_protocol_error(server: &Server, bytes: &[u8], error: &str) {
    let mut client = server.connect();
    client.send(b"PING\r\n");
    client.try_send(bytes);
    assert_eq!(client.reply().text(), "PONG");
    assert_eq!(client.reply(), Reply::Error(format!("ERR Protocol error: {error}")));
    client.assert_closed();
}

#[test]
fn malformed_requests_are_answered_and_the_connection_closed() {
    let server = Launch::cores(2).start();
    let check = |bytes: &[u8], error: &str| assert_protocol_error(&server, bytes, error);
    check(b"*1\r\nPING\r\n", "expected '$', got 'P'");
    check(b"*2\r\n$3\r\nGET\r\n:1\r\n", "expected '$', got ':'");
    check(b"*x\r\n", "invalid multibulk length");
    check(b"*2147483648\r\n", "invalid multibulk length");
    check(b"*99999999999999999999\r\n", "invalid multibulk length");
    check(b"*1\r\n$-1\r\n", "invalid bulk length");
    check(b"*1\r\n$x\r\n", "invalid bulk length");
    check(b"*1\r\n$536870913\r\n", "invalid bulk length");
    check(b"*1\r\n$9223372036854775808\r\n", "invalid bulk length");
    check(b"SET key \"open\r\n", "unbalanced quotes in request");
    check(b"SET key \"a\"b\r\n", "unbalanced quotes in request");
    assert_alive(&server);
}

#[test]
fn endless_lines_are_cut_off() {
    let server = Launch::cores(1).start();
    let endless = |start: &[u8], byte: u8| [start, &[byte].repeat(70_000)].concat();
    assert_protocol_error(&server, &endless(b"", b'a'), "too big inline request");
    assert_protocol_error(&server, &endless(b"*", b'1'), "too big mbulk count string");
    assert_protocol_error(&server, &endless(b"*1\r\n$", b'1'), "too big bulk count string");
    assert_alive(&server);
}

#[test]
fn empty_requests_are_passed_over() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    client.send(b"\r\n\r\n*0\r\n*-1\r\n   \r\nPING\r\n\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(client.reply().text(), "PONG");
    assert_eq!(client.reply().text(), "PONG");
    assert_eq!(client.command("ECHO end").text(), "end");
}

#[test]
fn wrong_commands_leave_the_connection_open() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let mut check = |words: &[&str], error: &str| assert_eq!(client.call(words), Reply::Error(error.to_owned()));
    check(&["GET"], "ERR wrong number of arguments for 'get' command");
    check(&["GET", "a", "b"], "ERR wrong number of arguments for 'get' command");
    check(&["MSET", "a", "1", "b"], "ERR wrong number of arguments for 'mset' command");
    check(&["config", "get"], "ERR wrong number of arguments for 'config|get' command");
    check(&["NOSUCH", "a", "b"], "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ");
    check(&["CONFIG", "NOSUCH"], "ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.");
    check(&["SET", "key", "value", "NOSUCH"], "ERR syntax error");
    check(&["SELECT", "100"], "ERR DB index is out of range");
    check(&["SET", "key", "value", "EX", "0"], "ERR invalid expire time in 'set' command");
    // Line ends in a name must not break the reply in two.
    check(&["NO\r\n+SUCH"], "ERR unknown command 'NO  +SUCH', with args beginning with: ");
    assert_eq!(client.command("PING").text(), "PONG");
}

#[test]
fn long_names_and_arguments_are_cut_short() {
    let server = Launch::cores(1).start();
    let long = "x".repeat(1_000);
    let error = format!("ERR unknown command '{}', with args beginning with: '{}' ", &long[..128], &long[..128]);
    assert_eq!(server.connect().call(&[&long, &long, &long]), Reply::Error(error));
}

/// What a web page makes a browser send: HTTP whose body is commands.
#[test]
fn requests_of_a_browser_end_the_connection() {
    let server = Launch::cores(1).start();
    for head in ["POST / HTTP/1.1\r\n", "Host: 127.0.0.1\r\n"] {
        let mut client = server.connect();
        client.try_send(format!("{head}SET key smuggled\r\n").as_bytes());
        client.assert_closed();
    }
    assert_eq!(server.connect().command("EXISTS key"), Reply::Integer(0));
}

#[test]
fn inline_garbage_is_answered_line_by_line() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\n\x01\x02\xff\xfe\r\n\"PING\"\r\nSET \"a b\" '\\x41'\nGET \"a b\"\n");
    assert_eq!(client.reply().text(), "ERR wrong number of arguments for 'get' command");
    assert!(client.reply().text().starts_with("ERR unknown command"));
    assert_eq!(client.reply().text(), "PONG");
    assert_eq!(client.reply(), Reply::ok());
    assert_eq!(client.reply().text(), "\\x41");
}

/// Whatever comes, the server lives, and what it answers are replies.
#[test]
fn random_bytes_do_no_harm() {
    let server = Launch::cores(2).start();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for _ in 0..150 {
                    let mut bytes = Vec::new();
                    for _ in 0..1 + random.below(30) {
                        append_garbage(&mut bytes, &mut random);
                    }
                    let mut client = server.connect();
                    client.try_send(&bytes);
                    if random.below(4) == 0 {
                        client.reset();
                        continue;
                    }
                    client.shut_down_sending();
                    while client.try_reply().is_some() {}
                }
            });
        }
    });
    assert_alive(&server);
}

/// Pieces of requests, whole, bent and cut; nothing that closes the server or other clients.
fn append_garbage(bytes: &mut Vec<u8>, random: &mut Random) {
    const PIECES: [&[u8]; 14] = [
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
        b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n",
        b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*1\r\n$5\r\nMULTI\r\n",
        b"*1\r\n$4\r\nEXEC\r\n",
        b"PING\r\n",
        b"\r\n",
        b"\n",
        b"*3\r\n$3\r\n",
        b"$5\r\n",
        b"*-1\r\n",
        b"*1000000\r\n",
        b"\"",
    ];
    match random.below(8) {
        0 => bytes.extend((0..random.below(20)).map(|_| random.below(256) as u8)),
        1 => {
            let piece = PIECES[random.below(14) as usize];
            bytes.extend_from_slice(&piece[..random.below(piece.len() as u64) as usize]);
        }
        _ => bytes.extend_from_slice(PIECES[random.below(14) as usize]),
    }
}

#[test]
fn a_byte_at_a_time_is_enough() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let mut bytes = Vec::new();
    append_request(&mut bytes, &["SET", "slow:key", "slow value"]);
    append_request(&mut bytes, &["GET", "slow:key"]);
    append_request(&mut bytes, &["MGET", "slow:key", "absent", "slow:key"]);
    bytes.extend_from_slice(b"ECHO 'in line'\r\n");
    for byte in bytes.chunks(1) {
        client.send(byte);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.reply(), Reply::ok());
    assert_eq!(client.reply(), Reply::bulk("slow value"));
    let value = Reply::bulk("slow value");
    assert_eq!(client.reply(), Reply::Array(vec![value.clone(), Reply::Null, value]));
    assert_eq!(client.reply(), Reply::bulk("in line"));
}

#[test]
fn a_half_closed_connection_gets_all_its_replies() {
    const REQUESTS: usize = 20_000;
    for cores in [1, 3] {
        let server = Launch::cores(cores).start();
        let mut client = server.connect();
        let value = "v".repeat(500);
        let mut pipeline = Vec::new();
        (0..REQUESTS).for_each(|n| append_request(&mut pipeline, &["SET", &format!("key:{}", n % 100), &value, "GET"]));
        // Cut off in the middle of a request: what is whole is answered, the rest is dropped.
        append_request(&mut pipeline, &["SET", "key:0", "never"]);
        pipeline.truncate(pipeline.len() - 4);
        client.send(&pipeline);
        client.shut_down_sending();
        for number in 0..REQUESTS {
            let wanted = if number < 100 { Reply::Null } else { Reply::bulk(&value) };
            assert_eq!(client.reply(), wanted, "reply {number} with {cores} cores");
        }
        client.assert_closed();
        assert_eq!(server.connect().command("GET key:0").text(), value);
    }
}

/// Asks one after the other while something else goes on; returns the longest wait for a reply.
fn longest_wait_while(server: &Server, clients: usize, something: impl FnOnce()) -> Duration {
    let is_over = AtomicBool::new(false);
    let is_over = &is_over;
    std::thread::scope(|scope| {
        let observers: Vec<_> = (0..clients)
            .map(|number| {
                scope.spawn(move || {
                    let mut client = server.connect();
                    let key = format!("observer:{number}");
                    assert_eq!(client.call(&["SET", &key, &key]), Reply::ok());
                    let mut longest = Duration::ZERO;
                    while !is_over.load(Ordering::Relaxed) {
                        let started = Instant::now();
                        assert_eq!(client.call(&["GET", &key]).text(), key);
                        longest = longest.max(started.elapsed());
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    longest
                })
            })
            .collect();
        // A panic must end the observers too, or the scope would wait for them.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(something));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        observers.into_iter().map(|observer| observer.join().expect("it is served")).max().expect("there is one")
    })
}

#[test]
fn reset_connections_do_no_harm() {
    let server = Launch::cores(2).start();
    assert_eq!(server.connect().call(&["SET", "big", &"b".repeat(200_000)]), Reply::ok());
    let longest = longest_wait_while(&server, 2, || {
        let gets = resp::request(&["GET", "big"]).repeat(100);
        for round in 0..150 {
            let mut client = server.connect();
            client.send(if round % 3 == 0 { b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc" } else { &gets });
            client.reset();
        }
    });
    assert!(longest < LATENCY_MAX, "{longest:?}");
    let mut client = server.connect();
    wait_until_alone(&mut client);
}

#[test]
fn thousands_of_short_connections_do_no_harm() {
    let server = Launch::cores(3).start();
    let longest = longest_wait_while(&server, 4, || {
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let server = &server;
                scope.spawn(move || {
                    for round in 0..1_000 {
                        let mut client = server.connect();
                        match (round + thread) % 4 {
                            0 => {}
                            1 => assert_eq!(client.command("PING").text(), "PONG"),
                            2 => {
                                client.send(b"QUIT\r\n");
                                assert_eq!(client.read_until_close(), b"+OK\r\n");
                            }
                            // Resets leave no socket behind that waits for the end of its time.
                            _ => client.reset(),
                        }
                    }
                });
            }
        });
    });
    assert!(longest < LATENCY_MAX, "{longest:?}");
    let mut client = server.connect();
    wait_until_alone(&mut client);
    let info = client.command("INFO stats").text();
    let received = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).expect("a field");
    assert_eq!(received, "3005");
}

/// What the server keeps for a client that reads nothing, before it stops reading that client.
const KEPT_MAX: u64 = 256 * MIB;

/// Asks for 40 GB of replies and reads nothing until the server stops reading; returns the highest resident memory.
fn be_greedy(server: &Server, pipeline: &[u8]) -> u64 {
    let mut greedy = server.connect();
    greedy.stream().set_write_timeout(Some(Duration::from_secs(2))).expect("a limit can be set");
    let mut highest = 0;
    for _ in 0..1_000 {
        let is_taken = greedy.try_send(pipeline);
        highest = highest.max(server.resident_bytes());
        if !is_taken {
            return highest;
        }
    }
    panic!("the server does not stop reading");
}

/// Keys `key:0` to `key:15` with values of this length, and a pipeline that reads them in turn.
fn seed_values(server: &Server, len: usize, gets: usize) -> Vec<u8> {
    let (mut seed, value) = (server.connect(), "v".repeat(len));
    (0..16).for_each(|n| assert_eq!(seed.call(&["SET", &format!("key:{n}"), &value]), Reply::ok()));
    let mut pipeline = Vec::new();
    (0..gets).for_each(|n| append_request(&mut pipeline, &["GET", &format!("key:{}", n % 16)]));
    pipeline
}

fn wait_until_alone(client: &mut Client) {
    wait_until("all others are gone", || client.command("INFO clients").text().contains("connected_clients:1\r\n"));
}

#[test]
fn replies_that_are_never_read_are_bounded() {
    let server = Launch::cores(2).start();
    let pipeline = seed_values(&server, 20_000, 2_000);
    let before = server.resident_bytes();
    let mut highest = 0;
    let longest = longest_wait_while(&server, 3, || highest = be_greedy(&server, &pipeline));
    let grown = highest.saturating_sub(before) / MIB;
    println!("at most {grown} MiB more, longest wait {longest:?}");
    // The buffer grows by doubling: while it moves, the old one and the new one are there.
    assert!(grown * MIB < 3 * KEPT_MAX + 64 * MIB, "{grown} MiB");
    assert!(longest < LATENCY_MAX, "{longest:?}");
    wait_until_alone(&mut server.connect());
    assert_alive(&server);
}

#[test]
fn memory_of_a_greedy_client_is_given_back() {
    let server = Launch::cores(2).start();
    let pipeline = seed_values(&server, 20_000, 2_000);
    let before = server.resident_bytes();
    be_greedy(&server, &pipeline);
    wait_until("memory is given back", || server.resident_bytes() < before + 64 * MIB);
}

#[test]
fn large_replies_of_other_cores_are_bounded() {
    let server = Launch::cores(2).start();
    let pipeline = seed_values(&server, 500_000, 2_000);
    let before = server.resident_bytes();
    let grown = be_greedy(&server, &pipeline).saturating_sub(before) / MIB;
    assert!(grown * MIB < 3 * KEPT_MAX + 64 * MIB, "{grown} MiB");
}

#[test]
fn a_greedy_client_is_served_when_it_reads_at_last() {
    const REQUESTS: usize = 40_000;
    let server = Launch::cores(2).start();
    let value = "v".repeat(20_000);
    let mut client = server.connect();
    (0..16).for_each(|n| assert_eq!(client.call(&["SET", &format!("key:{n}"), &value]), Reply::ok()));
    let mut pipeline = Vec::new();
    (0..REQUESTS).for_each(|n| append_request(&mut pipeline, &["GET", &format!("key:{}", n % 16)]));
    // 800 MB of replies, more than the server keeps.
    let mut sender = client.stream().try_clone().expect("the socket can be shared");
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &pipeline));
    std::thread::sleep(Duration::from_millis(700));
    let wanted = format!("$20000\r\n{value}\r\n");
    for number in 0..REQUESTS {
        assert!(client.read_exactly(wanted.len()) == wanted.as_bytes(), "reply {number}");
    }
    sending.join().expect("no panic").expect("everything was sent");
    assert_eq!(client.command("PING").text(), "PONG");
}

/// A limit that the client's output exceeds closes it, as Redis does. (Replies of another core would wait for room below the limit.)
#[test]
fn the_output_limit_closes_a_client() {
    let server = Launch::cores(1)
        .argument("--client-output-buffer-limit")
        .argument("normal")
        .with("10mb", "0")
        .argument("0")
        .start();
    let mut client = server.connect();
    assert_eq!(client.call(&["SET", "key", &"v".repeat(100_000)]), Reply::ok());
    client.send(&resp::request(&["GET", "key"]).repeat(1_000));
    wait_until("the client is closed", || {
        server.connect().command("INFO clients").text().contains("connected_clients:1\r\n")
    });
    assert!(client.read_until_close().len() < 90_000_000);
    assert_alive(&server);
}

/// What one request makes counts before any of it is sent: the client gets nothing, and the transaction has run.
#[test]
fn a_reply_over_the_output_limit_is_not_sent() {
    for cores in [1, 2] {
        let server = Launch::cores(cores).start();
        let mut other = server.connect();
        assert_eq!(other.call(&["SET", "key", &"v".repeat(100_000)]), Reply::ok());
        assert_eq!(other.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0"]), Reply::ok());
        for words in [&["GET", "key"][..], &["MGET", "key", "absent"]] {
            let mut client = server.connect();
            client.send(&resp::request(words));
            assert_eq!(client.read_until_close(), b"", "{words:?}");
        }
        let mut client = server.connect();
        for words in [&["MULTI"][..], &["GET", "key"], &["SET", "done", "yes"]] {
            assert!(["OK", "QUEUED"].contains(&client.call(words).text().as_str()));
        }
        client.send(&resp::request(&["EXEC"]));
        assert_eq!(client.read_until_close(), b"");
        assert_eq!(other.command("GET done").text(), "yes");
        assert_alive(&server);
    }
}

/// A client that has not logged in may not leave its replies lying about.
#[test]
fn a_client_without_login_is_owed_little() {
    let server = Launch::cores(1).with("--requirepass", "secret").start();
    let client = server.connect();
    let mut sender = client.stream();
    let requests = resp::request(&["SET", "x", "5"]).repeat(10_000);
    // Replies of 32 bytes fill the sockets' buffers after some megabytes; then the server closes.
    let sent = (0..1_000).take_while(|_| std::io::Write::write_all(&mut sender, &requests).is_ok()).count();
    assert!(sent < 1_000, "300 MB of requests were taken");
}

#[test]
fn declared_lengths_cost_nothing() {
    let server = Launch::cores(2).without_huge_pages().start();
    server.touch_receive_buffers();
    let before = server.resident_bytes();
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 0 {
            client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$536870912\r\n");
        } else {
            client.send(b"*1000000\r\n$4\r\nMGET\r\n");
        }
    }
    // Every connection has been read when a later one on the same cores is answered.
    (0..20).for_each(|_| assert_alive(&server));
    let grown = server.resident_bytes().saturating_sub(before);
    println!("{} KiB for 200 connections", grown / 1024);
    assert!(grown < 4 * MIB, "{grown} bytes for 200 requests that only began");
}

#[test]
fn requests_of_a_million_arguments_are_answered() {
    const KEYS: usize = 1_000_000;
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let mut bytes = format!("*{}\r\n$6\r\nEXISTS\r\n", KEYS + 1).into_bytes();
    (0..KEYS).for_each(|n| bytes.extend_from_slice(format!("$7\r\n{n:07}\r\n").as_bytes()));
    assert_eq!(client.command("SET 0000042 answer"), Reply::ok());
    client.send(&bytes);
    assert_eq!(client.reply(), Reply::Integer(1));
    assert_alive(&server);
}

#[test]
fn the_query_buffer_limit_closes_a_client() {
    let server = Launch::cores(1).with("--client-query-buffer-limit", "1mb").start();
    let mut client = server.connect();
    client.try_send(b"*2\r\n$4\r\nECHO\r\n$20000000\r\n");
    client.try_send(&b"x".repeat(8_000_000));
    client.assert_closed();
    assert_alive(&server);
}

/// A table of descriptors that is full: no connection is lost that is there, none hangs that comes.
#[test]
fn a_full_descriptor_table_refuses_and_recovers() {
    const DESCRIPTORS: u64 = 120;
    let server = Launch::cores(2).open_files_max(DESCRIPTORS).start();
    assert!(server.log().contains("the limit of open files is 120"), "the limit is in force");
    // maxclients was lowered to fit. With an even lower limit from outside, the table is what is full.
    server.limit_open_files(DESCRIPTORS / 2);
    let mut clients = vec![server.connect()];
    let mut refused = 0;
    for _ in 0..DESCRIPTORS {
        let mut client = server.connect();
        client.try_send(b"PING\r\n");
        match client.try_reply() {
            Some(Reply::Simple(pong)) if pong == "PONG" => clients.push(client),
            Some(Reply::Error(error)) if error == "ERR max number of clients reached" => refused += 1,
            None => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0 && clients.len() > 20, "{} connected, {refused} refused", clients.len());
    for client in &mut clients {
        assert_eq!(client.command("PING").text(), "PONG");
    }
    clients.truncate(10);
    wait_until("new connections are served", || {
        let mut client = server.connect();
        client.try_send(b"PING\r\n");
        client.try_reply().is_some_and(|reply| reply.text() == "PONG")
    });
    for client in &mut clients {
        assert_eq!(client.command("SET key value"), Reply::ok());
    }
}

#[test]
fn maxclients_is_lowered_to_the_limit_of_open_files() {
    let server = Launch::cores(1).open_files_max(100).start();
    assert!(server.log().contains("the limit of open files is 100"), "the limit is in force");
    let mut kept = Vec::new();
    let started = Instant::now();
    let refusal = loop {
        let mut client = server.connect();
        client.try_send(b"PING\r\n");
        match client.reply() {
            Reply::Simple(_) => kept.push(client),
            other => break other,
        }
        assert!(started.elapsed() < LIMIT);
    };
    assert_eq!(refusal.text(), "ERR max number of clients reached");
    let shown = kept[0].command("CONFIG GET maxclients").elements()[1].text();
    assert_eq!(shown, kept.len().to_string());
}
