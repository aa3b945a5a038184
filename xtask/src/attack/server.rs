//! A server under attack: started for one attack, watched for its memory, ended by SIGTERM.
//!
//! ```text
//!   Contender (name, program) --start--> Server --stop--> exit code
//!                                          '-- guard: a thread that samples resident memory, and kills the server
//!                                              before it takes the machine's
//! ```

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::process;
use crate::sanitize;
use crate::tools::{Outcome, Ports, command, target_folder};

const START_MAX: Duration = Duration::from_secs(20);
/// A server that has been asked to end and has not after this long is stuck.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Whoever takes more is killed: the machine must survive the attacks that succeed.
const RESIDENT_BYTES_MAX: u64 = 4 << 30;
/// Of a log, when a server has ended; what a sanitizer writes is long.
const LAST_BYTES: usize = 64 << 10;
const GUARD_EVERY: Duration = Duration::from_millis(10);

/// A program that is attacked.
#[derive(Debug, Clone)]
pub struct Contender {
    /// For tables: with its version.
    pub name: String,
    /// The server's file.
    pub program: PathBuf,
    /// Torc has cores and an admin port.
    pub is_torc: bool,
    /// Built with the address sanitizer: what it takes of memory and time says nothing.
    pub is_sanitized: bool,
}

/// Where the server's log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// To a file that can be looked at.
    File,
    /// Into a pipe from which nobody reads.
    UnreadPipe,
}

/// A running server; killed when dropped without [`Server::stop`].
pub struct Server {
    child: Child,
    /// Whom to watch in /proc, and to signal.
    pub pid: u32,
    /// The port that all cores share.
    pub port: u16,
    /// The port of /metrics and /healthz (of Torc).
    pub admin_port: u16,
    /// How many threads serve; 1 for all but Torc.
    pub cores: u16,
    /// It is a Torc.
    pub is_torc: bool,
    log: PathBuf,
    guard: Option<JoinHandle<()>>,
    watched: Arc<Watched>,
    _unread: Option<ChildStdout>,
    _ports: Ports,
}

/// What the guard has seen.
#[derive(Default)]
struct Watched {
    is_over: AtomicBool,
    peak_bytes: AtomicU64,
    was_killed: AtomicBool,
}

impl Server {
    /// Starts one and waits until it serves.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(contender: &Contender, cores: u16, log: Log) -> Outcome<Self> {
        // The common port, one for each core, and the admin port.
        let ports = Ports::reserve(cores + 2)?;
        let (port, admin_port) = (ports.first, ports.first + cores + 1);
        let path = target_folder().join(format!("attack-server-{port}.log"));
        let problem = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = fs::File::create(&path).map_err(problem)?;
        let errors = file.try_clone().map_err(problem)?;
        let words = words(contender, cores, port, admin_port);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut start = command(&words);
        start.stdin(Stdio::null()).stderr(errors);
        match log {
            Log::File => start.stdout(file),
            Log::UnreadPipe => start.stdout(Stdio::piped()),
        };
        if contender.is_sanitized {
            sanitize::allow_kept(&mut start)?;
        }
        let mut child = start.spawn().map_err(|error| format!("cannot start {}: {error}", words.join(" ")))?;
        let pid = child.id();
        let unread = child.stdout.take();
        let watched = Arc::new(Watched::default());
        let most = if contender.is_sanitized { RESIDENT_BYTES_MAX * 2 } else { RESIDENT_BYTES_MAX };
        let guard = thread::spawn({
            let watched = Arc::clone(&watched);
            move || guard(pid, most, &watched)
        });
        let mut server = Self {
            child,
            pid,
            port,
            admin_port,
            cores: if contender.is_torc { cores } else { 1 },
            is_torc: contender.is_torc,
            log: path,
            guard: Some(guard),
            watched,
            _unread: unread,
            _ports: ports,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ports on which each core is reached; of a server with one thread, its only one.
    pub fn core_ports(&self) -> Vec<u16> {
        if self.is_torc { (1..=self.cores).map(|core| self.port + core).collect() } else { vec![self.port] }
    }

    /// Whether the process runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets the peak begin anew.
    pub fn reset_peak(&self) {
        // Where the kernel refuses, what the guard has sampled must do.
        let _ = process::reset_peak(self.pid);
        self.watched.peak_bytes.store(0, Ordering::Relaxed);
    }

    /// The highest resident memory since [`Server::reset_peak`], bytes.
    pub fn peak_bytes(&self) -> u64 {
        let sampled = self.watched.peak_bytes.load(Ordering::Relaxed);
        // Never below what was sampled; above it only by what happened between two samples.
        process::peak_bytes(self.pid).map_or(sampled, |peak| peak.max(sampled))
    }

    /// Bytes written to the log so far.
    pub fn log_bytes(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |data| data.len())
    }

