//! What is told of keys by name: beside what redis-server publishes as keyspace notifications.
//!
//! ```text
//!   scenarios of ours, and of propagation --requests--> engine of one core ----take_units----+
//!                                         --requests--> engine of three cores --take_units---+--> alike, for each key
//!                                         --requests--> redis-server, both versions --PSUBSCRIBE--> alike, in order, but for
//!                                                                                                   differences.txt
//! ```

mod common;
#[path = "events/differences.rs"]
mod differences;
#[path = "events/heard.rs"]
mod heard;
#[path = "events/random.rs"]
mod random;
#[path = "../../torc-rdb/tests/redis/mod.rs"]
mod redis;
#[path = "propagation/reference.rs"]
#[allow(dead_code, reason = "its other half belongs to propagation")]
mod reference;
mod requests;
#[path = "propagation/scenario.rs"]
#[allow(dead_code, reason = "its other half belongs to propagation")]
mod scenario;
#[path = "propagation/small.rs"]
mod small;
#[path = "events/table.rs"]
mod table;

use std::collections::BTreeMap;

use differences::Differences;
use heard::{Heard, Ours, Theirs, shown};
use reference::Reference;
use scenario::{CORES, Scenario, Step};
use torc_engine::effect::{Effect, Reads};
use torc_engine::event::{EventClass, EventClasses};

/// Steps on an empty server.
#[derive(Debug, Default)]
struct Block {
    steps: Vec<Step>,
    /// redis-server 7.0 does not know it.
    is_new: bool,
    /// No redis-server does.
    is_alone: bool,
}

/// All blocks of `events/scenarios.txt`, and all scenarios of propagation.
fn blocks() -> Vec<Block> {
    let (mut all, mut current) = (Vec::new(), Block::default());
    for line in include_str!("events/scenarios.txt").lines().chain([""]).filter(|line| !line.starts_with('#')) {
        match line.split_once(' ') {
            Some(("run", request)) => current.steps.push(Step::Request(request.to_owned())),
            Some(("wait", request)) => current.steps.push(Step::Wait(request.to_owned())),
            Some(("after", span)) => current.steps.push(Step::After(span.parse().expect("milliseconds"))),
            Some(("since", _)) => current.is_new = true,
            Some(("alone", _)) => current.is_alone = true,
            None if line.is_empty() => all.push(std::mem::take(&mut current)),
            _ => panic!("{line}"),
        }
    }
    all.extend(Scenario::all().into_iter().map(|scenario| {
        let Scenario { given, run, is_new, is_alone, .. } = scenario;
        Block { steps: [given, run].concat(), is_new, is_alone }
    }));
    all
}

fn line(step: &Step) -> String {
    match step {
        Step::Request(line) | Step::Wait(line) => line.clone(),
        Step::After(span_ms) => format!("after {span_ms}"),
    }
}

fn check_reference(reference: Reference) {
    let (mut wrong, differences) = (Vec::new(), Differences::all());
    let mut theirs = Theirs::new(reference);
    let version = theirs.server.version;
    let is_known = |block: &&Block| !block.is_alone && (!block.is_new || version >= 8);
    for block in blocks().iter().filter(is_known) {
        let ours = Ours::new(1, EventClasses::ALL);
        theirs.server.reset();
        for step in &block.steps {
            let mut ours = ours.step(step);
            if version < 8 {
                // It has no such classes.
                ours.retain(|event| !["overwritten", "type_changed"].contains(&&*event.name));
            }
            let (line, theirs) = (line(step), theirs.step(step));
            if ours != theirs && !differences.know(version, &line, &ours, &theirs) {
                wrong.push(format!("  {line} | {} | {}", shown(&ours), shown(&theirs)));
            }
        }
    }
    assert!(wrong.is_empty(), "redis-server {version}:\n{}", wrong.join("\n"));
    let unused = differences.unused(version);
    assert!(unused.is_empty(), "redis-server {version}: no difference in the lines {unused:?}");
}

#[test]
fn what_redis_tells() {
    check_reference(Reference::installed());
}

