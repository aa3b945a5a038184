//! The committed list of known failures: `xtask/conformance.skips`.
//!
//! ```text
//!   # comment
//!   unit/type/string  external  needs-replication   GETDEL propagate as DEL command to replica
//!   unit/latency-monitor  any   needs-latency       !*
//! ```
//! A line is a unit, a mode (`external`, `spawn`, `any`; `many`: any, on more than one core), a reason from [`REASONS`], and the name of a test in which `*`
//! stands for anything. A listed test is run all the same, so that it is noticed when it passes; `!` before its
//! name keeps it from being run, for tests that cost much time or end the whole unit. `!*` leaves the unit out. `?` before
//! a name (a whole one) says that the suite does not come to this test: it makes it for other servers only, or something
//! that goes wrong before it ends the block.

use std::fs;

use crate::tools::Outcome;

const LIST: &str = "xtask/conformance.skips";

/// Why a test is not expected to pass, and what that means.
pub const REASONS: &[(&str, &str)] = &[
    ("needs-cluster", "a cluster of several servers"),
    ("needs-config-rewrite", "DEBUG CONFIG-REWRITE-FORCE-ALL"),
    ("needs-crash-report", "a stack trace in the log, and the watchdog"),
    ("needs-latency", "LATENCY, and latencies by command in INFO"),
    ("needs-migrate", "MIGRATE"),
    ("needs-monitor", "MONITOR"),
    ("needs-pause-cron", "DEBUG PAUSE-CRON, by which a signal waits"),
    ("needs-process-title", "`proc-title-template`"),
    ("needs-replication", "a replica, or its replication stream"),
    ("needs-shutdown-options", "`shutdown-on-sigint` and `shutdown-on-sigterm`"),
    ("needs-slowlog", "SLOWLOG"),
    ("needs-tls", "TLS"),
    ("newer-redis", "what newer versions of Redis do otherwise"),
    ("allocator", "the test is for servers with jemalloc only, or inspects that allocator"),
    ("order-of-connections", "the test depends on the order in which several connections write without waiting"),
    ("buffers", "sizes of a connection's buffers, which Torc shares among connections while they are idle"),
    (
        "closed-by-walks",
        "clients that take too much are closed by the next walk over all of them, and not between two commands",
    ),
    (
        "serves-on",
        "while a script runs for long, cores that hold none of its keys serve their clients instead of answering BUSY",
    ),
    ("no-fork", "the process that Redis forks to save: its id, its end, the memory that it copies"),
    ("expired-unsaved", "keys that have expired are not saved; Redis saves them, and counts them when it loads"),
    ("message", "the wording of a message to the administrator, in the log or at start-up"),
    ("memory", "how much memory an empty server takes, or one value adds, with Redis's structures"),
    ("written-later", "the log is written some milliseconds after the answer unless `appendfsync` is always"),
    ("own-limit", "a limit that Torc has and Redis does not"),
    (
        "own-directive",
        "a directive that Torc has and Redis does not, or another default: by itself it listens on this machine only",
    ),
    ("own-sandbox", "what scripts cannot have here whatever is configured: objects with finalizers"),
    (
        "unsound-payload",
        "the test wants RESTORE to accept an unsound payload, and checks the consequences; Torc refuses it",
    ),
    ("rehashing", "the moments at which Redis's tables grow"),
    ("encoding-7.2", "an encoding or a reply of 7.0 that 7.2 changed"),
    ("real-redis-fails-too", "the test does not pass on redis-server 7.0.15 either"),
];

/// How the suite meets the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Mode {
    /// It runs already.
    External,
    /// The suite starts it, as often as it wants and with what configuration it wants.
    Spawn,
}

impl Mode {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Mode::External => "external",
            Mode::Spawn => "spawn",
        }
    }
}

/// Whether a listed test is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is.
    Tried,
    /// The test is not run: the suite gets its name in a skip file.
    LeftOut,
    /// The suite does not come to it by itself.
    NotReached,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    unit: String,
    mode: Option<Mode>,
    /// Only on more than one core.
    is_for_many: bool,
    /// One of [`REASONS`].
    pub reason: &'static str,
    /// The name of the test, with `*` for anything.
    pub test: String,
    /// Whether it is run.
    pub run: Run,
    /// Line of the file, from 1.
    pub line: usize,
}

impl Skip {
    /// Whether the suite gets it in its skip file.
    pub fn is_left_out(&self) -> bool {
        self.run == Run::LeftOut
    }
}

