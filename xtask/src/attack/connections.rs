//! Connections by the hundred: reset, closed, too many, and without the password.
//!
//! ```text
//!   whoever has gone is noticed, even while the server is behind with what he sent
//!   whoever has not logged in may send little (10 arguments of 16 KiB) and leave little untaken
//! ```

use std::thread;
use std::time::Instant;

use super::connection::{Connection, Reply, request, text};
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[
    &RESET_BURST,
    &CLOSE_BURST,
    &CONNECT_STORM,
    &BEYOND_MAXCLIENTS,
    &IDLE_CONNECTIONS,
    &WRONG_PASSWORDS,
    &UNAUTHENTICATED,
];

/// Input that waits for a session that has not logged in (64 KiB), the buffer that was filled meanwhile, and slack.
const UNKNOWN_INPUT_BYTES_MAX: u64 = 160 << 10;

/// The same for one that has: the kernel fills up to 32 buffers of 16 KiB, once or twice, before the server can tell it to stop; and a
/// buffer that grows to that leaves as much to the allocator.
pub const WAITING_INPUT_BYTES_MAX: u64 = 2 << 20;

const RESET_BURST: Attack = Attack::new(
    "reset-burst",
    "connections send megabytes of a request at once and are reset while the server is behind",
    Bounds::new(32, 10, 20),
    |scene| burst(scene, Connection::reset),
);

const CLOSE_BURST: Attack = Attack::new(
    "close-burst",
    "connections send megabytes of a request at once and close (FIN)",
    Bounds::new(32, 10, 20),
    |scene| burst(scene, drop),
);

fn burst(scene: &mut Scene, leave: fn(Connection)) -> Outcome<()> {
    let (rounds, count, pieces) = (scene.size(4, 10), scene.size(20, 40), scene.size(30, 200));
    let piece = vec![b'x'; 100_000];
    scene.begin()?;
    // What was sent is kept until the request is complete, in a buffer that may be half as long again; a server that is
    // behind has several rounds to read before it comes upon their ends.
    scene.allow(rounds * count * pieces * piece.len() as u64 / 2 * 3);
    for _ in 0..rounds {
        let mut connections = scene.connect_many(count as usize)?;
        for connection in &mut connections {
            connection.send(b"*2\r\n$3\r\nGET\r\n$536870912\r\n")?;
        }
        for _ in 0..pieces {
            for connection in &mut connections {
                connection.send(&piece)?;
            }
        }
        connections.into_iter().for_each(leave);
    }
    Ok(())
}

const CONNECT_STORM: Attack = Attack::new(
    "connect-storm",
    "four threads connect and close, or reset, as fast as they can; some send a request first",
    Bounds::new(16, 10, 20),
    connect_storm,
);

