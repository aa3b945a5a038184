//! Too much at once: tiny requests by the million, bytes that are no requests, transactions without an end.
//!
//! ```text
//!   input     a core reads no further where it has not run what it has (64 KiB wait), so a pipeline's rest stays with
//!             the client
//!   garbage   one error, and the connection is closed
//!   MULTI     queued requests are the session's memory, and go with it
//! ```

use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, request, text};
use super::outputs::settle;
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[
    &TINY_COMMANDS,
    &UNREAD_INFO,
    &GARBAGE,
    &PROTOCOL_ERRORS,
    &MULTI_QUEUES,
    &LONG_EXEC,
    &WATCHED_KEYS,
    &SUBSCRIBERS,
    &REPLY_OFF,
];

const TINY_COMMANDS: Attack = Attack::new(
    "tiny-commands",
    "a million PINGs, GETs and SETs in one write, of which one client reads the replies and others none",
    Bounds::new(48, 10, 20),
    tiny_commands,
);

fn tiny_commands(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(100_000, 1_000_000) as usize;
    scene.begin()?;
    let mut unread = scene.connect_many(3)?.into_iter().map(Connection::with_small_buffer).collect::<Vec<_>>();
    let kinds = [b"PING\r\n".repeat(count), text("GET k").repeat(count), text("SET k v").repeat(count)];
    for (connection, bytes) in unread.iter_mut().zip(&kinds) {
        // A reply is about as long as 7 bytes; those of one connection may be left untaken.
        scene.allow(8 * count as u64);
        connection.push(bytes, Duration::from_millis(150));
    }
    let reader = scene.connect()?;
    let replies = read_beside(reader, b"PING\r\n".repeat(count), "+PONG\r\n".len() as u64 * count as u64);
    unread.into_iter().for_each(Connection::reset);
    replies
}

/// Sends from a thread while this one reads, as a client must that sends more than sockets hold.
fn read_beside(mut reader: Connection, requests: Vec<u8>, reply_bytes: u64) -> Outcome<()> {
    let mut sender = reader.another_handle()?;
    let sending = thread::spawn(move || sender.send(&requests));
    reader.skip(reply_bytes)?;
    sending.join().unwrap_or_else(|_| Err("the sending thread panicked".into()))
}

const UNREAD_INFO: Attack = Attack::new(
    "unread-info",
    "pipelines of INFO, COMMAND, CLIENT LIST (long replies to short requests), unread",
    Bounds::new(48, 10, 20),
    unread_info,
);

fn unread_info(scene: &mut Scene) -> Outcome<()> {
    /// What a session leaves untaken, and one reply.
    const UNTAKEN_BYTES_MAX: u64 = 257 << 20;
    let (clients, count) = (scene.size(3, 8), scene.size(100, 2000) as usize);
    scene.begin()?;
    let mut unread = scene.connect_many(clients as usize)?;
    // COMMAND alone has 200 KB.
    scene.allow(clients * (count as u64 * 250_000).min(UNTAKEN_BYTES_MAX));
    let requests = [text("INFO"), text("COMMAND"), text("CLIENT LIST"), text("COMMAND COUNT")].concat().repeat(count);
    for connection in &mut unread {
        connection.push(&requests, Duration::from_millis(50));
    }
    settle(scene);
    unread.into_iter().for_each(Connection::reset);
    Ok(())
}

const GARBAGE: Attack = Attack::new("garbage", "random bytes on many connections", Bounds::new(16, 10, 20), garbage);

