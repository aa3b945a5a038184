//! The ring where io_uring is denied, as container runtimes do by default: epoll says what can be done, and this thread does it.
//!
//! ```text
//!   enter:             epoll_wait ─ events ─> watches: readable, writable ─> due: those of which that was asked
//!   take_completions:  due ─ recv, accept4, poll ─> completions
//! ```
//! Every descriptor is registered once, for reading, edge-triggered: to receive again costs no system call of its own, and
//! a request costs one `recv` and its part of an `epoll_wait`. Room is watched for while somebody waits for it. An edge is told once;
//! so a watch keeps what it has been told until a call has shown that it holds no longer. A receive that did not fill its buffer has
//! shown it, unless the other side has ended: then only the end itself does.
//!
//! What is done in one turn is bounded, each watch in its order: nobody waits for the backlog of another.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};

use super::buffers::{BUFFER_BYTES, BUFFERS, Region};
use super::token::{GENERATION_MASK, Operation, Token};
use super::{Completion, Receive};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// Watches that are worked on at a time: as many completions as fit into a turn.
const ATTEMPTS_MAX: usize = 64;
/// Connections accepted at a time on one listener.
const ACCEPTS_MAX: usize = 16;

/// What is known of one descriptor, and what is asked of it.
struct Watch {
    descriptor: RawFd,
    generation: u32,
    /// Bytes are asked for, or connections, or to be told that there is something.
    input: Option<Receive>,
    /// To be told of room is asked for.
    awaits_room: bool,
    /// A call may find something to read.
    may_read: bool,
    /// The other side has ended, or the socket is broken: only a receive that says so ends that it may be read.
    has_ended: bool,
    /// There may be room.
    may_write: bool,
    /// It is among those that are due.
    is_due: bool,
}

impl Watch {
    fn new(descriptor: RawFd, generation: u32) -> Self {
        Watch {
            descriptor,
            generation,
            input: None,
            awaits_room: false,
            // What there is when it is registered comes as an event.
            may_read: false,
            has_ended: false,
            may_write: false,
            is_due: false,
        }
    }

    fn note(&mut self, event: &Event) {
        let has_ended = event.is_read_closed() || event.is_error();
        self.has_ended |= has_ended;
        self.may_read |= event.is_readable() || has_ended;
        self.may_write |= event.is_writable() || has_ended;
    }

    /// Whether something that is asked for may be possible.
    fn can_be_tried(&self) -> bool {
        self.input.is_some() && self.may_read || self.awaits_room && self.may_write
    }
}

/// One core's ring on epoll.
pub struct Epoll {
    poll: Poll,
    events: Events,
    /// Other cores write to it to wake this one. It is never read: each write is an edge.
    bell: RawFd,
    region: Region,
    free: Vec<u16>,
    connections: Vec<Option<Watch>>,
    listeners: Vec<Option<Watch>>,
    stop_signal: Option<Watch>,
    doorbell: Option<Watch>,
    due: VecDeque<Token>,
    /// Completions of cancellations.
    cancelled: Vec<Completion>,
}

impl Epoll {
    /// Creates it.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        // SAFETY: eventfd takes no pointers.
        let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if bell < 0 {
            return Err(io::Error::last_os_error());
        }
        let token = mio::Token(Token::of(Operation::Wake).encode() as usize);
        poll.registry().register(&mut SourceFd(&bell), token, Interest::READABLE)?;
        Ok(Epoll {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            bell,
            region: Region::new()?,
            free: (0..BUFFERS).rev().collect(),
            connections: Vec::new(),
            listeners: Vec::new(),
            stop_signal: None,
            doorbell: None,
            due: VecDeque::new(),
            cancelled: Vec::new(),
        })
    }

    /// As [`Ring::descriptor`](super::Ring::descriptor).
    pub fn descriptor(&self) -> RawFd {
        self.bell
    }

    /// As [`Ring::register`](super::Ring::register).
    pub fn register(&mut self, token: Token, descriptor: RawFd) -> io::Result<()> {
        assert!(token.generation <= GENERATION_MASK, "tokens are compared with those of events");
        if token.operation == Operation::Accept {
            set_nonblocking(descriptor)?;
        }
        let name = mio::Token(token.encode() as usize);
        self.poll.registry().register(&mut SourceFd(&descriptor), name, Interest::READABLE)?;
        *self.place(token) = Some(Watch::new(descriptor, token.generation));
        Ok(())
    }

    /// As [`Ring::forget`](super::Ring::forget). The kernel forgets a descriptor that is closed.
    pub fn forget(&mut self, token: Token) {
        if let Some(watch) = self.place(token).take() {
            assert!(watch.input.is_none() && !watch.awaits_room, "a descriptor outlives what is asked of it");
        }
    }

    /// Where the watch of a token is, or would be.
    fn place(&mut self, token: Token) -> &mut Option<Watch> {
        let among = match token.operation {
            Operation::Receive | Operation::Writable => &mut self.connections,
            Operation::Accept => &mut self.listeners,
            Operation::Signal => return &mut self.stop_signal,
            Operation::Doorbell => return &mut self.doorbell,
            Operation::Cancel | Operation::Wake => unreachable!("nothing is watched for it"),
        };
        let index = token.index as usize;
        if index >= among.len() {
            among.resize_with(index + 1, || None);
        }
        &mut among[index]
    }

    fn ask(&mut self, token: Token, question: impl FnOnce(&mut Watch)) {
        let watch = self.place(token).as_mut().expect("it was registered before anything is asked of it");
        question(watch);
        if watch.can_be_tried() && !std::mem::replace(&mut watch.is_due, true) {
            self.due.push_back(token);
        }
    }
}

