//! XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [CLAIM ms] [NOACK] STREAMS key .. id ..: new entries for a consumer of a
//! group (`>`), with CLAIM also those that any consumer was given long ago; or those it was given before.

use torc_resp::{Args, Reply};
use torc_store::{Occupied, Pending, Stream, StreamId, StreamPart};

use super::reading::{self, Request};
use super::{claiming, ids, lookup, replies};
use super::forms::{Given, GroupName};
use crate::command::blocking::{AwaitedKey, Serves, Timeout, take_or_nothing};
use crate::command::{Blocking, Flags, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xreadgroup",
    arity: -7,
    flags: Flags::WRITE.and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[reading::streams(4)],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking {
        timeout,
        is_ready,
        reads: true,
        take,
        serves: Serves::AllKeys(reading::head),
        errors_end_wait: true,
        asks: Some(asks),
        due: Some(due),
        ..Blocking::DEFAULT
    }),
    summary: "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is \
              available otherwise.",
    complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. \
                 always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when \
                 XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream \
                 getting new data.",
    syntax: "GROUP group-block:<group consumer> [COUNT count] [BLOCK milliseconds] [CLAIM min-idle-time/integer] [NOACK] STREAMS streams:<key [key ...] id [id ...]>",
    ..super::ROW_DEFAULT
};

fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    let request = Request::parse(args, true)?;
    request.check_ids(args, |id| match id {
        b"$" | b"+" => Err(meaningless(id)),
        _ => Ok(id == b">"),
    })?;
    request.timeout()
}

fn meaningless(id: &[u8]) -> CommandError {
    let id = String::from_utf8_lossy(id);
    let other = if id == "$" { ">" } else { "+" };
    CommandError::made(format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the {other} ID to get new messages. The {id} ID would just return an empty result set."
    ))
}

