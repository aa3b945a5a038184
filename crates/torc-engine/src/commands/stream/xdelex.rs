//! XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id ...]: deletes entries, and says what becomes of references to them.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, StreamPart};

use super::deleting;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::commands::forms;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xdelex",
    arity: -5,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "RW delete")],
    run: Run::Shard(xdelex),
    since: "8.2.0",
    summary: "Deletes one or multiple entries from the stream.",
    complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
    syntax: "key condition:[KEEPREF | DELREF | ACKED] IDS ids:<numids id [id ...]>",
    ..super::ROW_DEFAULT
};

fn xdelex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let entry = context.entry_of_kind(args.get(1), Kind::Stream)?;
    let (references, words) = deleting::parse(args.from(2))?;
    let Entry::Occupied(mut occupied) = entry else {
        reply.array(words.len());
        words.iter().for_each(|_| reply.integer(deleting::NOT_FOUND));
        return Ok(());
    };
    let given = deleting::read_ids(words)?;
    reply.array(given.len());
    let (mut changes, mut forgot) = (0, false);
    for id in given {
        let result = occupied.use_stream(StreamPart::Entry(id), |stream| deleting::delete(stream, id, references));
        changes += usize::from(result.code == deleting::DELETED);
        forgot |= result.forgot;
        reply.integer(result.code);
    }
    occupied.count_changes(changes);
    if changes > 0 {
        occupied.note_change();
        context.event(EventClass::Stream, "xdel", args.get(1));
    }
    if forgot {
        forms::as_it_came(context, args);
    }
    Ok(())
}
