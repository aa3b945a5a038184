//! Commands that bring what several keys hold to one place.
//!
//! ```text
//!   a request of kilobytes names megabytes, thousands of times: each distinct source is fetched once
//!   many distinct sources: their owners reduce what they send, or the request is refused beyond a bound
//! ```

use super::connection::{Reply, request, text};
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&SAME_SET, &SAME_ZSET, &SAME_STRING, &MANY_SOURCES, &DEEP_SORT, &QUEUED_RELAYS];

/// Sources of the same kind, over the slots.
const SOURCES: u64 = 8;
/// Over the slots: a source on the same core as its target is not brought anywhere.
const TARGETS: [&str; 2] = ["target:1", "target:2"];
/// Time and not memory: what these commands compute is as long in Redis. A core that computes serves nobody.
const COMPUTING: Bounds = Bounds::new(48, 1500, 1500);

const SAME_SET: Attack = Attack::new(
    "relay-same-set",
    "SUNIONSTORE, SINTERSTORE, SDIFFSTORE, SUNION name a set thousands of times",
    COMPUTING,
    relay_same_set,
);

fn relay_same_set(scene: &mut Scene) -> Outcome<()> {
    let (members, times) = (scene.size(1_000, 10_000), scene.size(1000, 2000));
    let mut client = scene.connect()?;
    client.pipeline((0..members / 100).map(|part| batch("SADD source", part, |index| format!(" member:{index}"))))?;
    scene.begin()?;
    let names = " source".repeat(times as usize);
    for target in TARGETS {
        client.expect(&format!("SUNIONSTORE {target}{names}"), &members.to_string())?;
        client.expect(&format!("SINTERSTORE {target}{names}"), &members.to_string())?;
        client.expect(&format!("SDIFFSTORE {target}{names}"), "0")?;
    }
    client.expect(&format!("SINTERCARD {times}{names}"), &members.to_string())?;
    let union = client.ask(&format!("SUNION{names}"))?;
    if union.elements().len() as u64 == members { Ok(()) } else { Err(format!("SUNION: {}", union.elements().len())) }
}

const SAME_ZSET: Attack = Attack::new(
    "relay-same-zset",
    "ZUNIONSTORE, ZINTERSTORE, ZINTER, ZDIFF name a sorted set thousands of times",
    COMPUTING,
    relay_same_zset,
);

fn relay_same_zset(scene: &mut Scene) -> Outcome<()> {
    let (members, times) = (scene.size(1_000, 5_000), scene.size(1000, 2000));
    let mut client = scene.connect()?;
    let add = |index: u64| format!(" {index} member:{index}");
    client.pipeline((0..members / 100).map(|part| batch("ZADD source", part, add)))?;
    scene.begin()?;
    let names = " source".repeat(times as usize);
    for target in TARGETS {
        client.expect(&format!("ZUNIONSTORE {target} {times}{names}"), &members.to_string())?;
        client.expect(&format!("ZSCORE {target} member:3"), &(3 * times).to_string())?;
        client.expect(&format!("ZINTERSTORE {target} {times}{names} AGGREGATE MAX"), &members.to_string())?;
    }
    client.expect(&format!("ZINTERCARD {times}{names} LIMIT 5"), "5")?;
    client.expect(&format!("ZDIFF {times}{names}"), "[]")?;
    let common = client.ask(&format!("ZINTER {times}{names}"))?;
    if common.elements().len() as u64 == members { Ok(()) } else { Err(format!("ZINTER: {}", common.elements().len())) }
}

const SAME_STRING: Attack = Attack::new(
    "relay-same-string",
    "BITOP and PFMERGE name a string, a HyperLogLog, thousands of times",
    COMPUTING,
    relay_same_string,
);

fn relay_same_string(scene: &mut Scene) -> Outcome<()> {
    let (length, times) = (scene.size(60_000, 400_000), scene.size(1000, 2000));
    let mut client = scene.connect()?;
    client.exchange(&request(&[b"SET".as_slice(), b"source", &vec![b'x'; length as usize]]))?;
    client.pipeline((0..200).map(|part| batch("PFADD log", part, |index| format!(" element:{index}"))))?;
    let count = client.ask("PFCOUNT log")?.to_string();
    scene.begin()?;
    for operation in ["AND", "OR", "XOR"] {
        let names = " source".repeat(times as usize);
        for target in TARGETS {
            client.expect(&format!("BITOP {operation} {target}{names}"), &length.to_string())?;
        }
    }
    for target in TARGETS {
        client.expect(&format!("DEL {target}"), "1")?;
        client.expect(&format!("PFMERGE {target}{}", " log".repeat(times as usize)), "OK")?;
        client.expect(&format!("PFCOUNT {target}"), &count)?;
    }
    client.expect(&format!("PFCOUNT{}", " log".repeat(times as usize)), &count)
}

