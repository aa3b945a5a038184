//! `cargo xtask bench`: Torc beside Redis and the floor, on this machine, in one run.
//!
//! ```text
//!   for each scenario
//!     for each round: A, B, C, ..., backwards in every other one (a fresh server each, pinned; the load generator on the other CPU)
//!   samples --> docs/benchmarks.json (other scenarios' kept) --> docs/benchmarks.md, docs/benchmarks.svg
//! ```
//! Only ratios within a run mean anything: the machine's speed moves from run to run, and a bit within one, which is
//! why contenders alternate and every ratio is the median of the rounds' own ratios.

mod plot;
mod programs;
mod render;
mod results;
mod runner;
mod scenarios;
mod types;

use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{Outcome, command, run as run_program};
use programs::Programs;
use results::{Contender, Results, ScenarioResult};
use scenarios::{Peer, Scenario};

const RESULTS: &str = "docs/benchmarks.json";
const PAGE: &str = "docs/benchmarks.md";
const PLOT: &str = "docs/benchmarks.svg";

/// What to measure, and for how long.
#[derive(Args)]
pub struct Options {
    /// Servers to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Peer::Torc, Peer::Before, Peer::Redis, Peer::Floor])]
    peers: Vec<Peer>,
    /// Only these scenarios (see --list).
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured seconds of each round of load.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Cargo profile of what is measured; figures worth keeping are of `release`.
    #[arg(long, default_value = "release")]
    profile: String,
    /// A Torc to measure instead of one built here.
    #[arg(long, value_name = "PATH")]
    torc: Option<PathBuf>,
    /// An earlier build of Torc to compare with; scenarios `unchanged` need it.
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
    /// Print the page instead of writing docs/.
    #[arg(long)]
    no_write: bool,
    /// Name all scenarios and stop.
    #[arg(long)]
    list: bool,
    /// Write the page and the plot from the stored results and stop.
    #[arg(long)]
    render: bool,
}

/// Measures and writes.
///
/// # Errors
/// A server cannot be built or started, a reply was wrong, or a file cannot be written.
pub fn run(options: &Options) -> Outcome<()> {
    let all = scenarios::all();
    if options.list {
        all.iter().for_each(|it| println!("{:<18} {}", it.name, it.title));
        return Ok(());
    }
    let mut results = Results::load(RESULTS)?;
    if options.render {
        return write(&results, options);
    }
    let chosen = choose(all, &options.only, options.before.is_some())?;
    for path in [&options.torc, &options.before].into_iter().flatten() {
        check_program(path)?;
    }
    if options.rounds == 0 {
        return Err("--rounds must be at least 1".into());
    }
    build(options)?;
    let programs = Programs::new(&options.profile, options.torc.clone(), options.before.clone());
    for scenario in &chosen {
        println!("=== {}: {}", scenario.name, scenario.title);
        if let Some(result) = measure(scenario, &programs, options)? {
            results.scenarios.insert(scenario.name.to_owned(), result);
            // A later scenario may fail: what is measured is kept.
            write(&results, options)?;
        }
    }
    Ok(())
}

/// Scenarios by name, or all; those that need an earlier build are left out of all when there is none.
fn choose(all: Vec<Scenario>, names: &[String], has_before: bool) -> Outcome<Vec<Scenario>> {
    if let Some(name) = names.iter().find(|name| !all.iter().any(|it| it.is_named(name))) {
        return Err(format!("there is no scenario '{name}'; see --list"));
    }
    if names.is_empty() {
        return Ok(all.into_iter().filter(|it| has_before || !it.needs_before()).collect());
    }
    let chosen: Vec<_> = all.into_iter().filter(|it| names.iter().any(|name| it.is_named(name))).collect();
    match chosen.iter().find(|it| it.needs_before() && !has_before) {
        Some(it) => Err(format!("scenario '{}' needs --before PATH, an earlier build of torc", it.name)),
        None => Ok(chosen),
    }
}

