//! The counters of a core, and how `/metrics` shows them.
//!
//! Each core owns one [`CoreMetrics`] and is the only one that writes it; the service plane reads it whenever it
//! is asked. So writing is a plain load and a plain store: no locked instruction, no shared cache line, no
//! floating point. Readers may see one counter ahead of another, which is fine for what they are used for.
//!
//! Histograms have fixed buckets, each twice as wide as the one before:
//!
//! ```text
//! upper bound   FIRST   2 FIRST   4 FIRST   ...   2^(N-2) FIRST   everything above
//! index           0        1         2                 N-2              N-1
//! ```

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::logging::Counters as LogCounters;
use crate::tls::Tls;

/// A number that one thread changes and any thread reads. Used for counts and for levels alike.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds to the value. Only the owning thread may.
    pub fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// Replaces the value. Only the owning thread may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// A histogram of `BUCKETS` buckets whose first bucket ends at `FIRST`.
#[derive(Debug)]
pub struct Histogram<const BUCKETS: usize, const FIRST: u64> {
    buckets: [Cell; BUCKETS],
    sum: Cell,
    max: Cell,
}

impl<const BUCKETS: usize, const FIRST: u64> Default for Histogram<BUCKETS, FIRST> {
    fn default() -> Self {
        Histogram { buckets: std::array::from_fn(|_| Cell::default()), sum: Cell::default(), max: Cell::default() }
    }
}

impl<const BUCKETS: usize, const FIRST: u64> Histogram<BUCKETS, FIRST> {
    /// Counts one value. Only the owning thread may.
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts the same value `count` times, such as the latency that all commands of a batch share. Only the
    /// owning thread may.
    pub fn record_many(&self, value: u64, count: u64) {
        self.buckets[Self::index(value)].add(count);
        self.sum.add(value.wrapping_mul(count));
        if value > self.max.get() {
            self.max.set(value);
        }
    }

    /// The greatest value since the start or the last reset.
    pub fn max(&self) -> u64 {
        self.max.get()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }

    /// The greatest value that belongs to the bucket of this index; `u64::MAX` for the last bucket.
    pub fn upper_bound(index: usize) -> u64 {
        if index + 1 < BUCKETS { FIRST << index } else { u64::MAX }
    }

    /// How many values are in each bucket.
    pub fn buckets(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|index| self.buckets[index].get())
    }

    /// The bucket of a value: the binary logarithm of value / FIRST, both divisions rounded up.
    fn index(value: u64) -> usize {
        const { assert!(BUCKETS >= 2 && FIRST >= 1 && FIRST.ilog2() as usize + BUCKETS < 64) }
        let firsts = value.div_ceil(FIRST).max(1);
        let index = u64::BITS - (firsts - 1).leading_zeros();
        (index as usize).min(BUCKETS - 1)
    }
}

/// The kinds of memory that `/metrics` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Keys and values.
    Entries,
    /// The tables that find them.
    Tables,
    /// Sessions, with what they have not run or sent yet.
    Connections,
    /// The receive buffers, whether they have been used or not.
    Buffers,
}

impl MemoryKind {
    /// Every kind, in the order of the variants.
    pub const ALL: [MemoryKind; 4] =
        [MemoryKind::Entries, MemoryKind::Tables, MemoryKind::Connections, MemoryKind::Buffers];
    const NAMES: [&str; 4] = ["entries", "tables", "connections", "buffers"];
}

/// Sizes of batches: 1, 2, 4, ... 1024 and above.
pub type BatchHistogram = Histogram<12, 1>;
/// Nanoseconds of a turn of the loop: 15.625 us, ... 1 ms exactly, ... 1.024 s and above.
pub type TurnHistogram = Histogram<18, 15_625>;
/// Nanoseconds from a command's arrival to its reply: 1 us, 2 us, ... 1.05 s and above.
pub type LatencyHistogram = Histogram<22, 1_000>;

