//! One file of a log: an RDB file at its front, if it has one, then records up to the first byte that is wrong.
//!
//! ```text
//!   |  RDB file  |  record  |  record  | #TS:90 |  record  | #TS:200 |  record  |  torn ...
//!                                                          ^ --truncate-to-timestamp 100  ^ ok_up_to: --fix cuts here
//! ```
//! Only the last file of a log may be cut: what is loaded behind a cut belongs to another past.

use std::path::Path;

use torc_engine::command::registry;
use torc_log::{End, Passage, Reader, Request, Role, begins_with_rdb};

use super::report::{Report, shown};
use super::request::Mode;
use super::source::Source;
use super::{Checked, NotValid, cut, rdb};

/// Bytes by which an RDB file at the front is known.
const HEAD_BYTES: usize = 6;

/// A file of a log, and what is to be done with it.
pub struct Part<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What the report calls it.
    pub name: &'a str,
    /// What it is: `AOF`, `BASE AOF`, `INCR AOF`.
    pub role: &'a str,
    /// Nothing of the log is loaded behind it.
    pub is_last: bool,
    /// What to do.
    pub mode: Mode,
}

/// What was found in the records of a file.
struct Scan {
    /// The last whole record ends here.
    valid_to: u64,
    /// On which line that is, counted as redis-check-aof does: those of requests, from the first one on.
    line: u64,
    finding: Finding,
}

/// Why a file counts no further.
enum Finding {
    /// It ends there.
    Whole,
    /// The next byte was written after the time that was asked for.
    IsLater,
    /// Something is wrong.
    Wrong(String),
}

/// Checks a file.
pub fn check(part: &Part<'_>, report: &mut Report) -> Checked {
    let mut source = Source::open(part.path, part.name, report)?;
    if source.bytes == 0 {
        report.line(format_args!("{} {} is empty", part.role, part.name));
        return Ok(());
    }
    if !begins_with_rdb(&source.head(HEAD_BYTES, report)?) {
        return check_records(part, source, &[], report);
    }
    let Ok(rest) = rdb::check_front(&mut source, part.name, report) else {
        report.line(format_args!("RDB preamble of AOF file is not sane, aborting."));
        return Err(NotValid);
    };
    check_behind_rdb(part, source, &rest, report)
}

/// Checks what follows an RDB file, of which `rest` has been read.
pub fn check_behind_rdb(part: &Part<'_>, source: Source, rest: &[u8], report: &mut Report) -> Checked {
    report.line(format_args!("RDB preamble is OK, proceeding with AOF tail..."));
    check_records(part, source, rest, report)
}

fn check_records(part: &Part<'_>, mut source: Source, rest: &[u8], report: &mut Report) -> Checked {
    let scan = scan(part, &mut source, rest, report)?;
    let Part { name, role, mode, .. } = *part;
    if let (Finding::IsLater, Mode::TruncateTo(seconds)) = (&scan.finding, mode) {
        return truncate(part, seconds, scan.valid_to, source.bytes, report);
    }
    if let Finding::Wrong(what) = &scan.finding {
        report.line(format_args!("AOF {name} {what}"));
    }
    match (&scan.finding, mode) {
        (Finding::Whole, Mode::TruncateTo(seconds)) => {
            report.line(format_args!("Truncate nothing in AOF {name} to timestamp {seconds}"));
        }
        _ => report.line(format_args!(
            "AOF analyzed: filename={name}, size={}, ok_up_to={}, ok_up_to_line={}, diff={}",
            source.bytes,
            scan.valid_to,
            scan.line,
            source.bytes - scan.valid_to
        )),
    }
    match scan.finding {
        Finding::Whole => {
            report.line(format_args!("{role} {name} is valid"));
            Ok(())
        }
        _ if mode == Mode::Fix => fix(part, scan.valid_to, source.bytes, report),
        _ => {
            report.line(format_args!("AOF {name} is not valid. Use the --fix option to try fixing it."));
            Err(NotValid)
        }
    }
}

/// Reads requests up to the end, or to what does not count. `rest` has been read already and stands at the front.
fn scan(part: &Part<'_>, source: &mut Source, rest: &[u8], report: &mut Report) -> Checked<Scan> {
    let begins_at = source.at - rest.len() as u64;
    report.progress.begin(part.name, source.bytes);
    let mut reader = Reader::new(begins_at).of_length(source.bytes).one_by_one();
    let mut survey = Survey { record_at: begins_at, line: 1, line_next: 1, has_unknown: false };
    reader.feed(rest);
    loop {
        while let Some(passage) = reader.next() {
            let (valid_to, finding) = match passage {
                Passage::Timestamp { seconds, offset } if is_later(seconds, part.mode) => (offset, Finding::IsLater),
                Passage::Request { request, role } => match survey.take(request, role, part, report) {
                    Some(what) => (survey.record_at, Finding::Wrong(what)),
                    None => continue,
                },
                Passage::Timestamp { .. } | Passage::Record(_) => continue,
            };
            return Ok(Scan { valid_to, line: survey.line, finding });
        }
        let chunk = source.read(report)?;
        if chunk.is_empty() {
            break;
        }
        reader.feed(chunk);
    }
    let (valid_to, finding) = ending(reader, source.bytes);
    Ok(Scan { valid_to, line: survey.line, finding })
}

