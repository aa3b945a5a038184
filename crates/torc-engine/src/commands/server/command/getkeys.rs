//! COMMAND GETKEYS command [argument ...]: the keys of a request.

use torc_resp::{Args, Reply};

use super::keys::find_keys;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "getkeys",
    arity: -3,
    flags: super::PLAIN,
    run: Run::Session(getkeys),
    categories: super::CATEGORIES,
    since: "2.8.13",
    group: "server",
    summary: "Extracts the key names from an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    syntax: "command [arg [arg ...]]",
    ..Row::DEFAULT
};

fn getkeys(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = args.from(2);
    let keys = find_keys(context.registry(), request)?;
    reply.array(keys.len());
    keys.into_iter().for_each(|(key, _)| reply.bulk(request.get(key)));
    Ok(())
}
