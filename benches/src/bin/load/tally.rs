//! The totals of a run, and the one line that reports them.

use hdrhistogram::Histogram;
use std::fmt;
use std::time::Duration;
use torc_benches::cpu;

const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Counts of one stretch of load.
#[derive(Debug)]
pub struct Tally {
    /// Operations answered, wrong replies included.
    pub operations: u64,
    /// Replies that were wrong.
    pub errors: u64,
    /// From the first send to the end of the stretch.
    pub elapsed: Duration,
    /// Nanoseconds from a batch's send to the last reply of each of its operations.
    pub latency_ns: Histogram<u64>,
    /// The first wrong reply, for the user's eyes.
    pub first_error: Option<String>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are constants in range");
        Self { operations: 0, errors: 0, elapsed: Duration::ZERO, latency_ns, first_error: None }
    }
}

/// What a whole invocation reports.
#[derive(Debug, Default)]
pub struct Report {
    /// Wrong replies of all stretches; more than 0 fails the invocation.
    pub errors: u64,
    measured_pid: Option<u32>,
    cpu_at_start: Duration,
    first_error: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Report {
    /// Starts a report about the process `measured_pid`, if any.
    ///
    /// # Errors
    /// There is no such process.
    pub fn begin(measured_pid: Option<u32>) -> Result<Self, String> {
        let mut report = Self { measured_pid, ..Self::default() };
        report.sample_memory("rss_before_bytes")?;
        report.start_measuring()?;
        Ok(report)
    }

    /// Notes the server's CPU time as the start of what is measured.
    ///
    /// # Errors
    /// The process is gone.
    pub fn start_measuring(&mut self) -> Result<(), String> {
        if let Some(pid) = self.measured_pid {
            self.cpu_at_start = sample_cpu(pid)?;
        }
        Ok(())
    }

    /// Adds the prefill.
    pub fn add_prefill(&mut self, tally: &Tally) {
        self.count_errors(tally);
        self.field("prefill_ops", tally.operations);
        self.field("prefill_seconds", format!("{:.3}", tally.elapsed.as_secs_f64()));
    }

    /// Adds the warm-up: of its replies only wrong ones count.
    pub fn add_warmup(&mut self, tally: &Tally) {
        self.count_errors(tally);
    }

    /// Adds the measured stretch. To be called right at its end, since the server's CPU time is read here.
    pub fn add_measured(&mut self, tally: &Tally) {
        if let Some(Ok(cpu_now)) = self.measured_pid.map(sample_cpu) {
            let used = cpu_now.saturating_sub(self.cpu_at_start);
            self.field("server_cpu_ns", used.as_nanos());
            self.field(
                "server_cpu_us_per_op",
                format!("{:.4}", used.as_secs_f64() * 1e6 / tally.operations.max(1) as f64),
            );
            self.field("server_busy", format!("{:.3}", used.as_secs_f64() / tally.elapsed.as_secs_f64()));
        }
        self.count_errors(tally);
        self.field("ops", tally.operations);
        self.field("seconds", format!("{:.3}", tally.elapsed.as_secs_f64()));
        self.field("ops_per_sec", format!("{:.0}", tally.operations as f64 / tally.elapsed.as_secs_f64()));
        for (name, percentile) in [("p50_us", 50.0), ("p90_us", 90.0), ("p99_us", 99.0), ("p99_9_us", 99.9)] {
            self.field(name, microseconds(tally.latency_ns.value_at_percentile(percentile)));
        }
        self.field("max_us", microseconds(tally.latency_ns.max()));
    }

    /// Adds CPU time that idle connections cost over `held`.
    ///
    /// # Errors
    /// The process is gone.
    pub fn add_idle(&mut self, count: usize, held: Duration) -> Result<(), String> {
        if let Some(pid) = self.measured_pid {
            let used = sample_cpu(pid)?.saturating_sub(self.cpu_at_start);
            self.field("server_cpu_ns", used.as_nanos());
            self.field("server_busy", format!("{:.5}", used.as_secs_f64() / held.as_secs_f64()));
        }
        self.field("connections", count);
        self.field("seconds", format!("{:.3}", held.as_secs_f64()));
        Ok(())
    }

    /// Takes the last sample.
    ///
    /// # Errors
    /// The process is gone.
    pub fn finish(&mut self) -> Result<(), String> {
        self.sample_memory("rss_after_bytes")
    }

    fn sample_memory(&mut self, name: &'static str) -> Result<(), String> {
        if let Some(pid) = self.measured_pid {
            let bytes = cpu::process_resident_bytes(pid).map_err(|error| format!("memory of {pid}: {error}"))?;
            self.field(name, bytes);
        }
        Ok(())
    }

    fn count_errors(&mut self, tally: &Tally) {
        self.errors += tally.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&tally.first_error);
        }
    }

    fn field(&mut self, name: &'static str, value: impl fmt::Display) {
        self.fields.push((name, value.to_string()));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "errors={}", self.errors)?;
        for (name, value) in &self.fields {
            write!(formatter, " {name}={value}")?;
        }
        match &self.first_error {
            // Last, since it is the one value that may hold spaces.
            Some(text) => write!(formatter, " first_error={text}"),
            None => Ok(()),
        }
    }
}

fn sample_cpu(pid: u32) -> Result<Duration, String> {
    cpu::process_cpu_time(pid).map_err(|error| format!("CPU time of {pid}: {error}"))
}

fn microseconds(nanoseconds: u64) -> String {
    format!("{:.1}", nanoseconds as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_carries_counts_and_errors_of_all_stretches() {
        let mut report = Report::begin(None).unwrap();
        let mut tally = Tally::new();
        tally.errors = 2;
        tally.first_error = Some("-ERR no good".into());
        report.add_warmup(&tally);
        let mut tally = Tally::new();
        tally.operations = 10;
        tally.elapsed = Duration::from_secs(2);
        tally.latency_ns.saturating_record(1_500);
        report.add_measured(&tally);
        let line = report.to_string();
        assert!(line.starts_with("errors=2 ops=10 seconds=2.000 ops_per_sec=5 p50_us=1.5"), "{line}");
        assert!(line.ends_with("first_error=-ERR no good"), "{line}");
    }

    #[test]
    fn a_measured_process_is_sampled() {
        let mut report = Report::begin(Some(std::process::id())).unwrap();
        report.finish().unwrap();
        let line = report.to_string();
        assert!(line.contains("rss_before_bytes=") && line.contains("rss_after_bytes="), "{line}");
    }
}
