//! What objects need of their keyspace, borrowed beside them: to be read ([`Lens`]), and to be changed ([`Workshop`]).

use ahash::RandomState;

use crate::UnixMillis;
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
    /// No use is noted as having been before.
    pub(crate) earliest_use: UnixMillis,
    pub(crate) big_from: BigFrom,
    /// What replies are sent from.
    pub(crate) loans: Loans,
}

impl Lens {
    /// When a key is used that is used now.
    #[inline]
    pub(crate) fn used_at(&self, now: UnixMillis) -> UnixMillis {
        now.max(self.earliest_use)
    }

    /// The access field of a key that is made now.
    pub(crate) fn initial_access(&self, now: UnixMillis) -> u32 {
        self.clock.initial(self.used_at(now))
    }
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
        self.storage.large.count(object.external_bytes());
        self.storage.free_object(Box::new(object));
    }

    /// What the operations of a table need.
    pub(crate) fn tools(&mut self) -> Tools<'_> {
        Tools { heap: &mut self.storage.heap, lens: self.lens, stats: self.stats }
    }
}
