//! SCAN, HSCAN, SSCAN, ZSCAN from the first call to the cursor 0, judged by what a scan promises: it gives every element that is there
//! from the first call to the last, and none that was not there at some moment in between.
//!
//! ```text
//!   serial order:   .. first call ... a write ... second call ... last call ..
//!   what is there:     ^              ^     ^                     ^
//!                      always = what is there at all of these,  seen = what is there at one of these
//!   always, as far as the pattern matches  <=  found  <=  seen
//! ```

use std::collections::{BTreeMap, BTreeSet};

use torc_engine::Engine;
use torc_engine::command::registry;
use torc_engine::random::Random;
use torc_engine::shard::ShardContext;
use torc_resp::reader::{self, Elements};

use super::choice::ask;
use super::history::{Action, Item};
use super::workload::{Call, Made, alone, words};

/// What a scan walks over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// `SCAN`, `HSCAN`, `SSCAN` or `ZSCAN`.
    pub command: &'static str,
    pub db: u16,
    /// `None`: the keys of the database.
    pub key: Option<Vec<u8>>,
    /// What a name must have in it.
    pub part: Option<&'static str>,
}

impl Walk {
    /// The request that goes on from a cursor.
    pub fn request(&self, cursor: &[u8], count: u64) -> Vec<Vec<u8>> {
        let mut request = vec![self.command.as_bytes().to_vec()];
        request.extend(self.key.clone());
        request.push(cursor.to_vec());
        if let Some(part) = self.part {
            request.extend([b"MATCH".to_vec(), format!("*{part}*").into_bytes()]);
        }
        if count > 0 {
            request.extend([b"COUNT".to_vec(), count.to_string().into_bytes()]);
        }
        request
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.part.is_none_or(|part| name.windows(part.len()).any(|window| window == part.as_bytes()))
    }

    /// Whether another walks over the same.
    fn is_of_the_same(&self, other: &Walk) -> bool {
        (self.command, self.db, &self.key) == (other.command, other.db, &other.key)
    }

    /// Whether an action may change what it walks over.
    fn is_changed_by(&self, action: &Action) -> bool {
        let concerns = |item: &Item| match (item, &self.key) {
            (Item::Whole, _) => true,
            (Item::Key(db, _), None) => *db == self.db,
            (Item::Key(db, key), Some(own)) => *db == self.db && key == own,
        };
        action.touches.writes.iter().chain(&action.moved).any(concerns)
    }

    /// What is there now: names, with values of fields.
    fn look(&self, engine: &mut Engine) -> Content {
        let command = registry().all().find(|command| command.full_name == "keys").expect("it is a command");
        let context = &mut ShardContext::by_hand(engine.inspect_mut(), self.db, command);
        let key = self.key.as_deref().unwrap_or_default();
        let kind = ask(context, &[b"TYPE", key]);
        let words: &[&[u8]] = match (self.command, &kind[..]) {
            ("SCAN", _) => &[b"KEYS", b"*"],
            ("HSCAN", b"+hash\r\n") => &[b"HGETALL", key],
            ("SSCAN", b"+set\r\n") => &[b"SMEMBERS", key],
            ("ZSCAN", b"+zset\r\n") => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            // Nothing, or something else.
            _ => return BTreeMap::new(),
        };
        self.pairs(&ask(context, words))
    }

    /// Elements as names and values.
    fn pairs(&self, encoded: &[u8]) -> Content {
        let elements = Elements::new(encoded).into_iter().flatten();
        let texts: Vec<Vec<u8>> = elements.map(|element| reader::bulk(element).expect("text").to_vec()).collect();
        match self.command {
            "HSCAN" | "ZSCAN" => texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
            _ => texts.into_iter().map(|name| (name, Vec::new())).collect(),
        }
    }
}

