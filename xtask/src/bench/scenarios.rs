//! What is measured: every scenario with its contenders, and the bars that Torc must pass.

use clap::ValueEnum;

use super::results::{Results, median_ratio};

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
    /// SET:GET 1:10 of 64 bytes over 100,000 existing keys, 50 connections, so many requests in flight on each.
    Mixed {
        /// Requests in flight on each connection.
        pipeline: u32,
    },
    /// Keys of 16 bytes with values of 32 are set once each.
    Memory,
    /// The same, more of them, and the loop's longest turn is read.
    Growth,
    /// Idle connections.
    Idle,
    /// redis-benchmark's default tests.
    Commands,
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
    /// Whether `name` is this scenario's or its group's (what stands before `-p`).
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.name.split_once("-p").is_some_and(|(group, _)| group == name)
    }

    /// The server has both CPUs, so nothing can be pinned apart.
    pub fn shares_cpus(&self) -> bool {
        self.name.starts_with("two-cores") || self.name.starts_with("cluster")
    }
}

/// All scenarios, in the order of the page.
pub fn all() -> Vec<Scenario> {
    vec![
        mixed("mixed-p1", "SET:GET 1:10, one core, P=1", 1),
        mixed("mixed-p16", "SET:GET 1:10, one core, P=16", 16),
        mixed("mixed-p64", "SET:GET 1:10, one core, P=64", 64),
        two_cores("two-cores-p16", "Two cores on the common port, P=16", 16, false),
        two_cores("two-cores-p64", "Two cores on the common port, P=64", 64, false),
        two_cores("cluster-p16", "Two cores through core ports, P=16", 16, true),
        two_cores("cluster-p64", "Two cores through core ports, P=64", 64, true),
        scenario("memory", "3 M keys of 16 B with 32 B values", Load::Memory, vec![TORC, REDIS], Some(3)),
        scenario("growth", "From empty to 10 M keys under load", Load::Growth, vec![TORC], Some(3)),
        scenario("idle", "10,000 idle connections", Load::Idle, vec![TORC, REDIS], Some(3)),
        scenario("commands", "redis-benchmark's default tests", Load::Commands, vec![TORC, REDIS], Some(3)),
    ]
}

const TORC: Entry = Entry { label: "torc", peer: Peer::Torc, cores: 1, is_cluster: false };
const REDIS: Entry = Entry { label: "redis", peer: Peer::Redis, cores: 1, is_cluster: false };
const FLOOR: Entry = Entry { label: "floor", peer: Peer::Floor, cores: 1, is_cluster: false };

fn mixed(name: &'static str, title: &'static str, pipeline: u32) -> Scenario {
    scenario(name, title, Load::Mixed { pipeline }, vec![TORC, REDIS, FLOOR], None)
}

fn two_cores(name: &'static str, title: &'static str, pipeline: u32, is_cluster: bool) -> Scenario {
    let two = Entry { label: "torc, 2 cores", cores: 2, is_cluster, ..TORC };
    let one = Entry { label: "torc, 1 core", ..TORC };
    scenario(name, title, Load::Mixed { pipeline }, vec![two, one], None)
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
pub struct Bar {
    /// In words.
    pub text: &'static str,
    /// The most it may be.
    pub limit: f64,
    /// What it is measured in.
    pub unit: &'static str,
    /// The measured value; `None` when it has not been measured.
    pub measure: fn(&Results) -> Option<f64>,
}

/// All bars.
pub const BARS: &[Bar] = &[
    bar("CPU per operation against redis, P=1", 0.75, "x", |it| cpu_ratio(it, "mixed-p1", "torc", "redis")),
    bar("CPU per operation against redis, P=16", 0.62, "x", |it| cpu_ratio(it, "mixed-p16", "torc", "redis")),
    bar("CPU per operation against redis, P=64", 0.40, "x", |it| cpu_ratio(it, "mixed-p64", "torc", "redis")),
    bar("CPU per operation against the floor, P=1", 1.15, "x", |it| cpu_ratio(it, "mixed-p1", "torc", "floor")),
    bar("CPU per operation against the floor, P=16", 1.3, "x", |it| cpu_ratio(it, "mixed-p16", "torc", "floor")),
    bar("CPU per operation, two cores against one, P=16", 1.5, "x", |it| two_to_one(it, "two-cores-p16")),
    bar("CPU per operation, two cores against one, P=64", 1.7, "x", |it| two_to_one(it, "two-cores-p64")),
    bar("CPU per operation, core ports against one core, P=16", 1.1, "x", |it| two_to_one(it, "cluster-p16")),
    bar("CPU per operation, core ports against one core, P=64", 1.1, "x", |it| two_to_one(it, "cluster-p64")),
    bar("Resident bytes per key, all of the process", 72.0, "B", |it| it.median("memory", "torc", "rss_per_key")),
    bar("Longest turn of the loop while growing", 1.0, "ms", |it| it.worst("growth", "torc", "loop_turn_max_ms")),
    bar("Resident bytes per idle connection", 2048.0, "B", |it| it.median("idle", "torc", "rss_per_connection")),
    bar("CPU with 10,000 idle connections", 1.0, "%", |it| it.median("idle", "torc", "idle_cpu_percent")),
];

const fn bar(text: &'static str, limit: f64, unit: &'static str, measure: fn(&Results) -> Option<f64>) -> Bar {
    Bar { text, limit, unit, measure }
}

fn cpu_ratio(results: &Results, scenario: &str, ours: &str, theirs: &str) -> Option<f64> {
    let scenario = results.scenarios.get(scenario)?;
    median_ratio(scenario.contender(ours)?, scenario.contender(theirs)?, "server_cpu_us_per_op")
}

fn two_to_one(results: &Results, scenario: &str) -> Option<f64> {
    cpu_ratio(results, scenario, "torc, 2 cores", "torc, 1 core")
}