const MANY_SOURCES: Attack = Attack::new(
    "relay-many-sources",
    "SUNIONSTORE, ZUNIONSTORE, SINTERSTORE of a hundred distinct big sets of every core",
    COMPUTING,
    relay_many_sources,
);

fn relay_many_sources(scene: &mut Scene) -> Outcome<()> {
    /// As an entry of a set, and on its way from one core to another.
    const MEMBER_BYTES: u64 = 3 * 64;
    let (sets, members) = (scene.size(100, 300), scene.size(2_000, 10_000));
    let mut client = scene.connect()?;
    let part = |set: u64, part: u64| batch(&format!("SADD s{set}"), part, |index| format!(" member:{set}:{index}"));
    client.pipeline((0..sets).flat_map(|set| (0..members / 100).map(move |index| part(set, index))))?;
    scene.begin()?;
    scene.allow(2 * sets * members * MEMBER_BYTES);
    let names: String = (0..sets).map(|set| format!(" s{set}")).collect();
    let total = (sets * members).to_string();
    for words in [format!("SUNIONSTORE target{names}"), format!("ZUNIONSTORE target {sets}{names}")] {
        let reply = client.ask(&words)?;
        // A server may refuse what brings too much to one core; then it says so.
        let is_refused = matches!(reply, Reply::Error(_));
        if !is_refused && reply.to_string() != total {
            return Err(format!("a union of {total} members has {reply}"));
        }
        client.ask("DEL target")?;
    }
    client.expect(&format!("SINTERSTORE target{names}"), "0")
}

const DEEP_SORT: Attack = Attack::new(
    "sort-patterns",
    "SORT BY and GET patterns over keys of every core, and STORE",
    COMPUTING,
    sort_patterns,
);

fn sort_patterns(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(20_000, 100_000);
    let mut client = scene.connect()?;
    client.pipeline((0..count / 100).map(|part| batch("RPUSH list", part, |index| format!(" {index}"))))?;
    client.pipeline(
        (0..count / 100).map(|part| {
            batch("MSET", part, |index| format!(" weight:{index} {} name:{index} n{index}", count - index))
        }),
    )?;
    scene.begin()?;
    // What was found for each element, with its key, twice.
    scene.allow(count * 600);
    let sorted = client.ask("SORT list BY weight:* GET name:* GET # LIMIT 0 2")?.to_string();
    let last = count - 1;
    let wanted = format!("[n{last} {last} n{} {}]", last - 1, last - 1);
    if sorted != wanted {
        return Err(format!("SORT: {sorted} instead of {wanted}"));
    }
    client.expect(&format!("SORT list BY weight:*{} STORE target", " GET name:*".repeat(3)), &(3 * count).to_string())
}

const QUEUED_RELAYS: Attack = Attack::new(
    "relay-pipelines",
    "several clients pipeline hundreds of relays of big sources and reset",
    COMPUTING,
    relay_pipelines,
);

fn relay_pipelines(scene: &mut Scene) -> Outcome<()> {
    let members = scene.size(1_000, 20_000);
    let mut client = scene.connect()?;
    for source in 0..SOURCES {
        let key = format!("SADD s{source}");
        client.pipeline((0..members / 100).map(|part| batch(&key, part, |index| format!(" member:{index}"))))?;
    }
    scene.begin()?;
    let names: String = (0..SOURCES).map(|source| format!(" s{source}")).collect();
    let requests: Vec<u8> = [
        text(&format!("SUNIONSTORE target{names}")),
        text(&format!("SINTERSTORE other{names}")),
        text("RENAME other target"),
        text("COPY target copy REPLACE"),
    ]
    .concat();
    let mut clients = scene.connect_many(8)?;
    for client in &mut clients {
        client.send(&requests.repeat(20))?;
    }
    let first = clients.first_mut().ok_or("no connection")?;
    for _ in 0..20 {
        let replies: Vec<Reply> = (0..4).map(|_| first.reply()).collect::<Outcome<_>>()?;
        if replies[0].integer() as u64 != members {
            return Err(format!("SUNIONSTORE of equal sets of {members}: {}", replies[0]));
        }
    }
    clients.into_iter().for_each(super::connection::Connection::reset);
    Ok(())
}

/// A request about the elements `part * 100` to `part * 100 + 99`.
fn batch(words: &str, part: u64, element: impl Fn(u64) -> String) -> Vec<u8> {
    let elements: String = (part * 100..part * 100 + 100).map(element).collect();
    text(&format!("{words}{elements}"))
}
