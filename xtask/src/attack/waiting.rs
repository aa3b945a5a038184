//! Clients that wait for a key, and leave at the worst moment.
//!
//! ```text
//!   a waiter whose connection has ended before the push gets nothing: the element stays
//!   every element goes to exactly one waiter, however many wait and in whatever order they leave
//! ```

use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, Reply, text};
use super::connections::WAITING_INPUT_BYTES_MAX;
use super::scene::{Attack, Bounds, Scene, info_number};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&RESET_WAITERS, &WAITING_STORM, &MANY_WAITERS, &BLOCKED_PIPELINES];

const RESET_WAITERS: Attack = Attack::new(
    "reset-waiters",
    "clients wait for keys of every core and are reset, or close, just before the push: no element may be lost",
    Bounds::new(16, 10, 20),
    reset_waiters,
);

fn reset_waiters(scene: &mut Scene) -> Outcome<()> {
    // What waits, what pushes, and what counts.
    const KINDS: [(&str, &str, &str); 4] = [
        ("BLPOP k kb kc 0", "RPUSH k x", "LLEN k"),
        ("BZPOPMIN k kb kc 0", "ZADD k 1 x", "ZCARD k"),
        ("BLMPOP 0 3 k kb kc LEFT", "RPUSH k x", "LLEN k"),
        ("BLMOVE k other LEFT RIGHT 0", "RPUSH k x", "LLEN k"),
    ];
    let rounds = scene.size(120, 2000);
    scene.begin()?;
    let mut pusher = scene.connect()?;
    for round in 0..rounds {
        let (wait, push, count) = KINDS[(round % 4) as usize];
        let mut waiter = scene.connect()?;
        waiter.send(&text(wait))?;
        wait_for_blocked(scene, 1)?;
        if round % 3 == 0 {
            waiter.reset()
        } else {
            drop(waiter)
        }
        // In one write, so that nothing delays the push after the close; the count comes when servers have served.
        pusher.send(&text(push))?;
        let pushed = pusher.reply()?;
        thread::sleep(Duration::from_millis(2));
        let left = pusher.ask(count)?;
        if left != Reply::Integer(1) || pushed.integer() != 1 {
            return Err(format!(
                "round {round}: {wait}, close, {push} ({pushed}): {count} is {left}: an element is lost"
            ));
        }
        pusher.ask("DEL k")?;
    }
    Ok(())
}

fn wait_for_blocked(scene: &mut Scene, wanted: u64) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while info_number(&mut scene.observer, "clients", "blocked_clients:")? != wanted {
        if Instant::now() > deadline {
            return Err(format!("blocked_clients does not become {wanted}"));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

const WAITING_STORM: Attack = Attack::new(
    "waiting-storm",
    "hundreds of BLPOPs over keys of every core, pushes, and waiters that are reset all the while",
    Bounds::new(24, 20, 50),
    waiting_storm,
);

fn waiting_storm(scene: &mut Scene) -> Outcome<()> {
    let (waiters, pushes) = (scene.size(150, 500) as usize, scene.size(1500, 20_000));
    scene.begin()?;
    let mut readers = scene.connect_many(waiters)?;
    let keys = |index: usize| format!("BLPOP q{} q{} q{} 0", index % 7, index % 5, index % 3);
    for (index, reader) in readers.iter_mut().enumerate() {
        reader.send(&text(&keys(index)))?;
    }
    let mut restless = scene.connect_many(20)?;
    let mut pusher = scene.connect()?;
    for push in 0..pushes {
        pusher.send(&text(&format!("RPUSH q{} {push}", push % 7)))?;
        if push % 50 == 0 {
            // Those wait for what nobody pushes, so that they can take nothing with them.
            let index = scene.random.between(0, restless.len() as u64 - 1) as usize;
            let mut other = scene.connect()?;
            other.send(&text("BLPOP nothing q_none 0"))?;
            std::mem::replace(&mut restless[index], other).reset();
        }
    }
    for _ in 0..pushes {
        pusher.reply()?;
    }
    // The first push of each waiter's keys is for it; the rest stays in the lists.
    let mut seen: Vec<String> = Vec::new();
    for reader in &mut readers {
        let reply = reader.reply()?;
        let element = reply.elements().get(1).ok_or_else(|| format!("a waiter got {reply}"))?;
        seen.push(element.to_string());
    }
    for key in 0..7 {
        let left = pusher.ask(&format!("LRANGE q{key} 0 -1"))?;
        seen.extend(left.elements().iter().map(ToString::to_string));
    }
    seen.sort_unstable();
    let total = seen.len() as u64;
    seen.dedup();
    restless.into_iter().for_each(Connection::reset);
    if total == pushes && seen.len() as u64 == pushes {
        return Ok(());
    }
    Err(format!("of {pushes} elements {total} were found, {} different ones", seen.len()))
}

const MANY_WAITERS: Attack = Attack::new(
    "many-waiters",
    "a thousand clients wait for the same key of another core and are reset together",
    Bounds::new(16, 20, 50),
    many_waiters,
);

fn many_waiters(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(800, 4000);
    scene.begin()?;
    scene.allow(count * (8 << 10));
    let mut waiters = scene.connect_many(count as usize)?;
    for waiter in &mut waiters {
        waiter.send(&text("BLPOP queue 0"))?;
    }
    let count = waiters.len() as u64;
    wait_for_blocked(scene, count)?;
    waiters.into_iter().for_each(Connection::reset);
    wait_for_blocked(scene, 0)?;
    scene.observer.expect("RPUSH queue a b c", "3")?;
    scene.observer.expect("LLEN queue", "3")
}

const BLOCKED_PIPELINES: Attack = Attack::new(
    "blocked-pipelines",
    "clients wait for a key and send megabytes of requests behind it",
    Bounds::new(8, 10, 20),
    blocked_pipelines,
);

fn blocked_pipelines(scene: &mut Scene) -> Outcome<()> {
    let count = scene.size(30, 1000);
    let requests = [text("BLPOP nothing 0"), text("SET key value").repeat(50_000)].concat();
    scene.begin()?;
    scene.allow(count * WAITING_INPUT_BYTES_MAX);
    let mut clients = scene.connect_many(count as usize)?;
    for client in &mut clients {
        client.push(&requests, Duration::from_millis(20));
    }
    wait_for_blocked(scene, clients.len() as u64)?;
    scene.observer.expect("EXISTS key", "0")?;
    clients.into_iter().for_each(Connection::reset);
    wait_for_blocked(scene, 0)
}
