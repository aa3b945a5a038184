//! What clients subscribe to, and where that is known.

use std::sync::Arc;

use crate::route::{CoreId, SlotMap};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicKind {
    /// A channel: SUBSCRIBE.
    Channel,
    /// All channels whose names match: PSUBSCRIBE.
    Pattern,
    /// A shard channel: SSUBSCRIBE.
    Shard,
    /// The keys that begin with it: CLIENT TRACKING BCAST. Nothing is published on it.
    Prefix,
}

impl TopicKind {
    /// All kinds.
    pub const ALL: [TopicKind; 4] = [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard, TopicKind::Prefix];
}

/// A channel, a shard channel, a pattern or a prefix. Its name is allocated once for all who know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// What the name stands for.
    pub kind: TopicKind,
    /// The name.
    pub name: Arc<[u8]>,
}

/// A connection subscribes to a topic, or no longer.
#[derive(Debug, Clone)]
pub struct Change {
    /// The topic.
    pub topic: Topic,
    /// It subscribes.
    pub is_added: bool,
}

/// The cores that publishes, or changes of keys, pass through which concern a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// This core.
    One(CoreId),
    /// Any core.
    Every,
}

/// How the channels begin that keyspace notifications are published on; behind the database number `__:` follows.
const KEYSPACE: &[u8] = b"__keyspace@";
const KEYEVENT: &[u8] = b"__keyevent@";

impl Home {
    /// Of a topic.
    pub fn of(kind: TopicKind, name: &[u8], slots: &SlotMap) -> Self {
        match kind {
            _ if slots.cores() == 1 => Home::One(0),
            TopicKind::Pattern | TopicKind::Prefix => Home::Every,
            TopicKind::Channel if name.starts_with(KEYEVENT) => Home::Every,
            TopicKind::Channel => Home::One(slots.owner(notified_key(name).unwrap_or(name))),
            TopicKind::Shard => Home::One(slots.owner(name)),
        }
    }

    /// The core on which a PUBLISH to a channel runs.
    pub fn publisher(kind: TopicKind, name: &[u8], slots: &SlotMap) -> CoreId {
        match Home::of(kind, name, slots) {
            Home::One(core) => core,
            Home::Every => slots.owner(name),
        }
    }

    /// How many cores that is.
    pub fn len(self, cores: u16) -> usize {
        match self {
            Home::One(_) => 1,
            Home::Every => usize::from(cores),
        }
    }
}

/// The key that a channel of keyspace notifications is about.
fn notified_key(name: &[u8]) -> Option<&[u8]> {
    let rest = name.strip_prefix(KEYSPACE)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].strip_prefix(b"__:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_key_are_published_where_the_key_is() {
        let slots = SlotMap::even(5);
        for key in ["a", "b", "{tag}x", "__:", ""] {
            let channel = format!("__keyspace@12__:{key}");
            let home = Home::of(TopicKind::Channel, channel.as_bytes(), &slots);
            assert_eq!(home, Home::One(slots.owner(key.as_bytes())), "{key}");
        }
        assert_eq!(Home::of(TopicKind::Channel, b"__keyevent@0__:set", &slots), Home::Every);
        assert_eq!(Home::of(TopicKind::Channel, b"__keyspace@x", &slots), Home::One(slots.owner(b"__keyspace@x")));
        assert_eq!(Home::of(TopicKind::Shard, b"__keyevent@0__:set", &slots).len(5), 1);
        assert_eq!(Home::of(TopicKind::Pattern, b"a", &slots).len(5), 5);
    }
}
