//! Starting and stopping the real binary: options, ports, limits, the admin interface, logins.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::resp::{self, Reply};
use common::{Client, Directory, LIMIT, Launch, Server, is_uring_denied, wait_until};

#[track_caller]
fn assert_start_fails(launch: Launch, parts: &[&str]) {
    let (status, printed) = launch.run_to_end();
    assert_eq!(status.code(), Some(1), "{printed}");
    for part in parts {
        assert!(printed.contains(part), "{part:?} is not in:\n{printed}");
    }
}

#[test]
fn the_kernels_score_follows_the_configuration() {
    let score_of = |server: &Server| -> i32 {
        let path = format!("/proc/{}/oom_score_adj", server.pid());
        std::fs::read_to_string(path).expect("the process runs").trim().parse().expect("a number")
    };
    // Only a higher score can be had without rights.
    let server = Launch::cores(2).start();
    let (found, mut client) = (score_of(&server), server.connect());
    for (words, wanted) in [
        (["oom-score-adj-values", "10 20 30"], found),
        (["oom-score-adj", "yes"], found + 10),
        (["oom-score-adj-values", "15 20 30"], found + 15),
        (["oom-score-adj", "absolute"], 15),
        (["oom-score-adj", "no"], found),
    ] {
        // Below what a process was given once it gets only with rights.
        let reply = client.call(&[["CONFIG", "SET"], words].concat());
        if reply == Reply::ok() {
            assert_eq!(score_of(&server), wanted.min(1000), "{words:?}");
        } else {
            assert!(reply.text().contains("Failed to apply new oom-score-adj configuration"), "{reply:?}");
            assert!(wanted < found + 15, "{words:?}");
        }
    }
    let server = Launch::cores(1)
        .with("--oom-score-adj", "relative")
        .with("--oom-score-adj-values", "7")
        .argument("7")
        .argument("7")
        .start();
    assert_eq!(score_of(&server), (found + 7).min(1000));
}

#[test]
fn the_log_tells_what_starts_and_ends() {
    let server = Launch::cores(2).start();
    let port = server.port();
    let log = server.finish();
    let mode = if is_uring_denied() { "epoll (" } else { "io_uring full (" };
    let started = format!("* Torc {} started: 2 cores, port {port}, {mode}", env!("CARGO_PKG_VERSION"));
    let mut rest = log.as_str();
    for part in [started.as_str(), " PID: ", "Server initialized", "Ready to accept connections", "bye bye"] {
        let place = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in its place in:\n{log}"));
        rest = &rest[place..];
    }
    assert!(Launch::cores(1).start().finish().contains("started: 1 core, port"));
}

#[test]
fn signals_end_the_process_while_clients_are_connected_and_busy() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let server = Launch::cores(2).start();
        let mut idle = server.connect();
        assert_eq!(idle.command("SET key value"), Reply::ok());
        let mut busy = server.connect();
        let pipeline = resp::request(&["GET", "key"]).repeat(10_000);
        busy.send(&pipeline);
        server.signal(signal);
        server.assert_clean_exit();
        idle.assert_closed();
        busy.read_until_close();
    }
}

#[test]
fn shutdown_ends_the_process_without_a_reply() {
    for line in ["SHUTDOWN NOSAVE", "SHUTDOWN", "shutdown nosave now force"] {
        let server = Launch::cores(3).start();
        let (mut other, mut client) = (server.connect(), server.connect());
        assert_eq!(other.command("PING"), Reply::Simple("PONG".to_owned()));
        client.send(&resp::request(&line.split(' ').collect::<Vec<_>>()));
        client.assert_closed();
        other.assert_closed();
        assert!(server.assert_clean_exit().contains("bye bye"));
    }
    let server = Launch::cores(1).start();
    assert_eq!(server.connect().command("SHUTDOWN SOON"), Reply::Error("ERR syntax error".to_owned()));
}

#[test]
fn version_and_help_are_printed() {
    for option in ["--version", "-v"] {
        let (status, printed) = Launch::bare().argument(option).run_to_end();
        assert!(status.success());
        assert_eq!(printed, format!("Torc {}\n", env!("CARGO_PKG_VERSION")));
    }
    let (status, printed) = Launch::bare().argument("--help").run_to_end();
    assert!(status.success());
    assert!(printed.contains("Usage: torc") && printed.contains("--cores N"), "{printed}");
}

