//! A manifest, and each file that it names, in the order in which a server loads them.
//!
//! ```text
//!   manifest --torc_log::Manifest--> base, increment, increment ... last increment
//!                                    ^ whole, or the check has failed  ^ may be cut
//! ```
//! A check that changes nothing goes on behind a file that is not valid, to tell of all of them. One that may cut stops there:
//! the last file is of no use behind a hole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use torc_log::{Manifest, begins_with_rdb};

use super::log::{self, Part};
use super::report::Report;
use super::request::Mode;
use super::source::Source;
use super::{Checked, NotValid};

/// No manifest is longer: one has a line of less than 1,024 bytes for each file of its directory.
const BYTES_MAX: u64 = 64 << 20;

/// Checks a manifest and its files.
pub fn check(path: &Path, mode: Mode, report: &mut Report) -> Checked {
    report.line(format_args!("Start checking Multi Part AOF"));
    let manifest = read(path, report)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let last = manifest.loaded().count();
    let mut result = Ok(());
    for (index, listed) in manifest.loaded().enumerate() {
        let path = directory.join(&*listed.file);
        let is_base = manifest.base().is_some_and(|base| base.file == listed.file) && index == 0;
        if is_base {
            tell_format(&path, report);
        } else if index == usize::from(manifest.base().is_some()) {
            report.line(format_args!("Start to check INCR files."));
        }
        let role = if is_base { "BASE AOF" } else { "INCR AOF" };
        let part = Part { path: &path, name: &listed.file, role, is_last: index + 1 == last, mode };
        result = log::check(&part, report).and(result);
        if result.is_err() && mode != Mode::Look {
            return result;
        }
    }
    if result.is_ok() {
        report.line(format_args!("All AOF files and manifest are valid"));
    }
    result
}

fn read(path: &Path, report: &mut Report) -> Checked<Manifest> {
    let shown = path.display();
    let mut source = Source::open(path, &shown.to_string(), report)?;
    if source.bytes > BYTES_MAX {
        report.line(format_args!("AOF manifest {shown}: {} bytes are too many for a manifest", source.bytes));
        return Err(NotValid);
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = source.read(report)?;
        if chunk.is_empty() {
            break;
        }
        bytes.extend_from_slice(chunk);
    }
    Manifest::parse(&bytes).map_err(|error| {
        report.line(format_args!("AOF manifest {shown}: {error}"));
        NotValid
    })
}

/// Says what the base is; a base that cannot be read is told of by its check.
fn tell_format(path: &Path, report: &mut Report) {
    let mut head = [0; 6];
    let Ok(len) = File::open(path).and_then(|mut file| file.read(&mut head)) else { return };
    let format = if begins_with_rdb(&head[..len]) { "RDB" } else { "RESP" };
    report.line(format_args!("Start to check BASE AOF ({format} format)."));
}
