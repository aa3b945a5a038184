//! `cargo xtask fuzz`: every fuzz target for a bounded time.
//!
//! Targets are the programs of `crates/fuzz`, which are only built with its feature `fuzz`, since all of their code is instrumented: libFuzzer
//! sees which branches an input takes, AddressSanitizer which memory it touches. Both are passes of the compiler that stable Rust has
//! too; the one flag that is not stable is let in by `RUSTC_BOOTSTRAP`, so that neither a nightly compiler nor cargo-fuzz is needed. What
//! they are made of is built once for them and for `cargo xtask sanitize`. The same properties run under plain `cargo test` on generated
//! input.
//!
//! What the fuzzer has learnt is kept in `target/fuzz-corpus`, where the next run goes on from it; an input that fails is left in
//! `target/fuzz-failures`, and its name is shown.

use clap::Args;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::sanitize;
use crate::tools::{Outcome, absolute, install_packages, is_installed, run as run_program, target_folder};

/// The C++ compiler that libFuzzer is built with, and the Debian package that has it.
pub const COMPILER: (&str, &str) = ("c++", "g++");
const TARGETS: &str = "crates/fuzz/fuzz_targets";
/// Inputs are no longer than this; what is to be found needs far less.
const INPUT_BYTES_MAX: u32 = 4096;
/// An input that takes longer is a failure.
const INPUT_SECONDS_MAX: u32 = 20;

/// How long to fuzz.
#[derive(Args)]
pub struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// One target only.
    #[arg(long)]
    target: Option<String>,
}

/// Fuzzes every target for the given time.
///
/// # Errors
/// Something is missing, or a target found a failure.
pub fn run(options: &Options) -> Outcome<()> {
    if !is_installed(COMPILER.0) {
        install_packages(&[COMPILER.1])?;
    }
    if let Some(reason) = missing() {
        return Err(reason);
    }
    let mut targets = targets()?;
    if let Some(wanted) = &options.target {
        targets.retain(|target| target == wanted);
        if targets.is_empty() {
            return Err(format!("there is no fuzz target {wanted}"));
        }
    }
    run_program(&mut sanitize::cargo("build", &["--bins"])?)?;
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    targets.chunks(cpus).try_for_each(|targets| run_together(targets, options.seconds))
}

/// Each uses one CPU.
fn run_together(targets: &[String], seconds: u32) -> Outcome<()> {
    let mut commands = targets.iter().map(|target| run_command(target, seconds)).collect::<Outcome<Vec<_>>>()?;
    thread::scope(|scope| {
        let runs: Vec<_> = commands.iter_mut().map(|command| scope.spawn(|| run_program(command))).collect();
        let outcomes: Vec<_> = runs.into_iter().map(|run| run.join().expect("it does not panic")).collect();
        outcomes.into_iter().collect()
    })
}

/// Why fuzzing cannot be done here, if it cannot.
pub fn missing() -> Option<String> {
    if !is_installed(COMPILER.0) {
        return Some("there is no C++ compiler, which libFuzzer is built with".into());
    }
    sanitize::missing()
}

/// Names of all targets.
///
/// # Errors
/// The folder of targets cannot be read or holds none.
pub fn targets() -> Outcome<Vec<String>> {
    let entries = fs::read_dir(TARGETS).map_err(|error| format!("{TARGETS}: {error}"))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().file_name()?.to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    if names.is_empty() { Err(format!("{TARGETS} holds no target")) } else { Ok(names) }
}

fn run_command(target: &str, seconds: u32) -> Outcome<Command> {
    let corpus = folder("fuzz-corpus", target)?;
    let failures = folder("fuzz-failures", target)?;
    let mut run = Command::new(sanitize::program(target)?);
    run.arg(corpus)
        .arg(format!("-artifact_prefix={}/", failures.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg("-print_final_stats=1")
        .arg("-verbosity=0");
    Ok(run)
}

fn folder(name: &str, target: &str) -> Outcome<PathBuf> {
    let path = absolute(target_folder().join(name).join(target));
    fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
