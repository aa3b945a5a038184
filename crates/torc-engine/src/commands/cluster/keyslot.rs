//! CLUSTER KEYSLOT key: the slot of a key, whether the key exists or not.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::route;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "keyslot",
    arity: 3,
    run: Run::Session(keyslot),
    summary: "Returns the hash slot for a key.",
    complexity: "O(N) where N is the number of bytes in the key",
    syntax: "key/string",
    ..super::ROW_DEFAULT
};

fn keyslot(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.integer(i64::from(route::key_slot(args.get(2))));
    Ok(())
}
