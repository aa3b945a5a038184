//! A table by name that may become very large while others wait for nothing: it is one hash table while it is small, and many from then on,
//! so that none that grows has much to move. The last of them gets twice as many names as the first, and each of the others something between:
//! were they alike, all would be full at about the same time, and a few thousand new names would move all that are there.
//!
//! ```text
//!   part      0    1    2  ..                        255
//!   share    |--|---|----| ..              |-----------|     grows at 2n names .. at n names
//! ```

use std::collections::{HashMap, hash_map};
use std::hash::BuildHasher;
use std::iter::Flatten;
use std::sync::Arc;
use std::vec;

use super::hashing::NameHashing;

/// Names in one part before the table is divided: moving them takes less than a millisecond.
const UNDIVIDED_LEN_MAX: usize = 8 * 1024;

/// Parts of a divided table.
const PARTS: usize = 256;

type Part<T> = HashMap<Arc<[u8]>, T, NameHashing>;

/// A table by name.
pub(crate) struct Names<T> {
    /// One, or [`PARTS`]; none while it has never held anything.
    parts: Vec<Part<T>>,
    hashing: NameHashing,
    len: usize,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names { parts: Vec::new(), hashing: NameHashing::default(), len: 0 }
    }
}

impl<T> Names<T> {
    /// Number of names.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is kept for a name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&T> {
        self.part(name)?.get(name)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, name: &[u8]) -> Option<&mut T> {
        let number = self.number(name);
        self.parts.get_mut(number)?.get_mut(name)
    }

    /// The same, with the name as it is kept.
    pub(crate) fn get_key_value(&self, name: &[u8]) -> Option<(&Arc<[u8]>, &T)> {
        self.part(name)?.get_key_value(name)
    }

    /// Whether there is such a name.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Forgets a name; gives what was kept for it.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<(Arc<[u8]>, T)> {
        let number = self.number(name);
        let removed = self.parts.get_mut(number)?.remove_entry(name)?;
        self.len -= 1;
        Some(removed)
    }

    /// All names, with what is kept for them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<[u8]>, &T)> {
        self.parts.iter().flatten()
    }

    /// All names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.iter().map(|(name, _)| name)
    }

    /// Names that there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.parts.iter().map(HashMap::capacity).sum()
    }

    fn part(&self, name: &[u8]) -> Option<&Part<T>> {
        self.parts.get(self.number(name))
    }

    #[inline]
    fn number(&self, name: &[u8]) -> usize {
        if self.parts.len() <= 1 { 0 } else { part_of(self.hashing.hash_one(name)) }
    }

    fn divide(&mut self) {
        let whole = std::mem::take(&mut self.parts);
        self.parts.resize_with(PARTS, || HashMap::with_hasher(self.hashing.clone()));
        for (name, value) in whole.into_iter().flatten() {
            let number = self.number(&name);
            self.parts[number].insert(name, value);
        }
    }
}

impl<T: Default> Names<T> {
    /// What is kept for a name, made if it is new.
    pub(crate) fn entry(&mut self, name: &Arc<[u8]>) -> &mut T {
        if self.parts.is_empty() {
            self.parts.push(HashMap::with_hasher(self.hashing.clone()));
        }
        if self.parts.len() == 1 && self.len >= UNDIVIDED_LEN_MAX {
            self.divide();
        }
        let number = self.number(name);
        match self.parts[number].entry(name.clone()) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(entry) => {
                self.len += 1;
                entry.insert(T::default())
            }
        }
    }
}

/// By the bits between those by which a part finds a name's place and those by which it tells names apart. Roots of evenly spread numbers
/// lie the denser the greater they are: from the first part to the last, whose share is twice that of the first, shares grow evenly.
fn part_of(hash: u64) -> usize {
    let evenly = ((hash << 7) >> 32) as f64 / (1_u64 << 32) as f64;
    (((1.0 + 3.0 * evenly).sqrt() - 1.0) * PARTS as f64) as usize
}

impl<T> IntoIterator for Names<T> {
    type Item = (Arc<[u8]>, T);
    type IntoIter = Flatten<vec::IntoIter<Part<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    fn nothing_is_lost_when_the_table_is_divided() {
        let mut names = Names::<usize>::default();
        let name = |number: usize| -> Arc<[u8]> { number.to_string().into_bytes().into() };
        let all = 3 * UNDIVIDED_LEN_MAX;
        (0..all).for_each(|number| *names.entry(&name(number)) += number);
        *names.entry(&name(7)) += 1;
        assert_eq!((names.len(), names.parts.len()), (all, PARTS));
        assert_eq!((part_of(0), part_of(u64::MAX)), (0, PARTS - 1));
        assert!(names.parts.iter().all(|part| part.len() < 4 * all / PARTS), "no part holds much more than the others");
        let names_in = |parts: Range<usize>| names.parts[parts].iter().map(HashMap::len).sum::<usize>();
        let (first, last) = (names_in(0..PARTS / 4), names_in(3 * PARTS / 4..PARTS));
        assert!((3 * first / 2..2 * first).contains(&last), "shares grow: {first}, {last}");
        assert_eq!((names.get(&name(7)), names.get(b"x")), (Some(&8), None));
        assert_eq!(names.iter().count(), all);
        for number in (0..all).step_by(2) {
            assert!(names.remove(&name(number)).is_some());
            assert!(!names.contains(&name(number)) && names.contains(&name(number + 1)));
        }
        assert_eq!((names.len(), names.remove(b"0")), (all / 2, None));
        assert_eq!(names.into_iter().count(), all / 2);
    }
}
