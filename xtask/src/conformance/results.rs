//! The figures that are kept between runs (`docs/conformance.json`), and the page that is made from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use serde::{Deserialize, Serialize};

use super::skips::{Mode, REASONS};
use super::unit::Unit;
use crate::tools::{Outcome, today};

const RESULTS: &str = "docs/conformance.json";
const PAGE: &str = "docs/conformance.md";
/// Tests that redis-server passes: unit, external mode without slow tests, spawn mode; seconds that it takes in spawn mode.
const REFERENCE: &str = include_str!("../../conformance.reference");

/// The figures of one unit in one kind of run.
#[derive(Serialize, Deserialize, Default, Clone)]
struct Figures {
    passed: u64,
    failed: u64,
    skipped: BTreeMap<String, u64>,
    day: String,
}

/// A kind of run: `external, 1 core`.
type Kind = String;

/// All figures, by unit and kind of run.
#[derive(Serialize, Deserialize, Default)]
pub struct Results(BTreeMap<String, BTreeMap<Kind, Figures>>);

impl Results {
    /// What earlier runs have found.
    ///
    /// # Errors
    /// The file cannot be understood.
    pub fn read() -> Outcome<Results> {
        match fs::read_to_string(RESULTS) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{RESULTS}: {error}")),
            Err(_) => Ok(Results::default()),
        }
    }

    /// Puts a unit's figures in the place of older ones.
    pub fn put(&mut self, unit: &Unit, mode: Mode, cores: u16) {
        let figures = Figures {
            passed: unit.passed,
            failed: unit.failed.len() as u64,
            skipped: unit.skipped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            day: today(),
        };
        self.0.entry(unit.name.clone()).or_default().insert(kind(mode, cores), figures);
    }

    /// Writes the figures and the page.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self) -> Outcome<()> {
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        for (path, text) in [(RESULTS, json), (PAGE, self.page())] {
            fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(())
    }

    fn page(&self) -> String {
        let mut page = String::from(INTRODUCTION);
        for mode in [Mode::External, Mode::Spawn] {
            self.write_table(&mut page, mode);
        }
        page.push_str("\n## Reasons\n\n| reason | what is missing |\n|---|---|\n");
        let used: BTreeSet<&String> =
            self.0.values().flat_map(BTreeMap::values).flat_map(|figures| figures.skipped.keys()).collect();
        for (reason, meaning) in REASONS.iter().filter(|(reason, _)| used.contains(&(*reason).to_owned())) {
            let _ = writeln!(page, "| {reason} | {meaning} |");
        }
        page
    }

    /// One table: a row per unit that was run in this mode.
    fn write_table(&self, page: &mut String, mode: Mode) {
        let kinds: BTreeSet<&Kind> =
            self.0.values().flat_map(BTreeMap::keys).filter(|kind| kind.starts_with(mode.name())).collect();
        if kinds.is_empty() {
            return;
        }
        let title = match mode {
            Mode::External => "External mode, without slow tests",
            Mode::Spawn => "Spawn mode",
        };
        let _ = write!(page, "\n## {title}\n\n| unit | redis-server |");
        let _ = kinds.iter().try_for_each(|kind| write!(page, " {} |", kind.split_once(", ").map_or("", |it| it.1)));
        let _ = writeln!(page, " known failures, by reason |\n|---|--:|{}---|", "--:|".repeat(kinds.len()));
        let mut totals = vec![(0, 0); kinds.len()];
        let mut reference_total = 0;
        for (unit, by_kind) in &self.0 {
            if !kinds.iter().any(|kind| by_kind.contains_key(*kind)) {
                continue;
            }
            let reference = reference(unit, mode);
            reference_total += reference;
            let _ = write!(page, "| {unit} | {reference} |");
            let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
            for (kind, total) in kinds.iter().zip(&mut totals) {
                let Some(figures) = by_kind.get(*kind) else {
                    page.push_str(" |");
                    continue;
                };
                *total = (total.0 + figures.passed, total.1 + figures.failed);
                let _ = write!(page, " {} |", count(figures.passed, figures.failed));
                for (reason, count) in &figures.skipped {
                    let most = reasons.entry(reason).or_default();
                    *most = (*most).max(*count);
                }
            }
            let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            let _ = writeln!(page, " {} |", reasons.join(", "));
        }
        let _ = write!(page, "| **total** | {reference_total} |");
        let _ = totals.iter().try_for_each(|(passed, failed)| write!(page, " {} |", count(*passed, *failed)));
        page.push_str(" |\n");
    }
}

