//! Encrypted connections over real sockets: what is served, who is let in, what happens to certificates while clients are there, and
//! what becomes of those who speak something else.

mod common;
#[path = "tls/client.rs"]
mod tls_client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use common::resp::{Reply, append_request};
use common::{Client, Launch, Server, wait_until};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tls_client::{Authority, Site, TlsClient, without_resumption};

fn figure(server: &Server, name: &str) -> u64 {
    server.connect().info(name).parse().expect("it is a number")
}

#[test]
fn clients_are_served_as_on_the_other_port() {
    for cores in [1, 2] {
        let site = Site::new(&format!("served-{cores}"));
        let server = site.launch(cores, "no").start();
        let mut clients: Vec<TlsClient> = (0..4).map(|_| site.connect(server.tls_port())).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.command(&format!("SET key:{index} {index}")), Reply::ok());
            assert_eq!(client.command("GET key:0"), Reply::bulk("0"));
        }
        let mut plain = server.connect();
        assert_eq!(plain.command("GET key:3"), Reply::bulk("3"));
        // Much longer than a record, both ways.
        let value = vec![b'v'; 10 << 20];
        assert_eq!(clients[0].call(&[&b"SET"[..], b"long", &value[..]]), Reply::ok());
        assert_eq!(clients[1].command("GET long"), Reply::bulk(&value));
        assert_eq!(clients[2].call(&[&b"APPEND"[..], b"long", &value[..]]).integer(), 20 << 20);
        let mut pipeline = Vec::new();
        (0..20_000).for_each(|number| append_request(&mut pipeline, &["RPUSH", "list", &number.to_string()]));
        clients[3].send(&pipeline);
        (1..=20_000).for_each(|length| assert_eq!(clients[3].reply().integer(), length));
        assert_eq!(clients[0].command("LRANGE list 0 -1").elements().len(), 20_000);
        assert_eq!(figure(&server, "torc_tls_handshakes"), 4);
    }
}

#[test]
fn the_encrypted_port_may_be_the_only_one() {
    let site = Site::new("only");
    let server = site.launch(1, "no").with_only_tls().start();
    assert_eq!(site.connect(server.tls_port()).command("ECHO hello"), Reply::bulk("hello"));
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
}

