//! SINTERCARD numkeys key [key ...] [LIMIT limit]: how many members all sets have in common.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect, collect_here, read, send};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Lead, Relay, Route, Row, Run};
use crate::commands::arguments::counted_keys;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sintercard",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::counted(1, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(sintercard),
    since: "7.0.0",
    summary: "Returns the number of members of the intersect of multiple sets.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay {
    fetch: Fetching::ByOwner {
        read: read_checked,
        combine: |context, args, candidates, extract| {
            send(context, args, candidates, Operation::Intersection, extract)
        },
        lead: Some(Lead::Smallest),
    },
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn sintercard(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limit = limit(args)?;
    reply.integer(collect_here(context, args, Operation::Intersection, limit)?.len() as i64);
    Ok(())
}

fn read_checked(context: &mut ShardContext<'_>, args: Args<'_>, key: &[u8]) -> CommandResult {
    limit(args)?;
    read(context, args, key)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limit = limit(args)?;
    reply.integer(collect(context, args, fetched, Operation::Intersection, limit).len() as i64);
    Ok(())
}

/// How many members are counted at most; checks all arguments.
fn limit(args: Args<'_>) -> Result<usize, CommandError> {
    let keys = counted_keys(args, 1)?;
    let mut limit = 0;
    let mut options = args.from(keys.last as usize + 1).iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"limit")).ok_or(CommandError::Syntax)?;
        let refusal = CommandError::fixed("ERR LIMIT can't be negative");
        let number = torc_resp::number::parse_i64(value).filter(|&number| number >= 0).ok_or(refusal)?;
        limit = number as usize;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}
