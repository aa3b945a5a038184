//! XINFO STREAM key [FULL [COUNT count]]: what a stream looks like, and on demand all that is in it.

use torc_resp::{Args, Reply};
use torc_store::{Consumer, Group, Stream, StreamId};

use super::super::{lookup, replies};
use crate::command::{Flags, KeySpec, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "stream",
    arity: -3,
    flags: super::ROW_DEFAULT.flags.and(Flags::LONG),
    keys: &[KeySpec::at(2, "RO access")],
    run: Run::Shard(stream),
    summary: "Returns information about a stream.",
    syntax: "key full-block:[FULL [COUNT count]]",
    history: &[
        ("6.0.0", "Added the `FULL` modifier."),
        ("7.0.0", "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields"),
        ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
    ],
    ..super::ROW_DEFAULT
};

const COUNT_DEFAULT: u64 = 10;
/// What is told of any stream, in both forms.
const HEAD_PAIRS: usize = 7;
/// What is told of one that keeps what its producers add.
const PRODUCERS_PAIRS: usize = 6;

fn stream(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // The key comes first: without it, nothing else is looked at.
    let syntax = lookup::subcommand_syntax(context, args.get(1));
    let now_ms = context.now_ms();
    let stream = lookup::read(context, args.get(2))?.ok_or(CommandError::NoSuchKey)?;
    let words = args.from(3);
    let has = |at: usize, name: &[u8]| words.get(at).eq_ignore_ascii_case(name);
    let full_count = match words.len() {
        0 => None,
        1 if has(0, b"FULL") => Some(COUNT_DEFAULT),
        3 if has(0, b"FULL") && has(1, b"COUNT") => {
            Some(u64::try_from(integer_argument(words.get(2))?).unwrap_or(COUNT_DEFAULT))
        }
        _ => return Err(syntax),
    };
    match full_count {
        None => short(stream, now_ms, reply),
        Some(count) => full(stream, count, now_ms, reply),
    }
    Ok(())
}

/// What both forms begin with; `others`: how many pairs follow.
fn head(stream: &Stream, others: usize, now_ms: i64, reply: &mut Reply<'_>) {
    let producers = stream.producers();
    reply.map(HEAD_PAIRS + others + if producers.is_some() { PRODUCERS_PAIRS } else { 0 });
    reply.bulk(b"length");
    reply.integer(stream.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.integer(stream.node_count() as i64);
    // There is no such tree here; the least that one with so many keys would have.
    reply.bulk(b"radix-tree-nodes");
    reply.integer(stream.node_count() as i64 + 1);
    reply.bulk(b"last-generated-id");
    replies::id(reply, stream.last_id());
    reply.bulk(b"max-deleted-entry-id");
    replies::id(reply, stream.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(stream.entries_added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    replies::id(reply, stream.first_id());
    if let Some(producers) = producers {
        let (names, records) = producers.tracked(now_ms);
        let limits = producers.limits();
        let pairs: [(&[u8], u64); PRODUCERS_PAIRS] = [
            (b"idmp-duration", limits.duration_seconds),
            (b"idmp-maxsize", limits.records_max),
            (b"pids-tracked", names as u64),
            (b"iids-tracked", records as u64),
            (b"iids-added", producers.added()),
            (b"iids-duplicates", producers.duplicates()),
        ];
        for (name, number) in pairs {
            reply.bulk(name);
            reply.integer(number as i64);
        }
    }
}

fn short(stream: &Stream, now_ms: i64, reply: &mut Reply<'_>) {
    head(stream, 3, now_ms, reply);
    reply.bulk(b"groups");
    reply.integer(stream.groups().len() as i64);
    let ends = [(&b"first-entry"[..], stream.first_id()), (&b"last-entry"[..], stream.top_id())];
    for (name, id) in ends {
        reply.bulk(name);
        match stream.get(id) {
            Some(entry) => replies::entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn full(stream: &Stream, count: u64, now_ms: i64, reply: &mut Reply<'_>) {
    head(stream, 2, now_ms, reply);
    reply.bulk(b"entries");
    replies::entries(reply, stream.range(StreamId::MIN, StreamId::MAX), count, stream.len());
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for group in stream.groups().iter() {
        full_group(stream, group, count, reply);
    }
}

fn full_group(stream: &Stream, group: &Group, count: u64, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(group.name());
    reply.bulk(b"last-delivered-id");
    replies::id(reply, group.last_id());
    super::progress(stream, group, reply);
    reply.bulk(b"pel-count");
    reply.integer(group.pending_len() as i64);
    reply.bulk(b"pending");
    let shown = limit(count, group.pending_len());
    reply.array(shown);
    for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX).take(shown) {
        reply.array(4);
        replies::id(reply, id);
        reply.bulk(group.consumer(pending.consumer).name());
        reply.integer(pending.delivered_at);
        reply.integer(pending.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        full_consumer(group, consumer, count, reply);
    }
}

fn full_consumer(group: &Group, consumer: &Consumer, count: u64, reply: &mut Reply<'_>) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_at);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_at.unwrap_or(-1));
    reply.bulk(b"pel-count");
    reply.integer(consumer.pending_len() as i64);
    reply.bulk(b"pending");
    let shown = limit(count, consumer.pending_len());
    reply.array(shown);
    for id in consumer.pending_range(StreamId::MIN, StreamId::MAX).take(shown) {
        let pending = group.pending(id).expect("consumers refer to what the group does");
        reply.array(3);
        replies::id(reply, id);
        reply.integer(pending.delivered_at);
        reply.integer(pending.deliveries as i64);
    }
}

/// How many of `len` are shown: all, when the count is 0.
fn limit(count: u64, len: usize) -> usize {
    if count == 0 { len } else { len.min(usize::try_from(count).unwrap_or(usize::MAX)) }
}
