//! FUNCTION LOAD [REPLACE] code: makes a library of a text, on all cores.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "load",
    arity: -3,
    flags: super::CHANGES.and(super::GROWS),
    run: Run::Shard(load),
    summary: "Creates a library.",
    complexity: "O(1) (considering compilation time is redundant)",
    syntax: "[REPLACE] function-code",
    ..super::CHANGING_DEFAULT
};

fn load(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = args.range(2..args.len() - 1);
    if let Some(unknown) = options.iter().find(|option| !option.eq_ignore_ascii_case(b"replace")) {
        return Err(CommandError::quoting("ERR Unknown option given: {}", &[unknown]));
    }
    let name = context.load_library(args.get(args.len() - 1), !options.is_empty())?;
    super::tell_change(context, args);
    reply.bulk(&name);
    Ok(())
}
