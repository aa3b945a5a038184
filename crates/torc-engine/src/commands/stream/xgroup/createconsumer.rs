//! XGROUP CREATECONSUMER key group consumer: makes a consumer, which reading does by itself.

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "createconsumer",
    arity: 5,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(2, "RW insert")],
    run: Run::Shard(createconsumer),
    since: "6.2.0",
    summary: "Creates a consumer in a consumer group.",
    syntax: "key group consumer",
    ..super::ROW_DEFAULT
};

fn createconsumer(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // As of now, even if it is a propagated command, which sees no time.
    let now_ms = context.facts().now_ms;
    let (mut occupied, group) = super::find_group(context, args)?;
    let (_, created) = occupied.use_stream(StreamPart::Groups, |stream| stream.groups_mut().consumer(group, args.get(4), now_ms));
    occupied.count_changes(usize::from(created));
    if created {
        context.event(EventClass::Stream, "xgroup-createconsumer", args.get(2));
    }
    reply.integer(i64::from(created));
    Ok(())
}
