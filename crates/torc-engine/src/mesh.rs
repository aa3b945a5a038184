//! One core's side of the exchange with the others: a batch that is filling for each peer, and credits; and the local queue.
//!
//! ```text
//!   request, message --> filling --flush, a credit is taken--> in flight --the box comes home--> spare
//!   replies          --> replies --flush--> (the peer's credit comes back)
//!   message to itself, postponed message --> local queue, read before the engine returns, or in the next turn
//! ```
//! A core may have [`BATCHES_IN_FLIGHT_MAX`] request batches at a peer. The mailbox from one core to
//! another therefore never holds more than twice that many messages (its requests, and its replies to
//! the peer's requests), has room for exactly those, and a push can never find it full: two cores that
//! are busy with each other cannot deadlock. While credits are out, requests gather in the next batch;
//! when that is full too, the connections that need the peer are not read any further.

use std::collections::VecDeque;

use crate::message::{Batch, Message};
use crate::route::CoreId;
use crate::transaction::RoleMessage;

/// Request batches that one core may have outstanding at one peer.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// Messages that the mailbox from one core to another must have room for.
pub const MAILBOX_MESSAGES_MAX: usize = 2 * BATCHES_IN_FLIGHT_MAX;

/// A batch being filled that is beyond this, while no credit is left, takes no more requests.
const BATCH_BYTES_MAX: usize = 1 << 20;
const BATCH_REQUESTS_MAX: usize = 1024;
/// No batch grows beyond this plus one request, since its spans count bytes in 32 bits.
const BATCH_BYTES_HARD_MAX: usize = 1 << 30;

/// Empty batches kept for reuse.
const SPARE_BATCHES_MAX: usize = 16;

#[derive(Default)]
struct Peer {
    /// The batch being filled; `None` when nothing waits.
    filling: Option<Box<Batch>>,
    /// Request batches that are out.
    in_flight: usize,
    /// Request batches of the peer that are here, and whose replies have not left.
    owed: usize,
    /// What leaves with the next batch to this peer.
    messages: Vec<RoleMessage>,
}

/// What one core sends.
pub struct Outbox {
    own: CoreId,
    peers: Vec<Peer>,
    #[expect(clippy::vec_box, reason = "the boxes travel between cores as they are")]
    spare: Vec<Box<Batch>>,
    /// Replies that go out with the next flush.
    replies: Vec<(CoreId, Box<Batch>)>,
    /// Messages of this core to itself, and of others for which a turn had no time, each with its sender. Empty between calls of the
    /// engine, unless the time of the turn is over.
    local: VecDeque<(CoreId, RoleMessage)>,
}

impl Outbox {
    /// Of core `own` among `cores`.
    pub fn new(own: CoreId, cores: u16) -> Self {
        assert!(own < cores, "core {own} of {cores}");
        let peers = (0..cores).map(|_| Peer::default()).collect();
        Outbox { own, peers, spare: Vec::new(), replies: Vec::new(), local: VecDeque::new() }
    }

    /// Whether a request for this peer can be taken now.
    #[inline]
    pub fn has_room(&self, peer: CoreId) -> bool {
        let peer = &self.peers[usize::from(peer)];
        match &peer.filling {
            None => true,
            Some(batch) => {
                let limit = if peer.in_flight < BATCHES_IN_FLIGHT_MAX { BATCH_BYTES_HARD_MAX } else { BATCH_BYTES_MAX };
                batch.request_bytes() < limit && batch.len() < BATCH_REQUESTS_MAX
            }
        }
    }

    /// The batch that is being filled for this peer.
    #[inline]
    pub fn batch(&mut self, peer: CoreId) -> &mut Batch {
        let filling = &mut self.peers[usize::from(peer)].filling;
        filling.get_or_insert_with(|| self.spare.pop().unwrap_or_default())
    }

    /// An empty batch, for a hop or a unit.
    pub fn spare_batch(&mut self) -> Box<Batch> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps the buffers of a batch that is of no more use.
    pub fn recycle(&mut self, mut batch: Box<Batch>) {
        batch.clear();
        assert!(batch.is_empty(), "a spare batch holds no request");
        if self.spare.len() < SPARE_BATCHES_MAX {
            self.spare.push(batch);
        }
    }

    /// Sends a message; one to this core waits in the local queue.
    pub fn post(&mut self, to: CoreId, message: impl Into<RoleMessage>) {
        let message = message.into();
        if to == self.own {
            self.local.push_back((self.own, message));
        } else {
            self.peers[usize::from(to)].messages.push(message);
        }
    }

    /// Keeps a message of another core in the local queue, since this turn has no time for it.
    pub fn postpone(&mut self, from: CoreId, message: RoleMessage) {
        self.local.push_back((from, message));
    }

    /// The next message of the local queue, with the core that has sent it.
    pub fn next_local(&mut self) -> Option<(CoreId, RoleMessage)> {
        self.local.pop_front()
    }

