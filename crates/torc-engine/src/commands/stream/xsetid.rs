//! XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]: sets what a stream knows about itself.

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use super::{ids, lookup};
use crate::command::{Flags, KeySpec, Propagation, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xsetid",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(xsetid),
    summary: "An internal command for replicating stream values.",
    syntax: "key last-id [ENTRIESADDED entries-added@7.0.0] [MAXDELETEDID max-deleted-id@7.0.0]",
    history: &[
        ("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn xsetid(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let last_id = ids::parse_exact(args.get(2))?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    let words = args.from(3);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(CommandError::Syntax)?;
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let given = u64::try_from(integer_argument(value)?);
            entries_added = Some(given.map_err(|_| CommandError::fixed("ERR entries_added must be positive"))?);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let given = ids::parse_exact(value)?;
            if last_id < given {
                return Err(CommandError::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(given).filter(|id| !id.is_zero());
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let mut occupied = lookup::occupied(context, args.get(1))?.ok_or(CommandError::NoSuchKey)?;
    let stream = lookup::stream(&occupied);
    if last_id < stream.max_deleted_id() {
        return Err(CommandError::fixed(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if !stream.is_empty() && last_id < stream.top_id() {
        return Err(CommandError::fixed("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if entries_added.is_some_and(|added| added < stream.len() as u64) {
        return Err(CommandError::fixed(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    occupied.use_stream(StreamPart::Head, |stream| stream.set_id(last_id, entries_added, max_deleted_id));
    occupied.count_changes(1);
    context.event(EventClass::Stream, "xsetid", args.get(1));
    reply.ok();
    Ok(())
}
