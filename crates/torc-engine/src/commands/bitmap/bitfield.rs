//! BITFIELD key [GET encoding offset | [OVERFLOW ..] SET .. | INCRBY .. ...]: integers of any width inside a string.
//!
//! The request is read twice: first to check all of it and to find the last byte that it writes, then to do it.

use torc_resp::{Args, Reply};

use super::field::Operations;
use super::offset::stretch;
use crate::command::{Flags, KeyFlags, KeySpec, Propagation, Route, Row, Run};
use crate::commands::forms;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitfield",
    arity: -2,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec {
        notes: "This command allows both access and modification of the key",
        flags_of: Some(key_flags_of),
        ..KeySpec::at(1, "RW access update variable_flags")
    }],
    route: Route::Owner,
    run: Run::Shard(bitfield),
    since: "3.2.0",
    group: "bitmap",
    summary: "Performs arbitrary bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    syntax: "key operation:[GET get-block:<encoding offset> | write:<[OVERFLOW overflow-block:<WRAP | SAT | FAIL>] write-operation:<SET set-block:<encoding offset value/integer> | INCRBY incrby-block:<encoding offset increment>>> ...]",
    ..Row::DEFAULT
};

/// With GET alone it only reads; what is no operation may be meant to write.
fn key_flags_of(args: Args<'_>) -> KeyFlags {
    let mut rest = args.iter().skip(2);
    while let Some(word) = rest.next() {
        let arguments = [("get", 2), ("overflow", 1)].iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        let Some((_, count)) = arguments.filter(|(_, count)| rest.clone().count() >= *count) else {
            return KeyFlags::of("RW access update");
        };
        rest.nth(count - 1);
    }
    KeyFlags::of("RO access")
}

fn bitfield(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, string_len_max) = (args.get(1), context.string_len_max());
    let operations = || Operations::new(args.from(2), string_len_max);
    let (count, last_byte_written) = operations().check()?;
    let Some(last_byte) = last_byte_written else {
        return read_all(context, key, count, operations(), reply);
    };
    let (mut occupied, is_longer) = stretch(context, key, last_byte)?;
    let bytes = occupied.grow_quietly(last_byte + 1);
    let mut changes = 0;
    reply.array(count);
    for operation in operations() {
        let old = operation.read(bytes);
        match operation.run(bytes) {
            Some(value) => {
                let writes = operation.last_byte_written().is_some();
                changes += usize::from(writes && (is_longer || operation.read(bytes) != old));
                reply.integer(value);
            }
            None => reply.null(),
        }
    }
    // As in Redis, a string that became longer, or was made, while every operation failed is no change.
    occupied.count_changes(changes);
    if changes > 0 {
        occupied.note_change();
        context.event(EventClass::String, "setbit", key);
    } else if is_longer {
        // Logs and replicas must hold the same bytes all the same.
        forms::as_it_came(context, args);
    }
    Ok(())
}

/// Does a request whose operations only read.
pub(super) fn read_all(
    context: &mut ShardContext<'_>,
    key: &[u8],
    count: usize,
    operations: Operations<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let bytes = context.read_string(key)?.unwrap_or_default();
    reply.array(count);
    operations.for_each(|operation| reply.integer(operation.read(bytes)));
    Ok(())
}
