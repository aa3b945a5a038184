//! A thin layer over one io_uring: queueing operations, one system call a turn, completions as plain values.
//!
//! Set up with SINGLE_ISSUER and DEFER_TASKRUN: completions are produced only inside our own
//! `io_uring_enter`, so nothing interrupts a turn. The ring lives as long as its thread, which is as long
//! as the process.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter, squeue};

use super::token::Token;

/// Operations that can be queued in one turn before the queue is handed to the kernel early.
const SUBMISSIONS_MAX: u32 = 1024;
/// Completions the kernel can leave without falling back to its overflow list.
const COMPLETIONS_MAX: u32 = 8192;

/// A finished operation.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// What was asked.
    pub token: Token,
    /// The result: as the system call's, or a negative error number.
    pub result: i32,
    /// Flags of the completion queue entry.
    pub flags: u32,
}

/// One core's ring.
pub struct Ring {
    submitter: Submitter<'static>,
    submissions: SubmissionQueue<'static>,
    completions: CompletionQueue<'static>,
    descriptor: RawFd,
    no_iowait: bool,
}

impl Ring {
    /// Creates the ring; must be called on the thread that uses it (SINGLE_ISSUER).
    pub fn new() -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun().setup_clamp().setup_submit_all();
        builder.setup_cqsize(COMPLETIONS_MAX);
        // The ring is split into parts that refer to it, and it lives until the process ends.
        let ring: &'static mut IoUring = Box::leak(Box::new(builder.build(SUBMISSIONS_MAX)?));
        let no_iowait = ring.params().is_feature_no_iowait();
        let descriptor = ring.as_raw_fd();
        let (mut submitter, submissions, completions) = ring.split();
        // Saves the lookup of the descriptor in every call; without it everything works too.
        let _ = submitter.register_ring_fd();
        Ok(Ring { submitter, submissions, completions, descriptor, no_iowait })
    }

    /// The ring's descriptor, for messages from other rings.
    pub fn descriptor(&self) -> RawFd {
        self.descriptor
    }

    /// For registrations.
    pub fn submitter(&self) -> &Submitter<'static> {
        &self.submitter
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// Memory and descriptors that the operation refers to must stay valid until its last completion.
    pub unsafe fn push(&mut self, entry: squeue::Entry, token: Token) {
        let entry = entry.user_data(token.encode());
        loop {
            // SAFETY: the caller vouches for what the entry refers to.
            if unsafe { self.submissions.push(&entry) }.is_ok() {
                return;
            }
            self.enter(None).expect("a full submission queue can be handed to the kernel");
        }
    }

    /// Whether operations are queued that the kernel has not been given.
    pub fn has_queued(&mut self) -> bool {
        !self.submissions.is_empty()
    }

    /// Hands queued operations to the kernel, lets it run deferred work, and with `wait` sleeps until there
    /// is a completion or the time is over.
    pub fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.submissions.sync();
        let queued = self.submissions.len() as u32;
        let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        if self.no_iowait {
            flags |= EnterFlags::NO_IOWAIT;
        }
        let duration = wait.unwrap_or_default();
        let timespec = Timespec::new().sec(duration.as_secs()).nsec(duration.subsec_nanos());
        let arguments = SubmitArgs::new().timespec(&timespec);
        let wanted = u32::from(wait.is_some());
        // SAFETY: the arguments live on this stack frame for the whole call.
        let result = unsafe { self.submitter.enter(queued, wanted, flags.bits(), Some(&arguments)) };
        self.submissions.sync();
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Moves all completions into `into`; true when there were some.
    pub fn take_completions(&mut self, into: &mut Vec<Completion>) -> bool {
        self.completions.sync();
        let before = into.len();
        into.extend((&mut self.completions).map(|entry| Completion {
            token: Token::decode(entry.user_data()),
            result: entry.result(),
            flags: entry.flags(),
        }));
        self.completions.sync();
        into.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Operation;
    use super::*;

    /// Submits more operations than the queue holds, and takes no completion meanwhile.
    #[test]
    fn a_full_queue_is_handed_over_early() {
        let mut ring = Ring::new().expect("this machine has io_uring");
        let count = 2 * COMPLETIONS_MAX + 7;
        for index in 0..count {
            let token = Token { operation: Operation::Writable, index, generation: 0 };
            // SAFETY: it refers to nothing.
            unsafe { ring.push(io_uring::opcode::Nop::new().build(), token) };
        }
        assert!(ring.has_queued());
        let mut completions = Vec::new();
        while completions.len() < count as usize {
            ring.enter(Some(Duration::from_secs(10))).expect("the ring works");
            assert!(
                ring.take_completions(&mut completions),
                "{} of {count} are missing",
                count - completions.len() as u32
            );
        }
        assert!(!ring.has_queued());
        assert!(completions.iter().map(|completion| completion.token.index).eq(0..count), "each once, in order");
    }
}
