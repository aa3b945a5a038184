//! DEBUG DIGEST-VALUE key [key ...]: a number for each value.

use torc_resp::{Args, Reply};

use super::checksum::Checksum;
use crate::command::{Flags, KeySpec, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "digest-value",
    arity: -2,
    flags: super::DEVELOPER.and(Flags::READONLY).and(Flags::LONG),
    keys: &[KeySpec::range(2, -1, 1, "RO access")],
    route: Route::Split { stride: 1, merge: Merge::ByKey },
    run: Run::Shard(digest_value),
    group: "server",
    summary: "Outputs a hex signature of the values of all the specified keys.",
    complexity: "O(N) where N is the size of the values",
    syntax: "key [key ...]",
    ..Row::DEFAULT
};

fn digest_value(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = args.from(2);
    reply.array(keys.len());
    for key in keys.iter() {
        let mut sum = Checksum::default();
        if let Some(value) = context.glance(key) {
            sum.mix_value(value, context.config(), context.now_ms());
        }
        reply.simple(&sum.hex());
    }
    Ok(())
}
