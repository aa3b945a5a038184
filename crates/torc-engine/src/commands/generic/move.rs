//! MOVE key db: moves a key to another database, if it has no such key yet. Both are on one core.

use torc_resp::{Args, Reply};

use super::database::database;
use crate::command::{Databases, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(move_key),
    databases: Databases::Named(|_| [2, 0]),
    since: "1.0.0",
    summary: "Moves a key to another database.",
    syntax: "key db",
    ..super::ROW_DEFAULT
};

fn move_key(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let to = database(context, args.get(2))?;
    if context.db == to {
        return Err(CommandError::fixed("ERR source and destination objects are the same"));
    }
    let moves = context.access(key) && !context.in_database(to).access(key);
    if moves {
        context.relocate(key, (to, key));
        context.event(EventClass::Generic, "move_from", key);
        context.event_in(to, EventClass::Generic, "move_to", key);
    }
    reply.integer(i64::from(moves));
    Ok(())
}
