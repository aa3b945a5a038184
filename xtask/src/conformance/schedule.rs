//! Units side by side: each on a server and in a folder of its own, the longest first.
//!
//! ```text
//!   tasks, longest first --> workers --> units, printed as they end --> those with failures once more, alone
//! ```
//! The suite measures time, and a unit that runs beside others on a small machine may miss a deadline of its own. So a
//! unit with failures is tried once more with the machine to itself, and the second verdict counts; what failed only
//! in company is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::output::Test;
use super::server::Server;
use super::skips::{Mode, Skips};
use super::suite::Suite;
use super::unit::{self, Unit};
use super::{results, skips};
use crate::tools::Outcome;

/// Lines of a failure that are shown.
const DETAIL_LINES: usize = 6;

/// One unit in one kind of run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// How the suite meets the server.
    pub mode: Mode,
    /// Cores of the server.
    pub cores: u16,
    /// The unit.
    pub unit: String,
}

/// What all tasks of a run have in common.
pub struct Plan<'a> {
    /// Top folder of the suite.
    pub source: &'a Path,
    /// The server under test.
    pub program: &'a Path,
    /// The folder for servers and copies of the suite.
    pub folder: &'a Path,
    /// The folder for logs.
    pub logs: &'a Path,
    /// What is known to fail.
    pub skips: &'a Skips,
    /// The suite's tags, if the mode's own are not wanted.
    pub tags: Option<&'a str>,
    /// The longest that a unit may take.
    pub limit: Duration,
    /// Units at the same time.
    pub jobs: usize,
}

impl Plan<'_> {
    /// Runs all tasks; units that refuse their mode are left out.
    ///
    /// # Errors
    /// The suite or a server cannot be started.
    pub fn run(&self, mut tasks: Vec<Task>) -> Outcome<Vec<(Task, Unit)>> {
        tasks.sort_by_key(|task| std::cmp::Reverse(results::reference_seconds(&task.unit)));
        let next = AtomicUsize::new(0);
        let ended = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, tasks.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(task) = tasks.get(number) else { break };
                        let outcome = self.run_one(task, number);
                        if let Ok(unit) = &outcome {
                            print_unit(task, unit);
                        }
                        ended.lock().unwrap_or_else(PoisonError::into_inner).push((task.clone(), outcome));
                    }
                });
            }
        });
        let mut units = Vec::new();
        for (task, outcome) in ended.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let mut unit = outcome?;
            if !unit.failed.is_empty() && self.jobs > 1 && tasks.len() > 1 {
                unit = self.run_again(&task, &unit)?;
            }
            // Whole units refuse one mode or the other.
            if unit.count() > 0 {
                units.push((task, unit));
            }
        }
        Ok(units)
    }

    fn run_again(&self, task: &Task, before: &Unit) -> Outcome<Unit> {
        println!("\nonce more, alone:");
        let unit = self.run_one(task, 0)?;
        print_unit(task, &unit);
        let names: Vec<&str> = unit.failed.iter().map(|test| test.name.as_str()).collect();
        for test in before.failed.iter().filter(|test| !names.contains(&test.name.as_str())) {
            println!("  failed beside other units only: {}", test.name);
        }
        Ok(unit)
    }

    /// `number`: names the folder, and shortly, since the suite puts Unix sockets there, whose names may have 107 bytes.
    fn run_one(&self, task: &Task, number: usize) -> Outcome<Unit> {
        let listed = self.skips.of(&task.unit, task.mode, task.cores);
        if let Some(skip) = listed.iter().find(|skip| skip.is_left_out() && skip.test == "*") {
            return Ok(unit::left_out(&task.unit, skip.reason, results::reference(&task.unit, task.mode)));
        }
        let kind = format!("{}-{}", task.mode.name(), task.cores);
        let name = task.unit.replace('/', "-");
        let folder = made(self.folder.join(number.to_string()))?;
        let log = made(self.logs.join(kind))?.join(format!("{name}.log"));
        let tags = self.tags.unwrap_or(if task.mode == Mode::External { "-slow" } else { "" });
        let suite = Suite::new(self.source, &folder, task.mode, self.program, task.cores, tags)?;
        let mut server = Server::new(self.program, task.cores, &folder);
        let unit = unit::run(&task.unit, &suite, &mut server, &listed, self.limit, &log)?;
        if !unit.failed.is_empty() {
            // Only external mode has one.
            let _ = fs::copy(server.log(), log.with_extension("server.log"));
        }
        // What stays for whatever cause goes with the whole workplace.
        let _ = fs::remove_dir_all(&folder);
        Ok(unit)
    }
}

fn made(folder: PathBuf) -> Outcome<PathBuf> {
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// One line for the unit, more for unexpected results; one text, so that workers do not mix theirs.
fn print_unit(task: &Task, unit: &Unit) {
    if unit.count() == 0 {
        return;
    }
    let reasons: Vec<String> = unit.skipped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let reference = results::reference(&unit.name, task.mode);
    let mut lines = vec![format!(
        "{:<8} {} {:<36} {:>5} of {reference:>4} passed {:>4} failed  {:>6.1} s  {}",
        task.mode.name(),
        task.cores,
        unit.name,
        unit.passed,
        unit.failed.len(),
        unit.took.as_secs_f64(),
        reasons.join(", ")
    )];
    for Test { name, detail, .. } in &unit.failed {
        lines.push(format!("  failed: {name}"));
        lines.extend(detail.lines().take(DETAIL_LINES).map(|line| format!("      {line}")));
    }
    for skips::Skip { line, test, .. } in &unit.stale {
        lines.push(format!("  listed in line {line}, yet it passes: {test}"));
    }
    let missing = reference.saturating_sub(unit.count());
    if missing > 0 {
        lines.push(format!("  {missing} of redis-server's tests are neither here nor in the list"));
    }
    println!("{}", lines.join("\n"));
}
