//! Work that a core does by the clock: expiry and freeing in slices, idle clients, metrics.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use torc_engine::state::ProcessUse;

use super::ring::BUFFERS_BYTES;
use super::{Core, Turn};
use crate::service::metrics::{MemoryKind, monotonic_ms};

/// The longest sleep, and how often a busy core publishes its figures.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// How often the sessions are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);
/// How often the allocator is asked to give memory back.
const COLLECT_INTERVAL: Duration = Duration::from_secs(1);
/// A unit of background work.
const UNIT: Duration = Duration::from_nanos(100);
/// Background work of a turn.
pub(super) const BACKGROUND_MIN: Duration = Duration::from_micros(100);
/// Behind commands that take long it may be this part of what they took: they leave as much to be freed, and would else leave more and
/// more of it.
pub(super) const BACKGROUND_PART: u32 = 4;
/// How long the wall clock may run apart from the monotonic one before they are compared again.
const CLOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Wall-clock time that costs a turn no reading of its own: derived from the turn's monotonic time.
pub struct Clock {
    compared: Instant,
    compared_unix_us: i64,
    now_unix_us: i64,
    last_sweep: Instant,
    last_publish: Instant,
    last_second: Instant,
    background_is_due: bool,
}

impl Clock {
    /// A clock that shows the time.
    pub fn new() -> Self {
        let now = Instant::now();
        let unix_us = unix_us();
        Clock {
            compared: now,
            compared_unix_us: unix_us,
            now_unix_us: unix_us,
            last_sweep: now,
            last_publish: now,
            last_second: now - COLLECT_INTERVAL,
            background_is_due: false,
        }
    }

    /// Moves to the time of this turn.
    pub fn advance(&mut self, now: Instant) {
        let passed = now - self.compared;
        if passed > CLOCK_INTERVAL {
            self.compared = now;
            self.compared_unix_us = unix_us();
            self.now_unix_us = self.compared_unix_us;
        } else {
            self.now_unix_us = self.compared_unix_us + passed.as_micros() as i64;
        }
    }

    /// The time of this turn, Unix microseconds.
    pub fn unix_us(&self) -> i64 {
        self.now_unix_us
    }
}

/// A time on the clock that the engine reads, nanoseconds since some time before this was first asked.
pub fn clock_ns(at: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    at.saturating_duration_since(*START).as_nanos() as u64
}

impl Core {
    /// Whether background work waits for the next turn.
    pub(super) fn upkeep_is_urgent(&self) -> bool {
        self.clock.background_is_due
    }

    /// How long the core may sleep.
    pub(super) fn time_to_upkeep(&self) -> Duration {
        let Some(deadline_ms) = self.engine.next_deadline_ms() else { return PUBLISH_INTERVAL };
        let left_us = deadline_ms.saturating_mul(1000).saturating_sub(self.clock.unix_us()).max(0);
        PUBLISH_INTERVAL.min(Duration::from_micros(left_us as u64))
    }

    /// One slice of upkeep.
    pub(super) fn upkeep(&mut self, now: Instant) {
        let sweep = now - self.clock.last_sweep >= SWEEP_INTERVAL;
        if sweep || self.clock.background_is_due {
            let time = BACKGROUND_MIN.max(now.elapsed() / BACKGROUND_PART);
            let background = self.engine.upkeep(time.div_duration_f64(UNIT) as u32);
            self.clock.background_is_due = background.more;
        }
        if !sweep {
            return;
        }
        self.clock.last_sweep = now;
        self.engine.sweep_sessions();
        self.visit_silent(now);
        self.end_load_patience(now);
        if now - self.clock.last_publish >= PUBLISH_INTERVAL {
            self.clock.last_publish = now;
            self.publish();
            if now - self.clock.last_second >= COLLECT_INTERVAL {
                self.clock.last_second = now;
                give_memory_back();
            }
            if self.core == 0 {
                self.read_process();
            }
            self.take_process_figures();
            self.follow_loglevel();
        }
    }

    /// Counts the turn, and for each command in it the time it may have waited.
    pub(super) fn record_turn(&mut self, turn: &Turn) {
        let turn_ns = turn.started.elapsed().as_nanos() as u64;
        self.engine.turn_ended(turn_ns);
        let metrics = &self.metrics[self.core];
        metrics.turns.record(turn_ns);
        let commands = self.engine.commands_processed().saturating_sub(turn.commands_before);
        if commands > 0 {
            metrics.latency.record_many(turn_ns, commands);
        }
    }

    /// Shows this core's counters to the service plane.
    fn publish(&self) {
        let metrics = &self.metrics[self.core];
        metrics.turned_at_ms.set(monotonic_ms());
        let figures = self.engine.figures();
        metrics.commands.set(figures.commands);
        metrics.hops.set(figures.hops);
        metrics.batches.set(figures.batches);
        metrics.batch_commands.set(figures.hops);
        metrics.connections.set(figures.connections);
        metrics.connections_total.set(figures.connections_received);
        metrics.rejected.set(figures.connections_rejected);
        metrics.net_in_bytes.set(figures.input_bytes);
        metrics.net_out_bytes.set(figures.output_bytes);
        metrics.set_memory(MemoryKind::Entries, figures.entries_bytes);
        metrics.set_memory(MemoryKind::Tables, figures.tables_bytes);
        metrics.set_memory(MemoryKind::Connections, figures.sessions_bytes);
        metrics.set_memory(MemoryKind::Buffers, BUFFERS_BYTES as u64);
        metrics.keys.set(figures.keys);
        metrics.unsaved_changes.set(self.engine.unsaved_changes());
        metrics.expired.set(figures.expired_keys);
        metrics.evicted.set(figures.evicted_keys);
    }

    /// Applies a `loglevel` that CONFIG SET has changed.
    fn follow_loglevel(&mut self) {
        let wanted = self.engine.config().loglevel;
        if self.loglevel != wanted {
            self.loglevel = wanted;
            self.logging.set_level(wanted);
        }
    }

    /// Reads what the process uses, for all cores.
    fn read_process(&self) {
        let figures = &self.mesh.process;
        if let Some(bytes) = resident_bytes() {
            figures.resident_bytes.store(bytes, Ordering::Relaxed);
        }
        // SAFETY: all zero bytes are a valid rusage, and the call fills it.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let us = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec) as u64;
        figures.system_us.store(us(usage.ru_stime), Ordering::Relaxed);
        figures.user_us.store(us(usage.ru_utime), Ordering::Relaxed);
    }

    fn take_process_figures(&mut self) {
        let figures = &self.mesh.process;
        self.engine.set_process_use(ProcessUse {
            resident_bytes: figures.resident_bytes.load(Ordering::Relaxed),
            system_seconds: figures.system_us.load(Ordering::Relaxed) as f64 / 1e6,
            user_seconds: figures.user_us.load(Ordering::Relaxed) as f64 / 1e6,
            handshakes: self.tls.as_ref().map(|tls| tls.handshakes()).unwrap_or_default(),
        });
        let Some(tls) = &self.tls else { return };
        if let Some((version, facts)) = tls.facts_since(self.tls_version) {
            self.tls_version = version;
            self.engine.set_tls_facts(facts);
        }
    }
}

/// Has the allocator return what this thread freed a while ago; by itself it does so only while it is used.
fn give_memory_back() {
    // SAFETY: the call concerns only the allocator's own lists of the calling thread.
    unsafe { libmimalloc_sys::mi_collect(false) };
}

/// Resident bytes of this process, from the second field of `/proc/self/statm`.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant.
    Some(pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64)
}

/// The time, Unix microseconds.
pub fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
