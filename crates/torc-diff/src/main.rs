//! `torc-diff`: random commands to redis-server and to Torc side by side; whatever differs is shrunk and shown.
//!
//! ```text
//!   rows --grammar, values--> units --pair--> redis-server, torc --compare, state--> a failure --shrink--> lines for redis-cli
//! ```
//!
//! A run is a number of episodes. Each begins with empty servers and with thresholds of its own, small ones in most, so that
//! values change their form often. `cargo xtask diff` builds everything and starts this with the right arguments.

mod compare;
mod generate;
mod known;
mod node;
mod options;
mod pair;
mod request;
mod scans;
mod scenes;
mod servers;
mod settings;
mod shrink;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use generate::Selection;
use node::Node;
use options::Options;
use pair::{Failure, Pair};
use request::Unit;
use servers::{Program, Server};
use torc_engine::random::Random;
use torc_sim::borders::Values;

/// Units of an episode.
const EPISODE_UNITS: u64 = 3000;
/// Units between two looks at the keyspaces.
const STATE_EVERY: usize = 400;
/// Units that one connection sends one after another.
const TURN_UNITS: u64 = 40;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("torc-diff: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all episodes; whether nothing differed.
fn run(options: &Options) -> Result<bool, String> {
    let started = Instant::now();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let redis = Program { path: options.redis.clone(), port: options.port, arguments: words("--loglevel warning") };
    let cores = words(&format!("--cores {}", options.cores));
    let torc = Program { path: options.torc.clone(), port: options.port + 1, arguments: cores };
    let mut pair = Pair::new(Server::start(redis)?, Server::start(torc)?)?;
    pair.reference().push(&["COMMAND", "DOCS"]);
    pair.reference().flush()?;
    let docs = Node::parse(&pair.reference().read()?);
    let selection = Selection::new(&docs, &options.groups);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let (mut commands, mut episode) = (0, 0);
    while commands < options.commands && kinds.len() < options.failures_max {
        let mut run = Episode::new(options.seed, episode, &pair);
        let wanted = options.commands - commands;
        if let Err(failure) = run.play(&mut pair, &selection, wanted)? {
            let mut kind = failure.kind.clone();
            if kind == pair::CHANGES || !kinds.contains_key(&kind) {
                kind = report(&mut pair, run.settings, run.units, &failure, options, episode)?;
            }
            *kinds.entry(kind).or_default() += 1;
        }
        commands += run.commands.max(1);
        episode += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (of, failed) = (selection.len(), kinds.len());
    println!(
        "{commands} requests of {of} commands on {} cores, {episode} episodes: {failed} differences in {seconds:.0} s",
        options.cores
    );
    kinds.iter().for_each(|(kind, count)| println!("  {count} x {kind}"));
    let failing = pair.answers.iter().filter(|(_, [all, errors])| all == errors).map(|(name, _)| *name);
    let failing: Vec<&str> = failing.collect();
    if !failing.is_empty() {
        println!("answered with errors alone: {}", failing.join(" "));
    }
    if options.shows_answers {
        pair.answers.iter().for_each(|(name, [all, errors])| println!("{name}: {all} answers, {errors} errors"));
    }
    Ok(kinds.is_empty())
}

/// A stretch from empty servers on.
struct Episode {
    settings: Vec<(&'static str, u64)>,
    units: Vec<Unit>,
    commands: u64,
    random: Random,
    connections: u64,
}

impl Episode {
    fn new(seed: u64, number: u64, pair: &Pair) -> Self {
        // Not of neighbouring states, which give the same numbers a step later.
        let mut random = Random::new(Random::new(seed).next_u64() ^ Random::new(!number).next_u64());
        let settings = settings::all(&mut random);
        Episode { settings, units: Vec::new(), commands: 0, random, connections: pair.connections() as u64 }
    }

    /// Plays it until its end or a failure.
    fn play(
        &mut self,
        pair: &mut Pair,
        selection: &Selection,
        commands_max: u64,
    ) -> Result<Result<(), Failure>, String> {
        pair.reset(&self.settings)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let payloads = RefCell::new(std::mem::take(&mut pair.payloads));
        let mut values =
            Values { group: "", reforms: self.random.below(2) == 0, is_queued: false, now_ms: now, payloads };
        let mut looked = 0;
        while (self.units.len() as u64) < EPISODE_UNITS && self.commands < commands_max {
            let connection = self.random.below(self.connections) as usize;
            let start = self.units.len();
            for _ in 0..=self.random.below(TURN_UNITS) {
                for unit in selection.units(connection, self.connections, &mut values, &mut self.random) {
                    self.commands += unit.requests.len() as u64;
                    self.units.push(unit);
                }
            }
            let mut outcome = pair.run(&self.units[start..]);
            values.payloads.borrow_mut().append(&mut pair.payloads);
            if let Err(failure) = &mut outcome {
                failure.units += start;
                self.units.truncate(failure.units);
            } else if self.units.len() - looked > STATE_EVERY {
                looked = self.units.len();
                outcome = pair.compare_state(looked);
            }
            if outcome.is_err() {
                return Ok(outcome);
            }
        }
        Ok(pair.compare_state(self.units.len()).and_then(|()| pair.compare_scans(self.units.len())))
    }
}

/// Shrinks a failure and shows it; gives its kind.
fn report(
    pair: &mut Pair,
    settings: Vec<(&'static str, u64)>,
    units: Vec<Unit>,
    failure: &Failure,
    options: &Options,
    episode: u64,
) -> Result<String, String> {
    println!("\n=== difference, seed {} episode {episode}: {}", options.seed, failure.kind);
    let Some((units, failure)) = shrink::shrink(pair, &settings, units, &failure.kind)? else {
        println!("it did not come again; the first time:\n{}", failure.text);
        return Ok(failure.kind.clone());
    };
    let texts: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    println!("CONFIG SET {}", texts.join(" "));
    let last = units.last().and_then(|unit| unit.requests.first()).map_or("", |request| request.name);
    for unit in units {
        for request in unit.requests {
            println!("{}{}", if unit.connection == 1 { "(RESP3) " } else { "" }, request.line());
        }
    }
    println!("--- {}", failure.text);
    Ok(if failure.kind == pair::CHANGES { format!("{} by {}", pair::CHANGES, last) } else { failure.kind })
}
