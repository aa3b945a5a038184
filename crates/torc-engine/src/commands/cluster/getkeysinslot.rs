//! CLUSTER GETKEYSINSLOT slot count: some of the keys of the slot.

use torc_resp::{Args, Reply};

use super::{node, slot};
use crate::command::{Flags, Route, Row, Run, integer_argument};
use crate::commands::generic::key_list::KeyList;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "getkeysinslot",
    arity: 4,
    flags: super::ROW_DEFAULT.flags.and(Flags::OF_NODE).and(Flags::LONG),
    route: Route::Pick(slot::core_of_request),
    run: Run::Shard(getkeysinslot),
    summary: "Returns the key names in a hash slot.",
    complexity: "O(N) where N is the number of keys of the core that owns the slot",
    syntax: "slot count",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn getkeysinslot(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    let (slot, count) = (slot::number(args)?, integer_argument(args.get(3))?);
    let (Some(slot), Ok(count)) = (slot::valid(slot), usize::try_from(count)) else {
        return Err(CommandError::fixed("ERR Invalid slot or number of keys"));
    };
    let mut found = KeyList::default();
    slot::for_each_key(context, slot, |key| {
        if found.len() < count {
            found.push(key);
        }
    });
    found.write(reply);
    Ok(())
}
