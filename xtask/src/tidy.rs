//! `cargo xtask tidy`: the habits of this code base, checked.
//!
//! ```text
//!   every .rs file --> source (comments and literals blanked, tests marked) --> checks, ratchet --> file:line: problem
//! ```
//! Checks on lines, not on a syntax tree: they are fast, easy to read, and wrong only in ways that show at once.

mod checks;
mod ratchet;
mod source;

use clap::Args;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::Outcome;
use source::Source;

const RATCHET: &str = "xtask/tidy.ratchet";
const FOLDERS: &[&str] = &["crates", "benches", "xtask"];

/// What to do besides checking.
#[derive(Args)]
pub struct Options {
    /// Lower the committed lengths to what has shrunk.
    #[arg(long)]
    lower: bool,
}

/// Something against the habits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path from the repository's top.
    pub path: String,
    /// Line, from 0.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

impl Problem {
    /// A problem of `source` at `line`, from 0.
    pub fn new(source: &Source, line: usize, text: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line + 1, self.text)
    }
}

/// Checks every file and prints what is wrong.
///
/// # Errors
/// Something is wrong, or a file cannot be read.
pub fn run(options: &Options) -> Outcome<()> {
    let mut paths = Vec::new();
    for folder in FOLDERS.iter().filter(|folder| Path::new(folder).exists()) {
        collect(Path::new(folder), &mut paths)?;
    }
    paths.sort();
    let allowed = ratchet::parse(&read_ratchet()?).map_err(|problem| format!("{RATCHET}: {problem}"))?;
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let path = path.to_string_lossy();
        if path.ends_with(".toml") {
            problems.extend(checks::check_manifest(&path, &text));
        } else {
            sources.push(Source::new(&path, &text));
        }
    }
    for source in &sources {
        problems.extend(checks::check(source));
        problems.extend(ratchet::check(source, &allowed));
    }
    lower(options, &allowed, &sources)?;
    problems.iter().for_each(|problem| println!("{problem}"));
    match problems.len() {
        0 => {
            println!("tidy: {} files, no problem", paths.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} problems")),
    }
}

fn lower(options: &Options, allowed: &ratchet::Lengths, sources: &[Source]) -> Outcome<()> {
    let (lowered, notes) = ratchet::lower(allowed, sources);
    notes.iter().for_each(|note| println!("{RATCHET}: {note}"));
    if options.lower {
        return fs::write(RATCHET, ratchet::render(&lowered)).map_err(|error| format!("{RATCHET}: {error}"));
    }
    if !notes.is_empty() {
        println!("{RATCHET}: lower the list with `cargo xtask tidy --lower`");
    }
    Ok(())
}

fn read_ratchet() -> Outcome<String> {
    fs::read_to_string(RATCHET).map_err(|error| format!("{RATCHET}: {error}"))
}

/// All Rust files and manifests under `folder`, build output left out.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Outcome<()> {
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, found)?;
            }
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            found.push(path);
        }
    }
    Ok(())
}
