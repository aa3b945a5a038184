//! `torc check` and the tools beside which it stands: run to their end, or up to a question.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::binary;

/// What a tool has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its exit status; -1 if a signal has ended it.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Told {
    /// Asserts the exit status, and that these stand in the output in this order; returns the output.
    #[track_caller]
    pub fn says(&self, status: i32, parts: &[&str]) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        let mut rest = &self.out[..];
        for part in parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("no '{part}' where it is wanted in:\n{}", self.out));
            rest = &rest[at + part.len()..];
        }
        &self.out
    }
}

/// `torc check` with these arguments and without input.
pub fn check<S: AsRef<OsStr>>(arguments: &[S]) -> Told {
    run(Command::new(binary()).arg("check").args(arguments), "")
}

/// The binary under another name.
pub fn as_tool(name: &str, arguments: &[&str], input: &str) -> Told {
    run(Command::new(binary()).arg0(name).args(arguments), input)
}

/// Runs a program to its end.
pub fn run(command: &mut Command, input: &str) -> Told {
    let mut child = spawn(command);
    // A program that does not read its input closes the pipe early.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Told {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `torc check --fix` of a file, up to its question: what it has told, and the process.
pub fn ask(file: &str) -> (String, Child) {
    let mut child = spawn(Command::new(binary()).args(["check", "--fix", file]));
    let out = child.stdout.as_mut().expect("it is piped");
    let mut told = Vec::new();
    while !told.ends_with(b"[y/N]: ") {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).expect("it can be read"), 1, "{}", String::from_utf8_lossy(&told));
        told.push(byte[0]);
    }
    (String::from_utf8_lossy(&told).into_owned(), child)
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program can be started")
}

/// A request as a log has it.
pub fn request(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out = Vec::new();
    torc_resp::write_request(&mut out, &words);
    out
}

/// Requests, and between them what begins with `#` as it stands.
pub fn log_of(lines: &[&str]) -> Vec<u8> {
    let part = |line: &&str| if line.starts_with('#') { format!("{line}\r\n").into_bytes() } else { request(line) };
    lines.iter().flat_map(part).collect()
}
