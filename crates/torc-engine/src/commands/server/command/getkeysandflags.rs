//! COMMAND GETKEYSANDFLAGS command [argument ...]: the keys of a request, and how it uses each.

use torc_resp::{Args, Reply};

use super::keys::find_keys;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "getkeysandflags",
    arity: -3,
    flags: super::PLAIN,
    run: Run::Session(getkeysandflags),
    categories: super::CATEGORIES,
    since: "7.0.0",
    group: "server",
    summary: "Extracts the key names and access flags for an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    syntax: "command [arg [arg ...]]",
    ..Row::DEFAULT
};

fn getkeysandflags(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = args.from(2);
    let keys = find_keys(context.registry(), request)?;
    reply.array(keys.len());
    for (key, flags) in keys {
        reply.array(2);
        reply.bulk(request.get(key));
        reply.set(flags.names().count());
        flags.names().for_each(|name| reply.simple(name));
    }
    Ok(())
}
