//! FUNCTION: libraries of functions.
//!
//! Those that change libraries do so on all cores in one transaction, which holds all keys of all cores: no function runs meanwhile.

mod delete;
mod dump;
mod flush;
mod help;
mod kill;
mod list;
mod load;
mod restore;
mod stats;

use torc_resp::Args;

use crate::command::{Flags, Merge, Propagation, Route, Row};
use crate::commands::forms;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "function",
    arity: -2,
    summary: "A container for function commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &delete::ROW,
        &dump::ROW,
        &flush::ROW,
        &help::ROW,
        &kill::ROW,
        &list::ROW,
        &load::ROW,
        &restore::ROW,
        &stats::ROW,
    ],
    ..ROW_DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row { since: "7.0.0", group: "scripting", ..Row::DEFAULT };

/// What those start from that change libraries.
const CHANGING_DEFAULT: Row = Row {
    propagation: Propagation::Given,
    route: Route::Every(Merge::Same),
    categories: &["scripting"],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..ROW_DEFAULT
};

/// The flags of those that change libraries.
const CHANGES: Flags = Flags::NOSCRIPT.and(Flags::WRITE);

/// The flags of those that run what they are given.
const GROWS: Flags = Flags::DENYOOM.and(Flags::LONG);

/// Libraries have changed: logs and replicas are told as it came, as one change that one core counts for all.
fn tell_change(context: &mut ShardContext<'_>, args: Args<'_>) {
    context.count_changes(usize::from(context.core() == 0));
    forms::as_it_came(context, args);
}
