//! A published message, as it travels: channel and payload in one buffer that all who get it share.

use bytes::Bytes;

use super::TopicKind;
use crate::route::CoreId;

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
    /// Where the name of the channel lies in `body`.
    channel_start: u32,
    channel_len: u32,
    /// Channel and payload as two RESP strings: the end of every frame.
    body: Bytes,
}

impl Published {
    /// A payload on a channel.
    pub fn new(kind: TopicKind, channel: &[u8], payload: &[u8]) -> Self {
        assert!(matches!(kind, TopicKind::Channel | TopicKind::Shard), "nothing is published on a pattern or a prefix");
        let mut body = Vec::with_capacity(channel.len() + payload.len() + 32);
        put_string(&mut body, channel);
        let channel_start = body.len() - 2 - channel.len();
        put_string(&mut body, payload);
        let (channel_start, channel_len) = (channel_start as u32, channel.len() as u32);
        Published { kind, channel_start, channel_len, body: body.into() }
    }

    /// The name of the channel.
    pub fn channel(&self) -> &[u8] {
        let start = self.channel_start as usize;
        &self.body[start..start + self.channel_len as usize]
    }

    /// What is published.
    pub fn payload(&self) -> &[u8] {
        let rest = &self.body[(self.channel_start + self.channel_len) as usize + 2..self.body.len() - 2];
        let line = rest.iter().position(|&byte| byte == b'\n').expect("the length of the payload ends");
        &rest[line + 1..]
    }

    /// Channel and payload, encoded.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// Bytes that it takes, about.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Never: a message names its channel.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Appends a RESP string.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
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
            let message = Published::new(TopicKind::Channel, channel, payload);
            assert_eq!((message.channel(), message.payload()), (channel, payload));
        }
    }
}
