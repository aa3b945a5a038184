//! The ordered stream on its way: what all cores propagate, from their turns to the storage plane. See docs/durability.md, "The stream".
//!
//! ```text
//!   core 0: turn --take 7--> queue 0 --+
//!   core 1: turn --take 8--> queue 1 --+--> the storage thread takes what is there, and looks again after a pause;
//!                                           finds it nothing, it parks, and the next group wakes it
//! ```
//! So under load nobody is woken for a group, and a core pays an atomic add and a push for all that a turn has propagated. What was handed
//! over and is not taken is counted in bytes: while it is too much, cores let no writes begin.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::SegQueue;
use torc_log::Group;

use crate::core::parker::Parker;

/// Bytes that may wait before writes do; what is taken meanwhile may exceed that by what one turn propagates.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// The order of all groups, and those that nobody has taken yet.
pub struct Stream {
    numbers: Numbers,
    /// By core: in the order of its numbers.
    queues: Vec<SegQueue<Group>>,
    waiting: Waiting,
    /// Whether the storage thread sleeps until it is woken.
    parker: Parker,
}

#[derive(Default)]
#[repr(align(128))]
struct Numbers {
    last: AtomicU64,
    /// The last cut that has a number.
    cut: AtomicU64,
}

#[derive(Default)]
#[repr(align(128))]
struct Waiting {
    bytes: AtomicU64,
    /// Bytes that were taken and are not written.
    unwritten: AtomicU64,
}

impl Stream {
    /// Of so many cores; nothing has a number yet.
    pub fn new(cores: usize) -> Stream {
        Stream {
            numbers: Numbers::default(),
            queues: (0..cores).map(|_| SegQueue::new()).collect(),
            waiting: Waiting::default(),
            parker: Parker::default(),
        }
    }

    /// The next number. Whoever takes it hands over a group with it, at once.
    pub fn take(&self) -> u64 {
        self.numbers.last.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The last number that was taken: whatever is to be seen now has been made by a group up to it, or of this turn.
    pub fn last(&self) -> u64 {
        self.numbers.last.load(Ordering::SeqCst)
    }

    /// The number of a cut, for the first core that has made it; cuts are made one after another.
    pub fn take_cut(&self, cut: u64) -> Option<u64> {
        let before = self.numbers.cut.fetch_max(cut, Ordering::SeqCst);
        (before < cut).then(|| self.take())
    }

    /// Hands a group of a core over. Returns whether the storage thread has to be woken for it.
    #[must_use]
    pub fn push(&self, core: usize, group: Group) -> bool {
        self.waiting.bytes.fetch_add(group.len() as u64, Ordering::Relaxed);
        self.queues[core].push(group);
        self.parker.needs_wake()
    }

    /// The next group of any core; whoever has taken some says so.
    pub fn pop(&self) -> Option<Group> {
        self.queues.iter().find_map(SegQueue::pop)
    }

    /// Groups of so many bytes were taken, and so many bytes are not written now.
    pub fn note_taken(&self, bytes: u64, unwritten: u64) {
        self.waiting.unwritten.store(unwritten, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(bytes, Ordering::Release);
    }

    /// Bytes that are not written, wherever they are.
    pub fn pending_bytes(&self) -> u64 {
        self.waiting.bytes.load(Ordering::Acquire) + self.waiting.unwritten.load(Ordering::Relaxed)
    }

    /// Bytes that were handed over and not taken.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting.bytes.load(Ordering::Relaxed)
    }

    /// Whether writes are to wait, for a core that holds them back already or not.
    #[inline]
    pub fn is_full(&self, was_full: bool) -> bool {
        self.waiting_bytes() > if was_full { WAITING_BYTES_MAX / 2 } else { WAITING_BYTES_MAX }
    }

    /// The storage thread wants to sleep until it is woken: whether it may, because nothing has come meanwhile.
    pub fn park(&self) -> bool {
        self.parker.park(|| self.queues.iter().all(SegQueue::is_empty))
    }

    /// It is awake, and looks for groups by itself.
    pub fn unpark(&self) {
        self.parker.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u64, bytes: usize) -> Group {
        let mut encoder = torc_log::Encoder::default();
        let value = vec![b'v'; bytes];
        let mut request = Vec::new();
        torc_resp::write_request(&mut request, &[&b"SET"[..], b"k", &value]);
        encoder.record([(0, &request[..])]);
        Group::new(number, encoder.take())
    }

    #[test]
    fn only_a_thread_that_sleeps_is_woken_and_once() {
        let stream = Stream::new(2);
        assert!(!stream.push(0, group(1, 1)));
        assert!(!stream.park(), "something has come");
        assert!(!stream.push(1, group(2, 1)));
        assert!(stream.pop().is_some() && stream.pop().is_some() && stream.pop().is_none());
        assert!(stream.park());
        assert!(stream.push(1, group(3, 1)));
        assert!(!stream.push(0, group(4, 1)));
    }

    #[test]
    fn what_waits_is_counted_and_has_a_bound() {
        let stream = Stream::new(1);
        let half = usize::try_from(WAITING_BYTES_MAX / 2).unwrap();
        assert!(!stream.push(0, group(1, half)) && !stream.is_full(false) && stream.is_full(true));
        assert!(!stream.push(0, group(2, half)) && stream.is_full(false));
        let take = || {
            let bytes = stream.pop().expect("it is there").len() as u64;
            stream.note_taken(bytes, 7);
        };
        take();
        assert!(!stream.is_full(false) && stream.is_full(true), "writes go on when half of it is taken");
        take();
        assert!(!stream.is_full(true));
        assert_eq!((stream.waiting_bytes(), stream.pending_bytes()), (0, 7));
    }
}
