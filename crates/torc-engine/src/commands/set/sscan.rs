//! SSCAN key cursor [MATCH pattern] [COUNT count]: the members of a set, a few at a time.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, set};

use super::members::Members;
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sscan",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    route: Route::Owner,
    run: Run::Shard(sscan),
    since: "2.8.0",
    summary: "Iterates over members of a set.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..super::ROW_DEFAULT
};

fn sscan(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2))?;
    let mut found = Members::default();
    let mut next = 0;
    // Read first: a key that has expired is not this command's to remove. Options are looked at only where there is a set.
    let is_set = context.read_kind(args.get(1), Kind::Set)?.is_some();
    if is_set && let Entry::Occupied(mut occupied) = context.entry(args.get(1)) {
        let options = ScanOptions::parse(args.from(3), &[])?;
        next = set::scan(&mut occupied, cursor, options.count, &mut |member| {
            if member.with_bytes(|bytes| options.pattern.matches(bytes)) {
                found.push(member);
            }
        });
    }
    reply.array(2);
    reply.bulk_integer(next as i64);
    reply.array(found.len());
    found.slices().into_iter().for_each(|member| reply.bulk(member));
    Ok(())
}