#[test]
fn what_a_newer_redis_tells() {
    if let Some(reference) = Reference::newer() {
        check_reference(reference);
    }
}

/// The events of each key, in order.
fn by_key(events: Vec<Heard>) -> BTreeMap<(u16, Vec<u8>), Vec<String>> {
    let mut keys: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for event in events {
        keys.entry((event.db, event.key)).or_default().push(event.name);
    }
    keys
}

#[test]
fn several_cores_tell_the_same_of_each_key() {
    let mut wrong = Vec::new();
    for block in blocks() {
        let [one, three] = [1, CORES].map(|cores| {
            let ours = Ours::new(cores, EventClasses::ALL);
            by_key(block.steps.iter().flat_map(|step| ours.step(step)).collect())
        });
        if one != three {
            wrong.push(format!("{:?}:\n{one:#?}\non {CORES} cores:\n{three:#?}", block.steps));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How an effect stands in the list of a test.
fn named(effect: &Effect) -> String {
    match effect {
        Effect::Changed(change) => format!("{:?}", change.what).split([' ', '{']).next().unwrap_or_default().to_owned(),
        Effect::Propagated(propagated) => propagated.request.escape_ascii().to_string(),
        Effect::Event(event) => event.name.to_owned(),
        Effect::Published(..) | Effect::Invalidated(_) => unreachable!("nobody publishes, and nobody caches"),
    }
}

#[test]
fn events_stand_among_the_other_effects() {
    let ours = Ours::new(1, EventClasses::ALL);
    ours.core.engine(0, |engine| engine.read_effects(Reads::All));
    for (line, expected) in [
        ("RPUSH l a", &["new", "Created", "rpush", r"*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\na\r\n"][..]),
        ("LPOP l", &["Modified", "Removed", "lpop", "del", r"*2\r\n$4\r\nLPOP\r\n$1\r\nl\r\n"]),
        (
            "SET k v PXAT 1700000000010",
            &[
                "new",
                "Created",
                "set",
                "expire",
                r"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$4\r\nPXAT\r\n$13\r\n1700000000010\r\n",
            ],
        ),
        ("RENAME nokey k", &[]),
    ] {
        ours.client.send(line);
        let found: Vec<String> = ours.effects().iter().map(named).collect();
        assert_eq!(found, expected, "{line}");
    }
    ours.core.advance_ms(50);
    ours.client.send("GET k");
    let found: Vec<String> = ours.effects().iter().map(named).collect();
    assert_eq!(found, ["expired", r"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n", "Expired", "keymiss"]);
}

#[test]
fn what_the_background_removes_is_told() {
    let ours = Ours::new(1, EventClasses::ALL);
    for line in ["SET k v PX 10", "HSETEX h PX 10 FIELDS 1 a 1", "HSET both b 1", "HSETEX both PX 10 FIELDS 1 a 1"] {
        ours.client.send(line);
    }
    ours.heard();
    ours.core.advance_ms(50);
    ours.core.upkeep();
    let found = by_key(ours.heard());
    let expected = [("both", vec!["hexpired"]), ("h", vec!["hexpired", "del"]), ("k", vec!["expired"])];
    let expected = expected.map(|(key, names)| ((0, key.into()), names.into_iter().map(str::to_owned).collect()));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn who_listens_to_one_class_hears_no_other() {
    for class in EventClass::ALL {
        let ours = Ours::new(1, [class].into_iter().collect());
        for line in ["SET k v", "SET k w", "RPUSH l a", "SET l v", "LPOP nokey", "GET nokey", "DEL k", "HSET h a 1"] {
            ours.client.send(line);
        }
        let others = ours.effects().into_iter().filter(|effect| match effect {
            Effect::Event(event) => event.class != class,
            Effect::Propagated(_) => true,
            Effect::Changed(_) | Effect::Published(..) | Effect::Invalidated(_) => false,
        });
        assert_eq!(others.collect::<Vec<_>>(), [], "{class:?}");
    }
}
