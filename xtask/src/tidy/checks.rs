//! The checks that look at one file: header, words that must not stand there, paths over a forbidden edge, and
//! `unsafe` without its argument.

use super::Problem;
use super::source::{Source, word_columns};

/// Folders of the crates that do no I/O, read no clock and start no thread.
const SANS_IO: &[&str] = &[
    "crates/torc-resp/",
    "crates/torc-store/",
    "crates/torc-rdb/",
    "crates/torc-log/",
    "crates/torc-engine/",
    "crates/torc-sim/",
    "crates/torc-log-sim/",
];
/// What they must not name, as the start of a path.
const SANS_IO_FORBIDDEN: &[&str] =
    &["std::net", "std::fs", "std::thread", "std::time::Instant", "std::time::SystemTime"];
/// Under a forbidden path, and yet harmless: asks, starts nothing.
const SANS_IO_HARMLESS: &[&str] = &["std::thread::panicking"];
/// What only [`RING_ALLOWED`] may name.
const RING_CRATES: &[&str] = &["glommio", "io_uring", "crossbeam"];
const RING_ALLOWED: &[&str] = &["crates/torc-server/", "benches/"];
/// Left in by accident, or an error without handling.
const LEFTOVERS: &[&str] = &["dbg!(", "todo!(", "unimplemented!(", ".unwrap()"];
const SERVER: &str = "crates/torc-server/";

/// Every check, in the order of the lines.
pub fn check(source: &Source) -> Vec<Problem> {
    let mut problems =
        [header(source), leftovers(source), forbidden_paths(source), unargued_unsafe(source), command_names(source)]
            .concat();
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Crates that a manifest at `path` must not depend on.
pub fn check_manifest(path: &str, text: &str) -> Vec<Problem> {
    let is_allowed = |name: &str| match name {
        "io-uring" => starts_with_any(path, RING_ALLOWED),
        _ => path.starts_with(SERVER),
    };
    let mut is_dependencies = false;
    let mut problems = Vec::new();
    for (line, text) in text.lines().enumerate() {
        if text.starts_with('[') {
            is_dependencies = text.contains("dependencies");
        }
        let name = text.split(['.', '=', ' ']).next().unwrap_or_default();
        let is_ring = name.starts_with("glommio") || name == "io-uring" || name.starts_with("crossbeam");
        if is_dependencies && is_ring && !is_allowed(name) {
            problems.push(Problem { path: path.into(), line, text: format!("this crate must not depend on {name}") });
        }
    }
    problems
}

/// Every file begins with its mental model.
fn header(source: &Source) -> Vec<Problem> {
    let has_header = source.lines.first().is_some_and(|line| line.starts_with("//!"));
    if has_header { Vec::new() } else { vec![Problem::new(source, 0, "no `//!` header on the first line")] }
}

fn leftovers(source: &Source) -> Vec<Problem> {
    let is_example = source.path.split('/').any(|folder| folder == "examples");
    let lines = product_lines(source).filter(|_| !is_example);
    lines
        .flat_map(|(line, code)| {
            LEFTOVERS.iter().filter(move |word| has_leftover(code, word)).map(move |it| (line, it))
        })
        .map(|(line, word)| Problem::new(source, line, format!("`{word}` outside tests")))
        .collect()
}

fn has_leftover(code: &str, word: &str) -> bool {
    if word.starts_with('.') { code.contains(word) } else { !word_columns(code, &word[..word.len() - 1]).is_empty() }
}

fn forbidden_paths(source: &Source) -> Vec<Problem> {
    // Examples and benchmarks of such a crate are programs of their own, with a clock and an output.
    let is_program = source.path.split('/').any(|folder| folder == "examples" || folder == "benches");
    let is_sans_io = starts_with_any(&source.path, SANS_IO) && !is_program;
    let is_ring_allowed = starts_with_any(&source.path, RING_ALLOWED);
    let is_forbidden = |path: &str| {
        let hits = |forbidden: &&&str| path == **forbidden || path.starts_with(&format!("{forbidden}::"));
        let is_checked = is_sans_io && !SANS_IO_HARMLESS.contains(&path);
        let sans_io = is_checked.then(|| SANS_IO_FORBIDDEN.iter().find(hits)).flatten();
        let is_ring = |name: &&&str| path.split("::").next().is_some_and(|first| first.starts_with(**name));
        let ring = (!is_ring_allowed).then(|| RING_CRATES.iter().find(is_ring)).flatten();
        sans_io.or(ring).copied()
    };
    paths(source)
        .into_iter()
        .filter_map(|(line, path)| {
            is_forbidden(&path).map(|it| Problem::new(source, line, format!("this crate must not name `{it}`")))
        })
        .collect()
}

/// Every path with `::` in code outside tests, with the groups of `use` written out.
fn paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut statement: Option<(usize, String)> = None;
    for (line, code) in product_lines(source) {
        let text = code.trim();
        let starts_use =
            ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().find(|it| text.starts_with(**it));
        match (&mut statement, starts_use) {
            (Some((_, whole)), _) => whole.push_str(text),
            (None, Some(words)) => statement = Some((line, text[words.len()..].to_owned())),
            (None, None) => found.extend(inline_paths(text).map(|path| (line, path))),
        }
        if let Some((line, whole)) = statement.take_if(|(_, whole)| whole.contains(';')) {
            let mut expanded = Vec::new();
            expand_use("", whole.split(';').next().unwrap_or_default(), &mut expanded);
            found.extend(expanded.into_iter().map(|path| (line, path)));
        }
    }
    found
}

