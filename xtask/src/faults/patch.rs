//! A fault as a text: what it breaks, and what stands where in the source while it is in force.
//!
//! ```text
//!   A claim that must wait counts as granted.
//!
//!   in crates/torc-engine/src/engine/participant.rs
//!   from
//!       self.claims.schedule(coordinator, schedule)
//!   to
//!       self.claims.schedule(coordinator, schedule).map(|_| true)
//! ```
//! `from` must stand in the file exactly once, however its lines are broken; `in PATH, occurrence 2` is the second of several.
//! All faults are put into one copy of the source: the fragment becomes `if FAULT { to } else { from }`, and FAULT the question whether this
//! fault is in force. A `to` that names FAULT itself stands as it is (in a match, for instance). An empty `to` does nothing. A fault may have several
//! such changes, and several faults may change the same fragment.

use std::ops::Range;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How it is called: its file's name.
    pub name: String,
    /// What it breaks.
    pub sentence: String,
    /// All of them belong to it.
    pub changes: Vec<Change>,
}

/// One place that a fault changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file, from the repository's top.
    pub path: String,
    /// Which one of several places with this fragment, from 1; none: there is only one.
    pub occurrence: Option<usize>,
    from: String,
    to: String,
}

/// A change, and the number of its fault.
pub type Numbered<'a> = (usize, &'a Change);

impl Fault {
    /// Reads a fault's text.
    ///
    /// # Errors
    /// It is not of the form that the head of this file shows.
    pub fn parse(name: &str, text: &str) -> Result<Fault, String> {
        let problem = |what: &str| format!("fault {name}: {what}");
        let mut parts = text.split("\nin ");
        let sentence = parts.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let changes = parts.map(Change::parse).collect::<Option<Vec<_>>>();
        let changes =
            changes.ok_or(problem("a change is `in PATH`, `from`, lines, `to`, lines; the lines are indented"))?;
        if sentence.is_empty() || changes.is_empty() {
            return Err(problem("it needs a sentence and a change"));
        }
        Ok(Fault { name: name.to_owned(), sentence, changes })
    }
}

impl Change {
    fn parse(text: &str) -> Option<Change> {
        let (place, rest) = text.split_once("\nfrom\n")?;
        let (from, to) = rest.split_once("to\n").filter(|(from, _)| from.is_empty() || from.ends_with('\n'))?;
        let (path, occurrence) = match place.split_once(", occurrence ") {
            Some((path, number)) => (path, Some(number.trim().parse().ok().filter(|&number| number > 0)?)),
            None => (place, None),
        };
        let is_indented = |text: &str| text.lines().all(|line| line.is_empty() || line.starts_with("    "));
        let is_good = is_indented(from) && is_indented(to) && !from.trim().is_empty();
        let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
        is_good.then(|| Change { path: path.trim().to_owned(), occurrence, from, to })
    }

    /// Where in `source` its fragment stands.
    ///
    /// # Errors
    /// It stands nowhere, or in several places and it is not said in which.
    pub fn find(&self, source: &str) -> Result<Range<usize>, String> {
        let found = occurrences(source, &self.from);
        match (self.occurrence, found.len()) {
            (None, 1) => Ok(found[0].clone()),
            (Some(number), count) if number <= count => Ok(found[number - 1].clone()),
            (_, 0) => Err(format!("{} has no `{}` any more", self.path, self.from)),
            (None, count) => Err(format!("{} has {count} times `{}`", self.path, self.from)),
            (Some(_), count) => Err(format!("{} has only {count} times `{}`", self.path, self.from)),
        }
    }
}

