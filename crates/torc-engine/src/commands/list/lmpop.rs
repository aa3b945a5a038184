//! LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]: takes elements out of the first list that is there.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind};

use super::pop::PopMany;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    propagation: Propagation::Given,
    keys: &[KeySpec::counted(1, "RW access delete")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(lmpop),
    since: "7.0.0",
    group: "list",
    summary: "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    syntax: "numkeys key [key ...] where:<LEFT | RIGHT> [COUNT count]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners };

/// What the owners of the keys say of them.
const ABSENT: i64 = 0;
const LIST: i64 = 1;
const OTHER: i64 = 2;

fn lmpop(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let what = PopMany::parse(args, 1)?;
    for key in what.keys {
        if what.pop(context, key, reply)? {
            return Ok(());
        }
    }
    reply.null_array();
    Ok(())
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    let what = PopMany::parse(args, 1)?;
    extract.integer(match context.entry(what.keys.get(key_number)) {
        Entry::Vacant(_) => ABSENT,
        Entry::Occupied(occupied) if occupied.value().kind() == Kind::List => LIST,
        // An error only if no list comes before it.
        Entry::Occupied(_) => OTHER,
    });
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let what = PopMany::parse(args, 1)?;
    let found = fetched.0.iter().map(torc_resp::reader::integer).position(|found| found != Some(ABSENT));
    let Some(number) = found else {
        reply.null_array();
        return Ok(());
    };
    if torc_resp::reader::integer(fetched.get(number)) == Some(OTHER) {
        return Err(CommandError::WrongType);
    }
    let key = what.keys.get(number);
    if context.owns(key) {
        what.pop(context, key, reply)?;
    }
    Ok(())
}
