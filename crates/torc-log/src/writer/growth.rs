//! When the log rewrites itself.
//!
//! ```text
//!   size > auto-aof-rewrite-min-size  and  grown by auto-aof-rewrite-percentage since the last base
//!     --> due --> put off while the stream saturates the disk: until 2 s of calm             --> wanted
//!                 and while rewrites would take more than a twentieth of the time;
//!                 for 60 s at most, both
//! ```
//! A log of few keys that are written all the time is due again as soon as it was rewritten: each rewrite saves all keys, each
//! of them before its next change. So it rests for as long as to make the last one cheap, a second or so of such a stream.
//!
//! The baseline is the size at the end of the last rewrite; after a restart it is the base's own length, so that a process
//! that lives briefly does not move it. Failures are limited as in Redis: after the third in a row a minute, then twice as
//! long each time, up to an hour.

use super::types::{Now, Settings};

/// So much waits for the disk when the stream saturates it.
pub(super) const SATURATED_BYTES: u64 = 8 << 20;
/// How long it must not have been so.
const CALM_MS: u64 = 2000;
/// A rewrite that is due is put off no longer than this.
const PUT_OFF_MS_MAX: u64 = 60_000;
/// After a rewrite none is begun for so many times as long as it took.
const REST_TIMES: u64 = 19;
/// Failures in a row without a pause.
const FAILURES_FREE: u32 = 3;
const PAUSE_MS_MIN: u64 = 60_000;
const PAUSE_MS_MAX: u64 = 3_600_000;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Growth {
    /// Bytes that count as what the log must hold.
    baseline: u64,
    failures: u32,
    paused_until_ms: u64,
    saturated_ms: Option<u64>,
    /// When the last rewrite began, and until when none follows it.
    begun_ms: u64,
    rests_until_ms: u64,
    /// Since when a rewrite is due.
    due_ms: Option<u64>,
}

impl Growth {
    pub fn new(baseline: u64) -> Growth {
        Growth {
            baseline,
            failures: 0,
            paused_until_ms: 0,
            saturated_ms: None,
            begun_ms: 0,
            rests_until_ms: 0,
            due_ms: None,
        }
    }

    /// See the head of this file.
    pub fn baseline(&self) -> u64 {
        self.baseline
    }

    /// In a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A rewrite begins, for whatever reason.
    pub fn on_begun(&mut self, now: Now) {
        self.begun_ms = now.monotonic_ms;
    }

    /// It has ended with so many bytes in all files.
    pub fn on_done(&mut self, bytes: u64, now: Now) {
        let took_ms = now.monotonic_ms - self.begun_ms;
        self.rests_until_ms = now.monotonic_ms + took_ms.saturating_mul(REST_TIMES);
        (self.baseline, self.failures, self.paused_until_ms, self.due_ms) = (bytes, 0, 0, None);
    }

    /// A rewrite has failed; gives the failures in a row and for how long none begins by itself.
    pub fn on_failure(&mut self, now: Now) -> (u32, u64) {
        self.failures += 1;
        self.due_ms = None;
        let doublings = self.failures.checked_sub(FAILURES_FREE);
        let pause_ms = doublings.map_or(0, |times| (PAUSE_MS_MIN << times.min(10)).min(PAUSE_MS_MAX));
        self.paused_until_ms = now.monotonic_ms + pause_ms;
        (self.failures, pause_ms)
    }

    /// So much waits for the disk.
    pub fn on_pending(&mut self, bytes: u64, now: Now) {
        if bytes >= SATURATED_BYTES {
            self.saturated_ms = Some(now.monotonic_ms);
        }
    }

    /// Whether a rewrite is to begin now that the files have so many bytes.
    pub fn is_wanted(&mut self, bytes: u64, now: Now, settings: &Settings) -> bool {
        if !self.is_due(bytes, settings) {
            self.due_ms = None;
            return false;
        }
        self.due_ms.get_or_insert(now.monotonic_ms);
        self.begins_at_ms().is_some_and(|at_ms| now.monotonic_ms >= at_ms)
    }