    /// Why it ended, for a line: the exit code and the log's end.
    pub fn last_words(&mut self) -> String {
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "still running".to_owned(),
        };
        let why = if self.watched.was_killed.load(Ordering::Relaxed) { ", killed for its memory" } else { "" };
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LAST_BYTES)..]).into_owned();
        let found = text.lines().filter(|line| is_finding(line));
        let last: Vec<&str> = text.lines().rev().take(4).collect();
        let lines = found.chain(last.iter().rev().copied());
        lines.fold(format!("{status}{why}"), |words, line| words + "\n    | " + line)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// It does not end within some seconds, or not with exit code 0.
    pub fn stop(mut self) -> Outcome<()> {
        let pid = self.pid.to_string();
        // If the signal cannot be sent, the process does not end, which is what is reported.
        let _ = command(&["kill", "-TERM", &pid]).status();
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(_)) => return Err(format!("the server ended badly: {}", self.last_words())),
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
        Err(format!("the server does not stop: SIGTERM was {STOP_MAX:?} ago"))
    }

    fn wait_until_ready(&mut self) -> Outcome<()> {
        let start = Instant::now();
        while start.elapsed() < START_MAX {
            if !self.is_alive() {
                return Err(format!("the server ended at its start: {}", self.last_words()));
            }
            // The admin port comes last, with descriptors of its own.
            let answers = || Connection::open(self.port)?.expect("PING", "PONG");
            let has_admin = || !self.is_torc || is_healthy(self.admin_port);
            if answers().is_ok() && has_admin() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the server did not answer within {START_MAX:?}: {}", self.last_words()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, or not worth more than this.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.watched.is_over.store(true, Ordering::Relaxed);
        let _ = self.guard.take().map(JoinHandle::join);
        let _ = fs::remove_file(&self.log);
    }
}

/// A line in which a sanitizer says what it has found, or where in Torc.
fn is_finding(line: &str) -> bool {
    line.contains("ERROR: ")
        || line.contains(" leak of ")
        || (line.trim_start().starts_with('#') && line.contains("torc"))
}

fn is_healthy(admin_port: u16) -> bool {
    let ask = || -> Outcome<bool> {
        let mut connection = Connection::open(admin_port)?;
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        connection.is_ended(Duration::from_secs(2));
        Ok(connection.unread().starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

fn guard(pid: u32, most: u64, watched: &Watched) {
    while !watched.is_over.load(Ordering::Relaxed) {
        let Ok(resident) = process::resident_bytes(pid) else { return };
        watched.peak_bytes.fetch_max(resident, Ordering::Relaxed);
        if resident > most {
            watched.was_killed.store(true, Ordering::Relaxed);
            // The process is our child and not waited for before `is_over`, so the number is still its own.
            let _ = command(&["kill", "-KILL", &pid.to_string()]).status();
            return;
        }
        thread::sleep(GUARD_EVERY);
    }
}

fn words(contender: &Contender, cores: u16, port: u16, admin_port: u16) -> Vec<String> {
    let common = format!("--port {port} --bind 127.0.0.1 --maxclients 10000 --enable-debug-command yes");
    let own = if contender.is_torc {
        // With ports of their own, every core can have a victim.
        format!("--cores {cores} --core-ports yes --admin-port {admin_port}")
    } else {
        "--appendonly no".to_owned()
    };
    let mut words = vec![contender.program.display().to_string()];
    words.extend(common.split(' ').chain(own.split(' ')).map(str::to_owned));
    // No snapshots, and none that somebody else has left here.
    words.extend(["--save", "", "--dbfilename", "attack.rdb"].map(str::to_owned));
    words
}