/// Everything that one core counts. On cache lines of its own, so that cores do not slow one another down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CoreMetrics {
    /// Commands executed for the connections of this core.
    pub commands: Cell,
    /// Commands of this core's connections that another core had to execute.
    pub hops: Cell,
    /// Batches of commands sent to other cores.
    pub batches: Cell,
    /// Commands in those batches.
    pub batch_commands: Cell,
    /// Commands per batch.
    pub batch_sizes: BatchHistogram,
    /// Connections that are open now.
    pub connections: Cell,
    /// Connections that were ever accepted.
    pub connections_total: Cell,
    /// Connections that were turned away: `maxclients`, protected mode.
    pub rejected: Cell,
    /// Bytes held, by [`MemoryKind`].
    pub memory_bytes: [Cell; MemoryKind::ALL.len()],
    /// Keys that exist now.
    pub keys: Cell,
    /// Changes by commands that are in no file.
    pub unsaved_changes: Cell,
    /// Keys that have expired.
    pub expired: Cell,
    /// Keys that were evicted.
    pub evicted: Cell,
    /// Bytes received from clients.
    pub net_in_bytes: Cell,
    /// Bytes sent to clients.
    pub net_out_bytes: Cell,
    /// Time that turns of the loop took, waiting left out, in nanoseconds.
    pub turns: TurnHistogram,
    /// Time from a command's arrival to its reply, in nanoseconds.
    pub latency: LatencyHistogram,
    /// When the loop last came round to its upkeep, which it does ten times a second, by [`monotonic_ms`]; 0: not yet.
    pub turned_at_ms: Cell,
}

/// Milliseconds since some time before this was first asked; never 0.
pub fn monotonic_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64 + 1
}

/// A core whose loop has not come round for so long is not well: milliseconds.
pub const SILENCE_MS_MAX: u64 = 1000;

impl CoreMetrics {
    /// The metrics of `core_count` cores, all zero.
    pub fn for_cores(core_count: usize) -> Arc<[CoreMetrics]> {
        (0..core_count).map(|_| CoreMetrics::default()).collect()
    }

    /// Sets how many bytes this core holds of a kind.
    pub fn set_memory(&self, kind: MemoryKind, bytes: u64) {
        self.memory_bytes[kind as usize].set(bytes);
    }

    /// Bytes that this core holds, of all kinds.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.iter().map(Cell::get).sum()
    }
}

/// What the service plane tells of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// One entry per core.
    pub cores: Arc<[CoreMetrics]>,
    /// What the log has not taken.
    pub log: Arc<LogCounters>,
    /// The certificates, if anything is encrypted.
    pub tls: Option<Arc<Tls>>,
}

/// Renders the metrics of all cores as text for Prometheus, and says whether all of them are well.
#[derive(Debug)]
pub struct Exporter {
    registry: Registry,
    cores: Arc<[CoreMetrics]>,
}

impl Exporter {
    /// The type of the text, for the header of the HTTP response.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An exporter of these metrics.
    pub fn new(sources: Sources) -> Exporter {
        let mut registry = Registry::with_prefix("torc");
        let cores = Arc::clone(&sources.cores);
        registry.register_collector(Box::new(Cores(Arc::clone(&cores))));
        registry.register_collector(Box::new(Log(sources.log)));
        if let Some(tls) = sources.tls {
            registry.register_collector(Box::new(Encryption(tls)));
        }
        Exporter { registry, cores }
    }

