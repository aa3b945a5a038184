//! CLIENT CACHING YES | NO: whether what the next command reads is noted, or the next transaction.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;
use crate::tracking::Mode;

pub(super) static ROW: Row = Row {
    name: "caching",
    arity: 3,
    flags: super::PLAIN,
    run: Run::Session(caching),
    categories: &["connection"],
    since: "6.0.0",
    group: "connection",
    summary: "Instructs the server whether to track the keys in the next request.",
    complexity: "O(1)",
    syntax: "mode:<YES | NO>",
    ..Row::DEFAULT
};

fn caching(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let error = |text| Err(CommandError::fixed(text));
    let Some(tracking) = &mut context.session.tracking else {
        return error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled");
    };
    if args.get(2).eq_ignore_ascii_case(b"yes") {
        if tracking.mode != Mode::OptIn {
            return error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
        }
    } else if args.get(2).eq_ignore_ascii_case(b"no") {
        if tracking.mode != Mode::OptOut {
            return error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
        }
    } else {
        return Err(CommandError::Syntax);
    }
    tracking.is_caching_given = true;
    reply.ok();
    Ok(())
}
