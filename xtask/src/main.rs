//! Every developer verb of Torc: `cargo xtask <verb>`.
//!
//! One file per verb (`attack`, `bench`, `conformance` and `tidy` have a folder of helpers beside it); what several verbs need is in `tools`.
//! Every verb runs from the top of the repository and ends with exit code 0, or 1 and one line that says why.

mod attack;
mod bench;
mod conformance;
mod crash;
mod diff;
mod faults;
mod fuzz;
mod loom;
mod sanitize;
mod sim;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Developer verbs of Torc.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Attacks a server over sockets and checks what it promises; ends with `N passed, N failed`.
    Attack(attack::Options),
    /// Measures Torc beside Redis and the floor; writes docs/benchmarks.md and docs/benchmarks.svg.
    Bench(bench::Options),
    /// Runs Redis's own test suite against Torc; ends with `N passed, N failed`.
    Conformance(conformance::Options),
    /// Kills the server under load and looks at what is there afterwards.
    Crash(crash::Options),
    /// Compares replies and values with redis-server's under random commands.
    Diff(diff::Options),
    /// Runs every check and every test; ends with `N passed, N failed`.
    Test(test::Options),
    /// Checks the habits of the code.
    Tidy(tidy::Options),
    /// Runs the fuzz targets.
    Fuzz(fuzz::Options),
    /// Runs tests under AddressSanitizer and LeakSanitizer.
    Sanitize(sanitize::Options),
    /// Runs the simulator for many seeds.
    Sim(sim::Options),
    /// Runs the tests that explore thread interleavings.
    Loom,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = tools::enter_repository_top().and_then(|()| match options.verb {
        Verb::Attack(options) => attack::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Conformance(options) => conformance::run(&options),
        Verb::Crash(options) => crash::run(&options),
        Verb::Diff(options) => diff::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Tidy(options) => tidy::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Sanitize(options) => sanitize::run(&options),
        Verb::Sim(options) => sim::run(&options),
        Verb::Loom => loom::run(),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
