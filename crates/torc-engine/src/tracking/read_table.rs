//! Which connections have read a key of this core, since it was told last.

use indexmap::IndexMap;

use crate::asker::ConnectionId;
use crate::pubsub::NameHashing;
use crate::random::Random;
use crate::route::CoreId;

/// A connection that has read a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The core of the connection.
    pub core: CoreId,
    /// The connection, which may be gone.
    pub connection: ConnectionId,
}

impl Reader {
    /// Whether both have the same place among the connections of one core.
    fn has_place_of(self, other: Reader) -> bool {
        (self.core, self.connection.index) == (other.core, other.connection.index)
    }
}

/// Keys of all databases together, as in Redis.
#[derive(Default)]
pub(crate) struct ReadTable {
    /// Readers are sorted.
    keys: IndexMap<Box<[u8]>, Vec<Reader>, NameHashing>,
    /// Readers of all keys.
    readers: usize,
}

impl ReadTable {
    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nobody has read a key.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of readers of all keys.
    pub(crate) fn readers(&self) -> usize {
        self.readers
    }

    /// A key has been read.
    pub(crate) fn note(&mut self, key: &[u8], reader: Reader) {
        let Some(readers) = self.keys.get_mut(key) else {
            self.keys.insert(key.into(), vec![reader]);
            self.readers += 1;
            return;
        };
        let Err(place) = readers.binary_search(&reader) else { return };
        // Who had its place among the connections before is gone: so a key has no more readers than there are places.
        let neighbours = place.saturating_sub(1)..(place + 1).min(readers.len());
        match readers[neighbours].iter_mut().find(|other| other.has_place_of(reader)) {
            Some(other) => *other = reader,
            None => {
                readers.insert(place, reader);
                self.readers += 1;
            }
        }
    }

    /// A key is told: takes its readers, sorted.
    #[inline]
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<Vec<Reader>> {
        let readers = self.keys.swap_remove(key)?;
        self.readers -= readers.len();
        Some(readers)
    }

    /// Takes any key, with its readers.
    pub(crate) fn take_any(&mut self, random: &mut Random) -> Option<(Box<[u8]>, Vec<Reader>)> {
        let index = if self.is_empty() { 0 } else { random.below(self.keys.len() as u64) as usize };
        let (key, readers) = self.keys.swap_remove_index(index)?;
        self.readers -= readers.len();
        Some((key, readers))
    }

    /// All keys are told: takes the readers of all of them, sorted, each once.
    pub(crate) fn take_all(&mut self) -> Vec<Reader> {
        let mut readers: Vec<Reader> = std::mem::take(&mut self.keys).into_values().flatten().collect();
        readers.sort_unstable();
        readers.dedup();
        self.readers = 0;
        readers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(core: CoreId, index: u32) -> Reader {
        Reader { core, connection: ConnectionId { index, generation: 0 } }
    }

    #[test]
    fn a_key_is_told_once_to_each_who_has_read_it() {
        let mut table = ReadTable::default();
        for reader in [reader(1, 0), reader(0, 7), reader(1, 0)] {
            table.note(b"a", reader);
        }
        table.note(b"b", reader(0, 7));
        assert_eq!((table.len(), table.readers()), (2, 3));
        assert_eq!(table.take(b"a"), Some(vec![reader(0, 7), reader(1, 0)]));
        assert_eq!(table.take(b"a"), None);
        table.note(b"a", reader(0, 7));
        assert_eq!(table.take_all(), [reader(0, 7)]);
        assert!(table.is_empty() && table.readers() == 0);
    }

    #[test]
    fn who_comes_in_the_place_of_another_takes_its_place() {
        let mut table = ReadTable::default();
        let reader = |index, generation| Reader { core: 1, connection: ConnectionId { index, generation } };
        for generation in [0, 1, 2, u32::MAX, 0, 5] {
            (0..3).for_each(|index| table.note(b"k", reader(index, generation)));
        }
        assert_eq!(table.readers(), 3);
        assert_eq!(table.take(b"k"), Some((0..3).map(|index| reader(index, 5)).collect()));
    }

    #[test]
    fn any_key_may_be_taken() {
        let (mut table, mut random) = (ReadTable::default(), Random::new(1));
        assert!(table.take_any(&mut random).is_none());
        (0..10u8).for_each(|number| table.note(&[number], reader(0, u32::from(number))));
        let mut taken: Vec<u8> = Vec::new();
        while let Some((key, readers)) = table.take_any(&mut random) {
            assert_eq!(readers, [reader(0, u32::from(key[0]))]);
            taken.push(key[0]);
        }
        assert_ne!(taken, (0..10).collect::<Vec<u8>>(), "in no order");
        taken.sort_unstable();
        assert_eq!(taken, (0..10).collect::<Vec<u8>>());
    }
}
