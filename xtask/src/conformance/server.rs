//! The server under test in external mode: a fresh one for each unit, and another one whenever it has crashed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Group;
use crate::tools::{Outcome, Ports};

const START_PATIENCE: Duration = Duration::from_secs(20);
/// Another process may take a port between our check and the server's start.
const STARTS_MAX: usize = 3;

/// How to start the server, and the one that runs.
pub struct Server {
    program: PathBuf,
    cores: u16,
    folder: PathBuf,
    /// The port of the one that runs.
    pub port: u16,
    running: Option<(Group, Ports)>,
}

impl Server {
    /// One that is not started yet; it works in a folder below `folder`.
    pub fn new(program: &Path, cores: u16, folder: &Path) -> Server {
        Server { program: program.to_owned(), cores, folder: folder.join("server"), port: 0, running: None }
    }

    /// Ends the one that runs and starts another.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start(&mut self) -> Outcome<()> {
        for _ in 0..STARTS_MAX {
            self.running = None;
            if self.try_to_start()? {
                return Ok(());
            }
        }
        let said = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        Err(format!("{} does not answer: {}", self.program.display(), last.join(" | ")))
    }

    fn try_to_start(&mut self) -> Outcome<bool> {
        // An old folder may be absent.
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let ports = Ports::reserve(1)?;
        self.port = ports.first;
        let log = File::create(self.log()).map_err(|error| format!("server.log: {error}"))?;
        let mut command = Command::new(&self.program);
        command.args(["--port", &self.port.to_string(), "--cores", &self.cores.to_string(), "--save", ""]);
        for access in ["--enable-protected-configs", "--enable-debug-command", "--enable-module-command"] {
            command.args([access, "yes"]);
        }
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        command.current_dir(&self.folder).stdout(log).stderr(errors);
        let mut group = Group::start(&mut command, false)?;
        let port = self.port;
        if group.wait(START_PATIENCE, || answers(port)) || !answers(port) {
            return Ok(false);
        }
        self.running = Some((group, ports));
        Ok(true)
    }

    /// Where the server's log is.
    pub fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// Whether the one that was started has ended by itself.
    pub fn has_crashed(&mut self) -> bool {
        self.running.as_mut().is_some_and(|(group, _)| group.has_ended())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.running = None;
    }
}

/// Whether a server on this port replies to PING, be it with an error.
fn answers(port: u16) -> bool {
    let patience = Some(Duration::from_secs(2));
    let ask = || -> std::io::Result<[u8; 1]> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(patience)?;
        stream.write_all(b"PING\r\n")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first)
    };
    ask().is_ok_and(|first| matches!(&first, b"+" | b"-"))
}
