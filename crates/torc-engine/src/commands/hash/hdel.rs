//! HDEL key field [field ...]: removes fields, and answers how many of them were there.

use torc_resp::{Args, Reply};
use torc_store::{Entry, HashMut, Kind};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hdel",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    element_at: 2,
    run: Run::Shard(hdel),
    since: "2.0.0",
    summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
    complexity: "O(N) where N is the number of fields to be removed.",
    syntax: "key field [field ...]",
    history: &[
        ("2.4.0", "Accepts multiple `field` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn hdel(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = limits(context);
    let mut removed = 0;
    if let Entry::Occupied(occupied) = context.entry_of_kind(args.get(1), Kind::Hash)? {
        let mut hash = HashMut::of(occupied, limits);
        for field in args.from(2) {
            removed += i64::from(hash.remove(field));
        }
        hash.finish();
    }
    if removed > 0 {
        context.event(EventClass::Hash, "hdel", args.get(1));
    }
    reply.integer(removed);
    context.count_changes(removed as usize);
    Ok(())
}
