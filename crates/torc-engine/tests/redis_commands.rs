//! What Torc says of its commands, beside what redis-server says of the same ones.
//!
//! ```text
//!   COMMAND, COMMAND DOCS  --of both-->  facts: `sort|arguments.1.token = BY`  --compare--> differences
//!                                                                                              |
//!                            redis_commands.differences: each with its reason; one too many fails too
//! ```
//! The keys of requests, made from the rows' syntax lines, are compared as well: COMMAND GETKEYS and GETKEYSANDFLAGS.
//! `TORC_REFERENCE` names another server program than `redis-server`; all differences are printed then and nothing fails.

mod common;
#[path = "../../torc-rdb/tests/redis/mod.rs"]
mod redis;
mod requests;

use std::collections::BTreeMap;

use common::{Client, TestCore};
use redis::Redis;
use requests::Chooser;
use torc_engine::command::Command;
use torc_resp::{reader, write_request};

const DIFFERENCES: &str = include_str!("redis_commands.differences");

/// A decoded reply.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    fn decode(encoded: &[u8]) -> Value {
        let Some(mut elements) = reader::Elements::new(encoded) else {
            let text = reader::bulk(encoded).unwrap_or_else(|| encoded.trim_ascii());
            let is_status = reader::bulk(encoded).is_none() && matches!(text.first(), Some(b'+' | b':'));
            return Value::Text(String::from_utf8_lossy(&text[usize::from(is_status)..]).into_owned());
        };
        match encoded[0] {
            b'%' => {
                let mut pairs = Vec::new();
                while let (Some(name), Some(value)) = (elements.next(), elements.next()) {
                    pairs.push((Value::decode(name).text(), Value::decode(value)));
                }
                Value::Map(pairs)
            }
            b'~' => {
                let mut members: Vec<Value> = elements.map(Value::decode).collect();
                // Flags are in no order; what is not text is in the order of the row.
                if members.iter().all(|member| matches!(member, Value::Text(_))) {
                    members.sort_by_key(Value::text);
                    return Value::Text(members.iter().map(Value::text).collect::<Vec<_>>().join(" "));
                }
                Value::List(members)
            }
            _ => Value::List(elements.map(Value::decode).collect()),
        }
    }

    fn text(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        }
    }

    fn list(&self) -> &[Value] {
        match self {
            Value::List(elements) => elements,
            Value::Text(text) if text.is_empty() => &[],
            other => panic!("{other:?} is no list"),
        }
    }

    /// One fact for each text in it.
    fn flatten(&self, path: &str, facts: &mut BTreeMap<String, String>) {
        match self {
            Value::Text(text) => {
                facts.insert(path.to_owned(), text.clone());
            }
            Value::List(elements) => {
                elements
                    .iter()
                    .enumerate()
                    .for_each(|(number, value)| value.flatten(&format!("{path}.{number}"), facts));
            }
            Value::Map(pairs) => pairs.iter().for_each(|(name, value)| value.flatten(&format!("{path}.{name}"), facts)),
        }
    }
}

/// A server that is asked.
enum Server {
    Torc(Client),
    Redis(Redis),
}

impl Server {
    fn torc() -> Self {
        let client = TestCore::new(1).client();
        client.send("HELLO 3");
        Server::Torc(client)
    }

    fn redis() -> Self {
        let mut redis = match std::env::var("TORC_REFERENCE") {
            Ok(program) => Redis::start_program(&program, &[]),
            Err(_) => Redis::start(&[]),
        };
        redis.send("HELLO 3");
        Server::Redis(redis)
    }

    fn call(&mut self, arguments: &[impl AsRef<[u8]>]) -> Value {
        Value::decode(&match self {
            Server::Redis(redis) => redis.call(arguments),
            Server::Torc(client) => {
                let mut request = Vec::new();
                write_request(&mut request, arguments);
                client.raw(&request)
            }
        })
    }

