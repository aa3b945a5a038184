//! What commands are propagated as: beside what redis-server appends to its append-only file, and replayed on an empty engine.
//!
//! ```text
//!   scenarios.txt --requests--> engine of one core, of three  --take_units--> compared with the text
//!                                          |                                     |
//!                                       its keys  == keys of a fresh engine <----+ replayed
//!                 --requests--> redis-server, both versions   --append-only file--> compared with the text
//! ```

mod common;
#[path = "propagation/random.rs"]
mod random;
#[path = "../../torc-rdb/tests/redis/mod.rs"]
mod redis;
#[path = "propagation/reference.rs"]
mod reference;
mod requests;
#[path = "propagation/scenario.rs"]
mod scenario;
#[path = "propagation/small.rs"]
mod small;

use std::collections::BTreeMap;

use common::{Client, TestCore};
use reference::Reference;
use scenario::{CORES, Scenario, Step, Words, fits, request, shown};

use torc_engine::Taken;
use torc_engine::command::{Flags, registry};
use torc_engine::config::DebugAccess;
use torc_engine::effect::{Effect, Propagated, Reads};
use torc_resp::{reader, write_request};

const CORE_COUNTS: [u16; 2] = [1, CORES];
const DATABASES: u16 = 4;

/// An engine whose propagated commands are read.
struct Told {
    core: TestCore,
    cores: u16,
    client: Client,
    /// A client on another core, where there is one.
    other: Client,
}

impl Told {
    fn new(cores: u16) -> Told {
        let core = TestCore::with_config(cores, |config| {
            config.enable_debug_command = DebugAccess::Yes;
        });
        (0..cores).for_each(|number| core.engine(number, |engine| engine.read_effects(Reads::All)));
        let (client, other) = (core.client(), core.client_on(cores - 1));
        Told { core, cores, client, other }
    }

    fn step(&self, step: &Step) {
        match step {
            Step::Request(line) => {
                let reply = self.client.call(&request(line));
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            Step::Wait(line) => {
                let mut bytes = Vec::new();
                write_request(&mut bytes, &request(line));
                assert!(self.other.raw(&bytes).is_empty(), "{line} waits");
            }
            Step::After(span_ms) => self.core.advance_ms(i64::try_from(*span_ms).expect("a short time")),
        }
    }

    /// What was propagated since the last call.
    fn propagated(&self) -> Vec<Propagated> {
        let effects = (0..self.cores).flat_map(|number| match self.core.engine(number, |engine| engine.take_units()) {
            Taken::Units(units) => units.into_effects(),
            Taken::Lost => panic!("they are taken in time"),
        });
        let propagated = effects.filter_map(|effect| match effect {
            Effect::Propagated(propagated) => Some(propagated),
            Effect::Changed(_) | Effect::Event(_) => None,
        });
        propagated.collect()
    }
}

fn decoded(propagated: &[Propagated]) -> Vec<Words> {
    let words = |one: &Propagated| {
        let words = reader::Elements::new(&one.request).expect("a command is an array");
        words.map(|word| reader::bulk(word).expect("of strings").to_vec()).collect()
    };
    propagated.iter().map(words).collect()
}

/// The keys of all databases with what they hold.
fn keys_of(client: &Client) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for db in 0..DATABASES {
        client.send(&format!("SELECT {db}"));
        let names = client.send("KEYS *");
        for name in names.trim_matches(['[', ']']).split(", ").filter(|name| !name.is_empty()) {
            let name = name.trim_matches('"');
            // The count that it may hold is no part of its value.
            let dump = if client.send(&format!("GET {name}")).starts_with("\"HYLL") {
                client.send(&format!("PFDEBUG GETREG {name}"))
            } else {
                client.send(&format!("DUMP {name}"))
            };
            let (kind, expires) = (client.send(&format!("TYPE {name}")), client.send(&format!("PEXPIRETIME {name}")));
            keys.insert(format!("{db} {name}"), format!("{kind} {expires} {dump}"));
        }
    }
    keys
}

