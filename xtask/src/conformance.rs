//! `cargo xtask conformance`: Redis's own test suite against Torc.
//!
//! ```text
//!   source (Debian's package of Redis) --> schedule: for each mode, for each number of cores, for each unit:
//!     attempts --> tests --> held against xtask/conformance.skips --> docs/conformance.md (--update)
//! ```
//! A test that fails and is not listed fails the verb; a listed one that passes is named. The suite is what Redis's
//! authors take for granted, so a listed test needs one of few reasons ([`skips::REASONS`]).

mod output;
mod process;
mod results;
mod schedule;
mod server;
mod skips;
mod source;
mod suite;
mod unit;
mod workplace;

use clap::Args;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::tools::{Outcome, absolute, built_program, command, run as run_program};
use results::Results;
use schedule::{Plan, Task};
use skips::{Mode, Skips};
use workplace::Workplace;

/// What `--suite data-types` stands for; `cargo xtask test` runs them.
const DATA_TYPES: &[&str] = &[
    "unit/type/string",
    "unit/type/incr",
    "unit/type/list",
    "unit/type/list-2",
    "unit/type/list-3",
    "unit/type/set",
    "unit/type/zset",
    "unit/type/hash",
    "unit/type/stream",
    "unit/type/stream-cgroups",
    "unit/sort",
    "unit/bitops",
    "unit/bitfield",
    "unit/geo",
    "unit/hyperloglog",
    "unit/keyspace",
    "unit/scan",
    "unit/expire",
    "unit/dump",
];

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Units, such as unit/type/list or unit/*; `data-types` for those that `cargo xtask test` runs. Default: all.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    suite: Vec<String>,
    /// How the suite meets the server.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = [Mode::External])]
    mode: Vec<Mode>,
    /// Numbers of cores to try.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [1, 2])]
    cores: Vec<u16>,
    /// The suite's own tags [default: -slow in external mode, none in spawn mode].
    #[arg(long, allow_hyphen_values = true)]
    tags: Option<String>,
    /// The longest that a unit may take, in seconds.
    #[arg(long, default_value_t = 900)]
    limit: u64,
    /// Units at the same time, each on a server of its own [default: one per CPU, at most 8].
    #[arg(long)]
    jobs: Option<usize>,
    /// Writes the figures into docs/conformance.json and docs/conformance.md.
    #[arg(long, conflicts_with = "tags")]
    update: bool,
}

/// Runs the units and compares them with the list.
///
/// # Errors
/// A test failed that is not listed, or the suite cannot be had or run.
pub fn run(options: &Options) -> Outcome<()> {
    let start = Instant::now();
    let program = server_program()?;
    let skips = Skips::read()?;
    let mut results = Results::read()?;
    let top = source::folder();
    let workplace = Workplace::new(&top)?;
    let source = source::prepare(&workplace.folder)?;
    let mut tasks = Vec::new();
    let units = chosen(&options.suite, &suite::units(&source)?)?;
    for &mode in &options.mode {
        for &cores in &options.cores {
            tasks.extend(units.iter().map(|unit| Task { mode, cores, unit: unit.clone() }));
        }
    }
    let plan = Plan {
        source: &source,
        program: &program,
        folder: &workplace.folder,
        logs: &top.join("logs"),
        skips: &skips,
        tags: options.tags.as_deref(),
        limit: Duration::from_secs(options.limit),
        jobs: options.jobs.unwrap_or_else(default_jobs),
    };
    let (mut passed, mut failed) = (0, 0);
    for (task, unit) in plan.run(tasks)? {
        passed += unit.passed;
        failed += unit.failed.len();
        results.put(&unit, task.mode, task.cores);
    }
    if options.update {
        results.write()?;
    }
    println!("in {:.0} s; what the suite said is in {}", start.elapsed().as_secs_f64(), plan.logs.display());
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err("a test failed that is not listed; see above".into()) }
}

/// A unit is a Tcl process and a server, which mostly wait for each other: together about one CPU.
fn default_jobs() -> usize {
    thread::available_parallelism().map_or(1, |cpus| cpus.get().min(8))
}

/// The server under test: the one that `TORC_BIN` names, or one built now.
fn server_program() -> Outcome<PathBuf> {
    if let Some(given) = std::env::var_os("TORC_BIN") {
        return Ok(absolute(PathBuf::from(given)));
    }
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-server", "--bin", "torc"]))?;
    Ok(absolute(built_program("quick", "torc")))
}

/// The units that are asked for, in the suite's order.
fn chosen(asked: &[String], known: &[String]) -> Outcome<Vec<String>> {
    let mut patterns: Vec<&str> = asked.iter().map(String::as_str).collect();
    if patterns.is_empty() {
        patterns.push("*");
    }
    if patterns.contains(&"data-types") {
        patterns.retain(|pattern| *pattern != "data-types");
        patterns.extend(DATA_TYPES);
    }
    let fits = |pattern: &&str, name: &String| skips::matches(pattern, name);
    if let Some(pattern) = patterns.iter().find(|pattern| !known.iter().any(|name| fits(pattern, name))) {
        return Err(format!("the suite has no unit '{pattern}'"));
    }
    let is_chosen = |name: &&String| patterns.iter().any(|pattern| fits(pattern, name));
    Ok(known.iter().filter(is_chosen).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn units_are_chosen_by_name_pattern_and_set() {
        let known = units(&[&["unit/acl", "unit/sort2"], DATA_TYPES].concat());
        assert_eq!(chosen(&[], &known).unwrap().len(), known.len());
        assert_eq!(chosen(&units(&["unit/sort", "unit/acl"]), &known).unwrap(), ["unit/acl", "unit/sort"]);
        assert_eq!(chosen(&units(&["unit/sort*"]), &known).unwrap(), ["unit/sort2", "unit/sort"]);
        assert_eq!(chosen(&units(&["data-types"]), &known).unwrap().len(), DATA_TYPES.len());
        assert!(chosen(&units(&["unit/none"]), &known).is_err());
    }
}
