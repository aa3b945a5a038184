//! WATCH key [key ...]: the next EXEC does nothing if one of these keys changes until then. Each owner notes the key and
//! tells its version; the session keeps both.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use super::IN_TRANSACTION;
use crate::command::{Flags, KeySpec, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::{SessionContext, Watch};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "watch",
    arity: -2,
    flags: IN_TRANSACTION.and(Flags::OUTSIDE_MULTI),
    keys: &[KeySpec::from(1, "RO")],
    route: Route::Split { stride: 1, merge: Merge::Custom(keep) },
    run: Run::Shard(watch),
    since: "2.2.0",
    categories: &["transaction"],
    group: "transactions",
    summary: "Monitors changes to keys to determine the execution of a transaction.",
    complexity: "O(1) for every key.",
    syntax: "key [key ...]",
    ..Row::DEFAULT
};

/// Answers each key with its version, in turn.
fn watch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = args.from(1);
    reply.array(2 * keys.len());
    for key in keys {
        reply.bulk(key);
        reply.integer(context.watch(key) as i64);
    }
    Ok(())
}

fn keep(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    for part in parts {
        let mut elements = Elements::new(part).expect("the keys and their versions are an array");
        while let (Some(key), Some(version)) = (elements.next(), elements.next()) {
            let key: Box<[u8]> = reader::bulk(key).expect("a key is a string").into();
            let version = reader::integer(version).expect("a version is a number") as u64;
            let (owner, db) = (context.owner(&key), context.session.db);
            context.session.watches.push(Watch { owner, db, key, version });
        }
    }
    reply.ok();
    Ok(())
}
