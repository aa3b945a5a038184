//! FUNCTION FLUSH [ASYNC | SYNC]: removes all libraries, on all cores.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "flush",
    arity: -2,
    flags: super::CHANGES,
    run: Run::Shard(flush),
    summary: "Deletes all libraries and functions.",
    complexity: "O(N) where N is the number of functions deleted",
    syntax: "flush-type:[ASYNC | SYNC]",
    ..super::CHANGING_DEFAULT
};

fn flush(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
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
    context.flush_libraries();
    super::tell_change(context, args);
    reply.ok();
    Ok(())
}