fn count(passed: u64, failed: u64) -> String {
    if failed == 0 { passed.to_string() } else { format!("{passed} (**{failed} failed**)") }
}

fn kind(mode: Mode, cores: u16) -> Kind {
    format!("{}, {cores} core{}", mode.name(), if cores == 1 { "" } else { "s" })
}

/// How many tests redis-server passes; 0 if they were not counted.
pub fn reference(unit: &str, mode: Mode) -> u64 {
    reference_column(unit, if mode == Mode::External { 1 } else { 2 })
}

/// How long redis-server takes for a unit, in seconds; 0 if it was not measured.
pub fn reference_seconds(unit: &str) -> u64 {
    reference_column(unit, 3)
}

fn reference_column(unit: &str, column: usize) -> u64 {
    let line = REFERENCE.lines().find(|line| line.split_whitespace().next() == Some(unit));
    line.and_then(|line| line.split_whitespace().nth(column)?.parse().ok()).unwrap_or(0)
}

const INTRODUCTION: &str = "\
# Conformance

Redis's own test suite, as Debian's source package of Redis 7.0.15 has it, run against Torc:

```
cargo xtask conformance --update
```

runs external mode and writes this page; with `--mode external,spawn` both modes. `--suite` and
`--cores` run parts and keep the other figures; `--help` has the rest. In *external* mode the suite
connects to a server that is already running. In *spawn* mode it starts servers itself, with
configuration files, restarts and replicas. The column redis-server counts the tests that the real
7.0.15 passes in the same mode. Units run side by side, each on a server of its own. A test that
fails then is tried once more alone, and that verdict counts.

[xtask/conformance.skips](../xtask/conformance.skips) lists each test that fails for a known reason.
It lists a whole unit only where the unit needs something before its first test that Torc does not
have. Every other failure makes the verb fail. `cargo xtask test` runs the units of the data types
in external mode.

When you compare:

- Torc follows Redis 7.2 where versions differ; tests of encodings run with the suite's
  `--ignore-encoding`.
- `list-compress-depth` is accepted and has no effect: lists are not compressed in memory.
- A line of the log that a test wants as soon as it has the reply has two seconds to appear: in Torc a
  thread of its own writes it.
- A few tests depend on an order among connections that only a single thread guarantees; the list
  has them as `many` (several cores).
- Some units have more known failures than redis-server has passed tests: redis-server does not pass
  all of them either.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, passed: u64) -> Unit {
        Unit { name: name.into(), passed, skipped: BTreeMap::from([("needs-latency", 2)]), ..Unit::default() }
    }

    #[test]
    fn the_page_has_a_row_per_unit_and_a_total() {
        let mut results = Results::default();
        results.put(&unit("unit/type/incr", 5), Mode::External, 1);
        results.put(&unit("unit/type/incr", 6), Mode::External, 2);
        results.put(&unit("unit/protocol", 7), Mode::External, 1);
        let page = results.page();
        assert!(page.contains("| unit | redis-server | 1 core | 2 cores | known failures, by reason |"), "{page}");
        assert!(page.contains("| unit/type/incr | 25 | 5 | 6 | needs-latency 2 |"), "{page}");
        assert!(page.contains("| unit/protocol | 25 | 7 | | needs-latency 2 |"), "{page}");
        assert!(page.contains("| **total** | 50 | 12 | 6 | |"), "{page}");
        assert!(page.contains("| needs-latency | LATENCY, and latencies by command in INFO |"), "{page}");
        assert!(!page.contains("Spawn mode\n"), "{page}");
    }

    #[test]
    fn the_reference_knows_both_modes() {
        assert_eq!(reference("unit/type/set", Mode::External), 97);
        assert_eq!(reference("unit/type/set", Mode::Spawn), 99);
        assert_eq!(reference("unit/none", Mode::Spawn), 0);
        assert_eq!(reference_seconds("unit/hyperloglog"), 54);
    }
}
