//! What the arguments ask for: by the name under which the binary was started, or by its first argument.
//!
//! ```text
//!   torc check [--fix | --truncate-to-timestamp SECONDS] FILE ...             any kind of file
//!   redis-check-aof [--fix | --truncate-to-timestamp SECONDS] FILE            a log, as the tool of that name
//!   redis-check-rdb FILE                                                      an RDB file, as the tool of that name
//! ```
//! `valkey-check-*` and `torc-check-*` are the same as `redis-check-*`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Whose behaviour is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `torc check`: each file as what it is.
    Any,
    /// redis-check-aof: manifests and append-only files.
    Log,
    /// redis-check-rdb: RDB files.
    Rdb,
}

/// What to do with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To look at it only.
    Look,
    /// To cut off what stands behind the last whole record, if the user agrees.
    Fix,
    /// To cut off what was written after this second of Unix time.
    TruncateTo(u64),
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose behaviour.
    pub tool: Tool,
    /// What to do with logs.
    pub mode: Mode,
    /// At least one; for other tools than [`Tool::Any`] exactly one.
    pub files: Vec<PathBuf>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A check.
    Check(Request),
    /// To print this, and to end.
    Print {
        /// Whole lines.
        text: String,
        /// Whether the exit status is that of a failure.
        is_mistake: bool,
        /// Where to.
        to_stderr: bool,
    },
}

/// Reads the arguments of a process, its name first; `None`: this is no check.
pub fn read(arguments: &[OsString]) -> Option<Task> {
    let (program, words) = arguments.split_first()?;
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    if let Some(tool) = tool_of(name) {
        return Some(read_words(tool, name, words));
    }
    match words.split_first() {
        Some((first, words)) if first == "check" => Some(read_words(Tool::Any, "torc check", words)),
        _ => None,
    }
}

/// The tool that this name of the program stands for.
fn tool_of(name: &str) -> Option<Tool> {
    let (family, rest) = name.split_once('-')?;
    let tool = match rest {
        "check-aof" => Tool::Log,
        "check-rdb" => Tool::Rdb,
        _ => return None,
    };
    matches!(family, "redis" | "valkey" | "torc").then_some(tool)
}

