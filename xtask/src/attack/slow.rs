//! Clients that take their time, and lengths that are announced and never sent.
//!
//! ```text
//!   a connection costs the server what the client has sent and not what it has announced
//!   half a request is kept with the parser's progress: each further byte costs the same, not a new start
//! ```

use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, request, text};
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&SLOW_READERS, &SLOW_WRITERS, &SLOW_BULK, &ANNOUNCED_BULKS, &ANNOUNCED_COUNTS];

/// What a connection with a few bytes of input may take, bytes.
const CONNECTION_BYTES_MAX: u64 = 8 << 10;

const SLOW_READERS: Attack = Attack::new(
    "slow-readers",
    "ask for big values and read them a byte at a time",
    Bounds::new(48, 10, 20),
    slow_readers,
);

fn slow_readers(scene: &mut Scene) -> Outcome<()> {
    let mut loader = scene.connect()?;
    let value = vec![b'x'; 4 << 20];
    loader.pipeline((0..8).map(|index| request(&[b"SET", format!("v{index}").as_bytes(), &value])))?;
    scene.begin()?;
    let mut readers = scene.connect_many(24)?.into_iter().map(Connection::with_small_buffer).collect::<Vec<_>>();
    for (index, reader) in readers.iter_mut().enumerate() {
        reader.send(&text(&format!("GET v{}", index % 8)).repeat(5))?;
    }
    let deadline = Instant::now() + scene.duration();
    while Instant::now() < deadline {
        for reader in &mut readers {
            reader.skip(1)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    readers.into_iter().for_each(Connection::reset);
    Ok(())
}

const SLOW_WRITERS: Attack = Attack::new(
    "slow-writers",
    "hundreds of connections send a request a byte at a time; half of them never finish",
    Bounds::new(8, 10, 20),
    slow_writers,
);

fn slow_writers(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(600, 4000) as usize;
    scene.begin()?;
    scene.allow(count as u64 * CONNECTION_BYTES_MAX);
    let mut writers = scene.connect_many(count)?;
    let words = text("SET key 0123456789");
    for byte in &words[..words.len() - 2] {
        for writer in &mut writers {
            writer.send(&[*byte])?;
        }
    }
    for writer in writers.iter_mut().step_by(2) {
        writer.send(b"\r\n")?;
        if writer.reply()?.to_string() != "OK" {
            return Err("a request that came a byte at a time was not run".into());
        }
    }
    writers.into_iter().for_each(Connection::reset);
    Ok(())
}

const SLOW_BULK: Attack = Attack::new(
    "slow-bulk",
    "a bulk string in tens of thousands of pieces of one byte, on several connections at once",
    Bounds::new(24, 10, 20),
    slow_bulk,
);

fn slow_bulk(scene: &mut Scene) -> Outcome<()> {
    let pieces = scene.size(30_000, 200_000) as usize;
    scene.begin()?;
    let mut writers = scene.connect_many(4)?;
    let value = vec![b'v'; pieces];
    let bytes = request(&[b"SET".as_slice(), b"key", &value]);
    for byte in &bytes {
        for writer in &mut writers {
            writer.send(std::slice::from_ref(byte))?;
        }
    }
    for writer in &mut writers {
        let reply = writer.reply()?.to_string();
        if reply != "OK" {
            return Err(format!("SET of {pieces} pieces: {reply}"));
        }
    }
    scene.observer.expect("STRLEN key", &pieces.to_string())
}

const ANNOUNCED_BULKS: Attack = Attack::new(
    "announced-bulks",
    "hundreds of connections announce bulk strings of 512 MB and send ten bytes of them",
    Bounds::new(8, 10, 20),
    announced_bulks,
);

fn announced_bulks(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(400, 3000) as usize;
    scene.begin()?;
    scene.allow(count as u64 * CONNECTION_BYTES_MAX);
    let mut clients = scene.connect_many(count)?;
    for client in &mut clients {
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789")?;
    }
    thread::sleep(scene.duration());
    let mut beyond = scene.connect()?;
    beyond.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n")?;
    let reply = beyond.reply()?.to_string();
    if reply != "ERR Protocol error: invalid bulk length" {
        return Err(format!("a bulk length beyond the limit: {reply}"));
    }
    clients.into_iter().for_each(Connection::reset);
    Ok(())
}

const ANNOUNCED_COUNTS: Attack = Attack::new(
    "announced-counts",
    "announce two thousand million arguments and send few or none",
    Bounds::new(8, 10, 20),
    announced_counts,
);

fn announced_counts(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(400, 3000) as usize;
    scene.begin()?;
    scene.allow(count as u64 * CONNECTION_BYTES_MAX);
    let mut clients = scene.connect_many(count)?;
    for client in &mut clients {
        client.send(b"*2147483647\r\n$4\r\nMGET\r\n$1\r\nk\r\n")?;
    }
    thread::sleep(scene.duration());
    let mut beyond = scene.connect()?;
    beyond.send(b"*2147483648\r\n")?;
    let reply = beyond.reply()?.to_string();
    if reply != "ERR Protocol error: invalid multibulk length" {
        return Err(format!("a count beyond the limit: {reply}"));
    }
    clients.into_iter().for_each(Connection::reset);
    Ok(())
}
