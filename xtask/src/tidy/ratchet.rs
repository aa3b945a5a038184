//! Lengths that may not grow: functions over 70 lines and files over 1,000.
//!
//! The committed list names each that is over its limit, with its length. Nothing may be over a limit without being
//! listed, and nothing listed may grow; what has become shorter is reported so that its entry is lowered
//! (`cargo xtask tidy --lower`).
//!
//! ```text
//!   function crates/a/src/b.rs:name 84
//!   file crates/a/src/b.rs 1203
//! ```

use std::collections::BTreeMap;

use super::Problem;
use super::source::Source;

/// Lines a function may have.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Lines a file may have.
pub const FILE_LINES_MAX: usize = 1000;

/// What is over its limit: the words before the length, and the length.
pub type Lengths = BTreeMap<String, usize>;

/// Reads a committed list.
///
/// # Errors
/// A line is not of the form above.
pub fn parse(text: &str) -> Result<Lengths, String> {
    let entry = |(number, line): (usize, &str)| {
        let (name, length) = line.rsplit_once(' ').ok_or_else(|| format!("line {}: no length", number + 1))?;
        let length = length.parse().map_err(|_| format!("line {}: '{length}' is no length", number + 1))?;
        Ok((name.to_owned(), length))
    };
    let is_entry = |(_, line): &(usize, &str)| !line.trim().is_empty() && !line.starts_with('#');
    text.lines().enumerate().filter(is_entry).map(entry).collect()
}

/// The list as it is committed.
pub fn render(lengths: &Lengths) -> String {
    let head = "# Longer than the limits (functions 70 lines, files 1,000); may only shrink. See `cargo xtask tidy`.\n";
    lengths.iter().fold(head.to_owned(), |text, (name, length)| text + &format!("{name} {length}\n"))
}

/// What in `source` is over a limit, and on which line it is. Functions of the same name count as their longest.
pub fn over_limits(source: &Source) -> BTreeMap<String, (usize, usize)> {
    let mut found: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    if source.lines.len() > FILE_LINES_MAX {
        found.insert(format!("file {}", source.path), (source.lines.len(), 0));
    }
    for function in source.functions().into_iter().filter(|it| it.length > FUNCTION_LINES_MAX) {
        let entry = found.entry(format!("function {}:{}", source.path, function.name)).or_default();
        *entry = (*entry).max((function.length, function.line));
    }
    found
}

/// Problems of one file against the committed list.
pub fn check(source: &Source, allowed: &Lengths) -> Vec<Problem> {
    let problem = |(name, (length, line)): (String, (usize, usize))| {
        let text = match allowed.get(&name) {
            None if name.starts_with("file") => format!("file of {length} lines (at most {FILE_LINES_MAX})"),
            None => format!("function of {length} lines (at most {FUNCTION_LINES_MAX})"),
            Some(&before) if length > before => format!("grew from {before} to {length} lines; it may only shrink"),
            Some(_) => return None,
        };
        Some(Problem::new(source, line, text))
    };
    over_limits(source).into_iter().filter_map(problem).collect()
}

/// The list lowered to the present lengths, without what is gone, and one note for each change.
pub fn lower(allowed: &Lengths, sources: &[Source]) -> (Lengths, Vec<String>) {
    let present: BTreeMap<String, (usize, usize)> = sources.iter().flat_map(over_limits).collect();
    let mut notes = Vec::new();
    let mut lowered = Lengths::new();
    for (name, &before) in allowed {
        match present.get(name) {
            None => notes.push(format!("{name}: no longer over its limit")),
            Some(&(length, _)) => {
                if length < before {
                    notes.push(format!("{name}: shrank from {before} to {length} lines"));
                }
                lowered.insert(name.clone(), length.min(before));
            }
        }
    }
    (lowered, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> Source {
        let body = "    a();\n".repeat(lines - 2);
        Source::new("x.rs", &format!("fn long() {{\n{body}}}\n"))
    }

    #[test]
    fn seventy_lines_pass_and_one_more_does_not() {
        assert!(check(&function_of(70), &Lengths::new()).is_empty());
        assert_eq!(check(&function_of(71), &Lengths::new()).len(), 1);
    }

    #[test]
    fn a_listed_function_may_shrink_but_not_grow() {
        let allowed = parse("# head\nfunction x.rs:long 80\n").unwrap();
        assert!(check(&function_of(80), &allowed).is_empty());
        assert!(check(&function_of(75), &allowed).is_empty());
        assert!(check(&function_of(81), &allowed)[0].to_string().contains("grew from 80 to 81"));
    }

    #[test]
    fn lowering_follows_what_shrank_and_drops_what_is_gone() {
        let allowed = parse("function x.rs:long 80\nfile gone.rs 1001\n").unwrap();
        let (lowered, notes) = lower(&allowed, &[function_of(75)]);
        assert_eq!(lowered, parse("function x.rs:long 75\n").unwrap());
        assert_eq!(notes.len(), 2);
        assert_eq!(parse(&render(&lowered)).unwrap(), lowered);
    }

    #[test]
    fn a_long_file_is_a_problem_and_a_bad_list_an_error() {
        let source = Source::new("x.rs", &"//\n".repeat(FILE_LINES_MAX + 1));
        assert_eq!(check(&source, &Lengths::new()).len(), 1);
        assert!(parse("function x.rs:long many").is_err());
    }
}
