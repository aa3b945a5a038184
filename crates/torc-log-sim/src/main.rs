//! `torc-log-sim [--runs N] [--seed S] [--trace]`: makes the runs of N seeds from S on. A failure ends the process and names
//! its seed; `--seed S --trace` shows all that happened in it.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use torc_log_sim::{Summary, run};

/// Runs between two lines about the progress.
const RUNS_PER_LINE: u64 = 10_000;

/// The run that is being made, for the line about a failure.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Runs the log above a simulated disk.
#[derive(Debug, Parser)]
struct Options {
    /// Number of runs.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Seed of the first.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shows everything that happens.
    #[arg(long)]
    trace: bool,
}

fn main() {
    let options = Options::parse();
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        eprintln!("seed {} failed", SEED.load(Ordering::Relaxed));
    }));
    let mut summary = Summary::default();
    let end = options.seed.saturating_add(options.runs);
    for seed in options.seed..end {
        SEED.store(seed, Ordering::Relaxed);
        summary.add(&run(seed, options.trace));
        let done = seed - options.seed + 1;
        if done.is_multiple_of(RUNS_PER_LINE) || seed + 1 == end {
            println!("{done} runs: {summary}");
        }
    }
}
