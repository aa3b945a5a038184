//! The keys that have changed in this turn, by the prefixes that clients are told of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stale::{Stale, StaleKey};

/// Of each prefix the keys that have changed.
#[derive(Default)]
pub(crate) struct Broadcasts(BTreeMap<Arc<[u8]>, ChangedKeys>);

/// Keys, each with the client that has changed it last.
type ChangedKeys = BTreeMap<Box<[u8]>, Option<u64>>;

impl Broadcasts {
    /// Whether no key has changed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key has changed that has this prefix. `by`: the client that has changed it.
    pub(crate) fn note(&mut self, prefix: &Arc<[u8]>, key: &[u8], by: Option<u64>) {
        self.0.entry(prefix.clone()).or_default().insert(key.into(), by);
    }

    /// What is to be told, by prefix.
    pub(crate) fn into_stale(self) -> impl Iterator<Item = (Arc<[u8]>, Stale)> {
        self.0.into_iter().map(|(prefix, keys)| {
            let keys = keys.into_iter().map(|(key, by)| StaleKey { key, by });
            (prefix, Stale::Keys(keys.collect()))
        })
    }
}
