//! XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]: acknowledges entries and deletes them.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, StreamPart};

use super::deleting;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xackdel",
    arity: -6,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update delete")],
    run: Run::Shard(xackdel),
    since: "8.2.0",
    summary: "Acknowledges and deletes one or multiple messages for a stream consumer group.",
    complexity: "O(1) for each message ID processed.",
    syntax: "key group condition:[KEEPREF | DELREF | ACKED] IDS ids:<numids id [id ...]>",
    ..super::ROW_DEFAULT
};

fn xackdel(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.note_miss(args.get(1));
    let mut entry = context.entry_of_kind(args.get(1), Kind::Stream)?;
    let (references, words) = deleting::parse(args.from(3))?;
    let group = match &entry {
        Entry::Occupied(occupied) => {
            occupied.value().as_stream().expect("the kind says so").groups().find(args.get(2))
        }
        Entry::Vacant(_) => None,
    };
    let (Entry::Occupied(occupied), Some(group)) = (&mut entry, group) else {
        reply.array(words.len());
        words.iter().for_each(|_| reply.integer(deleting::NOT_FOUND));
        return Ok(());
    };
    let given = deleting::read_ids(words)?;
    reply.array(given.len());
    let (mut acknowledged, mut deleted) = (0, 0);
    for id in given {
        let result = occupied.use_stream(StreamPart::Entry(id), |stream| {
            stream.groups_mut().acknowledge(group, id).then(|| deleting::delete(stream, id, references).code)
        });
        acknowledged += usize::from(result.is_some());
        deleted += usize::from(result == Some(deleting::DELETED));
        reply.integer(match result {
            None => deleting::NOT_FOUND,
            // It counts as deleted when it was gone before.
            Some(deleting::NOT_FOUND) => deleting::DELETED,
            Some(result) => result,
        });
    }
    occupied.count_changes(acknowledged);
    // Who watches the key hears of entries, not of what a group knows of them.
    if deleted > 0 {
        occupied.note_change();
        context.event(EventClass::Stream, "xdel", args.get(1));
    }
    Ok(())
}
