//! What both rings promise, on real sockets.

use std::collections::{HashSet, VecDeque};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::buffers::{BUFFER_BYTES, BUFFERS};
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A ring, and completions that came with one that was looked at already.
struct Tested {
    ring: Ring,
    found: VecDeque<Completion>,
}

impl Tested {
    fn new(backend: Backend) -> Self {
        Tested { ring: Ring::new(backend).expect("this machine has both"), found: VecDeque::new() }
    }
}

impl Deref for Tested {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.ring
    }
}

impl DerefMut for Tested {
    fn deref_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }
}

/// Runs a test on a ring of each kind.
fn on_each(test: impl Fn(Tested)) {
    for backend in [Backend::Uring, Backend::Epoll] {
        test(Tested::new(backend));
    }
}

fn token(operation: Operation, index: u32) -> Token {
    Token { operation, index, generation: 7 }
}

/// A connection that the ring knows, and its other end.
fn connection(ring: &mut Tested, index: u32) -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ring.register(token(Operation::Receive, index), ours.as_raw_fd()).expect("it is registered");
    (ours, theirs)
}

fn receive(ring: &mut Tested, index: u32, ours: &UnixStream, how: Receive) {
    ring.receive(token(Operation::Receive, index), ours.as_raw_fd(), how);
}

/// The next completion.
#[track_caller]
fn next(ring: &mut Tested) -> Completion {
    let (mut found, until) = (Vec::new(), Instant::now() + LIMIT);
    while ring.found.is_empty() {
        assert!(Instant::now() < until, "nothing is completed");
        ring.enter(Some(Duration::from_secs(1))).expect("it can be entered");
        ring.take_completions(&mut found);
        // Of cancellations only the last completions of what was cancelled matter.
        ring.found.extend(found.drain(..).filter(|completion| completion.token.operation != Operation::Cancel));
    }
    ring.found.pop_front().expect("there is one")
}

/// The completion of a receive with bytes, whose buffer is given back.
#[track_caller]
fn next_bytes(ring: &mut Tested) -> (Completion, Vec<u8>) {
    let completion = next(ring);
    let buffer = completion.buffer.unwrap_or_else(|| panic!("{completion:?} has a buffer"));
    let bytes = ring.received(buffer, completion.result as usize).to_vec();
    ring.give_back(buffer);
    ring.publish_buffers();
    (completion, bytes)
}

#[track_caller]
fn assert_quiet(ring: &mut Tested) {
    let mut found = Vec::new();
    assert!(ring.found.is_empty(), "{:?}", ring.found);
    for _ in 0..3 {
        ring.enter(Some(Duration::from_millis(10))).expect("it can be entered");
        ring.take_completions(&mut found);
        assert!(found.iter().all(|completion| completion.token.operation == Operation::Cancel), "{found:?}");
    }
}

#[test]
fn a_receive_goes_on_until_the_end() {
    on_each(|mut ring| {
        let (ours, mut theirs) = connection(&mut ring, 3);
        theirs.write_all(b"before").expect("there is room");
        receive(&mut ring, 3, &ours, Receive::Always);
        for expected in [&b"before"[..], b"one", b"two"] {
            let (completion, bytes) = next_bytes(&mut ring);
            assert_eq!((completion.token, completion.is_last), (token(Operation::Receive, 3), false));
            assert_eq!(bytes, expected);
            assert_quiet(&mut ring);
            theirs.write_all(if expected == b"before" { b"one" } else { b"two" }).expect("there is room");
        }
        next_bytes(&mut ring);
        drop(theirs);
        let end = next(&mut ring);
        assert_eq!((end.result, end.buffer, end.is_last), (0, None, true));
        assert_quiet(&mut ring);
        ring.forget(token(Operation::Receive, 3));
    });
}

#[test]
fn a_receive_of_one_buffer() {
    on_each(|mut ring| {
        let (ours, mut theirs) = connection(&mut ring, 0);
        let sent: Vec<u8> = (0..BUFFER_BYTES + 5).map(|place| place as u8).collect();
        theirs.write_all(&sent).expect("there is room");
        for (expected, leaves_some) in [(&sent[..BUFFER_BYTES], true), (&sent[BUFFER_BYTES..], false)] {
            receive(&mut ring, 0, &ours, Receive::Once);
            let (completion, bytes) = next_bytes(&mut ring);
            assert!(completion.is_last && bytes == expected);
            assert_eq!(completion.leaves_some, leaves_some);
            assert_quiet(&mut ring);
        }
        // What comes while nobody asks is there for who asks next.
        theirs.write_all(b"more").expect("there is room");
        assert_quiet(&mut ring);
        receive(&mut ring, 0, &ours, Receive::Once);
        assert_eq!(next_bytes(&mut ring).1, b"more");
    });
}

