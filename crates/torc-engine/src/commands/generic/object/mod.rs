//! OBJECT: what a value is inside. Asking leaves the value's access clock alone.

mod encoding;
mod freq;
mod help;
mod idletime;
mod refcount;

use torc_resp::{Args, Reply};
use torc_store::ValueRef;

use crate::command::{Flags, KeySpec, Route, Row};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "object",
    arity: -2,
    categories: &[],
    since: "2.2.3",
    summary: "A container for object introspection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&encoding::ROW, &freq::ROW, &help::ROW, &idletime::ROW, &refcount::ROW],
    ..super::ROW_DEFAULT
};

/// What the subcommands on a key start from.
const ON_KEY: Row = Row {
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(2, "RO")],
    route: Route::Owner,
    since: "2.2.3",
    syntax: "key",
    ..super::ROW_DEFAULT
};

/// The value asked about. Without the key, null is answered.
fn value<'a>(context: &'a mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Option<ValueRef<'a>> {
    let found = context.inspect(args.get(2));
    if found.is_none() {
        reply.null();
    }
    found
}
