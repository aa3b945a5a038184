//! Every scenario with its contenders, and the bars that Torc must pass.

use clap::ValueEnum;
use std::borrow::Cow;

use super::results::{Results, median, median_ratio};
use super::types::{COMMANDS, CommandLoad, MEMORIES, MemoryLoad};

/// Keys of the memory scenario.
pub const MEMORY_KEYS: u32 = 3_000_000;
/// Keys of the growth scenario.
pub const GROWTH_KEYS: u32 = 10_000_000;
/// Connections of the idle scenario.
pub const IDLE_CONNECTIONS: u32 = 10_000;
/// Seconds that idle connections are held.
pub const IDLE_SECONDS: u32 = 10;

/// A program that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Torc.
    Torc,
    /// Another build of Torc, the one named by `--before`.
    Before,
    /// redis-server as installed.
    Redis,
    /// The fixed-reply server.
    Floor,
}

/// One contender of a scenario.
#[derive(Debug)]
pub struct Entry {
    /// As it is called in tables.
    pub label: &'static str,
    /// The program.
    pub peer: Peer,
    /// Torc's cores.
    pub cores: u16,
    /// The load goes to each key's own core.
    pub is_cluster: bool,
}

/// What is done to a server.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// SET:GET 1:10 of 64 bytes over 100,000 existing keys, 50 connections, `pipeline` requests in flight on each.
    Mixed {
        /// Requests in flight on each connection.
        pipeline: u32,
    },
    /// Keys of 16 bytes with values of 32 are set once each.
    Memory,
    /// More keys are set than for `Memory`, and the longest turn of the event loop is read.
    Growth,
    /// Idle connections.
    Idle,
    /// redis-benchmark's default tests.
    Commands,
    /// MULTI, some SETs of 64 bytes, EXEC in one write; keys as in [`Load::Mixed`]; one in flight on each of 50
    /// connections.
    Transaction {
        /// SETs of each.
        sets: u32,
    },
    /// MGET of this number of keys, one in flight on each of 50 connections.
    GetAll {
        /// Keys of each.
        keys: u32,
    },
    /// MSET of this number of keys, likewise.
    SetAll {
        /// Keys of each.
        keys: u32,
    },
    /// A command of a data type.
    Command(&'static CommandLoad),
    /// A big value, or many small ones.
    BigValue(&'static MemoryLoad),
}

impl Load {
    /// The load goes on for a set time, and what it costs is counted by operation.
    pub fn is_timed(self) -> bool {
        matches!(self, Self::Mixed { .. } | Self::Command(_)) || self.is_group()
    }

    /// Each operation concerns several keys.
    pub fn is_group(self) -> bool {
        matches!(self, Self::Transaction { .. } | Self::GetAll { .. } | Self::SetAll { .. })
    }
}

/// One table of the page.
#[derive(Debug)]
pub struct Scenario {
    /// As given to `--only`.
    pub name: &'static str,
    /// As it stands above the table.
    pub title: &'static str,
    /// What is done.
    pub load: Load,
    /// To whom.
    pub entries: Vec<Entry>,
    /// Fewer rounds than usual are enough.
    pub rounds_max: Option<usize>,
}

impl Scenario {
    /// Whether `name` is this scenario's or its group's: what stands before the last `-`, or `groups` for all
    /// operations on several keys.
    pub fn is_named(&self, name: &str) -> bool {
        let in_group = self.name.rsplit_once('-').is_some_and(|(group, _)| group == name);
        self.name == name || in_group || (name == "groups" && self.load.is_group())
    }

    /// A server of it has both CPUs, so nothing can be pinned apart.
    pub fn shares_cpus(&self) -> bool {
        self.entries.iter().any(|entry| entry.cores > 1)
    }

    /// It compares with the build named by `--before`.
    pub fn needs_before(&self) -> bool {
        self.entries.iter().any(|entry| entry.peer == Peer::Before)
    }
}

/// All scenarios, in the order of the page.
pub fn all() -> Vec<Scenario> {
    let mut all = of_strings();
    all.extend(
        COMMANDS
            .iter()
            .map(|&(name, title, ref load, _)| scenario(name, title, Load::Command(load), vec![TORC, REDIS], None)),
    );
    all.extend(
        MEMORIES
            .iter()
            .map(|&(name, title, ref load, _)| scenario(name, title, Load::BigValue(load), vec![TORC, REDIS], Some(1))),
    );
    all
}

fn of_strings() -> Vec<Scenario> {
    vec![
        mixed("mixed-p1", "SET:GET 1:10, one core, P=1", 1),
        mixed("mixed-p16", "SET:GET 1:10, one core, P=16", 16),
        mixed("mixed-p64", "SET:GET 1:10, one core, P=64", 64),
        two_cores("two-cores-p16", "Two cores on the common port, P=16", 16, false),
        two_cores("two-cores-p64", "Two cores on the common port, P=64", 64, false),
        two_cores("cluster-p16", "Two cores through core ports, P=16", 16, true),
        two_cores("cluster-p64", "Two cores through core ports, P=64", 64, true),
        transactions("multi2-1core", "Transactions of 2 SETs, one core", 2, TORC),
        transactions("multi4-1core", "Transactions of 4 SETs, one core", 4, TORC),
        transactions("multi8-1core", "Transactions of 8 SETs, one core", 8, TORC),
        transactions("multi2-2cores", "Transactions of 2 SETs, keys on two cores", 2, TORC_ON_TWO),
        transactions("multi4-2cores", "Transactions of 4 SETs, keys on two cores", 4, TORC_ON_TWO),
        transactions("multi8-2cores", "Transactions of 8 SETs, keys on two cores", 8, TORC_ON_TWO),
        scenario(
            "mget8-2cores",
            "MGET of 8 keys on two cores",
            Load::GetAll { keys: 8 },
            vec![TORC_ON_TWO, REDIS],
            None,
        ),
        scenario(
            "mset8-2cores",
            "MSET of 8 keys on two cores",
            Load::SetAll { keys: 8 },
            vec![TORC_ON_TWO, REDIS],
            None,
        ),
        unchanged("unchanged-p1", "Against an earlier build: SET:GET 1:10, one core, P=1", 1),
        unchanged("unchanged-p16", "Against an earlier build: SET:GET 1:10, one core, P=16", 16),
        unchanged("unchanged-p64", "Against an earlier build: SET:GET 1:10, one core, P=64", 64),
        scenario("memory", "3 M keys of 16 B with 32 B values", Load::Memory, vec![TORC, REDIS], Some(3)),
        scenario("growth", "From empty to 10 M keys under load", Load::Growth, vec![TORC], Some(3)),
        scenario("idle", "10,000 idle connections", Load::Idle, vec![TORC, REDIS], Some(3)),
        scenario("commands", "redis-benchmark's default tests", Load::Commands, vec![TORC, REDIS], Some(3)),
    ]
}

const TORC: Entry = Entry { label: "torc", peer: Peer::Torc, cores: 1, is_cluster: false };
const TORC_ON_TWO: Entry = Entry { label: "torc, 2 cores", peer: Peer::Torc, cores: 2, is_cluster: false };
const BEFORE: Entry = Entry { label: "before", peer: Peer::Before, cores: 1, is_cluster: false };
const REDIS: Entry = Entry { label: "redis", peer: Peer::Redis, cores: 1, is_cluster: false };
const FLOOR: Entry = Entry { label: "floor", peer: Peer::Floor, cores: 1, is_cluster: false };

fn mixed(name: &'static str, title: &'static str, pipeline: u32) -> Scenario {
    scenario(name, title, Load::Mixed { pipeline }, vec![TORC, REDIS, FLOOR], None)
}

fn two_cores(name: &'static str, title: &'static str, pipeline: u32, is_cluster: bool) -> Scenario {
    let two = Entry { is_cluster, ..TORC_ON_TWO };
    let one = Entry { label: "torc, 1 core", ..TORC };
    scenario(name, title, Load::Mixed { pipeline }, vec![two, one], None)
}

fn transactions(name: &'static str, title: &'static str, sets: u32, torc: Entry) -> Scenario {
    scenario(name, title, Load::Transaction { sets }, vec![torc, REDIS], None)
}

fn unchanged(name: &'static str, title: &'static str, pipeline: u32) -> Scenario {
    scenario(name, title, Load::Mixed { pipeline }, vec![TORC, BEFORE], None)
}

fn scenario(
    name: &'static str,
    title: &'static str,
    load: Load,
    entries: Vec<Entry>,
    rounds_max: Option<usize>,
) -> Scenario {
    Scenario { name, title, load, entries, rounds_max }
}

/// Something Torc must reach.
#[derive(Clone)]
pub struct Bar {
    /// In words.
    pub text: Cow<'static, str>,
    /// What it may be.
    pub limit: Limit,
    /// What it is measured in.
    pub unit: &'static str,
    /// How the value is got from the samples.
    pub measure: Measure,
}

/// How a bar's value is got.
#[derive(Clone, Copy)]
pub enum Measure {
    /// By a function.
    By(fn(&Results) -> Option<f64>),
    /// CPU per operation of a scenario, Torc's against redis-server's.
    CpuRatio(&'static str),
    /// Resident memory at the end, likewise.
    MemoryRatio(&'static str),
}

impl Bar {
    /// The measured value; `None` when it has not been measured.
    pub fn value(&self, results: &Results) -> Option<f64> {
        match self.measure {
            Measure::By(measure) => measure(results),
            Measure::CpuRatio(scenario) => cpu_ratio(results, scenario, "torc", "redis"),
            Measure::MemoryRatio(scenario) => {
                let scenario = results.scenarios.get(scenario)?;
                median_ratio(scenario.contender("torc")?, scenario.contender("redis")?, "rss_after_bytes")
            }
        }
    }
}

/// What a measured value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Limit {
    /// Whether `value` is within it.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// All bars.
pub fn bars() -> Vec<Bar> {
    let mut bars = Vec::from(BARS);
    bars.extend(COMMANDS.iter().map(|&(name, title, _, most)| Bar {
        text: format!("CPU per command against redis: {title}").into(),
        limit: Limit::AtMost(most),
        unit: "x",
        measure: Measure::CpuRatio(name),
    }));
    bars.push(Bar {
        text: "The median of those with a bar of 0.65".into(),
        limit: Limit::AtMost(0.45),
        unit: "x",
        measure: Measure::By(|results| {
            let light = COMMANDS.iter().filter(|row| row.3 < 0.7);
            let ratios: Option<Vec<f64>> = light.map(|row| cpu_ratio(results, row.0, "torc", "redis")).collect();
            median(ratios?)
        }),
    });
    bars.extend(MEMORIES.iter().map(|&(name, title, _, most)| Bar {
        text: format!("Resident, against redis: {title}").into(),
        limit: Limit::AtMost(most),
        unit: "x",
        measure: Measure::MemoryRatio(name),
    }));
    bars
}

const BARS: &[Bar] = &[
    bar("CPU per operation against redis, P=1", 0.75, "x", |it| cpu_ratio(it, "mixed-p1", "torc", "redis")),
    bar("CPU per operation against redis, P=16", 0.62, "x", |it| cpu_ratio(it, "mixed-p16", "torc", "redis")),
    bar("CPU per operation against redis, P=64", 0.40, "x", |it| cpu_ratio(it, "mixed-p64", "torc", "redis")),
    bar("CPU per operation against the floor, P=1", 1.15, "x", |it| cpu_ratio(it, "mixed-p1", "torc", "floor")),
    bar("CPU per operation against the floor, P=16", 1.3, "x", |it| cpu_ratio(it, "mixed-p16", "torc", "floor")),
    bar("CPU per operation, two cores against one, P=16", 1.5, "x", |it| two_to_one(it, "two-cores-p16")),
    bar("CPU per operation, two cores against one, P=64", 1.7, "x", |it| two_to_one(it, "two-cores-p64")),
    bar("CPU per operation, core ports against one core, P=16", 1.1, "x", |it| two_to_one(it, "cluster-p16")),
    bar("CPU per operation, core ports against one core, P=64", 1.1, "x", |it| two_to_one(it, "cluster-p64")),
    at_least("Transactions of 4 SETs per CPU second, torc / redis, one core", 1.5, |it| {
        cpu_ratio(it, "multi4-1core", "redis", "torc")
    }),
    at_least("Transactions of 4 SETs per CPU second, torc / redis, keys on two cores", 0.7, |it| {
        cpu_ratio(it, "multi4-2cores", "redis", "torc, 2 cores")
    }),
    bar("CPU per operation against an earlier build, P=1", 1.03, "x", |it| unchanged_ratio(it, "unchanged-p1")),
    bar("CPU per operation against an earlier build, P=16", 1.03, "x", |it| unchanged_ratio(it, "unchanged-p16")),
    bar("CPU per operation against an earlier build, P=64", 1.03, "x", |it| unchanged_ratio(it, "unchanged-p64")),
    bar("Resident bytes per key, all of the process", 72.0, "B", |it| it.median("memory", "torc", "rss_per_key")),
    bar("Longest turn of the loop while growing", 1.0, "ms", |it| it.worst("growth", "torc", "loop_turn_max_ms")),
    bar("Resident bytes per idle connection", 2048.0, "B", |it| it.median("idle", "torc", "rss_per_connection")),
    bar("CPU with 10,000 idle connections", 1.0, "%", |it| it.median("idle", "torc", "idle_cpu_percent")),
];

const fn bar(text: &'static str, limit: f64, unit: &'static str, measure: fn(&Results) -> Option<f64>) -> Bar {
    Bar { text: Cow::Borrowed(text), limit: Limit::AtMost(limit), unit, measure: Measure::By(measure) }
}

const fn at_least(text: &'static str, limit: f64, measure: fn(&Results) -> Option<f64>) -> Bar {
    Bar { text: Cow::Borrowed(text), limit: Limit::AtLeast(limit), unit: "x", measure: Measure::By(measure) }
}

fn cpu_ratio(results: &Results, scenario: &str, ours: &str, theirs: &str) -> Option<f64> {
    let scenario = results.scenarios.get(scenario)?;
    median_ratio(scenario.contender(ours)?, scenario.contender(theirs)?, "server_cpu_us_per_op")
}

fn two_to_one(results: &Results, scenario: &str) -> Option<f64> {
    cpu_ratio(results, scenario, "torc, 2 cores", "torc, 1 core")
}

fn unchanged_ratio(results: &Results, scenario: &str) -> Option<f64> {
    cpu_ratio(results, scenario, "torc", "before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_on_their_side_and_at_the_limit() {
        assert!(Limit::AtMost(1.0).is_met(1.0) && !Limit::AtMost(1.0).is_met(1.01));
        assert!(Limit::AtLeast(1.0).is_met(1.0) && !Limit::AtLeast(1.0).is_met(0.99));
    }

    #[test]
    fn only_scenarios_with_a_server_of_two_cores_share_cpus() {
        let shared: Vec<_> = all().into_iter().filter(Scenario::shares_cpus).map(|it| it.name).collect();
        assert!(shared.contains(&"two-cores-p16") && shared.contains(&"cluster-p64"), "{shared:?}");
        assert!(shared.contains(&"multi4-2cores") && shared.contains(&"mget8-2cores"), "{shared:?}");
        assert!(!shared.contains(&"multi4-1core") && !shared.contains(&"mixed-p1"), "{shared:?}");
    }
}
