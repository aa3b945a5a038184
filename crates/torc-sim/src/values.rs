//! Values for the names in the rows' syntaxes: from a small world, so that commands meet, and mostly valid.

use std::collections::HashMap;
use std::sync::LazyLock;

use torc_engine::command::{Command, Flags, registry};
use torc_engine::random::Random;
use torc_rdb::{EncodeOptions, HashField, StreamEntry, StreamHead, StreamId, StreamValue, Value, payload};
use torc_resp::Args;

use crate::grammar::{Source, chooses};
use crate::peers::letter_of;
use crate::strict::flat;
use crate::swarm::Swarm;

/// The keys a request may use, and what its other arguments are like.
pub(crate) struct Scope<'a> {
    pub letter: u8,
    pub now_ms: i64,
    pub swarm: &'a Swarm,
}

/// What keys of a group's commands end with, so that commands find values of their kind. Keys of groups that are not here may be of
/// any kind, as those of generic commands.
const KINDS: [(&str, &str); 9] = [
    ("string", ""),
    ("bitmap", ""),
    ("list", "l"),
    ("hash", "h"),
    ("set", "s"),
    ("sorted-set", "z"),
    ("geo", "z"),
    ("stream", "x"),
    ("hyperloglog", "p"),
];

/// The group of a command, by its full name.
fn group_of(command: &str) -> &'static str {
    static GROUPS: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| registry().all().map(|command| (command.full_name, command.row.group)).collect());
    GROUPS.get(command).copied().unwrap_or_default()
}

/// Whether a command chooses elements that stay, so that a negative count may name one several times.
fn chooses_repeatedly(command: &str) -> bool {
    registry()
        .find_name(command.as_bytes())
        .is_some_and(|command| chooses(command) && command.row.flags.has(Flags::READONLY))
}

/// What the keys of a group's commands end with.
pub(crate) fn kind_of_group(group: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == group).map(|&(_, kind)| kind)
}

/// All kinds of keys, with that of strings first.
pub(crate) fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = KINDS.iter().map(|&(_, kind)| kind).collect();
    kinds.dedup();
    kinds
}

