//! Replies that nobody reads, or that one client reads while others wait.
//!
//! ```text
//!   strings of 16 KiB and more are sent from where they lie: replies of them take no memory, whatever their number
//!   copied replies (collections, short strings): at most 256 MiB are made for a client that takes none, and one reply
//!   client-output-buffer-limit: exceeded by no more than a chunk (64 KiB), checked while a command writes
//! ```
//! Values lie on every core, so that each client asks for some of its own core and some of another.

use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, request, text};
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] =
    &[&NON_READERS_STRINGS, &NON_READERS_COLLECTIONS, &NON_READERS_MGET, &ONE_READER, &OUTPUT_LIMIT];

/// What a session leaves untaken before it runs no more requests.
const UNTAKEN_BYTES_MAX: u64 = 256 << 20;
/// Names that spread over the slots, so that no core of a few owns none.
const VALUES: u64 = 8;

const NON_READERS_STRINGS: Attack = Attack::new(
    "non-readers-strings",
    "pipeline GETs of big values of every core and never read, then reset",
    Bounds::new(64, 10, 20),
    non_readers_strings,
);

fn non_readers_strings(scene: &mut Scene) -> Outcome<()> {
    let (length, clients, gets) = (scene.size(5, 20) << 20, scene.size(12, 30), scene.size(20, 60));
    set_values(scene, length)?;
    scene.begin()?;
    let mut connections = connect_unread(scene, clients)?;
    for (index, connection) in connections.iter_mut().enumerate() {
        let ask = |get: u64| text(&format!("GET v{}", (index as u64 + get) % VALUES));
        connection.send(&(0..gets).flat_map(ask).collect::<Vec<u8>>())?;
    }
    settle(scene);
    connections.into_iter().for_each(Connection::reset);
    Ok(())
}

const NON_READERS_COLLECTIONS: Attack = Attack::new(
    "non-readers-collections",
    "pipeline LRANGE, HGETALL, SMEMBERS, ZRANGE of big collections and never read, then reset",
    Bounds::new(48, 10, 20),
    non_readers_collections,
);

fn non_readers_collections(scene: &mut Scene) -> Outcome<()> {
    let (elements, clients, rounds) = (scene.size(40_000, 200_000), scene.size(4, 6), scene.size(5, 100));
    let mut loader = scene.connect()?;
    let value = "x".repeat(90);
    let add = |from: u64| {
        (from..from + 500).flat_map(|index| {
            let pushes = format!("RPUSH list {value} {value}");
            let adds = [format!("SADD set {value}{index}"), format!("HSET hash f{index} {value}")];
            adds.into_iter().chain((index % 2 == 0).then_some(pushes)).map(|words| text(&words)).collect::<Vec<_>>()
        })
    };
    loader.pipeline((0..elements / 500).flat_map(|part| add(part * 500)))?;
    scene.begin()?;
    let ask = [text("LRANGE list 0 -1"), text("SMEMBERS set"), text("HGETALL hash")].concat();
    // Each of the three is about so long; a copy is made for each client, up to what it may leave untaken.
    let reply_bytes = elements * 105;
    scene.allow(clients * (rounds * 3 * reply_bytes).min(UNTAKEN_BYTES_MAX + reply_bytes) / 10 * 11);
    let mut connections = connect_unread(scene, clients)?;
    for connection in &mut connections {
        connection.send(&ask.repeat(rounds as usize))?;
    }
    settle(scene);
    connections.into_iter().for_each(Connection::reset);
    Ok(())
}

const NON_READERS_MGET: Attack = Attack::new(
    "non-readers-mget",
    "MGET of one big value 200 times, and of values of every core, unread, then reset",
    Bounds::new(64, 10, 20),
    non_readers_mget,
);

fn non_readers_mget(scene: &mut Scene) -> Outcome<()> {
    let (length, clients, names) = (scene.size(1, 4) << 20, scene.size(6, 20), scene.size(200, 400));
    set_values(scene, length)?;
    scene.begin()?;
    let mut connections = connect_unread(scene, clients)?;
    let one = text(&format!("MGET{}", " v0".repeat(names as usize)));
    let every: String = (0..names).map(|index| format!(" v{}", index % VALUES)).collect();
    for connection in &mut connections {
        connection.send(&[one.clone(), text(&format!("MGET{every}"))].concat())?;
    }
    settle(scene);
    connections.into_iter().for_each(Connection::reset);
    Ok(())
}

const ONE_READER: Attack = Attack::new(
    "one-reader",
    "one client reads 300 MB of replies (GET and LRANGE of 10 MB) as fast as it can",
    // Strings take nothing; of the lists there is a copy of what is not taken yet.
    Bounds::new(64, 10, 20),
    one_reader,
);

