//! XRANGE key start end [COUNT count]: the entries between two ids.

use torc_resp::{Args, Reply};

use super::{ids, lookup, replies};
use crate::command::{Flags, KeySpec, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xrange",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(xrange),
    summary: "Returns the messages from a stream within a range of IDs.",
    complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the \
                 first 10 elements with COUNT), you can consider it O(1).",
    syntax: "key start/string end/string [COUNT count]",
    history: &[
        ("6.2.0", "Added exclusive ranges."),
    ],
    ..super::ROW_DEFAULT
};

fn xrange(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (ids::parse_start(args.get(2))?, ids::parse_end(args.get(3))?);
    let count = parse_count(args.from(4))?;
    match lookup::read(context, args.get(1))? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.null_array(),
        Some(stream) => {
            replies::entries(reply, stream.range(start, end), count.unwrap_or(0), stream.len());
        }
    }
    Ok(())
}

/// Reads `COUNT count`, where a negative count means 0. `None`: all entries.
pub fn parse_count(words: Args<'_>) -> Result<Option<u64>, CommandError> {
    let (mut words, mut count) = (words.iter(), None);
    while let Some(word) = words.next() {
        let text = words.next().filter(|_| word.eq_ignore_ascii_case(b"COUNT"));
        let given = integer_argument(text.ok_or(CommandError::Syntax)?)?;
        count = Some(given.max(0) as u64);
    }
    Ok(count)
}