fn garbage(scene: &mut Scene) -> Outcome<()> {
    let deadline = Instant::now() + scene.duration();
    scene.begin()?;
    while Instant::now() < deadline {
        let mut connections = scene.connect_many(20)?;
        for connection in &mut connections {
            let length = scene.random.between(1, 4_000) as usize;
            let mut bytes = scene.random.bytes(length);
            match scene.random.between(0, 3) {
                // Nearly a request.
                0 => bytes = [b"*3\r\n$3\r\nSET\r\n$", &bytes[..]].concat(),
                1 => bytes.iter_mut().for_each(|byte| *byte = b"*$+-:0123456789\r\n"[usize::from(*byte) % 17]),
                2 => bytes.iter_mut().for_each(|byte| *byte &= 0x7f),
                _ => {}
            }
            connection.push(&bytes, Duration::from_millis(100));
        }
        for (index, connection) in connections.into_iter().enumerate() {
            if index % 2 == 0 { connection.reset() } else { drop(connection) }
        }
    }
    Ok(())
}

const PROTOCOL_ERRORS: Attack = Attack::new(
    "protocol-errors",
    "wrong lengths, nested arrays, inline lines and counts of megabytes: each is one error and the end",
    Bounds::new(16, 10, 20),
    protocol_errors,
);

fn protocol_errors(scene: &mut Scene) -> Outcome<()> {
    let line = vec![b'x'; 1 << 20];
    let count = [b"*", &vec![b'1'; 1 << 20][..]].concat();
    let length = [b"*1\r\n$", &vec![b'1'; 1 << 20][..]].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"*1\r\n*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*2\r\n$3\r\nGET\r\n:5\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*abc\r\n", "invalid multibulk length"),
        (b"GET \"a\r\n", "unbalanced quotes in request"),
        (&line, "too big inline request"),
        (&count, "too big mbulk count string"),
        (&length, "too big bulk count string"),
    ];
    scene.begin()?;
    for _ in 0..scene.size(20, 200) {
        for (bytes, wanted) in &cases {
            let mut connection = scene.connect()?;
            connection.push(bytes, Duration::from_secs(5));
            if !connection.is_ended(Duration::from_secs(5)) {
                return Err(format!("{wanted}: the connection is still open"));
            }
            // A reset on the way may have taken the error with it: then nothing at all came.
            let said = connection.unread();
            if !said.is_empty() && said != format!("-ERR Protocol error: {wanted}\r\n") {
                return Err(format!("{said:?} instead of the protocol error '{wanted}'"));
            }
        }
    }
    Ok(())
}

const MULTI_QUEUES: Attack = Attack::new(
    "multi-queues",
    "MULTI with hundreds of thousands of requests and no EXEC, then reset",
    Bounds::new(16, 10, 20),
    multi_queues,
);

fn multi_queues(scene: &mut Scene) -> Outcome<()> {
    /// Of a queued request, with its arguments and their lengths.
    const QUEUED_BYTES_MAX: u64 = 500;
    let (clients, count) = (scene.size(4, 10), scene.size(20_000, 200_000));
    scene.begin()?;
    scene.allow(clients * count * QUEUED_BYTES_MAX);
    let mut connections = scene.connect_many(clients as usize)?;
    for connection in &mut connections {
        connection.expect("MULTI", "OK")?;
        let queue = |index: u64| text(&format!("SET key:{index} value"));
        connection.pipeline((0..count).map(queue))?;
    }
    connections.into_iter().for_each(Connection::reset);
    let keys = scene.observer.ask("DBSIZE")?;
    if keys.integer() == 0 { Ok(()) } else { Err(format!("{keys} keys exist, and nobody sent EXEC")) }
}

const LONG_EXEC: Attack = Attack::new(
    "long-exec",
    "EXEC of tens of thousands of requests to keys of every core, several at a time",
    // A transaction runs without interruption, in Redis too.
    Bounds::new(64, 200, 400),
    long_exec,
);

