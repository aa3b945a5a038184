//! docs/benchmarks.md from the stored samples.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::results::{Contender, Results, ScenarioResult, median_ratio};
use super::scenarios::{Bar, Limit, Load, Scenario, all, bars};

/// Above this share of busy CPUs before a run the page says that its figures were disturbed.
pub const OTHERS_BUSY_MAX: f64 = 0.05;

/// A column: heading, field, digits behind the point.
type Column = (&'static str, &'static str, usize);

const MIXED: &[Column] = &[
    ("CPU µs/op", "server_cpu_us_per_op", 3),
    ("ops/s", "ops_per_sec", 0),
    ("p50 µs", "p50_us", 0),
    ("p99 µs", "p99_us", 0),
    ("p99.9 µs", "p99_9_us", 0),
    ("CPUs busy", "server_busy", 2),
];
const TRANSACTIONS: &[Column] = &[
    ("CPU µs/transaction", "server_cpu_us_per_op", 3),
    ("transactions/s", "ops_per_sec", 0),
    ("p50 µs", "p50_us", 0),
    ("p99 µs", "p99_us", 0),
    ("p99.9 µs", "p99_9_us", 0),
    ("CPUs busy", "server_busy", 2),
];
const MEMORY: &[Column] = &[
    ("B/key, whole process", "rss_per_key", 1),
    ("B/key, added", "rss_added_per_key", 1),
    ("SETs/s", "sets_per_sec", 0),
];
const BIG_VALUE: &[Column] = &[
    ("bytes, whole process", "rss_after_bytes", 0),
    ("B/element, whole process", "rss_per_key", 1),
    ("elements/s", "sets_per_sec", 0),
];
const GROWTH: &[Column] = &[
    ("longest turn ms", "loop_turn_max_ms", 3),
    ("B/key, whole process", "rss_per_key", 1),
    ("SETs/s", "sets_per_sec", 0),
];
const IDLE: &[Column] = &[("B/connection", "rss_per_connection", 0), ("CPU %", "idle_cpu_percent", 2)];

const HEAD: &str = "# Benchmarks

Written by `cargo xtask bench`; do not edit. Raw samples: [benchmarks.json](benchmarks.json).

Absolute figures move from run to run; compare only ratios within a run. Each round starts every
server anew and measures one after another. Figures are medians over the rounds; a ratio is the
median of the rounds' own ratios. CPU time is that of the server process (user and kernel, all
threads), without start, filling and warm-up.

The load generator (`benches/src/bin/load`) is a closed loop on 50 connections with P requests in
flight on each. It checks every reply and measures the latency from the send of a batch to each
reply. A transaction is MULTI, SETs and EXEC in one write, one in flight on each connection; keys
are drawn at random, so with two cores nearly every transaction needs both. A server with one core
runs on CPU 0 and the load generator on CPU 1; a server with two cores has both, and the generator
runs wherever there is room. The floor is a server without keys that gives every request a fixed
reply (`benches/src/bin/floor-server.rs`).

![CPU time per operation](benchmarks.svg)
";

/// The whole page.
pub fn page(results: &Results) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Bars\n\n| what | bar | measured | met |\n|---|---:|---:|---|\n");
    for bar in bars() {
        page.push_str(&bar_row(&bar, results));
    }
    for scenario in all() {
        if let Some(result) = results.scenarios.get(scenario.name) {
            page.push_str(&section(&scenario, result));
        }
    }
    page
}

fn bar_row(bar: &Bar, results: &Results) -> String {
    let Bar { text, limit, unit, .. } = bar;
    let wanted = match limit {
        Limit::AtMost(most) => format!("≤ {most} {unit}"),
        Limit::AtLeast(least) => format!("≥ {least} {unit}"),
    };
    match bar.value(results) {
        Some(value) => {
            let met = if limit.is_met(value) { "yes" } else { "**no**" };
            // Digits enough to show on which side of the limit it is.
            let shown = if is_told_by(*limit, value, &short(value)) { short(value) } else { format!("{value:.4}") };
            format!("| {text} | {wanted} | {shown} {unit} | {met} |\n")
        }
        None => format!("| {text} | {wanted} | - | not measured |\n"),
    }
}