impl Scope<'_> {
    /// A key of this client: `{a0}1` with a hash tag, `a0.1` without; behind it the letter of its kind.
    pub fn key(&self, random: &mut Random) -> Vec<u8> {
        let kinds = &self.swarm.kinds;
        self.key_of(kinds[random.below(kinds.len() as u64) as usize], random)
    }

    /// Whether all keys that a request names are of this client: counts are wrong at times.
    pub fn owns_keys_of(&self, command: &Command, request: &[Vec<u8>]) -> bool {
        let (bytes, spans) = flat(request);
        let args = Args::new(&bytes, &spans);
        let is_own = |index: usize| letter_of(args.get(index)) == Some(self.letter);
        !command.row.arity_fits(args.len()) || command.row.key_indexes(args).all(is_own)
    }

    /// The same of this kind.
    pub fn key_of(&self, kind: &str, random: &mut Random) -> Vec<u8> {
        let (letter, key) = (char::from(self.letter), random.below(self.swarm.keys));
        let tag = random.below(self.swarm.tags);
        match random.below(2) == 0 {
            true => format!("{letter}{tag}.{key}{kind}"),
            false => format!("{{{letter}{tag}}}{key}{kind}"),
        }
        .into_bytes()
    }

    /// A key for a command: mostly one of its kind.
    fn key_for(&self, command: &str, random: &mut Random) -> Vec<u8> {
        match kind_of_group(group_of(command)) {
            // Some commands take sets as well.
            Some("z") if command.contains("union") || command.contains("inter") || command.contains("diff") => {
                self.key_of(if random.below(6) == 0 { "s" } else { "z" }, random)
            }
            Some(kind) if random.below(25) > 0 => self.key_of(kind, random),
            _ => self.key(random),
        }
    }

    /// A pattern that no other client's keys match.
    fn pattern(&self, command: &str, random: &mut Random) -> Vec<u8> {
        let letter = char::from(self.letter);
        if command != "keys" {
            return choose(random, &["*", "f*", "[0-4]", "?", "*1*", "[^f]*"]);
        }
        match random.below(4) {
            0 => format!("{letter}*"),
            1 => format!("{{{letter}*"),
            2 => format!("*{letter}?[.}}]*"),
            _ => format!("*{letter}[0-1]*"),
        }
        .into_bytes()
    }

    /// What SORT makes keys of: keys of this client, some with a field.
    fn sort_pattern(&self, random: &mut Random) -> Vec<u8> {
        let (letter, tag) = (char::from(self.letter), random.below(self.swarm.tags));
        match random.below(6) {
            0 => "nosort".to_owned(),
            1 => "#".to_owned(),
            2 => format!("{letter}{tag}.*h->f{}", random.below(3)),
            3 => format!("{{{letter}{tag}}}*h->f{}", random.below(3)),
            4 => format!("{{{letter}{tag}}}*"),
            _ => format!("{letter}{tag}.*"),
        }
        .into_bytes()
    }

    fn value(&self, random: &mut Random) -> Vec<u8> {
        let len_max = self.swarm.value_len_max;
        match random.below(10) {
            0..=3 => (random.below(200) as i64 - 50).to_string().into_bytes(),
            4 => float(random),
            5 => b"same".to_vec(),
            _ => {
                let len =
                    if random.below(3) == 0 { random.below(len_max + 1) } else { random.below(len_max.min(60) + 1) };
                let first = random.below(26) as u8;
                (0..len).map(|place| b'a' + (first + (place % 7) as u8) % 26).collect()
            }
        }
    }

    /// An element, a member or a field.
    fn element(&self, random: &mut Random) -> Vec<u8> {
        match random.below(30) {
            0 => self.value(random),
            1..=14 => random.below(8).to_string().into_bytes(),
            _ => format!("f{}", random.below(6)).into_bytes(),
        }
    }

    /// Milliseconds and sequence number of an entry's id, near those that `XADD *` makes.
    fn near_id(&self, random: &mut Random) -> StreamId {
        let seq = random.below(4);
        match random.below(4) {
            0 => StreamId { ms: random.below(4), seq },
            _ => StreamId { ms: self.now_ms as u64 + random.below(3), seq },
        }
    }

    fn id(&self, command: &str, random: &mut Random) -> Vec<u8> {
        let StreamId { ms, seq } = self.near_id(random);
        match (command, random.below(12)) {
            ("xreadgroup", 0..=8) => b">".to_vec(),
            ("xread", 0..=3) => b"$".to_vec(),
            ("xread", 4) => b"+".to_vec(),
            ("xread" | "xreadgroup" | "xgroup|create" | "xgroup|setid", _) => b"0".to_vec(),
            ("xadd", 0..=4) => format!("{ms}-*").into_bytes(),
            ("xrange" | "xrevrange" | "xpending" | "xautoclaim", 0..=3) => b"-".to_vec(),
            ("xrange" | "xrevrange" | "xpending" | "xautoclaim", 4..=7) => b"+".to_vec(),
            ("xrange" | "xrevrange" | "xpending" | "xautoclaim", 8) => format!("({ms}-{seq}").into_bytes(),
            (_, 11) => ms.to_string().into_bytes(),
            _ => format!("{ms}-{seq}").into_bytes(),
        }
    }

    /// A payload of a small value of any kind.
    fn payload(&self, random: &mut Random) -> Vec<u8> {
        let mut elements: Vec<Vec<u8>> = (0..1 + random.below(5)).map(|_| self.element(random)).collect();
        let is_list = random.below(6) == 0;
        if !is_list {
            elements.sort_unstable();
            elements.dedup();
        }
        let value = match random.below(6) {
            _ if is_list => Value::List(elements),
            0 => Value::String(self.value(random)),
            1 => Value::Set(elements),
            2 | 3 => {
                Value::SortedSet(elements.into_iter().map(|member| (member, random.below(9) as f64 / 2.0)).collect())
            }
            4 => {
                let entries = vec![StreamEntry {
                    id: StreamId { ms: 1, seq: 1 },
                    fields: vec![(self.element(random).into(), self.value(random))],
                }];
                let id = entries[0].id;
                let head = StreamHead { last_id: id, first_id: id, entries_added: 1, ..StreamHead::default() };
                Value::Stream(Box::new(StreamValue { entries, head, groups: Vec::new(), producers: None }))
            }
            _ => Value::Hash(
                elements
                    .into_iter()
                    .map(|name| {
                        let expires = self.swarm.fields_expire && random.below(4) == 0;
                        let expire_at = expires.then(|| self.now_ms + 1 + random.below(5000) as i64);
                        HashField { name, value: self.value(random), expire_at }
                    })
                    .collect(),
            ),
        };
        let mut payload = payload::encode(&value, &EncodeOptions::default());
        if random.below(20) == 0 {
            let place = random.below(payload.len() as u64) as usize;
            payload[place] ^= 1 << random.below(8);
        }
        payload
    }

    /// A value for a name that stands for text, if it does.
    fn text_for(&self, name: &str, command: &str, random: &mut Random) -> Option<Vec<u8>> {
        let text = match name {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" => {
                self.key_for(command, random)
            }
            "pattern" if command.starts_with("sort") => self.sort_pattern(random),
            "pattern" => self.pattern(command, random),
            "serialized-value" => self.payload(random),
            "element" | "member" | "member1" | "member2" | "field" | "pivot" => self.element(random),
            "group" => choose(random, &["g0", "g0", "g0", "g0", "g0", "g1"]),
            "consumer" => choose(random, &["c0", "c0", "c1", "c2"]),
            "producer-id" => choose(random, &["p0", "p0", "p1"]),
            "idempotent-id" => choose(random, &["i0", "i1", "i2", "i3"]),
            "encoding" => choose(random, &["u8", "i8", "u4", "i16", "u1", "i64", "u63", "i5"]),
            "bit" => choose(random, &["0", "1"]),
            "value" if command == "setbit" => choose(random, &["0", "1", "1"]),
            "value" if command == "bitfield" => self.number_text(300, random),
            "id" | "last-id" | "lastid" | "max-deleted-id" => self.id(command, random),
            "start" | "end" if matches!(command, "xrange" | "xrevrange" | "xpending" | "xautoclaim") => {
                self.id(command, random)
            }
            "threshold" if random.below(2) == 0 => self.id("", random),
            "min" | "max" if command.contains("lex") => lex_bound(random),
            "min" | "max" => score_bound(random),
            "start" | "stop" if command.starts_with("zrange") && random.below(3) == 0 => lex_bound(random),
            "score" | "weight" => float_or_integer(random),
            "increment" if matches!(command, "incrbyfloat" | "hincrbyfloat" | "zincrby") => float_or_integer(random),
            "longitude" | "latitude" => format!("{}.{}", 13 + random.below(2), random.below(1_000_000)).into_bytes(),
            "offset" if command.starts_with("bitfield") && random.below(2) == 0 => {
                format!("#{}", random.below(12)).into_bytes()
            }
            "timeout" => choose(random, &["0.001", "0.5", "0.5", "3", "3", "0"]),
            "cursor" if random.below(8) > 0 => b"0".to_vec(),
            "connection-name" | "clientname" | "libname" | "libver" => format!("name{}", random.below(9)).into_bytes(),
            _ => return None,
        };
        Some(text)
    }

    fn number_text(&self, span: u64, random: &mut Random) -> Vec<u8> {
        (random.below(span) as i64 - span as i64 / 4).to_string().into_bytes()
    }

    /// A value for a name that stands for a whole number, if it does.
    fn number_for(&self, name: &str, command: &str, random: &mut Random) -> Option<i64> {
        let below = |most: u64, random: &mut Random| random.below(most) as i64;
        if !self.swarm.fields_expire && group_of(command) == "hash" {
            // Long after the run: or expired fields would be counted until their core gets to them.
            match name {
                "seconds" => return Some(1_000_000 + below(100, random)),
                "milliseconds" => return Some(1_000_000_000 + below(5000, random)),
                "unix-time-seconds" => return Some(self.now_ms / 1000 + 1_000_000),
                "unix-time-milliseconds" => return Some(self.now_ms + 1_000_000_000),
                _ => {}
            }
        }
        let number = match name {
            "increment" | "decrement" => below(100, random) - 20,
            "seconds" => 1 + below(100, random),
            "milliseconds" if command.starts_with("xread") => [1, 500, 500, 3000, 0][random.below(5) as usize],
            "milliseconds" => 1 + below(5000, random),
            "ttl" if self.swarm.expires => [0, 0, 1000, 5000][random.below(4) as usize],
            "ttl" => 0,
            "unix-time-seconds" => self.now_ms / 1000 + below(60, random) - 5,
            "unix-time-milliseconds" => self.now_ms + below(5000, random) - 300,
            "numkeys" | "numfields" | "numids" | "num-vertices" => 1 + below(3, random),
            "offset" if matches!(command, "setrange" | "setbit" | "getbit" | "bitfield" | "bitfield_ro") => {
                below(150, random)
            }
            "offset" => below(4, random),
            "start" | "end" | "stop" if matches!(command, "getrange" | "substr") => below(40, random) - 15,
            "start" | "end" | "stop" => below(9, random) - 4,
            "min-match-len" => below(4, random),
            "index" if command == "select" => below(3, random),
            "db" | "destination-db" | "index1" | "index2" => below(3, random),
            "index" | "rank" => below(8, random) - 3,
            "count" if command == "lrem" => below(6, random) - 3,
            "count" if chooses_repeatedly(command) => below(12, random) - 5,
            "count" | "num-matches" | "limit" | "len" | "threshold" | "entries-read" | "entries-added" => {
                below(5, random)
            }
            "idmp-duration" => 1 + below(3, random),
            "idmp-maxsize" => 1 + below(5, random),
            "min-idle-time" => [0, 0, 1000][random.below(3) as usize],
            "ms" => below(5000, random),
            "frequency" => below(256, random),
            "radius" | "width" | "height" => 1 + below(150, random),
            "cursor" => below(40, random),
            "protover" => 2 + below(2, random),
            _ => return None,
        };
        Some(number)
    }
}

