//! SCRIPT FLUSH [ASYNC | SYNC]: no script is known any longer.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "flush",
    arity: -2,
    flags: Flags::NOSCRIPT,
    route: Route::Every(Merge::Same),
    run: Run::Core(flush),
    categories: &["scripting"],
    summary: "Removes all server-side Lua scripts from the script cache.",
    complexity: "O(N) with N being the number of scripts in cache",
    syntax: "flush-type:[ASYNC | SYNC]@6.2.0",
    history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..super::ROW_DEFAULT
};

fn flush(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    if args.len() > 3 || (args.len() == 3 && !is_mode(args.get(2))) {
        return Err(CommandError::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    context.flush_scripts();
    reply.ok();
    Ok(())
}
