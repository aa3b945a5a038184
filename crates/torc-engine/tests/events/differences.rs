//! What redis-server is known to tell otherwise, see `differences.txt`.

use std::cell::Cell;

use crate::heard::{Heard, shown};

/// One line of the text.
struct Difference {
    /// Line number, for messages.
    line: usize,
    /// The only version in which it does.
    version: Option<u8>,
    request: String,
    ours: String,
    theirs: String,
    is_used: Cell<bool>,
}

/// All of them.
pub struct Differences(Vec<Difference>);

impl Differences {
    /// Reads the text.
    pub fn all() -> Differences {
        let (mut all, mut version) = (Vec::new(), None);
        for (number, line) in include_str!("differences.txt").lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(entry) = line.strip_prefix("  ") else {
                version = Some(match line.split_once(' ').map(|(word, _)| word) {
                    Some("7") => Some(7),
                    Some("8") => Some(8),
                    Some("both") => None,
                    _ => panic!("a version and a reason: {line}"),
                });
                continue;
            };
            let mut parts = entry.split(" | ").map(|part| part.trim().to_owned());
            let mut next = || parts.next().unwrap_or_else(|| panic!("a request, ours and theirs: {line}"));
            let (request, ours, theirs) = (next(), next(), next());
            let version = version.expect("a reason comes first");
            all.push(Difference { line: number + 1, version, request, ours, theirs, is_used: Cell::new(false) });
        }
        Differences(all)
    }

    /// Whether this version is known to tell it so.
    pub fn know(&self, version: u8, request: &str, ours: &[Heard], theirs: &[Heard]) -> bool {
        let told = |events: &[Heard]| if events.is_empty() { "-".to_owned() } else { shown(events) };
        let (ours, theirs) = (told(ours), told(theirs));
        let known = self.0.iter().find(|known| {
            known.version.is_none_or(|only| only == version)
                && known.request == request
                && known.ours == ours
                && known.theirs == theirs
        });
        known.is_some_and(|known| {
            known.is_used.set(true);
            true
        })
    }

    /// Line numbers of those of a version that were not met.
    pub fn unused(&self, version: u8) -> Vec<usize> {
        let of_version = |known: &&Difference| known.version.is_none_or(|only| only == version);
        self.0.iter().filter(of_version).filter(|known| !known.is_used.get()).map(|known| known.line).collect()
    }
}