/// What is asked for.
impl Epoll {
    /// As [`Ring::accept`](super::Ring::accept).
    pub fn accept(&mut self, token: Token, _listener: RawFd) {
        self.ask(token, |watch| watch.input = Some(Receive::Always));
    }

    /// As [`Ring::receive`](super::Ring::receive).
    #[inline]
    pub fn receive(&mut self, token: Token, _socket: RawFd, how: Receive) {
        self.ask(token, |watch| watch.input = Some(how));
    }

    /// As [`Ring::when_writable`](super::Ring::when_writable).
    pub fn when_writable(&mut self, token: Token, socket: RawFd) {
        self.ask(token, |watch| (watch.awaits_room, watch.may_write) = (true, false));
        // What holds already comes as an event once more.
        self.change_interest(token, socket, Interest::READABLE | Interest::WRITABLE);
    }

    /// Room is told of only while it is asked for: a unix socket has an edge whenever its client has read something.
    fn change_interest(&self, token: Token, socket: RawFd, interest: Interest) {
        let name = mio::Token(Token { operation: Operation::Receive, ..token }.encode() as usize);
        let changed = self.poll.registry().reregister(&mut SourceFd(&socket), name, interest);
        changed.expect("the descriptor is registered, and a change needs no memory");
    }

    /// As [`Ring::when_readable`](super::Ring::when_readable).
    pub fn when_readable(&mut self, token: Token, _descriptor: RawFd) {
        self.ask(token, |watch| (watch.input, watch.may_read) = (Some(Receive::Once), true));
    }

    /// As [`Ring::cancel`](super::Ring::cancel).
    pub fn cancel(&mut self, token: Token) {
        let Some(watch) = self.place(token).as_mut() else { return };
        let was_asked = match token.operation {
            Operation::Writable => std::mem::take(&mut watch.awaits_room),
            _ => {
                // Whoever cancels a receive that tells of nothing may know better: the next one looks in any case.
                watch.may_read = true;
                watch.input.take().is_some()
            }
        };
        if was_asked && token.operation == Operation::Writable {
            let socket = watch.descriptor;
            self.change_interest(token, socket, Interest::READABLE);
        }
        if was_asked {
            self.cancelled.push(Completion::last(token, -libc::ECANCELED));
        }
    }

    /// As [`Ring::wake`](super::Ring::wake), at once.
    pub fn wake(&mut self, bell: RawFd) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the pointer is good for the length; bells are never closed. Their counters do not get full: that would take centuries.
        unsafe { libc::write(bell, one.as_ptr().cast(), one.len()) };
    }
}

/// What comes of it.
impl Epoll {
    /// As [`Ring::has_queued`](super::Ring::has_queued): what is asked for does not wait for the kernel to be entered.
    pub fn has_queued(&self) -> bool {
        false
    }