    fn send(&mut self, line: &str) -> Value {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// The names in a reply, sorted.
    fn names(&mut self, line: &str) -> Vec<String> {
        let mut names: Vec<String> = self.send(line).list().iter().map(Value::text).collect();
        names.sort();
        names
    }

    /// All facts by command, subcommands among them.
    fn facts(&mut self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        self.send("COMMAND").list().iter().for_each(|row| info_facts(row, &mut all));
        let Value::Map(docs) = self.send("COMMAND DOCS") else { panic!("COMMAND DOCS is a map") };
        docs.iter().for_each(|(name, docs)| docs_facts(name, docs, &mut all));
        all
    }
}

/// The facts of one command of COMMAND, and of its subcommands.
fn info_facts(row: &Value, all: &mut BTreeMap<String, BTreeMap<String, String>>) {
    const NAMES: [&str; 9] = ["name", "arity", "flags", "first", "last", "step", "categories", "tips", "keys"];
    let elements = row.list();
    assert_eq!(elements.len(), NAMES.len() + 1);
    let mut facts = BTreeMap::new();
    NAMES.iter().zip(elements).for_each(|(name, value)| value.flatten(name, &mut facts));
    all.insert(elements[0].text().to_lowercase(), facts);
    elements[NAMES.len()].list().iter().for_each(|sub| info_facts(sub, all));
}

/// Gathers the facts that COMMAND DOCS gives of a command and its subcommands.
fn docs_facts(name: &str, docs: &Value, all: &mut BTreeMap<String, BTreeMap<String, String>>) {
    let Value::Map(docs) = docs else { panic!("the documentation of {name} is a map") };
    for (part, value) in docs {
        match value {
            Value::Map(subcommands) if part == "subcommands" => {
                subcommands.iter().for_each(|(name, docs)| docs_facts(name, docs, all));
            }
            value => {
                let facts = all.get_mut(&name.to_lowercase()).unwrap_or_else(|| panic!("COMMAND has {name}"));
                value.flatten(part, facts);
            }
        }
    }
}

/// One line of the committed list.
struct Difference {
    command: &'static str,
    path: &'static str,
    /// What redis-server says and what Torc says, where the line names them.
    values: Option<(&'static str, &'static str)>,
}

/// `COMMAND PATH REASON [THEIRS -> OURS]`; `*` in the first two stands for anything.
fn differences() -> Vec<Difference> {
    let lines = DIFFERENCES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word =
                || words.next().unwrap_or_else(|| panic!("a difference has a command, a path and a reason: {line}"));
            let (command, path, _reason) = (word(), word(), word());
            let values =
                words.next().map(|values| values.split_once(" -> ").unwrap_or_else(|| panic!("old -> new: {line}")));
            Difference { command, path, values }
        })
        .collect()
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|skipped| rest.is_char_boundary(skipped) && matches(tail, &rest[skipped..]))
        }),
    }
}

#[test]
fn all_that_is_said_of_a_command() {
    let (theirs, ours) = (Server::redis().facts(), Server::torc().facts());
    let known = differences();
    let mut used = vec![false; known.len()];
    let mut unknown = Vec::new();
    for (command, theirs) in &theirs {
        let Some(ours) = ours.get(command) else { continue };
        let paths: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for path in paths {
            let value =
                |facts: &BTreeMap<String, String>| facts.get(path).cloned().unwrap_or_else(|| "(none)".to_owned());
            let (their, our) = (value(theirs), value(ours));
            if their == our {
                continue;
            }
            let fits = |known: &Difference| {
                matches(known.command, command)
                    && matches(known.path, path)
                    && known.values.is_none_or(|(old, new)| old == their && new == our)
            };
            let mut is_known = false;
            for (number, known) in known.iter().enumerate() {
                if fits(known) {
                    (used[number], is_known) = (true, true);
                }
            }
            if !is_known {
                unknown.push(format!("{command} {path} REASON {their} -> {our}"));
            }
        }
    }
    let stale = known.iter().zip(&used).filter(|(_, used)| !**used);
    let stale: Vec<String> = stale.map(|(known, _)| format!("{} {}", known.command, known.path)).collect();
    if std::env::var("TORC_REFERENCE").is_ok() {
        println!("{}", unknown.join("\n"));
        return;
    }
    assert!(unknown.is_empty(), "not in the list of differences:\n{}", unknown.join("\n"));
    assert!(stale.is_empty(), "in the list, but no difference:\n{}", stale.join("\n"));
}

