//! Cutting a file: what goes is first in another file, on disk, under a name that was free.
//!
//! ```text
//!   appendonly.aof.3.incr.aof                  | whole records |              cut and synced last
//!   appendonly.aof.3.incr.aof.torn-at-4711                     | the rest     synced first, then the directory
//! ```
//! The name is the one that a server gives to the torn tail that it cuts off at its start; a number follows where an earlier
//! cut has taken it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use torc_log::Names;

use super::report::{Report, system_text};
use super::{Checked, NotValid};
use crate::storage::copy_tail;

/// Names that are tried.
const NAMES_MAX: u32 = 1000;

/// Cuts a file of `bytes` bytes at `offset`, and says where the rest is kept, or why nothing has been cut.
pub fn cut(path: &Path, name: &str, offset: u64, bytes: u64, report: &mut Report) -> Checked {
    match set_aside_and_cut(path, offset, bytes) {
        Ok(aside) => {
            report.line(format_args!("The {} bytes that are cut off are kept in {}", bytes - offset, aside.display()));
            Ok(())
        }
        Err(error) => {
            let why = system_text(&error);
            report.line(format_args!("Failed to truncate AOF {name} at offset {offset}: {why}"));
            Err(NotValid)
        }
    }
}

fn set_aside_and_cut(path: &Path, offset: u64, bytes: u64) -> io::Result<PathBuf> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let found = file.metadata()?;
    if found.len() != bytes {
        return Err(io::Error::other("its length has changed since it was read: a server seems to use it"));
    }
    let (aside, mut into) = create_aside(path, offset)?;
    let kept = into
        .set_permissions(found.permissions())
        .and_then(|()| copy_tail(&mut file, offset, &mut into))
        .and_then(|()| File::open(aside.parent().unwrap_or(Path::new(".")))?.sync_all());
    if let Err(error) = kept {
        // The file is whole: half a copy of its end is of no use.
        let _ = std::fs::remove_file(&aside);
        return Err(error);
    }
    file.set_len(offset)?;
    file.sync_all()?;
    Ok(aside)
}

fn create_aside(path: &Path, offset: u64) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    let first = Names::set_aside(&name.to_string_lossy(), offset);
    for number in 1..=NAMES_MAX {
        let name = if number == 1 { first.clone() } else { format!("{first}.{number}") };
        let aside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).join(name);
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(file) => return Ok((aside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{first} and {NAMES_MAX} names like it are taken")))
}
