//! `torc-sim [--runs N] [--seed S] [--mutation NAME]`: runs the worlds of N seeds from S on.
//!
//! The first that goes wrong ends it, with its last events and its seed. One run takes milliseconds; so do not look at
//! one seed for long, but at many.

use std::process::ExitCode;

use torc_sim::{Mutation, Summary, run, trace};

/// Runs between two lines about the progress.
const RUNS_PER_LINE: u64 = 1000;

struct Options {
    runs: u64,
    seed: u64,
    mutation: Option<Mutation>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}\nusage: torc-sim [--runs N] [--seed S] [--mutation NAME]");
            return ExitCode::from(2);
        }
    };
    trace::install_panic_hook();
    let mut total = Summary::default();
    for seed in options.seed..options.seed.saturating_add(options.runs) {
        match run(seed, options.mutation) {
            Ok(summary) => total.add(&summary),
            // The panic hook has told everything.
            Err(_failure) => return ExitCode::FAILURE,
        }
        let done = seed - options.seed + 1;
        if done.is_multiple_of(RUNS_PER_LINE) || done == options.runs {
            println!("{done} runs: {total:?}");
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { runs: 1, seed: 0, mutation: None };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--runs" => options.runs = number(&value()?)?,
            "--seed" => options.seed = number(&value()?)?,
            "--mutation" => {
                let value = value()?;
                let known = Mutation::ALL.iter().find(|(name, _)| *name == value);
                options.mutation = Some(known.ok_or(format!("no mutation is named {value}"))?.1);
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
