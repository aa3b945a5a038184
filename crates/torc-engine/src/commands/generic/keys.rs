//! KEYS pattern: all key names that match, over all cores.

use torc_resp::{Args, Reply};

use super::key_list::{KeyList, KeyPattern};
use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY.and(Flags::OF_NODE).and(Flags::LONG),
    route: Route::Every(Merge::Concat),
    run: Run::Shard(keys),
    categories: &["keyspace", "dangerous"],
    summary: "Returns all key names that match a pattern.",
    complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in the \
                 database and the given pattern have limited length.",
    syntax: "pattern",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    ..super::ROW_DEFAULT
};

fn keys(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pattern = KeyPattern::new(args.get(1));
    let mut found = KeyList::default();
    context.for_each(&mut |value| {
        if pattern.matches(value.key()) {
            found.push(value.key());
        }
    });
    found.write(reply);
    Ok(())
}
