//! CLAIM of XREADGROUP: entries that were given to a consumer long ago and are not acknowledged come first, whoever had them, then what
//! the group has not read yet.
//!
//! Nothing tells a waiting request that time has made an entry old enough, so it says when that may be ([`due`]). An entry that somebody
//! else is given meanwhile is not old enough for as long again; looking again after that time misses none.

use torc_resp::Reply;
use torc_store::{Pending, Stream, StreamId};

use super::forms::Given;
use super::reading::Request;
use super::replies;

/// A waiting request looks again after so long at the earliest, unless it knows better.
const LOOK_MS_MIN: i64 = 10;

/// Until when an entry must have been given to be old enough.
fn until(now_ms: i64, idle_ms: i64) -> i64 {
    now_ms.saturating_sub(idle_ms)
}

/// Whether an entry is old enough.
pub fn is_ready(stream: &Stream, group: usize, idle_ms: i64, now_ms: i64) -> bool {
    stream.overdue(group, until(now_ms, idle_ms)).next().is_some()
}

/// When a waiting request is to look again, though the key has not changed.
pub fn due(stream: &Stream, group: usize, idle_ms: i64, now_ms: i64) -> i64 {
    let known = stream.oldest_delivery(group).map_or(i64::MAX, |delivered_at| delivered_at.saturating_add(idle_ms));
    if known > now_ms {
        known.min(now_ms.saturating_add(idle_ms.max(LOOK_MS_MIN)))
    } else {
        now_ms.saturating_add(LOOK_MS_MIN)
    }
}

/// The entries that were given to a consumer, and how far the group was before.
pub struct Taken {
    claimed: Vec<StreamId>,
    new: Vec<StreamId>,
    last_id: StreamId,
}

impl Taken {
    /// Notes it for those who are told of changes.
    pub fn tell(&self, stream: &Stream, group: usize, request: &Request<'_>, told: &mut Given) {
        told.note(stream, group, self.claimed.iter().copied(), Some(self.last_id));
        if !self.new.is_empty() {
            told.note(stream, group, self.new.iter().copied().filter(|_| !request.no_ack), None);
            told.note_position(stream, group);
        }
    }
}

/// Gives the consumer what is old enough and what is new, and writes it. COUNT limits both together. `None`, and nothing written: there is
/// nothing.
pub fn take(
    stream: &mut Stream,
    (group, consumer): (usize, u32),
    request: &Request<'_>,
    now_ms: i64,
    key: &[u8],
    reply: &mut Reply<'_>,
) -> Option<Taken> {
    let idle_ms = request.claim_idle_ms.expect("it claims");
    let most = if request.count == 0 { usize::MAX } else { usize::try_from(request.count).unwrap_or(usize::MAX) };
    let claimed: Vec<(StreamId, Pending)> = stream.overdue(group, until(now_ms, idle_ms)).take(most).collect();
    let start = stream.groups().get(group).last_id().next();
    let start = start.filter(|&start| claimed.len() < most && start <= stream.top_id());
    let new: Vec<StreamId> = match start {
        Some(start) => stream.range(start, StreamId::MAX).take(most - claimed.len()).map(|entry| entry.id()).collect(),
        None => Vec::new(),
    };
    if claimed.is_empty() && new.is_empty() {
        return None;
    }
    let last_id = stream.groups().get(group).last_id();
    super::reading::key(reply, key);
    reply.array(claimed.len() + new.len());
    for (id, before) in &claimed {
        let entry = stream.get(*id).expect("only entries that are there are claimed");
        let idle_ms = now_ms.saturating_sub(before.delivered_at).max(0);
        replies::entry_with_past(reply, &entry, idle_ms, before.deliveries);
    }
    for &id in &new {
        replies::entry_with_past(reply, &stream.get(id).expect("it was found just now"), 0, 0);
    }
    if !claimed.is_empty() || !request.no_ack {
        stream.groups_mut().consumer_mut(group, consumer).active_at = Some(now_ms);
    }
    for &(id, before) in &claimed {
        let deliveries = before.deliveries.saturating_add(1);
        stream.groups_mut().assign(group, id, Pending { consumer, delivered_at: now_ms, deliveries });
    }
    for &id in &new {
        stream.advance_group(group, id);
        if !request.no_ack {
            stream.groups_mut().assign(group, id, Pending { consumer, delivered_at: now_ms, deliveries: 1 });
        }
    }
    Some(Taken { claimed: claimed.into_iter().map(|(id, _)| id).collect(), new, last_id })
}
