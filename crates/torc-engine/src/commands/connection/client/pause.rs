//! CLIENT PAUSE timeout [WRITE | ALL]: requests of all clients wait for so many milliseconds, or those that may change something.

use torc_resp::number::parse_i64;
use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::pause::Paused;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "pause",
    arity: -3,
    flags: super::ADMIN.and(Flags::PAUSES),
    route: Route::Every(Merge::Same),
    run: Run::Core(pause),
    categories: &["connection"],
    since: "3.0.0",
    group: "connection",
    summary: "Suspends commands processing.",
    complexity: "O(1)",
    syntax: "timeout/integer mode:[WRITE | ALL]@6.2.0",
    history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
    ..Row::DEFAULT
};

/// One core's part. All cores see one time, so that the pause ends at one time, too.
fn pause(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let what = match args.len() {
        3 => Paused::All,
        4 if args.get(3).eq_ignore_ascii_case(b"write") => Paused::Writes,
        4 if args.get(3).eq_ignore_ascii_case(b"all") => Paused::All,
        4 => return Err(CommandError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => {
            let text = "ERR unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.";
            return Err(CommandError::quoting(text, &[args.get(1)]));
        }
    };
    let end_ms = end_ms(args.get(2), context.facts().now_ms)?;
    context.pause(what, end_ms);
    reply.ok();
    Ok(())
}

/// When a pause of so long ends, Unix milliseconds. One of no time at all adds nothing to the pause there is but what it holds.
fn end_ms(timeout: &[u8], now_ms: i64) -> Result<i64, CommandError> {
    match parse_i64(timeout) {
        None => Err(CommandError::fixed("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(CommandError::fixed("ERR timeout is negative")),
        Some(timeout_ms) => {
            timeout_ms.checked_add(now_ms).ok_or(CommandError::fixed("ERR timeout is out of range"))
        }
    }
}