impl Source for Scope<'_> {
    fn value_of(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8> {
        let names_keys = name.contains("key") || name.contains("pattern") || ["source", "destination"].contains(&name);
        if random.below(50) == 0 && !names_keys {
            return odd_value(random);
        }
        if let Some(text) = self.text_for(name, command, random) {
            return text;
        }
        match self.number_for(name, command, random) {
            Some(number) => number.to_string().into_bytes(),
            None => self.value(random),
        }
    }

    fn surplus(&self, random: &mut Random) -> Vec<u8> {
        self.key(random)
    }
}

fn choose(random: &mut Random, from: &[&str]) -> Vec<u8> {
    from[random.below(from.len() as u64) as usize].as_bytes().to_vec()
}

fn float_or_integer(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0..=4 => (random.below(9) as i64 - 3).to_string().into_bytes(),
        5 => choose(random, &["inf", "-inf", "0.5", "-1.25"]),
        _ => float(random),
    }
}

fn score_bound(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => b"-inf".to_vec(),
        1 => b"+inf".to_vec(),
        2 => format!("({}", random.below(9)).into_bytes(),
        _ => (random.below(12) as i64 - 4).to_string().into_bytes(),
    }
}

fn lex_bound(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => b"-".to_vec(),
        1 => b"+".to_vec(),
        2 => format!("({}", random.below(8)).into_bytes(),
        _ => format!("[f{}", random.below(6)).into_bytes(),
    }
}

