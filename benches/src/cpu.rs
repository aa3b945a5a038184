//! Which CPU a thread runs on, and how much CPU time and memory another process has used.
//!
//! The kernel keeps a nanosecond clock per process that sums all of its threads, ended ones and kernel
//! workers included; that clock is read here, since the tick counters of `/proc/<pid>/stat` are far too
//! coarse for runs of a few seconds.

use std::fs;
use std::io;
use std::mem;
use std::time::Duration;

/// Pins the calling thread to `cpu` (numbered from 0).
///
/// # Errors
/// The CPU does not exist or is outside the process's allowed set.
pub fn pin_this_thread(cpu: usize) -> io::Result<()> {
    assert!(cpu < libc::CPU_SETSIZE as usize, "CPU {cpu} does not fit a cpu_set_t");
    // SAFETY: an all-zero cpu_set_t is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` was checked against CPU_SETSIZE above, so the bit lies inside the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is a live cpu_set_t of the size given; pid 0 means the calling thread.
    let result = unsafe { libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// CPU time used so far by all threads of process `pid`.
///
/// # Errors
/// There is no such process.
pub fn process_cpu_time(pid: u32) -> io::Result<Duration> {
    const PID_MAX: u32 = 1 << 22;
    assert!(pid <= PID_MAX, "{pid} is above what the kernel hands out; the clock's number would overflow");
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a live out-parameter.
    let result = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live out-parameter.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Resident memory of process `pid` in bytes (`VmRSS`).
///
/// # Errors
/// There is no such process, or its status has no such line.
pub fn process_resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no VmRSS line"))
}

/// Raises the soft limit of open files to the hard one and returns it.
///
/// # Errors
/// The kernel refuses, which it does not for a soft limit at most as high as the hard one.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live out-parameter.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a live, initialised rlimit.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::time::Instant;

    #[test]
    fn cpu_time_of_this_process_grows_with_work() {
        let pid = std::process::id();
        let before = process_cpu_time(pid).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(20) {
            black_box(start.elapsed());
        }
        assert!(process_cpu_time(pid).unwrap() > before);
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(process_cpu_time(pid).is_err());
        assert!(process_resident_bytes(pid).is_err());
    }

    #[test]
    fn this_process_is_resident() {
        assert!(process_resident_bytes(std::process::id()).unwrap() > 64 * 1024);
    }
}
