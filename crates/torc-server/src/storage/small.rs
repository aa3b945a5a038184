//! Small files that are read and written as a whole: users, and the configuration.
//!
//! A file that is written is there as it was before or as it is to be, whatever happens: it is written beside its place, given to the
//! disk, and renamed. Its mode stays; one that is new is for the owner alone, since it tells of passwords.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use torc_engine::config::rewritten;
use torc_engine::error::CommandError;
use torc_engine::{FileContent, HostReply};

/// A larger file is none of these.
const BYTES_MAX: u64 = 256 << 20;

/// Mode of a file that is new.
const MODE: u32 = 0o600;

/// Reads a file of users. The error is one line.
pub fn read_users(path: &Path) -> Result<Vec<u8>, String> {
    read(path).map_err(|error| format!("Error loading ACLs, opening file '{}': {}", path.display(), reason(&error)))
}

/// Reads a file for a command.
pub(super) fn reply_with_users(path: &Path) -> HostReply {
    match read_users(path) {
        Ok(content) => HostReply::Gives(content),
        Err(problem) => HostReply::Error(CommandError::made(format!("ERR {problem}"))),
    }
}

/// Writes a file for a command.
pub(super) fn write_for_command(path: &Path, content: &FileContent) -> HostReply {
    let written = match content {
        FileContent::Whole(bytes) => replace(path, bytes),
        FileContent::Directives(directives) => match read(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            old => replace(path, &rewritten(&old.unwrap_or_default(), directives)),
        },
    };
    let Err(error) = written else { return HostReply::Done };
    tracing::warn!("cannot write '{}': {error}", path.display());
    match content {
        FileContent::Whole(_) => HostReply::Failed,
        FileContent::Directives(_) => {
            HostReply::Error(CommandError::made(format!("ERR Rewriting config file: {}", reason(&error))))
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut content)?;
    match content.len() as u64 {
        ..=BYTES_MAX => Ok(content),
        _ => Err(io::Error::other("it is too large")),
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mode = path.metadata().map_or(MODE, |known| known.permissions().mode() & 0o7777);
    let beside = PathBuf::from(format!("{}.tmp-{}", path.display(), std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&beside)))
}

/// What is wrong, without the number that Rust puts behind it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
