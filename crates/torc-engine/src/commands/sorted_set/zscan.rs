//! ZSCAN key cursor [MATCH pattern] [COUNT count]: members with their scores, a few at a time.

use torc_resp::{Args, Reply};
use torc_resp::number::F64Text;
use torc_store::{Entry, Kind, sorted_set};

use super::collected::Collected;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zscan",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    run: Run::Shard(zscan),
    since: "2.8.0",
    summary: "Iterates over members and scores of a sorted set.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    ..super::ROW_DEFAULT
};

fn zscan(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2))?;
    let mut found = Collected::default();
    let mut next = 0;
    // Read first: a key that has expired is not this command's to remove. Without a key, options are not looked at.
    if context.read_kind(args.get(1), Kind::SortedSet)?.is_some() {
        let options = ScanOptions::parse(args.from(3), &[])?;
        if let Entry::Occupied(mut occupied) = context.entry(args.get(1)) {
            next = sorted_set::scan(&mut occupied, cursor, options.count, &mut |member, score| {
                member.with_bytes(|bytes| {
                    if options.pattern.matches(bytes) {
                        found.push(bytes, score);
                    }
                });
            });
        }
    }
    reply.array(2);
    reply.bulk_integer(next as i64);
    reply.array(2 * found.len());
    let mut text = F64Text::new();
    for (score, member) in found.slices() {
        reply.bulk(member);
        // A string in RESP3, too.
        text.set(score);
        reply.bulk(text.as_bytes());
    }
    Ok(())
}
