//! A child process in a group of its own, which ends together with all that it has started.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::tools::{Outcome, command};

/// How often a process that is waited for is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A running process and its group. Dropping it ends the group.
pub struct Group {
    child: Child,
    reader: Option<JoinHandle<()>>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Group {
    /// Starts a program; what it writes to standard output is kept for [`Group::output`] if `keep` says so.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &mut Command, keep: bool) -> Outcome<Group> {
        let name = program.get_program().to_string_lossy().into_owned();
        program.stdin(Stdio::null()).process_group(0);
        if keep {
            program.stdout(Stdio::piped());
        }
        let mut child = program.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let reader = child.stdout.take().map(|mut stdout| {
            let output = Arc::clone(&output);
            thread::spawn(move || {
                let mut chunk = [0; 1 << 16];
                while let Ok(len @ 1..) = stdout.read(&mut chunk) {
                    output.lock().expect("nobody panics with the lock").extend_from_slice(&chunk[..len]);
                }
            })
        });
        Ok(Group { child, reader, output })
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits until the process ends, `is_over` says so or the time is over; true if the process has ended.
    pub fn wait(&mut self, limit: Duration, mut is_over: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() > end || is_over() {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// Asks the whole group to end, makes it end, and gives what was written.
    pub fn end(&mut self) -> String {
        for (signal, patience) in [("TERM", Duration::from_secs(5)), ("KILL", Duration::from_secs(5))] {
            self.signal(signal);
            if self.wait(patience, || false) {
                break;
            }
        }
        // Whatever else is left of the group.
        self.signal("KILL");
        if let Some(reader) = self.reader.take() {
            // A process that left the group may hold the pipe open; what it writes is of no use.
            let end = Instant::now() + Duration::from_secs(2);
            while !reader.is_finished() && Instant::now() < end {
                thread::sleep(POLL);
            }
        }
        let output = self.output.lock().expect("nobody panics with the lock");
        String::from_utf8_lossy(&output).into_owned()
    }

    fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} -{} 2>/dev/null", self.child.id());
        // The group may be gone already.
        let _ = command(&["sh", "-c", &line]).status();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_with_its_children() {
        let mut group = Group::start(&mut command(&["sh", "-c", "echo one; sleep 100 & echo $!; wait"]), true).unwrap();
        assert!(!group.wait(Duration::from_millis(300), || false));
        let output = group.end();
        let child = output.lines().nth(1).expect("the id of the child");
        assert!(output.starts_with("one\n"));
        // Killed is not yet gone.
        let start = Instant::now();
        loop {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{state}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_wait_ends_early_when_told_so() {
        let mut group = Group::start(&mut command(&["sleep", "100"]), false).unwrap();
        let start = Instant::now();
        assert!(!group.wait(Duration::from_secs(50), || true));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
