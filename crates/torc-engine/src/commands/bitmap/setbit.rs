//! SETBIT key offset value: sets or clears a bit of a string, which grows with zeros as needed.

use torc_resp::{Args, Reply};

use super::offset::{bit_offset, stretch};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "setbit",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(setbit),
    since: "2.2.0",
    group: "bitmap",
    summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
    syntax: "key offset value/integer",
    ..Row::DEFAULT
};

fn setbit(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(args.get(2), context.string_len_max())?;
    let on = match args.get(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::fixed("ERR bit is not an integer or out of range")),
    };
    let (at, mask) = ((offset >> 3) as usize, 0x80 >> (offset & 7));
    let (mut occupied, is_longer) = stretch(context, args.get(1), at)?;
    let byte = &mut occupied.grow_quietly(at + 1)[at];
    let old = *byte & mask != 0;
    if old != on {
        *byte ^= mask;
    }
    // Who watches a string that has the bit already hears nothing, even if the string has another form now.
    if is_longer || old != on {
        occupied.note_change();
        context.event(EventClass::String, "setbit", args.get(1));
    }
    reply.integer(i64::from(old));
    Ok(())
}
