//! XCLAIM key group consumer min-idle-time id .. [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]: makes a
//! consumer the owner of entries that were given to another.

use torc_resp::{Args, Reply, number};
use torc_store::{Pending, Stream, StreamId, StreamPart};

use super::{ids, lookup, replies};
use super::forms::{Given, GroupName};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xclaim",
    arity: -6,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(xclaim),
    summary: "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer \
              group member.",
    complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
    syntax: "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] \
             [FORCE] [JUSTID] [LASTID lastid]",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

/// What is asked for.
struct Claim {
    idle_ms_min: i64,
    ids: Vec<StreamId>,
    delivered_at: i64,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

fn xclaim(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // A propagated command sees no time, but its consumer is at work.
    let now_ms = context.facts().now_ms;
    let (key, name, propagates) = (args.get(1), args.get(2), context.propagates());
    // What is propagated was in time where it was said; this core's clock may be behind.
    let latest_ms = if context.obeys() { i64::MAX } else { now_ms };
    context.note_miss(key);
    let found = lookup::group(context, key, name)?;
    let (mut occupied, group) = found.ok_or_else(|| lookup::no_key_or_group(key, name))?;
    let claim = Claim::parse(args, now_ms, latest_ms)?;
    let mut told = Given::default();
    let (changes, is_new) = occupied.use_stream(StreamPart::Groups, |stream| {
        let (mut changes, mut claimed) = (0, 0);
        let known = stream.groups().get(group);
        let read = known.entries_read();
        if claim.last_id > known.last_id() {
            stream.groups_mut().set_position(group, claim.last_id, read);
            changes += 1;
        }
        let (consumer, is_new) = stream.groups_mut().consumer(group, args.get(3), now_ms);
        stream.groups_mut().consumer_mut(group, consumer).seen_at = now_ms;
        // References to entries that are gone go as well.
        let is_gone = |id| stream.get(id).is_none() && stream.groups().get(group).pending(id).is_some();
        told.gone = claim.ids.iter().copied().filter(|&id| is_gone(id)).collect();
        replies::array(reply, claim.ids.len(), |reply| {
            let ids = claim.ids.iter().copied();
            let taken: Vec<StreamId> = ids.filter(|&id| claim.take(stream, group, consumer, id, now_ms, reply)).collect();
            claimed = taken.len();
            if propagates {
                told.note(stream, group, taken.into_iter(), Some(stream.groups().get(group).last_id()));
            }
            claimed
        });
        // Where an entry was given, that tells how far the group is.
        if changes > 0 && claimed == 0 {
            told.note_position(stream, group);
        }
        (changes + usize::from(is_new) + told.gone.len() + claimed, is_new)
    });
    occupied.count_changes(changes);
    if claim.delivered_at < now_ms {
        // Old enough now, perhaps, for who waits with CLAIM.
        occupied.wake_waiters();
    }
    let whose = GroupName { key, group: name };
    if is_new {
        context.event(EventClass::Stream, "xgroup-createconsumer", key);
    }
    if is_new && told.entries.is_empty() {
        whose.made(context, args.get(3));
    }
    whose.given(context, args.get(3), &told);
    Ok(())
}

impl Claim {
    fn parse(args: Args<'_>, now_ms: i64, latest_ms: i64) -> Result<Claim, CommandError> {
        let invalid = "ERR Invalid min-idle-time argument for XCLAIM";
        let idle_ms_min = integer(args.get(4), invalid)?.max(0);
        let mut given = Vec::new();
        let mut words = args.from(5).iter().peekable();
        while let Some(id) = words.peek().and_then(|text| ids::parse_exact(text).ok()) {
            given.push(id);
            words.next();
        }
        let mut claim = Claim {
            idle_ms_min,
            ids: given,
            delivered_at: now_ms,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        };
        while let Some(word) = words.next() {
            let has_value = words.peek().is_some();
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let mut value = || words.next().expect("it was seen");
            if is("FORCE") {
                claim.force = true;
            } else if is("JUSTID") {
                claim.just_id = true;
            } else if is("IDLE") && has_value {
                let idle = integer(value(), "ERR Invalid IDLE option argument for XCLAIM")?;
                claim.delivered_at = now_ms.saturating_sub(idle);
            } else if is("TIME") && has_value {
                claim.delivered_at = integer(value(), "ERR Invalid TIME option argument for XCLAIM")?;
            } else if is("RETRYCOUNT") && has_value {
                let count = integer(value(), "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                claim.deliveries = u64::try_from(count).ok();
            } else if is("LASTID") && has_value {
                claim.last_id = ids::parse_exact(value())?;
            } else {
                return Err(CommandError::quoting("ERR Unrecognized XCLAIM option '{}'", &[word]));
            }
        }
        // A time that cannot be is no error: the client's clock may be ahead.
        if claim.delivered_at < 0 || claim.delivered_at > latest_ms {
            claim.delivered_at = now_ms;
        }
        Ok(claim)
    }

    /// Gives one entry to the consumer, if it can be had. Whether it was.
    fn take(
        &self,
        stream: &mut Stream,
        group: usize,
        consumer: u32,
        id: StreamId,
        now_ms: i64,
        reply: &mut Reply<'_>,
    ) -> bool {
        let before = stream.groups().get(group).pending(id).copied();
        if stream.get(id).is_none() {
            stream.groups_mut().acknowledge(group, id);
            return false;
        }
        let deliveries = match before {
            None if !self.force => return false,
            Some(pending) if self.idle_ms_min > 0 && now_ms.saturating_sub(pending.delivered_at) < self.idle_ms_min => return false,
            Some(pending) => pending.deliveries,
            None => 1,
        };
        let counted = if self.just_id { deliveries } else { deliveries.saturating_add(1) };
        let deliveries = self.deliveries.unwrap_or(counted);
        let pending = Pending { consumer, delivered_at: self.delivered_at, deliveries };
        stream.groups_mut().assign(group, id, pending);
        stream.groups_mut().consumer_mut(group, consumer).active_at = Some(now_ms);
        if self.just_id {
            replies::id(reply, id);
        } else {
            replies::entry(reply, &stream.get(id).expect("it was there"));
        }
        true
    }
}

fn integer(text: &[u8], error: &'static str) -> Result<i64, CommandError> {
    number::parse_i64(text).ok_or(CommandError::fixed(error))
}