fn connect_storm(scene: &mut Scene) -> Outcome<()> {
    let deadline = Instant::now() + scene.duration();
    scene.begin()?;
    let storm = |thread: usize| {
        let mut count = thread;
        while Instant::now() < deadline {
            let mut connection = scene.connect()?;
            count += 1;
            match count % 4 {
                0 => connection.reset(),
                1 => connection.expect("PING", "PONG")?,
                2 => connection.send(&text("BLPOP nothing 0"))?,
                _ => {}
            }
        }
        Ok(())
    };
    let storm = &storm;
    thread::scope(|threads| {
        let running: Vec<_> = (0..4).map(|thread| threads.spawn(move || storm(thread))).collect();
        running.into_iter().try_for_each(|it| it.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}

const BEYOND_MAXCLIENTS: Attack = Attack::new(
    "beyond-maxclients",
    "several times maxclients connect at once",
    Bounds::new(16, 10, 20),
    beyond_maxclients,
);

fn beyond_maxclients(scene: &mut Scene) -> Outcome<()> {
    const MOST: usize = 50;
    scene.observer.expect(&format!("CONFIG SET maxclients {MOST}"), "OK")?;
    scene.begin()?;
    let (mut served, mut refused) = (Vec::new(), 0);
    for _ in 0..scene.size(400, 2000) {
        let mut connection = scene.connect()?;
        match connection.ask("PING").map(|reply| reply.to_string()) {
            Ok(reply) if reply == "PONG" => served.push(connection),
            Ok(reply) if reply == "ERR max number of clients reached" => refused += 1,
            // The refusal may be lost to the reset that the unread PING causes.
            Err(_) => refused += 1,
            Ok(reply) => return Err(format!("beyond maxclients: {reply}")),
        }
    }
    if served.len() > MOST || served.is_empty() || refused == 0 {
        return Err(format!("{} served and {refused} refused, maxclients {MOST}", served.len()));
    }
    drop(served);
    Ok(())
}

const IDLE_CONNECTIONS: Attack = Attack::new(
    "idle-connections",
    "thousands of connections that have sent one request and stay",
    Bounds::new(16, 10, 20),
    idle_connections,
);

fn idle_connections(scene: &mut Scene) -> Outcome<()> {
    /// What a connection that does nothing may take.
    const IDLE_BYTES_MAX: u64 = 4 << 10;
    let count = scene.size(2000, 9000) as usize;
    scene.begin()?;
    scene.allow(count as u64 * IDLE_BYTES_MAX);
    let mut connections = scene.connect_many(count)?;
    for connection in &mut connections {
        connection.expect("PING", "PONG")?;
    }
    Ok(())
}

const WRONG_PASSWORDS: Attack = Attack::new(
    "wrong-passwords",
    "clients of a server with a password pipeline wrong ones, and read no reply or all of them",
    Bounds::new(16, 20, 50),
    wrong_passwords,
);

fn wrong_passwords(scene: &mut Scene) -> Outcome<()> {
    scene.observer.expect("CONFIG SET requirepass right", "OK")?;
    let deadline = Instant::now() + scene.duration();
    scene.begin()?;
    let mut unread = scene.connect_many(8)?;
    let guesses = text("AUTH wrong").repeat(20_000);
    for connection in &mut unread {
        connection.push(&guesses, std::time::Duration::from_millis(20));
    }
    let log_before = scene.server.log_bytes();
    let mut guesser = scene.connect()?;
    while Instant::now() < deadline {
        guesser.expect_start("AUTH wrong", "WRONGPASS")?;
        guesser.expect_start("GET key", "NOAUTH")?;
    }
    let logged = scene.server.log_bytes() - log_before;
    // Refused logins may be logged, a few lines a second.
    if logged > 100_000 {
        return Err(format!("wrong passwords wrote {logged} bytes into the log"));
    }
    let mut client = scene.connect()?;
    client.expect("AUTH right", "OK")?;
    client.expect("GET key", "nil")?;
    unread.into_iter().for_each(Connection::reset);
    scene.observer.send(&request(&["CONFIG", "SET", "requirepass", ""]))?;
    scene.observer.reply().map(drop)
}

const UNAUTHENTICATED: Attack = Attack::new(
    "unauthenticated",
    "clients without the password send long arguments, many arguments, and pipelines whose errors they do not read",
    Bounds::new(8, 10, 20),
    unauthenticated,
);

fn unauthenticated(scene: &mut Scene) -> Outcome<()> {
    const UNREAD: u64 = 24;
    scene.observer.expect("CONFIG SET requirepass right", "OK")?;
    scene.begin()?;
    for _ in 0..scene.size(200, 2000) {
        let mut long = scene.connect()?;
        long.send(b"*2\r\n$3\r\nGET\r\n$16385\r\n")?;
        refused(&mut long, "ERR Protocol error: unauthenticated bulk length")?;
        let mut many = scene.connect()?;
        many.send(b"*11\r\n")?;
        refused(&mut many, "ERR Protocol error: unauthenticated multibulk length")?;
    }
    let mut unread = scene.connect_many(UNREAD as usize)?;
    scene.allow(UNREAD * UNKNOWN_INPUT_BYTES_MAX);
    let requests = text("GET key").repeat(50_000);
    for connection in &mut unread {
        connection.push(&requests, std::time::Duration::from_millis(25));
    }
    unread.into_iter().for_each(Connection::reset);
    scene.observer.send(&request(&["CONFIG", "SET", "requirepass", ""]))?;
    scene.observer.reply().map(drop)
}

fn refused(connection: &mut Connection, wanted: &str) -> Outcome<()> {
    match connection.reply()? {
        Reply::Error(error) if error == wanted => Ok(()),
        other => Err(format!("reply {:?} instead of {wanted:?}", other.to_string())),
    }
}
