//! How many lines of one kind the log takes.
//!
//! A kind is a place in the source that logs. Each has a bucket that holds [`BURST`] lines and fills up with
//! [`LINES_PER_SECOND`]; a line that finds it empty is left out and counted, and the writer says later how many were:
//!
//! ```text
//!   event --admits--> bucket has a line left:  logged
//!                     bucket is empty:         counted --take_left_out, once a second--> "147000 lines like "..." were left out"
//! ```
//! The lock is held for a few instructions and never while anything is written.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::Counters;

/// Lines of one kind that may come at once.
pub const BURST: u32 = 100;
/// Lines of one kind that may come in the long run.
pub const LINES_PER_SECOND: u32 = 10;
/// Characters of a line that stand for its kind.
const EXAMPLE_CHARS_MAX: usize = 80;

/// The buckets of all kinds that have been met: as many as there are places in the source at most.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<Identifier, Bucket>>,
    counters: Arc<Counters>,
}

/// What was left out of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many lines.
    pub count: u64,
    /// How the first of them begins.
    pub example: String,
}

#[derive(Debug)]
struct Bucket {
    lines: f64,
    filled: Instant,
    left_out: u64,
    example: String,
}

impl Limiter {
    /// A limiter that counts what it leaves out in `counters` too.
    pub fn new(counters: Arc<Counters>) -> Limiter {
        Limiter { buckets: Mutex::default(), counters }
    }

    /// Whether a line of this kind may be logged now.
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Bucket { lines: f64::from(BURST), filled: now, left_out: 0, example: String::new() };
        let bucket = buckets.entry(event.metadata().callsite()).or_insert_with(new);
        if bucket.takes(now) {
            return true;
        }
        if bucket.left_out == 0 {
            let mut example = Example::default();
            event.record(&mut example);
            bucket.example = example.0;
        }
        bucket.left_out += 1;
        self.counters.left_out.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// What has been left out since this was last asked.
    pub fn take_left_out(&self) -> Vec<LeftOut> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for bucket in buckets.values_mut().filter(|bucket| bucket.left_out > 0) {
            let count = std::mem::take(&mut bucket.left_out);
            found.push(LeftOut { count, example: std::mem::take(&mut bucket.example) });
        }
        found
    }
}

impl Bucket {
    fn takes(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.lines = (self.lines + passed * f64::from(LINES_PER_SECOND)).min(f64::from(BURST));
        self.filled = now;
        let takes = self.lines >= 1.0;
        if takes {
            self.lines -= 1.0;
        }
        takes
    }
}

/// The beginning of a message.
#[derive(Default)]
struct Example(String);

impl Visit for Example {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(EXAMPLE_CHARS_MAX).collect();
        }
    }
}

/// The limiter as a part of the subscriber.
pub struct Limits(pub Arc<Limiter>);

impl<S: Subscriber> Layer<S> for Limits {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        self.0.admits(event, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_fills_up_again() {
        let start = Instant::now();
        let mut bucket = Bucket { lines: f64::from(BURST), filled: start, left_out: 0, example: String::new() };
        let taken = |bucket: &mut Bucket, now| (0..1000).filter(|_| bucket.takes(now)).count();
        assert_eq!(taken(&mut bucket, start), BURST as usize);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(2)), 2 * LINES_PER_SECOND as usize);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), BURST as usize);
        assert_eq!(taken(&mut bucket, start), 0, "time that goes back brings nothing");
    }
}