fn long_exec(scene: &mut Scene) -> Outcome<()> {
    let (clients, count) = (scene.size(2, 6), scene.size(20_000, 100_000));
    scene.begin()?;
    scene.allow(clients * count * 1000);
    let mut connections = scene.connect_many(clients as usize)?;
    for connection in &mut connections {
        connection.expect("MULTI", "OK")?;
        connection.pipeline((0..count).map(|index| text(&format!("INCR key:{}", index % 1000))))?;
    }
    for connection in &mut connections {
        connection.send(&text("EXEC"))?;
    }
    for connection in &mut connections {
        let replies = connection.reply()?;
        if replies.elements().len() as u64 != count {
            return Err(format!("EXEC: {} replies to {count} requests", replies.elements().len()));
        }
    }
    scene.observer.expect("GET key:7", &(clients * count / 1000).to_string())
}

const WATCHED_KEYS: Attack = Attack::new(
    "watched-keys",
    "WATCH of a hundred thousand keys by several clients, then reset",
    Bounds::new(16, 50, 100),
    watched_keys,
);

fn watched_keys(scene: &mut Scene) -> Outcome<()> {
    /// At the session and at the owner.
    const WATCHED_BYTES_MAX: u64 = 800;
    let (clients, count) = (scene.size(4, 8), scene.size(20_000, 100_000));
    scene.begin()?;
    scene.allow(clients * count * WATCHED_BYTES_MAX);
    let mut connections = scene.connect_many(clients as usize)?;
    for (client, connection) in connections.iter_mut().enumerate() {
        let watch = |part: u64| {
            let names: String = (part * 100..part * 100 + 100).map(|index| format!(" key:{client}:{index}")).collect();
            text(&format!("WATCH{names}"))
        };
        connection.pipeline((0..count / 100).map(watch))?;
    }
    let first = connections.first_mut().ok_or("no connection")?;
    scene.observer.expect("SET key:0:5 changed", "OK")?;
    first.expect("MULTI", "OK")?;
    first.expect("PING", "QUEUED")?;
    first.expect("EXEC", "nil")?;
    connections.into_iter().for_each(Connection::reset);
    Ok(())
}

const SUBSCRIBERS: Attack = Attack::new(
    "subscribers",
    "subscribers that do not read, and a publisher of megabytes",
    // The default limit of subscribers is 32 MB each; there are ten.
    Bounds::new(330, 20, 50),
    subscribers,
);

fn subscribers(scene: &mut Scene) -> Outcome<()> {
    if scene.observer.ask("PUBLISH channel x")?.to_string().contains("unknown command") {
        scene.leave_out();
        return Ok(());
    }
    scene.begin()?;
    let mut unread = scene.connect_many(10)?;
    for connection in &mut unread {
        connection.send(&text("SUBSCRIBE channel"))?;
    }
    let message = vec![b'x'; 1 << 20];
    for _ in 0..scene.size(60, 300) {
        scene.observer.exchange(&request(&[b"PUBLISH".as_slice(), b"channel", &message]))?;
    }
    unread.into_iter().for_each(Connection::reset);
    Ok(())
}

const REPLY_OFF: Attack = Attack::new(
    "reply-off",
    "CLIENT REPLY OFF, and hundreds of thousands of requests, of which some would have long replies",
    Bounds::new(48, 10, 20),
    reply_off,
);

fn reply_off(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(20_000, 300_000);
    let value = vec![b'x'; 100_000];
    scene.observer.exchange(&request(&[b"SET".as_slice(), b"big", &value]))?;
    scene.begin()?;
    let mut connections = scene.connect_many(4)?;
    let requests = |client: usize| -> Vec<u8> {
        let some = |index: u64| {
            let name = index % 1000;
            [text(&format!("SET key:{name} {client}")), text("GET big"), text(&format!("INCR counter:{client}"))]
                .concat()
        };
        (0..count / 3).flat_map(some).collect()
    };
    for (client, connection) in connections.iter_mut().enumerate() {
        connection.send(&text("CLIENT REPLY OFF"))?;
        connection.send(&requests(client))?;
    }
    for (client, connection) in connections.iter_mut().enumerate() {
        connection.expect("CLIENT REPLY ON", "OK")?;
        connection.expect(&format!("GET counter:{client}"), &(count / 3).to_string())?;
    }
    Ok(())
}
