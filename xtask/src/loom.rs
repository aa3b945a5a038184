//! `cargo xtask loom`: the tests that run a handshake under every interleaving of its threads.
//!
//! They are ordinary tests under `#[cfg(loom)]`, where the atomics are loom's. That flag changes every crate built,
//! so it has a target folder of its own.

use std::env;
use std::process::Command;

use crate::tools::{Outcome, command, run as run_program, target_folder};

/// Each package with loom tests, and the test target that holds them.
const LOOM_TESTS: &[(&str, &str)] = &[("torc-server", "parker_loom")];

/// Runs all of them.
///
/// # Errors
/// A test failed or did not build.
pub fn run() -> Outcome<()> {
    commands().iter_mut().try_for_each(run_program)
}

/// One command per package.
pub fn commands() -> Vec<Command> {
    LOOM_TESTS.iter().map(|(package, target)| test_command(package, target)).collect()
}

fn test_command(package: &str, target: &str) -> Command {
    let flags = format!("{} --cfg loom", env::var("RUSTFLAGS").unwrap_or_default());
    // Not `release`: its whole-program optimisation costs more than such short tests gain.
    let mut test = command(&["cargo", "test", "--profile", "quick", "-p", package, "--test", target]);
    test.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target_folder().join("loom"));
    test
}
