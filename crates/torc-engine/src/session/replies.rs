//! Replies leave in request order, although cores answer when they can.
//!
//! ```text
//!   head                              tail
//!   [waiting 7][ready 8][ready 9][waiting 10]     slots, by sequence number
//!                 \________\__ bytes in `parked`
//! ```
//!
//! While the queue is empty, replies go straight into the session's output. A reply that arrives for
//! the head goes there too, and takes the ready ones behind it along.

use std::collections::VecDeque;

use crate::route::CoreId;

/// Length of a slot whose reply has not come.
const WAITING: usize = usize::MAX;

/// Replies that may be owed to one session. Their sizes are not known before they come, so the number bounds what a
/// client that does not read can have cores send.
const REPLIES_MAX: usize = 256;

/// The number is smaller when recent replies were large: about this many bytes may be owed.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `parked` drops its consumed part when that is at least this long.
const COMPACT_BYTES_MIN: usize = 64 * 1024;

struct Slot {
    start: usize,
    len: usize,
    /// CLIENT REPLY OFF or SKIP: the reply is awaited and dropped.
    dropped: bool,
    /// It is the reply to a request that has an effect.
    is_of_effect: bool,
}

/// The replies of one session that are not in its output yet.
#[derive(Default)]
pub struct ReplyQueue {
    slots: VecDeque<Slot>,
    /// Sequence number of the first slot.
    head: u64,
    /// Size of the largest recent reply; forgotten by halves whenever the queue runs empty.
    largest_bytes: usize,
    parked: Vec<u8>,
    /// Replies owed to requests that have an effect: all by one core, so that what they do becomes visible in their order.
    effects_owed: usize,
    /// That core.
    effects_owner: CoreId,
}

impl ReplyQueue {
    /// Whether no reply is owed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Number of replies owed or parked.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no more replies should be asked for: their number, times the size of recent ones, is enough to hold.
    #[inline]
    pub fn is_full(&self) -> bool {
        let len = self.slots.len();
        len >= REPLIES_MAX || len * self.largest_bytes > REPLY_BYTES_MAX
    }

    /// The core that owes the replies to requests that have an effect; `None`: none is owed.
    #[inline]
    pub fn effects_owner(&self) -> Option<CoreId> {
        (self.effects_owed > 0).then_some(self.effects_owner)
    }

    /// Adds a place for a reply that a core will send later; returns its sequence number.
    pub fn expect(&mut self, dropped: bool) -> u64 {
        self.slots.push_back(Slot { start: 0, len: WAITING, dropped, is_of_effect: false });
        self.head + self.slots.len() as u64 - 1
    }

    /// The same for a request that has an effect, and runs on the core `owner`.
    pub fn expect_effect(&mut self, dropped: bool, owner: CoreId) -> u64 {
        let sequence = self.expect(dropped);
        self.slots.back_mut().expect("it was added just now").is_of_effect = true;
        self.effects_owed += 1;
        self.effects_owner = owner;
        sequence
    }

    /// Adds a reply that is complete but must wait for those before it; `write` appends it.
    pub fn park(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.parked.len();
        write(self.parking());
        self.end_parking(start);
    }

    /// Where the next reply is written that must wait; [`ReplyQueue::end_parking`] follows, with the length before that.
    pub fn parking(&mut self) -> &mut Vec<u8> {
        assert!(!self.slots.is_empty(), "a reply that need not wait is not parked");
        &mut self.parked
    }

    /// What was written behind `start` is a reply that must wait for those before it.
    pub fn end_parking(&mut self, start: usize) {
        assert!(start <= self.parked.len(), "a reply lies behind those before it");
        self.slots.push_back(Slot { start, len: self.parked.len() - start, dropped: false, is_of_effect: false });
    }

    /// A reply has come. Appends to `out` all that can leave now.
    pub fn deliver(&mut self, sequence: u64, reply: &[u8], out: &mut Vec<u8>) {
        let place = sequence.checked_sub(self.head).expect("a reply comes once") as usize;
        self.largest_bytes = self.largest_bytes.max(reply.len());
        let slot = &mut self.slots[place];
        assert_eq!(slot.len, WAITING, "a reply comes once");
        if slot.is_of_effect {
            self.effects_owed = self.effects_owed.checked_sub(1).expect("each of them was counted");
        }
        if place > 0 {
            slot.start = self.parked.len();
            slot.len = if slot.dropped { 0 } else { reply.len() };
            let kept = slot.len;
            self.parked.extend_from_slice(&reply[..kept]);
            return;
        }
        if !slot.dropped {
            out.extend_from_slice(reply);
        }
        self.pop();
        self.release_ready(out);
    }

    /// Bytes of replies that wait for others.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.parked.len()
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.parked.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    fn pop(&mut self) {
        self.slots.pop_front();
        self.head += 1;
    }

    fn release_ready(&mut self, out: &mut Vec<u8>) {
        let mut consumed = 0;
        while let Some(slot) = self.slots.front()
            && slot.len != WAITING
        {
            // Slots that became ready out of order lie out of order in `parked`.
            out.extend_from_slice(&self.parked[slot.start..slot.start + slot.len]);
            consumed += slot.len;
            self.pop();
        }
        if self.slots.is_empty() {
            assert!(self.effects_owed == 0, "nothing is owed");
            assert!(consumed <= self.parked.len(), "what has left was parked");
            self.parked.clear();
            self.largest_bytes /= 2;
            if self.parked.capacity() > COMPACT_BYTES_MIN {
                let largest_bytes = self.largest_bytes;
                *self = ReplyQueue { head: self.head, largest_bytes, ..ReplyQueue::default() };
            }
        } else if consumed > 0 {
            self.compact();
        }
    }

    /// Drops the bytes before the first one that is still needed, when they are many and the larger part.
    fn compact(&mut self) {
        if self.parked.len() < COMPACT_BYTES_MIN {
            return;
        }
        let ready = self.slots.iter().filter(|slot| slot.len != WAITING);
        let needed = ready.map(|slot| slot.start).min().unwrap_or(self.parked.len());
        if needed * 2 < self.parked.len() {
            return;
        }
        assert!(needed <= self.parked.len(), "what is kept is there");
        self.parked.drain(..needed);
        for slot in self.slots.iter_mut().filter(|slot| slot.len != WAITING) {
            slot.start -= needed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Against a plain list of what must come out, with replies arriving in any order.
    #[test]
    fn replies_leave_in_request_order() {
        let mut random = Random::new(7);
        let mut queue = ReplyQueue::default();
        let (mut out, mut wanted, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..20_000u32 {
            let reply = format!("{number}:{}", "x".repeat(random.below(90) as usize));
            let dropped = random.below(10) == 0;
            if !dropped {
                wanted.extend_from_slice(reply.as_bytes());
            }
            if random.below(2) == 0 || dropped {
                open.push((queue.expect(dropped), reply));
            } else if queue.is_empty() {
                out.extend_from_slice(reply.as_bytes());
            } else {
                queue.park(|parked| parked.extend_from_slice(reply.as_bytes()));
            }
            while open.len() > random.below(400) as usize {
                let (sequence, reply) = open.swap_remove(random.below(open.len() as u64) as usize);
                queue.deliver(sequence, reply.as_bytes(), &mut out);
            }
        }
        for (sequence, reply) in open {
            queue.deliver(sequence, reply.as_bytes(), &mut out);
        }
        assert!(queue.is_empty());
        assert_eq!(out, wanted);
    }
}
