//! `torc check`: says whether RDB files, append-only files and manifests can be loaded, and repairs a log at its end.
//!
//! ```text
//!   arguments --request--> tool, mode, files
//!   file --kind: content, then name--> manifest   each file that it names, in the order in which they are loaded
//!                                      log        an RDB file at its front, then records up to the first byte that is wrong
//!                                      rdb        frames, and each value decoded
//!   what does not count --cut: set aside beside the file, synced--> the file ends behind its last whole record
//! ```
//! The framing is that of the server's own loading (`torc_rdb::file::Reader`, `torc_log::Reader`), so that both judge alike.
//! The texts that scripts look for, and the exit status, are those of redis-check-rdb and redis-check-aof; under these names
//! the binary takes their arguments.
//!
//! **Nothing is destroyed**: what is cut off a file stays in another one, as when a server cuts off a torn tail at its start.
//!
//! **Memory** is bounded by the largest request of a log, and by the largest value of an RDB file, which a server needs as
//! well: files are read in chunks.

mod cut;
mod kind;
mod log;
mod manifest;
mod rdb;
mod report;
mod request;
mod source;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kind::Kind;
use report::Report;
use request::{Request, Task, Tool};

/// A file is not valid or cannot be read. The report says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotValid;

/// What follows from a check: nothing more to say in either case.
type Checked<T = ()> = Result<T, NotValid>;

/// Does what the arguments of the process ask for, if that is a check; `None`: they ask for something else.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let task = request::read(arguments)?;
    let is_good = match task {
        Task::Check(request) => check(&request, &mut Report::of_process()).is_ok(),
        Task::Print { text, is_mistake, to_stderr } => {
            // Whoever does not listen any more is no reason to fail.
            let _ = match to_stderr {
                true => io::stderr().write_all(text.as_bytes()),
                false => io::stdout().write_all(text.as_bytes()),
            };
            !is_mistake
        }
    };
    Some(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks all files; one that is not valid does not keep the others from being checked.
fn check(request: &Request, report: &mut Report) -> Checked {
    let mut result = Ok(());
    for file in &request.files {
        result = check_file(request, file, report).and(result);
    }
    result
}

fn check_file(request: &Request, file: &Path, report: &mut Report) -> Checked {
    let name = file.display().to_string();
    if request.tool == Tool::Rdb {
        return rdb::check_alone(file, &name, report);
    }
    match (kind::of(file, &name, report)?, request.tool) {
        (Kind::Manifest, _) => manifest::check(file, request.mode, report),
        (Kind::Rdb, Tool::Any) => rdb::check_or_log(file, &name, request.mode, report),
        (Kind::Rdb | Kind::Log, _) => {
            report.line(format_args!("Start checking Old-Style AOF"));
            log::check(&log::Part { path: file, name: &name, role: "AOF", is_last: true, mode: request.mode }, report)
        }
    }
}
