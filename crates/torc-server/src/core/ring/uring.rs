//! A thin layer over one io_uring: queueing operations, one system call a turn, completions as plain values.
//!
//! Set up with SINGLE_ISSUER and DEFER_TASKRUN: completions are produced only inside our own
//! `io_uring_enter`, so nothing interrupts a turn. The ring lives as long as its thread, which is as long
//! as the process.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter, cqueue, opcode, squeue};

use super::buffers::{BUFFER_BYTES, GROUP, ProvidedBuffers};
use super::token::{Operation, Token};
use super::{Completion, Receive};

/// Operations that can be queued in one turn before the queue is handed to the kernel early.
const SUBMISSIONS_MAX: u32 = 1024;
/// Completions the kernel can leave without falling back to its overflow list.
const COMPLETIONS_MAX: u32 = 8192;

/// One core's ring on io_uring.
pub struct Uring {
    submitter: Submitter<'static>,
    submissions: SubmissionQueue<'static>,
    completions: CompletionQueue<'static>,
    descriptor: RawFd,
    no_iowait: bool,
    buffers: ProvidedBuffers,
}

impl Uring {
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
        let buffers = ProvidedBuffers::new(&submitter)?;
        Ok(Uring { submitter, submissions, completions, descriptor, no_iowait, buffers })
    }

    /// The ring's descriptor, for messages from other rings.
    pub fn descriptor(&self) -> RawFd {
        self.descriptor
    }

    /// As [`Ring::accept`](super::Ring::accept).
    pub fn accept(&mut self, token: Token, listener: RawFd) {
        let accept = opcode::AcceptMulti::new(Fd(listener)).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: it refers to no memory.
        unsafe { self.push(accept, token) };
    }

    /// As [`Ring::receive`](super::Ring::receive).
    pub fn receive(&mut self, token: Token, socket: RawFd, how: Receive) {
        let receive = match how {
            Receive::Always => opcode::RecvMulti::new(Fd(socket), GROUP).build(),
            Receive::Once => {
                let receive = opcode::Recv::new(Fd(socket), std::ptr::null_mut(), BUFFER_BYTES as u32).buf_group(GROUP);
                receive.build().flags(squeue::Flags::BUFFER_SELECT)
            }
        };
        // SAFETY: the buffers live as long as the process.
        unsafe { self.push(receive, token) };
    }

    /// As [`Ring::when_writable`](super::Ring::when_writable).
    pub fn when_writable(&mut self, token: Token, socket: RawFd) {
        // SAFETY: a poll refers to no memory.
        unsafe { self.push(opcode::PollAdd::new(Fd(socket), libc::POLLOUT as u32).build(), token) };
    }

    /// As [`Ring::when_readable`](super::Ring::when_readable).
    pub fn when_readable(&mut self, token: Token, descriptor: RawFd) {
        // SAFETY: a poll refers to no memory.
        unsafe { self.push(opcode::PollAdd::new(Fd(descriptor), libc::POLLIN as u32).build(), token) };
    }

    /// As [`Ring::cancel`](super::Ring::cancel).
    pub fn cancel(&mut self, token: Token) {
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(token.encode())).build();
        // SAFETY: a cancellation refers to no memory.
        unsafe { self.push(cancel, Token::of(Operation::Cancel)) };
    }

    /// Posts a completion into another core's ring; it leaves with our next entering of the kernel.
    pub fn wake(&mut self, descriptor: RawFd) {
        let message = opcode::MsgRingData::new(Fd(descriptor), 0, Token::of(Operation::Wake).encode(), None);
        let message = message.build().flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: the message refers to no memory, and rings live as long as the process.
        unsafe { self.push(message, Token::of(Operation::Cancel)) };
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// Memory that the operation refers to must stay valid until its last completion.
    unsafe fn push(&mut self, entry: squeue::Entry, token: Token) {
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
            buffer: cqueue::buffer_select(entry.flags()),
            is_last: !cqueue::more(entry.flags()),
            leaves_some: cqueue::sock_nonempty(entry.flags()),
        }));
        self.completions.sync();
        into.len() > before
    }

    /// As [`Ring::received`](super::Ring::received).
    pub fn received(&self, buffer: u16, len: usize) -> &[u8] {
        self.buffers.received(buffer, len)
    }

    /// As [`Ring::give_back`](super::Ring::give_back).
    pub fn give_back(&mut self, buffer: u16) {
        self.buffers.give_back(buffer);
    }

    /// As [`Ring::publish_buffers`](super::Ring::publish_buffers).
    pub fn publish_buffers(&mut self) {
        self.buffers.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Submits more operations than the queue holds, and takes no completion meanwhile.
    #[test]
    fn a_full_queue_is_handed_over_early() {
        let mut ring = Uring::new().expect("this machine has io_uring");
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
