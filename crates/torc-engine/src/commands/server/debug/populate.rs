//! DEBUG POPULATE count [prefix] [size]: many keys at once; each core makes its own.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::{Flags, Merge, Propagation, Route, Row, Run};
use crate::commands::arguments::positive_count;
use crate::error::{CommandError, CommandResult};
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "populate",
    arity: -3,
    flags: super::DEVELOPER.and(Flags::WRITE).and(Flags::LONG),
    propagation: Propagation::Given,
    route: Route::Every(Merge::Same),
    run: Run::Shard(populate),
    group: "server",
    summary: "Creates string keys named prefix:0, prefix:1 and so on, where they do not exist yet.",
    complexity: "O(N) where N is the number of keys",
    syntax: "count [prefix] [size]",
    ..Row::DEFAULT
};

fn populate(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 5 {
        return Err(CommandError::Arity("debug|populate"));
    }
    let count = positive_count(args.get(2))?;
    let prefix = if args.len() > 3 { args.get(3) } else { b"key" };
    let size = if args.len() > 4 { positive_count(args.get(4))? } else { 0 };
    context.check_string_len(size)?;
    // The value, and what it is made from.
    headroom::check(size.saturating_mul(2))?;
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if !context.owns(&key) {
            continue;
        }
        if let Entry::Vacant(vacant) = context.entry(&key) {
            let mut value = format!("value:{number}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            vacant.insert_string(&value, None, StringForm::Auto);
            // Whoever reads this may not allow DEBUG.
            context.propagate(&[b"SET", &key, &value]);
        }
    }
    reply.ok();
    Ok(())
}

