//! `cargo xtask fuzz`: every fuzz target for a bounded time.
//!
//! Targets live in `fuzz/fuzz_targets`, outside the workspace, since only nightly can build them. Where nightly or
//! cargo-fuzz is missing the same properties still run under stable, as the parsers' property tests.

use clap::Args;
use std::fs;
use std::path::Path;

use crate::tools::{Outcome, capture, command, is_installed, run as run_program};

/// How long to fuzz.
#[derive(Args)]
pub struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Fuzzes every target for the given time.
///
/// # Errors
/// Something is missing, or a target found a failure.
pub fn run(options: &Options) -> Outcome<()> {
    if let Some(reason) = missing() {
        return Err(reason);
    }
    targets()?.iter().try_for_each(|target| run_target(target, options.seconds))
}

/// Why fuzzing cannot be done here, if it cannot.
pub fn missing() -> Option<String> {
    if !Path::new("fuzz/Cargo.toml").exists() {
        return Some("there is no fuzz/Cargo.toml".into());
    }
    if !is_installed("cargo-fuzz") {
        return Some("cargo-fuzz is not installed (cargo install cargo-fuzz)".into());
    }
    match capture(&mut command(&["rustup", "toolchain", "list"])) {
        Ok(list) if list.contains("nightly") => None,
        _ => Some("there is no nightly toolchain (rustup toolchain install nightly)".into()),
    }
}

/// Names of all targets.
///
/// # Errors
/// The folder of targets cannot be read or holds none.
pub fn targets() -> Outcome<Vec<String>> {
    let folder = "fuzz/fuzz_targets";
    let entries = fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().file_name()?.to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    if names.is_empty() { Err(format!("{folder} holds no target")) } else { Ok(names) }
}

fn run_target(target: &str, seconds: u32) -> Outcome<()> {
    let limit = format!("-max_total_time={seconds}");
    run_program(&mut command(&["cargo", "+nightly", "fuzz", "run", target, "--", &limit]))
}
