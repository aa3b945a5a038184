//! Random requests of all writing commands, in transactions and while others wait, and time that passes: what they propagate makes the
//! same keys on an empty engine on which nothing expires by itself.

use std::collections::BTreeMap;

use torc_engine::command::{Command, Flags};
use torc_engine::random::Random;

use super::scenario::{CORES, payload, shown};
use super::{CORE_COUNTS, DATABASES, Told, decoded, replay};
use crate::common::{Client, START_MS};
use crate::requests::{Chooser, commands, request};

const SEEDS: u64 = 20;
const OPERATIONS: usize = 150;

/// Makes requests whose keys and elements come from a small world.
struct Small<'a> {
    random: &'a mut Random,
    command: &'static Command,
    now_ms: i64,
    /// What each argument stands for: a count is known once what it counts is there.
    counts: Vec<(usize, &'static str)>,
    words: Vec<String>,
}

impl Small<'_> {
    fn below(&mut self, most: u64) -> u64 {
        self.random.below(most)
    }

    fn one_of(&mut self, texts: &[&str]) -> String {
        let number = self.below(texts.len() as u64) as usize;
        texts[number].to_owned()
    }

    /// A key that mostly holds what the command wants.
    fn key(&mut self) -> String {
        let group = self.command.row.group;
        let kind = match self.below(12) {
            0 => self.one_of(&["list", "set", "hash", "string", "stream", "sorted-set"]),
            _ if group == "bitmap" => "string".to_owned(),
            _ if group == "geo" => "sorted-set".to_owned(),
            _ if group == "generic" => self.one_of(&["list", "set", "hash", "string", "stream", "sorted-set"]),
            _ => group.to_owned(),
        };
        format!("{kind}{}", self.below(u64::from(CORES)))
    }

    fn element(&mut self) -> String {
        self.one_of(&["a", "b", "c", "d", "1", "2", "3", "10.5", "longer than what is short"])
    }

    fn text(&mut self, word: &str) -> String {
        match word {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" | "src" | "dst" => {
                self.key()
            }
            "group" => self.one_of(&["g", "h"]),
            "consumer" | "producer-id" | "idempotent-id" => self.one_of(&["c", "d"]),
            "id" | "last-id" | "lastid" | "max-deleted-id" if self.command.full_name.starts_with("xread") => {
                self.one_of(&[">", ">", ">", "0"])
            }
            "id" | "last-id" | "lastid" | "max-deleted-id" | "threshold" | "start" | "end"
                if self.command.row.group == "stream" =>
            {
                let number = self.below(30).to_string();
                self.one_of(&["0", "1-1", "$", "*", &format!("{START_MS}-0"), &number, &number])
            }
            "seconds" | "milliseconds" | "ttl" => self.one_of(&["1", "5", "50", "100000", "-1", "0"]),
            "unix-time-seconds" => (self.now_ms / 1000 + self.below(3) as i64).to_string(),
            "unix-time-milliseconds" => (self.now_ms + self.below(100) as i64 - 20).to_string(),
            "min" | "max" if self.command.full_name.contains("lex") => self.one_of(&["-", "+", "[b", "(c"]),
            "timeout" | "block" => "0".to_owned(),
            "db" | "destination-db" | "index1" | "index2" => self.below(2).to_string(),
            "longitude" | "latitude" => self.below(40).to_string(),
            "encoding" => "u8".to_owned(),
            "element" | "member" | "field" | "value" | "pivot" | "string" => self.element(),
            _ => self.below(6).to_string(),
        }
    }
}

impl Chooser for Small<'_> {
    fn choose(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    fn include(&mut self) -> bool {
        self.below(3) == 0
    }

    fn repeat(&mut self) -> usize {
        self.below(3) as usize
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        self.words.push(word.to_owned());
        let counted = match word {
            "numkeys" => Some("key"),
            "numfields" => Some("field"),
            "numids" => Some("id"),
            _ => None,
        };
        if let Some(counted) = counted {
            self.counts.push((self.words.len(), counted));
            return format!("#{}", self.counts.len() - 1).into_bytes();
        }
        if word == "serialized-value" {
            return payload();
        }
        self.text(word).into_bytes()
    }
}

/// A request that is right more often than not.
fn random_request(random: &mut Random, commands: &[&'static Command], now_ms: i64) -> Vec<Vec<u8>> {
    let command = commands[random.below(commands.len() as u64) as usize];
    let mut small = Small { random, command, now_ms, counts: Vec::new(), words: Vec::new() };
    let mut request = request(command, &mut small);
    for (number, &(from, counted)) in small.counts.iter().enumerate() {
        let count = small.words[from..].iter().filter(|word| *word == counted).count();
        for argument in &mut request {
            if *argument == format!("#{number}").into_bytes() {
                *argument = count.to_string().into_bytes();
            }
        }
    }
    request
}

/// The keys of all databases with what they hold, but for when and how often entries were given.
fn values_of(client: &Client) -> BTreeMap<String, String> {
    let mut values = super::keys_of(client);
    for db in 0..DATABASES {
        client.send(&format!("SELECT {db}"));
        for (name, value) in &mut values {
            let Some(key) = name.strip_prefix(&format!("{db} ")) else { continue };
            if value.starts_with("+stream") {
                let stream = client.send(&format!("XINFO STREAM {key}"));
                let (_, stream) = stream.split_once("last-generated-id").expect("it has one");
                let groups = client.send(&format!("XINFO GROUPS {key}"));
                let pending: Vec<String> =
                    ["g", "h"].iter().map(|group| client.send(&format!("XPENDING {key} {group}"))).collect();
                *value = format!("{stream}\n{}\n{groups}\n{pending:?}", client.send(&format!("XRANGE {key} - +")));
            }
        }
    }
    values
}

fn waits(command: &Command) -> bool {
    command.row.flags.has(Flags::BLOCKING)
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
    let commands: Vec<_> = commands.iter().copied().filter(|command| may_wait || !waits(command)).collect();
    for _ in 0..count.max(1) {
        let request = random_request(random, &commands, told.core.now_ms());
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
    for _ in 0..OPERATIONS {
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