/// The whole list.
#[derive(Debug, Default)]
pub struct Skips(Vec<Skip>);

impl Skips {
    /// Reads the committed list.
    ///
    /// # Errors
    /// It cannot be read, or a line is wrong.
    pub fn read() -> Outcome<Skips> {
        let text = fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
        Skips::parse(&text)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// A line is wrong.
    pub fn parse(text: &str) -> Outcome<Skips> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed =
            lines.map(|(number, line)| parse_line(line, number).map_err(|why| format!("{LIST}:{number}: {why}")));
        parsed.collect::<Outcome<Vec<Skip>>>().map(Skips)
    }

    /// The lines about a unit in a mode, on this number of cores.
    pub fn of(&self, unit: &str, mode: Mode, cores: u16) -> Vec<&Skip> {
        let fits = |skip: &&Skip| skip.mode.is_none_or(|only| only == mode) && (cores > 1 || !skip.is_for_many);
        self.0.iter().filter(|skip| skip.unit == unit).filter(fits).collect()
    }
}

/// The line that says that this test may fail.
pub fn find<'a>(skips: &[&'a Skip], test: &str) -> Option<&'a Skip> {
    skips.iter().find(|skip| matches(&skip.test, test)).copied()
}

fn parse_line(line: &str, number: usize) -> Outcome<Skip> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.split_once(char::is_whitespace).ok_or("expected UNIT MODE REASON TEST")?;
        rest = after.trim_start();
        Ok::<&str, String>(word)
    };
    let (unit, mode, reason) = (word()?, word()?, word()?);
    let is_for_many = mode == "many";
    let mode = match mode {
        "external" => Some(Mode::External),
        "spawn" => Some(Mode::Spawn),
        "any" | "many" => None,
        _ => return Err(format!("'{mode}' is no mode")),
    };
    let known = REASONS.iter().find(|(name, _)| *name == reason);
    let (reason, _) = known.ok_or_else(|| format!("'{reason}' is no reason"))?;
    let (test, run) = match rest.strip_prefix('!') {
        Some(test) => (test, Run::LeftOut),
        None => rest.strip_prefix('?').map_or((rest, Run::Tried), |test| (test, Run::NotReached)),
    };
    if test.is_empty() || (run == Run::NotReached && test.contains('*')) {
        return Err("expected the name of a test".into());
    }
    Ok(Skip { unit: unit.to_owned(), mode, is_for_many, reason, test: test.to_owned(), run, line: number })
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().expect("splitting gives at least one part");
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name) in
            [("a*", "abc"), ("*", ""), ("*c", "abc"), ("a*b*c", "axxbyyc"), ("a * b", "a * b"), ("x", "x")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a*", "ba"), ("a*b", "ab c"), ("a*bc*c", "abc"), ("x", "xy")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn lines_are_read_and_found() {
        let text = "# x\n\nunit/a  external needs-latency  A  b *\nunit/a any needs-tls !C\nunit/b spawn needs-latency !*\nunit/c many needs-latency x\n";
        let skips = Skips::parse(text).unwrap();
        let external = skips.of("unit/a", Mode::External, 1);
        assert_eq!(find(&external, "A  b c").map(|skip| (skip.reason, skip.line)), Some(("needs-latency", 3)));
        assert!(find(&external, "C").is_some_and(|skip| skip.is_left_out()));
        assert_eq!(find(&external, "D"), None);
        assert_eq!(skips.of("unit/a", Mode::Spawn, 2).len(), 1);
        assert_eq!(skips.of("unit/b", Mode::External, 1), Vec::<&Skip>::new());
        assert_eq!(skips.of("unit/c", Mode::External, 1).len(), 0);
        assert_eq!(skips.of("unit/c", Mode::Spawn, 2).len(), 1);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, why) in [
            ("unit/a any needs-latency", "expected UNIT"),
            ("unit/a some needs-latency x", "'some' is no mode"),
            ("unit/a any because x", "'because' is no reason"),
            ("unit/a any needs-latency !", "expected the name"),
            ("unit/a any needs-latency ?A*", "expected the name"),
        ] {
            let problem = Skips::parse(line).unwrap_err();
            assert!(problem.contains(why) && problem.contains(":1:"), "{problem}");
        }
    }

    #[test]
    fn the_committed_list_is_well_formed() {
        let text = include_str!("../../conformance.skips");
        assert!(Skips::parse(text).is_ok());
    }
}