fn check_program(path: &Path) -> Outcome<()> {
    if path.is_file() { Ok(()) } else { Err(format!("there is no program {}", path.display())) }
}

fn build(options: &Options) -> Outcome<()> {
    run_program(&mut command(&["cargo", "build", "--profile", &options.profile, "-p", "torc-benches"]))?;
    if options.peers.contains(&Peer::Torc) && options.torc.is_none() {
        let words = ["cargo", "build", "--profile", &options.profile, "-p", "torc-server", "--bin", "torc"];
        run_program(&mut command(&words))?;
    }
    Ok(())
}

/// All rounds of one scenario; `None` when none of its contenders is among the peers wanted.
fn measure(scenario: &Scenario, programs: &Programs, options: &Options) -> Outcome<Option<ScenarioResult>> {
    let entries: Vec<_> = scenario.entries.iter().filter(|entry| options.peers.contains(&entry.peer)).collect();
    if entries.is_empty() {
        println!("none of the peers takes part");
        return Ok(None);
    }
    let others_busy = results::busy_share();
    if others_busy > render::OTHERS_BUSY_MAX {
        println!("warning: the machine is {:.0} % busy already; figures will be disturbed", others_busy * 100.0);
    }
    let rounds = scenario.rounds_max.map_or(options.rounds, |most| most.min(options.rounds));
    let mut contenders: Vec<Contender> = entries.iter().map(|entry| Contender::new(entry.label)).collect();
    for round in 1..=rounds {
        let mut turns: Vec<_> = entries.iter().zip(&mut contenders).collect();
        // The machine's speed may drift over a round; what is first in one round is last in the next.
        if round % 2 == 0 {
            turns.reverse();
        }
        for (entry, contender) in turns {
            let sample = runner::sample(scenario, entry, programs, options.seconds)
                .map_err(|problem| format!("{}, {}: {problem}", scenario.name, entry.label))?;
            println!("{round}/{rounds} {:<16} {}", entry.label, results::summary(&sample));
            contender.samples.push(sample);
        }
    }
    let profile = options.profile.clone();
    let seconds = options.seconds;
    Ok(Some(ScenarioResult { profile, rounds, seconds, others_busy, ..ScenarioResult::new(contenders) }))
}

fn write(results: &Results, options: &Options) -> Outcome<()> {
    let page = render::page(results);
    if options.no_write {
        println!("{page}");
        return Ok(());
    }
    let problem = |path: &'static str| move |error: std::io::Error| format!("{path}: {error}");
    fs::create_dir_all("docs").map_err(problem("docs"))?;
    results.store(RESULTS)?;
    fs::write(PAGE, page).map_err(problem(PAGE))?;
    plot::write(results, PLOT)?;
    println!("wrote {RESULTS}, {PAGE}, {PLOT}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_chosen_by_name_or_group() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|&it| it.to_owned()).collect();
            choose(scenarios::all(), &only, true).map(|them| them.iter().map(|it| it.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["mixed-p16"]).unwrap(), ["mixed-p16"]);
        assert_eq!(names(&["mixed"]).unwrap(), ["mixed-p1", "mixed-p16", "mixed-p64"]);
        assert_eq!(names(&[]).unwrap().len(), scenarios::all().len());
        assert_eq!(names(&["two-cores"]).unwrap(), ["two-cores-p16", "two-cores-p64"]);
        assert_eq!(names(&["multi4"]).unwrap(), ["multi4-1core", "multi4-2cores"]);
        assert_eq!(names(&["groups"]).unwrap().len(), 8);
        assert!(names(&["nothing"]).is_err());
    }
    #[test]
    fn a_comparison_with_an_earlier_build_needs_one() {
        assert!(choose(scenarios::all(), &["unchanged".to_owned()], false).is_err());
        assert_eq!(choose(scenarios::all(), &["unchanged".to_owned()], true).unwrap().len(), 3);
        assert!(choose(scenarios::all(), &[], false).unwrap().iter().all(|it| !it.needs_before()));
    }
}
