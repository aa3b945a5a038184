//! FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]: loads the libraries of a payload of FUNCTION DUMP, on all cores.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::script::Restoring;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "restore",
    arity: -3,
    flags: super::CHANGES.and(super::GROWS),
    run: Run::Shard(restore),
    summary: "Restores all libraries from a payload.",
    complexity: "O(N) where N is the number of functions on the payload",
    syntax: "serialized-value policy:[FLUSH | APPEND | REPLACE]",
    ..super::CHANGING_DEFAULT
};

fn restore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 4 {
        let text = "ERR unknown subcommand or wrong number of arguments for 'restore'. Try FUNCTION HELP.";
        return Err(CommandError::fixed(text));
    }
    let restoring = match args.from(3).iter().next() {
        None => Restoring::Append,
        Some(policy) if policy.eq_ignore_ascii_case(b"append") => Restoring::Append,
        Some(policy) if policy.eq_ignore_ascii_case(b"replace") => Restoring::Replace,
        Some(policy) if policy.eq_ignore_ascii_case(b"flush") => Restoring::Flush,
        Some(_) => {
            let text = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(CommandError::fixed(text));
        }
    };
    context.restore_libraries(args.get(2), restoring)?;
    super::tell_change(context, args);
    reply.ok();
    Ok(())
}
