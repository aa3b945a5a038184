//! What clients are told not to serve from their caches any more, and how that is written: an array of keys or null, in a push of RESP3 or
//! as a message on a channel of its own.

use std::sync::Arc;

use torc_resp::{OutputBuffer, Protocol, Reply};

use crate::asker::ConnectionId;

/// The channel on which connections under RESP2 are told of keys that others have cached.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Keys that are not to be served from caches any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// These.
    Keys(Arc<[StaleKey]>),
    /// All.
    All,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleKey {
    /// The key.
    pub key: Box<[u8]>,
    /// The client that has changed it; `None`: nobody has.
    pub by: Option<u64>,
}

/// Which connections of a core are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressees {
    /// These, which have read what is stale.
    Readers(Vec<ConnectionId>),
    /// Those that are told of all keys with this prefix.
    Prefix(Arc<[u8]>),
    /// Those that are told of all keys with some prefix, and these, which have read some key.
    BroadcastAnd(Vec<ConnectionId>),
    /// All that have turned tracking on.
    Everyone,
}

/// What is stale, as one client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// An array of keys, encoded.
    Keys(Arc<[u8]>),
    /// Null.
    All,
}

impl Stale {
    /// One key.
    pub(crate) fn key(key: &[u8], by: Option<u64>) -> Stale {
        Stale::Keys([StaleKey { key: key.into(), by }].into())
    }

    /// Whether one of the keys was changed by this client.
    fn names(&self, client_id: u64) -> bool {
        matches!(self, Stale::Keys(keys) if keys.iter().any(|key| key.by == Some(client_id)))
    }

    /// What all are told but those who have changed something and do not want to hear of that.
    pub(crate) fn body(&self) -> Body {
        match self {
            Stale::All => Body::All,
            Stale::Keys(keys) => Body::of(keys.iter()),
        }
    }

    /// What this client is told, which does not want to hear of what it has changed itself; `None`: nothing. `whole`: what others are.
    pub(crate) fn body_without(&self, client_id: u64, whole: &Body) -> Option<Body> {
        match self {
            Stale::Keys(keys) if self.names(client_id) => {
                let others = || keys.iter().filter(|key| key.by != Some(client_id));
                others().next().map(|_| Body::of(others()))
            }
            _ => Some(whole.clone()),
        }
    }
}

impl Body {
    fn of<'k>(keys: impl Iterator<Item = &'k StaleKey> + Clone) -> Body {
        let mut out = OutputBuffer::new();
        let reply = &mut Reply::new(&mut out, Protocol::Resp2);
        reply.array(keys.clone().count());
        keys.for_each(|stale| reply.bulk(&stale.key));
        Body::Keys(out.into_vec().into())
    }

    /// Writes the frame. Under RESP2 it is a message: for a connection that has subscribed to something.
    pub(crate) fn write(&self, out: &mut OutputBuffer, protocol: Protocol) {
        let reply = &mut Reply::new(out, protocol);
        match protocol {
            Protocol::Resp3 => {
                reply.push(2);
                reply.bulk(b"invalidate");
            }
            Protocol::Resp2 => {
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
        }
        match self {
            Body::Keys(keys) => reply.raw(keys),
            Body::All => reply.null_array(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: &Body, protocol: Protocol) -> String {
        let mut out = OutputBuffer::new();
        body.write(&mut out, protocol);
        String::from_utf8(out.into_vec()).expect("it is text")
    }

    #[test]
    fn keys_are_an_array_and_all_keys_are_null() {
        let body = Stale::key(b"k\r", None).body();
        assert_eq!(written(&body, Protocol::Resp3), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\nk\r\r\n");
        let on_channel = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
        assert_eq!(written(&body, Protocol::Resp2), format!("{on_channel}*1\r\n$2\r\nk\r\r\n"));
        assert_eq!(written(&Body::All, Protocol::Resp3), ">2\r\n$10\r\ninvalidate\r\n_\r\n");
        assert_eq!(written(&Body::All, Protocol::Resp2), format!("{on_channel}*-1\r\n"));
    }

    #[test]
    fn what_a_client_has_changed_itself_is_left_out_for_it() {
        let keys = [(&b"a"[..], Some(1)), (b"b", Some(2)), (b"c", None)];
        let stale = Stale::Keys(keys.map(|(key, by)| StaleKey { key: key.into(), by }).into());
        let whole = stale.body();
        let without = |client_id| stale.body_without(client_id, &whole);
        assert_eq!(without(3), Some(whole.clone()));
        assert_eq!(without(1), Some(Body::Keys(b"*2\r\n$1\r\nb\r\n$1\r\nc\r\n"[..].into())));
        let own = Stale::key(b"a", Some(1));
        assert_eq!(own.body_without(1, &own.body()), None);
        assert_eq!(Stale::All.body_without(1, &Body::All), Some(Body::All));
    }
}
