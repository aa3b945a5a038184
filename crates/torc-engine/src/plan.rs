//! Where a request runs: derived from its row and its keys, before anything is touched.

use torc_resp::Args;

use crate::command::{Command, Merge, Relay, Route};
use crate::route::CoreId;
use crate::state::CoreState;

/// Where a request runs.
#[derive(Clone, Copy)]
pub enum Plan {
    /// For the session itself.
    Session,
    /// On one core, which may be the connection's own.
    One(CoreId),
    /// Each core runs it with its own keys.
    Split {
        /// Arguments per key.
        stride: usize,
        /// How the parts become one reply.
        merge: Merge,
    },
    /// Data travels between the cores of its keys.
    Relay(&'static Relay),
    /// Every core runs it.
    Every(Merge),
}

/// Plans a request that was admitted (so its arity fits).
#[inline]
pub fn plan(state: &CoreState, command: &Command, args: Args<'_>) -> Plan {
    let row = command.row;
    match row.route {
        Route::Session => Plan::Session,
        Route::Owner if command.only_key > 0 => Plan::One(state.owner(args.get(command.only_key))),
        Route::Owner => {
            let owner = owner_of_all(state, command, args);
            Plan::One(owner.expect("several keys that may lie on several cores are split or relayed"))
        }
        Route::Relay(relay) if row.reaches_all(state.cores, args) => Plan::Relay(relay),
        Route::Relay(relay) => owner_of_all(state, command, args).map_or(Plan::Relay(relay), Plan::One),
        // With a key that lacks its value it fails, wherever it runs.
        Route::Split { stride, .. } if !(args.len() - command.first_key).is_multiple_of(stride) => {
            Plan::One(state.owner(args.get(command.first_key)))
        }
        // A function makes the reply of the parts, even if there is only one.
        Route::Split { stride, merge: merge @ Merge::Custom(_) } => Plan::Split { stride, merge },
        Route::Split { stride, merge } => {
            owner_of_all(state, command, args).map_or(Plan::Split { stride, merge }, Plan::One)
        }
        // Merging one part is still the merge's job: it may turn a report into the reply.
        Route::Every(merge) => Plan::Every(merge),
        Route::Pick(pick) => Plan::One(pick(args, &state.slots).unwrap_or(state.core)),
    }
}

/// The core that owns all keys of the request; `None` when they lie on several.
pub fn owner_of_all(state: &CoreState, command: &Command, args: Args<'_>) -> Option<CoreId> {
    let mut indexes = command.row.key_indexes(args);
    if state.cores == 1 {
        return Some(state.core);
    }
    let Some(first) = indexes.next() else { return Some(state.core) };
    let owner = state.owner(args.get(first));
    indexes.all(|index| state.owner(args.get(index)) == owner).then_some(owner)
}
