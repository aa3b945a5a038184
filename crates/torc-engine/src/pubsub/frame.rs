//! How messages and confirmations are written: arrays in RESP2, pushes in RESP3, alike but for their first byte.

use std::io::Write as _;

use torc_resp::{OutputBuffer, Protocol, Reply};

use super::published::{SHARED_BYTES_MIN, put_string};
use super::{Published, TopicKind};

/// A message for the subscribers of a topic: for those of its channel the frame that it travels with, for those of a pattern another head
/// before channel and payload.
pub(crate) struct Frames<'m> {
    message: &'m Published,
    /// Of a pattern: what precedes channel and payload, behind the first byte.
    head: Option<Vec<u8>>,
}

impl<'m> Frames<'m> {
    /// For the subscribers of its channel, or of a pattern that the channel matches.
    pub(crate) fn new(message: &'m Published, pattern: Option<&[u8]>) -> Self {
        let head = pattern.map(|pattern| {
            let mut head = b"4\r\n$8\r\npmessage\r\n".to_vec();
            put_string(&mut head, pattern);
            head
        });
        Frames { message, head }
    }

    /// Writes the frame.
    #[inline]
    pub(crate) fn write(&self, out: &mut OutputBuffer, protocol: Protocol) {
        let (frame, body_start) = (self.message.frame(), self.message.body_start());
        let is_copied = frame.len() < SHARED_BYTES_MIN;
        if is_copied {
            out.reserve(1 + frame.len());
        }
        out.push(if protocol == Protocol::Resp3 { b'>' } else { b'*' });
        let rest = match &self.head {
            None => 0,
            Some(head) => {
                out.extend_from_slice(head);
                body_start
            }
        };
        if is_copied {
            out.extend_from_slice(&frame[rest..]);
        } else {
            out.share(frame.slice(rest..));
        }
    }
}

/// Writes the confirmation of a subscription, or of its end. `name`: `None` if there was nothing to end. `count`: subscriptions that
/// are left, of shard channels or of all else.
pub(crate) fn write_confirmation(
    reply: &mut Reply<'_>,
    kind: TopicKind,
    is_added: bool,
    name: Option<&[u8]>,
    count: usize,
) {
    let word = match (kind, is_added) {
        (TopicKind::Channel, true) => "subscribe",
        (TopicKind::Channel, false) => "unsubscribe",
        (TopicKind::Pattern, true) => "psubscribe",
        (TopicKind::Pattern, false) => "punsubscribe",
        (TopicKind::Shard, true) => "ssubscribe",
        (TopicKind::Shard, false) => "sunsubscribe",
        (TopicKind::Prefix, _) => unreachable!("nothing confirms a prefix"),
    };
    match reply.protocol() {
        Protocol::Resp2 => reply.array(3),
        Protocol::Resp3 => reply.push(3),
    }
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
}

/// The channels of an event: what has happened to a key, and what an event has happened to.
pub(crate) fn write_event_channel(out: &mut Vec<u8>, what: &str, db: u16, name: &[u8]) {
    out.clear();
    write!(out, "__{what}@{db}__:").expect("memory takes all");
    out.extend_from_slice(name);
}
