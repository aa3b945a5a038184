//! `cargo xtask sim`: many runs of the simulator, on all CPUs.
//!
//! Seeds S to S + N - 1 are divided among as many processes as there are CPUs. A failing one shows the smallest history it
//! finds and its seed; `--runs 1 --seed S` shows it again.

use clap::Args;
use std::process::{Child, Command};
use std::time::Instant;

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
    /// A fault in the protocol that is to be found.
    #[arg(long)]
    fault: Option<String>,
    /// Looks for every fault, each within 2,000 runs, instead.
    #[arg(long)]
    mutants: bool,
}

/// Builds the simulator and runs it.
///
/// # Errors
/// A run failed, or a fault was not found.
pub fn run(options: &Options) -> Outcome<()> {
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-sim"]))?;
    if options.mutants {
        return run_program(Command::new(built_program("quick", "torc-sim")).arg("--mutants"));
    }
    let started = Instant::now();
    let processes =
        std::thread::available_parallelism().map_or(1, |count| count.get() as u64).clamp(1, options.runs.max(1));
    let children: Vec<Child> =
        (0..processes).map(|number| start(options, number, processes)).collect::<Outcome<_>>()?;
    let mut failed = 0;
    for mut child in children {
        let status = child.wait().map_err(|error| format!("torc-sim: {error}"))?;
        failed += u64::from(!status.success());
    }
    println!("{} runs, {failed} failures in {:.0} s", options.runs, started.elapsed().as_secs_f64());
    if failed == 0 { Ok(()) } else { Err("a run failed; see above".into()) }
}

/// One process with its share of the seeds.
fn start(options: &Options, number: u64, processes: u64) -> Outcome<Child> {
    let first = options.runs * number / processes;
    let end = options.runs * (number + 1) / processes;
    let mut command = Command::new(built_program("quick", "torc-sim"));
    command.args(["--seed", &(options.seed + first).to_string(), "--runs", &(end - first).to_string()]);
    if let Some(fault) = &options.fault {
        command.args(["--fault", fault]);
    }
    command.spawn().map_err(|error| format!("torc-sim: {error}"))
}
