//! SCRIPT EXISTS sha1 [sha1 ...]: which of them are known.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "exists",
    arity: -3,
    flags: Flags::NOSCRIPT,
    run: Run::Session(exists),
    categories: &["scripting"],
    summary: "Determines whether server-side Lua scripts exist in the script cache.",
    complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    syntax: "sha1 [sha1 ...]",
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    ..super::ROW_DEFAULT
};

fn exists(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(args.len() - 2);
    for sha in args.from(2).iter() {
        reply.integer(i64::from(context.knows_script(sha)));
    }
    Ok(())
}
