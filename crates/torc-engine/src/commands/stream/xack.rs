//! XACK key group id [id ...]: acknowledges entries that were given to a consumer of a group.

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use super::{ids, lookup};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xack",
    arity: -4,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(xack),
    summary: "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
    complexity: "O(1) for each message ID processed.",
    syntax: "key group id [id ...]",
    ..super::ROW_DEFAULT
};

fn xack(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.note_miss(args.get(1));
    let Some((mut occupied, group)) = lookup::group(context, args.get(1), args.get(2))? else {
        reply.integer(0);
        return Ok(());
    };
    // All or nothing: a wrong id has none acknowledged.
    let given = args.from(3).iter().map(ids::parse_exact).collect::<Result<Vec<_>, _>>()?;
    let acknowledged = occupied.use_stream(StreamPart::Groups, |stream| {
        given.iter().filter(|&&id| stream.groups_mut().acknowledge(group, id)).count()
    });
    occupied.count_changes(acknowledged);
    reply.integer(acknowledged as i64);
    Ok(())
}
