//! One io_uring for one thread: accept and receive without asking twice.
//!
//! ```text
//!   multishot accept ----\
//!   multishot receive ----> kernel --> completion queue --> Completion { token, result, buffer }
//!   poll (when blocked) -/    |                                                    |
//!                             +-- picks a free buffer of the provided ring <-------+ release()
//! ```
//! The ring is set up so that the kernel runs completions only inside [`ReceiveRing::turn`] (DEFER_TASKRUN),
//! with one system call per turn however many sockets had something to say. Sending is not the ring's business:
//! a direct, non-blocking [`send`] costs less than a submission and its completion.

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const BUFFER_COUNT: u16 = 256;
const BUFFER_BYTES: usize = 16 * 1024;
const BUFFER_GROUP: u16 = 0;

const _: () = assert!(BUFFER_COUNT.is_power_of_two());
const _: () = assert!(size_of::<BufRingEntry>() == 16);

/// One thing that happened on a socket.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// The number given when the operation was started.
    pub token: u64,
    /// Accept: the new socket. Receive: bytes received, 0 at the end. Poll: ready events. Negative: an errno.
    pub result: i32,
    /// False when the operation has ended and must be started again to hear more.
    pub more: bool,
    buffer: Option<u16>,
}

/// A ring with its provided buffers; see the module's picture.
pub struct ReceiveRing {
    ring: IoUring,
    buffers: BufferRing,
}

impl ReceiveRing {
    /// A ring with room for `entries` submissions between two turns (more are submitted early).
    ///
    /// # Errors
    /// The kernel has no io_uring with provided buffer rings, or forbids it.
    pub fn new(entries: u32) -> io::Result<Self> {
        let ring = build_ring(entries)?;
        let buffers = BufferRing::new()?;
        // SAFETY: the entries are mapped, page-aligned and as many as said; `ring` is dropped before `buffers`
        // (fields drop in order), so the kernel never sees them unmapped.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                buffers.entries.as_ptr() as u64,
                BUFFER_COUNT,
                BUFFER_GROUP,
                0,
            )?;
        }
        Ok(Self { ring, buffers })
    }

    /// Accepts on `listener` until it is closed.
    pub fn accept(&mut self, listener: RawFd, token: u64) {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        self.push(opcode::AcceptMulti::new(types::Fd(listener)).flags(flags).build().user_data(token));
    }

    /// Receives on `socket` until it ends or the buffers run out.
    pub fn receive(&mut self, socket: RawFd, token: u64) {
        self.push(opcode::RecvMulti::new(types::Fd(socket), BUFFER_GROUP).build().user_data(token));
    }

    /// Tells once when `socket` takes bytes again.
    pub fn poll_writable(&mut self, socket: RawFd, token: u64) {
        self.push(opcode::PollAdd::new(types::Fd(socket), libc::POLLOUT as u32).build().user_data(token));
    }

    /// Submits what was started, waits for at least one completion and puts all there are into `completions`
    /// (emptied first). Returns with none when `wait_max` passes or a signal arrives.
    ///
    /// # Errors
    /// The kernel refuses to enter the ring.
    pub fn turn(&mut self, completions: &mut Vec<Completion>, wait_max: Option<Duration>) -> io::Result<()> {
        completions.clear();
        let entered = match wait_max {
            None => self.ring.submit_and_wait(1),
            Some(wait_max) => {
                let timeout = types::Timespec::from(wait_max);
                let arguments = types::SubmitArgs::new().timespec(&timeout);
                self.ring.submitter().submit_with_args(1, &arguments)
            }
        };
        match entered {
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ETIME | libc::EBUSY)) => {}
            Err(error) => return Err(error),
        }
        completions.extend(self.ring.completion().map(|entry| Completion {
            token: entry.user_data(),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        }));
        Ok(())
    }

    /// The bytes that a receive brought. Valid until the completion is given to [`Self::release`].
    pub fn bytes(&self, completion: &Completion) -> &[u8] {
        match completion.buffer {
            Some(buffer) => self.buffers.bytes(buffer, usize::try_from(completion.result).unwrap_or(0)),
            None => &[],
        }
    }

    /// Gives the buffer of `completion`, if it had one, back to the kernel.
    pub fn release(&mut self, completion: Completion) {
        if let Some(buffer) = completion.buffer {
            self.buffers.publish(buffer);
        }
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: no entry made in this file points to memory of ours; sockets outlive their operations by
            // the callers' rule to close only after the last completion.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.ring.submit().expect("a full submission queue can always be submitted");
        }
    }
}

