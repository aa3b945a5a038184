//! How messages and confirmations are written: arrays in RESP2, pushes in RESP3, alike but for their first byte.

use std::io::Write as _;

use torc_resp::{OutputBuffer, Protocol, Reply};

use super::published::put_string;
use super::{Published, TopicKind};

/// A body from this length on is shared by the outputs instead of copied into them.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// A message for the subscribers of a topic, framed once for all of them.
pub(crate) struct Frames<'m> {
    message: &'m Published,
    /// Up to the body, or with it where it is short; the first byte is RESP2's.
    start: Vec<u8>,
    shares_body: bool,
}

impl<'m> Frames<'m> {
    /// For the subscribers of its channel, or of a pattern that the channel matches.
    pub(crate) fn new(message: &'m Published, pattern: Option<&[u8]>) -> Self {
        let shares_body = message.len() >= SHARED_BYTES_MIN;
        let room = if shares_body { 0 } else { message.len() };
        let mut start = Vec::with_capacity(room + pattern.map_or(0, <[u8]>::len) + 40);
        match (message.kind, pattern) {
            (_, Some(pattern)) => {
                start.extend_from_slice(b"*4\r\n$8\r\npmessage\r\n");
                put_string(&mut start, pattern);
            }
            (TopicKind::Shard, None) => start.extend_from_slice(b"*3\r\n$8\r\nsmessage\r\n"),
            (TopicKind::Channel | TopicKind::Pattern, None) => start.extend_from_slice(b"*3\r\n$7\r\nmessage\r\n"),
        }
        if !shares_body {
            start.extend_from_slice(message.body());
        }
        Frames { message, start, shares_body }
    }

    /// Writes the frame.
    pub(crate) fn write(&self, out: &mut OutputBuffer, protocol: Protocol) {
        match protocol {
            Protocol::Resp2 => out.extend_from_slice(&self.start),
            Protocol::Resp3 => {
                out.push(b'>');
                out.extend_from_slice(&self.start[1..]);
            }
        }
        if self.shares_body {
            out.share(self.message.body().clone());
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
