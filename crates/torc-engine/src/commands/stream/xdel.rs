//! XDEL key id [id ...]: deletes entries, whoever refers to them.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, StreamPart};

use super::ids;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xdel",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    run: Run::Shard(xdel),
    summary: "Returns the number of messages after removing them from a stream.",
    complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
    syntax: "key id [id ...]",
    ..super::ROW_DEFAULT
};

fn xdel(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::Stream)? else {
        reply.integer(0);
        return Ok(());
    };
    let given = args.from(2).iter().map(ids::parse_exact).collect::<Result<Vec<_>, _>>()?;
    let mut delete = |id| occupied.use_stream(StreamPart::Entry(id), |stream| stream.delete(id));
    let deleted = given.into_iter().filter(|&id| delete(id)).count();
    occupied.count_changes(deleted);
    if deleted > 0 {
        occupied.note_change();
        context.event(EventClass::Stream, "xdel", args.get(1));
    }
    reply.integer(deleted as i64);
    Ok(())
}