/// A scan of a client.
#[derive(Debug)]
pub(crate) struct Scan {
    pub walk: Walk,
    /// The actions of its calls.
    pub calls: Vec<usize>,
    /// It has come to the cursor 0 with all its calls answered.
    pub is_complete: bool,
    found: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

impl Scan {
    pub fn new(walk: Walk) -> Self {
        Scan { walk, calls: Vec::new(), is_complete: false, found: BTreeSet::new() }
    }

    /// Takes what a call answered; gives the cursor to go on from, if there is more.
    pub fn take(&mut self, reply: &[u8]) -> Option<Vec<u8>> {
        // An error: the key is of another type. Nothing is promised then.
        let mut parts = Elements::new(reply)?;
        let cursor = reader::bulk(parts.next().expect("a cursor")).expect("a cursor is text").to_vec();
        self.found.extend(self.walk.pairs(parts.next().expect("elements")));
        self.is_complete = cursor == b"0";
        (!self.is_complete).then_some(cursor)
    }
}

/// What is there at some moment: names, with values of fields.
type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A scan under way in the replay.
struct Open {
    /// What was there all the time.
    always: BTreeSet<Vec<u8>>,
    /// What was there at some time, with its value.
    seen: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

impl Open {
    fn note(&mut self, there: &Content) {
        self.always.retain(|name| there.contains_key(name));
        for (name, value) in there {
            let pair = (name.clone(), value.clone());
            if !self.seen.contains(&pair) {
                self.seen.insert(pair);
            }
        }
    }
}

/// The scans under way in the replay.
pub(crate) struct Watcher<'a> {
    scans: &'a [Scan],
    /// Nothing expires, so that nothing changes between actions.
    timeless: bool,
    /// By scan.
    open: BTreeMap<usize, Open>,
}

impl<'a> Watcher<'a> {
    pub fn new(scans: &'a [Scan], timeless: bool) -> Self {
        Watcher { scans, timeless, open: BTreeMap::new() }
    }

    /// Before an action runs.
    pub fn before(&mut self, number: usize, action: &Action, engine: &mut Engine) {
        let begins = |scan: &&usize| self.scans[**scan].is_complete && self.scans[**scan].calls[0] == number;
        if let Some(&scan) = action.scan.as_ref().filter(begins) {
            let there = self.scans[scan].walk.look(engine);
            self.open.insert(scan, Open { always: there.keys().cloned().collect(), seen: there.into_iter().collect() });
        }
        if !self.timeless {
            self.look(action, engine);
        }
    }

    /// After it has run.
    pub fn after(&mut self, number: usize, action: &Action, engine: &mut Engine) {
        self.look(action, engine);
        let ends = |scan: &&usize| self.scans[**scan].is_complete && self.scans[**scan].calls.last() == Some(&number);
        if let Some(&scan) = action.scan.as_ref().filter(ends) {
            let mut open = self.open.remove(&scan).expect("a scan begins before it ends");
            let Scan { walk, found, calls, .. } = &self.scans[scan];
            open.note(&walk.look(engine));
            let names: BTreeSet<&Vec<u8>> = found.iter().map(|(name, _)| name).collect();
            let missed: Vec<String> = open
                .always
                .iter()
                .filter(|name| walk.matches(name) && !names.contains(name))
                .map(|name| name.escape_ascii().to_string())
                .collect();
            assert!(missed.is_empty(), "{walk:?} in the actions {calls:?} missed {missed:?}");
            let invented: Vec<String> = found
                .iter()
                .filter(|pair| !walk.matches(&pair.0) || !open.seen.contains(pair))
                .map(|(name, value)| format!("{} {}", name.escape_ascii(), value.escape_ascii()))
                .collect();
            assert!(invented.is_empty(), "{walk:?} in the actions {calls:?} gave {invented:?}, which were never there");
        }
    }

