//! MEMORY USAGE key [SAMPLES count]: the bytes that a key and its value take.

use torc_resp::{Args, Reply};

use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(2, "RO")],
    route: Route::Owner,
    run: Run::Shard(usage),
    since: "4.0.0",
    group: "server",
    summary: "Estimates the memory usage of a key.",
    complexity: "O(N) where N is the number of samples.",
    syntax: "key [SAMPLES count]",
    ..Row::DEFAULT
};

fn usage(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    check_options(args.from(3))?;
    // Neither a hit nor an access: looking at the size of a key is no use of it.
    match context.inspect(args.get(2)) {
        Some(value) => reply.integer(value.memory_bytes() as i64),
        None => reply.null(),
    }
    Ok(())
}

/// Sizes are exact here, so the number of samples is only checked.
fn check_options(options: Args<'_>) -> Result<(), CommandError> {
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let count = rest.next().filter(|_| option.eq_ignore_ascii_case(b"samples"));
        if integer_argument(count.ok_or(CommandError::Syntax)?)? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    Ok(())
}