fn is_told_by(limit: Limit, value: f64, shown: &str) -> bool {
    shown.parse().is_ok_and(|shown| limit.is_met(shown) == limit.is_met(value))
}

fn section(scenario: &Scenario, result: &ScenarioResult) -> String {
    let ScenarioResult { date, machine, redis, profile, rounds, seconds, others_busy, .. } = result;
    let mut text = format!("\n## {}\n\n", scenario.title);
    let table = match scenario.load {
        Load::Mixed { .. } | Load::GetAll { .. } | Load::SetAll { .. } | Load::Command(_) => {
            table(result, MIXED, Compared::Cost("server_cpu_us_per_op"))
        }
        Load::Transaction { .. } => table(result, TRANSACTIONS, PER_CPU_SECOND),
        Load::Memory => table(result, MEMORY, Compared::Cost("rss_per_key")),
        Load::BigValue(_) => table(result, BIG_VALUE, Compared::Cost("rss_after_bytes")),
        Load::Growth => table(result, GROWTH, Compared::Nothing),
        Load::Idle => table(result, IDLE, Compared::Cost("rss_per_connection")),
        Load::Commands => commands_table(result),
    };
    text.push_str(&table);
    let seconds = if scenario.load.is_timed() { format!(" of {seconds} s") } else { String::new() };
    let plural = if *rounds == 1 { "" } else { "s" };
    let profile = if profile == "release" { String::new() } else { format!(", profile {profile}") };
    let disturbed = if *others_busy > OTHERS_BUSY_MAX {
        format!(", **disturbed: the machine was {:.0} % busy with other work**", others_busy * 100.0)
    } else {
        String::new()
    };
    let _ = write!(
        text,
        "\n{date}; {machine}; redis-server {redis}; {rounds} round{plural}{seconds}{profile}{disturbed}. \
         Repeat: `cargo xtask bench --only {}{}`\n",
        scenario.name,
        if scenario.needs_before() { " --before PATH" } else { "" }
    );
    text
}

/// What a table's last column compares with redis, or else with the last contender.
#[derive(Clone, Copy)]
enum Compared {
    /// There is no such column.
    Nothing,
    /// A field that should be small: ours to theirs.
    Cost(&'static str),
    /// How often what the field is the cost of can be had for the same: theirs to ours.
    Yield(&'static str, &'static str),
}

const PER_CPU_SECOND: Compared = Compared::Yield("transactions per CPU s", "server_cpu_us_per_op");

impl Compared {
    fn heading(self, columns: &[Column]) -> &str {
        match self {
            Self::Nothing => "",
            Self::Cost(field) => columns.iter().find(|column| column.1 == field).map_or("", |column| column.0),
            Self::Yield(heading, _) => heading,
        }
    }

    fn ratio(self, ours: &Contender, theirs: &Contender) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Cost(field) => median_ratio(ours, theirs, field),
            Self::Yield(_, field) => median_ratio(theirs, ours, field),
        }
    }
}

/// One row per contender.
fn table(result: &ScenarioResult, columns: &[Column], compared: Compared) -> String {
    let reference = result.contender("redis").or(result.contenders.last()).filter(|_| result.contenders.len() > 1);
    let reference = reference.filter(|_| !matches!(compared, Compared::Nothing));
    let mut text = "| server |".to_owned();
    let mut line = "|---|".to_owned();
    for (heading, ..) in columns {
        let _ = write!(text, " {heading} |");
        line.push_str("---:|");
    }
    if let Some(reference) = reference {
        let _ = write!(text, " {} / {} |", compared.heading(columns), reference.label);
        line.push_str("---:|");
    }
    text = format!("{text}\n{line}\n");
    for contender in &result.contenders {
        let _ = write!(text, "| {} |", contender.label);
        for (_, field, digits) in columns {
            let _ = write!(text, " {} |", fixed(contender.median(field), *digits));
        }
        if let Some(reference) = reference {
            let _ = write!(text, " {} |", fixed(compared.ratio(contender, reference), 2));
        }
        text.push('\n');
    }
    text
}

