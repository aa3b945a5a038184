//! `cargo xtask sim`: many runs of the simulator, on all CPUs; with `--log` of the one of the log.
//!
//! Seeds S to S + N - 1 are divided among as many processes as there are CPUs. A failing one shows the smallest history it
//! finds and its seed; `--runs 1 --seed S` shows it again. `--faults` asks the other way round: whether the simulator finds what is broken on
//! purpose (`faults.rs`).

use clap::Args;
use std::ops::Range;
use std::process::{Child, Command};
use std::time::Instant;

use crate::faults::Build;
use crate::tools::{Outcome, built_program, command, run as run_program};

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Number of runs.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Runs the log above a simulated disk (torc-log-sim) instead.
    #[arg(long, conflicts_with_all = ["mutation", "world", "coverage"])]
    log: bool,
    /// Puts this fault into the engine or the log, to see whether it is found: the name of its file in crates/torc-sim/faults or
    /// crates/torc-log-sim/faults.
    #[arg(long)]
    fault: Option<String>,
    /// Puts this fault into the world of own keys, to see whether it is found.
    #[arg(long)]
    mutation: Option<String>,
    /// One world only: `own`, `shared` or `subscribers`.
    #[arg(long)]
    world: Option<String>,
    /// Shows at the end how often each command that may wait came to each end, and what was scanned and chosen.
    #[arg(long)]
    coverage: bool,
    /// Looks for every fault in engine and log, each within 2,000 runs (the log: 10,000), instead.
    #[arg(long, conflicts_with_all = ["log", "runs", "seed", "fault", "mutation", "world", "coverage"])]
    faults: bool,
}

/// Builds the simulator and runs it.
///
/// # Errors
/// A run failed, or a fault was not found.
pub fn run(options: &Options) -> Outcome<()> {
    if options.runs == 0 || options.seed.checked_add(options.runs).is_none() {
        return Err("--runs must be at least 1, and --seed so small that there are so many after it".into());
    }
    if options.faults {
        return Build::new()?.find_all();
    }
    let build = match options.fault {
        Some(_) => Some(Build::new()?),
        None => run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", program(options)]))
            .map(|()| None)?,
    };
    let started = Instant::now();
    let processes = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut children: Vec<Child> = Vec::new();
    let mut problem = None;
    for seeds in shares(options.seed, options.runs, processes) {
        match start(options, build.as_ref(), seeds) {
            Ok(child) => children.push(child),
            Err(text) => problem = Some(text),
        }
    }
    // Those that did start are awaited whatever happened, so that none is left behind.
    let mut failed = 0;
    for mut child in children {
        match child.wait() {
            Ok(status) => failed += u64::from(!status.success()),
            Err(error) => problem = Some(format!("{}: {error}", program(options))),
        }
    }
    if let Some(problem) = problem {
        return Err(problem);
    }
    println!("{} runs, {failed} failures in {:.0} s", options.runs, started.elapsed().as_secs_f64());
    if failed == 0 { Ok(()) } else { Err("a run failed; see above".into()) }
}

/// The simulator that is meant.
fn program(options: &Options) -> &'static str {
    if options.log { "torc-log-sim" } else { "torc-sim" }
}

/// Seeds `first` up to `first + runs`, divided among at most `processes` processes, each of which gets one at least.
fn shares(first: u64, runs: u64, processes: u64) -> Vec<Range<u64>> {
    let processes = processes.clamp(1, runs);
    let (each, more) = (runs / processes, runs % processes);
    let start = |number: u64| first + number * each + number.min(more);
    (0..processes).map(|number| start(number)..start(number + 1)).collect()
}

/// One process with its share of the seeds.
fn start(options: &Options, build: Option<&Build>, seeds: Range<u64>) -> Outcome<Child> {
    let mut command = match (build, &options.fault) {
        (Some(build), Some(name)) => build.simulator(name)?,
        _ => Command::new(built_program("quick", program(options))),
    };
    command.args(["--seed", &seeds.start.to_string(), "--runs", &(seeds.end - seeds.start).to_string()]);
    let world_of_fault = build.zip(options.fault.as_deref()).and_then(|(build, fault)| build.world(fault));
    let world = options.world.as_deref().or(world_of_fault);
    for (name, value) in [("--mutation", options.mutation.as_deref()), ("--world", world)] {
        if let Some(value) = value {
            command.args([name, value]);
        }
    }
    if options.coverage {
        command.arg("--coverage");
    }
    command.spawn().map_err(|error| format!("{}: {error}", program(options)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_belongs_to_one_process() {
        for (first, runs, processes) in [(0, 1000, 2), (7, 10, 3), (5, 1, 4), (u64::MAX - 11, 11, 2)] {
            let shares = shares(first, runs, processes);
            assert!(shares.len() as u64 <= processes);
            assert_eq!((shares[0].start, shares[shares.len() - 1].end), (first, first + runs));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start), "{shares:?}");
            assert!(shares.iter().all(|share| !share.is_empty()), "{shares:?}");
        }
    }
}