/// Sends what the socket takes at once: the count, 0 when it would block, or an error.
///
/// # Errors
/// The connection is gone.
#[inline]
pub fn send(socket: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is a live slice of the length given.
    let sent =
        unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent >= 0 {
        return Ok(sent as usize);
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    }
}

/// The best mode this kernel has: without the index array from 6.6, deferred completions from 6.1.
fn build_ring(entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun().setup_cqsize(entries * 4);
    let mut newest = builder.clone();
    newest.setup_no_sqarray();
    newest.build(entries).or_else(|_| builder.build(entries)).or_else(|_| IoUring::new(entries))
}

/// Two mappings: the entries that the kernel reads, and the buffers that they name.
struct BufferRing {
    entries: NonNull<BufRingEntry>,
    storage: NonNull<u8>,
    tail: u16,
}

impl BufferRing {
    fn new() -> io::Result<Self> {
        let entries = map(usize::from(BUFFER_COUNT) * size_of::<BufRingEntry>())?.cast();
        let storage = map(usize::from(BUFFER_COUNT) * BUFFER_BYTES)?;
        let mut ring = Self { entries, storage, tail: 0 };
        for buffer in 0..BUFFER_COUNT {
            ring.publish(buffer);
        }
        Ok(ring)
    }

    fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        assert!(buffer < BUFFER_COUNT && length <= BUFFER_BYTES, "the kernel named a buffer outside the ring");
        // SAFETY: in bounds of the mapping by the assertion; the kernel does not write to a buffer between
        // handing it over and its publication, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.storage.as_ptr().add(usize::from(buffer) * BUFFER_BYTES), length) }
    }

    fn publish(&mut self, buffer: u16) {
        let index = usize::from(self.tail & (BUFFER_COUNT - 1));
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `index` is below BUFFER_COUNT and zeroed memory is a valid entry; the kernel reads an entry only
        // below the tail, so this one is ours until the store below. `tail` lies inside the first entry, aligned.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(index);
            entry.set_addr(self.storage.as_ptr().add(usize::from(buffer) * BUFFER_BYTES) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: both are the mappings made in `new`, with the same lengths, and nothing borrows them any more.
        unsafe {
            libc::munmap(self.entries.as_ptr().cast(), usize::from(BUFFER_COUNT) * size_of::<BufRingEntry>());
            libc::munmap(self.storage.as_ptr().cast(), usize::from(BUFFER_COUNT) * BUFFER_BYTES);
        }
    }
}

/// Fresh zeroed pages.
fn map(length: usize) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    // SAFETY: an anonymous mapping at a place of the kernel's choice touches nothing that exists.
    let address = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(address.cast()).expect("a successful anonymous mmap is never at address zero"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    #[test]
    fn accepts_and_receives_more_than_all_buffers_hold() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ring = ReceiveRing::new(8).unwrap();
        ring.accept(listener.as_raw_fd(), 1);
        let total = usize::from(BUFFER_COUNT) * BUFFER_BYTES * 2;
        let address = listener.local_addr().unwrap();
        let writer = std::thread::spawn(move || {
            TcpStream::connect(address).unwrap().write_all(&vec![7; total]).unwrap();
        });
        let (mut socket, mut received, mut ended) = (-1, 0, false);
        let mut completions = Vec::new();
        while !ended {
            ring.turn(&mut completions, Some(Duration::from_secs(10))).unwrap();
            assert!(!completions.is_empty(), "nothing arrived for ten seconds");
            for completion in completions.drain(..) {
                if completion.token == 1 {
                    socket = completion.result;
                    ring.receive(socket, 2);
                    continue;
                }
                assert!(ring.bytes(&completion).iter().all(|&byte| byte == 7));
                received += ring.bytes(&completion).len();
                ring.release(completion);
                ended |= completion.result == 0;
                if !completion.more && !ended {
                    ring.receive(socket, 2);
                }
            }
        }
        writer.join().unwrap();
        assert_eq!(received, total);
    }

    #[test]
    fn a_turn_without_events_ends_at_its_limit() {
        let mut ring = ReceiveRing::new(8).unwrap();
        let mut completions = Vec::new();
        ring.turn(&mut completions, Some(Duration::from_millis(5))).unwrap();
        assert!(completions.is_empty());
    }
}