fn one_reader(scene: &mut Scene) -> Outcome<()> {
    let length = 10 << 20;
    set_values(scene, length)?;
    let mut reader = scene.connect()?;
    let element = vec![b'x'; 1 << 10];
    let push = request(&[vec![b"RPUSH".to_vec(), b"list".to_vec()], vec![element; 100]].concat());
    reader.pipeline((0..length / (100 << 10)).map(|_| push.clone()))?;
    scene.begin()?;
    let rounds = scene.size(15, 60);
    // 15 replies of a list, of which the client has taken none when the last one is made.
    scene.allow(rounds * length / 10 * 11);
    let ask = |get: u64| [text(&format!("GET v{}", get % VALUES)), text("LRANGE list 0 -1")].concat();
    reader.send(&(0..rounds).flat_map(ask).collect::<Vec<u8>>())?;
    let string = length + format!("${length}\r\n\r\n").len() as u64;
    let elements = length / (100 << 10) * 100;
    let list = elements * ((1 << 10) + "$1024\r\n\r\n".len() as u64) + format!("*{elements}\r\n").len() as u64;
    reader.skip(rounds * (string + list))?;
    reader.expect("PING", "PONG")
}

const OUTPUT_LIMIT: Attack = Attack::new(
    "output-limit",
    "LRANGE of 40 MB, MGET of 100 MB and 200 GETs of 1 MB under client-output-buffer-limit 10mb, unread",
    // The limit itself is judged exactly, by `omem`. Resident is more: the allocator rounds up each chunk by up to an eighth, and keeps
    // what one client has left while the next one comes, so that up to 11.7 MB were seen.
    Bounds::new(13, 10, 20),
    output_limit,
);

fn output_limit(scene: &mut Scene) -> Outcome<()> {
    const LIMIT_BYTES: u64 = 10 << 20;
    // What may come on top while a command writes.
    const CHUNK_BYTES: u64 = 64 << 10;
    set_values(scene, 1 << 20)?;
    let mut loader = scene.connect()?;
    let push = request(&[vec![b"RPUSH".to_vec(), b"list".to_vec()], vec![vec![b'x'; 1000]; 500]].concat());
    loader.pipeline((0..80).map(|_| push.clone()))?;
    drop(loader);
    set_limit(scene, LIMIT_BYTES)?;
    scene.begin()?;
    let gets: Vec<u8> = (0..200).flat_map(|get| text(&format!("GET v{}", get % VALUES))).collect();
    let strings: String = (0..100).map(|index| format!(" v{}", index % VALUES)).collect();
    for (what, ask) in [("LRANGE", text("LRANGE list 0 -1")), ("MGET", text(&format!("MGET{strings}"))), ("GET", gets)]
    {
        let mut client = scene.connect()?.with_small_buffer();
        client.send(&ask)?;
        let most = highest_omem(scene, Duration::from_millis(150))?;
        if most > LIMIT_BYTES + CHUNK_BYTES {
            return Err(format!("{what}: omem {most}, limit {LIMIT_BYTES}"));
        }
        // One reply exceeds the limit; a pipeline may wait for room on another core, and stay within it.
        if what != "GET" && !client.is_ended(Duration::from_secs(5)) {
            return Err(format!("{what}: a client beyond its output limit was not closed"));
        }
    }
    Ok(())
}

fn set_limit(scene: &mut Scene, bytes: u64) -> Outcome<()> {
    let value = format!("normal {bytes} 0 0");
    let reply = scene.observer.exchange(&request(&["CONFIG", "SET", "client-output-buffer-limit", &value]))?;
    if reply.to_string() == "OK" { Ok(()) } else { Err(format!("CONFIG SET client-output-buffer-limit: {reply}")) }
}

/// The highest `omem` that CLIENT LIST shows for a while.
fn highest_omem(scene: &mut Scene, time: Duration) -> Outcome<u64> {
    let deadline = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < deadline {
        most = untaken(scene)?.fold(most, u64::max);
    }
    Ok(most)
}

fn set_values(scene: &mut Scene, length: u64) -> Outcome<()> {
    let mut loader = scene.connect()?;
    let value = vec![b'x'; length as usize];
    loader.pipeline((0..VALUES).map(|index| request(&[b"SET", format!("v{index}").as_bytes(), &value])))
}

fn connect_unread(scene: &Scene, count: u64) -> Outcome<Vec<Connection>> {
    (0..count).map(|_| Ok(scene.connect()?.with_small_buffer())).collect()
}

/// Lets the server make all the replies that it will make: until what it keeps no longer grows.
pub fn settle(scene: &mut Scene) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut before = (0, 0);
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        // A server that does not answer any more is found by what comes next.
        let kept = untaken(scene).map_or(0, |omem| omem.sum());
        let peak = scene.server.peak_bytes();
        if (kept, peak) == before {
            return;
        }
        before = (kept, peak);
    }
}

/// The `omem` of every client.
fn untaken(scene: &mut Scene) -> Outcome<impl Iterator<Item = u64>> {
    let list = scene.observer.ask("CLIENT LIST")?.to_string();
    let numbers = list.split([' ', '\n']).filter_map(|word| word.strip_prefix("omem=")?.parse().ok());
    Ok(numbers.collect::<Vec<u64>>().into_iter())
}
