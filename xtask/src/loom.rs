//! `cargo xtask loom`: the tests that run a handshake under every interleaving of its threads.
//!
//! They are ordinary tests under `#[cfg(torc_loom)]`, where the atomics are loom's. The flag is not plain `loom`, since
//! that one also switches crates that Torc depends on, and not all of them build with it. A flag makes cargo build
//! everything anew, so it has a target folder of its own.

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
    let flags = format!("{} --cfg torc_loom", env::var("RUSTFLAGS").unwrap_or_default());
    // The dev profile, since optimising everything that the package depends on costs more than the tests gain; but
    // exploring is what loom does all the time.
    let explorer = "profile.dev.package.loom.opt-level=3";
    let switcher = "profile.dev.package.generator.opt-level=3";
    let mut test =
        command(&["cargo", "test", "--config", explorer, "--config", switcher, "-p", package, "--test", target]);
    test.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target_folder().join("loom"));
    test
}
