//! At the home of topics: how many connections of which core have subscribed.

use std::sync::Arc;

use super::few::Few;
use super::names::Names;
use super::patterns::Patterns;
use super::prefixes::Prefixes;
use super::{Change, Targets, TopicKind};
use crate::route::CoreId;

/// Cores with subscribers of a topic, each with how many there are.
type Cores = Few<(CoreId, u32)>;

/// Whom publishes that run on this core are to reach.
#[derive(Default)]
pub(crate) struct Routes {
    channels: Names<Cores>,
    shard_channels: Names<Cores>,
    patterns: Patterns<Cores>,
    prefixes: Prefixes<Cores>,
}

impl Routes {
    /// A connection of this core subscribes, or no longer.
    pub(crate) fn change(&mut self, core: CoreId, change: &Change) {
        let (kind, name) = (change.topic.kind, &change.topic.name);
        if change.is_added {
            return count(self.entry(kind, name), core);
        }
        let cores = self.get_mut(kind, name).expect("who unsubscribes has subscribed");
        count_no_more(cores, core);
        if cores.is_empty() {
            match kind {
                TopicKind::Pattern => self.patterns.remove(name),
                TopicKind::Prefix => self.prefixes.remove(name),
                kind => _ = self.names_mut(kind).remove(name),
            }
        }
    }

    fn entry(&mut self, kind: TopicKind, name: &Arc<[u8]>) -> &mut Cores {
        match kind {
            TopicKind::Pattern => self.patterns.entry(name),
            TopicKind::Prefix => self.prefixes.entry(name),
            kind => self.names_mut(kind).entry(name),
        }
    }

    fn get_mut(&mut self, kind: TopicKind, name: &[u8]) -> Option<&mut Cores> {
        match kind {
            TopicKind::Pattern => self.patterns.get_mut(name),
            TopicKind::Prefix => self.prefixes.get_mut(name),
            kind => self.names_mut(kind).get_mut(name),
        }
    }

    /// Whether nobody has subscribed to anything on which something is published.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.shard_channels.is_empty() && self.patterns.len() == 0
    }

    /// How many get a message on this channel, and on which cores: a connection counts for the channel and for each pattern that it
    /// matches.
    pub(crate) fn subscribers(&self, kind: TopicKind, channel: &[u8]) -> (u64, Targets) {
        let (mut subscribers, mut targets) = (0, Targets::None);
        self.visit(kind, channel, |core, number| {
            subscribers += u64::from(number);
            targets.add(core);
        });
        (subscribers, targets)
    }

    /// Names of channels that have subscribers.
    pub(crate) fn names(&self, kind: TopicKind) -> impl Iterator<Item = &Arc<[u8]>> {
        self.channels_of(kind).keys()
    }

    /// Subscribers of a channel by its name alone.
    pub(crate) fn subscribers_by_name(&self, kind: TopicKind, channel: &[u8]) -> u64 {
        let cores = self.channels_of(kind).get(channel);
        cores.into_iter().flat_map(Few::as_slice).map(|(_, number)| u64::from(*number)).sum()
    }

    /// Number of patterns.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Whether clients are told of keys by prefixes.
    #[inline]
    pub(crate) fn has_prefixes(&self) -> bool {
        !self.prefixes.is_empty()
    }

    /// Number of prefixes.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// The prefixes that a key has of which clients are told.
    pub(crate) fn prefixes_of<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = &'a Arc<[u8]>> {
        self.prefixes.of(key).map(|(prefix, _)| prefix)
    }

    /// The cores with clients that are told of keys with this prefix.
    pub(crate) fn cores_of_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = CoreId> {
        self.prefixes.get(prefix).into_iter().flat_map(Few::as_slice).map(|&(core, _)| core)
    }

    /// The cores with clients that are told of keys by any prefix, in some order; one may come more than once.
    pub(crate) fn cores_of_prefixes(&self) -> impl Iterator<Item = CoreId> {
        self.prefixes.iter().flat_map(|(_, cores)| cores.as_slice()).map(|&(core, _)| core)
    }

    fn visit(&self, kind: TopicKind, channel: &[u8], mut visit: impl FnMut(CoreId, u32)) {
        let by_name = self.channels_of(kind).get(channel);
        by_name.into_iter().flat_map(Few::as_slice).for_each(|&(core, number)| visit(core, number));
        if kind == TopicKind::Channel && self.patterns.len() > 0 {
            let by_pattern = self.patterns.matching(channel).flat_map(|(_, cores)| cores.as_slice());
            by_pattern.for_each(|&(core, number)| visit(core, number));
        }
    }

    fn channels_of(&self, kind: TopicKind) -> &Names<Cores> {
        if kind == TopicKind::Shard { &self.shard_channels } else { &self.channels }
    }

    fn names_mut(&mut self, kind: TopicKind) -> &mut Names<Cores> {
        if kind == TopicKind::Shard { &mut self.shard_channels } else { &mut self.channels }
    }
}

fn count(cores: &mut Cores, core: CoreId) {
    match cores.as_mut_slice().iter_mut().find(|(counted, _)| *counted == core) {
        Some((_, number)) => *number += 1,
        None => cores.push((core, 1)),
    }
}

fn count_no_more(cores: &mut Cores, core: CoreId) {
    let place = cores.as_slice().iter().position(|(counted, _)| *counted == core);
    let place = place.expect("who unsubscribes has subscribed");
    let (_, number) = &mut cores.as_mut_slice()[place];
    *number -= 1;
    if *number == 0 {
        cores.remove(place);
    }
}
