//! Looking ahead in a pipeline: the next few complete requests are parsed before the first of them runs, so that the
//! memory they will touch is on its way into the cache while those before them still run.
//!
//! ```text
//!   parse 16 requests -> fetch the table groups of their keys -> fetch their entries -> run them in order
//!                                                                  \-> the same for elements of big collections
//! ```
//! A lookup is two dependent cache misses, and two more for a field of a hash or a member of a set in a table. One request
//! after the other pays each of them in full; sixteen at once overlap them. Nothing else changes: requests are admitted, planned and run one by one, in order.

use torc_resp::Args;
use torc_store::Prefetched;

use crate::command::{Registry, Route};
use crate::message::Batch;
use crate::session::{Hint, WINDOW_REQUESTS, Window};
use crate::state::CoreState;

/// Looks up the commands of all requests of a window that was filled just now, and has the memory of the keys that are here fetched.
pub fn prepare_window(window: &mut Window, state: &CoreState, db: u16, bytes: &[u8]) {
    if window.left().len() < 2 {
        return;
    }
    let mut keys = [Prefetched::default(); WINDOW_REQUESTS];
    let mut has_elements = false;
    for (index, key) in (0..window.left().len()).zip(&mut keys) {
        let (args, _, _) = window.request(index, bytes);
        if args.is_empty() {
            continue;
        }
        let hint = hint(state, state.registry, args);
        if hint.owner == Some(state.core)
            && let Some(command) = hint.command
        {
            has_elements |= command.row.element_at > 0;
            *key = state.keyspace.prefetch(db, args.get(command.only_key));
        }
        window.set_hint(index, hint);
    }
    let keys = &keys[..window.left().len()];
    keys.iter().for_each(|key| key.fetch_entry());
    if has_elements {
        state.keyspace.prefetch_elements(keys.iter().enumerate().filter_map(|(index, &key)| {
            let (args, _, hint) = window.request(index, bytes);
            let element_at = hint.command?.row.element_at;
            (element_at > 0 && element_at < args.len()).then(|| (key, args.get(element_at)))
        }));
    }
}

/// The same for the next requests of another core's batch, from `first` on.
pub fn prepare_batch(state: &CoreState, batch: &Batch, first: usize) {
    let mut keys = [Prefetched::default(); WINDOW_REQUESTS];
    let window = first..batch.len().min(first + WINDOW_REQUESTS);
    for (index, key) in window.clone().zip(&mut keys) {
        let (request, args) = batch.request(index);
        let first_key = request.command.first_key;
        if first_key > 0 && first_key < args.len() {
            *key = state.keyspace.prefetch(request.asker().db, args.get(first_key));
        }
    }
    let keys = &keys[..window.len()];
    keys.iter().for_each(|key| key.fetch_entry());
    state.keyspace.prefetch_elements(window.zip(keys).filter_map(|(index, &key)| {
        let (request, args) = batch.request(index);
        let element_at = request.command.row.element_at;
        (element_at > 0 && element_at < args.len()).then(|| (key, args.get(element_at)))
    }));
}

/// The command of a request and the owner of its key, for commands with one key.
#[inline]
fn hint(state: &CoreState, registry: &'static Registry, args: Args<'_>) -> Hint {
    let Some(command) = registry.find_name(args.name()).filter(|command| command.subcommands.is_empty()) else {
        return Hint::default();
    };
    let one_key = matches!(command.row.route, Route::Owner) && command.only_key > 0;
    let owner = (one_key && command.row.arity_fits(args.len())).then(|| state.owner(args.get(command.only_key)));
    Hint { command: Some(command), owner }
}