/// Sends propagated commands to an empty engine at a time; gives what `look` sees of it.
fn replay<T>(given: &[Step], cores: u16, now_ms: i64, propagated: &[Propagated], look: fn(&Client) -> T) -> T {
    let core = TestCore::new(cores);
    core.advance_ms(now_ms - core.now_ms());
    (0..cores).for_each(|number| core.engine(number, |engine| engine.inspect_mut().obey(true)));
    let client = core.client();
    for step in given {
        if let Step::Request(line) = step
            && line.starts_with("CONFIG")
        {
            client.send(line);
        }
    }
    for (one, words) in propagated.iter().zip(decoded(propagated)) {
        client.send(&format!("SELECT {}", one.db));
        let reply = client.exchange(&one.request).join(" ");
        assert!(!reply.starts_with('-') && !reply.is_empty(), "{reply} to{}", shown(&[words]));
    }
    // They see no time, and whoever looks does.
    (0..cores).for_each(|number| core.engine(number, |engine| engine.inspect_mut().obey(false)));
    look(&client)
}

#[test]
fn what_is_propagated_and_what_it_makes() {
    let mut wrong = Vec::new();
    for scenario in Scenario::all() {
        for cores in CORE_COUNTS {
            let told = Told::new(cores);
            scenario.given.iter().for_each(|step| told.step(step));
            let mut all = told.propagated();
            for step in &scenario.run {
                told.step(step);
            }
            let propagated = told.propagated();
            all.extend(propagated.iter().cloned());
            let (found, expected) = (decoded(&propagated), scenario.tells_on(cores));
            let now_ms = told.core.now_ms();
            if !fits(expected, &found, &(now_ms..=now_ms)) {
                wrong.push(format!("line {} on {cores}: {expected:?}, but{}", scenario.line, shown(&found)));
                continue;
            }
            let (theirs, ours) = (replay(&scenario.given, cores, now_ms, &all, keys_of), keys_of(&told.client));
            if (theirs == ours) == scenario.forgets {
                wrong.push(format!(
                    "line {} on {cores}: replayed{}\n{theirs:#?}\nnot\n{ours:#?}",
                    scenario.line,
                    shown(&decoded(&all))
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check_reference(mut reference: Reference) {
    let mut wrong = Vec::new();
    let version = reference.version;
    for scenario in Scenario::all() {
        if scenario.is_alone || scenario.is_new && version < 8 {
            continue;
        }
        let (expected, differs) = scenario.appended_by(version);
        let (found, now_ms) = reference.run(&scenario);
        if !fits(expected, &found, &now_ms) {
            wrong.push(format!("line {}: {expected:?}, but{}", scenario.line, shown(&found)));
        } else if differs && fits(&scenario.tells, &found, &now_ms) {
            wrong.push(format!("line {}: no difference", scenario.line));
        }
    }
    assert!(wrong.is_empty(), "redis-server {version}:\n{}", wrong.join("\n"));
}

#[test]
fn what_redis_appends() {
    check_reference(Reference::installed());
}

#[test]
fn what_a_newer_redis_appends() {
    if let Some(reference) = Reference::newer() {
        check_reference(reference);
    }
}

#[test]
fn every_writing_command_has_a_scenario() {
    let lines: Vec<Words> = Scenario::all()
        .iter()
        .flat_map(|scenario| scenario.run.iter().chain(&scenario.given))
        .filter_map(|step| match step {
            Step::Request(line) | Step::Wait(line) => Some(request(line)),
            Step::After(_) => None,
        })
        .collect();
    let is_run = |name: &str| {
        let name: Vec<&str> = name.split('|').collect();
        lines.iter().any(|words| {
            words.len() >= name.len()
                && name.iter().zip(words).all(|(name, word)| word.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    let writing = registry().all().filter(|command| command.row.flags.has(Flags::WRITE));
    let missing: Vec<&str> = writing.map(|command| command.full_name).filter(|name| !is_run(name)).collect();
    assert!(missing.is_empty(), "without a scenario: {missing:?}");
}
