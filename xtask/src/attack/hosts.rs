//! The log and the admin port: what lies beside the clients' port.
//!
//! ```text
//!   log          however often clients cause a line, it is written at a bounded rate; whoever reads it slowly, or not at
//!                all, stops neither a core nor the end of the server
//!   admin port   slow clients do not keep /healthz from others; foreign hosts and other paths are refused
//! ```

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, request, shorten};
use super::scene::{Attack, Bounds, Scene};
use super::server::Log;
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&LOG_FLOOD, &UNREAD_LOG, &ADMIN_SLOW, &ADMIN_UNREAD, &ADMIN_REQUESTS];

/// Log that clients may cause, bytes a second: some hundred lines.
const LOG_BYTES_PER_SECOND_MAX: u64 = 50_000;

const LOG_FLOOD: Attack = Attack::new(
    "log-flood",
    "damaged RESTOREs and wrong protocol, as fast as they can be refused",
    Bounds::new(24, 20, 50),
    log_flood,
);

fn log_flood(scene: &mut Scene) -> Outcome<()> {
    let time = scene.duration();
    skip_checksums(scene)?;
    scene.begin()?;
    let (before, start) = (scene.server.log_bytes(), Instant::now());
    let mut client = scene.connect()?;
    let damaged = damaged_restore();
    while start.elapsed() < time {
        client.send(&damaged.repeat(100))?;
        for _ in 0..100 {
            let reply = client.reply()?.to_string();
            if !reply.starts_with("ERR") {
                return Err(format!("RESTORE of a damaged value: {reply}"));
            }
        }
        let mut other = scene.connect()?;
        other.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        other.is_ended(Duration::from_millis(50));
    }
    let logged = scene.server.log_bytes() - before;
    let seconds = start.elapsed().as_secs() + 1;
    if scene.server.is_torc && logged > seconds * LOG_BYTES_PER_SECOND_MAX {
        return Err(format!("clients wrote {} KB of log in {seconds} s", logged >> 10));
    }
    Ok(())
}

const UNREAD_LOG: Attack = Attack {
    log: Log::UnreadPipe,
    ..Attack::new(
        "unread-log",
        "the same flood while the log is a pipe that nobody reads",
        Bounds::new(48, 20, 50),
        unread_log,
    )
};

fn unread_log(scene: &mut Scene) -> Outcome<()> {
    skip_checksums(scene)?;
    scene.begin()?;
    let damaged = damaged_restore();
    let mut clients = scene.connect_many(6)?;
    for client in &mut clients {
        client.push(&damaged.repeat(4000), Duration::from_millis(200));
    }
    for _ in 0..20 {
        // On every core: each must still serve.
        scene.connect()?.expect("PING", "PONG")?;
    }
    clients.into_iter().for_each(Connection::reset);
    Ok(())
}

const ADMIN_SLOW: Attack = Attack {
    targets: super::scene::Targets::Torc,
    ..Attack::new(
        "admin-slow",
        "hundreds of connections to the admin port send half a request and wait; others ask for /healthz",
        Bounds::new(16, 10, 20),
        admin_slow,
    )
};