fn float(random: &mut Random) -> Vec<u8> {
    let whole = random.below(2000) as i64 - 500;
    match random.below(4) {
        0 => format!("{whole}"),
        1 => format!("{whole}.{}", random.below(1000)),
        2 => format!("{}e{}", whole % 10, random.below(6)),
        _ => format!("0.{:02}", random.below(100)),
    }
    .into_bytes()
}

/// What seldom suits.
fn odd_value(random: &mut Random) -> Vec<u8> {
    choose(
        random,
        &[
            "",
            "0",
            "-1",
            "abc",
            "9223372036854775807",
            "-9223372036854775808",
            "99999999999999999999",
            " 5",
            "1.5",
            "line\r\nend",
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use torc_resp::{reader, write_request};

    use super::*;
    use crate::grammar::{names_keys, templates};
    use crate::oracle::Oracle;
    use crate::peers::START_MS;
    use crate::workload::waits;

    #[test]
    fn most_requests_are_valid() {
        let mut random = Random::new(7);
        let mut swarm = Swarm::new(&mut random);
        (swarm.kinds, swarm.tags, swarm.keys, swarm.value_len_max) = (kinds(), 1, 2, 20);
        let scope = Scope { letter: b'a', now_ms: START_MS, swarm: &swarm };
        let templates: Vec<_> = templates().iter().filter(|template| names_keys(template.command)).collect();
        let mut oracle = Oracle::new();
        // By command: answers, and those of them that are no errors.
        let mut answers: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for _ in 0..60_000 {
            let template = templates[random.below(templates.len() as u64) as usize];
            let request = template.request(&scope, &mut random);
            if waits(template.command, &request) {
                continue;
            }
            let mut bytes = Vec::new();
            write_request(&mut bytes, &request);
            let answer = oracle.feed(&bytes, 0);
            let (all, good) = answers.entry(template.command.full_name).or_default();
            *all += 1;
            *good += u64::from(!reader::is_error(&answer));
        }
        let rare = |&(_, &(all, good)): &(&&str, &(u64, u64))| good * 5 < all;
        println!("seldom valid: {:?}", answers.iter().filter(rare).collect::<Vec<_>>());
        // Of those that wait, only invalid requests are sent here.
        let waits: Vec<&str> = templates
            .iter()
            .map(|template| template.command)
            .filter(|command| command.row.blocking.is_some())
            .map(|command| command.full_name)
            .collect();
        let never = answers.iter().filter(|(name, (_, good))| *good == 0 && !waits.contains(name));
        let never: Vec<&&str> = never.map(|(name, _)| name).collect();
        assert!(never.is_empty(), "never valid: {never:?}");
        let (all, good) = answers.values().fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
        assert!(good * 10 > all * 6, "{good} of {all} are valid");
    }
}