#[test]
fn bad_options_are_named_with_their_place() {
    let bare = || Launch::bare();
    assert_start_fails(
        bare().with("--maxclient", "70"),
        &["torc: argument 1: unknown directive 'maxclient'; did you mean 'maxclients'?"],
    );
    assert_start_fails(
        bare().with("--cores", "1").with("--maxclients", "many"),
        &["argument 3: maxclients: expected an integer from 1 to 4294967295, got 'many'"],
    );
    assert_start_fails(bare().with("--port", "65536"), &["argument 1: port:", "from 0 to 65535", "got '65536'"]);
    assert_start_fails(bare().with("--core-ports", "maybe"), &["core-ports: expected yes or no, got 'maybe'"]);
    assert_start_fails(bare().argument("/nonexistent/torc.conf"), &["'/nonexistent/torc.conf'", "No such file"]);

    let directory = Directory::new("bad-options");
    let file = directory.file("bad.conf", "# first\ncores 1\n\ntimeout soon\n");
    let place = format!("{file}:4: timeout: expected an integer from 0");
    assert_start_fails(bare().argument(&file), &[&place, "got 'soon'"]);
    let file = directory.file("quotes.conf", "requirepass \"open\n");
    assert_start_fails(bare().argument(&file), &[&format!("{file}:1: unbalanced quotes")]);
    assert_start_fails(
        bare().argument("-").stdin("\nbnd 127.0.0.1\n"),
        &["(standard input):2: unknown directive 'bnd'"],
    );
    let log_file = bare().with("--logfile", "/nonexistent/torc.log").with("--port", "0");
    assert_start_fails(log_file, &["/nonexistent/torc.log", "No such file"]);
}

#[test]
fn file_then_standard_input_then_arguments() {
    let directory = Directory::new("config-file");
    let file = directory.file("torc.conf", "timeout 11\ntcp-keepalive 12\nmaxclients 13\ncores 2\n");
    let launch = Launch::default().argument(&file).argument("-").stdin("tcp-keepalive 22\nmaxclients 23\n");
    let server = launch.with("--maxclients", "33").start();
    let mut client = server.connect();
    let mut value = |name: &str| client.call(&["CONFIG", "GET", name]).elements()[1].text();
    assert_eq!(value("timeout"), "11");
    assert_eq!(value("tcp-keepalive"), "22");
    assert_eq!(value("maxclients"), "33");
    assert_eq!(value("cores"), "2");
    assert_eq!(value("bind"), "127.0.0.1");
    assert!(server.log().contains(" 2 cores"));
    let info = client.command("INFO server").text();
    assert!(info.contains(&format!("config_file:{file}\r\n")), "{info}");
    assert!(info.contains(&format!("process_id:{}\r\n", server.pid())), "{info}");
}

#[test]
fn directives_without_effect_are_reported() {
    let launch = Launch::cores(1).with("--repl-timeout", "5").with("--slaveof", "b 1").with("--save", "");
    let log = launch.start().finish();
    let warning = log.lines().find(|line| line.contains("does not honour yet")).expect("a warning");
    assert!(
        warning.contains(" # ") && warning.contains("repl-timeout (argument 3), slaveof (argument 5)"),
        "{warning}"
    );
    assert!(!warning.contains("save"), "{warning}");
    assert!(log.contains("this server does NOT follow another"), "{log}");
    assert!(!Launch::cores(1).start().finish().contains("honour"));
}

#[test]
fn a_log_file_takes_the_log() {
    let directory = Directory::new("log-file");
    let path = directory.path("torc.log");
    let launch = Launch::bare().with("--port", "0").with("--cores", "1").with("--logfile", &path);
    let socket = directory.path("torc.sock");
    let launch = launch.with("--unixsocket", &socket);
    // Nothing is printed, so the start cannot be waited for as usual: the process is asked to stop from a thread.
    let stopper = std::thread::spawn(move || {
        wait_until("the unix socket is there", || UnixStream::connect(&socket).is_ok());
        let mut stream = UnixStream::connect(&socket).expect("it listens");
        stream.write_all(b"SHUTDOWN NOSAVE\r\n").expect("it reads");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        assert_eq!(stream.read(&mut [0]).expect("it ends in time"), 0);
    });
    let (status, printed) = launch.run_to_end();
    stopper.join().expect("the server was stopped");
    assert!(status.success());
    assert_eq!(printed, "");
    let log = std::fs::read_to_string(&path).expect("the log file exists");
    assert!(log.contains("Ready to accept connections") && log.contains("bye bye"), "{log}");
}

