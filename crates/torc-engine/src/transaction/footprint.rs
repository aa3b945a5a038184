//! Which locks a request needs: those of what it is about ([`Place`]).

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use torc_resp::Args;

use super::Footprint;
use crate::command::Command;
use crate::plan::Place;
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
    command: &Command,
    args: Args<'_>,
    footprints: &mut [Footprint],
    mut visit: impl FnMut(CoreId),
) {
    match Place::of(state, command, args) {
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

/// Adds the locks that a request, or a share of one, needs of this core.
pub fn footprint_here(state: &CoreState, command: &Command, args: Args<'_>, footprint: &mut Footprint) {
    match Place::of(state, command, args) {
        Place::Cores(cores, Some(mode)) if cores.contains(&state.core) => footprint.add_whole(mode),
        Place::Session | Place::Cores(..) => {}
        Place::Keys(keys) => {
            for key in keys.iter().filter(|key| key.core == state.core) {
                footprint.add(lock_hash(key.name), key.mode);
            }
        }
    }
}