fn is_later(seconds: u64, mode: Mode) -> bool {
    matches!(mode, Mode::TruncateTo(until) if seconds > until)
}

/// How a file of so many bytes ends, all of which have been read.
fn ending(reader: Reader, bytes: u64) -> (u64, Finding) {
    let wrong_at = reader.wrong_at().unwrap_or(bytes);
    match reader.finish() {
        End::Whole => (bytes, Finding::Whole),
        End::Torn { at } => {
            let what = "in the middle of a command, or between MULTI and EXEC";
            (at, Finding::Wrong(format!("ends too early, at offset {wrong_at}: {what}")))
        }
        End::Zeros { at, .. } => {
            let what = "only zero bytes from here to the end of the file";
            (at, Finding::Wrong(format!("format error at offset {wrong_at}: {what}")))
        }
        End::Corrupt { at, what } => (at, Finding::Wrong(format!("format error at offset {wrong_at}: {what}"))),
    }
}

/// What is known of the requests so far.
struct Survey {
    /// Where the last record begins.
    record_at: u64,
    /// On which line the next record begins, or the open one.
    line: u64,
    /// On which line the next request begins.
    line_next: u64,
    /// A command was unknown, and has been told.
    has_unknown: bool,
}

impl Survey {
    /// Takes the next request; gives what is wrong with it.
    fn take(&mut self, request: Request<'_>, role: Role, part: &Part<'_>, report: &mut Report) -> Option<String> {
        if matches!(role, Role::Alone | Role::Begins | Role::Unpaired) {
            self.record_at = request.offset;
        }
        let stray = match role {
            Role::Nested => Some("MULTI between MULTI and EXEC"),
            Role::Unpaired => Some("EXEC without MULTI"),
            Role::Alone | Role::Begins | Role::Within | Role::Ends => None,
        };
        if let Some(what) = stray {
            return Some(format!("format error at offset {}: {what}", request.offset));
        }
        let name = request.arguments.name();
        if !self.has_unknown && registry().find_name(name).is_none() {
            let (file, at, name) = (part.name, request.offset, shown(name));
            let effect = "torc does not load this file";
            report.line(format_args!("[info] AOF {file}: at offset {at}: unknown command '{name}': {effect}"));
            self.has_unknown = true;
        }
        // One line for the number of arguments, two for each argument.
        self.line_next += 1 + 2 * request.arguments.iter().len() as u64;
        if matches!(role, Role::Alone | Role::Ends) {
            self.line = self.line_next;
        }
        None
    }
}

fn fix(part: &Part<'_>, valid_to: u64, bytes: u64, report: &mut Report) -> Checked {
    let name = part.name;
    if !part.is_last {
        report.line(format_args!("Failed to truncate AOF {name} because it is not the last file"));
        return Err(NotValid);
    }
    let diff = bytes - valid_to;
    report.line(format_args!(
        "This will shrink the AOF {name} from {bytes} bytes, with {diff} bytes, to {valid_to} bytes"
    ));
    if !report.confirms() {
        report.line(format_args!("Aborting..."));
        return Err(NotValid);
    }
    cut::cut(part.path, name, valid_to, bytes, report)?;
    report.line(format_args!("Successfully truncated AOF {name}"));
    Ok(())
}

fn truncate(part: &Part<'_>, seconds: u64, valid_to: u64, bytes: u64, report: &mut Report) -> Checked {
    let name = part.name;
    if valid_to == 0 {
        report.line(format_args!("AOF {name} has nothing before timestamp {seconds}, aborting..."));
        return Err(NotValid);
    }
    if !part.is_last {
        report.line(format_args!(
            "Failed to truncate AOF {name} to timestamp {seconds} to offset {valid_to} because it is not the last file."
        ));
        report.line(format_args!(
            "To truncate it all the same, take the lines of all files behind it out of the manifest, and run this again."
        ));
        return Err(NotValid);
    }
    cut::cut(part.path, name, valid_to, bytes, report)?;
    report.line(format_args!("Successfully truncated AOF {name} to timestamp {seconds}"));
    Ok(())
}
