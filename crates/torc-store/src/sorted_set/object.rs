//! A big sorted set: a table from member to score, and beside it the tree of the order.

use super::node::{At, Item};
use super::tree::Tree;
use crate::elements::{Element, Elements};
use crate::entry::EntryPointer;
use crate::storage::Storage;
use crate::workshop::{Lens, Workshop};

/// Nodes of the tree that one call of `dismantle` frees.
const NODES_FREED: usize = 500;

/// What [`SortedSet::update`] found and left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The score the member had.
    pub old: Option<f64>,
    /// The score it was given; `None`: nothing was done.
    pub new: Option<f64>,
}

impl Update {
    /// Whether the member is new.
    pub fn is_addition(&self) -> bool {
        self.old.is_none() && self.new.is_some()
    }

    /// Whether the set is another one than before.
    pub fn is_change(&self) -> bool {
        self.new.is_some() && self.new != self.old
    }
}

/// A big sorted set; the table and the tree always hold the same members.
#[derive(Debug, Default)]
pub struct SortedSet {
    elements: Elements,
    tree: Tree,
}

impl SortedSet {
    /// Number of members.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub(super) fn score(&self, lens: &Lens, member: &[u8]) -> Option<f64> {
        self.elements.find(lens, member).map(|element| score_of(element.entry))
    }

    /// The members by name.
    pub(crate) fn members(&self) -> &Elements {
        &self.elements
    }

    /// The order of the members.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Rank and score of a member.
    pub(super) fn rank(&self, lens: &Lens, member: &[u8]) -> Option<(usize, f64)> {
        let entry = self.elements.find(lens, member)?.entry;
        let score = score_of(entry);
        let rank = self.tree.rank(&At { score, member, behind: true }) - 1;
        Some((rank, score))
    }

    /// The member with this rank.
    pub(crate) fn member_at(&self, rank: usize) -> &[u8] {
        let (leaf, at) = self.tree.place(rank);
        self.tree.leaf(leaf).items.get(at).entry.key()
    }

    /// Asks the CPU to fetch what a lookup of a member will need.
    pub(super) fn prefetch(&self, lens: &Lens, member: &[u8]) {
        let _ = self.elements.prefetch(lens, member);
    }

    /// Gives a member the score that `change` makes of the one it has; `None`: leaves all as it is.
    pub(super) fn update(
        &mut self,
        workshop: &mut Workshop<'_>,
        member: &[u8],
        change: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Update {
        let Some(entry) = self.elements.find(workshop.lens, member).map(|element| element.entry) else {
            let new = change(None);
            if let Some(score) = new {
                if self.elements.must_move_out(workshop.lens) {
                    self.move_out(workshop.storage);
                }
                let entry = self.elements.add(workshop, member, &score.to_le_bytes(), None);
                self.tree.insert(Item { score, entry });
            }
            return Update { old: None, new };
        };
        let old = score_of(entry);
        let new = change(Some(old));
        if let Some(score) = new
            && score != old
        {
            self.tree.set_score(Item { score: old, entry }, score);
            // SAFETY: the entry is live, being in the table, which is borrowed mutably; the slice ends with the statement.
            unsafe { entry.value_mut() }.copy_from_slice(&score.to_le_bytes());
        }
        Update { old: Some(old), new }
    }

    /// Removes a member. Whether it was there.
    pub(super) fn remove(&mut self, workshop: &mut Workshop<'_>, member: &[u8]) -> bool {
        let Some(entry) = self.elements.take(workshop, member) else { return false };
        self.tree.remove(Item { score: score_of(entry), entry });
        self.elements.free(workshop, entry);
        true
    }

    /// Removes `count` members from a rank on. `keeps`: gives their entries, for [`SortedSet::free_all`].
    pub(super) fn remove_ranks(
        &mut self,
        workshop: &mut Workshop<'_>,
        rank: usize,
        mut count: usize,
        keeps: bool,
    ) -> Vec<EntryPointer> {
        let mut kept = Vec::with_capacity(if keeps { count } else { 0 });
        while count > 0 {
            let taken = self.tree.take(rank, count);
            count -= taken.len;
            let entries = || taken.items[..taken.len].iter().flatten();
            entries().for_each(|entry| entry.prefetch());
            for entry in entries() {
                let _ = self.elements.prefetch(workshop.lens, entry.key());
            }
            for entry in entries() {
                let found =
                    self.elements.take(workshop, entry.key()).expect("all members of the tree are in the table");
                assert!(found == *entry, "the table has one entry for a member");
                if keeps {
                    kept.push(found);
                } else {
                    self.elements.free(workshop, found);
                }
            }
        }
        kept
    }

    /// Frees entries of members that were removed.
    pub(crate) fn free_all(&mut self, storage: &mut Storage, entries: impl Iterator<Item = EntryPointer>) {
        self.elements.free_all(storage, entries);
    }

    /// Makes a set of distinct members in order.
    pub(super) fn from_sorted(workshop: &mut Workshop<'_>, members: &[(f64, &[u8])]) -> SortedSet {
        let bytes = members.iter().map(|(_, member)| member.len() + size_of::<f64>()).sum();
        let mut elements = Elements::expecting(workshop.lens, members.len(), bytes);
        let items = members.iter().map(|&(score, member)| {
            let entry = elements.add(workshop, member, &score.to_le_bytes(), None);
            Item { score, entry }
        });
        let tree = Tree::from_sorted(items);
        SortedSet { elements, tree }
    }

    /// The members move into a heap of their own, and the order follows them.
    #[cold]
    pub(crate) fn move_out(&mut self, storage: &mut Storage) {
        self.elements.move_out_followed(storage, || self.tree.follow());
    }

    /// Visits members as [`Elements::scan`] does.
    pub(super) fn scan(
        &mut self,
        workshop: &mut Workshop<'_>,
        cursor: u64,
        count: usize,
        visit: &mut dyn FnMut(&[u8], f64),
    ) -> u64 {
        self.elements.scan(workshop, cursor, count, &mut |element: Element<'_>| {
            visit(element.name(), score_of(element.entry));
        })
    }

    /// Bytes of memory outside of the shard's heap, besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        self.elements.external_bytes() + self.tree.bytes()
    }

    /// Bytes in the shard's heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.elements.heap_bytes()
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        self.tree.dismantle(NODES_FREED) && self.elements.dismantle(storage)
    }
}

/// The score of a member's entry: its value.
#[inline]
pub(crate) fn score_of(entry: EntryPointer) -> f64 {
    f64::from_le_bytes(entry.value().try_into().expect("a score is eight bytes"))
}
