//! What the clients of a run have asked and seen, each with its moment: all that the judge knows.

/// A moment: how many others were before it.
pub(crate) type At = u64;

/// The moment of what has not happened.
pub(crate) const NEVER: At = At::MAX;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Channel,
    /// Here a pattern is a name, with a `*` behind it or not.
    Pattern,
    Shard,
}

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Topic {
    pub kind: Kind,
    pub name: String,
}

/// A PUBLISH or SPUBLISH. Its payload begins with [`payload_of`] its place in the history.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    pub connection: usize,
    pub is_shard: bool,
    pub channel: String,
    pub sent_at: At,
    pub answered_at: At,
    pub count: Option<u64>,
}

/// A write that makes a list longer by one, so that its answer is its place among the writes of the key.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub key: String,
    pub event: &'static str,
    pub sent_at: At,
    pub answered_at: At,
    /// The length that it was answered with; 0: it has written nothing.
    pub version: Option<u64>,
}

/// A read upon receipt of a message whose publisher had written before.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub key: String,
    pub at_least: u64,
    pub found: Option<u64>,
}

/// A SET of a key that one client alone sets, to numbers that grow.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub key: String,
    pub version: u64,
    pub answered_at: At,
}

/// What a client has in its cache while nothing is under way.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub connection: usize,
    pub key: String,
    pub version: u64,
    pub at: At,
}

/// What a connection has received, but for plain replies; and at its end what it had asked and was not answered.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// `topic`: none if there was nothing to end.
    Confirmed {
        added: bool,
        topic: Option<Topic>,
        count: u64,
        asked_at: At,
    },
    Message {
        topic: Topic,
        channel: String,
        payload: String,
    },
    Reset {
        asked_at: At,
    },
    Unanswered {
        added: bool,
        topics: Vec<Topic>,
        asked_at: At,
    },
}

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub items: Vec<(At, Item)>,
    pub died_at: At,
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub now: At,
    pub publishes: Vec<Publish>,
    pub writes: Vec<Write>,
    pub reads: Vec<Read>,
    pub sets: Vec<Set>,
    pub cached: Vec<Cached>,
    /// Keys that clients were told of.
    pub invalidations: u64,
    /// Looks that a cache has answered.
    pub cache_hits: u64,
    pub streams: Vec<Stream>,
    /// Moments at which nothing was under way.
    pub rests: Vec<At>,
}

impl History {
    /// The next moment.
    pub fn tick(&mut self) -> At {
        self.now += 1;
        self.now
    }
}

impl Topic {
    pub fn new(kind: Kind, name: &str) -> Self {
        Topic { kind, name: name.to_owned() }
    }

    /// Whether messages on this channel, or shard channel, are for it.
    pub fn hears(&self, is_shard: bool, channel: &str) -> bool {
        match self.kind {
            Kind::Channel => !is_shard && self.name == channel,
            Kind::Shard => is_shard && self.name == channel,
            Kind::Pattern if is_shard => false,
            Kind::Pattern => match self.name.strip_suffix('*') {
                Some(prefix) => channel.starts_with(prefix),
                None => self.name == channel,
            },
        }
    }
}

/// How the payload of a publish begins.
pub(crate) fn payload_of(publish: usize) -> String {
    format!("m{publish}")
}

/// The publish that a payload is of; none: it is an event's.
pub(crate) fn publish_of(payload: &str) -> Option<usize> {
    payload.strip_prefix('m')?.split(' ').next()?.parse().ok()
}
