//! XINFO GROUPS key: the groups of a stream.

use torc_resp::{Args, Reply};

use super::super::{lookup, replies};
use crate::command::{KeySpec, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "groups",
    arity: 3,
    keys: &[KeySpec::at(2, "RO access")],
    run: Run::Shard(groups),
    summary: "Returns a list of the consumer groups of a stream.",
    syntax: "key",
    history: &[
        ("7.0.0", "Added the `entries-read` and `lag` fields"),
    ],
    ..super::ROW_DEFAULT
};

fn groups(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let stream = lookup::read(context, args.get(2))?.ok_or(CommandError::NoSuchKey)?;
    reply.array(stream.groups().len());
    for group in stream.groups().iter() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(group.name());
        reply.bulk(b"consumers");
        reply.integer(group.consumers().len() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_len() as i64);
        reply.bulk(b"last-delivered-id");
        replies::id(reply, group.last_id());
        super::progress(stream, group, reply);
    }
    Ok(())
}
