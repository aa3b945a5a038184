//! The suite itself: a folder that looks like its source tree, and one run of one unit.
//!
//! ```text
//!   FOLDER/s/                links to everything in the unpacked source but
//!     tests/tmp/             its own
//!     src/redis-server       a script that starts the server under test (spawn mode)
//!     src/redis-cli ...      links to the installed programs
//! ```
//! Two places of the suite are changed ([`CHANGES`]).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Group;
use super::server::Server;
use super::skips::Mode;
use crate::tools::{Outcome, Ports, capture};

/// Seconds without news after which the suite calls a test hung; the longest take 30 on a machine with nothing else to do.
const STALL_SECONDS: u32 = 150;
/// The suite's own port lies so far below those of the servers that it starts.
const OWN_PORT: u16 = 32;
/// Ports that the suite may give to servers that it starts.
const SPAWN_PORTS: u16 = 60;
/// Time for the suite to name the test that was at work when the server went.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Scripts below `tests/support`, what stands there, and what is to stand there instead.
const CHANGES: &[(&str, &str, &str)] = &[
    // A directive for a block of tests that a running server refuses: the original gives up the whole unit; here the block
    // runs, and its tests show what is missing.
    ("server.tcl", "r config set $param $val", "catch {r config set $param $val}"),
    // A line of the log that a test looks for as soon as it has the reply: Redis has written it by then, in Torc it is on its
    // way to the thread that writes.
    (
        "util.tcl",
        "    set result [exec tail -n +$from_line < [srv $srv_idx stdout]]\n    if {![string match $pattern $result]} {\n",
        "    for {set look 0} {$look < 40} {incr look} {\n\
         \x20       set result [exec tail -n +$from_line < [srv $srv_idx stdout]]\n\
         \x20       if {[string match $pattern $result]} {return}\n\
         \x20       after 50\n\
         \x20   }\n\
         \x20   if {![string match $pattern $result]} {\n",
    ),
];

/// The units that the suite below `source` has, in its order.
///
/// # Errors
/// The suite cannot be run.
pub fn units(source: &Path) -> Outcome<Vec<String>> {
    let mut command = suite_command(source);
    let list = capture(command.arg("--list-tests").stdin(Stdio::null()))?;
    Ok(list.split_whitespace().filter(|word| word.contains('/')).map(str::to_owned).collect())
}

/// How the suite is run.
pub struct Suite {
    top: PathBuf,
    /// How it meets the server.
    pub mode: Mode,
    tags: String,
}

/// What became of one attempt at a unit.
pub struct Attempt {
    /// All output.
    pub output: String,
    /// It took too long.
    pub is_late: bool,
    /// The server ended meanwhile.
    pub has_crashed: bool,
}

impl Suite {
    /// Prepares the folder. `tags` are the suite's own, such as `-slow`.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn new(source: &Path, folder: &Path, mode: Mode, server: &Path, cores: u16, tags: &str) -> Outcome<Suite> {
        let top = folder.join("s");
        make_folder(source, &top, server, cores).map_err(|error| format!("{}: {error}", top.display()))?;
        Ok(Suite { top, mode, tags: tags.to_owned() })
    }

    /// Runs a unit without some of its tests, against `server` in external mode.
    ///
    /// # Errors
    /// The suite cannot be started.
    pub fn run(&self, unit: &str, without: &[&str], server: &mut Server, limit: Duration) -> Outcome<Attempt> {
        let mut command = suite_command(&self.top);
        command.args(["--single", unit, "--durable", "--ignore-encoding"]);
        command.args(["--timeout", &STALL_SECONDS.to_string()]);
        let ports = Ports::reserve(OWN_PORT + SPAWN_PORTS)?;
        command.args(["--baseport", &(ports.first + OWN_PORT).to_string(), "--portcount", &SPAWN_PORTS.to_string()]);
        if self.mode == Mode::External {
            command.args(["--host", "127.0.0.1", "--port", &server.port.to_string()]);
        } else {
            command.args(["--clients", "1"]);
        }
        if !self.tags.is_empty() {
            command.args(["--tags", &self.tags]);
        }
        if !without.is_empty() {
            let path = self.top.join("tests/tmp/without");
            fs::write(&path, without.join("\n") + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
            command.arg("--skipfile").arg(&path);
        }
        command.stderr(Stdio::null());
        let mut group = Group::start(&mut command, true)?;
        let mut has_crashed = false;
        let is_external = self.mode == Mode::External;
        let has_ended = group.wait(limit, || {
            has_crashed = is_external && server.has_crashed();
            has_crashed
        });
        if has_crashed {
            std::thread::sleep(LAST_WORDS);
        }
        let output = group.end();
        let has_crashed = has_crashed || (is_external && server.has_crashed());
        Ok(Attempt { output, is_late: !has_ended && !has_crashed, has_crashed })
    }
}

fn suite_command(top: &Path) -> Command {
    let mut command = Command::new("tclsh");
    command.arg("tests/test_helper.tcl").current_dir(top).env("TERM", "dumb");
    command
}

fn make_folder(source: &Path, top: &Path, server: &Path, cores: u16) -> std::io::Result<()> {
    if top.exists() {
        fs::remove_dir_all(top)?;
    }
    fs::create_dir_all(top.join("tests/tmp"))?;
    fs::create_dir_all(top.join("src"))?;
    let changed: Vec<&str> = CHANGES.iter().map(|(script, ..)| *script).collect();
    for (part, own) in [("", &["src", "tests"][..]), ("tests", &["tmp", "support"]), ("tests/support", &changed)] {
        fs::create_dir_all(top.join(part))?;
        for entry in fs::read_dir(source.join(part))? {
            let entry = entry?;
            if !own.iter().any(|name| entry.file_name() == *name) {
                symlink(entry.path(), top.join(part).join(entry.file_name()))?;
            }
        }
    }
    for (script, original, own) in CHANGES {
        let path = format!("tests/support/{script}");
        let text = fs::read_to_string(source.join(&path))?;
        assert!(text.contains(original), "the suite is of a version whose {path} is another");
        fs::write(top.join(&path), text.replace(original, own))?;
    }
    for name in ["redis-cli", "redis-benchmark"] {
        if let Some(program) = installed(name) {
            symlink(program, top.join("src").join(name))?;
        }
    }
    // Under these names both servers are the tools that check files.
    for name in ["redis-check-aof", "redis-check-rdb"] {
        symlink(server, top.join("src").join(name))?;
    }
    let script = top.join("src/redis-server");
    fs::write(&script, server_script(server, cores))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
}

/// Starts the server with what it is given: a configuration file, if there is one, and options. The number of cores goes
/// before the options, the last of which may be wrong on purpose.
fn server_script(server: &Path, cores: u16) -> String {
    format!(
        "#!/bin/sh\nif [ -f \"$1\" ]; then file=$1; shift; exec '{0}' \"$file\" --cores {cores} \"$@\"; fi\n\
         exec '{0}' --cores {cores} \"$@\"\n",
        server.display()
    )
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
