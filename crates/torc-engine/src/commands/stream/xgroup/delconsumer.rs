//! XGROUP DELCONSUMER key group consumer: removes a consumer with its references, and answers how many there were.

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use super::super::lookup;
use crate::command::{KeySpec, Row, Run, Propagation};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "delconsumer",
    arity: 5,
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(2, "RW delete")],
    run: Run::Shard(delconsumer),
    summary: "Deletes a consumer from a consumer group.",
    syntax: "key group consumer",
    ..super::ROW_DEFAULT
};

fn delconsumer(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut occupied, group) = super::find_group(context, args)?;
    let consumer = lookup::stream(&occupied).groups().get(group).find_consumer(args.get(4));
    let pending = match consumer {
        Some(consumer) => occupied.use_stream(StreamPart::Groups, |stream| stream.groups_mut().remove_consumer(group, consumer)),
        None => 0,
    };
    occupied.count_changes(usize::from(consumer.is_some()));
    if consumer.is_some() {
        context.event(EventClass::Stream, "xgroup-delconsumer", args.get(2));
    }
    reply.integer(pending as i64);
    Ok(())
}
