//! Which locks a request needs: those of what it is about ([`Place`]).

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use torc_resp::Args;

use super::Footprint;
use crate::command::Command;
use crate::plan::{Place, Scope};
use crate::route::CoreId;
use crate::state::CoreState;

/// The hash by which a key is locked, the same on all cores. Two keys with one hash only wait for each other
/// needlessly, so the seed need not be secret.
#[inline]
pub fn lock_hash(key: &[u8]) -> u64 {
    static HASHER: RandomState = RandomState::with_seeds(0x746f_7263, 0x6c6f_636b, 0x6b65_7973, 0x0123_4567);
    let mut state = HASHER.build_hasher();
    state.write(key);
    state.finish()
}

/// Adds the locks of a request to the footprint of each core; `footprints` has one for every core. Cores that only
/// run a part of the request without touching keys are given to `visit` all the same.
pub fn footprints(
    state: &CoreState,
    scope: Scope,
    command: &Command,
    args: Args<'_>,
    footprints: &mut [Footprint],
    mut visit: impl FnMut(CoreId),
) {
    match Place::of(state, scope, command, args) {
        Place::Session => {}
        Place::Cores(cores, mode) => {
            for core in cores {
                visit(core);
                if let Some(mode) = mode {
                    footprints[usize::from(core)].add_whole(mode);
                }
            }
        }
        Place::Keys(keys) => {
            for key in keys.iter() {
                visit(key.core);
                footprints[usize::from(key.core)].add(lock_hash(key.name), key.mode);
            }
        }
    }
}

/// Adds the locks that a request, or a share of one, that runs on this core needs there.
pub fn footprint_here(state: &CoreState, command: &Command, args: Args<'_>, footprint: &mut Footprint) {
    // In either scope: of a core it needs the whole.
    match Place::of(state, Scope::Server, command, args) {
        Place::Cores(_, Some(mode)) => footprint.add_whole(mode),
        Place::Session | Place::Cores(_, None) => {}
        Place::Keys(keys) => {
            for key in keys.iter().filter(|key| key.core == state.core) {
                footprint.add(lock_hash(key.name), key.mode);
            }
        }
    }
}