    /// When the rewrite that is due begins, if nothing changes.
    pub fn begins_at_ms(&self) -> Option<u64> {
        let put_off_ms = self.due_ms? + PUT_OFF_MS_MAX;
        let calm_ms = self.saturated_ms.map_or(0, |at_ms| at_ms + CALM_MS);
        Some(calm_ms.max(self.rests_until_ms).min(put_off_ms).max(self.paused_until_ms))
    }

    fn is_due(&self, bytes: u64, settings: &Settings) -> bool {
        let percentage = u128::from(settings.rewrite_percentage);
        let baseline = u128::from(self.baseline.max(1));
        percentage > 0 && bytes > settings.rewrite_bytes_min && u128::from(bytes) * 100 >= baseline * (100 + percentage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    const SETTINGS: Settings = Settings {
        fsync: super::super::types::Fsync::EverySecond,
        no_fsync_on_rewrite: false,
        rewrite_percentage: 100,
        rewrite_bytes_min: 1000,
        timestamps: false,
        base_format: crate::names::BaseFormat::Rdb,
        buffer_bytes_max: 0,
        keeps_history: false,
        gap_bytes_max: 0,
    };

    #[test]
    fn both_sizes_must_be_reached() {
        let mut growth = Growth::new(2000);
        assert!(!growth.is_wanted(3999, at(0), &SETTINGS) && growth.is_wanted(4000, at(0), &SETTINGS));
        assert!(!Growth::new(10).is_wanted(1000, at(0), &SETTINGS) && Growth::new(0).is_wanted(1001, at(0), &SETTINGS));
        let never = Settings { rewrite_percentage: 0, ..SETTINGS };
        assert!(!growth.is_wanted(u64::MAX, at(0), &never));
    }

    #[test]
    fn saturation_puts_it_off() {
        let mut growth = Growth::new(0);
        for second in 0..60 {
            growth.on_pending(SATURATED_BYTES, at(second * 1000));
            assert!(!growth.is_wanted(5000, at(second * 1000), &SETTINGS), "{second}");
        }
        assert!(!growth.is_wanted(5000, at(59_999), &SETTINGS) && growth.is_wanted(5000, at(60_000), &SETTINGS));
        let mut growth = Growth::new(0);
        growth.on_pending(SATURATED_BYTES, at(5000));
        growth.on_pending(SATURATED_BYTES - 1, at(6000));
        assert!(!growth.is_wanted(5000, at(6999), &SETTINGS) && growth.is_wanted(5000, at(7000), &SETTINGS));
    }

    #[test]
    fn rewrites_take_a_twentieth_of_the_time() {
        let mut growth = Growth::new(0);
        assert!(growth.is_wanted(5000, at(0), &SETTINGS), "nothing is known of the first one");
        growth.on_begun(at(0));
        growth.on_done(1000, at(50));
        assert!(!growth.is_wanted(5000, at(999), &SETTINGS) && growth.is_wanted(5000, at(1000), &SETTINGS));
        // However long it took, that the log is too large counts after a minute.
        growth.on_begun(at(1000));
        growth.on_done(1000, at(100_000));
        assert!(!growth.is_wanted(5000, at(100_000), &SETTINGS) && !growth.is_wanted(5000, at(159_999), &SETTINGS));
        assert!(growth.is_wanted(5000, at(160_000), &SETTINGS));
    }

    #[test]
    fn failures_pause_as_in_redis() {
        let mut growth = Growth::new(0);
        let minutes: Vec<u64> = (0..10).map(|_| growth.on_failure(at(0)).1 / 60_000).collect();
        assert_eq!(minutes, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!growth.is_wanted(5000, at(3_599_999), &SETTINGS) && growth.is_wanted(5000, at(3_600_000), &SETTINGS));
        growth.on_begun(at(0));
        growth.on_done(3000, at(0));
        assert!(!growth.is_wanted(5000, at(0), &SETTINGS) && growth.is_wanted(6000, at(0), &SETTINGS));
    }
}
