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

use torc_resp::{CompleteReply, OutputBuffer};

use crate::route::CoreId;

/// Length of a slot whose reply has not come.
const WAITING: usize = usize::MAX;

/// Replies that may be owed to one session. Their sizes are not known before they come: who makes them asks for room when they are many
/// bytes.
const REPLIES_MAX: usize = 256;

/// `parked` drops its consumed part when that is at least this long.
const COMPACT_BYTES_MIN: usize = 64 * 1024;

struct Slot {
    start: usize,
    len: usize,
    /// A long reply, which does not lie in `parked`.
    long: Option<Box<OutputBuffer>>,
    /// CLIENT REPLY OFF or SKIP: the reply is awaited and dropped.
    dropped: bool,
    /// It is the reply to a request that has an effect.
    is_of_effect: bool,
    /// Its request waits on the connection's own core.
    is_at_home: bool,
}

/// The replies of one session that are not in its output yet.
#[derive(Default)]
pub struct ReplyQueue {
    slots: VecDeque<Slot>,
    /// Sequence number of the first slot.
    head: u64,
    parked: OutputBuffer,
    /// Bytes of long replies.
    long_bytes: usize,
    /// Replies owed to requests that have an effect: where the order of the pipeline is kept all by one core, so that what they do
    /// becomes visible in their order.
    effects_owed: usize,
    /// That core; where the order is not kept the one that was asked last.
    effects_owner: CoreId,
    /// Requests that wait on the connection's own core.
    waiting_at_home: usize,
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

