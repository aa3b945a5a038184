//! OBJECT ENCODING key: how the value is represented.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "encoding",
    run: Run::Shard(encoding),
    summary: "Returns the internal encoding of a Redis object.",
    tips: &["nondeterministic_output"],
    ..super::ON_KEY
};

fn encoding(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if let Some(value) = super::value(context, args, reply) {
        reply.bulk(value.encoding().as_bytes());
    }
    Ok(())
}
