//! What one session has subscribed to.

use std::sync::Arc;

use super::names::Names;
use super::{Change, Topic, TopicKind};

/// The topics of a session, and what their homes do not know of yet.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: [Names<()>; TopicKind::ALL.len()],
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
        names.entry(&name);
        self.names_bytes += name_bytes(&name);
        self.unregistered.push(Change { topic: Topic { kind, name }, is_added: true });
        true
    }

    /// Ends a subscription. Whether there was one.
    pub(crate) fn remove(&mut self, kind: TopicKind, name: &[u8]) -> bool {
        let Some((name, ())) = self.names[kind as usize].remove(name) else { return false };
        self.names_bytes -= name_bytes(&name);
        self.unregistered.push(Change { topic: Topic { kind, name }, is_added: false });
        true
    }

    /// Its topics of a kind.
    pub(crate) fn names(&self, kind: TopicKind) -> impl Iterator<Item = &Arc<[u8]>> {
        self.names[kind as usize].keys()
    }

    /// Number of topics of a kind.
    pub(crate) fn len(&self, kind: TopicKind) -> usize {
        self.names[kind as usize].len()
    }

    /// Whether there is no topic.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.iter().all(Names::is_empty)
    }

    /// Whether there is one on which messages come that somebody has published.
    pub(crate) fn hears_messages(&self) -> bool {
        [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard].iter().any(|&kind| self.len(kind) > 0)
    }

    /// What a confirmation counts: shard channels by themselves, all else together.
    pub(crate) fn counted(&self, kind: TopicKind) -> usize {
        match kind {
            TopicKind::Shard | TopicKind::Prefix => self.len(kind),
            TopicKind::Channel | TopicKind::Pattern => self.len(TopicKind::Channel) + self.len(TopicKind::Pattern),
        }
    }

    /// Ends all of them.
    pub(crate) fn remove_all(&mut self) {
        TopicKind::ALL.into_iter().for_each(|kind| self.remove_kind(kind));
    }

    /// Ends those of a kind.
    pub(crate) fn remove_kind(&mut self, kind: TopicKind) {
        let names = std::mem::take(&mut self.names[kind as usize]);
        self.names_bytes -= names.keys().map(name_bytes).sum::<usize>();
        let ended = names.into_iter().map(|(name, ())| Change { topic: Topic { kind, name }, is_added: false });
        self.unregistered.extend(ended);
    }

    /// The ends of all of them, one after another: its connection is gone.
    pub(crate) fn into_ends(self) -> Ends {
        assert!(self.unregistered.is_empty(), "a session is registered before it goes");
        Ends(TopicKind::ALL.into_iter().zip(self.names.map(Names::into_iter)).collect())
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
        let places: usize = self.names.iter().map(Names::capacity).sum();
        size_of::<Self>() + places * (size_of::<Arc<[u8]>>() + 1) + self.names_bytes
    }
}

/// The ends of subscriptions that have not been told.
pub(crate) struct Ends(Vec<(TopicKind, <Names<()> as IntoIterator>::IntoIter)>);

impl Iterator for Ends {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let (kind, name) = self.0.iter_mut().find_map(|(kind, names)| Some((*kind, names.next()?.0)))?;
        Some(Change { topic: Topic { kind, name }, is_added: false })
    }
}

/// What a name takes, with the counts of those who share it.
fn name_bytes(name: &Arc<[u8]>) -> usize {
    name.len() + 2 * size_of::<usize>()
}
