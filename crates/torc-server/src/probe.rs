//! Asks the kernel once, at start-up, what io_uring can do here, so that a denial is one clear line: why epoll is used
//! instead, or, if the configuration wants nothing else, why there is no start.
//!
//! ```text
//! set up a small ring as a core will --> ask for its operations --> register a buffer ring --> enter it --> RingMode
//!        | denied                            | missing                    | denied            | denied
//!        +-----------------------------------+----------------------------+-------------------+--> ProbeError: what,
//!                                                                                                  how to allow it
//! ```
//!
//! The ring is set up with SINGLE_ISSUER, COOP_TASKRUN and DEFER_TASKRUN. A kernel that accepts the last one is
//! 6.1 or newer, which also has multishot accept and receive, that no query can ask for. Version numbers are only
//! shown, not trusted: kernels are patched, and containers report what they like.

use std::fmt;
use std::io;
use std::path::Path;

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use torc_engine::config::IoBackend;

use crate::core::Backend;

/// What the rings of the cores can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingMode {
    /// Whether waiting need not count as waiting for a disk (IORING_ENTER_NO_IOWAIT, 6.15 and newer).
    pub no_iowait: bool,
    /// Whether the ring works without an array of indexes (IORING_SETUP_NO_SQARRAY, 6.6 and newer).
    pub no_sqarray: bool,
    /// The kernel's version as it reports itself, such as `6.18`.
    pub kernel: String,
}

/// What the cores of this process wait in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Rings of io_uring.
    Uring(RingMode),
    /// epoll, on a kernel of this version.
    Epoll {
        /// As the kernel reports it.
        kernel: String,
    },
}

impl IoMode {
    /// What the cores are to use.
    pub fn backend(&self) -> Backend {
        match self {
            IoMode::Uring(_) => Backend::Uring,
            IoMode::Epoll { .. } => Backend::Epoll,
        }
    }

    /// The name of the kernel's interface.
    pub fn api(&self) -> &'static str {
        match self {
            IoMode::Uring(_) => "io_uring",
            IoMode::Epoll { .. } => "epoll",
        }
    }
}

impl fmt::Display for IoMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IoMode::Uring(mode) => write!(formatter, "io_uring full ({})", mode.kernel),
            IoMode::Epoll { kernel } => write!(formatter, "epoll ({kernel})"),
        }
    }
}

/// Why io_uring cannot be used on this kernel or in this container: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError(String);

impl fmt::Display for ProbeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ProbeError {}

/// What a configuration asks for, as far as there is a choice; a line in the log says so if it is not io_uring because that is denied.
///
/// # Errors
/// It must be io_uring, and that is denied.
pub fn choose(wanted: IoBackend) -> Result<IoMode, ProbeError> {
    if wanted != IoBackend::Epoll {
        match probe() {
            Ok(mode) => return Ok(IoMode::Uring(mode)),
            Err(denied) if wanted == IoBackend::Uring => return Err(denied),
            Err(denied) => tracing::warn!("Clients are served by epoll, since io_uring is not to be had: {denied}"),
        }
    }
    Ok(IoMode::Epoll { kernel: Surroundings::read().kernel })
}

/// Asks the kernel. Opens a small ring and closes it again.
fn probe() -> Result<RingMode, ProbeError> {
    let surroundings = Surroundings::read();
    let denied = |step, error: io::Error| explain(step, error.raw_os_error().unwrap_or(0), &surroundings);
    let mut ring = set_up(false).map_err(|error| denied(Step::SetUp, error))?;
    let mut operations = Probe::new();
    ring.submitter().register_probe(&mut operations).map_err(|error| denied(Step::Query, error))?;
    let missing = OPERATIONS.iter().find(|(_, code)| !operations.is_supported(*code));
    if let Some((name, _)) = missing {
        return Err(missing_operation(name, &surroundings));
    }
    register_buffers(&ring).map_err(|error| denied(Step::BufferRing, error))?;
    enter(&mut ring).map_err(|error| denied(Step::Enter, error))?;
    Ok(RingMode {
        no_iowait: ring.params().is_feature_no_iowait(),
        no_sqarray: set_up(true).is_ok(),
        kernel: surroundings.kernel,
    })
}

