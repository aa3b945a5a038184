//! The suite's output, line by line, turned into tests that passed, failed, hung or were skipped.
//!
//! ```text
//!   [ok]: NAME (3 ms)                        passed
//!   [err]: NAME in tests/unit/x.tcl          failed; the lines after it say why
//!   [err]: TEXT                              an error outside of a test: the rest of its block is lost
//!   [ignore]: TEXT    [skip]: NAME           left out by a tag, by the mode, or because we asked for it
//!   [exception]: TEXT                        the suite gave up
//!   [TIMEOUT] ...  => (IN PROGRESS) NAME     a test that never came back
//!   [1/1 done]: UNIT                         the unit came to its end
//! ```

use std::collections::BTreeSet;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It never came back.
    Hung,
    /// An error outside of a test.
    Outside,
}

/// One test, or one error outside of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// How it ended.
    pub state: State,
    /// The suite's name for the test; of an error outside of any test: [`OUTSIDE`] and the error's text.
    pub name: String,
    /// What the suite says about a failure.
    pub detail: String,
}

/// What the name of an error outside of a test begins with.
pub const OUTSIDE: &str = "(outside of tests) ";

/// What one attempt at a unit has said.
#[derive(Debug, Default)]
pub struct Said {
    /// Tests, in order.
    pub tests: Vec<Test>,
    /// Tests that the suite skipped because the skip list names them.
    pub left_out: Vec<String>,
    /// It came to the unit's end.
    pub is_complete: bool,
}

/// Reads the output of one attempt. `seen`: tests that an earlier attempt has run. `server_went`: the server ended
/// meanwhile, so tests that could not connect are left for another attempt.
pub fn read(output: &str, seen: &BTreeSet<String>, server_went: bool) -> Said {
    let mut said = Said::default();
    for entry in entries(output, &mut said.is_complete) {
        let is_lost = server_went && entry.mentions("connection refused");
        match entry.kind {
            "ok" => said.tests.push(Test {
                state: State::Passed,
                name: without_time(&entry.text).to_owned(),
                detail: String::new(),
            }),
            "err" if is_lost => {}
            "err" => said.tests.push(failure(&entry)),
            // By a tag, or by the mode.
            "ignore" => {}
            "skip" if seen.contains(&entry.text) => {}
            "skip" => said.left_out.push(entry.text),
            "exception" => {
                said.is_complete = false;
                if !is_lost {
                    said.tests.push(outside(&entry));
                }
            }
            _ => {
                said.is_complete = false;
                let busy = entry.more.iter().filter_map(|line| line.split_once("=> (IN PROGRESS) "));
                let hung = |(_, name): (&str, &str)| Test {
                    state: State::Hung,
                    name: name.to_owned(),
                    detail: "it never came back".into(),
                };
                said.tests.extend(busy.map(hung).filter(|test| !seen.contains(&test.name)));
            }
        }
    }
    said
}

/// A line that begins with a known mark, and the lines up to the next such line.
struct Entry {
    kind: &'static str,
    text: String,
    more: Vec<String>,
}

impl Entry {
    fn mentions(&self, words: &str) -> bool {
        let has = |line: &str| line.to_ascii_lowercase().contains(words);
        has(&self.text) || self.more.iter().any(|line| has(line))
    }
}

const MARKS: &[&str] = &["ok", "err", "ignore", "skip", "exception", "TIMEOUT"];

fn entries(output: &str, is_complete: &mut bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in output.lines() {
        let line = without_colours(line);
        if line.starts_with('[') && line.contains(" done]: ") {
            *is_complete = true;
        } else if line.starts_with("!!! WARNING") {
            // The same failures once more.
            break;
        } else if let Some((kind, text)) = marked(&line) {
            entries.push(Entry { kind, text: text.to_owned(), more: Vec::new() });
        } else if let Some(entry) = entries.last_mut() {
            entry.more.push(line);
        }
    }
    entries
}

fn marked(line: &str) -> Option<(&'static str, &str)> {
    let (mark, text) = line.strip_prefix('[')?.split_once(']')?;
    let kind = MARKS.iter().find(|known| **known == mark)?;
    Some((kind, text.trim_start_matches(':').trim_start()))
}

/// `NAME (12 ms)` without the time.
fn without_time(text: &str) -> &str {
    match text.rsplit_once(" (") {
        Some((name, time)) if time.ends_with(" ms)") => name,
        _ => text,
    }
}

fn failure(entry: &Entry) -> Test {
    match entry.text.rsplit_once(" in tests/") {
        Some((name, file)) if file.ends_with(".tcl") => {
            Test { state: State::Failed, name: name.to_owned(), detail: entry.more.join("\n").trim().to_owned() }
        }
        _ => outside(entry),
    }
}

fn outside(entry: &Entry) -> Test {
    let first = std::iter::once(&entry.text).chain(&entry.more).find(|line| !line.trim().is_empty());
    Test {
        state: State::Outside,
        name: format!("{OUTSIDE}{}", first.map_or("", |line| line.trim())),
        detail: entry.more.join("\n").trim().to_owned(),
    }
}

/// The line without the escape sequences of a terminal.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(said: &Said) -> Vec<(State, &str)> {
        said.tests.iter().map(|test| (test.state, test.name.as_str())).collect()
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let output = "Testing unit/x\n\x1b[32m[ok]\x1b[0m: A (b) (3 ms)\n[err]: B in c in tests/unit/x.tcl\nExpected '1' to be '2'\n\
            [ignore]: Tag: slow denied\n[skip]: D\n[skip]: A\n[err]: ERR nothing\n[1/1 done]: unit/x (1 seconds)\n\
            !!! WARNING The following tests failed:\n[err]: again in tests/unit/x.tcl\n";
        let said = read(output, &BTreeSet::from(["A".to_owned()]), false);
        let wanted =
            [(State::Passed, "A (b)"), (State::Failed, "B in c"), (State::Outside, "(outside of tests) ERR nothing")];
        assert_eq!(short(&said), wanted);
        assert_eq!(said.tests[1].detail, "Expected '1' to be '2'");
        assert_eq!(said.left_out, ["D"], "A has been run before");
        assert!(said.is_complete);
    }

    #[test]
    fn a_unit_that_is_cut_short_is_not_complete() {
        let output =
            "[ok]: A (1 ms)\n[TIMEOUT]: clients state report follows.\nsock5 => (IN PROGRESS) B\n[1/1 done]: x\n";
        let said = read(output, &BTreeSet::new(), false);
        assert_eq!(short(&said), [(State::Passed, "A"), (State::Hung, "B")]);
        assert!(!said.is_complete);
        let said = read("[exception]: Executing test client: ERR x.\n[1/1 done]: x\n", &BTreeSet::new(), false);
        assert_eq!(short(&said), [(State::Outside, "(outside of tests) Executing test client: ERR x.")]);
        assert!(!said.is_complete);
        assert!(!read("[ok]: A (1 ms)\n", &BTreeSet::new(), false).is_complete);
    }

    #[test]
    fn tests_that_found_no_server_are_left_for_later() {
        let output = "[err]: A in tests/x.tcl\nI/O error reading reply\n[err]: B in tests/x.tcl\ncouldn't open socket: connection refused\n";
        assert_eq!(short(&read(output, &BTreeSet::new(), true)), [(State::Failed, "A")]);
        assert_eq!(read(output, &BTreeSet::new(), false).tests.len(), 2);
    }
}