fn inline_paths(code: &str) -> impl Iterator<Item = String> {
    let is_path = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    code.split(move |character| !is_path(character))
        .filter(|word| word.contains("::"))
        .map(|word| word.trim_start_matches(':').to_owned())
}

/// `a::{b, c::{d}}` becomes `a::b` and `a::c::d`.
fn expand_use(prefix: &str, text: &str, found: &mut Vec<String>) {
    let text = text.trim();
    let Some(open) = text.find('{') else {
        let path = text.split(" as ").next().unwrap_or_default().trim().trim_start_matches("::");
        found.push(format!("{prefix}{}", path.trim_end_matches("::self")));
        return;
    };
    let inner = text[open + 1..].trim_end().trim_end_matches('}');
    // Only this group's own brace is to go.
    let closing = text.matches('}').count().saturating_sub(1);
    let inner = format!("{inner}{}", "}".repeat(closing.saturating_sub(inner.matches('}').count())));
    let prefix = format!("{prefix}{}", text[..open].trim_start_matches("::"));
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                expand_use(&prefix, &inner[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand_use(&prefix, &inner[start..], found);
    }
}

/// Every `unsafe` block and `unsafe impl` has a comment with `SAFETY:` on its statement or right above it.
fn unargued_unsafe(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, code) in source.code.iter().enumerate() {
        for column in word_columns(code, "unsafe") {
            let next = code[column + "unsafe".len()..].trim_start();
            // `unsafe fn`, `unsafe trait` and `unsafe extern` state what callers owe, in their docs.
            let needs_argument = next.is_empty() || next.starts_with('{') || next.starts_with("impl");
            if needs_argument && !has_argument(source, line) {
                problems.push(Problem::new(source, line, "`unsafe` without a `SAFETY:` comment above it"));
            }
        }
    }
    problems
}

fn has_argument(source: &Source, line: usize) -> bool {
    if source.lines[line].contains("SAFETY:") {
        return true;
    }
    let mut has_passed_comment = false;
    for above in (0..line).rev() {
        let text = source.lines[above].trim();
        if text.starts_with("//") {
            if text.contains("SAFETY:") {
                return true;
            }
            has_passed_comment = true;
            continue;
        }
        // The statement may begin lines above, but its comment stands right above that beginning.
        let code = source.code[above].trim_end();
        let is_before_statement = code.is_empty() || code.ends_with([';', '{', '}', ',']);
        let is_attribute = text.starts_with("#[");
        if has_passed_comment || (is_before_statement && !is_attribute) {
            return false;
        }
    }
    false
}

/// The server knows no command by name: no byte string of capitals only.
fn command_names(source: &Source) -> Vec<Problem> {
    if !source.path.starts_with(SERVER) {
        return Vec::new();
    }
    let is_name = |text: &str| text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let literals = source.literals.iter().filter(|it| it.is_bytes && is_name(&it.content) && !source.is_test[it.line]);
    literals
        .map(|it| Problem::new(source, it.line, format!("the server names a command: b\"{}\"", it.content)))
        .collect()
}

/// Lines of code that are not tests.
fn product_lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.code.iter().map(String::as_str).enumerate();
    lines.filter(|(line, _)| !source.is_test[*line])
}

