//! What the kernel tells of a process: memory now and at its highest, CPU, open files.
//!
//! ```text
//!   /proc/PID/status   VmRSS, VmHWM (clear_refs sets the latter back to the former)
//!   /proc/PID/task/*/schedstat   nanoseconds on a CPU
//!   /proc/PID/fd       one entry per descriptor
//! ```

use std::fs;
use std::os::unix::fs::FileExt;

use crate::tools::Outcome;

/// Resident memory, bytes.
///
/// # Errors
/// The process is gone.
pub fn resident_bytes(pid: u32) -> Outcome<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The highest resident memory since the start, or since [`reset_peak`]; bytes.
///
/// # Errors
/// The process is gone.
pub fn peak_bytes(pid: u32) -> Outcome<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Lets the peak begin anew from what is resident now.
///
/// # Errors
/// The kernel does not let us.
pub fn reset_peak(pid: u32) -> Outcome<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
}

/// CPU time of all threads that live, nanoseconds.
///
/// # Errors
/// The process is gone.
pub fn cpu_ns(pid: u32) -> Outcome<u64> {
    let path = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    let time = |text: String| text.split(' ').next()?.parse::<u64>().ok();
    Ok(tasks.flatten().filter_map(|task| time(fs::read_to_string(task.path().join("schedstat")).ok()?)).sum())
}

/// CPU time of a process's threads, read many times: their files stay open. Threads that start later are not in it.
pub struct CpuClock(Vec<fs::File>);

impl CpuClock {
    /// Of the threads that run now.
    ///
    /// # Errors
    /// The process is gone.
    pub fn open(pid: u32) -> Outcome<Self> {
        let path = format!("/proc/{pid}/task");
        let tasks = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self(tasks.flatten().filter_map(|task| fs::File::open(task.path().join("schedstat")).ok()).collect()))
    }

    /// Nanoseconds on a CPU so far; accurate to the kernel's tick of a few milliseconds for a thread that runs.
    pub fn now_ns(&self) -> u64 {
        let mut buffer = [0; 64];
        let mut total = 0;
        for file in &self.0 {
            // A thread that has ended has no time any more.
            let length = file.read_at(&mut buffer, 0).unwrap_or(0);
            let digits = buffer[..length].iter().take_while(|byte| byte.is_ascii_digit());
            total += digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        }
        total
    }
}

/// Open descriptors.
///
/// # Errors
/// The process is gone.
pub fn descriptors(pid: u32) -> Outcome<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?.count())
}

/// How many descriptors this process may have open.
pub fn own_descriptors_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

fn status_bytes(pid: u32, field: &str) -> Outcome<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| format!("{path} has no {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_of() {
        let pid = std::process::id();
        let before = resident_bytes(pid).unwrap();
        assert!(before > 100_000);
        let block = vec![1_u8; 32 << 20];
        assert!(peak_bytes(pid).unwrap() >= before + (30 << 20), "{}", block[5]);
        assert!(descriptors(pid).unwrap() >= 3);
        assert!(own_descriptors_max() > 3);
        // Of other threads too, so any time at all.
        assert!(cpu_ns(pid).unwrap() > 0);
        assert!(CpuClock::open(pid).unwrap().now_ns() > 0);
        assert!(resident_bytes(u32::MAX).is_err());
    }
}
