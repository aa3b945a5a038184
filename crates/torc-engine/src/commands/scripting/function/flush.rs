//! FUNCTION FLUSH [ASYNC | SYNC]: removes all libraries, of which there are none.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "flush",
    arity: -2,
    flags: Flags::NOSCRIPT.and(Flags::WRITE),
    propagation: Propagation::AsItCame,
    run: Run::Session(flush),
    categories: &["scripting"],
    summary: "Deletes all libraries and functions.",
    complexity: "O(N) where N is the number of functions deleted",
    syntax: "flush-type:[ASYNC | SYNC]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..super::ROW_DEFAULT
};

fn flush(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    match args.len() {
        2 => {}
        3 if is_mode(args.get(2)) => {}
        3 => return Err(CommandError::fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => {
            let text = "ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.";
            return Err(CommandError::fixed(text));
        }
    }
    reply.ok();
    Ok(())
}
