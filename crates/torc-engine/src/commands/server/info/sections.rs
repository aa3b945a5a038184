//! The text of INFO: a headline a section, `name:value` lines, an empty line between sections.

use std::fmt::{Display, Write};

use super::report::Report;
use super::selection::{SECTIONS, Selection};
use super::{process, statistics};
use crate::state::Facts;

/// Collects the lines of one section.
pub(super) struct Lines(String);

impl Lines {
    /// Adds a line.
    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("writing to a string cannot fail");
    }

    /// Adds a size in bytes, and the same again for people.
    pub(super) fn add_bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }
}

/// Renders the selected sections.
pub(super) fn render(facts: &Facts<'_>, report: &Report, selection: &Selection) -> String {
    let mut text = String::new();
    for &section in SECTIONS.iter().filter(|section| selection.has(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let (title, write): (&str, fn(&Facts<'_>, &Report, &mut Lines)) = match section {
            "server" => ("Server", process::server),
            "clients" => ("Clients", process::clients),
            "memory" => ("Memory", process::memory),
            "persistence" => ("Persistence", statistics::persistence),
            "stats" => ("Stats", statistics::stats),
            "replication" => ("Replication", statistics::replication),
            "cpu" => ("CPU", process::cpu),
            "modules" => ("Modules", |_, _, _| {}),
            "commandstats" => ("Commandstats", statistics::commands),
            "errorstats" => ("Errorstats", statistics::errors),
            "scripts" => ("Scripts", statistics::scripts),
            "cluster" => ("Cluster", statistics::cluster),
            "tls" => ("TLS", process::tls),
            "keyspace" => ("Keyspace", statistics::keyspace),
            _ => unreachable!("{section} is no section"),
        };
        let mut lines = Lines(format!("# {title}\r\n"));
        write(facts, report, &mut lines);
        text.push_str(&lines.0);
    }
    text
}

/// A size as people read it: `894.84K`.
fn human(bytes: u64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let unit = (bytes.ilog2() / 10) as usize;
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit - 1])
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_for_people() {
        let table = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (916_320, "894.84K"),
            (25_276_063_744, "23.54G"),
            (u64::MAX, "16.00E"),
        ];
        for (bytes, text) in table {
            assert_eq!(human(bytes), text);
        }
    }
}
