//! `cargo xtask conformance`: Redis's own test suite against Torc.
//!
//! ```text
//!   source (Debian's package of Redis) --> for each mode, for each number of cores, for each unit:
//!     attempts --> tests --> held against xtask/conformance.skips --> docs/conformance.md (--update)
//! ```
//! A test that fails and is not listed fails the verb; a listed one that passes is named. The suite is what Redis's
//! authors take for granted, so a listed test needs one of few reasons ([`skips::REASONS`]).

mod output;
mod process;
mod results;
mod server;
mod skips;
mod source;
mod suite;
mod unit;

use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tools::{Outcome, absolute, built_program, command, run as run_program};
use output::Test;
use results::Results;
use server::Server;
use skips::{Mode, Skips};
use suite::Suite;
use unit::Unit;

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
/// Lines of a failure that are shown.
const DETAIL_LINES: usize = 6;

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
    #[arg(long, default_value_t = 180)]
    limit: u64,
    /// Writes the figures into docs/conformance.json and docs/conformance.md.
    #[arg(long, conflicts_with = "tags")]
    update: bool,
}

/// Runs the units and compares them with the list.
///
/// # Errors
/// A test failed that is not listed, or the suite cannot be had or run.
pub fn run(options: &Options) -> Outcome<()> {
    let source = source::prepare()?;
    let server = server_program()?;
    let skips = Skips::read()?;
    let mut results = Results::read()?;
    let (mut passed, mut failed) = (0, 0);
    for &mode in &options.mode {
        for &cores in &options.cores {
            println!("\n{} mode, {cores} core{}", mode.name(), if cores == 1 { "" } else { "s" });
            for unit in run_kind(options, &source, &server, &skips, mode, cores)? {
                passed += unit.passed;
                failed += unit.failed.len();
                results.put(&unit, mode, cores);
            }
        }
    }
    if options.update {
        results.write()?;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err("a test failed that is not listed; see above".into()) }
}

/// The server under test: the one that somebody has built already, or one built now.
fn server_program() -> Outcome<PathBuf> {
    if let Some(given) = std::env::var_os("TORC_BIN") {
        return Ok(absolute(PathBuf::from(given)));
    }
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-server", "--bin", "torc"]))?;
    Ok(absolute(built_program("quick", "torc")))
}

/// All units in one mode on so many cores.
fn run_kind(
    options: &Options,
    source: &Path,
    program: &Path,
    skips: &Skips,
    mode: Mode,
    cores: u16,
) -> Outcome<Vec<Unit>> {
    let folder = source::folder().join(format!("{}-{cores}", mode.name()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let default_tags = if mode == Mode::External { "-slow" } else { "" };
    let tags = options.tags.as_deref().unwrap_or(default_tags);
    let suite = Suite::new(source, &folder, mode, program, cores, tags)?;
    let mut server = Server::new(program, cores, &folder);
    let mut units = Vec::new();
    for name in chosen(&options.suite, &suite.units()?)? {
        let listed = skips.of(&name, mode, cores);
        if let Some(skip) = listed.iter().find(|skip| skip.is_left_out && skip.test == "*") {
            let reference = results::reference(&name, mode);
            if reference > 0 {
                units.push(unit::left_out(&name, skip.reason, reference));
                print_unit(&units[units.len() - 1], mode);
            }
            continue;
        }
        let log = folder.join(format!("{}.log", name.replace('/', "-")));
        let limit = Duration::from_secs(options.limit);
        let unit = unit::run(&name, &suite, &mut server, &listed, limit, &log)?;
        // Whole units refuse one mode or the other.
        if unit.passed > 0 || !unit.failed.is_empty() || !unit.skipped.is_empty() {
            print_unit(&unit, mode);
            units.push(unit);
        }
    }
    Ok(units)
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

fn print_unit(unit: &Unit, mode: Mode) {
    let reasons: Vec<String> = unit.skipped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    println!(
        "{:<36} {:>5} of {:>4} passed {:>4} failed  {:>6.1} s  {}",
        unit.name,
        unit.passed,
        results::reference(&unit.name, mode),
        unit.failed.len(),
        unit.took.as_secs_f64(),
        reasons.join(", ")
    );
    for Test { name, detail, .. } in &unit.failed {
        println!("  failed: {name}");
        detail.lines().take(DETAIL_LINES).for_each(|line| println!("      {line}"));
    }
    for skip in &unit.stale {
        println!("  listed in line {}, yet it passes: {}", skip.line, skip.test);
    }
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
