//! A published message, as it travels: the frame of those who have subscribed to its channel, in one buffer that all who get it share.

use bytes::Bytes;
use torc_resp::number::I64Text;

use super::{InFlight, TopicKind};
use crate::route::CoreId;

/// A frame from this length on is shared by the outputs instead of copied into them.
pub(super) const SHARED_BYTES_MIN: usize = 16 * 1024;

/// The cores with subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// None.
    None,
    /// This one.
    One(CoreId),
    /// These, each once.
    Several(Vec<CoreId>),
}

impl Targets {
    /// Adds a core.
    pub fn add(&mut self, core: CoreId) {
        match self {
            Targets::None => *self = Targets::One(core),
            Targets::One(one) if *one == core => {}
            Targets::One(one) => *self = Targets::Several(vec![*one, core]),
            Targets::Several(cores) if cores.contains(&core) => {}
            Targets::Several(cores) => cores.push(core),
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[CoreId] {
        match self {
            Targets::None => &[],
            Targets::One(core) => std::slice::from_ref(core),
            Targets::Several(cores) => cores,
        }
    }
}

/// A message on a channel or shard channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Channel or shard channel.
    pub kind: TopicKind,
    /// Where channel and payload, as two RESP strings, begin in `frame`.
    body_start: u32,
    /// Where the name of the channel lies there.
    channel_start: u32,
    channel_len: u32,
    /// What subscribers of the channel get, but for the first byte, which tells a push from an array.
    frame: Bytes,
}

impl Published {
    /// A payload on a channel. A long one is counted as long as it is being sent.
    pub(crate) fn new(kind: TopicKind, channel: &[u8], payload: &[u8], in_flight: &InFlight) -> Self {
        assert!(matches!(kind, TopicKind::Channel | TopicKind::Shard), "nothing is published on a pattern or a prefix");
        let head: &[u8] = match kind {
            TopicKind::Shard => b"3\r\n$8\r\nsmessage\r\n",
            _ => b"3\r\n$7\r\nmessage\r\n",
        };
        // Exactly so much: from a vector with room left, bytes to share would be allocated once more.
        let mut frame = Vec::with_capacity(head.len() + string_len(channel) + string_len(payload));
        frame.extend_from_slice(head);
        put_string(&mut frame, channel);
        let channel_start = frame.len() - 2 - channel.len();
        put_string(&mut frame, payload);
        let (body_start, channel_start, channel_len) = (head.len() as u32, channel_start as u32, channel.len() as u32);
        let frame = if frame.len() < SHARED_BYTES_MIN { frame.into() } else { in_flight.share(frame) };
        Published { kind, body_start, channel_start, channel_len, frame }
    }

    /// The name of the channel.
    pub fn channel(&self) -> &[u8] {
        let start = self.channel_start as usize;
        &self.frame[start..start + self.channel_len as usize]
    }

    /// What is published.
    pub fn payload(&self) -> &[u8] {
        let rest = &self.frame[(self.channel_start + self.channel_len) as usize + 2..self.frame.len() - 2];
        let line = rest.iter().position(|&byte| byte == b'\n').expect("the length of the payload ends");
        &rest[line + 1..]
    }

    /// The frame of who has subscribed to the channel, behind its first byte.
    pub(super) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Where channel and payload begin in it: the end of every frame.
    pub(super) fn body_start(&self) -> usize {
        self.body_start as usize
    }

    /// Bytes that it takes, about.
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// Never: a message names its channel.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Bytes of a RESP string.
fn string_len(bytes: &[u8]) -> usize {
    I64Text::new(bytes.len() as i64).as_bytes().len() + bytes.len() + 5
}

/// Appends a RESP string.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    out.extend_from_slice(I64Text::new(bytes.len() as i64).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_and_payload_are_found_again() {
        for (channel, payload) in
            [(&b"news"[..], &b"hello"[..]), (b"", b""), (b"\r\n$3", b"$1\r\nx\r\n"), (b"c", &[b'x'; 20_000])]
        {
            let message = Published::new(TopicKind::Channel, channel, payload, &InFlight::default());
            assert_eq!((message.channel(), message.payload()), (channel, payload));
            let body = &message.frame()[message.body_start()..];
            assert_eq!(body.len(), string_len(channel) + string_len(payload));
            assert!(body.starts_with(format!("${}\r\n", channel.len()).as_bytes()));
        }
    }
}