/// The operations that the cores submit.
const OPERATIONS: [(&str, u8); 7] = [
    ("ACCEPT", opcode::Accept::CODE),
    ("RECV", opcode::Recv::CODE),
    ("SEND", opcode::Send::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("MSG_RING", opcode::MsgRingData::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
];

fn set_up(no_sqarray: bool) -> io::Result<IoUring> {
    let mut builder = IoUring::<squeue::Entry, cqueue::Entry>::builder();
    builder.setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun();
    if no_sqarray {
        builder.setup_no_sqarray();
    }
    builder.build(8)
}

/// Registers and unregisters a ring of provided buffers that has room for one.
fn register_buffers(ring: &IoUring) -> io::Result<()> {
    #[repr(C, align(4096))]
    struct Page([u8; 4096]);
    const GROUP: u16 = 1;
    let mut page = Box::new(Page([0; 4096]));
    let address = page.0.as_mut_ptr() as u64;
    // SAFETY: the page is aligned, big enough for one entry, and lives until the ring has been unregistered.
    unsafe { ring.submitter().register_buf_ring_with_flags(address, 1, GROUP, 0)? };
    ring.submitter().unregister_buf_ring(GROUP)
}

/// Has the ring do nothing, and waits for it.
fn enter(ring: &mut IoUring) -> io::Result<()> {
    // SAFETY: the operation refers to no memory.
    unsafe { ring.submission().push(&opcode::Nop::new().build()).expect("a new ring has room") };
    ring.submit_and_wait(1).map(|_| ())
}

/// What the probe was doing when it was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    SetUp,
    Query,
    BufferRing,
    Enter,
}

/// What helps to explain a denial.
#[derive(Clone, Debug)]
struct Surroundings {
    kernel: String,
    /// The value of the sysctl `kernel.io_uring_disabled`; `None` if there is no such sysctl.
    disabled: Option<u32>,
}

impl Surroundings {
    fn read() -> Surroundings {
        let read = |name: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name));
        Surroundings {
            kernel: short_version(&read("osrelease").unwrap_or_default()),
            disabled: read("io_uring_disabled").ok().and_then(|text| text.trim().parse().ok()),
        }
    }
}

/// Major and minor version of a release such as `6.18.44-1-amd64`.
fn short_version(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split(|letter: char| !letter.is_ascii_digit()).take(2).collect();
    match numbers.as_slice() {
        [major, minor] if !major.is_empty() && !minor.is_empty() => format!("{major}.{minor}"),
        _ => "unknown kernel".to_owned(),
    }
}

fn missing_operation(name: &str, surroundings: &Surroundings) -> ProbeError {
    ProbeError(format!(
        "io_uring lacks the operation {name} (kernel {}): Linux 6.1 or newer is needed",
        surroundings.kernel
    ))
}