#[test]
fn other_addresses_and_ports_leave_it_apart() {
    let site = Site::new("apart");
    let server = site.launch(2, "no").start();
    let mut client = server.connect();
    let clash = format!("CONFIG SET port {}", server.tls_port());
    let refusal = client.command(&clash).text();
    assert!(refusal.ends_with("'port') - Unable to listen on this port. Check server logs."), "{refusal}");
    assert!(
        client.call(&["CONFIG", "SET", "bind", "*", "port", &server.tls_port().to_string()]).text().starts_with("ERR")
    );
    client.call(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"]);
    assert!(TcpStream::connect(("127.0.0.2", server.tls_port())).is_ok(), "it is on these addresses too");
    client.ok("CONFIG SET port 0");
    for _ in 0..20 {
        assert_eq!(site.connect(server.tls_port()).command("PING").text(), "PONG");
    }
}

#[test]
fn both_sides_end_a_connection_as_tls_wants_it() {
    let site = Site::new("ends");
    let server = site.launch(1, "no").start();
    let mut client = site.connect(server.tls_port());
    assert_eq!(client.command("QUIT"), Reply::ok());
    // Without a close notification this would be an error.
    assert_eq!(client.try_reply().expect("the end was announced"), None);
    // A client that only leaves is gone, too.
    drop(site.connect(server.tls_port()));
    let mut watcher = server.connect();
    wait_until("nobody else is connected", || watcher.info("connected_clients") == "1");
}

#[test]
fn clients_are_asked_for_certificates() {
    let site = Site::new("asked");
    let (good, stranger) = (site.authority.sign("client", &[]), Authority::new().sign("client", &[]));
    for (auth_clients, without, with_good, with_strange) in
        [("yes", false, true, false), ("optional", true, true, false), ("no", true, true, true)]
    {
        let server = site.launch(1, auth_clients).start();
        let try_with = |own| TlsClient::connect(server.tls_port(), &Arc::new(site.client_config(own))).is_ok();
        assert_eq!(try_with(None), without, "{auth_clients}");
        assert_eq!(try_with(Some(&good)), with_good, "{auth_clients}");
        assert_eq!(try_with(Some(&stranger)), with_strange, "{auth_clients}");
        let refused = [without, with_good, with_strange].iter().filter(|&&is_in| !is_in).count() as u64;
        wait_until("failures are counted", || figure(&server, "torc_tls_handshakes_failed") == refused);
    }
}

#[test]
fn certificates_log_users_in() {
    let site = Site::new("users");
    let server = site.launch(2, "optional").with("--tls-auth-clients-user", "CN").start();
    let mut admin = server.connect();
    admin.ok("ACL SETUSER bob on +@all ~bob:*");
    admin.ok("ACL SETUSER off off +@all ~*");
    let who = |name: &str, uris: &[&str]| {
        let config = site.client_config(Some(&site.authority.sign(name, uris)));
        TlsClient::connect(server.tls_port(), &Arc::new(config)).expect("it is let in").command("ACL WHOAMI").text()
    };
    assert_eq!(who("bob", &[]), "bob");
    assert_eq!(who("nobody", &[]), "default");
    assert_eq!(who("off", &[]), "default");
    assert_eq!(site.connect(server.tls_port()).command("ACL WHOAMI").text(), "default");
    assert_eq!(admin.info("acl_access_denied_tls_cert"), "2");
    let log = admin.command("ACL LOG");
    let oldest = log.elements()[1].elements();
    assert!(oldest.contains(&Reply::bulk("tls-cert")) && oldest.contains(&Reply::bulk("nobody")), "{log:?}");
    admin.ok("CONFIG SET tls-auth-clients-user URI");
    admin.ok("ACL SETUSER spiffe://site/alice on nopass +@all");
    assert_eq!(who("bob", &["urn:other", "spiffe://site/alice"]), "spiffe://site/alice");
    // The user of a certificate has no more rights than it was given, and needs no password.
    admin.ok("ACL SETUSER default off");
    let config = site.client_config(Some(&site.authority.sign("x", &["spiffe://site/alice"])));
    let mut alice = TlsClient::connect(server.tls_port(), &Arc::new(config)).expect("it is let in");
    assert!(alice.command("GET key").text().starts_with("NOPERM "));
}

#[test]
fn certificates_are_renewed_while_clients_are_served() {
    let site = Site::new("renewed");
    let server = site.launch(2, "no").start();
    let mut admin = server.connect();
    let mut old = site.connect(server.tls_port());
    let first = old.server_certificate();
    let serial = admin.info("tls_server_cert_serial");
    site.renew();
    assert_eq!(site.connect(server.tls_port()).server_certificate(), first, "nobody has asked");
    admin.ok(&format!("CONFIG SET tls-cert-file {}", site.folder.path("cert.pem")));
    let second = site.connect(server.tls_port()).server_certificate();
    assert_ne!(second, first);
    assert_eq!(old.command("PING").text(), "PONG", "who is there stays");
    wait_until("INFO shows the new one", || admin.info("tls_server_cert_serial") != serial);
    assert!(admin.info("tls_server_cert_expires_in_seconds").parse::<i64>().expect("a number") > 0);
    // What cannot be used changes nothing.
    site.write("cert.pem", "nonsense");
    for change in [
        "tls-key-file /nowhere",
        "tls-ciphers RC4-MD5",
        "tls-protocols TLSv1.0",
        "tls-auth-clients yes tls-ca-cert-file /nowhere",
    ] {
        let error = admin.command(&format!("CONFIG SET maxclients 77 {change}")).text();
        let name = change.split(' ').next().expect("it has words");
        assert_eq!(
            error,
            format!(
                "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration. Check server logs."
            )
        );
    }
    assert_eq!(admin.command("CONFIG GET maxclients").elements()[1], Reply::bulk("10000"));
    // SAFETY: a signal to a child of ours.
    unsafe { libc::kill(server.pid() as i32, libc::SIGHUP) };
    wait_until("the log says so", || server.log().contains("Certificates and keys stay as they were: tls-cert-file: "));
    assert_eq!(site.connect(server.tls_port()).server_certificate(), second);
    site.renew();
    // SAFETY: as above.
    unsafe { libc::kill(server.pid() as i32, libc::SIGHUP) };
    wait_until("there is a third one", || site.connect(server.tls_port()).server_certificate() != second);
    let third = site.connect(server.tls_port()).server_certificate();
    admin.ok("CONFIG SET tls-auto-reload-interval 1");
    site.renew();
    wait_until("there is a fourth one", || site.connect(server.tls_port()).server_certificate() != third);
}

#[test]
fn sessions_are_resumed_where_that_is_wanted() {
    let site = Site::new("resumed");
    for version in [&TLS12, &TLS13] {
        let server = site.launch(2, "no").start();
        let config = Arc::new(site.client_config_of(None, &[version]));
        assert_eq!(TlsClient::connect(server.tls_port(), &config).expect("it is let in").kind(), HandshakeKind::Full);
        assert_eq!(
            TlsClient::connect(server.tls_port(), &config).expect("it is let in").kind(),
            HandshakeKind::Resumed
        );
        server.connect().ok("CONFIG SET tls-session-caching no");
        assert_eq!(TlsClient::connect(server.tls_port(), &config).expect("it is let in").kind(), HandshakeKind::Full);
        assert_eq!(TlsClient::connect(server.tls_port(), &config).expect("it is let in").kind(), HandshakeKind::Full);
    }
}

#[test]
fn versions_are_chosen() {
    let site = Site::new("versions");
    let server = site.launch(1, "no").with("--tls-protocols", "TLSv1.2").start();
    let try_with = |version| {
        TlsClient::connect(server.tls_port(), &without_resumption(site.client_config_of(None, &[version]))).is_ok()
    };
    assert!(try_with(&TLS12) && !try_with(&TLS13));
    server.connect().ok("CONFIG SET tls-protocols TLSv1.3");
    assert!(!try_with(&TLS12) && try_with(&TLS13));
}

#[test]
fn plain_text_gets_an_alert_and_the_end() {
    let site = Site::new("plain");
    let server = site.launch(1, "no").start();
    for text in
        [&b"SET key value\r\n"[..], b"*1\r\n$4\r\nPING\r\n", b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0xff, 0xff]]
    {
        let mut socket = TcpStream::connect(("127.0.0.1", server.tls_port())).expect("it is accepted");
        socket.write_all(text).expect("it is taken");
        let mut answer = Vec::new();
        // The rest of a record that does not come is not waited for.
        socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        let _ = socket.read_to_end(&mut answer);
        // An alert is a record of type 21.
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    assert_eq!(server.connect().command("EXISTS key").integer(), 0);
    wait_until("they are counted", || figure(&server, "torc_tls_handshakes_failed") == 4);
    assert_eq!(site.connect(server.tls_port()).command("PING").text(), "PONG");
}

#[test]
fn records_that_are_damaged_end_their_connection_only() {
    let site = Site::new("damaged");
    let server = site.launch(1, "no").start();
    let mut other = site.connect(server.tls_port());
    let mut client = site.connect(server.tls_port());
    client.socket().write_all(&[23, 3, 3, 0, 32]).expect("it is taken");
    client.socket().write_all(&[0; 32]).expect("it is taken");
    let error = client.try_reply().expect_err("an alert");
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert_eq!(other.command("PING").text(), "PONG");
}

#[test]
fn half_handshakes_give_way_to_others() {
    let site = Site::new("half");
    let server = site.launch(1, "no").start();
    let halves: Vec<TcpStream> =
        (0..1100).map(|_| TcpStream::connect(("127.0.0.1", server.tls_port())).expect("it is accepted")).collect();
    assert_eq!(site.connect(server.tls_port()).command("PING").text(), "PONG");
    // The oldest gave way: there is room for 1,024.
    let mut first = &halves[0];
    assert_eq!(first.read(&mut [0; 16]).expect("it was closed"), 0);
    drop(halves);
    let mut watcher = server.connect();
    wait_until("nobody else is counted", || {
        watcher.info("torc_tls_handshakes_failed") == "1100" && watcher.info("connected_clients") == "1"
    });
}

#[test]
fn who_reads_slowly_gets_everything() {
    let site = Site::new("slow");
    let server = site.launch(1, "no").start();
    let mut client = site.connect(server.tls_port());
    let value = vec![b'v'; 100_000];
    assert_eq!(client.call(&[&b"SET"[..], b"value", &value[..]]), Reply::ok());
    let mut pipeline = Vec::new();
    (0..500).for_each(|_| append_request(&mut pipeline, &["GET", "value"]));
    append_request(&mut pipeline, &["QUIT"]);
    client.send(&pipeline);
    // The server has long filled the socket.
    wait_until("its output waits", || {
        let list = server.connect().command("CLIENT LIST").text();
        list.lines().any(|line| !line.contains(" omem=0 "))
    });
    for _ in 0..500 {
        assert_eq!(client.reply(), Reply::bulk(&value));
    }
    assert_eq!(client.reply(), Reply::ok());
    assert_eq!(client.try_reply().expect("the end was announced"), None);
}

#[test]
fn a_start_without_material_says_what_is_missing() {
    let site = Site::new("starts");
    let with = |name: &str, value: &str| {
        let launch = Launch::cores(1).with_tls_port().with("--tls-cert-file", &site.folder.path("cert.pem"));
        let launch = launch.with("--tls-key-file", &site.folder.path("key.pem"));
        let (status, log) = launch.with("--tls-auth-clients", "no").with(name, value).run_to_end();
        assert!(!status.success());
        log
    };
    for (name, value, problem) in [
        ("--tls-cert-file", "", "tls-cert-file: an encrypted port needs a certificate, and none is named"),
        ("--tls-key-file", "/nowhere", "tls-key-file: '/nowhere' cannot be read"),
        ("--tls-auth-clients", "yes", "tls-ca-cert-file, tls-ca-cert-dir: certificates of clients are asked for"),
        ("--tls-protocols", "SSLv3", "tls-protocols: expected TLSv1.2 or TLSv1.3, got 'SSLv3'"),
    ] {
        let log = with(name, value);
        assert!(log.contains(&format!("torc: {problem}")), "{log}");
    }
}

#[test]
fn redis_cli_connects() {
    let site = Site::new("cli");
    let server = site.launch(2, "yes").start();
    let own = site.authority.sign("cli", &[]);
    site.write("client.pem", &own.certificate);
    site.write("client-key.pem", &own.key);
    let output = Command::new("redis-cli")
        .args([
            "--tls",
            "--cacert",
            &site.folder.path("ca.pem"),
            "-h",
            "127.0.0.1",
            "-p",
            &server.tls_port().to_string(),
        ])
        .args(["--cert", &site.folder.path("client.pem"), "--key", &site.folder.path("client-key.pem")])
        .args(["SET", "from", "cli"])
        .output()
        .expect("redis-cli is installed");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "OK\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Client::connect(server.port()).command("GET from"), Reply::bulk("cli"));
}

#[test]
fn the_admin_interface_may_be_encrypted() {
    let site = Site::new("admin");
    let server = site.launch(1, "no").with("--admin-tls", "yes").start();
    drop(site.connect(server.tls_port()));
    let config = Arc::new(site.client_config(None));
    let name = "localhost".try_into().expect("a good name");
    let session = rustls::ClientConnection::new(config, name).expect("good");
    let socket = TcpStream::connect(("127.0.0.1", server.admin_port())).expect("it is accepted");
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the end was announced");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\ntorc_tls_handshakes_total 1\n"), "{answer}");
    assert!(answer.contains("\ntorc_tls_certificate_expires_timestamp_seconds{certificate=\"server\"} "), "{answer}");
    // Plain text is no HTTP here.
    let mut plain = TcpStream::connect(("127.0.0.1", server.admin_port())).expect("it is accepted");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
