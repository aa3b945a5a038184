//! CONFIG GET pattern [pattern ...]: directives and their values.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "get",
    arity: -3,
    flags: super::ADMIN,
    run: Run::Session(get),
    since: "2.0.0",
    group: "server",
    summary: "Returns the effective values of configuration parameters.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    syntax: "parameter [parameter ...]",
    history: &[
        ("7.0.0", "Added the ability to pass multiple pattern parameters in one call"),
    ],
    ..Row::DEFAULT
};

fn get(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = args.from(2).iter().collect();
    let found = context.facts().config.get(&patterns);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}
