//! XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]: makes a consumer the owner of entries that have been
//! idle for long.

use torc_resp::{Args, Reply, number};
use torc_store::{Pending, Stream, StreamId, StreamPart};

use super::{ids, lookup, replies};
use super::forms::{Given, GroupName};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xautoclaim",
    arity: -6,
    flags: Flags::WRITE.and(Flags::FAST).and(Flags::LONG),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW delete")],
    run: Run::Shard(xautoclaim),
    since: "6.2.0",
    summary: "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as \
              consumer group member.",
    complexity: "O(1) if COUNT is small.",
    syntax: "key group consumer min-idle-time start/string [COUNT count] [JUSTID]",
    tips: &["nondeterministic_output"],
    history: &[
        ("7.0.0", "Added an element to the reply array, containing deleted entries the command cleared from the PEL"),
    ],
    ..super::ROW_DEFAULT
};

const COUNT_DEFAULT: u64 = 100;
const COUNT_MAX: i64 = i64::MAX / 16;
/// References looked at for each that may be claimed.
const ATTEMPTS: u64 = 10;

/// What is asked for.
struct Sweep {
    idle_ms_min: i64,
    start: StreamId,
    count: u64,
    just_id: bool,
}

/// What was found.
#[derive(Default)]
struct Swept {
    claimed: Vec<StreamId>,
    deleted: Vec<StreamId>,
    next: StreamId,
}

fn xautoclaim(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name, now_ms, propagates) = (args.get(1), args.get(2), context.now_ms(), context.propagates());
    context.note_miss(key);
    let sweep = Sweep::parse(args)?;
    let found = lookup::group(context, key, name)?;
    let (mut occupied, group) = found.ok_or_else(|| lookup::no_key_or_group(key, name))?;
    let (swept, is_new) = occupied.use_stream(StreamPart::Groups, |stream| {
        let (consumer, is_new) = stream.groups_mut().consumer(group, args.get(3), now_ms);
        (sweep.run(stream, group, consumer, now_ms), is_new)
    });
    occupied.count_changes(swept.claimed.len() + swept.deleted.len() + usize::from(is_new));
    let stream = lookup::stream(&occupied);
    reply.array(3);
    replies::id(reply, swept.next);
    reply.array(swept.claimed.len());
    for &id in &swept.claimed {
        if sweep.just_id {
            replies::id(reply, id);
        } else {
            replies::entry(reply, &stream.get(id).expect("only entries that are there are claimed"));
        }
    }
    reply.array(swept.deleted.len());
    for &id in &swept.deleted {
        replies::id(reply, id);
    }
    let (whose, mut told) = (GroupName { key, group: name }, Given::default());
    if propagates {
        told.note(stream, group, swept.claimed.iter().copied(), Some(stream.groups().get(group).last_id()));
        told.gone = swept.deleted;
    }
    if is_new {
        context.event(EventClass::Stream, "xgroup-createconsumer", key);
    }
    if is_new && swept.claimed.is_empty() {
        whose.made(context, args.get(3));
    }
    whose.given(context, args.get(3), &told);
    Ok(())
}

impl Sweep {
    fn parse(args: Args<'_>) -> Result<Sweep, CommandError> {
        let invalid = CommandError::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM");
        let idle_ms_min = number::parse_i64(args.get(4)).ok_or(invalid)?.max(0);
        let start = ids::parse_start(args.get(5))?;
        let mut sweep = Sweep { idle_ms_min, start, count: COUNT_DEFAULT, just_id: false };
        let words = args.from(6);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"JUSTID") {
                sweep.just_id = true;
                continue;
            }
            let value = words.next().filter(|_| word.eq_ignore_ascii_case(b"COUNT")).ok_or(CommandError::Syntax)?;
            let count = number::parse_i64(value).filter(|count| (1..=COUNT_MAX).contains(count));
            sweep.count = count.ok_or(CommandError::fixed("ERR COUNT must be > 0"))? as u64;
        }
        Ok(sweep)
    }

    fn run(&self, stream: &mut Stream, group: usize, consumer: u32, now_ms: i64) -> Swept {
        stream.groups_mut().consumer_mut(group, consumer).seen_at = now_ms;
        let mut swept = Swept::default();
        let mut from = Some(self.start);
        for _ in 0..self.count.saturating_mul(ATTEMPTS) {
            if (swept.claimed.len() + swept.deleted.len()) as u64 == self.count {
                break;
            }
            let Some((id, pending)) = first_from(stream, group, from) else {
                from = None;
                break;
            };
            from = id.next();
            if stream.get(id).is_none() {
                stream.groups_mut().acknowledge(group, id);
                swept.deleted.push(id);
                continue;
            }
            if now_ms.saturating_sub(pending.delivered_at) < self.idle_ms_min {
                continue;
            }
            let deliveries = pending.deliveries.saturating_add(u64::from(!self.just_id));
            stream.groups_mut().assign(group, id, Pending { consumer, delivered_at: now_ms, deliveries });
            stream.groups_mut().consumer_mut(group, consumer).active_at = Some(now_ms);
            swept.claimed.push(id);
        }
        swept.next = first_from(stream, group, from).map_or(StreamId::MIN, |(id, _)| id);
        swept
    }
}

/// The first reference with this id or behind it.
fn first_from(stream: &Stream, group: usize, from: Option<StreamId>) -> Option<(StreamId, Pending)> {
    let group = stream.groups().get(group);
    group.pending_range(from?, StreamId::MAX).next().map(|(id, pending)| (id, *pending))
}
