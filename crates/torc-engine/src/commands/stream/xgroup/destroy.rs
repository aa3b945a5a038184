//! XGROUP DESTROY key group: removes a group with its consumers and references.

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use super::super::lookup;
use super::NO_KEY;
use crate::command::{Flags, KeySpec, Row, Run, Propagation};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "destroy",
    arity: 4,
    flags: super::ROW_DEFAULT.flags.and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(2, "RW delete")],
    run: Run::Shard(destroy),
    summary: "Destroys a consumer group.",
    complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
    syntax: "key group",
    ..super::ROW_DEFAULT
};

fn destroy(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut occupied = lookup::occupied(context, args.get(2))?.ok_or(NO_KEY)?;
    let group = lookup::stream(&occupied).groups().find(args.get(3));
    if let Some(group) = group {
        occupied.use_stream(StreamPart::Groups, |stream| stream.remove_group(group));
        occupied.wake_waiters();
    }
    occupied.count_changes(usize::from(group.is_some()));
    if group.is_some() {
        context.event(EventClass::Stream, "xgroup-destroy", args.get(2));
    }
    reply.integer(i64::from(group.is_some()));
    Ok(())
}
