//! XREVRANGE key end start [COUNT count]: the entries between two ids, last to first.

use torc_resp::{Args, Reply};

use super::xrange::parse_count;
use super::{ids, lookup, replies};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xrevrange",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(xrevrange),
    summary: "Returns the messages from a stream within a range of IDs in reverse order.",
    complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first \
                 10 elements with COUNT), you can consider it O(1).",
    syntax: "key end/string start/string [COUNT count]",
    history: &[
        ("6.2.0", "Added exclusive ranges."),
    ],
    ..super::ROW_DEFAULT
};

fn xrevrange(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (ids::parse_start(args.get(3))?, ids::parse_end(args.get(2))?);
    let count = parse_count(args.from(4))?;
    match lookup::read(context, args.get(1))? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.null_array(),
        Some(stream) => {
            replies::entries(reply, stream.range_back(start, end), count.unwrap_or(0), stream.len());
        }
    }
    Ok(())
}
