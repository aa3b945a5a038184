//! How many keys each group of keys has, where somebody wants to know: a cluster's hash slots.
//!
//! The store does not know what a group is: it is given a function that says of a key to which it belongs. Keys that have expired
//! count until they are removed, as in Redis.

use crate::change::Change;

/// Says to which group a key belongs.
pub type GroupOf = fn(&[u8]) -> u16;

/// Numbers of keys by database and group.
#[derive(Debug)]
pub(crate) struct GroupCounts {
    group_of: GroupOf,
    groups: usize,
    /// Made with the first key of a database.
    databases: Vec<Option<Box<[u32]>>>,
}

impl GroupCounts {
    /// Counts for empty databases. Every key belongs to one of so many groups.
    pub fn new(databases: u16, groups: usize, group_of: GroupOf) -> Self {
        GroupCounts { group_of, groups, databases: vec![None; databases.into()] }
    }

    pub fn len(&self, db: u16, group: u16) -> usize {
        self.databases[usize::from(db)].as_ref().map_or(0, |counts| counts[usize::from(group)] as usize)
    }

    /// This has happened to a key, or to a database.
    pub fn follow(&mut self, db: u16, key: &[u8], change: &Change) {
        let groups = self.groups;
        match change {
            Change::Created { .. } | Change::MovedIn { .. } => {
                let counts = self.databases[usize::from(db)].get_or_insert_with(|| vec![0; groups].into());
                counts[usize::from((self.group_of)(key))] += 1;
            }
            Change::Removed { .. } | Change::Expired { .. } | Change::Evicted { .. } | Change::MovedOut { .. } => {
                let counts = self.databases[usize::from(db)].as_mut().expect("the key was counted when it came");
                let count = &mut counts[usize::from((self.group_of)(key))];
                *count = count.checked_sub(1).expect("the key was counted when it came");
            }
            Change::Flushed => self.databases[usize::from(db)] = None,
            Change::Swapped { with } => self.databases.swap(db.into(), (*with).into()),
            Change::Replaced { .. }
            | Change::Modified { .. }
            | Change::ExpiryChanged { .. }
            | Change::FieldsExpired { .. } => {}
        }
    }
}
