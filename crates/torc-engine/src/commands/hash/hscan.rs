//! HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]: the fields of a hash, a few at a time.

use torc_resp::{Args, OutputBuffer, Reply};
use torc_store::HashMut;
use torc_store::pack::Packed;

use super::access::{limits, read_hash, write_text};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::commands::scan_options::{Extra, ScanOptions, parse_cursor};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hscan",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    run: Run::Shard(hscan),
    since: "2.8.0",
    summary: "Iterates over fields and values of a hash.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
    syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    ..super::ROW_DEFAULT
};

fn hscan(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let cursor = parse_cursor(args.get(2))?;
    let is_hash = read_hash(context, key)?.is_some();
    let mut encoded = OutputBuffer::new();
    let (mut found, mut next) = (0, 0);
    if is_hash {
        let options = ScanOptions::parse(args.from(3), &[Extra(b"novalues", false)])?;
        let with_values = options.extra[0].is_none();
        let mut encoder = Reply::new(&mut encoded, reply.protocol());
        next = scan(context, key, cursor, options.count, &mut |field, value| {
            if field.with_bytes(|bytes| options.pattern.matches(bytes)) {
                write_text(&mut encoder, field);
                found += 1;
                if with_values {
                    write_text(&mut encoder, value);
                    found += 1;
                }
            }
        });
    }
    reply.array(2);
    reply.bulk_integer(next as i64);
    reply.array(found);
    reply.buffer().append(&mut encoded);
    Ok(())
}

fn scan(
    context: &mut ShardContext<'_>,
    key: &[u8],
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(Packed<'_>, Packed<'_>),
) -> u64 {
    let limits = limits(context);
    let occupied = context.tidy_entry(key).expect("the key was read just now");
    HashMut::of(occupied, limits).scan(cursor, count, visit)
}
