//! ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]: takes members from the first set that has any.

use torc_resp::number::I64Text;
use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind};

use super::remove::{End, pop, pop_name, popped};
use super::replies::Shape;
use crate::command::blocking::{AwaitedKey, Blocking, Timeout, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::commands::arguments::PopRequest;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zmpop",
    arity: -4,
    flags: Flags::WRITE,
    propagation: Propagation::Given,
    keys: &[KeySpec::counted(1, "RW access delete")],
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
    syntax: "numkeys key [key ...] where:<MIN | MAX> [COUNT count]",
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
        let PopRequest { end, count, .. } = PopRequest::parse(args, count_at, |word| End::parse(word).is_some())?;
        Ok(Request { end: End::parse(end).ok_or(CommandError::Syntax)?, count })
    }

    /// Takes from a key that holds a sorted set.
    pub(super) fn take(&self, context: &mut ShardContext<'_>, key: &[u8], reply: &mut Reply<'_>) -> CommandResult {
        if let Entry::Occupied(occupied) = context.entry_of_kind(key, Kind::SortedSet)? {
            reply.array(2);
            reply.bulk(key);
            let count = pop(occupied, self.end, self.count, Shape::Pairs, reply);
            context.event(EventClass::SortedSet, popped(self.end), key);
            if context.propagates() {
                context.propagate(&[pop_name(self.end), key, I64Text::new(count as i64).as_bytes()]);
            }
        }
        Ok(())
    }
}

/// Whether a key has members to be taken.
pub(super) fn is_ready(
    context: &ShardContext<'_>,
    _args: Args<'_>,
    key: AwaitedKey<'_>,
) -> Result<bool, CommandError> {
    Ok(context.glance_kind(key.name, Kind::SortedSet)?.is_some())
}

fn take(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    Request::parse(args, 1)?.take(context, key.name, reply)
}
