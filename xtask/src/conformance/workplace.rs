//! The folder in which a run works, and stopping what a killed run has left.
//!
//! ```text
//!   target/conformance/
//!     redis-7.0.15/tests/     the suite, as it was unpacked
//!     logs/MODE-CORES/        what the suite has said, and the logs of servers whose unit failed
//!     run-PID/                everything else; gone when the run of that process ends
//! ```
//! A run that was killed leaves its folder, and servers and Tcl processes that work in it. The next run ends those, found
//! by their current folder rather than by a name or a port, and removes the folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{Outcome, command};

/// What stays between runs.
const KEPT: &[&str] = &[super::source::UNPACKED, "logs"];

/// The folder of this run. Dropping it removes the folder.
pub struct Workplace {
    /// The folder.
    pub folder: PathBuf,
}

impl Workplace {
    /// Clears up below `top` and makes the folder of this run there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(top: &Path) -> Outcome<Workplace> {
        clear_up(top);
        let folder = top.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Workplace { folder })
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What cannot be removed now is left for the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes whatever does not belong to a run that is still going on.
fn clear_up(top: &Path) {
    for entry in fs::read_dir(top).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if KEPT.contains(&name.as_str()) || is_going_on(&name) {
            continue;
        }
        let path = entry.path();
        end_all_within(&path);
        // As above.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

/// Whether this is the folder of a process of ours that lives.
fn is_going_on(name: &str) -> bool {
    let Some(id) = name.strip_prefix("run-") else { return false };
    // One that has ended, and whose parent has not noticed yet, has no such link any more.
    let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
    program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("xtask"))
}

/// Kills the processes whose current folder lies below this one.
fn end_all_within(folder: &Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)) {
            // It may be gone already.
            let _ = command(&["kill", "-KILL", id]).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::process::Group;
    use std::time::Duration;

    #[test]
    fn what_a_killed_run_has_left_is_cleared_up() {
        let top = std::env::temp_dir().join(format!("torc-workplace-{}", std::process::id()));
        // No process has this number: Linux counts to 2^22 at most.
        let (stale, own) = (top.join("run-99999999"), top.join("logs"));
        fs::create_dir_all(stale.join("server")).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(top.join("left.tar"), "x").unwrap();
        let mut left = Group::start(command(&["sleep", "100"]).current_dir(stale.join("server")), false).unwrap();
        let mut other = Group::start(command(&["sleep", "100"]).current_dir(&own), false).unwrap();

        let workplace = Workplace::new(&top).unwrap();
        assert!(left.wait(Duration::from_secs(10), || false), "it goes on");
        assert!(!other.has_ended());
        assert!(!stale.exists() && !top.join("left.tar").exists() && own.exists());
        // A second run at the same time leaves the first one alone.
        clear_up(&top);
        assert!(workplace.folder.exists());
        let folder = workplace.folder.clone();
        drop(workplace);
        assert!(!folder.exists());
        fs::remove_dir_all(&top).unwrap();
    }
}