fn admin_slow(scene: &mut Scene) -> Outcome<()> {
    scene.begin()?;
    let mut slow = Vec::new();
    for _ in 0..scene.size(200, 1000) {
        // Whoever is refused or closed already is no harm.
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", scene.server.admin_port)) else { continue };
        let _ = connection.write_all(b"GET /met");
        slow.push(connection);
    }
    for _ in 0..3 {
        let start = Instant::now();
        let reply = http(scene, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", Duration::from_secs(3))?;
        if !reply.starts_with("HTTP/1.1 200") {
            return Err(format!(
                "/healthz beside {} slow connections: {:?} after {:?}",
                slow.len(),
                shorten(&reply),
                start.elapsed()
            ));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

const ADMIN_UNREAD: Attack = Attack {
    targets: super::scene::Targets::Torc,
    ..Attack::new(
        "admin-unread",
        "clients of the admin port pipeline thousands of GET /metrics and read no reply",
        Bounds::new(24, 20, 50),
        admin_unread,
    )
};

fn admin_unread(scene: &mut Scene) -> Outcome<()> {
    scene.begin()?;
    let mut unread = Vec::new();
    for _ in 0..10 {
        let mut connection = Connection::open(scene.server.admin_port)?.with_small_buffer();
        let requests = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5000);
        connection.push(&requests, Duration::from_millis(30));
        unread.push(connection);
    }
    let reply = http(scene, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", Duration::from_secs(3))?;
    unread.into_iter().for_each(Connection::reset);
    if reply.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("/healthz: {:?}", shorten(&reply))) }
}

const ADMIN_REQUESTS: Attack = Attack {
    targets: super::scene::Targets::Torc,
    ..Attack::new(
        "admin-requests",
        "foreign Host, unknown paths, junk, endless headers on the admin port: refused or closed",
        Bounds::new(24, 10, 20),
        admin_requests,
    )
};

fn admin_requests(scene: &mut Scene) -> Outcome<()> {
    let endless = [b"GET / HTTP/1.1\r\nA: ", &vec![b'a'; 1 << 20][..]].concat();
    let many = [b"GET /metrics HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(2000), b"\r\n".to_vec()].concat();
    let junk = scene.random.bytes(3000);
    // What the reply begins with; nothing: it must not be a success.
    let cases: [(&str, &[u8], &str); 12] = [
        ("healthz", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200"),
        ("metrics", b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 200"),
        ("query", b"GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200"),
        ("unknown path", b"GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404"),
        ("path upwards", b"GET /metrics/../healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404"),
        ("foreign host", b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", ""),
        ("POST", b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", ""),
        ("another protocol", b"*1\r\n$4\r\nPING\r\n", ""),
        ("zeros", &[0; 2000], ""),
        ("junk", &junk, ""),
        ("an endless header", &endless, ""),
        ("2,000 headers", &many, ""),
    ];
    scene.begin()?;
    let mut wrong = Vec::new();
    for (name, bytes, wanted) in cases {
        let reply = http(scene, bytes, Duration::from_secs(2))?;
        let is_right = if wanted.is_empty() { !reply.contains(" 200") } else { reply.starts_with(wanted) };
        if !is_right {
            wrong.push(format!("{name}: {:?}", reply.lines().next().unwrap_or_default()));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// What comes back, until the server closes or `wait` is over; empty when it refuses at once.
fn http(scene: &Scene, bytes: &[u8], wait: Duration) -> Outcome<String> {
    let problem = |error: std::io::Error| format!("admin port: {error}");
    let mut stream = TcpStream::connect(("127.0.0.1", scene.server.admin_port)).map_err(problem)?;
    stream.set_read_timeout(Some(Duration::from_millis(50))).map_err(problem)?;
    stream.set_write_timeout(Some(wait)).map_err(problem)?;
    // It may close before it has taken everything, as it should for an endless header.
    let _ = stream.write_all(bytes);
    let deadline = Instant::now() + wait;
    let (mut reply, mut buffer) = (Vec::new(), vec![0; 65536]);
    while Instant::now() < deadline {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => reply.extend_from_slice(&buffer[..length]),
            // The reply is there; the connection stays open for a next request.
            Err(_) if !reply.is_empty() => break,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// Lets RESTORE look at values whose checksum is wrong: the checksum keeps no attacker out, who can compute it.
pub fn skip_checksums(scene: &mut Scene) -> Outcome<()> {
    scene.observer.expect("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK")
}

/// A value of an unknown kind, in a version that all servers take.
fn damaged_restore() -> Vec<u8> {
    request(&[b"RESTORE".as_slice(), b"key", b"0", b"\xff\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_damaged_value_is_one_argument() {
        assert!(damaged_restore().starts_with(b"*4\r\n$7\r\nRESTORE\r\n$3\r\nkey\r\n$1\r\n0\r\n$15\r\n"));
    }
}