/// From an error of a system call to a line that says what is denied and how to allow it.
fn explain(step: Step, errno: i32, surroundings: &Surroundings) -> ProbeError {
    const SECCOMP_HELP: &str = "in a container, allow it in the seccomp profile \
        (docker run --security-opt seccomp=unconfined, or a profile that allows io_uring_setup, io_uring_enter \
        and io_uring_register)";
    let kernel = &surroundings.kernel;
    let call = match step {
        Step::SetUp => "io_uring_setup",
        Step::Query | Step::BufferRing => "io_uring_register",
        Step::Enter => "io_uring_enter",
    };
    let text = match (errno, surroundings.disabled) {
        (libc::EPERM, Some(2)) => format!(
            "{call} is denied (EPERM) because kernel.io_uring_disabled is 2: allow it with \
             'sysctl kernel.io_uring_disabled=0'"
        ),
        (libc::EPERM, Some(1)) => format!(
            "{call} is denied (EPERM) because kernel.io_uring_disabled is 1: allow it with \
             'sysctl kernel.io_uring_disabled=0', or run in the group that kernel.io_uring_group names"
        ),
        (libc::EPERM | libc::EACCES, _) => {
            format!("{call} is denied (EPERM), probably by a seccomp profile: {SECCOMP_HELP}")
        }
        (libc::ENOSYS, _) => format!(
            "{call} does not exist here (ENOSYS, kernel {kernel}): Linux 6.1 or newer with io_uring is needed; {SECCOMP_HELP}"
        ),
        (libc::EINVAL, _) if step == Step::SetUp => format!(
            "this kernel ({kernel}) refuses DEFER_TASKRUN with SINGLE_ISSUER and COOP_TASKRUN (EINVAL): Linux 6.1 or newer is needed"
        ),
        (libc::EINVAL, _) => {
            format!("this kernel ({kernel}) refuses what {call} is asked for (EINVAL): Linux 6.1 or newer is needed")
        }
        (libc::ENOMEM, _) => format!(
            "{call} got no memory (ENOMEM): raise the memory limit of the control group, or on old kernels the \
             limit of locked memory (ulimit -l, docker run --ulimit memlock=-1)"
        ),
        (libc::EMFILE | libc::ENFILE, _) => {
            format!("{call} got no file descriptor: raise the limit of open files (ulimit -n)")
        }
        _ => format!("{call} failed (kernel {kernel}): {}", io::Error::from_raw_os_error(errno)),
    };
    ProbeError(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(step: Step, errno: i32, disabled: Option<u32>) -> String {
        explain(step, errno, &Surroundings { kernel: "5.14".to_owned(), disabled }).to_string()
    }

    #[track_caller]
    fn assert_says(text: &str, what: &str, how: &str) {
        assert!(text.contains(what) && text.contains(how), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn each_denial_says_what_and_how() {
        use Step::{BufferRing, Enter, Query, SetUp};
        let sysctl = "sysctl kernel.io_uring_disabled=0";
        let disabled = text(SetUp, libc::EPERM, Some(2));
        assert_says(&disabled, "kernel.io_uring_disabled is 2", sysctl);
        let grouped = text(SetUp, libc::EPERM, Some(1));
        assert_says(&grouped, "kernel.io_uring_disabled is 1", "kernel.io_uring_group");
        for sysctl_value in [Some(0), None] {
            let filtered = text(SetUp, libc::EPERM, sysctl_value);
            assert_says(&filtered, "seccomp profile", "--security-opt seccomp=");
        }
        assert_says(&text(SetUp, libc::ENOSYS, None), "kernel 5.14", "Linux 6.1 or newer");
        assert_says(&text(SetUp, libc::EINVAL, Some(0)), "DEFER_TASKRUN", "Linux 6.1 or newer");
        assert_says(&text(BufferRing, libc::EINVAL, None), "io_uring_register", "Linux 6.1");
        assert_says(&text(Query, libc::EPERM, Some(0)), "io_uring_register is", "seccomp=");
        assert_says(&text(Enter, libc::EPERM, Some(0)), "io_uring_enter is denied", "seccomp=");
        assert_says(&text(Enter, libc::ENOSYS, Some(0)), "io_uring_enter does not exist", "seccomp");
        assert_says(&text(SetUp, libc::ENOMEM, None), "ENOMEM", "ulimit -l");
        assert_says(&text(SetUp, libc::EMFILE, None), "file descriptor", "ulimit -n");
        assert_says(&text(SetUp, libc::EFAULT, None), "io_uring_setup failed", "Bad address");
    }

    #[test]
    fn versions_are_shortened() {
        assert_eq!(short_version("6.18.44-1-amd64\n"), "6.18");
        assert_eq!(short_version("6.1"), "6.1");
        assert_eq!(short_version(""), "unknown kernel");
    }

    #[test]
    fn this_machine() {
        match probe() {
            Ok(mode) => {
                let mode = IoMode::Uring(mode);
                assert!(mode.to_string().starts_with("io_uring full ("), "{mode}");
            }
            Err(error) => assert!(error.to_string().contains("io_uring"), "{error}"),
        }
    }
}
