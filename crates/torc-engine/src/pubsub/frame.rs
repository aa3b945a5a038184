//! How messages and confirmations are written: arrays in RESP2, pushes in RESP3, alike but for their first byte.

use std::borrow::Cow;
use std::io::Write as _;

use torc_resp::{OutputBuffer, Protocol, Reply};

use super::published::put_string;
use super::{Published, TopicKind};

/// A body from this length on is shared by the outputs instead of copied into them.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// A message for the subscribers of a topic.
pub(crate) struct Frames<'m> {
    message: &'m Published,
    /// What precedes the body, behind the first byte.
    head: Cow<'static, [u8]>,
}

impl<'m> Frames<'m> {
    /// For the subscribers of its channel, or of a pattern that the channel matches.
    pub(crate) fn new(message: &'m Published, pattern: Option<&[u8]>) -> Self {
        let head: Cow<'static, [u8]> = match (message.kind, pattern) {
            (_, Some(pattern)) => {
                let mut head = b"4\r\n$8\r\npmessage\r\n".to_vec();
                put_string(&mut head, pattern);
                head.into()
            }
            (TopicKind::Shard, None) => b"3\r\n$8\r\nsmessage\r\n".into(),
            (TopicKind::Channel | TopicKind::Pattern | TopicKind::Prefix, None) => b"3\r\n$7\r\nmessage\r\n".into(),
        };
        Frames { message, head }
    }

    /// Writes the frame.
    #[inline]
    pub(crate) fn write(&self, out: &mut OutputBuffer, protocol: Protocol) {
        let body = self.message.body();
        out.push(if protocol == Protocol::Resp3 { b'>' } else { b'*' });
        out.extend_from_slice(&self.head);
        if body.len() < SHARED_BYTES_MIN {
            out.extend_from_slice(body);
        } else {
            out.share(body.clone());
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
