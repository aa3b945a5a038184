//! Which locks a request needs, derived from its row: its keys, or whole shards.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use torc_resp::Args;

use super::{Footprint, Mode};
use crate::command::{ApplyOn, Command, Flags, Route};
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
    match scope(state, command, args) {
        Scope::Nothing => {}
        Scope::Cores(cores, mode) => {
            for core in cores {
                visit(core);
                if let Some(mode) = mode {
                    footprints[usize::from(core)].add_whole(mode);
                }
            }
        }
        Scope::Keys => {
            for (number, index) in command.row.key_indexes(args).enumerate() {
                let key = args.get(index);
                let core = state.owner(key);
                visit(core);
                let mode = key_mode(command, number);
                footprints[usize::from(core)].add(lock_hash(key), mode);
            }
        }
    }
}

/// Adds the locks that a request, or a share of one, needs of this core.
pub fn footprint_here(state: &CoreState, command: &Command, args: Args<'_>, footprint: &mut Footprint) {
    match scope(state, command, args) {
        Scope::Nothing => {}
        Scope::Cores(cores, Some(mode)) if cores.contains(&state.core) => footprint.add_whole(mode),
        Scope::Cores(..) => {}
        Scope::Keys => {
            for (number, index) in command.row.key_indexes(args).enumerate() {
                let key = args.get(index);
                if state.owner(key) == state.core {
                    footprint.add(lock_hash(key), key_mode(command, number));
                }
            }
        }
    }
}

/// What a request is about.
enum Scope {
    /// Its session only.
    Nothing,
    /// Whole cores; locked only if it is about keys at all.
    Cores(std::ops::Range<CoreId>, Option<Mode>),
    /// Its keys.
    Keys,
}

fn scope(state: &CoreState, command: &Command, args: Args<'_>) -> Scope {
    match command.row.route {
        Route::Session => Scope::Nothing,
        Route::Every(_) => Scope::Cores(0..state.cores, whole_mode(command)),
        Route::Pick(pick) => {
            let core = pick(args, state.cores).unwrap_or(state.core);
            Scope::Cores(core..core + 1, whole_mode(command))
        }
        Route::Relay(_) if command.row.reaches_all(state.cores, args) => {
            Scope::Cores(0..state.cores, whole_mode(command))
        }
        Route::Owner | Route::Split { .. } | Route::Relay(_) => Scope::Keys,
    }
}

/// How a command without keys locks a shard: not at all if it is about the server rather than the keys.
fn whole_mode(command: &Command) -> Option<Mode> {
    let flags = command.row.flags;
    match (flags.has(Flags::WRITE), flags.has(Flags::READONLY)) {
        (true, _) => Some(Mode::Exclusive),
        (false, true) => Some(Mode::Shared),
        (false, false) => None,
    }
}

/// How a command locks its key with this number.
fn key_mode(command: &Command, number: usize) -> Mode {
    let flags = command.row.flags;
    // WATCH removes a key that has expired, so that its removal later is no change.
    if !flags.has(Flags::WRITE) && !flags.has(Flags::OUTSIDE_MULTI) {
        return Mode::Shared;
    }
    match command.row.route {
        Route::Relay(relay) if matches!(relay.apply_on, ApplyOn::OwnerOf(written) if written != number) => Mode::Shared,
        _ => Mode::Exclusive,
    }
}
