//! Something for each of many prefixes, found by the names that have them: a name is looked up by each length of prefix that occurs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::Names;

/// A table by prefix.
pub(super) struct Prefixes<T> {
    by_name: Names<T>,
    /// Lengths of the prefixes, each with the number of prefixes that have it.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Prefixes { by_name: Names::default(), lengths: BTreeMap::new() }
    }
}

impl<T: Default> Prefixes<T> {
    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Number of prefixes.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// What is kept for a prefix, made if it is new.
    pub(super) fn entry(&mut self, prefix: &[u8]) -> &mut T {
        if !self.by_name.contains(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        self.by_name.entry(&prefix.into())
    }

    /// What is kept for a prefix.
    pub(super) fn get(&self, prefix: &[u8]) -> Option<&T> {
        self.by_name.get(prefix)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, prefix: &[u8]) -> Option<&mut T> {
        self.by_name.get_mut(prefix)
    }

    /// Forgets a prefix.
    pub(super) fn remove(&mut self, prefix: &[u8]) {
        if self.by_name.remove(prefix).is_none() {
            return;
        }
        let prefixes = self.lengths.get_mut(&prefix.len()).expect("each length was counted");
        *prefixes -= 1;
        if *prefixes == 0 {
            self.lengths.remove(&prefix.len());
        }
    }

    /// The prefixes that a name has, with what is kept for them.
    pub(super) fn of<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = (&'a Arc<[u8]>, &'a T)> {
        self.lengths.range(..=name.len()).filter_map(|(&len, _)| self.by_name.get_key_value(&name[..len]))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<[u8]>, &T)> {
        self.by_name.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_all_its_prefixes_and_no_others() {
        let mut prefixes = Prefixes::<u32>::default();
        for prefix in ["", "user:", "user:1", "use", "userx"] {
            *prefixes.entry(prefix.as_bytes()) += 1;
        }
        *prefixes.entry(b"use") += 1;
        let of = |prefixes: &Prefixes<u32>, name: &str| {
            let found = prefixes.of(name.as_bytes()).map(|(prefix, count)| (prefix.to_vec(), *count));
            found.collect::<Vec<_>>()
        };
        assert_eq!(of(&prefixes, "user:"), [(b"".to_vec(), 1), (b"use".to_vec(), 2), (b"user:".to_vec(), 1)]);
        assert_eq!(of(&prefixes, "us"), [(b"".to_vec(), 1)]);
        prefixes.remove(b"");
        prefixes.remove(b"absent");
        assert!(of(&prefixes, "us").is_empty());
        ["user:", "user:1", "use", "userx"].iter().for_each(|prefix| prefixes.remove(prefix.as_bytes()));
        assert!(prefixes.is_empty() && prefixes.lengths.is_empty());
    }
}
