//! DUMP key: the value as bytes that RESTORE turns back into it, here or on another server.

use torc_rdb::{VERSION_DEFAULT, payload};
use torc_resp::{Args, Reply};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::headroom;
use crate::shard::ShardContext;
use crate::snapshot::{self, Writing};

pub(super) static ROW: Row = Row {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(dump),
    since: "2.6.0",
    summary: "Returns a serialized representation of the value stored at a key.",
    complexity: "O(N) where N is the size of the value.",
    syntax: "key",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn dump(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.note_miss(args.get(1));
    let now_ms = context.now_ms();
    let mut bytes = Vec::new();
    let (value, config) = context.look_up_beside_config(args.get(1), context.touch);
    let writing = Writing { config, version: VERSION_DEFAULT, compress: true, now_ms };
    if let Some(value) = &value {
        // The payload, its growth, and the reply.
        let len = value.as_string().map_or_else(|| value.memory_bytes(), <[u8]>::len);
        headroom::check(len.saturating_mul(3))?;
    }
    let version = value.and_then(|value| snapshot::encode(value, writing, &mut bytes));
    context.count_lookup(version.is_some());
    match version {
        Some(version) => {
            payload::seal(&mut bytes, 0, version);
            reply.bulk(&bytes);
        }
        None => reply.null(),
    }
    Ok(())
}
