//! `torc-sim [--runs N] [--seed S] [--world own|shared|subscribers] [--mutation NAME] [--coverage]`: runs the worlds for N seeds from S on.
//!
//! The runs are made by a process of their own, since a failure ends it. A failure of the shared world is then shrunk:
//! the smallest run that still fails is shown with its whole history.

mod options;

use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use options::{Options, WorldKind};
use torc_sim::{Summary, run, strict, subscribers, trace};

/// Runs between two lines about the progress.
const RUNS_PER_LINE: u64 = 1000;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.worker {
        trace::install_panic_hook();
        work(&options)
    } else {
        supervise(&options)
    }
}

/// Runs the worlds in this process.
fn work(options: &Options) -> ExitCode {
    let (mut own, mut shared) = (Summary::default(), strict::Summary::default());
    let mut heard = subscribers::Summary::default();
    let end = options.seed.saturating_add(options.runs);
    for seed in options.seed..end {
        let failed = match options.world_of(seed) {
            WorldKind::Own => run(seed, options.mutation).map(|summary| own.add(&summary)).is_err(),
            WorldKind::Shared => strict::run(seed, &options.cut()).map(|summary| shared.add(&summary)).is_err(),
            WorldKind::Subscribers => subscribers::run(seed).map(|summary| heard.add(&summary)).is_err(),
        };
        if failed {
            // The panic hook has told everything.
            return ExitCode::FAILURE;
        }
        let done = seed - options.seed + 1;
        if done.is_multiple_of(RUNS_PER_LINE) || seed + 1 == end {
            println!("{done} runs: {own:?}\n  {shared}\n  {heard:?}");
        }
    }
    if options.coverage {
        print!("{}", shared.coverage);
    }
    ExitCode::SUCCESS
}

/// Has another process do the runs; shrinks what goes wrong.
fn supervise(options: &Options) -> ExitCode {
    let output =
        worker(&options.arguments()).stdout(Stdio::inherit()).output().expect("this program can be started again");
    if output.status.success() {
        return ExitCode::SUCCESS;
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let seed = text.split("seed ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|seed| seed.parse().ok());
    let Some(seed) = seed.filter(|&seed| options.world_of(seed) == WorldKind::Shared) else {
        eprintln!("{text}");
        return ExitCode::FAILURE;
    };
    let cut = strict::shrink(|cut| !worker(&options.one_run(seed, cut)).output().expect("as before").status.success());
    let smallest = worker(&options.one_run(seed, &cut)).output().expect("as before");
    eprintln!("{}\nseed {seed}, cut down to: {cut}", String::from_utf8_lossy(&smallest.stderr));
    ExitCode::FAILURE
}

fn worker(arguments: &[String]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg("--worker").args(arguments).env("RUST_BACKTRACE", "0");
    command
}