    /// As [`Ring::enter`](super::Ring::enter).
    pub fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let may_wait = self.due.is_empty() && self.cancelled.is_empty();
        let timeout = wait.filter(|_| may_wait).unwrap_or_default();
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.note(event);
        }
        self.events = events;
        Ok(())
    }

    fn note(&mut self, event: &Event) {
        let token = Token::decode(event.token().0 as u64);
        if token.operation == Operation::Wake {
            return;
        }
        let Some(watch) = self.place(token).as_mut().filter(|watch| watch.generation == token.generation) else {
            return;
        };
        watch.note(event);
        if watch.can_be_tried() && !std::mem::replace(&mut watch.is_due, true) {
            self.due.push_back(token);
        }
    }

    /// As [`Ring::take_completions`](super::Ring::take_completions).
    pub fn take_completions(&mut self, into: &mut Vec<Completion>) -> bool {
        let before = into.len();
        into.append(&mut self.cancelled);
        for _ in 0..self.due.len().min(ATTEMPTS_MAX) {
            let token = self.due.pop_front().expect("they were counted");
            // It may have been forgotten, and its place taken by another one.
            let Some(mut watch) = self.place(token).take_if(|watch| watch.generation == token.generation) else {
                continue;
            };
            self.attempt(&mut watch, token, into);
            watch.is_due = watch.can_be_tried();
            if watch.is_due {
                self.due.push_back(token);
            }
            *self.place(token) = Some(watch);
        }
        into.len() > before
    }

    fn attempt(&mut self, watch: &mut Watch, token: Token, into: &mut Vec<Completion>) {
        match token.operation {
            Operation::Accept => accept(watch, token, into),
            Operation::Signal | Operation::Doorbell => {
                watch.may_read = false;
                if is_ready(watch.descriptor, libc::POLLIN) && watch.input.take().is_some() {
                    into.push(Completion::last(token, i32::from(libc::POLLIN)));
                }
            }
            _ => {
                if watch.awaits_room
                    && std::mem::take(&mut watch.may_write)
                    && is_ready(watch.descriptor, libc::POLLOUT)
                {
                    watch.awaits_room = false;
                    self.change_interest(token, watch.descriptor, Interest::READABLE);
                    let token = Token { operation: Operation::Writable, ..token };
                    into.push(Completion::last(token, i32::from(libc::POLLOUT)));
                }
                if let Some(how) = watch.input.filter(|_| watch.may_read) {
                    let token = Token { operation: Operation::Receive, ..token };
                    into.extend(self.attempt_receive(watch, token, how));
                }
            }
        }
    }

    /// Receives one buffer. Nothing comes of it when there is nothing to receive, or no buffer: then it stays due.
    fn attempt_receive(&mut self, watch: &mut Watch, token: Token, how: Receive) -> Option<Completion> {
        let buffer = *self.free.last()?;
        let start = self.region.start(buffer).cast();
        // SAFETY: the buffer is free, so that nobody reads it, and as long as is said.
        let received = unsafe { libc::recv(watch.descriptor, start, BUFFER_BYTES, libc::MSG_DONTWAIT) };
        if received > 0 {
            self.free.pop();
            let leaves_some = received as usize == BUFFER_BYTES;
            watch.may_read = leaves_some || watch.has_ended;
            watch.input = Some(how).filter(|how| *how == Receive::Always);
            let (result, is_last) = (received as i32, watch.input.is_none());
            return Some(Completion { token, result, buffer: Some(buffer), is_last, leaves_some });
        }
        let error = if received == 0 { 0 } else { last_error() };
        match error {
            libc::EAGAIN => {
                (watch.may_read, watch.has_ended) = (false, false);
                None
            }
            libc::EINTR => None,
            _ => {
                watch.input = None;
                Some(Completion::last(token, -error))
            }
        }
    }

    /// As [`Ring::received`](super::Ring::received).
    #[inline]
    pub fn received(&self, buffer: u16, len: usize) -> &[u8] {
        self.region.received(buffer, len)
    }

    /// As [`Ring::give_back`](super::Ring::give_back), at once.
    #[inline]
    pub fn give_back(&mut self, buffer: u16) {
        assert!(buffer < BUFFERS && self.free.len() < usize::from(BUFFERS), "a buffer of ours that was received into");
        self.free.push(buffer);
    }
}

impl Completion {
    /// One without bytes, after which nothing more comes.
    fn last(token: Token, result: i32) -> Self {
        Completion { token, result, buffer: None, is_last: true, leaves_some: false }
    }
}

/// Accepts what there is, or a good part of it.
fn accept(watch: &mut Watch, token: Token, into: &mut Vec<Completion>) {
    if watch.input.is_none() {
        return;
    }
    for _ in 0..ACCEPTS_MAX {
        // SAFETY: a call without address buffers.
        let accepted =
            unsafe { libc::accept4(watch.descriptor, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC) };
        if accepted >= 0 {
            into.push(Completion { is_last: false, ..Completion::last(token, accepted) });
            continue;
        }
        match last_error() {
            libc::EINTR => {}
            libc::EAGAIN => watch.may_read = false,
            error => {
                // Without a free descriptor it fails even when nobody is there.
                watch.may_read = is_ready(watch.descriptor, libc::POLLIN);
                watch.input = None;
                into.push(Completion::last(token, -error));
            }
        }
        return;
    }
}

fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Asks without waiting.
fn is_ready(descriptor: RawFd, events: i16) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events, revents: 0 };
    // SAFETY: one structure, and a timeout of zero.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

fn set_nonblocking(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: fcntl with these requests takes no pointers.
    let changed = unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFL);
        libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK)
    };
    if changed < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
