//! Something for each of many patterns, found by the channels that match.
//!
//! A pattern is kept under its literal prefix: what stands before its first special character, 64 bytes at most. Only patterns are
//! matched whose prefix a channel has.

use std::sync::Arc;

use super::names::Names;
use super::prefixes::Prefixes;
use crate::glob::{self, Case};

/// Prefixes are cut here, so that few lengths occur and none is long to hash.
const PREFIX_BYTES_MAX: usize = 64;

/// A table by pattern.
pub(super) struct Patterns<T> {
    by_prefix: Prefixes<Names<T>>,
    len: usize,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Patterns { by_prefix: Prefixes::default(), len: 0 }
    }
}

impl<T: Default> Patterns<T> {
    /// Number of patterns.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What is kept for a pattern, made if it is new.
    pub(super) fn entry(&mut self, pattern: &Arc<[u8]>) -> &mut T {
        let group = self.by_prefix.entry(literal_prefix(pattern));
        self.len += usize::from(!group.contains(pattern));
        group.entry(pattern)
    }

    /// What is kept for a pattern.
    pub(super) fn get_mut(&mut self, pattern: &[u8]) -> Option<&mut T> {
        self.by_prefix.get_mut(literal_prefix(pattern))?.get_mut(pattern)
    }

    /// Forgets a pattern.
    pub(super) fn remove(&mut self, pattern: &[u8]) {
        let prefix = literal_prefix(pattern);
        let Some(group) = self.by_prefix.get_mut(prefix) else { return };
        self.len -= usize::from(group.remove(pattern).is_some());
        if group.is_empty() {
            self.by_prefix.remove(prefix);
        }
    }

    /// The patterns that a channel matches.
    pub(super) fn matching<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a T)> {
        let groups = self.by_prefix.of(channel).map(|(_, group)| group);
        let patterns = groups.flat_map(Names::iter).map(|(pattern, value)| (&**pattern, value));
        patterns.filter(|(pattern, _)| glob::matches(pattern, channel, Case::Sensitive))
    }

    /// All patterns.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.by_prefix.iter().flat_map(|(_, group)| group.keys().map(|pattern| &**pattern))
    }
}

/// What stands before the first character that does not stand for itself.
fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let len = pattern.iter().take(PREFIX_BYTES_MAX).position(is_special);
    &pattern[..len.unwrap_or(pattern.len().min(PREFIX_BYTES_MAX))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A text over few letters; of patterns some are special.
    fn text(random: &mut Random, letters: &[u8], len_max: u64) -> Vec<u8> {
        (0..random.below(len_max + 1)).map(|_| letters[random.below(letters.len() as u64) as usize]).collect()
    }

    #[test]
    fn the_index_finds_what_a_walk_over_all_finds() {
        let mut random = Random::new(3);
        let mut patterns = Patterns::<u32>::default();
        let mut known: Vec<Vec<u8>> = Vec::new();
        for _ in 0..5_000 {
            if random.below(3) > 0 {
                let len_max = if random.below(20) == 0 { 90 } else { 5 };
                let pattern = text(&mut random, b"aab*?[]\\", len_max);
                *patterns.entry(&Arc::from(&pattern[..])) += 1;
                if !known.contains(&pattern) {
                    known.push(pattern);
                }
            } else if !known.is_empty() {
                let pattern = known.swap_remove(random.below(known.len() as u64) as usize);
                assert!(patterns.get_mut(&pattern).is_some());
                patterns.remove(&pattern);
                assert!(patterns.get_mut(&pattern).is_none());
            }
            let channel = text(&mut random, b"aab[\\", 6);
            let mut found: Vec<_> = patterns.matching(&channel).map(|(pattern, _)| pattern.to_vec()).collect();
            let mut wanted: Vec<_> =
                known.iter().filter(|pattern| glob::matches(pattern, &channel, Case::Sensitive)).cloned().collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{channel:?}");
            assert_eq!((patterns.len(), patterns.iter().count()), (known.len(), known.len()));
        }
        known.iter().for_each(|pattern| patterns.remove(pattern));
        assert!(patterns.by_prefix.is_empty());
    }
}
