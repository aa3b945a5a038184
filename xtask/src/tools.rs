//! Shared by the verbs: the repository's folder, running programs, free ports.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// A verb's result; the error is one line for the user.
pub type Outcome<T> = Result<T, String>;

/// Makes the workspace's top folder the current one.
///
/// # Errors
/// No folder from here upwards holds a workspace.
pub fn enter_repository_top() -> Outcome<()> {
    let start = env::current_dir().map_err(|error| format!("no current folder: {error}"))?;
    let is_top = |folder: &&std::path::Path| {
        fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[workspace]"))
    };
    let top = start.ancestors().find(is_top).ok_or("no Cargo workspace from here upwards")?;
    env::set_current_dir(top).map_err(|error| format!("cannot enter {}: {error}", top.display()))
}

/// Where cargo puts what it builds.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// The place of program `name` built with `profile`.
pub fn built_program(profile: &str, name: &str) -> PathBuf {
    let folder = if profile == "dev" { "debug" } else { profile };
    target_folder().join(folder).join(name)
}

/// Whether `program` can be run at all.
pub fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Installs Debian packages.
///
/// # Errors
/// The package manager failed.
pub fn install_packages(packages: &[&str]) -> Outcome<()> {
    // In a container the user is root and there is often no sudo.
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo", "-E"] };
    let update = [sudo, &["apt-get", "update", "-q"]].concat();
    let install = [sudo, &["apt-get", "install", "-q", "-y", "--no-install-recommends"], packages].concat();
    for words in [update, install] {
        run(command(&words).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

fn is_root() -> bool {
    command(&["id", "-u"]).output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The path made absolute; unchanged where there is no current folder.
pub fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// A command from words.
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().expect("a command has at least the program's name");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs to the end with this process's output; an exit code other than 0 is an error.
///
/// # Errors
/// The program cannot be started or fails.
pub fn run(command: &mut Command) -> Outcome<()> {
    let text = describe(command);
    let status = command.status().map_err(|error| format!("cannot run {text}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{text}: {status}")) }
}

/// Runs to the end and returns what it wrote to standard output.
///
/// # Errors
/// The program cannot be started or fails; its standard error is in the text.
pub fn capture(command: &mut Command) -> Outcome<String> {
    let text = describe(command);
    let output = command.output().map_err(|error| format!("cannot run {text}: {error}"))?;
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(written);
    }
    Err(format!("{text}: {}: {}{}", output.status, String::from_utf8_lossy(&output.stderr).trim(), written.trim()))
}

/// What a watched program did.
pub struct Watched {
    /// It ended with exit code 0.
    pub is_success: bool,
    /// Everything it wrote, line by line; the two streams mixed.
    pub output: String,
}

/// Runs to the end, passes every line of output on at once, and keeps a copy.
///
/// # Errors
/// The program cannot be started.
pub fn watch(command: &mut Command) -> Outcome<Watched> {
    let text = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {text}: {error}"))?;
    let stderr = child.stderr.take().expect("standard error was piped");
    let stdout = child.stdout.take().expect("standard output was piped");
    let errors = thread::spawn(move || pass_on(stderr));
    let mut output = pass_on(stdout);
    output.push_str(&errors.join().map_err(|_| format!("reading the output of {text} failed"))?);
    let status = child.wait().map_err(|error| format!("{text}: {error}"))?;
    Ok(Watched { is_success: status.success(), output })
}

/// Free ports, reserved for one user within this process until they are dropped.
pub struct Ports {
    /// The first of them.
    pub first: u16,
    count: u16,
}

/// First port and number of what [`Ports`] keeps.
static RESERVED: Mutex<Vec<(u16, u16)>> = Mutex::new(Vec::new());

impl Ports {
    /// Keeps `count` ports in a row.
    ///
    /// # Errors
    /// None were found in many tries.
    pub fn reserve(count: u16) -> Outcome<Ports> {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        let is_reserved =
            |first: u16| reserved.iter().any(|&(start, len)| first < start + len && start < first + count);
        let first = search_ports(count, is_reserved)?;
        reserved.push((first, count));
        Ok(Ports { first, count })
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.retain(|&range| range != (self.first, self.count));
    }
}

/// A TCP port `count` of which, from it on, nobody listens on right now. Below the ports that the kernel gives to
/// outgoing connections, of which thousands may linger after a run.
///
/// # Errors
/// None was found in many tries.
pub fn free_ports(count: u16) -> Outcome<u16> {
    Ports::reserve(count).map(|ports| ports.first)
}

fn search_ports(count: u16, is_reserved: impl Fn(u16) -> bool) -> Outcome<u16> {
    const RANGE: std::ops::Range<u16> = 12_000..32_000;
    const TRIES: u32 = 200;
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let start = clock.map_or(0, |since| since.subsec_nanos()) ^ std::process::id();
    for attempt in 0..TRIES {
        let span = u32::from(RANGE.end - RANGE.start - count);
        let first = RANGE.start + (start.wrapping_add(attempt * 97) % span) as u16;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if !is_reserved(first) && (first..first + count).all(is_free) {
            return Ok(first);
        }
    }
    Err(format!("no {count} free ports in a row"))
}

/// Today, as in 2026-11-22.
pub fn today() -> String {
    capture(&mut command(&["date", "-u", "+%F"])).map_or_else(|_| "unknown date".into(), |text| text.trim().into())
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn pass_on(stream: impl Read) -> String {
    let mut kept = String::new();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // A broken stream counts as ended: only the copy is shorter, and the exit code still reports the failure.
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        kept.push_str(&text);
        line.clear();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_an_error_with_its_words() {
        let problem = capture(&mut command(&["sh", "-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(problem.contains("why") && problem.contains('3'), "{problem}");
        assert!(run(&mut command(&["false"])).is_err());
        assert!(run(&mut command(&["/no/such/program"])).is_err());
    }

    #[test]
    fn watching_keeps_both_streams() {
        let watched = watch(&mut command(&["sh", "-c", "echo one; echo two >&2; exit 1"])).unwrap();
        assert!(!watched.is_success);
        assert!(watched.output.contains("one\n") && watched.output.contains("two\n"));
    }

    #[test]
    fn programs_are_looked_up_in_the_path() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-anywhere"));
    }

    #[test]
    fn ports_are_kept_for_one_user() {
        let kept: Vec<Ports> = (0..20).map(|_| Ports::reserve(60).unwrap()).collect();
        for (index, ports) in kept.iter().enumerate() {
            assert!(kept[..index].iter().all(|other| other.first.abs_diff(ports.first) >= 60));
        }
        let first = kept[0].first;
        drop(kept);
        assert!(!RESERVED.lock().unwrap().contains(&(first, 60)));
    }

    #[test]
    fn free_ports_can_be_bound() {
        let first = free_ports(3).unwrap();
        // A program that another test starts just then holds a copy of the sockets that looked, until its exec.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let are_bound = || {
            let listeners: Vec<_> = (first..first + 3).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
            listeners.iter().all(Result::is_ok)
        };
        while !are_bound() {
            assert!(std::time::Instant::now() < deadline, "ports from {first} on are not free");
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
