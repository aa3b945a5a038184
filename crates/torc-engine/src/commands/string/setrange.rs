//! SETRANGE key offset value: overwrites a part of a string, which grows with zeros as needed.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "setrange",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    route: Route::Owner,
    run: Run::Shard(setrange),
    since: "2.2.0",
    group: "string",
    summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
    complexity: "O(1), not counting the time taken to copy the new string in place: O(M) with M being the length of the value argument",
    syntax: "key offset value",
    ..Row::DEFAULT
};

fn setrange(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, part, len_max) = (args.get(1), args.get(3), context.string_len_max());
    let Ok(offset) = usize::try_from(integer_argument(args.get(2))?) else {
        return Err(CommandError::OutOfRange("offset"));
    };
    let too_long = offset.saturating_add(part.len()) > len_max;
    let len = match context.string_entry(key)? {
        Entry::Vacant(_) if part.is_empty() => 0,
        Entry::Occupied(occupied) if part.is_empty() => occupied.value().as_string().map_or(0, <[u8]>::len),
        _ if too_long => return Err(CommandError::StringTooLong),
        Entry::Occupied(mut occupied) => {
            headroom::check_growth(occupied.value().as_string().map_or(0, <[u8]>::len), offset + part.len())?;
            occupied.write_at(offset, part)
        }
        Entry::Vacant(vacant) => {
            headroom::check_growth(0, offset + part.len())?;
            // Zeros in front of a part far out are never written: the value's own memory comes zeroed.
            vacant.insert_string(&[], None, StringForm::Raw);
            match context.string_entry(key)? {
                Entry::Occupied(mut occupied) => occupied.write_at(offset, part),
                Entry::Vacant(_) => unreachable!("it was just put there"),
            }
        }
    };
    if !part.is_empty() {
        context.event(EventClass::String, "setrange", key);
    }
    reply.integer(len as i64);
    Ok(())
}
