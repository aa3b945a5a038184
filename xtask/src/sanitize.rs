//! `cargo xtask sanitize`: the tests under AddressSanitizer, and with it LeakSanitizer.
//!
//! ```text
//!   -Zsanitizer=address    every access is checked against what is allocated; at the end, what was not freed is a leak
//!   --cfg torc_sanitize    each slot of the store's heap is an allocation of its own, so that the checker sees it
//!   debug assertions       on, and with them what std checks of the arguments of its unsafe functions
//! ```
//! The sanitizer's runtime comes with the toolchain, but its flag is not stable: `RUSTC_BOOTSTRAP` lets a stable compiler take it.
//! Nothing else is unstable, and nothing that is shipped is built this way. Instrumented code lives in a target folder of its own.

use clap::Args;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools::{Outcome, capture, command, run as run_program, target_folder};

/// What is tested by default: all `unsafe` code that owns memory and all parsers directly, and the engine above them in the parts that
/// move values about most. With the build, some minutes.
const TESTS: &[(&str, &[&str])] = &[
    ("torc-resp", &["--lib", "--tests"]),
    ("torc-rdb", &["--lib", "--tests"]),
    ("torc-store", &["--lib"]),
    ("torc-engine", &["--test", "collections", "--test", "dump_types", "--test", "keyspace_moves"]),
    ("torc-sim", &["--test", "restored"]),
];
/// Everything that can run instrumented.
const ALL_TESTS: &[(&str, &[&str])] = &[
    ("torc-resp", &["--lib", "--tests"]),
    ("torc-rdb", &["--lib", "--tests"]),
    ("torc-store", &["--lib"]),
    ("torc-engine", &["--lib", "--tests"]),
    ("torc-sim", &["--lib", "--tests"]),
];

/// What to test.
#[derive(Args)]
pub struct Options {
    /// All tests of the engine and the simulator, not only those that move values about most.
    #[arg(long)]
    all: bool,
}

/// Runs the tests.
///
/// # Errors
/// Something is missing, a test failed, or an error was found.
pub fn run(options: &Options) -> Outcome<()> {
    if let Some(reason) = missing() {
        return Err(reason);
    }
    commands(options.all).iter_mut().try_for_each(run_program)
}

/// Why the sanitizer cannot be used here, if it cannot.
pub fn missing() -> Option<String> {
    match has_runtime() {
        Ok(true) => None,
        Ok(false) => Some("the toolchain has no runtime of AddressSanitizer".into()),
        Err(problem) => Some(problem),
    }
}

/// One command per package.
pub fn commands(all: bool) -> Vec<Command> {
    let tests = if all { ALL_TESTS } else { TESTS };
    tests.iter().map(|(package, targets)| test_command(package, targets)).collect()
}

/// Lets a cargo command build instrumented code, with these flags besides.
pub fn instrument(cargo: &mut Command, flags: &[&str]) {
    let given = env::var("RUSTFLAGS").unwrap_or_default();
    let words = [&[given.as_str(), "-Zsanitizer=address", "--cfg", "torc_sanitize"], flags].concat();
    cargo.env("RUSTFLAGS", words.join(" ").trim()).env("RUSTC_BOOTSTRAP", "1").env("CARGO_INCREMENTAL", "0");
}

/// What a server keeps until its process ends, as the leak checker's suppressions: each core's ring, which its parts refer to, and the
/// tasks that accept on the admin port.
const KEPT_TO_THE_END: &str = "leak:core::ring::Ring>::new\nleak:service::accept_all\n";

/// Lets an instrumented server run with what it may keep until it ends; every other leak ends it with an exit code other than 0.
///
/// # Errors
/// The list cannot be written to the target folder.
pub fn allow_kept(server: &mut Command) -> Outcome<()> {
    let path = target_folder().join("kept-to-the-end.txt");
    fs::write(&path, KEPT_TO_THE_END).map_err(|error| format!("{}: {error}", path.display()))?;
    server.env("LSAN_OPTIONS", format!("print_suppressions=0:suppressions={}", path.display()));
    Ok(())
}

fn test_command(package: &str, targets: &[&str]) -> Command {
    // Instrumented code without any optimisation takes several times as long; more of it costs more to build than it gains.
    let optimised = "profile.dev.opt-level=1";
    // With a target, cargo passes the flags only to the tested code, not to build scripts and macros.
    let host = host().unwrap_or_default();
    let words = ["cargo", "test", "--config", optimised, "--target", &host, "--no-fail-fast", "-p", package];
    let mut test = command(&[&words[..], targets].concat());
    instrument(&mut test, &[]);
    test.env("CARGO_TARGET_DIR", target_folder().join("sanitize"));
    test
}

/// Whether the toolchain has the sanitizer's runtime.
fn has_runtime() -> Outcome<bool> {
    let root = capture(&mut command(&["rustc", "--print", "sysroot"]))?;
    let folder = Path::new(root.trim()).join("lib/rustlib").join(host()?).join("lib");
    let files = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Its name begins with that of the channel.
    Ok(files.flatten().any(|file| file.file_name().to_string_lossy().ends_with("_rt.asan.a")))
}

/// What the compiler calls this machine.
///
/// # Errors
/// There is no compiler.
pub fn host() -> Outcome<String> {
    let text = capture(&mut command(&["rustc", "-vV"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".into())
}