/// One row per test of redis-benchmark, one column per server.
fn commands_table(result: &ScenarioResult) -> String {
    let prefix = "rps ";
    let fields: BTreeSet<&String> = result.contenders.iter().flat_map(Contender::fields).collect();
    let labels: Vec<&str> = result.contenders.iter().map(|it| it.label.as_str()).collect();
    let mut text = format!("Requests per second, P=1.\n\n| test | {} |\n|---|", labels.join(" | "));
    text.push_str(&"---:|".repeat(labels.len()));
    text.push('\n');
    for field in fields {
        let Some(test) = field.strip_prefix(prefix) else { continue };
        let _ = write!(text, "| {test} |");
        for contender in &result.contenders {
            let _ = write!(text, " {} |", fixed(contender.median(field), 0));
        }
        text.push('\n');
    }
    text
}

impl Contender {
    fn fields(&self) -> impl Iterator<Item = &String> {
        self.samples.iter().flat_map(|sample| sample.keys())
    }
}

fn fixed(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

/// Three significant digits, more or less.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    fn results(torc: f64) -> Results {
        let contender = |label: &str, cpu: f64| {
            let mut contender = Contender::new(label);
            contender.samples.push(Sample::from([("server_cpu_us_per_op".to_owned(), cpu)]));
            contender
        };
        let contenders = vec![contender("torc", torc), contender("redis", 10.0), contender("floor", 6.0)];
        let mut results = Results::default();
        results.scenarios.insert("mixed-p1".into(), ScenarioResult::new(contenders));
        results
    }

    #[test]
    fn bars_are_met_missed_or_not_measured() {
        let page = page(&results(7.0));
        assert!(page.contains("| CPU per operation against redis, P=1 | ≤ 0.75 x | 0.70 x | yes |"), "{page}");
        assert!(page.contains("| CPU per operation against the floor, P=1 | ≤ 1.15 x | 1.17 x | **no** |"), "{page}");
        assert!(page.contains("| CPU per operation against redis, P=16 | ≤ 0.62 x | - | not measured |"), "{page}");
    }

    #[test]
    fn a_bar_missed_by_little_shows_it() {
        let page = page(&results(7.504));
        assert!(page.contains("against redis, P=1 | ≤ 0.75 x | 0.7504 x | **no** |"), "{page}");
    }

    #[test]
    fn a_disturbed_run_says_so() {
        let mut results = results(7.0);
        assert!(!page(&results).contains("disturbed"));
        results.scenarios.get_mut("mixed-p1").unwrap().others_busy = 0.4;
        assert!(page(&results).contains("disturbed: the machine was 40 % busy"));
    }

    #[test]
    fn a_table_has_a_row_per_server_and_the_command_that_repeats_it() {
        let page = page(&results(7.0));
        assert!(page.contains("| torc | 7.000 | - | - | - | - | - | 0.70 |"), "{page}");
        assert!(page.contains("`cargo xtask bench --only mixed-p1`"), "{page}");
        assert!(!page.contains("--only mixed-p16`"), "{page}");
    }
    #[test]
    fn transactions_are_compared_by_how_many_a_cpu_second_yields() {
        let mut results = results(4.0);
        let transactions = results.scenarios.remove("mixed-p1").unwrap();
        results.scenarios.insert("multi4-1core".into(), transactions);
        let page = page(&results);
        assert!(page.contains("torc / redis, one core | ≥ 1.5 x | 2.50 x | yes |"), "{page}");
        assert!(page.contains("| transactions per CPU s / redis |"), "{page}");
        assert!(page.contains("| torc | 4.000 | - | - | - | - | - | 2.50 |"), "{page}");
    }
}
