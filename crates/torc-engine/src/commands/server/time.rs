//! TIME: the server's clock, as seconds and microseconds.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "time",
    arity: 1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST).and(Flags::TELLS_TIME),
    run: Run::Session(time),
    since: "2.6.0",
    group: "server",
    summary: "Returns the server time.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Row::DEFAULT
};

fn time(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_us = context.facts().now_us;
    reply.array(2);
    reply.bulk_integer(now_us / 1_000_000);
    reply.bulk_integer(now_us % 1_000_000);
    Ok(())
}