    /// Whether no more replies should be asked for.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.slots.len() >= REPLIES_MAX
    }

    /// The sequence number of the reply for which all others wait.
    pub fn first_owed(&self) -> u64 {
        self.head
    }

    /// The core that owes the replies to requests that have an effect; `None`: none is owed.
    #[inline]
    pub fn effects_owner(&self) -> Option<CoreId> {
        (self.effects_owed > 0).then_some(self.effects_owner)
    }

    /// Adds a place for a reply that a core will send later; returns its sequence number.
    pub fn expect(&mut self, dropped: bool) -> u64 {
        let slot = Slot { start: 0, len: WAITING, long: None, dropped, is_of_effect: false, is_at_home: false };
        self.slots.push_back(slot);
        self.head + self.slots.len() as u64 - 1
    }

    /// Whether the reply with this sequence number has not come.
    pub fn is_owed(&self, sequence: u64) -> bool {
        let slot = sequence.checked_sub(self.head).and_then(|place| self.slots.get(place as usize));
        slot.is_some_and(|slot| slot.len == WAITING)
    }

    /// The sequence number of the last reply that is owed to a request with an effect.
    pub fn last_effect_owed(&self) -> Option<u64> {
        let last = self.slots.iter().rposition(|slot| slot.is_of_effect && slot.len == WAITING);
        last.map(|place| self.head + place as u64)
    }

    /// The sequence number of the last reply that is owed.
    pub fn last_owed(&self) -> Option<u64> {
        let last = self.slots.iter().rposition(|slot| slot.len == WAITING)?;
        Some(self.head + last as u64)
    }

    /// Whether a reply with this sequence number or a lower one has not come.
    pub fn is_owed_up_to(&self, sequence: u64) -> bool {
        let Some(last) = sequence.checked_sub(self.head) else { return false };
        self.slots.iter().take(last as usize + 1).any(|slot| slot.len == WAITING)
    }

    /// Replies that are owed to requests with an effect.
    pub fn effects_owed(&self) -> usize {
        self.effects_owed
    }

    /// The same for a request that has an effect, and runs on the core `owner`.
    pub fn expect_effect(&mut self, dropped: bool, owner: CoreId) -> u64 {
        let sequence = self.expect(dropped);
        self.slots.back_mut().expect("it was added just now").is_of_effect = true;
        self.effects_owed += 1;
        self.effects_owner = owner;
        sequence
    }

    /// The request whose place was added last waits on the connection's own core.
    pub fn note_at_home(&mut self) {
        self.slots.back_mut().expect("its place was added").is_at_home = true;
        self.waiting_at_home += 1;
    }

    /// Whether a request waits on the connection's own core. Others would wait there with it, and be answered all at once.
    #[inline]
    pub fn waits_at_home(&self) -> bool {
        self.waiting_at_home > 0
    }

    /// Adds a reply that is complete but must wait for those before it; `write` appends it.
    pub fn park(&mut self, write: impl FnOnce(&mut OutputBuffer)) {
        let parked = self.parking();
        let start = parked.len();
        write(parked);
        self.end_parking(start);
    }

    /// Where the next reply is written that must wait; [`ReplyQueue::end_parking`] follows, with the length before that.
    pub fn parking(&mut self) -> &mut OutputBuffer {
        assert!(!self.slots.is_empty(), "a reply that need not wait is not parked");
        self.parked.begin_reply();
        &mut self.parked
    }

    /// What was written behind `start` is a reply that must wait for those before it.
    pub fn end_parking(&mut self, start: usize) {
        let long = self.parked.end_reply(start);
        self.long_bytes += long.as_ref().map_or(0, |reply| reply.len());
        let len = self.parked.len() - start;
        let slot = Slot { start, len, long, dropped: false, is_of_effect: false, is_at_home: false };
        self.slots.push_back(slot);
    }

    /// A reply has come. Appends to `out` all that can leave now.
    pub fn deliver(&mut self, sequence: u64, reply: CompleteReply<'_>, out: &mut OutputBuffer) {
        let place = sequence.checked_sub(self.head).expect("a reply comes once") as usize;
        let slot = &mut self.slots[place];
        assert_eq!(slot.len, WAITING, "a reply comes once");
        if slot.is_of_effect {
            self.effects_owed = self.effects_owed.checked_sub(1).expect("each of them was counted");
        }
        self.waiting_at_home -= usize::from(slot.is_at_home);
        if place > 0 {
            slot.start = self.parked.len();
            slot.len = 0;
            match reply {
                _ if slot.dropped => {}
                CompleteReply::Short(bytes) => {
                    self.parked.begin_reply();
                    self.parked.extend_from_slice(bytes);
                    slot.long = self.parked.end_reply(slot.start);
                    slot.len = self.parked.len() - slot.start;
                }
                CompleteReply::Long(reply) => slot.long = Some(reply),
            }
            self.long_bytes += slot.long.as_ref().map_or(0, |reply| reply.len());
            return;
        }
        if !slot.dropped {
            reply.append_to(out);
        }
        self.pop();
        self.release_ready(out);
    }

    /// Drops the replies that wait for others; their places stay.
    pub fn drop_held(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.len != WAITING) {
            (slot.start, slot.len, slot.long) = (0, 0, None);
        }
        self.parked = OutputBuffer::new();
        self.long_bytes = 0;
    }

    /// Bytes of replies that wait for others.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.parked.len() + self.long_bytes
    }

    /// Memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let long = self.slots.iter().flat_map(|slot| &slot.long);
        self.parked.memory_bytes()
            + self.slots.capacity() * size_of::<Slot>()
            + long.map(|reply| reply.memory_bytes()).sum::<usize>()
    }

    /// Bytes of long replies that lie in values.
    pub fn shared_bytes(&self) -> usize {
        self.slots.iter().flat_map(|slot| &slot.long).map(|reply| reply.shared_bytes()).sum()
    }

    fn pop(&mut self) {
        self.slots.pop_front();
        self.head += 1;
    }

    fn release_ready(&mut self, out: &mut OutputBuffer) {
        let mut consumed = 0;
        while let Some(slot) = self.slots.front_mut()
            && slot.len != WAITING
        {
            // Slots that became ready out of order lie out of order in `parked`.
            out.extend_from_slice(&self.parked.complete()[slot.start..slot.start + slot.len]);
            consumed += slot.len;
            if let Some(mut reply) = slot.long.take() {
                self.long_bytes -= reply.len();
                out.append(&mut reply);
            }
            self.pop();
        }
        if self.slots.is_empty() {
            assert!(self.effects_owed == 0, "nothing is owed");
            assert!(consumed <= self.parked.len(), "what has left was parked");
            self.parked.clear();
            if self.parked.tail_capacity() > COMPACT_BYTES_MIN {
                *self = ReplyQueue { head: self.head, ..ReplyQueue::default() };
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
        self.parked.drain_complete(needed);
        for slot in self.slots.iter_mut().filter(|slot| slot.len != WAITING) {
            slot.start -= needed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn complete(reply: &str) -> CompleteReply<'_> {
        if reply.len() < 1000 {
            return CompleteReply::Short(reply.as_bytes());
        }
        let mut long = Box::new(OutputBuffer::new());
        long.extend_from_slice(reply.as_bytes());
        CompleteReply::Long(long)
    }

    /// Against a plain list of what must come out, with replies arriving in any order.
    #[test]
    fn replies_leave_in_request_order() {
        let mut random = Random::new(7);
        let mut queue = ReplyQueue::default();
        let (mut out, mut wanted, mut open) = (OutputBuffer::new(), Vec::new(), Vec::new());
        for number in 0..20_000u32 {
            let len = if random.below(100) == 0 { 100_000 } else { random.below(90) };
            let reply = format!("{number}:{}", "x".repeat(len as usize));
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
                queue.deliver(sequence, complete(&reply), &mut out);
            }
        }
        for (sequence, reply) in open {
            queue.deliver(sequence, complete(&reply), &mut out);
        }
        assert!(queue.is_empty() && queue.held_bytes() == 0);
        assert!(out.to_cow() == wanted);
    }
}
