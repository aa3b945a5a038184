//! BITCOUNT key [start end [BYTE | BIT]]: the number of bits set in a string or a part of it.

use torc_resp::{Args, Reply};

use super::range::Range;
use super::scan::count_bits;
use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitcount",
    arity: -2,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(bitcount),
    since: "2.6.0",
    group: "bitmap",
    summary: "Counts the number of set bits (population counting) in a string.",
    complexity: "O(N)",
    syntax: "key range:[start end unit:[BYTE | BIT]@7.0.0]",
    history: &[
        ("7.0.0", "Added the `BYTE|BIT` option."),
    ],
    ..Row::DEFAULT
};

fn bitcount(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() == 3 {
        return Err(CommandError::Syntax);
    }
    if args.len() == 5 {
        // Here the end is judged before the unit.
        integer_argument(args.get(2))?;
        integer_argument(args.get(3))?;
    }
    let range = Range::parse(args.from(2))?;
    let value = context.read_string(args.get(1))?.unwrap_or_default();
    // With both counted from the end the order is judged before they are cut to the string.
    let reversed = range.end.is_some_and(|end| range.start < 0 && end < 0 && range.start > end);
    let bits = if reversed { None } else { range.bits(value.len()) };
    let count = bits.map_or(0, |(first, last)| count_bits(value, first, last));
    reply.integer(count as i64);
    Ok(())
}
