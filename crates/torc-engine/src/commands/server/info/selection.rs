//! Which sections were asked for.

use torc_resp::Args;

/// The sections, in the order in which they are shown.
pub(super) const SECTIONS: &[&str] = &[
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "commandstats",
    "errorstats",
    "scripts",
    "cluster",
    "tls",
    "keyspace",
];

/// Sections that are shown only when they are asked for.
const EXTRA: &[&str] = &["commandstats", "scripts"];

/// A set of sections.
pub(super) struct Selection(Vec<&'static str>);

impl Selection {
    /// The sections that `names` ask for, in any case; none: the default ones. Unknown names ask for nothing.
    pub(super) fn of(names: Args<'_>) -> Self {
        let asked = |word: &str| names.iter().any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
        let default = names.is_empty() || asked("default");
        let all = asked("all") || asked("everything");
        let chosen = |section: &&str| all || asked(section) || (default && !EXTRA.contains(section));
        Selection(SECTIONS.iter().copied().filter(chosen).collect())
    }

    /// Whether a section is to be shown.
    pub(super) fn has(&self, section: &str) -> bool {
        self.0.contains(&section)
    }
}
