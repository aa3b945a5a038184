//! Random requests of all writing commands, in transactions and while others wait, and time that passes: the log and the files keep what
//! they come to.

use torc_engine::command::{Command, Flags};
use torc_engine::random::Random;

use super::contents::Look;
use super::decoded;
use super::scenario::{CORES, shown};
use super::small::{Times, random_request};
use super::told::{Setup, Told};
use super::ways::Caught;
use crate::requests::commands;

const SEEDS: u64 = 21;
const OPERATIONS: usize = 150;
const GROUPS: [&str; 7] = ["stream", "string", "list", "stream", "hash", "set", "sorted-set"];

/// One request, or several in a transaction; a client that has to wait is left alone.
fn operate(told: &Told, random: &mut Random, commands: &[&'static Command]) -> Vec<String> {
    let client = told.core.client_on(random.below(u64::from(told.setup.cores)) as u16);
    let db = u64::from(random.below(8) == 0);
    client.send(&format!("SELECT {db}"));
    let count = if random.below(8) == 0 { 1 + random.below(4) } else { 0 };
    let mut lines = Vec::new();
    if count > 0 {
        client.send("MULTI");
    }
    for _ in 0..count.max(1) {
        let request = loop {
            let command = commands[random.below(commands.len() as u64) as usize];
            let request = random_request(random, command, told.core.now_ms(), Times::Near);
            let is_rare = command.full_name.starts_with("xgroup") || command.full_name == "xsetid";
            if !is_rare || random.below(6) == 0 {
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

fn check_seed(seed: u64, setup: Setup, commands: &[&'static Command]) {
    let told = Told::new(setup);
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    for number in 0..CORES {
        told.client.send(&format!("XGROUP CREATE stream{number} g 0 MKSTREAM"));
    }
    // Most requests of a run are of one group, so that they meet what others have made.
    let group = GROUPS[seed as usize % GROUPS.len()];
    let of_group: Vec<_> = commands.iter().copied().filter(|command| command.row.group == group).collect();
    let (cut_at, mut caught) = (random.below(OPERATIONS as u64), None);
    for number in 0..OPERATIONS as u64 {
        if number == cut_at {
            caught = Some(Caught::now(&told));
        }
        let commands = if random.below(4) > 0 { &of_group[..] } else { commands };
        lines.extend(operate(&told, &mut random, commands));
        lines.push(format!("tells{}", shown(&decoded(&told.log.propagated()))));
        if caught.is_some() && random.below(3) == 0 {
            Caught::save_on(&told, random.below(u64::from(setup.cores)) as u16);
        }
        if random.below(4) == 0 {
            told.core.advance_ms(random.below(30) as i64);
            told.core.upkeep();
        }
    }
    told.core.upkeep();
    let differs = caught.expect("the number is below").compare(&told, &[], Look::Roughly);
    if !differs.is_empty() {
        std::fs::write(std::env::temp_dir().join("torc-propagation.txt"), lines.join("\n")).expect("it can be written");
        panic!("seed {seed}, {setup:?}:\n{}", differs.join("\n"));
    }
}

#[test]
fn random_requests_replayed() {
    let left_out = ["flushall", "flushdb", "debug|populate", "debug|reload"];
    let writing = commands().filter(|command| command.row.flags.has(Flags::WRITE));
    let writing: Vec<_> = writing.filter(|command| !left_out.contains(&command.full_name)).collect();
    for seed in 0..SEEDS {
        Setup::all().for_each(|setup| check_seed(seed, setup, &writing));
    }
}