fn starts_with_any(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, &format!("//! Header.\n{text}"))).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_header_is_named() {
        assert_eq!(header(&Source::new("a.rs", "fn a() {}\n")).len(), 1);
        assert_eq!(header(&Source::new("a.rs", "")).len(), 1);
        assert!(problems("a.rs", "fn a() {}\n").is_empty());
    }

    #[test]
    fn leftovers_are_found_outside_tests_only() {
        assert_eq!(
            problems("crates/x/src/a.rs", "fn a() { b.unwrap(); }\n"),
            ["crates/x/src/a.rs:2: `.unwrap()` outside tests"]
        );
        assert_eq!(
            problems("a.rs", "fn a() { todo!() }\nfn b() { std::dbg!(1); }\nfn c() { unimplemented!() }\n").len(),
            3
        );
        assert!(problems("a.rs", "// .unwrap()\nfn a() { b(\"todo!()\"); c.unwrap_or(1); }\n").is_empty());
        assert!(problems("a.rs", "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); }\n}\n").is_empty());
        assert!(problems("crates/x/tests/a.rs", "fn a() { b.unwrap(); }\n").is_empty());
    }

    #[test]
    fn pure_crates_do_not_reach_the_outside() {
        let engine = "crates/torc-engine/src/a.rs";
        assert_eq!(problems(engine, "use std::fs;\n").len(), 1);
        assert_eq!(
            problems(engine, "use std::{\n    collections::HashMap,\n    net::{IpAddr, TcpStream},\n};\n").len(),
            2
        );
        assert_eq!(problems(engine, "fn a() { std::time::Instant::now(); }\n").len(), 1);
        assert_eq!(problems("crates/torc-sim/src/a.rs", "use std::net;\n").len(), 1);
        assert_eq!(problems(engine, "use std::time::{Duration, Instant};\n").len(), 1);
        assert!(problems(engine, "use std::time::Duration;\nuse std::fmt;\nuse crate::fs::a;\n").is_empty());
        assert!(problems("crates/torc-server/src/a.rs", "use std::fs;\n").is_empty());
        assert!(problems(engine, "fn a() { std::thread::panicking(); }\n").is_empty());
        assert_eq!(problems(engine, "fn a() { std::thread::spawn(b); }\n").len(), 1);
        assert!(problems("crates/torc-engine/examples/a.rs", "use std::fs;\n").is_empty());
    }

    #[test]
    fn rings_and_queues_belong_to_the_server() {
        assert_eq!(problems("crates/torc-store/src/a.rs", "use crossbeam_queue::ArrayQueue;\n").len(), 1);
        assert_eq!(problems("xtask/src/a.rs", "fn a() { io_uring::IoUring::new(1); }\n").len(), 1);
        assert!(problems("crates/torc-server/src/a.rs", "use glommio::LocalExecutor;\n").is_empty());
        let manifest =
            "[package]\nname = \"a\"\n[dependencies]\nio-uring.workspace = true\nglommio = { package = \"b\" }\n";
        assert_eq!(check_manifest("crates/torc-store/Cargo.toml", manifest).len(), 2);
        assert_eq!(check_manifest("benches/Cargo.toml", manifest).len(), 1);
        assert!(check_manifest("crates/torc-server/Cargo.toml", manifest).is_empty());
    }

    #[test]
    fn groups_of_use_are_written_out() {
        let mut found = Vec::new();
        expand_use("", "a::{self, b as z, c::{d, e::{f}}, g}", &mut found);
        assert_eq!(found, ["a::self", "a::b", "a::c::d", "a::c::e::f", "a::g"]);
    }

    #[test]
    fn unsafe_wants_its_argument() {
        assert_eq!(problems("a.rs", "fn a() {\n    unsafe { b() };\n}\n").len(), 1);
        assert_eq!(problems("a.rs", "unsafe impl Send for A {}\n").len(), 1);
        assert_eq!(problems("a.rs", "// SAFETY: b is fine.\nfn c();\nunsafe impl Send for A {}\n").len(), 1);
        assert!(
            problems("a.rs", "fn a() {\n    // SAFETY: b is fine,\n    // really.\n    unsafe { b() };\n}\n")
                .is_empty()
        );
        assert!(
            problems("a.rs", "fn a() {\n    // SAFETY: fine.\n    let c =\n        unsafe { b() };\n}\n").is_empty()
        );
        assert!(problems("a.rs", "// SAFETY: fine.\n#[allow(x)]\nunsafe impl Send for A {}\n").is_empty());
        assert!(problems("a.rs", "/// # Safety\nunsafe fn a() {}\n// unsafe {\n").is_empty());
    }

    #[test]
    fn the_server_names_no_command() {
        assert_eq!(problems("crates/torc-server/src/a.rs", "const A: &[u8] = b\"GET\";\n").len(), 1);
        assert!(problems("crates/torc-server/src/a.rs", "const A: &[u8] = b\"GET /\";\n").is_empty());
        assert!(problems("crates/torc-engine/src/a.rs", "const A: &[u8] = b\"GET\";\n").is_empty());
    }
}