fn read_words(tool: Tool, name: &str, words: &[OsString]) -> Task {
    match words.first().and_then(|word| word.to_str()) {
        Some("--version" | "-v") => return print(format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
        Some("--help" | "-h") => return print(usage(tool, name)),
        _ => {}
    }
    match read_request(tool, words) {
        Ok(request) => Task::Check(request),
        Err(mistake) => mistaken(tool, name, &mistake),
    }
}

/// The request, or what is wrong with it; nothing if only the usage is to be shown.
fn read_request(tool: Tool, words: &[OsString]) -> Result<Request, String> {
    let mut request = Request { tool, mode: Mode::Look, files: Vec::new() };
    let mut words = words.iter();
    let mut are_options_over = tool == Tool::Rdb;
    while let Some(word) = words.next() {
        let mode = match word.to_str() {
            Some("--") if !are_options_over => {
                are_options_over = true;
                continue;
            }
            Some("--fix") if !are_options_over => Mode::Fix,
            Some("--truncate-to-timestamp") if !are_options_over => {
                let seconds = words.next().ok_or_else(String::new)?;
                let seconds = seconds.to_str().and_then(|text| text.parse().ok());
                Mode::TruncateTo(seconds.ok_or_else(|| "Invalid timestamp, aborting...".to_owned())?)
            }
            Some(option) if !are_options_over && option.starts_with("--") => {
                return Err(if tool == Tool::Any { format!("unknown option '{option}'") } else { String::new() });
            }
            _ => {
                request.files.push(PathBuf::from(word));
                continue;
            }
        };
        if request.mode != Mode::Look {
            return Err(String::new());
        }
        request.mode = mode;
    }
    match (tool, request.files.len()) {
        (_, 1) | (Tool::Any, 2..) => Ok(request),
        _ => Err(String::new()),
    }
}

fn print(text: String) -> Task {
    Task::Print { text, is_mistake: false, to_stderr: false }
}

/// redis-check-aof tells mistakes on its standard output, redis-check-rdb on standard error.
fn mistaken(tool: Tool, name: &str, mistake: &str) -> Task {
    let text = match (tool, mistake) {
        (Tool::Any, "") => usage(tool, name),
        (Tool::Any, mistake) => format!("{name}: {mistake}\n{}", usage(tool, name)),
        (_, "") => usage(tool, name),
        (_, mistake) => format!("{mistake}\n"),
    };
    Task::Print { text, is_mistake: true, to_stderr: tool != Tool::Log }
}

fn usage(tool: Tool, name: &str) -> String {
    match tool {
        Tool::Rdb => format!("Usage: {name} <rdb-file-name>\n"),
        Tool::Log => format!("Usage: {name} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n"),
        Tool::Any => format!("Usage: {name} [--fix | --truncate-to-timestamp SECONDS] FILE ...\n{EXPLANATION}"),
    }
}

const EXPLANATION: &str = "
  FILE                             an RDB file, an append-only file, or a manifest and all that it names
  --fix                            cut off what stands behind the last whole command, after a question
  --truncate-to-timestamp SECONDS  cut off what was written after this time, where the file has times
                                   (aof-timestamp-enabled)

What is cut off is kept beside the file, in FILE.torn-at-OFFSET. No server may use the files meanwhile.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn task(line: &str) -> Option<Task> {
        read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn request(line: &str) -> (Tool, Mode, usize) {
        match task(line) {
            Some(Task::Check(request)) => (request.tool, request.mode, request.files.len()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn names_and_the_first_word_choose_the_tool() {
        assert_eq!(request("/bin/torc check a"), (Tool::Any, Mode::Look, 1));
        for family in ["redis", "valkey", "torc"] {
            assert_eq!(request(&format!("/x/{family}-check-aof a")), (Tool::Log, Mode::Look, 1));
            assert_eq!(request(&format!("{family}-check-rdb --fix")), (Tool::Rdb, Mode::Look, 1));
        }
        for other in ["torc", "torc torc.conf", "torc --port 1", "redis-server check-aof", "x-check-aof a", "check a"] {
            assert_eq!(task(other), None, "{other}");
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn options_stand_anywhere_before_two_dashes() {
        assert_eq!(request("torc check --fix a b"), (Tool::Any, Mode::Fix, 2));
        assert_eq!(request("torc check a --fix"), (Tool::Any, Mode::Fix, 1));
        assert_eq!(request("torc check -- --fix"), (Tool::Any, Mode::Look, 1));
        assert_eq!(request("redis-check-aof --truncate-to-timestamp 17 a"), (Tool::Log, Mode::TruncateTo(17), 1));
    }

    #[test]
    fn mistakes_show_the_usage() {
        let usage = [
            "torc check",
            "torc check --fix",
            "torc check --fix --fix a",
            "torc check --fix --truncate-to-timestamp 1 a",
            "torc check --truncate-to-timestamp",
            "torc check --nothing a",
            "redis-check-aof",
            "redis-check-aof --fix a b",
            "redis-check-aof --nothing a",
            "redis-check-rdb",
            "redis-check-rdb a b",
        ];
        for line in usage {
            let Some(Task::Print { text, is_mistake: true, .. }) = task(line) else { panic!("{line}") };
            assert!(text.contains("Usage: "), "{line}: {text}");
        }
        for line in ["redis-check-aof --truncate-to-timestamp x a", "torc check --truncate-to-timestamp -1 a"] {
            let Some(Task::Print { text, is_mistake: true, .. }) = task(line) else { panic!("{line}") };
            assert!(text.contains("Invalid timestamp, aborting..."), "{line}: {text}");
        }
        for line in ["torc check --help", "redis-check-rdb -v", "valkey-check-aof --version"] {
            assert!(matches!(task(line), Some(Task::Print { is_mistake: false, .. })), "{line}");
        }
    }
}
