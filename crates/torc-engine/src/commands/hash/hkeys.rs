//! HKEYS key: all fields of a hash.

use torc_resp::{Args, Reply};

use super::access::{read_hash, write_text};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hkeys",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output_order"],
    run: Run::Shard(hkeys),
    since: "2.0.0",
    summary: "Returns all fields in a hash.",
    complexity: "O(N) where N is the size of the hash.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn hkeys(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(hash) = read_hash(context, args.get(1))? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(hash.live_len());
    hash.for_each(|field, _| write_text(reply, field));
    Ok(())
}
