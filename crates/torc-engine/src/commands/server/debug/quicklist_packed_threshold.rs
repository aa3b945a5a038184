//! DEBUG QUICKLIST-PACKED-THRESHOLD size: from which size on an element of a list has a node of its own, in Redis.
//!
//! Nothing follows from it here: where an element lies is decided by `list-max-listpack-size` alone. The command is there
//! because test suites set it around tests of lists, which are as good without it.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::config::parse_memory_bytes;
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "quicklist-packed-threshold",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(set),
    group: "server",
    summary: "Accepted without an effect: big elements of lists need no threshold here.",
    complexity: "O(1)",
    syntax: "size",
    ..Row::DEFAULT
};

fn set(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const SIZE_MAX: u64 = 4 << 30;
    match parse_memory_bytes(args.get(2)) {
        Some(..SIZE_MAX) => reply.ok(),
        _ => {
            let text = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
            return Err(CommandError::fixed(text));
        }
    }
    Ok(())
}
