//! What one session has subscribed to.

use std::collections::HashSet;
use std::sync::Arc;

use super::hashing::NameHashing;
use super::{Change, Topic, TopicKind};

/// The topics of a session, and what their homes do not know of yet.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: [HashSet<Arc<[u8]>, NameHashing>; TopicKind::ALL.len()],
    /// Bytes of the names.
    names_bytes: usize,
    /// In the order in which the session has made them.
    unregistered: Vec<Change>,
}

impl Subscriptions {
    /// Subscribes to a topic. Whether it had not.
    pub(crate) fn add(&mut self, kind: TopicKind, name: &[u8]) -> bool {
        let names = &mut self.names[kind as usize];
        if names.contains(name) {
            return false;
        }
        let name: Arc<[u8]> = name.into();
        names.insert(name.clone());
        self.names_bytes += name_bytes(&name);
        self.unregistered.push(Change { topic: Topic { kind, name }, is_added: true });
        true
    }

    /// Ends a subscription. Whether there was one.
    pub(crate) fn remove(&mut self, kind: TopicKind, name: &[u8]) -> bool {
        let Some(name) = self.names[kind as usize].take(name) else { return false };
        self.names_bytes -= name_bytes(&name);
        self.unregistered.push(Change { topic: Topic { kind, name }, is_added: false });
        true
    }

    /// Its topics of a kind.
    pub(crate) fn names(&self, kind: TopicKind) -> impl Iterator<Item = &Arc<[u8]>> {
        self.names[kind as usize].iter()
    }

    /// Number of topics of a kind.
    pub(crate) fn len(&self, kind: TopicKind) -> usize {
        self.names[kind as usize].len()
    }

    /// Number of topics.
    pub(crate) fn total(&self) -> usize {
        self.names.iter().map(HashSet::len).sum()
    }

    /// What a confirmation counts: shard channels by themselves, all else together.
    pub(crate) fn counted(&self, kind: TopicKind) -> usize {
        match kind {
            TopicKind::Shard => self.len(TopicKind::Shard),
            TopicKind::Channel | TopicKind::Pattern => self.len(TopicKind::Channel) + self.len(TopicKind::Pattern),
        }
    }

    /// Ends all of them.
    pub(crate) fn remove_all(&mut self) {
        for kind in TopicKind::ALL {
            let names = std::mem::take(&mut self.names[kind as usize]);
            let ended = names.into_iter().map(|name| Change { topic: Topic { kind, name }, is_added: false });
            self.unregistered.extend(ended);
        }
        self.names_bytes = 0;
    }

    /// What the homes are to be told.
    pub(crate) fn take_unregistered(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.unregistered)
    }

    /// Whether there is something that they are to be told.
    #[inline]
    pub(crate) fn has_unregistered(&self) -> bool {
        !self.unregistered.is_empty()
    }

    /// Memory that it takes, names included, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let places: usize = self.names.iter().map(HashSet::capacity).sum();
        size_of::<Self>() + places * (size_of::<Arc<[u8]>>() + 1) + self.names_bytes
    }
}

/// What a name takes, with the counts of those who share it.
fn name_bytes(name: &Arc<[u8]>) -> usize {
    name.len() + 2 * size_of::<usize>()
}