#[test]
fn a_unix_socket_alone_serves() {
    let directory = Directory::new("unix-socket");
    let path = directory.path("torc.sock");
    let launch = || Launch::bare().with("--port", "0").with("--cores", "2").with("--unixsocket", &path);
    let server = launch().with("--unixsocketperm", "700").start();
    assert!(server.log().contains("port 0"), "{}", server.log());
    let mode = std::fs::metadata(&path).expect("the socket exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for _ in 0..4 {
        let mut stream = UnixStream::connect(&path).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        stream.write_all(b"INCR counter\r\nPING\r\n").expect("it reads");
        let mut reply = [0; 11];
        stream.read_exact(&mut reply).expect("it answers");
        assert!(reply.ends_with(b"\r\n+PONG\r\n"), "{reply:?}");
    }
    let taken = launch().run_to_end();
    assert_eq!(taken.0.code(), Some(1), "{}", taken.1);
    assert!(taken.1.contains("Failed opening Unix socket: bind:"), "{}", taken.1);
    server.finish();
    assert!(!std::path::Path::new(&path).exists(), "the socket is removed at the end");
    // What a process that crashed left is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    launch().start();
}

#[test]
fn a_taken_port_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let launch = || Launch::bare().with("--bind", "127.0.0.1").with("--cores", "2");
    let message = format!("Failed listening on port {port} (tcp), aborting");
    assert_start_fails(launch().with("--port", &port.to_string()), &[&message, "Address already in use"]);

    let server = Launch::cores(2).with("--core-ports", "yes").start();
    for port in [server.port(), server.core_port(1)] {
        let message = format!("Failed listening on port {port} (tcp), aborting");
        assert_start_fails(launch().with("--port", &port.to_string()), &[&message]);
    }
    let directory = Directory::new("taken-admin-port");
    let admin = launch().with("--port", "0").with("--unixsocket", &directory.path("torc.sock"));
    let (status, printed) = admin.with("--admin-port", &server.admin_port().to_string()).run_to_end();
    assert_eq!(status.code(), Some(1), "{printed}");
    let place = format!("admin address 127.0.0.1:{}: Address already in use", server.admin_port());
    assert!(printed.contains(&place), "{printed}");
    assert!(!printed.contains("Server initialized"), "{printed}");
    assert_eq!(server.connect().command("PING").text(), "PONG");
}

#[test]
fn clients_beyond_maxclients_are_refused() {
    let server = Launch::cores(2).with("--maxclients", "5").start();
    let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.command("PING").text(), "PONG");
    }
    for _ in 0..10 {
        let refused = server.connect().read_until_close();
        assert_eq!(String::from_utf8_lossy(&refused), "-ERR max number of clients reached\r\n");
    }
    let info = clients[0].command("INFO stats").text();
    assert!(info.contains("rejected_connections:10\r\n"), "{info}");
    clients.truncate(4);
    wait_until("a place is free", || {
        let mut client = server.connect();
        client.send(b"PING\r\n");
        client.read_exactly(5) == b"+PONG"
    });
    assert_eq!(clients[0].command("CONFIG SET maxclients 100"), Reply::ok());
    wait_until("every core knows the new limit", || {
        let mut more: Vec<Client> = (0..20).map(|_| server.connect()).collect();
        more.iter_mut().all(|client| {
            let sent = client.try_send(b"PING\r\n");
            sent && client.read_exactly(5) == b"+PONG"
        })
    });
}

