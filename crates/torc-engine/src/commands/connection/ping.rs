//! PING [message]: answers PONG or the message.

use torc_resp::{Args, Protocol, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "ping",
    arity: -1,
    flags: Flags::FAST.and(Flags::WHILE_SUBSCRIBED),
    run: Run::Session(ping),
    categories: &["connection"],
    group: "connection",
    summary: "Returns the server's liveliness response.",
    complexity: "O(1)",
    syntax: "[message]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn ping(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let session = &*context.session;
    if session.is_subscriber && session.protocol == Protocol::Resp2 && args.len() <= 2 {
        // Looks like a message, since such a client may expect nothing else.
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(if args.len() == 2 { args.get(1) } else { b"" });
        return Ok(());
    }
    match args.len() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(args.get(1)),
        _ => return Err(CommandError::Arity(context.command.full_name)),
    }
    Ok(())
}