    /// Whether the local queue holds something.
    #[inline]
    pub fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// A batch of a peer has arrived, whose box is to go home.
    pub fn note_arrived(&mut self, origin: CoreId) {
        assert!(origin != self.own, "a core sends no batch to itself");
        let peer = &mut self.peers[usize::from(origin)];
        peer.owed += 1;
        assert!(peer.owed <= BATCHES_IN_FLIGHT_MAX, "core {origin} has sent more batches than it has credits");
    }

    /// Queues a batch of replies for its way home.
    pub fn reply(&mut self, origin: CoreId, batch: Box<Batch>) {
        assert!(self.peers[usize::from(origin)].owed > 0, "replies go to a core that has sent requests");
        assert!(batch.is_complete(), "each request of a batch that goes home has run, or is answered later");
        self.replies.push((origin, batch));
    }

    /// A batch came home and has been read: its credit is free again and its buffers are kept.
    pub fn returned(&mut self, peer: CoreId, batch: Box<Batch>) {
        let in_flight = &mut self.peers[usize::from(peer)].in_flight;
        *in_flight = in_flight.checked_sub(1).expect("a batch that comes home was sent");
        assert!(batch.is_complete(), "a batch comes home with all its answers");
        self.recycle(batch);
    }

    /// Hands every message that may leave now to `send`, with the time; returns the number of request batches among them.
    pub fn flush(&mut self, now_us: i64, mut send: impl FnMut(CoreId, Message)) -> usize {
        for (origin, mut batch) in self.replies.drain(..) {
            let peer = &mut self.peers[usize::from(origin)];
            peer.owed = peer.owed.checked_sub(1).expect("replies go to a core that has sent requests");
            batch.messages.append(&mut peer.messages);
            batch.sent_us = now_us;
            send(origin, Message::Replies(batch));
        }
        let mut sent = 0;
        for (core, peer) in self.peers.iter_mut().enumerate() {
            if !peer.may_send() {
                continue;
            }
            assert!(core != usize::from(self.own), "a core sends no batch to itself");
            let mut batch = peer.filling.take().or_else(|| self.spare.pop()).unwrap_or_default();
            batch.messages.append(&mut peer.messages);
            batch.sent_us = now_us;
            peer.in_flight += 1;
            assert!(peer.in_flight <= BATCHES_IN_FLIGHT_MAX, "each batch takes a credit");
            sent += 1;
            send(core as CoreId, Message::Requests(batch));
        }
        sent
    }

    /// Whether a flush would send something.
    pub fn has_outgoing(&self) -> bool {
        !self.replies.is_empty() || self.peers.iter().any(Peer::may_send)
    }

    /// Whether nothing is out and nothing waits: what must hold when all clients are gone.
    pub fn is_idle(&self) -> bool {
        let is_idle =
            |peer: &Peer| peer.filling.is_none() && peer.in_flight == 0 && peer.owed == 0 && peer.messages.is_empty();
        self.replies.is_empty() && self.local.is_empty() && self.peers.iter().all(is_idle)
    }
}

impl Peer {
    /// Whether there is something for the peer and a credit to send it with.
    fn may_send(&self) -> bool {
        self.in_flight < BATCHES_IN_FLIGHT_MAX && (self.filling.is_some() || !self.messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::ToParticipant;

    fn flush(outbox: &mut Outbox) -> Vec<(CoreId, Message)> {
        let mut sent = Vec::new();
        outbox.flush(1, |to, message| sent.push((to, message)));
        sent
    }

    #[test]
    fn a_batch_takes_a_credit_that_comes_home_with_it() {
        let (mut here, mut there) = (Outbox::new(0, 2), Outbox::new(1, 2));
        let mut out = Vec::new();
        for _ in 0..BATCHES_IN_FLIGHT_MAX {
            here.post(1, ToParticipant::Unwatch(Vec::new()));
            out.append(&mut flush(&mut here));
        }
        here.post(1, ToParticipant::Unwatch(Vec::new()));
        assert!(!here.has_outgoing() && flush(&mut here).is_empty(), "no credit is left");
        for (to, message) in out {
            let (1, Message::Requests(mut batch)) = (to, message) else { panic!("requests go to core 1") };
            there.note_arrived(0);
            assert_eq!(std::mem::take(&mut batch.messages).len(), 1);
            there.reply(0, batch);
        }
        let replies = flush(&mut there);
        assert!(there.is_idle());
        for (_, message) in replies {
            let Message::Replies(batch) = message else { panic!("the boxes go home") };
            here.returned(1, batch);
        }
        assert_eq!(flush(&mut here).len(), 1, "what has waited leaves");
    }

    #[test]
    fn a_core_speaks_to_itself_by_its_local_queue() {
        let mut outbox = Outbox::new(0, 2);
        outbox.post(0, ToParticipant::Unwatch(Vec::new()));
        assert!(outbox.has_local() && !outbox.has_outgoing());
        assert!(outbox.next_local().is_some() && outbox.is_idle());
    }

    #[test]
    #[should_panic(expected = "more batches than it has credits")]
    fn more_batches_than_credits_are_a_fault() {
        let mut outbox = Outbox::new(1, 2);
        (0..=BATCHES_IN_FLIGHT_MAX).for_each(|_| outbox.note_arrived(0));
    }
}