#[test]
fn the_end_comes_behind_what_was_sent() {
    on_each(|mut ring| {
        let (ours, mut theirs) = connection(&mut ring, 0);
        theirs.write_all(b"last words").expect("there is room");
        drop(theirs);
        receive(&mut ring, 0, &ours, Receive::Always);
        assert_eq!(next_bytes(&mut ring).1, b"last words");
        assert_eq!(next(&mut ring).result, 0);
    });
}

#[test]
fn what_is_cancelled_ends_once() {
    on_each(|mut ring| {
        let (ours, mut theirs) = connection(&mut ring, 0);
        receive(&mut ring, 0, &ours, Receive::Always);
        ring.cancel(token(Operation::Receive, 0));
        let end = next(&mut ring);
        assert_eq!((end.token, end.result, end.is_last), (token(Operation::Receive, 0), -libc::ECANCELED, true));
        theirs.write_all(b"later").expect("there is room");
        assert_quiet(&mut ring);
        receive(&mut ring, 0, &ours, Receive::Always);
        assert_eq!(next_bytes(&mut ring).1, b"later");
    });
}

#[test]
fn room_in_a_socket_is_told_once() {
    on_each(|mut ring| {
        let (mut ours, mut theirs) = connection(&mut ring, 0);
        let ask = |ring: &mut Tested, ours: &UnixStream| {
            ring.when_writable(token(Operation::Writable, 0), ours.as_raw_fd());
        };
        ask(&mut ring, &ours);
        let told = next(&mut ring);
        assert_eq!((told.token, told.is_last), (token(Operation::Writable, 0), true));
        assert!(told.result > 0);
        ours.set_nonblocking(true).expect("it is open");
        while ours.write(&[0; 4096]).is_ok() {}
        ask(&mut ring, &ours);
        assert_quiet(&mut ring);
        ours.set_nonblocking(false).expect("it is open");
        theirs.set_nonblocking(true).expect("it is open");
        while theirs.read(&mut [0; 4096]).is_ok() {}
        assert_eq!(next(&mut ring).token.operation, Operation::Writable);
        assert_quiet(&mut ring);
        // Also who waits in vain gets an end.
        ours.set_nonblocking(true).expect("it is open");
        while ours.write(&[0; 4096]).is_ok() {}
        ask(&mut ring, &ours);
        ring.cancel(token(Operation::Writable, 0));
        assert_eq!(next(&mut ring).token.operation, Operation::Writable);
    });
}

#[test]
fn receiving_does_not_hinder_waiting_for_room() {
    on_each(|mut ring| {
        let (mut ours, mut theirs) = connection(&mut ring, 0);
        ours.set_nonblocking(true).expect("it is open");
        while ours.write(&[0; 4096]).is_ok() {}
        ring.when_writable(token(Operation::Writable, 0), ours.as_raw_fd());
        receive(&mut ring, 0, &ours, Receive::Always);
        theirs.write_all(b"a request").expect("there is room");
        assert_eq!(next_bytes(&mut ring).1, b"a request");
        theirs.set_nonblocking(true).expect("it is open");
        while theirs.read(&mut [0; 4096]).is_ok() {}
        assert_eq!(next(&mut ring).token.operation, Operation::Writable);
    });
}

/// More sockets with something to receive than there are buffers: all get their turn when buffers are given back.
#[test]
fn buffers_run_out_and_come_back() {
    on_each(|mut ring| {
        let count = u32::from(BUFFERS) + 44;
        let pairs: Vec<_> = (0..count).map(|index| connection(&mut ring, index)).collect();
        for (index, (ours, theirs)) in (0..).zip(&pairs) {
            (&*theirs).write_all(&[index as u8]).expect("there is room");
            receive(&mut ring, index, ours, Receive::Always);
        }
        let (mut heard, mut held, mut found) = (HashSet::new(), Vec::new(), Vec::new());
        let until = Instant::now() + LIMIT;
        while heard.len() < count as usize {
            assert!(Instant::now() < until, "{} of {count} were heard", heard.len());
            ring.enter(Some(Duration::from_millis(10))).expect("it can be entered");
            let is_short = !ring.take_completions(&mut found);
            for completion in found.drain(..) {
                let index = completion.token.index;
                if let Some(buffer) = completion.buffer {
                    assert_eq!(ring.received(buffer, 1), [index as u8]);
                    heard.insert(index);
                    held.push(buffer);
                }
                if completion.is_last {
                    receive(&mut ring, index, &pairs[index as usize].0, Receive::Always);
                }
            }
            if is_short || held.len() == usize::from(BUFFERS) {
                held.drain(..).for_each(|buffer| ring.give_back(buffer));
                ring.publish_buffers();
            }
        }
    });
}

