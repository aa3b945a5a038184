//! SMEMBERS key: all members of a set.

use torc_resp::{Args, Reply};
use torc_store::{Kind, SetRef};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "smembers",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output_order"],
    route: Route::Owner,
    run: Run::Shard(smembers),
    since: "1.0.0",
    summary: "Returns all members of a set.",
    complexity: "O(N) where N is the set cardinality.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn smembers(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.read_kind(args.get(1), Kind::Set)?.map(SetRef::of) {
        None => reply.set(0),
        Some(set) => {
            reply.set(set.len());
            set.iter().for_each(|member| member.with_bytes(|bytes| reply.bulk(bytes)));
        }
    }
    Ok(())
}
