//! How names of topics are hashed: with keys that nobody outside can guess, but in the simulator always the same, since the order in
//! which patterns are looked at and subscriptions end follows from it, and there a seed determines everything.

use std::hash::BuildHasher;

use ahash::{AHasher, RandomState};

/// Makes hashers for names.
#[derive(Clone)]
pub(crate) struct NameHashing(RandomState);

impl Default for NameHashing {
    fn default() -> Self {
        let is_simulated = cfg!(feature = "simulation");
        NameHashing(if is_simulated { RandomState::with_seeds(1, 2, 3, 4) } else { RandomState::default() })
    }
}

impl BuildHasher for NameHashing {
    type Hasher = AHasher;

    #[inline]
    fn build_hasher(&self) -> AHasher {
        self.0.build_hasher()
    }
}