fn request(args: Args<'_>) -> Request<'_> {
    Request::parse(args, true).expect("the timeout was read first")
}

fn is_ready(context: &ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    let (request, now_ms) = (request(args), context.now_ms());
    let (name, _) = request.group.expect("XREADGROUP has a group");
    let Some((stream, group)) = lookup::glance(context, key.name)?.and_then(|stream| Some((stream, stream.groups().find(name)?))) else {
        let text = "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option";
        return Err(CommandError::quoting(text, &[key.name, name]));
    };
    let id = args.get(request.id_at(key.number));
    let is_old_enough = |idle_ms| claiming::is_ready(stream, group, idle_ms, now_ms);
    Ok(!asks_for_new(id)
        || (!stream.is_empty() && stream.top_id() > stream.groups().get(group).last_id())
        || request.claim_idle_ms.is_some_and(is_old_enough))
}

/// When an entry may have become old enough to be claimed.
fn due(context: &ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Option<i64> {
    let request = request(args);
    let idle_ms = request.claim_idle_ms?;
    let (name, _) = request.group.expect("XREADGROUP has a group");
    // The key may be locked, so it is only looked at; of one that is gone or has changed the request hears.
    let stream = lookup::glance(context, key.name).ok()??;
    Some(claiming::due(stream, stream.groups().find(name)?, idle_ms, context.now_ms()))
}

/// A consumer is there, and was seen, as soon as it asks.
fn asks(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) {
    let (name, consumer) = request(args).group.expect("XREADGROUP has a group");
    let now_ms = context.now_ms();
    let (mut occupied, group) = lookup::group(context, key.name, name).ok().flatten().expect("no key has an error");
    let (_, is_new) = meets(&mut occupied, group, consumer, now_ms);
    if is_new {
        context.event(EventClass::Stream, "xgroup-createconsumer", key.name);
        GroupName { key: key.name, group: name }.made(context, consumer);
    }
}

/// The consumer is seen. Returns its number, and whether it was made for that, which counts as a change.
fn meets(occupied: &mut Occupied<'_>, group: usize, consumer: &[u8], now_ms: i64) -> (u32, bool) {
    let (consumer, is_new) = occupied.use_stream(StreamPart::Groups, |stream| {
        let (consumer, is_new) = stream.groups_mut().consumer(group, consumer, now_ms);
        stream.groups_mut().consumer_mut(group, consumer).seen_at = now_ms;
        (consumer, is_new)
    });
    occupied.count_changes(usize::from(is_new));
    (consumer, is_new)
}

fn take(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = request(args);
    let (name, consumer) = request.group.expect("XREADGROUP has a group");
    let (now_ms, propagates) = (context.now_ms(), context.propagates());
    let (whose, mut told) = (GroupName { key: key.name, group: name }, Given::default());
    let mut found = lookup::group(context, key.name, name)?.expect("the group was there");
    if lookup::stream(&found.0).groups().get(found.1).find_consumer(consumer).is_none() {
        // It was deleted while the request waited, or the key holds another stream since.
        asks(context, args, key);
        found = lookup::group(context, key.name, name)?.expect("the group was there");
    }
    let (mut occupied, group) = found;
    let (number, _) = meets(&mut occupied, group, consumer, now_ms);
    let id = args.get(request.id_at(key.number));
    if !asks_for_new(id) {
        let behind = ids::parse_exact(id).expect("the timeout checked it");
        reading::key(reply, key.name);
        occupied.count_changes(1);
        let history = |stream: &mut Stream| history(stream, group, number, behind, request.count, now_ms, reply);
        occupied.use_stream(StreamPart::Groups, history);
        // As in Redis, nobody else is told that it has asked again.
        whose.given(context, consumer, &told);
        return Ok(());
    }
    if request.claim_idle_ms.is_some() {
        let taken = occupied.use_stream(StreamPart::Groups, |stream| {
            let taken = claiming::take(stream, (group, number), &request, now_ms, key.name, reply);
            if let Some(taken) = taken.as_ref().filter(|_| propagates) {
                taken.tell(stream, group, &request, &mut told);
            }
            taken.is_some()
        });
        occupied.count_changes(usize::from(taken));
        whose.given(context, consumer, &told);
        return Ok(());
    }
    let stream = lookup::stream(&occupied);
    let Some(start) = stream.groups().get(group).last_id().next().filter(|&start| start <= stream.top_id()) else {
        // The key is there twice, and the first time took all.
        return Ok(());
    };
    reading::key(reply, key.name);
    let mut given = Vec::new();
    let entries = stream.range(start, StreamId::MAX).inspect(|entry| given.push(entry.id()));
    replies::entries(reply, entries, request.count, stream.len());
    occupied.count_changes(1);
    occupied.use_stream(StreamPart::Groups, |stream| {
        for &id in &given {
            stream.advance_group(group, id);
            if !request.no_ack {
                let pending = Pending { consumer: number, delivered_at: now_ms, deliveries: 1 };
                stream.groups_mut().assign(group, id, pending);
                stream.groups_mut().consumer_mut(group, number).active_at = Some(now_ms);
            }
        }
        if propagates {
            told.note(stream, group, given.into_iter().filter(|_| !request.no_ack), None);
            told.note_position(stream, group);
        }
    });
    whose.given(context, consumer, &told);
    Ok(())
}

/// Whether an id stands for what the group has not read yet. As in Redis, the highest id there is does so too.
fn asks_for_new(id: &[u8]) -> bool {
    id == b">" || ids::parse_exact(id).is_ok_and(|id| id == StreamId::MAX)
}

/// The entries that the consumer was given and has not acknowledged, behind an id.
fn history(
    stream: &mut Stream,
    group: usize,
    consumer: u32,
    behind: StreamId,
    count: u64,
    now_ms: i64,
    reply: &mut Reply<'_>,
) {
    let consumer = stream.groups().get(group).consumer(consumer);
    let most = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    let own: Vec<StreamId> = match behind.next() {
        Some(start) => consumer.pending_range(start, StreamId::MAX).take(most).collect(),
        None => Vec::new(),
    };
    reply.array(own.len());
    for id in own {
        let Some(entry) = stream.get(id) else {
            replies::deleted_entry(reply, id);
            continue;
        };
        replies::entry(reply, &entry);
        let before = *stream.groups().get(group).pending(id).expect("consumers refer to what the group does");
        let pending = Pending { delivered_at: now_ms, deliveries: before.deliveries.saturating_add(1), ..before };
        stream.groups_mut().assign(group, id, pending);
    }
}