    /// Whether the loop of every core has come round within [`SILENCE_MS_MAX`]; the error is a line that names the first
    /// that has not.
    pub fn health(&self) -> Result<(), String> {
        let now_ms = monotonic_ms();
        for (core, metrics) in self.cores.iter().enumerate() {
            match metrics.turned_at_ms.get() {
                0 => return Err(format!("core {core} has not started")),
                turned_at_ms if now_ms.saturating_sub(turned_at_ms) > SILENCE_MS_MAX => {
                    return Err(format!("core {core} has not answered for {} ms", now_ms - turned_at_ms));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The text of this moment.
    pub fn render(&self) -> String {
        let mut rendered = String::new();
        text::encode(&mut rendered, &self.registry).expect("writing to a String cannot fail");
        rendered
    }
}

/// Reads the cells when it is asked.
#[derive(Debug)]
struct Cores(Arc<[CoreMetrics]>);

impl Collector for Cores {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, help, cell) in COUNTERS {
            self.each_core(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, |encoder, core| {
                encoder.encode_counter::<NoLabelSet, u64, u64>(&cell(core).get(), None)
            })?;
        }
        for (name, help, cell) in GAUGES {
            self.each_core(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, |encoder, core| {
                encoder.encode_gauge(&cell(core).get())
            })?;
        }
        self.encode_memory(&mut encoder)?;
        self.each_core(
            encoder.encode_descriptor(
                "batch_size",
                "Commands per batch sent to another core",
                None,
                MetricType::Histogram,
            )?,
            |encoder, core| encode_histogram(encoder, &core.batch_sizes, 1.0),
        )?;
        self.encode_times(&mut encoder)
    }
}

/// Tells what the log has not taken.
#[derive(Debug)]
struct Log(Arc<LogCounters>);

impl Collector for Log {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let counters = [
            ("log_lines_lost", "Lines of the log that could not be written, or not soon enough", &self.0.lost),
            ("log_lines_left_out", "Lines of the log beyond the rate of their kind", &self.0.left_out),
        ];
        for (name, help, counter) in counters {
            let count = counter.load(Ordering::Relaxed);
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        Ok(())
    }
}

/// Tells of handshakes, and when certificates expire.
#[derive(Debug)]
struct Encryption(Arc<Tls>);

impl Collector for Encryption {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let handshakes = self.0.handshakes();
        let counters = [
            ("tls_handshakes", "Handshakes of the encrypted port that were done", handshakes.done),
            ("tls_handshakes_failed", "Handshakes of the encrypted port that were not done", handshakes.failed),
        ];
        for (name, help, count) in counters {
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        let facts = self.0.facts();
        let mut family = encoder.encode_descriptor(
            "tls_certificate_expires_timestamp",
            "When a certificate expires, Unix time; of authorities that of the first",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (whose, certificate) in [("server", &facts.server), ("ca", &facts.authority)] {
            if let Some(certificate) = certificate {
                family.encode_family(&[("certificate", whose)])?.encode_gauge(&certificate.expires_s)?;
            }
        }
        Ok(())
    }
}

type CellOf = fn(&CoreMetrics) -> &Cell;

const COUNTERS: [(&str, &str, CellOf); 10] = [
    ("commands", "Commands executed for the connections of a core", |core| &core.commands),
    ("hops", "Commands that another core had to execute", |core| &core.hops),
    ("batches", "Batches of commands sent to other cores", |core| &core.batches),
    ("batch_commands", "Commands in batches sent to other cores", |core| &core.batch_commands),
    ("connections_accepted", "Connections accepted", |core| &core.connections_total),
    ("connections_rejected", "Connections turned away", |core| &core.rejected),
    ("expired_keys", "Keys that have expired", |core| &core.expired),
    ("evicted_keys", "Keys removed since memory was short", |core| &core.evicted),
    ("net_input_bytes", "Bytes received from clients", |core| &core.net_in_bytes),
    ("net_output_bytes", "Bytes sent to clients", |core| &core.net_out_bytes),
];

const GAUGES: [(&str, &str, CellOf); 2] = [
    ("connections", "Connections that are open", |core| &core.connections),
    ("keys", "Keys that exist", |core| &core.keys),
];

impl Cores {
    fn each_core(
        &self,
        mut family: MetricEncoder<'_>,
        mut encode: impl FnMut(&mut MetricEncoder<'_>, &CoreMetrics) -> fmt::Result,
    ) -> fmt::Result {
        for (index, core) in self.0.iter().enumerate() {
            encode(&mut family.encode_family(&[("core", index.to_string())])?, core)?;
        }
        Ok(())
    }

    fn encode_memory(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("memory", "Memory held, by kind", Some(&Unit::Bytes), MetricType::Gauge)?;
        for (index, core) in self.0.iter().enumerate() {
            for (cell, kind) in core.memory_bytes.iter().zip(MemoryKind::NAMES) {
                let labels = [("core", index.to_string()), ("kind", kind.to_owned())];
                family.encode_family(&labels)?.encode_gauge(&cell.get())?;
            }
        }
        Ok(())
    }

    fn encode_times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        self.each_core(
            encoder.encode_descriptor("loop_turn", "Time of a turn of the loop", seconds, MetricType::Histogram)?,
            |encoder, core| encode_histogram(encoder, &core.turns, SECOND_NANOSECONDS),
        )?;
        self.each_core(
            encoder.encode_descriptor("loop_turn_seconds_max", "Longest turn of the loop", None, MetricType::Gauge)?,
            |encoder, core| encoder.encode_gauge(&(core.turns.max() as f64 / SECOND_NANOSECONDS)),
        )?;
        self.each_core(
            encoder.encode_descriptor(
                "command_latency",
                "Time from a command's arrival to its reply",
                seconds,
                MetricType::Histogram,
            )?,
            |encoder, core| encode_histogram(encoder, &core.latency, SECOND_NANOSECONDS),
        )
    }
}

/// Prometheus counts time in seconds. Dividing keeps bounds short, such as 0.001; multiplying would not.
const SECOND_NANOSECONDS: f64 = 1e9;

fn encode_histogram<const BUCKETS: usize, const FIRST: u64>(
    encoder: &mut MetricEncoder<'_>,
    histogram: &Histogram<BUCKETS, FIRST>,
    scale: f64,
) -> fmt::Result {
    let counts = histogram.buckets();
    let buckets: [(f64, u64); BUCKETS] = std::array::from_fn(|index| {
        let is_last = index + 1 == BUCKETS;
        let bound = Histogram::<BUCKETS, FIRST>::upper_bound(index) as f64;
        (if is_last { f64::INFINITY } else { bound / scale }, counts[index])
    });
    let count = counts.iter().sum();
    encoder.encode_histogram::<NoLabelSet>(histogram.sum() as f64 / scale, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_and_level() {
        let cell = Cell::default();
        cell.add(5);
        assert_eq!(cell.get(), 5);
        cell.set(9);
        assert_eq!(cell.get(), 9);
    }

    #[test]
    fn values_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        for value in [0, 1, 2, 3, 4, 5, 8, 9, 1023, 1024, 1025, u64::MAX] {
            let index = BatchHistogram::index(value);
            assert!(value <= BatchHistogram::upper_bound(index), "{value}");
            assert!(index == 0 || value > BatchHistogram::upper_bound(index - 1), "{value}");
        }
        for value in [0, 15_625, 15_626, 31_250, 31_251, 1_000_000, 1_000_001, 1_024_000_000, 1_024_000_001, u64::MAX] {
            let index = TurnHistogram::index(value);
            assert!(value <= TurnHistogram::upper_bound(index), "{value}");
            assert!(index == 0 || value > TurnHistogram::upper_bound(index - 1), "{value}");
        }
        assert_eq!(TurnHistogram::upper_bound(6), 1_000_000, "one millisecond is a bound");
        assert_eq!(TurnHistogram::upper_bound(16), 1_024_000_000);
        assert_eq!(LatencyHistogram::upper_bound(20), 1_048_576_000);
    }

    #[test]
    fn histograms_keep_count_sum_and_maximum() {
        let histogram = BatchHistogram::default();
        histogram.record(1);
        histogram.record_many(3, 4);
        histogram.record(5000);
        assert_eq!(histogram.sum(), 1 + 12 + 5000);
        assert_eq!(histogram.max(), 5000);
        let buckets = histogram.buckets();
        assert_eq!((buckets[0], buckets[2], buckets[11]), (1, 4, 1));
        assert_eq!(buckets.iter().sum::<u64>(), 6);
    }

    #[test]
    fn kinds_stand_at_their_index() {
        assert!(MemoryKind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
    }

    #[test]
    fn the_text_has_every_metric_per_core() {
        let cores = CoreMetrics::for_cores(2);
        cores[0].commands.add(41);
        cores[1].hops.set(3);
        cores[1].batches.set(1);
        cores[1].batch_commands.set(3);
        cores[1].batch_sizes.record(3);
        cores[1].set_memory(MemoryKind::Entries, 4096);
        cores[1].turns.record(2_000_000);
        cores[1].latency.record(1500);
        let text = Exporter::new(Sources { cores, log: Arc::default(), tls: None }).render();
        for line in [
            "# TYPE torc_commands counter",
            "torc_commands_total{core=\"0\"} 41",
            "torc_commands_total{core=\"1\"} 0",
            "torc_hops_total{core=\"1\"} 3",
            "torc_memory_bytes{core=\"1\",kind=\"entries\"} 4096",
            "torc_batch_size_bucket{le=\"2.0\",core=\"1\"} 0",
            "torc_batch_size_bucket{le=\"4.0\",core=\"1\"} 1",
            "torc_batch_size_bucket{le=\"+Inf\",core=\"1\"} 1",
            "# TYPE torc_loop_turn_seconds histogram",
            "torc_loop_turn_seconds_bucket{le=\"0.001\",core=\"1\"} 0",
            "torc_loop_turn_seconds_bucket{le=\"0.002\",core=\"1\"} 1",
            "torc_loop_turn_seconds_max{core=\"1\"} 0.002",
            "torc_command_latency_seconds_bucket{le=\"0.000002\",core=\"1\"} 1",
            "torc_command_latency_seconds_count{core=\"1\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
