//! `cargo xtask sanitize`: the tests under AddressSanitizer, and with it LeakSanitizer.
//!
//! ```text
//!   -Zsanitizer=address    every access is checked against what is allocated; at the end, what was not freed is a leak
//!   --cfg torc_sanitize    each slot of the store's heap is an allocation of its own, so that the checker sees it
//!   debug assertions       on, and with them what std checks of the arguments of its unsafe functions
//! ```
//! The sanitizer's runtime comes with the toolchain, but its flag is not stable: `RUSTC_BOOTSTRAP` lets a stable compiler take it.
//! Nothing else is unstable, and nothing that is shipped is built this way. Instrumented code lives in a target folder of its own, where
//! `cargo xtask fuzz` finds it too: it is built with the fuzzer's counters at once, which cost the tests less than a second build.
//!
//! By default most tests of the engine and the simulator are left out, those that only count bytes and moves ([`LEFT_OUT`]), and of
//! the store's slowest tests most seeds and steps (`is_brief` in `torc-store/src/tests`). `--all` runs all of them.

use clap::Args;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{Outcome, capture, command, run as run_program, target_folder};

/// Everything that can run instrumented, as words for cargo.
const ALL_TESTS: &[&str] = &["-p torc-resp -p torc-rdb -p torc-store -p torc-engine -p torc-sim --lib --tests"];
/// All `unsafe` code that owns memory and all parsers directly, and the engine above them in the parts that move values about most.
/// Packages that are built together share what they depend on: the engine is built once, as the simulator and the fuzzer have it.
const TESTS: &[&str] = &[
    "-p torc-resp -p torc-rdb -p torc-store --lib --tests",
    "-p torc-engine -p torc-sim --test dump_types --test keyspace_moves --test collections --test restored",
];
/// By default left out: they count bytes and moves of hundreds of thousands of small keys, and run no code that others do not.
const LEFT_OUT: &[&str] = &[
    "shape::a_small_key_takes_66_bytes",
    "shape::keys_may_come_in_the_order_of_their_hashes",
    "shape::wrong_numbers_of_keys_cost_no_more_than_half_empty_tables",
];

/// Cargo's profile: optimised a little, with all checks.
const PROFILE: &str = "checked";
/// The variable that makes the store's tests run all their seeds and steps.
const ALL_SEEDS: &str = "TORC_SANITIZE_ALL";

/// What to test.
#[derive(Args)]
pub struct Options {
    /// All tests and seeds, those of the engine and the simulator too.
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
    let groups = if options.all { ALL_TESTS } else { TESTS };
    groups.iter().try_for_each(|words| run_program(&mut test_command(words, options.all)?))
}

/// Why the sanitizer cannot be used here, if it cannot.
pub fn missing() -> Option<String> {
    match has_runtime() {
        Ok(true) => None,
        Ok(false) => Some("the toolchain has no runtime of AddressSanitizer".into()),
        Err(problem) => Some(problem),
    }
}

/// How checks are put in: as calls, which takes a quarter less time to build than the same code at every access. And what makes a branch
/// visible to libFuzzer; where that is not linked, the sanitizer's runtime has functions in its place that do nothing.
const FLAGS: [&str; 6] = [
    "-Cllvm-args=-asan-instrumentation-with-call-threshold=0",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// In every command, since packages that are chosen together agree on the features of what they depend on: so that it is built once.
const WITH_FUZZER: [&str; 4] = ["-p", "torc-fuzz", "--features", "torc-fuzz/fuzz"];

/// A cargo command that builds what sanitizers check and the fuzzer watches.
///
/// # Errors
/// There is no compiler.
pub fn cargo(verb: &str, words: &[&str]) -> Outcome<Command> {
    // With a target, cargo passes the flags only to the tested code, not to build scripts and macros.
    let start = ["cargo", verb, "--profile", PROFILE, "--target", &host()?];
    let mut cargo = command(&[&start[..], &WITH_FUZZER, words].concat());
    instrument(&mut cargo, &FLAGS);
    cargo.env("CARGO_TARGET_DIR", build_folder());
    Ok(cargo)
}

/// Where a program that [`cargo`] has built lies.
///
/// # Errors
/// There is no compiler.
pub fn program(name: &str) -> Outcome<PathBuf> {
    Ok(build_folder().join(host()?).join(PROFILE).join(name))
}

fn build_folder() -> PathBuf {
    target_folder().join("sanitize")
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

fn test_command(words: &str, all: bool) -> Outcome<Command> {
    let words: Vec<&str> = ["--no-fail-fast"].into_iter().chain(words.split(' ')).collect();
    let mut test = cargo("test", &words)?;
    if all {
        test.env(ALL_SEEDS, "1");
    } else {
        test.arg("--").args(LEFT_OUT.iter().flat_map(|name| ["--skip", name]));
    }
    Ok(test)
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
