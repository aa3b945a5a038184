//! ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]: stores the members of a range.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::collected::{Collected, begin_sending, receive, send, store_members};
use super::range::{Grammar, RangeRequest};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrangestore",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::at(2, "RO access")],
    route: Route::Relay(&Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::OwnerOf(0) }),
    run: Run::Shard(zrangestore),
    since: "6.2.0",
    summary: "Stores a range of members from sorted set in a key.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
    syntax: "dst src min max sortby:[BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar { answers: false, ..Grammar::OPEN };

fn zrangestore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = RangeRequest::parse(args, 3, GRAMMAR)?;
    let mut found = Collected::default();
    if let Some(value) = context.read_kind(args.get(2), Kind::SortedSet)? {
        let set = SortedSetRef::of(value);
        for (member, score) in set.range(request.ranks(set), false) {
            member.with_bytes(|bytes| found.push(bytes, score));
        }
    }
    found.store(context, args.get(1), ROW.name, reply);
    Ok(())
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    let request = RangeRequest::parse(args, 3, GRAMMAR)?;
    if key_number == 0 {
        extract.null();
        return Ok(());
    }
    let Some(value) = context.read_kind(args.get(2), Kind::SortedSet)? else {
        begin_sending(0, extract);
        return Ok(());
    };
    let set = SortedSetRef::of(value);
    let members = set.range(request.ranks(set), false);
    begin_sending(members.len(), extract);
    members.for_each(|(member, score)| send(member, score, extract));
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_members(context, args.get(1), &mut receive(fetched.get(1)), ROW.name, reply);
    Ok(())
}
