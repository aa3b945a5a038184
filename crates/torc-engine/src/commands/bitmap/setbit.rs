//! SETBIT key offset value: sets or clears a bit of a string, which grows with zeros as needed.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Occupied, StringForm};

use super::offset::{bit_offset, edit};
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of SETBIT.
pub static ROW: Row = Row {
    name: "setbit",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
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
    let old = match context.string_entry(args.get(1))? {
        Entry::Occupied(occupied) => set_in(occupied, at, mask, on),
        Entry::Vacant(_) => {
            edit(context, args.get(1), at, |bytes| bytes[at] |= if on { mask } else { 0 })?;
            false
        }
    };
    reply.integer(i64::from(old));
    Ok(())
}

/// Sets the bit and gives what it was. A string that has it already is not changed, and nobody who watches it hears of it.
#[inline]
fn set_in(mut occupied: Occupied<'_>, at: usize, mask: u8, on: bool) -> bool {
    let value = occupied.value();
    let bytes = value.as_string().expect("the type was checked");
    let (byte, grows, is_raw) = (bytes.get(at).copied().unwrap_or(0), at >= bytes.len(), value.form() == StringForm::Raw);
    let old = byte & mask != 0;
    let new = if on { byte | mask } else { byte & !mask };
    if !grows && is_raw && old == on {
        return old;
    }
    if grows || !is_raw {
        occupied.write_at(at, &[new]);
    } else {
        occupied.bytes_mut().expect("the type was checked")[at] = new;
    }
    old
}