#[test]
fn connections_are_accepted_until_one_fails() {
    on_each(|mut ring| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let accept = Token { operation: Operation::Accept, index: 1, generation: 0 };
        ring.register(accept, listener.as_raw_fd()).expect("it is registered");
        let address = listener.local_addr().expect("it is bound");
        let mut clients: Vec<_> = (0..30).map(|_| TcpStream::connect(address).expect("somebody listens")).collect();
        ring.accept(accept, listener.as_raw_fd());
        let (mut accepted, mut found) = (Vec::new(), Vec::new());
        let until = Instant::now() + LIMIT;
        while accepted.len() < 40 {
            assert!(Instant::now() < until, "{} were accepted", accepted.len());
            ring.enter(Some(Duration::from_millis(10))).expect("it can be entered");
            ring.take_completions(&mut found);
            for completion in found.drain(..) {
                assert!(completion.token == accept && completion.result >= 0 && !completion.is_last, "{completion:?}");
                // SAFETY: the descriptor is new, and nobody else's.
                accepted.push(unsafe { OwnedFd::from_raw_fd(completion.result) });
            }
            if accepted.len() >= 30 && clients.len() < 40 {
                clients.push(TcpStream::connect(address).expect("somebody listens"));
            }
        }
    });
}

#[test]
fn a_socket_in_the_place_of_another_one() {
    on_each(|mut ring| {
        let (ours, mut theirs) = connection(&mut ring, 0);
        theirs.write_all(b"never asked for").expect("there is room");
        ring.enter(Some(Duration::ZERO)).expect("it can be entered");
        ring.forget(token(Operation::Receive, 0));
        drop(ours);
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let next_generation = Token { operation: Operation::Receive, index: 0, generation: 8 };
        ring.register(next_generation, ours.as_raw_fd()).expect("it is registered");
        ring.receive(next_generation, ours.as_raw_fd(), Receive::Always);
        assert_quiet(&mut ring);
        theirs.write_all(b"asked for").expect("there is room");
        let (completion, bytes) = next_bytes(&mut ring);
        assert_eq!((completion.token, &bytes[..]), (next_generation, &b"asked for"[..]));
    });
}

#[test]
fn a_ring_wakes_another_one() {
    for backend in [Backend::Uring, Backend::Epoll] {
        let mut ring = Ring::new(backend).expect("this machine has both");
        let (tell, told) = std::sync::mpsc::channel();
        let sleeper = std::thread::spawn(move || {
            let mut ring = Ring::new(backend).expect("this machine has both");
            for _ in 0..3 {
                tell.send(ring.descriptor()).expect("somebody listens");
                let before = Instant::now();
                ring.enter(Some(LIMIT)).expect("it can be entered");
                assert!(before.elapsed() < LIMIT / 2, "it was woken");
                ring.take_completions(&mut Vec::new());
            }
        });
        for descriptor in told {
            ring.wake(descriptor);
            ring.enter(None).expect("it can be entered");
        }
        sleeper.join().expect("the sleeper is content");
    }
}

#[test]
fn an_event_descriptor_is_told_of_once() {
    on_each(|mut ring| {
        // SAFETY: eventfd takes no pointers; the descriptor is new, and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK)) };
        let doorbell = Token::of(Operation::Doorbell);
        ring.register(doorbell, event.as_raw_fd()).expect("it is registered");
        ring.when_readable(doorbell, event.as_raw_fd());
        assert_quiet(&mut ring);
        for _ in 0..2 {
            let one = 1u64.to_ne_bytes();
            // SAFETY: the pointer is good for the length.
            unsafe { libc::write(event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
            assert_eq!(next(&mut ring).token, doorbell);
            assert_quiet(&mut ring);
            // It is readable still.
            ring.when_readable(doorbell, event.as_raw_fd());
            assert_eq!(next(&mut ring).token, doorbell);
            let mut count = [0u8; 8];
            // SAFETY: the pointer is good for the length.
            unsafe { libc::read(event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
            ring.when_readable(doorbell, event.as_raw_fd());
            assert_quiet(&mut ring);
        }
    });
}
