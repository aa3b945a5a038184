//! Raw samples, kept as JSON so that one scenario can be measured anew and the page still shows all.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

use crate::tools::{Outcome, capture, command, today};

/// One round of one contender: names and numbers.
pub type Sample = BTreeMap<String, f64>;

/// Everything measured so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// By scenario name.
    pub scenarios: BTreeMap<String, ScenarioResult>,
}

/// The newest run of one scenario.
#[derive(Debug, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// Day of the run.
    pub date: String,
    /// CPU, memory and kernel.
    pub machine: String,
    /// Versions of what was measured beside Torc.
    pub redis: String,
    /// Cargo profile of Torc and the floor.
    pub profile: String,
    /// Rounds of the run.
    pub rounds: usize,
    /// Measured seconds of a round.
    pub seconds: u32,
    /// How much of its CPUs the machine spent on other things just before the run, 0 to 1.
    pub others_busy: f64,
    /// In the order of the table.
    pub contenders: Vec<Contender>,
}

/// The samples of one server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Contender {
    /// As it is called in tables.
    pub label: String,
    /// One per round.
    pub samples: Vec<Sample>,
}

impl Results {
    /// Reads what is stored at `path`; nothing stored is no error.
    ///
    /// # Errors
    /// The file is no such JSON.
    pub fn load(path: &str) -> Outcome<Self> {
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{path}: {error}")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    /// Stores everything at `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn store(&self, path: &str) -> Outcome<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| format!("{path}: {error}"))?;
        fs::write(path, text + "\n").map_err(|error| format!("{path}: {error}"))
    }

    /// The median of `field` over the rounds of a contender.
    pub fn median(&self, scenario: &str, label: &str, field: &str) -> Option<f64> {
        self.scenarios.get(scenario)?.contender(label)?.median(field)
    }

    /// The largest of `field` over the rounds of a contender.
    pub fn worst(&self, scenario: &str, label: &str, field: &str) -> Option<f64> {
        self.scenarios.get(scenario)?.contender(label)?.values(field).reduce(f64::max)
    }
}

impl ScenarioResult {
    /// A run of today on this machine, still without its conditions.
    pub fn new(contenders: Vec<Contender>) -> Self {
        let redis = capture(&mut command(&["redis-server", "--version"])).unwrap_or_default();
        let version = redis.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("none");
        Self {
            date: today(),
            machine: machine(),
            redis: version.to_owned(),
            profile: "release".to_owned(),
            rounds: 1,
            seconds: 1,
            others_busy: 0.0,
            contenders,
        }
    }

    /// The contender called `label`.
    pub fn contender(&self, label: &str) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.label == label)
    }
}

impl Contender {
    /// Without samples yet.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), samples: Vec::new() }
    }

    /// The median of `field` over the rounds.
    pub fn median(&self, field: &str) -> Option<f64> {
        median(self.values(field).collect())
    }

    fn values(&self, field: &str) -> impl Iterator<Item = f64> {
        self.samples.iter().filter_map(move |sample| sample.get(field).copied())
    }
}

/// The median over the rounds of `ours / theirs` in `field`, each taken within one round.
pub fn median_ratio(ours: &Contender, theirs: &Contender, field: &str) -> Option<f64> {
    median(ours.values(field).zip(theirs.values(field)).map(|(our, their)| our / their).collect())
}

/// One line for the terminal.
pub fn summary(sample: &Sample) -> String {
    sample.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// How much of its CPUs the machine spends right now, 0 to 1, looked at for half a second.
pub fn busy_share() -> f64 {
    let before = cpu_ticks();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let after = cpu_ticks();
    let all = after.0.saturating_sub(before.0).max(1);
    after.1.saturating_sub(before.1) as f64 / all as f64
}

/// Ticks of all CPUs since boot, and those of them not idle.
fn cpu_ticks() -> (u64, u64) {
    parse_cpu_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn parse_cpu_ticks(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guest time is part of user time already.
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all, all - idle)
}

/// CPU, memory and kernel in one line.
fn machine() -> String {
    let line = |path: &str, prefix: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found =
            text.lines().find_map(|line| line.strip_prefix(prefix)?.split_once(':').map(|it| it.1.trim().to_owned()));
        found.unwrap_or_else(|| "unknown".into())
    };
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = line("/proc/meminfo", "MemTotal");
    let gibibytes = memory.split(' ').next().and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) / 1_048_576.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let is_virtual = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().contains(" hypervisor");
    format!(
        "{} CPUs ({}{}), {gibibytes:.0} GiB, Linux {}",
        cpus,
        line("/proc/cpuinfo", "model name"),
        if is_virtual { ", virtual machine" } else { "" },
        kernel_version(kernel.trim())
    )
}

/// The numbers of a kernel release; what a builder appended says nothing to readers.
fn kernel_version(release: &str) -> &str {
    release.split('-').next().unwrap_or(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(label: &str, values: &[f64]) -> Contender {
        let samples = values.iter().map(|&value| Sample::from([("x".to_owned(), value)])).collect();
        Contender { label: label.into(), samples }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let (ours, theirs) = (contender("a", &[1.0, 20.0, 3.0]), contender("b", &[2.0, 40.0, 6.0]));
        assert_eq!(median_ratio(&ours, &theirs, "x"), Some(0.5));
        assert_eq!(median_ratio(&ours, &theirs, "y"), None);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(contender("a", &[3.0, 1.0, 2.0]).median("x"), Some(2.0));
        assert_eq!(contender("a", &[4.0, 1.0, 2.0, 3.0]).median("x"), Some(2.5));
        assert_eq!(contender("a", &[]).median("x"), None);
    }

    #[test]
    fn results_survive_storing() {
        let path = std::env::temp_dir().join(format!("torc-bench-{}.json", std::process::id()));
        let path = path.to_str().unwrap();
        let mut results = Results::load(path).unwrap();
        let scenario = ScenarioResult::new(vec![contender("torc", &[1.0, 7.0])]);
        results.scenarios.insert("s".into(), scenario);
        results.store(path).unwrap();
        let again = Results::load(path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(again.median("s", "torc", "x"), Some(4.0));
        assert_eq!(again.worst("s", "torc", "x"), Some(7.0));
        assert_eq!(again.median("s", "redis", "x"), None);
    }

    #[test]
    fn idle_and_waiting_ticks_are_not_busy() {
        assert_eq!(parse_cpu_ticks("cpu  1 2 3 40 50 6 7 8 9 10\ncpu0 1"), (117, 27));
        assert_eq!(parse_cpu_ticks(""), (0, 0));
    }

    #[test]
    fn a_kernel_release_is_cut_to_its_numbers() {
        assert_eq!(kernel_version("6.18.4-custom-build"), "6.18.4");
    }
}
