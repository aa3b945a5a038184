//! HGETDEL key FIELDS numfields field [field ...]: the values of fields, which are removed.

use torc_resp::{Args, Reply};
use torc_store::{Entry, HashMut, Kind};

use super::access::{limits, write_text};
use super::field_expiry::{COUNT_OF_OTHERS, counted_fields};
use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hgetdel",
    arity: -5,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access delete")],
    run: Run::Shard(hgetdel),
    since: "8.0.0",
    summary: "Returns the value of a field and deletes it from the hash.",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key FIELDS fields:<numfields field [field ...]>",
    ..super::ROW_DEFAULT
};

fn hgetdel(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let fields = counted_fields(context, args, 2, COUNT_OF_OTHERS)?;
    let (limits, propagates) = (limits(context), context.propagates());
    let entry = context.entry_of_kind(key, Kind::Hash)?;
    reply.array(fields.len());
    let Entry::Occupied(occupied) = entry else {
        fields.iter().for_each(|_| reply.null());
        return Ok(());
    };
    let mut hash = HashMut::of(occupied, limits);
    let (mut changes, mut gone) = (0, Vec::new());
    for field in fields {
        match hash.as_ref().get(field) {
            Some(value) => {
                write_text(reply, value);
                changes += 1;
                if propagates {
                    gone.push(field);
                }
            }
            None => reply.null(),
        }
        hash.remove(field);
    }
    hash.finish();
    context.count_changes(changes);
    if changes > 0 {
        context.event(EventClass::Hash, "hdel", key);
    }
    if !gone.is_empty() {
        forms::with_elements(context, &[b"HDEL", key], &gone);
    }
    Ok(())
}
