//! Groups of all cores into one order.
//!
//! ```text
//!   push 9, push 7     next is 7:  [7][ ][9]  --pop--> 7, then nothing until 8 is there
//! ```
//! Numbers are dense, so the next one always comes. What waits behind a gap is counted in bytes: a core that has taken a
//! number delivers it in the same turn, so much is only there when a thread has been held up.

use std::collections::VecDeque;

use super::types::Group;

/// Numbers that may be ahead of the next one. A number that is further ahead was not taken from the counter.
const NUMBERS_AHEAD_MAX: u64 = 1 << 20;

/// The groups that have come, from the next number on.
pub(super) struct Merger {
    next: u64,
    places: VecDeque<Option<Group>>,
    bytes: u64,
}

impl Merger {
    /// The first group has the number after `last`.
    pub fn new(last: u64) -> Merger {
        Merger { next: last + 1, places: VecDeque::new(), bytes: 0 }
    }

    pub fn push(&mut self, group: Group) {
        let Some(ahead) = group.number.checked_sub(self.next) else {
            panic!("number {} comes twice, or after it was passed: the next is {}", group.number, self.next)
        };
        assert!(ahead < NUMBERS_AHEAD_MAX, "number {} is far ahead of {}", group.number, self.next);
        let place = ahead as usize;
        if place >= self.places.len() {
            self.places.resize_with(place + 1, || None);
        }
        assert!(self.places[place].is_none(), "number {} comes twice", group.number);
        self.bytes += group.content.len() as u64;
        self.places[place] = Some(group);
    }

    /// The next group, if it is there.
    pub fn pop(&mut self) -> Option<Group> {
        self.places.front()?.as_ref()?;
        let group = self.places.pop_front().flatten().expect("it was there");
        assert_eq!(group.number, self.next, "groups leave in the order of their numbers");
        self.next += 1;
        self.bytes -= group.content.len() as u64;
        Some(group)
    }

    /// The highest number that has been popped.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
