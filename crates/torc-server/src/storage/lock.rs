//! The lock of a log: one process at a time writes it.
//!
//! ```text
//!   appendonlydir/appendonly.aof.lock    flock(LOCK_EX)    "4711 127.0.0.1:6379": who has it, for the message that refuses another
//! ```
//! It stands beside the files of the log and is called like them, so that servers with different `appenddirname` or `appendfilename` may
//! share a directory. The kernel lets go of it when its holder is gone, however that ended; the file stays, and says nothing by itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use torc_engine::config::Config;

use super::system_text;

/// A process that is killed may still be on its way out when its successor starts.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);
/// What the holder says of itself is no longer.
const HOLDER_BYTES_MAX: u64 = 200;

/// A lock that is held until this is dropped, or the process is gone.
#[derive(Debug)]
pub(super) struct LogLock {
    _file: Option<File>,
}

impl LogLock {
    /// Takes the lock of the log in `directory`, which exists.
    ///
    /// # Errors
    /// Another process has it, or it cannot be made: one line that says so.
    pub fn take(directory: &Path, config: &Config) -> Result<LogLock, String> {
        let path = directory.join(format!("{}.lock", config.log.appendfilename));
        let why = |error: &io::Error| format!("{}: {}", path.display(), system_text(error));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| why(&error))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("{} is in use by {}", directory.display(), holder(&file)));
            }
            Err(TryLockError::Error(error)) if is_unknown(&error) => {
                tracing::warn!("{}: the file system has no locks, so nothing keeps another server out", path.display());
                return Ok(LogLock { _file: None });
            }
            Err(TryLockError::Error(error)) => return Err(why(&error)),
        }
        sign(&file, config).map_err(|error| why(&error))?;
        Ok(LogLock { _file: Some(file) })
    }
}

fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            taken => return taken,
        }
    }
    file.try_lock()
}

/// Whether the file system knows no such locks.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS))
}

/// Says whose it is.
fn sign(mut file: &File, config: &Config) -> io::Result<()> {
    let address = match config.bind.first() {
        Some(host) if config.port != 0 => format!("{}:{}", host.trim_start_matches('-'), config.port),
        _ => config.unixsocket.clone(),
    };
    file.set_len(0)?;
    file.write_all(format!("{} {address}\n", std::process::id()).as_bytes())
}

/// Who has it, by what is written in it.
fn holder(file: &File) -> String {
    let mut text = String::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    match text.trim().split_once(' ') {
        Some((process, address)) if read.is_ok() => format!("process {process} ({address})"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let directory = std::env::temp_dir().join(format!("torc-lock-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("it can be made");
        let config = Config { port: 7000, ..Config::default() };
        let first = LogLock::take(&directory, &config).expect("nobody has it");
        let refused = LogLock::take(&directory, &config).expect_err("it is taken");
        let expected = format!("is in use by process {} (127.0.0.1:7000)", std::process::id());
        assert!(refused.ends_with(&expected), "{refused}");
        let mut other = config.clone();
        other.log.appendfilename = "other.aof".to_owned();
        LogLock::take(&directory, &other).expect("it is of another log");
        drop(first);
        LogLock::take(&directory, &config).expect("it is free again");
        std::fs::remove_dir_all(&directory).expect("it can be removed");
        let error = LogLock::take(&directory, &config).expect_err("there is no directory");
        assert!(error.ends_with("appendonly.aof.lock: No such file or directory"), "{error}");
    }
}
