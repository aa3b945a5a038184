//! Figures as lines and as the table of docs/hardening.md.
//!
//! ```text
//!   Row: one attack --> for each server the worst of its figures --> | attack | bound | Torc | redis-server | ... |
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use super::scene::{Attack, Ending, Figures};
use super::server::Contender;
use crate::tools::{Outcome, today};

const PAGE: &str = "docs/hardening.md";
const BEGIN: &str = "<!-- begin of the figures: cargo xtask attack --beside --write -->\n";
const END: &str = "<!-- end of the figures -->";

/// What one attack did to each server.
pub struct Row {
    /// The attack.
    pub attack: &'static Attack,
    worst: BTreeMap<String, Figures>,
    has_failed: bool,
}

impl Row {
    /// Without figures yet.
    pub fn new(attack: &'static Attack) -> Self {
        Self { attack, worst: BTreeMap::new(), has_failed: false }
    }

    /// Adds one strike; of several the worst of each figure is kept.
    pub fn add(&mut self, contender: &Contender, figures: Figures) {
        self.has_failed |= contender.is_torc && !figures.problems.is_empty();
        let worst = self.worst.entry(contender.name.clone()).or_default();
        worst.peak_bytes = worst.peak_bytes.max(figures.peak_bytes);
        worst.peak_bytes_max = worst.peak_bytes_max.max(figures.peak_bytes_max);
        worst.ping_p999_us = worst.ping_p999_us.max(figures.ping_p999_us);
        worst.ping_max_us = worst.ping_max_us.max(figures.ping_max_us);
        worst.ping_worked_us = worst.ping_worked_us.max(figures.ping_worked_us);
        worst.left = worst.left.max(figures.left);
        worst.cpu_seconds = worst.cpu_seconds.max(figures.cpu_seconds);
        if figures.ending != Ending::Survived {
            worst.ending = figures.ending;
        }
    }

    /// The attack has been made; a short time may not suffice for all of them.
    pub fn was_made(&self) -> bool {
        !self.worst.is_empty()
    }

    /// Torc has exceeded a bound.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }
}

/// One strike, for the terminal.
pub fn line(figures: &Figures) -> String {
    if figures.ending == Ending::LeftOut {
        return "- (does not apply)".into();
    }
    format!(
        "peak {:>4} of {:>4} MB, PING p99.9 {:>6.1} max {:>6.1} worked {:>6.1} ms, left {}, CPU {:.2} of {:.1} s",
        figures.peak_bytes >> 20,
        figures.peak_bytes_max >> 20,
        figures.ping_p999_us as f64 / 1e3,
        figures.ping_max_us as f64 / 1e3,
        figures.ping_worked_us as f64 / 1e3,
        figures.left,
        figures.cpu_seconds,
        figures.seconds
    )
}

/// The table in Markdown.
pub fn table(rows: &[Row], contenders: &[&Contender]) -> String {
    let mut table = String::from("| attack | what the clients do | bound, MB | bound, ms |");
    contenders.iter().for_each(|it| table.push_str(&format!(" {} |", it.name)));
    table.push_str("\n|---|---|--:|--:|");
    contenders.iter().for_each(|_| table.push_str("---|"));
    for row in rows {
        let bounds = row.attack.bounds;
        let torc = row.worst.values().map(|figures| figures.peak_bytes_max).max().unwrap_or(0);
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "\n| {} | {} | {} | {} / {} |",
            row.attack.name,
            row.attack.harm,
            torc >> 20,
            bounds.ping_p999_ms,
            bounds.ping_max_ms
        );
        contenders.iter().for_each(|it| table.push_str(&format!(" {} |", cell(row.worst.get(&it.name)))));
    }
    table
}

fn cell(figures: Option<&Figures>) -> String {
    match figures {
        Some(figures) if figures.ending == Ending::Survived => format!(
            "{} MB, {:.1} / {:.0} / {:.0} ms{}",
            figures.peak_bytes >> 20,
            figures.ping_p999_us as f64 / 1e3,
            figures.ping_max_us as f64 / 1e3,
            figures.ping_worked_us as f64 / 1e3,
            if figures.left == 0 { String::new() } else { format!(", {} left", figures.left) }
        ),
        Some(figures) if figures.ending == Ending::Ended => "- (ended)".into(),
        Some(figures) if figures.ending == Ending::Stuck => "- (stuck)".into(),
        _ => "-".into(),
    }
}

/// Puts the table between the marks of the page.
///
/// # Errors
/// The page cannot be read or written, or has no marks.
pub fn write(rows: &[Row], contenders: &[&Contender]) -> Outcome<()> {
    let problem = |error: std::io::Error| format!("{PAGE}: {error}");
    let text = fs::read_to_string(PAGE).map_err(problem)?;
    let figures = format!("Measured {}.\n\n{}\n", today(), table(rows, contenders));
    let page = replace(&text, &figures).ok_or_else(|| format!("{PAGE} has no marks for the figures"))?;
    fs::write(PAGE, page).map_err(problem)?;
    println!("wrote {PAGE}");
    Ok(())
}

fn replace(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, is_torc: bool) -> Contender {
        Contender { name: name.into(), program: name.into(), is_torc, is_sanitized: false }
    }

    fn row() -> Row {
        Row::new(super::super::all()[0])
    }

    #[test]
    fn the_worst_of_several_strikes_is_kept() {
        let (torc, mut row) = (contender("Torc", true), row());
        row.add(&torc, Figures { peak_bytes: 5 << 20, ping_max_us: 9_000, ..Figures::default() });
        row.add(&torc, Figures { peak_bytes: 3 << 20, ping_max_us: 12_000, ..Figures::default() });
        assert_eq!(cell(row.worst.get("Torc")), "5 MB, 0.0 / 12 / 0 ms");
        assert!(!row.has_failed());
    }

    #[test]
    fn only_torc_fails() {
        let (torc, other, mut row) = (contender("Torc", true), contender("x", false), row());
        let failed = || Figures { ending: Ending::Ended, problems: vec!["it ended".into()], ..Figures::default() };
        row.add(&other, failed());
        assert!(!row.has_failed());
        assert!(table(&[row], &[&torc, &other]).ends_with(" - | - (ended) |"));
        let mut row = Row::new(super::super::all()[0]);
        row.add(&torc, failed());
        assert!(row.has_failed());
    }

    #[test]
    fn the_table_replaces_the_one_before() {
        let page = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(replace(&page, "new\n").unwrap(), format!("a\n{BEGIN}\nnew\n\n{END}\nb\n"));
        assert!(replace("no marks", "new").is_none());
    }
}
