//! BITPOS key bit [start [end [BYTE | BIT]]]: the first bit with this value in a string or a part of it.

use torc_resp::{Args, Reply};

use super::range::Range;
use super::scan::find_bit;
use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitpos",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(bitpos),
    since: "2.8.7",
    group: "bitmap",
    summary: "Finds the first set (1) or clear (0) bit in a string.",
    complexity: "O(N)",
    syntax: "key bit range:[start end-unit-block:[end unit:[BYTE | BIT]@7.0.0]]",
    history: &[
        ("7.0.0", "Added the `BYTE|BIT` option."),
    ],
    ..Row::DEFAULT
};

fn bitpos(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let wanted = match integer_argument(args.get(2))? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let range = Range::parse(args.from(3))?;
    let position = match context.read_string(args.get(1))? {
        // As if there were zeros without end.
        None if wanted => None,
        None => Some(0),
        Some(value) => range.bits(value.len()).and_then(|(first, last)| {
            let found = find_bit(value, first, last, wanted);
            // So it is behind a string of ones, unless the range says where to stop.
            found.or((!wanted && range.end.is_none()).then_some(last + 1))
        }),
    };
    reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}
