//! XPENDING key group [[IDLE min-idle-time] start end count [consumer]]: what was given and is not acknowledged.

use torc_resp::{Args, Reply};
use torc_store::{Group, StreamId};

use super::{ids, lookup, replies};
use crate::command::{Flags, KeySpec, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xpending",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(xpending),
    summary: "Returns the information and entries from a stream consumer group's pending entries list.",
    complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per \
                 call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When \
                 the command returns just the summary and the list of consumers is small, it runs in O(1) time; \
                 otherwise, an additional O(N) time for iterating every consumer.",
    syntax: "key group filters:[[IDLE min-idle-time@6.2.0/integer] start/string end/string count [consumer]]",
    tips: &["nondeterministic_output"],
    history: &[
        ("6.2.0", "Added the `IDLE` option and exclusive range intervals."),
    ],
    ..super::ROW_DEFAULT
};

/// Which references are asked for.
struct Selection<'a> {
    idle_ms_min: i64,
    start: StreamId,
    end: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

fn xpending(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let selection = match args.len() {
        3 => None,
        6..=9 => Some(Selection::parse(args)?),
        _ => return Err(CommandError::Syntax),
    };
    let (key, name, now_ms) = (args.get(1), args.get(2), context.now_ms());
    let stream = lookup::read(context, key)?;
    let group = stream.and_then(|stream| stream.groups().find(name).map(|index| stream.groups().get(index)));
    let group = group.ok_or_else(|| lookup::no_key_or_group(key, name))?;
    match selection {
        None => summary(group, reply),
        Some(selection) => selection.list(group, now_ms, reply),
    }
    Ok(())
}

fn summary(group: &Group, reply: &mut Reply<'_>) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let mut all = group.pending_range(StreamId::MIN, StreamId::MAX);
    let Some((first, _)) = all.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    replies::id(reply, first);
    replies::id(reply, all.next_back().map_or(first, |(last, _)| last));
    let owners = group.consumers().filter(|consumer| consumer.pending_len() > 0);
    replies::array(reply, group.consumers().len(), |reply| {
        let mut written = 0;
        for owner in owners {
            reply.array(2);
            reply.bulk(owner.name());
            reply.bulk_integer(owner.pending_len() as i64);
            written += 1;
        }
        written
    });
}

impl<'a> Selection<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let (mut at, mut idle_ms_min) = (3, 0);
        if args.get(3).eq_ignore_ascii_case(b"IDLE") {
            idle_ms_min = integer_argument(args.get(4))?;
            at = 5;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
        }
        let count = integer_argument(args.get(at + 2))?.max(0) as u64;
        let (start, end) = (ids::parse_start(args.get(at))?, ids::parse_end(args.get(at + 1))?);
        let consumer = (args.len() > at + 3).then(|| args.get(at + 3));
        Ok(Selection { idle_ms_min, start, end, count, consumer })
    }

    fn list(&self, group: &Group, now_ms: i64, reply: &mut Reply<'_>) {
        let owner = match self.consumer.map(|name| group.find_consumer(name)) {
            Some(None) => return reply.array(0),
            Some(Some(number)) => Some(group.consumer(number)),
            None => None,
        };
        match owner {
            Some(owner) => self.write(group, owner.pending_range(self.start, self.end), now_ms, reply),
            None => self.write(group, group.pending_range(self.start, self.end).map(|(id, _)| id), now_ms, reply),
        }
    }

    fn write(&self, group: &Group, ids: impl Iterator<Item = StreamId>, now_ms: i64, reply: &mut Reply<'_>) {
        let most = usize::try_from(self.count).unwrap_or(usize::MAX);
        let with_references = ids.map(|id| (id, group.pending(id).expect("consumers refer to what the group does")));
        let wanted = with_references
            .filter(|(_, pending)| self.idle_ms_min == 0 || now_ms.saturating_sub(pending.delivered_at) >= self.idle_ms_min);
        replies::array(reply, most.min(group.pending_len()), |reply| {
            let mut written = 0;
            for (id, pending) in wanted.take(most) {
                reply.array(4);
                replies::id(reply, id);
                reply.bulk(group.consumer(pending.consumer).name());
                reply.integer((now_ms.saturating_sub(pending.delivered_at)).max(0));
                reply.integer(pending.deliveries as i64);
                written += 1;
            }
            written
        });
    }
}
