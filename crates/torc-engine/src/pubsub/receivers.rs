//! On the core of the connections: who gets the messages of a topic.
//!
//! A receiver is there from the answer of its topic's home to its subscription, up to the answer to its end. Where several cores are
//! home to a topic, it gets only the messages of those that have registered it.

use super::few::Few;
use super::names::Names;
use super::patterns::Patterns;
use super::prefixes::Prefixes;
use super::{Change, Home, TopicKind};
use crate::asker::ConnectionId;
use crate::route::CoreId;

/// A connection that has subscribed to a topic.
struct Receiver {
    connection: ConnectionId,
    /// The cores that have registered it, while that is not all that are home to the topic.
    #[expect(clippy::box_collection, reason = "it is seldom there")]
    registered_at: Option<Box<Vec<CoreId>>>,
}

impl Receiver {
    /// The connection, if it gets what comes from this core.
    #[inline]
    fn hears(&self, at: CoreId) -> Option<ConnectionId> {
        let is_registered = self.registered_at.as_ref().is_none_or(|cores| cores.contains(&at));
        is_registered.then_some(self.connection)
    }
}

/// The connections of this core, by topic.
#[derive(Default)]
pub(crate) struct Receivers {
    channels: Names<Few<Receiver>>,
    shard_channels: Names<Few<Receiver>>,
    patterns: Patterns<Few<Receiver>>,
    prefixes: Prefixes<Few<Receiver>>,
}

impl Receivers {
    /// A home has registered that a connection subscribes, or no longer. `home`: all of the topic's, of `cores`.
    pub(crate) fn change(&mut self, connection: ConnectionId, change: &Change, at: CoreId, home: Home, cores: u16) {
        let name = &change.topic.name;
        let receivers = match change.topic.kind {
            TopicKind::Pattern => self.patterns.entry(name),
            TopicKind::Prefix => self.prefixes.entry(name),
            kind => self.names_mut(kind).entry(name),
        };
        if change.is_added {
            add(receivers, connection, at, home.len(cores));
        } else {
            remove(receivers, connection, at, home, cores);
        }
        if receivers.is_empty() {
            self.remove(change.topic.kind, name);
        }
    }

    /// A connection is gone, which had subscribed to this topic.
    pub(crate) fn forget(&mut self, connection: ConnectionId, kind: TopicKind, name: &[u8]) {
        let receivers = match kind {
            TopicKind::Pattern => self.patterns.get_mut(name),
            TopicKind::Prefix => self.prefixes.get_mut(name),
            kind => self.names_mut(kind).get_mut(name),
        };
        let Some(receivers) = receivers else { return };
        if let Some(place) = receivers.as_slice().iter().position(|receiver| receiver.connection == connection) {
            receivers.remove(place);
        }
        if receivers.is_empty() {
            self.remove(kind, name);
        }
    }

    fn remove(&mut self, kind: TopicKind, name: &[u8]) {
        match kind {
            TopicKind::Pattern => self.patterns.remove(name),
            TopicKind::Prefix => self.prefixes.remove(name),
            kind => _ = self.names_mut(kind).remove(name),
        }
    }

    /// Calls `deliver` for each topic that gets a message which was published on core `at`: with the pattern, if it is one, and its
    /// connections.
    pub(crate) fn visit<'a>(
        &'a self,
        kind: TopicKind,
        channel: &'a [u8],
        at: CoreId,
        mut deliver: impl FnMut(Option<&[u8]>, &mut dyn Iterator<Item = ConnectionId>),
    ) {
        let get = |receiver: &Receiver| receiver.hears(at);
        if let Some(receivers) = self.channels_of(kind).get(channel) {
            deliver(None, &mut receivers.as_slice().iter().filter_map(get));
        }
        if kind == TopicKind::Channel && self.patterns.len() > 0 {
            for (pattern, receivers) in self.patterns.matching(channel) {
                deliver(Some(pattern), &mut receivers.as_slice().iter().filter_map(get));
            }
        }
    }

    /// The connections that are told of keys with this prefix that have changed on core `at`.
    pub(crate) fn of_prefix(&self, prefix: &[u8], at: CoreId) -> impl Iterator<Item = ConnectionId> {
        self.prefixes.get(prefix).into_iter().flat_map(Few::as_slice).filter_map(move |receiver| receiver.hears(at))
    }

    /// Those that are told of keys by any prefix; one may come more than once.
    pub(crate) fn of_prefixes(&self) -> impl Iterator<Item = ConnectionId> {
        self.prefixes.iter().flat_map(|(_, receivers)| receivers.as_slice()).map(|receiver| receiver.connection)
    }

    fn channels_of(&self, kind: TopicKind) -> &Names<Few<Receiver>> {
        if kind == TopicKind::Shard { &self.shard_channels } else { &self.channels }
    }

    fn names_mut(&mut self, kind: TopicKind) -> &mut Names<Few<Receiver>> {
        if kind == TopicKind::Shard { &mut self.shard_channels } else { &mut self.channels }
    }
}

fn add(receivers: &mut Few<Receiver>, connection: ConnectionId, at: CoreId, homes: usize) {
    if homes == 1 {
        return receivers.push(Receiver { connection, registered_at: None });
    }
    let Some(receiver) = receivers.as_mut_slice().iter_mut().find(|receiver| receiver.connection == connection) else {
        return receivers.push(Receiver { connection, registered_at: Some(Box::new(vec![at])) });
    };
    let cores = receiver.registered_at.as_mut().expect("a core registers it once");
    assert!(!cores.contains(&at), "a core registers it once");
    cores.push(at);
    if cores.len() == homes {
        receiver.registered_at = None;
    }
}

fn remove(receivers: &mut Few<Receiver>, connection: ConnectionId, at: CoreId, home: Home, cores: u16) {
    let place = receivers.as_slice().iter().position(|receiver| receiver.connection == connection);
    let place = place.expect("who unsubscribes has subscribed");
    let registered_at = &mut receivers.as_mut_slice()[place].registered_at;
    let left = match registered_at {
        None if home.len(cores) > 1 => registered_at.insert(Box::new((0..cores).collect())),
        Some(left) => left,
        None => {
            receivers.remove(place);
            return;
        }
    };
    left.retain(|core| *core != at);
    if left.is_empty() {
        receivers.remove(place);
    }
}
