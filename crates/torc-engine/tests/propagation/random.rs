//! Random requests of all writing commands, in transactions and while others wait, and time that passes: what they propagate makes the
//! same keys on an empty engine on which nothing expires by itself.

use std::collections::BTreeMap;

use torc_engine::command::{Command, Flags};
use torc_engine::random::Random;

use super::scenario::{CORES, shown};
use super::small::{Times, random_request};
use super::{CORE_COUNTS, DATABASES, Told, decoded, replay};
use crate::common::{Client, START_MS};
use crate::requests::commands;

const SEEDS: u64 = 21;
const OPERATIONS: usize = 150;
const GROUPS: [&str; 7] = ["stream", "string", "list", "stream", "hash", "set", "sorted-set"];

/// The keys of all databases with what they hold, but for when and how often entries were given, and how often they came again.
fn values_of(client: &Client) -> BTreeMap<String, String> {
    let mut values = super::keys_of(client);
    for db in 0..DATABASES {
        client.send(&format!("SELECT {db}"));
        for (name, value) in &mut values {
            let Some(key) = name.strip_prefix(&format!("{db} ")) else { continue };
            if value.starts_with("+stream") {
                let stream = client.send(&format!("XINFO STREAM {key}"));
                let (_, stream) = stream.split_once("last-generated-id").expect("it has one");
                let (ids, stream) = stream.split_once("iids-duplicates").unwrap_or(("", stream));
                let (_, stream) = stream.split_once("groups").expect("it has a number of them");
                let groups = client.send(&format!("XINFO GROUPS {key}"));
                let pending: Vec<String> =
                    ["g", "h"].iter().map(|group| client.send(&format!("XPENDING {key} {group}"))).collect();
                *value =
                    format!("{ids} {stream}\n{}\n{groups}\n{pending:?}", client.send(&format!("XRANGE {key} - +")));
            }
        }
    }
    values
}

fn waits(command: &Command, request: &[Vec<u8>]) -> bool {
    let may_wait = command.row.flags.has(Flags::BLOCKING);
    may_wait && (command.full_name != "xreadgroup" || request.iter().any(|word| word == b"BLOCK"))
}

/// One request, or several in a transaction; a client that has to wait is left alone.
fn operate(told: &Told, random: &mut Random, commands: &[&'static Command]) -> Vec<String> {
    let client = told.core.client_on(random.below(u64::from(told.cores)) as u16);
    let db = u64::from(random.below(8) == 0);
    client.send(&format!("SELECT {db}"));
    let count = if random.below(8) == 0 { 1 + random.below(4) } else { 0 };
    let mut lines = Vec::new();
    if count > 0 {
        client.send("MULTI");
    }
    // The lists of several cores do not say whether a waiter was served before or after what another core tells.
    let may_wait = told.cores == 1 || count > 0;
    for _ in 0..count.max(1) {
        let request = loop {
            let command = commands[random.below(commands.len() as u64) as usize];
            let request = random_request(random, command, told.core.now_ms(), Times::Near);
            let is_rare = command.full_name.starts_with("xgroup") || command.full_name == "xsetid";
            if (may_wait || !waits(command, &request)) && (!is_rare || random.below(6) == 0) {
                break request;
            }
        };
        let mut bytes = Vec::new();
        torc_resp::write_request(&mut bytes, &request);
        let replies = client.exchange(&bytes).join(" ");
        lines.push(format!("{db} {} -> {replies}", shown(&[request]).trim()));
    }
    if count > 0 {
        lines.push(client.send("EXEC"));
    }
    lines
}

fn check_seed(seed: u64, cores: u16, commands: &[&'static Command]) {
    let told = Told::new(cores);
    let mut random = Random::new(seed);
    let (mut propagated, mut lines) = (Vec::new(), Vec::new());
    for number in 0..CORES {
        told.client.send(&format!("XGROUP CREATE stream{number} g 0 MKSTREAM"));
    }
    // Most requests of a run are of one group, so that they meet what others have made.
    let group = GROUPS[seed as usize % GROUPS.len()];
    let of_group: Vec<_> = commands.iter().copied().filter(|command| command.row.group == group).collect();
    for _ in 0..OPERATIONS {
        let commands = if random.below(4) > 0 { &of_group[..] } else { commands };
        lines.extend(operate(&told, &mut random, commands));
        let new = told.propagated();
        lines.push(format!("tells{}", shown(&decoded(&new))));
        propagated.extend(new);
        if random.below(4) == 0 {
            told.core.advance_ms(random.below(30) as i64);
            told.core.upkeep();
            propagated.extend(told.propagated());
        }
    }
    told.core.upkeep();
    let ours = values_of(&told.client);
    propagated.extend(told.propagated());
    let theirs = replay(&[], cores, START_MS, &propagated, values_of);
    if theirs != ours {
        let differs = ours.keys().chain(theirs.keys()).filter(|key| ours.get(*key) != theirs.get(*key));
        let differs: Vec<String> =
            differs.map(|key| format!("{key}: {:?}\n  replayed: {:?}", ours.get(key), theirs.get(key))).collect();
        std::fs::write(std::env::temp_dir().join("torc-propagation.txt"), lines.join("\n")).expect("it can be written");
        panic!("seed {seed} on {cores}:\n{}", differs.join("\n"));
    }
}

#[test]
fn random_requests_replayed() {
    let left_out = ["flushall", "flushdb", "debug|populate", "debug|reload"];
    let writing = commands().filter(|command| command.row.flags.has(Flags::WRITE));
    let writing: Vec<_> = writing.filter(|command| !left_out.contains(&command.full_name)).collect();
    for seed in 0..SEEDS {
        CORE_COUNTS.iter().for_each(|&cores| check_seed(seed, cores, &writing));
    }
}
