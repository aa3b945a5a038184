//! `cargo xtask loom`: the tests that run a handshake under every interleaving of its threads.
//!
//! They are in `crates/loom`, outside the workspace, which includes the files that it tests by their paths: cargo builds all that a
//! package depends on under the flag that makes atomics loom's, and for the server that takes longer than the tests. The flag is
//! `torc_loom`, not plain `loom`, which crates that a tested file uses may know too. It has a target folder of its own.

use std::env;
use std::process::Command;

use crate::tools::{Outcome, command, run as run_program, target_folder};

const MANIFEST: &str = "crates/loom/Cargo.toml";

/// Runs all of them.
///
/// # Errors
/// A test failed or did not build.
pub fn run() -> Outcome<()> {
    run_program(&mut test_command())
}

/// Builds and runs every test.
pub fn test_command() -> Command {
    let flags = format!("{} --cfg torc_loom", env::var("RUSTFLAGS").unwrap_or_default());
    let mut test = command(&["cargo", "test", "--manifest-path", MANIFEST]);
    test.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target_folder().join("loom"));
    test
}
