//! The 24-bit access field every entry carries, and the two meanings it can have.
//!
//! ```text
//! Lru:  | 24 bits: seconds of the last access, modulo 2^24 (194 days)     |
//! Lfu:  | 16 bits: minutes of the last decay   | 8 bits: log counter      |
//! ```
//!
//! While commands see no time (a log is being loaded), accesses are as of a time that the clock itself has.
//!
//! The field only means something together with the [`AccessClock`] in force; switching the
//! clock leaves old fields as they are, and they heal as keys are touched.

use crate::UnixMillis;

/// Largest value of the field.
pub(crate) const ACCESS_MAX: u32 = 0x00FF_FFFF;

/// Counter a new key starts with, so that it isn't the first to go.
const FREQUENCY_INITIAL: u32 = 5;

/// What the access field of entries means; follows the eviction policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AccessClock {
    /// Seconds of the last access.
    #[default]
    Lru,
    /// A logarithmic access counter that decays with time.
    Lfu {
        /// How much harder each further increment becomes (`lfu-log-factor`).
        log_factor: u32,
        /// Minutes after which the counter loses one (`lfu-decay-time`); 0 means never.
        decay_minutes: u32,
    },
    /// Whatever time commands see, it is this one.
    Stopped {
        /// The time, Unix milliseconds.
        at: UnixMillis,
        /// The field is a counter, which stays as it is.
        counts: bool,
    },
}

impl AccessClock {
    /// The field of an entry created at `now`.
    pub(crate) fn initial(self, now: UnixMillis) -> u32 {
        match self {
            AccessClock::Lru => seconds_of(now),
            AccessClock::Lfu { .. } => minutes_of(now) << 8 | FREQUENCY_INITIAL,
            AccessClock::Stopped { at, counts: false } => seconds_of(at),
            AccessClock::Stopped { at, counts: true } => minutes_of(at) << 8 | FREQUENCY_INITIAL,
        }
    }

    /// The time of an access at `now`.
    pub(crate) fn time(self, now: UnixMillis) -> UnixMillis {
        if let AccessClock::Stopped { at, .. } = self { at } else { now }
    }

    /// Whether the field is a counter.
    pub(crate) fn counts(self) -> bool {
        matches!(self, AccessClock::Lfu { .. } | AccessClock::Stopped { counts: true, .. })
    }

    /// The field after one more access at `now`; `random` decides whether a counter advances.
    pub(crate) fn touched(self, access: u32, now: UnixMillis, random: u32) -> u32 {
        match self {
            AccessClock::Lru => seconds_of(now),
            AccessClock::Lfu { log_factor, .. } => {
                let counter = u32::from(self.frequency(access, now));
                let above = u64::from(counter.saturating_sub(FREQUENCY_INITIAL));
                let odds = above * u64::from(log_factor) + 1;
                let advance = counter < 255 && u64::from(random) * odds < 1 << 32;
                minutes_of(now) << 8 | (counter + u32::from(advance))
            }
            AccessClock::Stopped { counts: true, .. } => access,
            AccessClock::Stopped { at, counts: false } => seconds_of(at),
        }
    }

    /// The decayed counter at `now`.
    pub(crate) fn frequency(self, access: u32, now: UnixMillis) -> u8 {
        let counter = access & 0xFF;
        let decay_minutes = match self {
            AccessClock::Lru | AccessClock::Stopped { .. } => 1,
            AccessClock::Lfu { decay_minutes, .. } => decay_minutes,
        };
        let elapsed_minutes = minutes_of(now).wrapping_sub(access >> 8) & 0xFFFF;
        let lost = elapsed_minutes.checked_div(decay_minutes).unwrap_or(0);
        counter.saturating_sub(lost) as u8
    }
}

impl AccessClock {
    /// Minutes since a counter was last changed.
    pub(crate) fn minutes_since(self, access: u32, now: UnixMillis) -> u64 {
        u64::from(minutes_of(self.time(now)).wrapping_sub(access >> 8) & 0xFFFF)
    }
}

/// Seconds between the access recorded in `access` and `now`.
pub(crate) fn idle_seconds(access: u32, now: UnixMillis) -> u64 {
    u64::from(seconds_of(now).wrapping_sub(access) & ACCESS_MAX)
}

/// The field of an entry last used `idle` seconds before `now`.
pub(crate) fn idle_since(idle_seconds: u64, now: UnixMillis) -> u32 {
    seconds_of(now).wrapping_sub(idle_seconds.min(u64::from(ACCESS_MAX)) as u32) & ACCESS_MAX
}

/// The field of an entry with the given counter, decayed last at `now`.
pub(crate) fn with_frequency(frequency: u8, now: UnixMillis) -> u32 {
    minutes_of(now) << 8 | u32::from(frequency)
}

fn seconds_of(now: UnixMillis) -> u32 {
    (now / 1000) as u32 & ACCESS_MAX
}

fn minutes_of(now: UnixMillis) -> u32 {
    (now / 60_000) as u32 & 0xFFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap_ms = (i64::from(ACCESS_MAX) + 1) * 1000;
        let access = AccessClock::Lru.initial(wrap_ms - 3_000);
        assert_eq!(idle_seconds(access, wrap_ms + 2_000), 5);
        assert_eq!(idle_seconds(idle_since(77, 1_000), 1_000), 77);
    }

    #[test]
    fn frequency_rises_slower_and_decays_with_minutes() {
        let clock = AccessClock::Lfu { log_factor: 10, decay_minutes: 1 };
        let first = clock.initial(0);
        assert_eq!(clock.frequency(first, 0), 5);
        let second = clock.touched(first, 0, u32::MAX);
        assert_eq!(clock.frequency(second, 0), 6, "the first step above the start is certain");
        assert_eq!(clock.frequency(clock.touched(second, 0, u32::MAX), 0), 6);
        assert_eq!(clock.frequency(clock.touched(second, 0, 0), 0), 7);
        assert_eq!(clock.frequency(second, 4 * 60_000), 2);
        let still = AccessClock::Lfu { log_factor: 10, decay_minutes: 0 };
        assert_eq!(still.frequency(second, 400 * 60_000), 6);
    }
}
