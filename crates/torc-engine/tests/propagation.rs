//! What commands are propagated as: beside what redis-server appends to its append-only file, and kept by logs and files.
//!
//! ```text
//!   scenarios.txt --requests--> engine of one core, of three  --its log--> compared with the text
//!                                          |                     |
//!                                       its keys  == those that others get of its log, its base and increment, its file
//!                 --requests--> redis-server, both versions   --append-only file--> compared with the text
//! ```

mod common;
#[path = "propagation/contents.rs"]
mod contents;
mod files;
#[path = "propagation/log.rs"]
mod log;
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
#[path = "propagation/told.rs"]
mod told;
#[path = "propagation/ways.rs"]
mod ways;

use contents::Look;
use reference::Reference;
use scenario::{Scenario, Step, Words, fits, request, shown};
use told::{Setup, Told};
use ways::Caught;

use torc_engine::command::{Command, Flags, registry};
use torc_engine::effect::Propagated;
use torc_resp::reader;

fn decoded(propagated: &[Propagated]) -> Vec<Words> {
    let words = |one: &Propagated| {
        let words = reader::Elements::new(&one.request).expect("a command is an array");
        words.map(|word| reader::bulk(word).expect("of strings").to_vec()).collect()
    };
    propagated.iter().map(words).collect()
}

/// Runs a scenario; gives what is wrong.
fn check_scenario(scenario: &Scenario, setup: Setup) -> Vec<String> {
    let told = Told::new(setup);
    scenario.given.iter().for_each(|step| told.step(step));
    told.log.propagated();
    let caught = Caught::now(&told);
    scenario.run.iter().for_each(|step| told.step(step));
    let (found, expected) = (decoded(&told.log.propagated()), scenario.tells_on(setup.cores));
    let now_ms = told.core.now_ms();
    if !fits(expected, &found, &(now_ms..=now_ms)) {
        return vec![format!("{expected:?}, but{}", shown(&found))];
    }
    let mut differs = caught.compare(&told, &scenario.given, Look::AsLogged);
    if scenario.forgets {
        assert!(differs.iter().any(|way| way.starts_with("log:")), "line {}: nothing is forgotten", scenario.line);
        differs.retain(|way| way.contains("file:"));
    }
    differs
}

#[test]
fn what_is_propagated_and_what_is_kept() {
    let mut wrong = Vec::new();
    for scenario in Scenario::all() {
        for setup in Setup::all() {
            let of_scenario = check_scenario(&scenario, setup);
            wrong.extend(of_scenario.iter().map(|what| format!("line {}, {setup:?}: {what}", scenario.line)));
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

/// The log does not say when; it was not in 1970, and not when who waits for idle consumers would take what they have.
#[test]
fn what_is_replayed_was_used_when_it_was_loaded() {
    let told = Told::new(Setup { cores: 1, has_big_values: false });
    for line in [
        "SET k v",
        "XADD x 1-1 a 1",
        "XGROUP CREATE x g 0",
        "XREADGROUP GROUP g active STREAMS x >",
        "XGROUP CREATECONSUMER x g silent",
    ] {
        told.step(&Step::Request(line.to_owned()));
    }
    let (core, loaded_ms) = (told.setup.engine(true), told.core.now_ms() + 60_000);
    log::replay(&core, 1, &told.log.bytes_from(0), loaded_ms).expect("all of it runs");
    core.advance_ms(5_000);
    let client = core.client();
    client.check(&[
        ("OBJECT IDLETIME k", ":5"),
        (
            "XINFO CONSUMERS x g",
            "[[\"name\", \"active\", \"pending\", :1, \"idle\", :5000, \"inactive\", :5000], \
             [\"name\", \"silent\", \"pending\", :0, \"idle\", :5000, \"inactive\", :-1]]",
        ),
        ("XPENDING x g - + 1", "[[\"1-1\", \"active\", :65000, :1]]"),
    ]);
}

/// The requests that scenarios are about: what is run, and what waits for it.
fn run_requests() -> Vec<Words> {
    let all = Scenario::all();
    let waiting = all.iter().flat_map(|scenario| &scenario.given).filter(|step| matches!(step, Step::Wait(_)));
    let requests = all.iter().flat_map(|scenario| &scenario.run).chain(waiting).filter_map(|step| match step {
        Step::Request(line) | Step::Wait(line) => Some(request(line)),
        Step::After(_) => None,
    });
    requests.collect()
}

/// What a request has behind the name of a command, if it is one of it.
fn arguments_of<'a>(request: &'a Words, command: &Command) -> Option<&'a [Vec<u8>]> {
    let names = command.full_name.split('|');
    let count = names.clone().count();
    let is_of_it =
        request.len() >= count && names.zip(request).all(|(name, word)| word.eq_ignore_ascii_case(name.as_bytes()));
    is_of_it.then(|| &request[count..])
}

/// A command that writes, or an option of one, has a scenario or the test fails: so the others are about all there are.
#[test]
fn every_form_of_a_writing_command_has_a_scenario() {
    let requests = run_requests();
    let mut missing = Vec::new();
    for command in registry().all().filter(|command| command.row.flags.has(Flags::WRITE)) {
        let own: Vec<&[Vec<u8>]> = requests.iter().filter_map(|request| arguments_of(request, command)).collect();
        if own.is_empty() {
            missing.push(command.full_name.to_owned());
        }
        let is_given = |option: &str| {
            own.iter().any(|words| words.iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes())))
        };
        let options = requests::options(command).into_iter().filter(|option| !is_given(option));
        missing.extend(options.map(|option| format!("{} {option}", command.full_name)));
    }
    assert!(missing.is_empty(), "without a scenario: {missing:#?}");
}