/// The source with all these changes in it, each behind its question.
///
/// # Errors
/// A fragment is not found, or two of them overlap without being the same.
pub fn apply(source: &str, changes: &[Numbered<'_>]) -> Result<String, String> {
    let mut places = Vec::new();
    for &(number, change) in changes {
        places.push((change.find(source)?, number, change));
    }
    places.sort_by_key(|(range, number, _)| (range.start, range.end, *number));
    let mut patched = String::new();
    let mut end = 0;
    for group in places.chunk_by(|one, other| one.0 == other.0) {
        let range = group[0].0.clone();
        if range.start < end {
            return Err(format!(
                "{}: `{}` overlaps with the fragment of another fault",
                group[0].2.path, group[0].2.from
            ));
        }
        patched.push_str(&source[end..range.start]);
        let nested = group.iter().rev().try_fold(source[range.clone()].to_owned(), |rest, (_, number, change)| {
            behind_question(*number, change, &rest, group.len())
        });
        patched.push_str(&nested?);
        end = range.end;
    }
    patched.push_str(&source[end..]);
    Ok(patched)
}

/// What stands for `rest` when the change of this fault is added to it.
fn behind_question(number: usize, change: &Change, rest: &str, group: usize) -> Result<String, String> {
    let question = format!("crate::fault_switch::is({number})");
    let to = &change.to;
    if let Some(asked) = with_question(to, &question) {
        let problem = format!("{}: `{}` belongs to several faults, so none may name FAULT", change.path, change.from);
        return if group == 1 { Ok(asked) } else { Err(problem) };
    }
    // A statement needs no brackets, and gets no semicolon; an expression may stand in the middle of another.
    let is_statement = change.from.ends_with([';', '}']);
    let whole = format!("if {question} {{ {to} }} else {{ {rest} }}");
    Ok(if is_statement { whole } else { format!("({whole})") })
}

/// A `to` with the question where it names FAULT, if it does: as a word of its own.
fn with_question(to: &str, question: &str) -> Option<String> {
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_asked = |word: &str| word == "FAULT";
    let words = || {
        to.split_inclusive(|letter| !is_of_name(letter))
            .map(|part| part.split_at(part.trim_end_matches(|letter| !is_of_name(letter)).len()))
    };
    let put = |(word, rest): (&str, &str)| [if is_asked(word) { question } else { word }, rest].concat();
    words().any(|(word, _)| is_asked(word)).then(|| words().map(put).collect())
}

/// Where `fragment` stands in `source`; spaces and the ends of lines do not matter.
fn occurrences(source: &str, fragment: &str) -> Vec<Range<usize>> {
    let solid: Vec<(usize, char)> = source.char_indices().filter(|(_, letter)| !letter.is_whitespace()).collect();
    let wanted: Vec<char> = fragment.chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_here = |window: &&[(usize, char)]| window.iter().map(|(_, letter)| letter).eq(&wanted);
    let range = |window: &[(usize, char)]| {
        let (last, letter) = window[window.len() - 1];
        window[0].0..last + letter.len_utf8()
    };
    solid.windows(wanted.len().max(1)).filter(is_here).map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: &str, to: &str) -> Change {
        Change { path: "a.rs".into(), occurrence: None, from: from.into(), to: to.into() }
    }

    #[test]
    fn a_text_becomes_a_fault() {
        let text = "What it\nbreaks.\n\nin a.rs\nfrom\n    a(\n        b);\nto\n\nin b.rs, occurrence 2\nfrom\n    c\nto\n    d\n";
        let fault = Fault::parse("x", text).unwrap();
        assert_eq!((fault.sentence.as_str(), fault.changes.len()), ("What it breaks.", 2));
        assert_eq!((fault.changes[0].from.as_str(), fault.changes[0].to.as_str()), ("a(\n        b);", ""));
        assert_eq!((fault.changes[1].path.as_str(), fault.changes[1].occurrence), ("b.rs", Some(2)));
        for bad in
            ["Only a sentence.\n", "No from.\n\nin a.rs\nto\n    b\n", "Not indented.\n\nin a.rs\nfrom\na\nto\n    b\n"]
        {
            assert!(Fault::parse("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fragment_is_found_however_its_lines_are_broken() {
        let found = change("a.b(c);", "").find("x\na\n    .b( c );y").unwrap();
        assert_eq!(found, 2..16);
        assert!(change("a;", "").find("b;").unwrap_err().contains("no `a;` any more"));
        assert!(change("a;", "").find("a; a;").unwrap_err().contains("2 times"));
        let second = Change { occurrence: Some(2), ..change("a;", "") };
        assert_eq!(second.find("a; a;").unwrap(), 3..5);
    }

    #[test]
    fn changes_stand_behind_their_questions() {
        let is = |number| format!("crate::fault_switch::is({number})");
        let (one, other) = (change("a()", "b()"), change("c;", ""));
        let patched = apply("let x = a(); c;", &[(1, &other), (0, &one)]).unwrap();
        assert_eq!(
            patched,
            format!("let x = (if {} {{ b() }} else {{ a() }}); if {} {{  }} else {{ c; }}", is(0), is(1))
        );
        let again = change("a()", "d()");
        let patched = apply("a()", &[(0, &one), (1, &again)]).unwrap();
        assert_eq!(patched, format!("(if {} {{ b() }} else {{ (if {} {{ d() }} else {{ a() }}) }})", is(0), is(1)));
        let arm = change("1 => a,", "1 if FAULT => b, 1 => a,");
        assert_eq!(apply("1 => a,", &[(7, &arm)]).unwrap(), format!("1 if {} => b, 1 => a,", is(7)));
        let constant = change("a()", "COUNT_DEFAULT");
        assert!(apply("a()", &[(0, &constant)]).unwrap().contains("{ COUNT_DEFAULT }"));
        assert!(apply("a() + 1", &[(0, &one), (1, &change("a() + 1", "2"))]).unwrap_err().contains("overlaps"));
    }
}
