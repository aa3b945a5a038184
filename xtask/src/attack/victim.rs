//! Somebody who only wants to be served: a PING every 2 ms, and how long each took.
//!
//! ```text
//!   thread: PING -> reply -> wait for the next 2 ms -> ...        one victim per core
//!   waited   by the clock; a PING of 100 ms is noted with the fifty that were not sent meanwhile (hdrhistogram's
//!            correction), so that p99.9 is a share of time and not of the PINGs that got through
//!   worked   the part of it in which the server had a CPU: what remains is the machine's, on which others run too
//! ```
//! A core that computes for a second makes both a second. A PING that waits while builds have the CPUs is long by the clock
//! alone; so is one that was forgotten, which is why both have bounds.

use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::{Connection, Reply, text};
use super::process::CpuClock;
use crate::tools::Outcome;

const GAP: Duration = Duration::from_millis(2);

/// How long PINGs took.
pub struct Latencies {
    /// By the clock, microseconds.
    pub waited_us: Histogram<u64>,
    /// The longest time for which the server worked during one PING, microseconds.
    pub worked_us_max: u64,
}

/// A thread that PINGs.
pub struct Victim {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<Outcome<(Connection, Latencies)>>,
}

impl Latencies {
    /// None yet; of up to ten minutes each.
    ///
    /// # Errors
    /// The histogram's bounds are refused.
    pub fn none() -> Outcome<Self> {
        let waited_us = Histogram::new_with_bounds(1, 600_000_000, 3).map_err(|error| format!("histogram: {error}"))?;
        Ok(Self { waited_us, worked_us_max: 0 })
    }

    /// Adds those of another victim.
    ///
    /// # Errors
    /// They are out of bounds.
    pub fn add(&mut self, other: &Self) -> Outcome<()> {
        self.worked_us_max = self.worked_us_max.max(other.worked_us_max);
        self.waited_us.add(&other.waited_us).map_err(|error| format!("histogram: {error}"))
    }
}

impl Victim {
    /// Begins on a connection that is open already, to the server that `cpu` watches.
    pub fn start(connection: Connection, cpu: CpuClock) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_done);
        Self { is_done, thread: thread::spawn(move || ping(connection, &cpu, &ends)) }
    }

    /// Ends, and returns the connection, still open, with what was measured.
    ///
    /// # Errors
    /// A PING got another reply than PONG, or none.
    pub fn stop(self) -> Outcome<(Connection, Latencies)> {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the victim's thread panicked".to_owned())?
    }
}

fn ping(mut connection: Connection, cpu: &CpuClock, is_done: &AtomicBool) -> Outcome<(Connection, Latencies)> {
    let mut latencies = Latencies::none()?;
    let request = text("PING");
    let mut cpu_before = cpu.now_ns();
    while !is_done.load(Ordering::Relaxed) {
        let start = Instant::now();
        let reply = connection.exchange(&request).map_err(|problem| format!("the victim's PING: {problem}"))?;
        if reply != Reply::Text(b"PONG".to_vec()) {
            return Err(format!("the victim's PING got {reply}"));
        }
        let took = start.elapsed();
        let took_us = (took.as_micros() as u64).max(1);
        let gap_us = GAP.as_micros() as u64;
        latencies.waited_us.record_correct(took_us, gap_us).map_err(|error| format!("histogram: {error}"))?;
        let worked_us = (cpu.now_ns() - cpu_before) / 1000;
        latencies.worked_us_max = latencies.worked_us_max.max(took_us.min(worked_us));
        thread::sleep(GAP.saturating_sub(took));
        cpu_before = cpu.now_ns();
    }
    Ok((connection, latencies))
}