#[test]
fn lists_of_names() {
    let (mut redis, mut torc) = (Server::redis(), Server::torc());
    let (theirs, ours) = (redis.names("COMMAND LIST"), torc.names("COMMAND LIST"));
    let both = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| theirs.contains(name) && ours.contains(name)).collect()
    };
    let top = ours.iter().filter(|name| !name.contains('|')).count();
    assert_eq!(torc.send("COMMAND COUNT"), Value::Text(top.to_string()));
    let categories = redis.names("ACL CAT");
    assert!(categories.len() > 20, "{categories:?}");
    for category in &categories {
        let line = format!("COMMAND LIST FILTERBY ACLCAT {category}");
        let (mut their, mut our) = (both(redis.names(&line)), both(torc.names(&line)));
        if category == "blocking" {
            // Since 7.2 it has WAIT.
            their.retain(|name| name != "wait");
            our.retain(|name| name != "wait");
        }
        assert_eq!(their, our, "{line}");
    }
    for pattern in ["*", "z*", "*|*", "config|*et", "X?READ*", "get", "nothing", "[a-c]*", "*STORE"] {
        let line = format!("COMMAND LIST FILTERBY PATTERN {pattern}");
        assert_eq!(both(redis.names(&line)), both(torc.names(&line)), "{line}");
    }
    let lines = [
        "COMMAND LIST FILTERBY MODULE none",
        "COMMAND LIST FILTERBY ACLCAT none",
        "COMMAND LIST FILTERBY none x",
        "COMMAND LIST FILTERBY",
        "COMMAND LIST PATTERN x y",
        "COMMAND INFO none",
        "COMMAND INFO get|x",
        "COMMAND DOCS none",
        "COMMAND GETKEYS",
        "COMMAND COUNT x",
        "COMMAND none",
    ];
    for line in lines {
        assert_eq!(redis.send(line), torc.send(line), "{line}");
    }
}

/// Draws from a fixed sequence.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

impl Chooser for Draw {
    fn choose(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    fn include(&mut self) -> bool {
        self.below(2) == 0
    }

    fn repeat(&mut self) -> usize {
        self.below(4) as usize
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        let words = ["1", "2", "3", "STORE", "GET", "x", "SET", "0", "STREAMS"];
        let number = if word.starts_with("num") { self.below(3) } else { self.below(words.len() as u64 * 3) };
        words
            .get(number as usize)
            .map_or_else(|| format!("{word}{number}").into_bytes(), |word| word.as_bytes().to_vec())
    }
}

/// Requests whose keys the two find differently, on purpose.
fn is_excused(command: &Command, request: &[Vec<u8>]) -> bool {
    let count = |words: [&str; 2]| {
        request.iter().filter(|word| words.iter().any(|it| word.eq_ignore_ascii_case(it.as_bytes()))).count()
    };
    match command.full_name {
        // Of two such words redis-server takes both here, and the last one where the command runs.
        "georadius" | "georadiusbymember" => count(["STORE", "STOREDIST"]) > 1,
        // The request is right, but redis-server misses the second run of keys.
        "pfmerge" => request.len() == 2,
        // Since 7.2: WITHSCORE, and another flag for the destination.
        "zrank" | "zrevrank" => request.len() > 3,
        "sinterstore" => true,
        _ => false,
    }
}

#[test]
fn keys_of_requests() {
    const REQUESTS_PER_COMMAND: usize = 40;
    let (mut redis, mut torc) = (Server::redis(), Server::torc());
    let theirs = redis.names("COMMAND LIST");
    let (mut draw, mut with_keys, mut wrong) = (Draw(1), 0, Vec::new());
    for command in requests::commands().filter(|command| theirs.iter().any(|name| name == command.full_name)) {
        for _ in 0..REQUESTS_PER_COMMAND {
            let mut request = requests::request(command, &mut draw);
            if draw.below(8) == 0 {
                request.pop();
            }
            // COMMAND GETKEYS of 7.0 wants an argument.
            if request.len() < 2 || is_excused(command, &request) {
                continue;
            }
            for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
                let line = [&[b"COMMAND".to_vec(), subcommand.into()][..], &request].concat();
                let (their, our) = (redis.call(&line), torc.call(&line));
                if their != our {
                    let shown: Vec<String> = line.iter().map(|word| word.escape_ascii().to_string()).collect();
                    wrong.push(format!("{}\n    {their:?}\n    {our:?}", shown.join(" ")));
                }
                with_keys += usize::from(matches!(our, Value::List(_)));
            }
        }
    }
    assert!(wrong.is_empty(), "redis-server's answer, then Torc's:\n{}", wrong.join("\n"));
    assert!(with_keys > 5_000, "{with_keys}");
}