    /// Notes what is there now, for the scans of what an action changes.
    fn look(&mut self, action: &Action, engine: &mut Engine) {
        let mut contents: Vec<(&Walk, Content)> = Vec::new();
        for (&scan, open) in &mut self.open {
            let walk = &self.scans[scan].walk;
            if !walk.is_changed_by(action) {
                continue;
            }
            let known = contents.iter().position(|(other, _)| walk.is_of_the_same(other));
            let place = known.unwrap_or_else(|| {
                contents.push((walk, walk.look(engine)));
                contents.len() - 1
            });
            open.note(&contents[place].1);
        }
    }
}

/// Databases that are scanned.
const DATABASES: u64 = 2;

/// Kinds of collections: how they are scanned and made smaller, and their key. The first are the keys themselves.
const KINDS: [(&str, &str, &str); 4] =
    [("SCAN", "DEL", ""), ("HSCAN", "HDEL", "hash"), ("SSCAN", "SREM", "set"), ("ZSCAN", "ZREM", "zset")];

/// What a client does next in a world of large collections that grow, shrink and are scanned.
pub(crate) fn next(timeless: bool, random: &mut Random) -> Made {
    let (command, removes, key) = KINDS[random.below(4) as usize];
    match random.below(16) {
        0..=5 => {
            let key = (!key.is_empty()).then(|| key.as_bytes().to_vec());
            let part = [None, None, Some("1"), Some("n2")][random.below(4) as usize];
            let db = if random.below(5) == 0 { random.below(DATABASES) as u16 } else { 0 };
            let walk = Walk { command, db, key, part };
            let request = walk.request(b"0", [0, 1, 2, 5][random.below(4) as usize]);
            Made { requests: vec![request], db: Some(db), selects: None, call: Some(Call::First(walk)) }
        }
        6..=11 => made(&grows(command, random)),
        12 | 13 => {
            let names: String = (0..1 + random.below(12)).map(|_| format!(" {}", name(random))).collect();
            made(&format!("{removes} {key} {names}"))
        }
        _ => made(&changes(key, timeless, random)),
    }
}

fn made(text: &str) -> Made {
    alone(words(&text.split_ascii_whitespace().collect::<Vec<_>>()))
}

fn name(random: &mut Random) -> String {
    format!("n{}", random.below(200))
}

/// Adds up to 40 elements.
fn grows(command: &str, random: &mut Random) -> String {
    let value = random.below(9);
    let names = (0..1 + random.below(60)).map(|_| name(random));
    match command {
        "SCAN" => format!("MSET {}", names.map(|name| format!("{name} v ")).collect::<String>()),
        "HSCAN" => format!("HSET hash {}", names.map(|name| format!("{name} {value} ")).collect::<String>()),
        "SSCAN" => format!("SADD set {}", names.map(|name| format!("{name} ")).collect::<String>()),
        _ => format!("ZADD zset {}", names.map(|name| format!("{value} {name} ")).collect::<String>()),
    }
}

/// Whatever else happens to them.
fn changes(key: &str, timeless: bool, random: &mut Random) -> String {
    match random.below(14) {
        0 => "SPOP set 20".to_owned(),
        1 => "ZPOPMIN zset 20".to_owned(),
        2 | 3 if timeless => "SADD set n1".to_owned(),
        2 => format!("PEXPIRE {} {}", name(random), 1 + random.below(4000)),
        3 => format!("PEXPIRE {key} {}", 1 + random.below(4000)),
        4 => "SUNIONSTORE set set other".to_owned(),
        5 => format!("RENAME {} {}", name(random), name(random)),
        6 => "COPY set other REPLACE".to_owned(),
        7 if random.below(3) == 0 => "FLUSHDB".to_owned(),
        8 if random.below(3) == 0 => "SWAPDB 0 1".to_owned(),
        9 => "DBSIZE".to_owned(),
        10 => "RANDOMKEY".to_owned(),
        11 => "HRANDFIELD hash 7 WITHVALUES".to_owned(),
        12 => "ZRANDMEMBER zset -7 WITHSCORES".to_owned(),
        13 if random.below(3) == 0 => format!("DEL {key} {}", name(random)),
        _ => format!("SRANDMEMBER set {}", random.below(30)),
    }
}
