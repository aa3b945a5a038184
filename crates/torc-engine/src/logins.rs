//! Logins that have failed of late, by the source of the connections, so that passwords cannot be tried in bulk.
//!
//! ```text
//!   failures remembered:   0 ......... 10 ......... 20 ......... 30 at most; one is forgotten each second
//!   the next login waits:  not at all      0.1 s each      1 s
//! ```
//! A login waits *before* the password is looked at, and whether it is right makes no difference: otherwise whoever tries passwords
//! would take a reply that does not come at once for a no, and go on with the next connection. So somebody who knows the password
//! waits at most a second, and only while others try from the same source. Nothing else waits: not the core, not connections that
//! have logged in, not those of other sources.
//!
//! Each core has a table of its own, since cores share nothing: a source may fail so often on each of them.

use std::collections::HashMap;

/// Failures of a source that have no consequence.
const FREE_FAILURES: i64 = 10;

/// Failures of a source that are remembered.
const FAILURES_MAX: i64 = 30;

/// After this time one failure is forgotten, milliseconds.
const FORGET_MS: i64 = 1000;

/// How much longer the next login waits for each failure beyond the free ones, and how long at most, milliseconds.
const DELAY_STEP_MS: i64 = 100;
const DELAY_MS_MAX: i64 = 1000;

/// Sources that are remembered. Beyond them the one with the fewest failures is forgotten.
const SOURCES_MAX: usize = 1024;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// When the last failure of a source is forgotten, Unix milliseconds: so much later than now as there are failures.
    forgotten_ms: HashMap<u64, i64>,
}

impl Logins {
    /// How long the next login from this source waits, milliseconds.
    pub fn delay_ms(&self, source: u64, now_ms: i64) -> i64 {
        let left_ms = self.forgotten_ms.get(&source).map_or(0, |until_ms| until_ms - now_ms);
        let failures = left_ms.max(0).unsigned_abs().div_ceil(FORGET_MS.unsigned_abs()) as i64;
        ((failures - FREE_FAILURES) * DELAY_STEP_MS).clamp(0, DELAY_MS_MAX)
    }

    /// A login from this source has failed.
    pub fn note_failure(&mut self, source: u64, now_ms: i64) {
        if self.forgotten_ms.len() == SOURCES_MAX && !self.forgotten_ms.contains_key(&source) {
            self.make_room(now_ms);
        }
        let until_ms = self.forgotten_ms.entry(source).or_insert(now_ms);
        *until_ms = ((*until_ms).max(now_ms) + FORGET_MS).min(now_ms + FAILURES_MAX * FORGET_MS);
    }

    fn make_room(&mut self, now_ms: i64) {
        self.forgotten_ms.retain(|_, until_ms| *until_ms > now_ms);
        if self.forgotten_ms.len() == SOURCES_MAX {
            let fewest = self.forgotten_ms.iter().min_by_key(|&(_, until_ms)| *until_ms).map(|(&source, _)| source);
            self.forgotten_ms.remove(&fewest.expect("the table is full"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;
    const SOURCE: u64 = 7;

    #[test]
    fn delays_grow_with_failures_and_end_with_time() {
        let mut logins = Logins::default();
        let delays: Vec<i64> = (0..40)
            .map(|_| {
                logins.note_failure(SOURCE, NOW_MS);
                logins.delay_ms(SOURCE, NOW_MS)
            })
            .collect();
        assert_eq!(delays[..10], [0; 10]);
        assert_eq!(delays[10..20], [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
        assert!(delays[20..].iter().all(|&delay_ms| delay_ms == 1000));
        assert_eq!(logins.delay_ms(SOURCE + 1, NOW_MS), 0);
        // 30 failures are remembered.
        let later = [10_000, 19_000, 20_000].map(|passed_ms| logins.delay_ms(SOURCE, NOW_MS + passed_ms));
        assert_eq!(later, [1000, 100, 0]);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_failed_most() {
        let mut logins = Logins::default();
        (0..20).for_each(|_| logins.note_failure(SOURCE, NOW_MS));
        for other in 0..3 * SOURCES_MAX as u64 {
            logins.note_failure(1_000 + other, NOW_MS);
            assert!(logins.forgotten_ms.len() <= SOURCES_MAX);
        }
        assert_eq!(logins.delay_ms(SOURCE, NOW_MS), 1000);
        logins.note_failure(SOURCE + 1, NOW_MS + 60_000);
        assert_eq!(logins.forgotten_ms.len(), 1, "what is forgotten makes room first");
    }
}
