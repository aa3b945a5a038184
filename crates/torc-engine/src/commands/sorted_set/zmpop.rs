//! ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]: takes members from the first set that has any.

use torc_resp::{Args, Reply};
use torc_resp::number::parse_i64;
use torc_store::{Entry, Kind};

use super::remove::{End, pop};
use super::replies::Shape;
use crate::command::blocking::{AwaitedKey, Blocking, Timeout, take_or_nothing};
use crate::command::{Flags, Keys, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of ZMPOP.
pub static ROW: Row = Row {
    name: "zmpop",
    arity: -4,
    flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
    keys: Keys::NONE,
    key_runs: Some(|args| [Keys::counted(args, 1), Keys::NONE]),
    route: Route::Relay(&Blocking::RELAY),
    // It does what BZMPOP does, and never waits.
    blocking: Some(&Blocking {
        timeout: |args| Request::parse(args, 1).map(|_| Timeout::NoWait),
        is_ready,
        take,
        ..Blocking::DEFAULT
    }),
    run: Run::Shard(take_or_nothing),
    since: "7.0.0",
    summary: "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
    syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
    ..super::ROW_DEFAULT
};

/// What stands behind the keys.
pub(super) struct Request {
    end: End,
    count: usize,
}

impl Request {
    /// Reads all from the argument on that says how many keys there are.
    pub(super) fn parse(args: Args<'_>, count_at: usize) -> Result<Request, CommandError> {
        let positive = |argument, refusal| {
            let number = parse_i64(argument).and_then(|number| usize::try_from(number).ok());
            number.filter(|&number| number > 0).ok_or(CommandError::fixed(refusal))
        };
        let keys = positive(args.get(count_at), "ERR numkeys should be greater than 0")?;
        if keys >= args.len() - count_at - 1 {
            return Err(CommandError::Syntax);
        }
        let mut words = args.from(count_at + 1 + keys).iter();
        let end = words.next().and_then(End::parse).ok_or(CommandError::Syntax)?;
        let mut count = None;
        while let Some(word) = words.next() {
            let value = words.next().filter(|_| count.is_none() && word.eq_ignore_ascii_case(b"count"));
            count = Some(positive(value.ok_or(CommandError::Syntax)?, "ERR count should be greater than 0")?);
        }
        Ok(Request { end, count: count.unwrap_or(1) })
    }

    /// Takes from a key that holds a sorted set.
    pub(super) fn take(&self, context: &mut ShardContext<'_>, key: &[u8], reply: &mut Reply<'_>) -> CommandResult {
        if let Entry::Occupied(occupied) = context.entry_of_kind(key, Kind::SortedSet)? {
            reply.array(2);
            reply.bulk(key);
            pop(occupied, self.end, self.count, Shape::Pairs, reply);
        }
        Ok(())
    }
}

/// Whether a key has members to be taken.
pub(super) fn is_ready(
    context: &mut ShardContext<'_>,
    _args: Args<'_>,
    key: AwaitedKey<'_>,
) -> Result<bool, CommandError> {
    Ok(context.read_kind(key.name, Kind::SortedSet)?.is_some())
}

fn take(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    Request::parse(args, 1)?.take(context, key.name, reply)
}
