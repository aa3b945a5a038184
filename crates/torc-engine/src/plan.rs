//! Where a request runs: derived from its row and its keys, before anything is touched.

use torc_resp::Args;

use crate::command::{Command, Merge, Route};
use crate::error::CommandError;
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
    /// Every core runs it.
    Every(Merge),
}

/// Plans a request that was admitted (so its arity fits).
#[inline]
pub fn plan(state: &CoreState, command: &Command, args: Args<'_>) -> Result<Plan, CommandError> {
    let row = command.row;
    match row.route {
        Route::Session => Ok(Plan::Session),
        Route::Owner if row.keys.first == row.keys.last as usize => {
            Ok(Plan::One(state.owner(args.get(row.keys.first))))
        }
        Route::Owner | Route::Relay(_) => match owner_of_all(state, command, args) {
            Some(core) => Ok(Plan::One(core)),
            None => Err(CommandError::CrossCore(command.full_name)),
        },
        Route::Split { stride, merge } => Ok(match owner_of_all(state, command, args) {
            Some(core) => Plan::One(core),
            None => Plan::Split { stride, merge },
        }),
        // Merging one part is still the merge's job: it may turn a report into the reply.
        Route::Every(merge) => Ok(Plan::Every(merge)),
        Route::Pick(pick) => Ok(Plan::One(pick(args, state.cores).unwrap_or(state.core))),
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