#[test]
fn the_admin_interface_answers() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    for number in 0..100 {
        assert_eq!(client.call(&["SET", &format!("key:{number}"), "value"]), Reply::ok());
    }
    wait_until("every core has come round", || server.http("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(server.http("/nothing").starts_with("HTTP/1.1 404 "));
    let sum = |metrics: &str, name: &str| -> Option<f64> {
        let lines = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        lines.map(|line| line.rsplit(' ').next().and_then(|word| word.parse::<f64>().ok())).sum()
    };
    wait_until("the counters are published", || {
        let metrics = server.http("/metrics");
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        metrics.contains("# EOF") && sum(&metrics, "torc_keys") == Some(100.0)
    });
    let metrics = server.http("/metrics");
    assert_eq!(sum(&metrics, "torc_connections"), Some(1.0), "{metrics}");
}

#[test]
fn health_is_that_of_the_cores() {
    let server = Launch::cores(2).with("--enable-debug-command", "yes").start();
    let is_well = || server.http("/healthz").starts_with("HTTP/1.1 200 ");
    wait_until("every core has come round", is_well);
    let mut client = server.connect();
    client.send(&resp::request(&["DEBUG", "SLEEP", "2.5"]));
    wait_until("a core that sleeps is noticed", || server.http("/healthz").starts_with("HTTP/1.1 503 "));
    assert_eq!(client.reply(), Reply::ok());
    wait_until("the core is awake", is_well);
}

#[test]
fn each_core_has_a_port_and_redirects() {
    let server = Launch::cores(3).with("--core-ports", "yes").start();
    let mut client = server.connect();
    let slots = client.command("CLUSTER SLOTS");
    let mut covered = 0;
    for (core, range) in (0u16..).zip(slots.elements()) {
        let [first, last, node, ..] = range.elements() else { panic!("{range:?}") };
        assert_eq!(first.integer(), covered);
        covered = last.integer() + 1;
        assert_eq!(node.elements()[0].text(), "127.0.0.1");
        assert_eq!(node.elements()[1], Reply::Integer(i64::from(server.core_port(core))));
    }
    assert_eq!((slots.elements().len(), covered), (3, 16384));

    let mut cores: Vec<Client> = (0..3).map(|core| Client::connect(server.core_port(core))).collect();
    for number in 0..60 {
        let key = format!("key:{number}");
        let slot = client.call(&["CLUSTER", "KEYSLOT", &key]).integer();
        let owner = (slot as usize * 3) / 16384;
        for (core, connection) in cores.iter_mut().enumerate() {
            let reply = connection.call(&["SET", &key, &format!("from {core}")]);
            if core == owner {
                assert_eq!(reply, Reply::ok());
            } else {
                let port = server.core_port(owner as u16);
                assert_eq!(reply, Reply::Error(format!("MOVED {slot} 127.0.0.1:{port}")));
            }
        }
        // The common port serves every key.
        assert_eq!(client.call(&["GET", &key]), Reply::bulk(format!("from {owner}")));
    }
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = Launch::cores(2).with("--timeout", "1").start();
    let (mut idle, mut active) = (server.connect(), server.connect());
    let started = Instant::now();
    assert_eq!(idle.command("PING").text(), "PONG");
    idle.stream().set_nonblocking(true).expect("it can be set");
    loop {
        assert_eq!(active.command("PING").text(), "PONG");
        match idle.stream().peek(&mut [0]) {
            Ok(0) => break,
            Ok(_) => panic!("nothing is sent to an idle client"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(started.elapsed() < LIMIT, "the idle client is not closed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(started.elapsed() > Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(active.command("PING").text(), "PONG");
}

#[test]
fn a_password_is_asked_for() {
    let server = Launch::cores(2).with("--requirepass", "open sesame").start();
    let mut client = server.connect();
    for line in ["GET key", "INFO", "MULTI", "DBSIZE", "CONFIG GET port"] {
        assert_eq!(client.command(line), Reply::Error("NOAUTH Authentication required.".to_owned()), "{line}");
    }
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(client.command("AUTH wrong"), Reply::Error(wrong.to_owned()));
    assert_eq!(client.call(&["AUTH", "somebody", "open sesame"]), Reply::Error(wrong.to_owned()));
    assert_eq!(client.call(&["HELLO", "2", "AUTH", "default", "wrong"]), Reply::Error(wrong.to_owned()));
    assert!(client.command("HELLO 3").text().starts_with("NOAUTH HELLO must be called with the client already"));
    assert_eq!(client.call(&["AUTH", "open sesame"]), Reply::ok());
    assert_eq!(client.command("SET key value"), Reply::ok());

    let mut client = server.connect();
    let greeting = client.call(&["HELLO", "2", "AUTH", "default", "open sesame", "SETNAME", "tester"]);
    assert_eq!(greeting.elements()[0].text(), "server");
    assert_eq!(client.command("CLIENT GETNAME").text(), "tester");
    assert_eq!(client.command("GET key").text(), "value");

    // Before a login, requests are kept small.
    let mut stranger = server.connect();
    stranger.send(b"*11\r\n");
    assert_eq!(stranger.reply().text(), "ERR Protocol error: unauthenticated multibulk length");
    stranger.assert_closed();
    let mut stranger = server.connect();
    stranger.send(b"*2\r\n$3\r\nGET\r\n$16385\r\n");
    assert_eq!(stranger.reply().text(), "ERR Protocol error: unauthenticated bulk length");
    stranger.assert_closed();
}

/// Whether the server's end of this connection has a keepalive timer, from the kernel's table of sockets.
fn has_keepalive_timer(server: &Server, client: &Client) -> bool {
    let port = client.stream().local_addr().expect("it is connected").port();
    let ends = format!("0100007F:{:04X} 0100007F:{port:04X} 01 ", server.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel shows its sockets");
    let line = table.lines().find(|line| line.contains(&ends)).expect("the connection is there");
    // tx_queue:rx_queue comes first, then kind of timer and when it fires; kind 2 is keepalive.
    let rest = &line[line.find(&ends).expect("just found") + ends.len()..];
    rest.split_whitespace().nth(1).is_some_and(|timer| timer.starts_with("02:"))
}

#[test]
fn accepted_sockets_are_kept_alive() {
    for (setting, wanted) in [("300", true), ("0", false)] {
        let server = Launch::cores(1).with("--tcp-keepalive", setting).start();
        let mut client = server.connect();
        assert_eq!(client.command("PING").text(), "PONG");
        wait_until("all that was sent is acknowledged", || has_keepalive_timer(&server, &client) == wanted);
    }
}
