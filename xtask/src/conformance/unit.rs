//! One unit, from its first attempt to its verdict.
//!
//! ```text
//!   attempt --complete--> judge: passed | failed | failed, but listed | passed, though listed
//!      ^ |
//!      | cut short (crash, hang, time): again without the tests that have been run, a few times
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::output::{self, State, Test};
use super::server::Server;
use super::skips::{self, Mode, Run, Skip};
use super::suite::Suite;
use crate::tools::Outcome;

/// How often a unit that was cut short is tried again.
const ATTEMPTS_MAX: usize = 12;

/// What became of a unit.
#[derive(Default)]
pub struct Unit {
    /// The unit as the suite names it, such as `unit/type/list`.
    pub name: String,
    /// Tests that passed.
    pub passed: u64,
    /// What failed and is not listed.
    pub failed: Vec<Test>,
    /// What failed, by the reason that the list gives.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Lines of the list whose tests all passed.
    pub stale: Vec<Skip>,
    /// How long it took.
    pub took: Duration,
}

impl Unit {
    /// Tests of which it is known what became of them.
    pub fn count(&self) -> u64 {
        self.passed + self.failed.len() as u64 + self.skipped.values().sum::<u64>()
    }
}

/// Runs a unit; `log` gets everything that the suite has said.
///
/// # Errors
/// The suite or the server cannot be started.
pub fn run(
    name: &str,
    suite: &Suite,
    server: &mut Server,
    skips: &[&Skip],
    limit: Duration,
    log: &Path,
) -> Outcome<Unit> {
    let start = Instant::now();
    let (mut tests, mut seen, mut text) = (Vec::new(), BTreeSet::new(), String::new());
    let mut omitted = BTreeSet::new();
    for attempt_number in 1..=ATTEMPTS_MAX {
        if suite.mode == Mode::External {
            server.start()?;
        }
        let left_out = skips.iter().filter(|skip| skip.is_left_out()).map(|skip| as_suite_pattern(&skip.test));
        let without: Vec<String> = left_out.chain(seen.iter().cloned()).collect();
        let without: Vec<&str> = without.iter().map(String::as_str).collect();
        let left = limit.saturating_sub(start.elapsed());
        let attempt = suite.run(name, &without, server, left)?;
        text.push_str(&attempt.output);
        let said = output::read(&attempt.output, &seen, attempt.has_crashed);
        omitted.extend(said.left_out);
        let seen_before = seen.len();
        seen.extend(said.tests.iter().filter(|test| test.state != State::Outside).map(|test| test.name.clone()));
        let has_news = seen.len() > seen_before;
        let is_explained = attempt.has_crashed || said.tests.iter().any(|test| test.state != State::Passed);
        // What goes wrong outside of tests goes wrong in every attempt.
        tests.extend(
            said.tests
                .into_iter()
                .filter(|test| test.state != State::Outside || !tests.contains(test))
                .collect::<Vec<_>>(),
        );
        if attempt.has_crashed {
            tests.push(mishap("the server has crashed", "see the server's log"));
            text.push_str("\n### the server has crashed\n");
        }
        if attempt.is_late {
            tests.push(mishap("the unit took too long", &format!("more than {} s", limit.as_secs())));
            break;
        }
        if (said.is_complete && !attempt.has_crashed) || !has_news || attempt_number == ATTEMPTS_MAX {
            if !said.is_complete && !is_explained {
                tests.push(mishap("the suite ended early", text.lines().last().unwrap_or("it said nothing")));
            }
            break;
        }
        text.push_str("\n### again, without the tests that have been run\n");
    }
    server.stop();
    fs::write(log, &text).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut unit = judge(tests, skips);
    let is_omitted = |skip: &&&Skip| skip.run == Run::NotReached && !seen.contains(&skip.test);
    let omitted = omitted.iter().filter_map(|test| skips::find(skips, test));
    for skip in omitted.chain(skips.iter().filter(is_omitted).copied()) {
        *unit.skipped.entry(skip.reason).or_default() += 1;
    }
    (unit.name, unit.took) = (name.to_owned(), start.elapsed());
    Ok(unit)
}

/// A unit that is not run at all; all that `reference` counts is skipped.
pub fn left_out(name: &str, reason: &'static str, reference: u64) -> Unit {
    Unit { name: name.to_owned(), skipped: BTreeMap::from([(reason, reference)]), ..Unit::default() }
}

/// In a skip file the suite takes a name as it is, and a regular expression after a slash.
fn as_suite_pattern(test: &str) -> String {
    if !test.contains('*') {
        return test.to_owned();
    }
    let literal = |part: &str| {
        let escape = |letter: char| {
            if letter.is_alphanumeric() || letter == ' ' { letter.to_string() } else { format!("\\{letter}") }
        };
        part.chars().map(escape).collect::<String>()
    };
    let parts: Vec<String> = test.split('*').map(literal).collect();
    format!("/^{}$", parts.join(".*"))
}

fn mishap(what: &str, detail: &str) -> Test {
    Test { state: State::Outside, name: format!("{}{what}", output::OUTSIDE), detail: detail.to_owned() }
}

/// Holds the tests against the list.
fn judge(tests: Vec<Test>, skips: &[&Skip]) -> Unit {
    let mut unit = Unit::default();
    let (mut failing, mut passing) = (BTreeSet::new(), BTreeSet::new());
    for test in tests {
        match (test.state, skips::find(skips, &test.name)) {
            (State::Passed, skip) => {
                unit.passed += 1;
                passing.extend(skip.map(|skip| skip.line));
            }
            (state, Some(skip)) => {
                // An error outside of a test is none of redis-server's tests.
                if state != State::Outside {
                    *unit.skipped.entry(skip.reason).or_default() += 1;
                }
                failing.insert(skip.line);
            }
            (_, None) => unit.failed.push(test),
        }
    }
    let is_stale = |skip: &&&Skip| passing.contains(&skip.line) && !failing.contains(&skip.line);
    unit.stale = skips.iter().filter(is_stale).map(|skip| (*skip).clone()).collect();
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::skips::Skips;

    fn test(state: State, name: &str) -> Test {
        Test { state, name: name.into(), detail: String::new() }
    }

    #[test]
    fn a_verdict_holds_tests_against_the_list() {
        let list = Skips::parse("u any needs-latency A*\nu any needs-latency B\nu any needs-tls C\n").unwrap();
        let tests = vec![
            test(State::Passed, "A1"),
            test(State::Failed, "A2"),
            test(State::Passed, "B"),
            test(State::Hung, "C"),
            test(State::Failed, "D"),
            test(State::Passed, "E"),
        ];
        let unit = judge(tests, &list.of("u", Mode::External, 1));
        assert_eq!(unit.passed, 3);
        assert_eq!(unit.failed, [test(State::Failed, "D")]);
        assert_eq!(unit.skipped, BTreeMap::from([("needs-latency", 1), ("needs-tls", 1)]));
        assert_eq!(unit.stale.iter().map(|skip| skip.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn patterns_become_regular_expressions_of_the_suite() {
        assert_eq!(as_suite_pattern("SET (a)"), "SET (a)");
        assert_eq!(as_suite_pattern("SET (a)*b"), "/^SET \\(a\\).*b$");
    }
}
