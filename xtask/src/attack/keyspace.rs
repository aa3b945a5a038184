//! Many keys at once, and keys that hold much: expired, flushed, deleted, listed.
//!
//! ```text
//!   what is freed is freed in slices of about 100 us, however much it is
//!   what is O(N) in Redis is so here (KEYS, SORT, SMEMBERS): others wait as long as it takes
//! ```

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::connection::text;
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&EXPIRY_STORM, &FLUSH, &DELETE_BIG, &ONE_SLOT, &LISTING];

const EXPIRY_STORM: Attack = Attack::new(
    "expiry-storm",
    "hundreds of thousands of keys, and fields of a hash, that expire in the same millisecond",
    Bounds::new(24, 10, 20),
    expiry_storm,
);

fn expiry_storm(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(50_000, 1_000_000);
    let mut client = scene.connect()?;
    // At the pace of the first tenth, and as long again and more, so that all of them are there when they are due.
    let start = Instant::now();
    client.pipeline((0..count / 10).map(|index| text(&format!("SET key:{index} value"))))?;
    let time = start.elapsed() * 25 + Duration::from_millis(500);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let due = (now + time).as_millis();
    client.pipeline((0..count).map(|index| text(&format!("SET key:{index} value PXAT {due}"))))?;
    if client.ask("DBSIZE")?.integer() == 0 {
        return Err("the keys were due before the last one was set".into());
    }
    scene.begin()?;
    let deadline = Instant::now() + time + Duration::from_secs(30);
    // Asking is no access: the server has to find them by itself.
    while client.ask("DBSIZE")?.integer() > 0 {
        if Instant::now() > deadline {
            return Err(format!("of {count} expired keys {} are left", client.ask("DBSIZE")?));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

const FLUSH: Attack = Attack::new(
    "flush",
    "FLUSHALL of hundreds of thousands of keys, then as many again",
    Bounds::new(24, 10, 20),
    flush,
);

fn flush(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(300_000, 2_000_000);
    scene.observer.expect(&format!("DEBUG POPULATE {count}"), "OK")?;
    scene.begin()?;
    // The second time the memory of the first may not be free yet. ASYNC is what Redis calls it.
    scene.allow(count * 100);
    scene.observer.expect("FLUSHALL ASYNC", "OK")?;
    scene.observer.expect("DBSIZE", "0")?;
    let mut client = scene.connect()?;
    let some = count / 10;
    client.pipeline((0..some).map(|index| text(&format!("SET key:{index} value"))))?;
    client.expect("FLUSHDB ASYNC", "OK")?;
    client.expect("DBSIZE", "0")
}

const DELETE_BIG: Attack = Attack::new(
    "delete-big",
    "UNLINK, DEL, RENAME over and EXPIRE of collections of hundreds of thousands of elements",
    Bounds::new(24, 10, 20),
    delete_big,
);

fn delete_big(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(100_000, 1_000_000);
    let mut client = scene.connect()?;
    for words in ["HSET hash", "SADD set", "ZADD zset", "RPUSH list"] {
        let add = |part: u64| {
            let elements = (part * 100..part * 100 + 100).map(|index| match words {
                "HSET hash" => format!(" field:{index} value"),
                "ZADD zset" => format!(" {index} member:{index}"),
                _ => format!(" element:{index}"),
            });
            text(&format!("{words}{}", elements.collect::<String>()))
        };
        client.pipeline((0..count / 100).map(add))?;
    }
    scene.begin()?;
    client.expect("UNLINK hash", "1")?;
    client.expect("UNLINK zset", "1")?;
    client.expect("SET small x", "OK")?;
    client.expect("RENAME small set", "OK")?;
    client.expect("PEXPIRE list 1", "1")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.ask("DBSIZE")?.integer() > 1 {
        if Instant::now() > deadline {
            return Err("a list that has expired is still counted".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    client.expect("GET set", "x")
}

const ONE_SLOT: Attack = Attack::new(
    "one-slot",
    "a hundred thousand keys of one slot, and fields that differ in their last bytes only",
    Bounds::new(48, 10, 20),
    one_slot,
);

fn one_slot(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(60_000, 600_000);
    scene.begin()?;
    scene.allow(count * 300);
    let mut client = scene.connect()?;
    let start = Instant::now();
    client.pipeline((0..count).map(|index| text(&format!("SET {{tag}}:{index} x"))))?;
    let first = start.elapsed();
    let start = Instant::now();
    client.pipeline((0..count).map(|index| text(&format!("HSET hash aaaaaaaaaaaaaaaaaaaaaaaaaaaa{index:08} x"))))?;
    // Whatever these keys had in common would show here: they are found as fast as when there were few.
    client.pipeline((0..count).map(|index| text(&format!("GET {{tag}}:{index}"))))?;
    if start.elapsed() > first * 8 + Duration::from_secs(1) {
        return Err(format!("{count} keys of one slot: set in {first:?}, read in {:?}", start.elapsed()));
    }
    client.expect("DBSIZE", &(count + 1).to_string())
}

const LISTING: Attack = Attack::new(
    "listing",
    "KEYS, SCAN with a huge COUNT, SORT, SMEMBERS of hundreds of thousands of keys and elements",
    Bounds::new(96, 500, 500),
    listing,
);

fn listing(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(100_000, 500_000);
    scene.observer.expect(&format!("DEBUG POPULATE {count}"), "OK")?;
    let mut client = scene.connect()?;
    let push = |part: u64| {
        let elements: String =
            (part * 100..part * 100 + 100).map(|index| format!(" {}", index * 7919 % count)).collect();
        text(&format!("RPUSH list{elements}"))
    };
    client.pipeline((0..count / 100).map(push))?;
    scene.begin()?;
    // A reply with all of them, and what it is made from.
    scene.allow(count * 200);
    let keys = client.ask("KEYS *")?.elements().len() as u64;
    if keys != count + 1 {
        return Err(format!("KEYS has {keys} of {} keys", count + 1));
    }
    client.expect("KEYS nothing*", "[]")?;
    client.expect("KEYS *a*a*a*a*a*a*a*b", "[]")?;
    let mut cursor = "0".to_owned();
    let mut found = 0;
    loop {
        let reply = client.ask(&format!("SCAN {cursor} COUNT 1000000000"))?;
        let [next, some] = reply.elements() else { return Err(format!("SCAN: {reply}")) };
        found += some.elements().len() as u64;
        cursor = next.to_string();
        if cursor == "0" {
            break;
        }
    }
    if found != count + 1 {
        return Err(format!("SCAN has found {found} of {} keys", count + 1));
    }
    client.expect("SORT list LIMIT 0 3", "[0 1 2]")?;
    let sorted = client.ask("SORT list DESC ALPHA")?.elements().len() as u64;
    if sorted == count { Ok(()) } else { Err(format!("SORT has {sorted} of {count} elements")) }
}
