//! An ordered map that is saved in slices, as it was at the cut, while it changes.
//!
//! ```text
//!   keys at the cut   | saved | as it is | changed: what it had | as it is |     new ones
//!                             ^ done                                       ^ last
//! ```
//! Who changes a key says so before, and what the key had is set aside, or that it was not there. The walk takes what was set aside in its
//! place, and the rest from the map of now.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What of a map is not saved. `V`: what is saved of a key.
#[derive(Debug)]
pub(in crate::stream) struct MapRest<K, V> {
    /// The last key that the walk has come by.
    done: Option<K>,
    /// The last key of the cut; `None`: nothing is left.
    last: Option<K>,
    /// Keys between these two that have changed since, with what they had.
    changed: BTreeMap<K, Option<V>>,
    /// Bytes of memory outside of what is set aside.
    value_bytes: fn(&V) -> usize,
    bytes: usize,
}

impl<K: Ord + Clone, V> MapRest<K, V> {
    /// All of a map as it is now.
    pub fn of<W>(map: &BTreeMap<K, W>, value_bytes: fn(&V) -> usize) -> Self {
        let last = map.last_key_value().map(|(key, _)| key.clone());
        MapRest { done: None, last, changed: BTreeMap::new(), value_bytes, bytes: 0 }
    }

    /// Whether a key that changes is to be told of.
    pub fn awaits(&self, key: &K) -> bool {
        self.last.as_ref().is_some_and(|last| key <= last)
            && self.done.as_ref().is_none_or(|done| key > done)
            && !self.changed.contains_key(key)
    }

    /// Such a key is about to change, and has this now.
    pub fn set_aside(&mut self, key: K, value: Option<V>) {
        self.bytes += self.bytes_of(value.as_ref());
        self.changed.insert(key, value);
    }

    /// Saves so many keys. False: that was all. `of`: what is saved of what a key has.
    pub fn step<W>(
        &mut self,
        map: &BTreeMap<K, W>,
        most: usize,
        of: impl Fn(&W) -> V,
        mut save: impl FnMut(&K, V),
    ) -> bool {
        let Some(last) = self.last.clone() else { return false };
        let from = self.done.as_ref().map_or(Bound::Unbounded, |done| Bound::Excluded(done.clone()));
        let mut there = map.range((from, Bound::Included(last))).peekable();
        for _ in 0..most {
            let unchanged = match (self.changed.first_key_value(), there.peek()) {
                (None, None) => {
                    self.last = None;
                    return false;
                }
                (Some((changed, _)), Some((key, _))) if changed == *key => {
                    there.next();
                    None
                }
                (Some((changed, _)), Some((key, _))) => (changed > *key).then(|| there.next()).flatten(),
                (Some(_), None) => None,
                (None, Some(_)) => there.next(),
            };
            let done = match unchanged {
                Some((key, value)) => {
                    save(key, of(value));
                    key.clone()
                }
                None => {
                    let (key, value) = self.changed.pop_first().expect("it is what comes next");
                    self.bytes -= self.bytes_of(value.as_ref());
                    value.into_iter().for_each(|value| save(&key, value));
                    key
                }
            };
            self.done = Some(done);
        }
        true
    }

    /// Bytes of memory outside of the struct.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives up some of what is set aside, and the rest of the walk. True: nothing is left.
    pub fn dismantle(&mut self, keys: usize) -> bool {
        self.last = None;
        for _ in 0..keys {
            let Some((_, value)) = self.changed.pop_first() else { return true };
            self.bytes -= self.bytes_of(value.as_ref());
        }
        self.changed.is_empty()
    }

    fn bytes_of(&self, value: Option<&V>) -> usize {
        // Nodes of such a map are two thirds full.
        size_of::<(K, Option<V>)>() * 3 / 2 + value.map_or(0, self.value_bytes)
    }
}
