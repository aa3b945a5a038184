//! What objects need of their keyspace, borrowed beside them: to be read ([`Lens`]), and to be changed ([`Workshop`]).

use ahash::RandomState;

use crate::access::AccessClock;
use crate::change::Changes;
use crate::elements::BigFrom;
use crate::keyspace::KeyspaceStats;
use crate::loans::Loans;
use crate::object::Object;
use crate::storage::Storage;
use crate::table::Tools;

/// How keys and elements are hashed, what access fields mean, and which tables are big.
#[derive(Clone, Debug)]
pub struct Lens {
    pub(crate) hasher: RandomState,
    pub(crate) clock: AccessClock,
    pub(crate) big_from: BigFrom,
    /// What replies are sent from.
    pub(crate) loans: Loans,
}

/// What it takes to make, change and free the elements of an object.
pub struct Workshop<'k> {
    pub(crate) storage: &'k mut Storage,
    pub(crate) lens: &'k Lens,
    pub(crate) stats: &'k mut KeyspaceStats,
    /// Hears of fields that have expired.
    pub(crate) changes: &'k mut Changes,
}

impl Workshop<'_> {
    /// How elements are hashed.
    pub fn lens(&self) -> &Lens {
        self.lens
    }

    /// Frees an object that is no key's value, in slices if it is big.
    pub(crate) fn free(&mut self, object: Object) {
        self.storage.free_more(object);
    }

    /// What the operations of a table need.
    pub(crate) fn tools(&mut self) -> Tools<'_> {
        Tools { heap: &mut self.storage.heap, lens: self.lens, stats: self.stats }
    }
}
