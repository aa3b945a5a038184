//! Entries as replies, straight from the bytes of their nodes.

use torc_resp::{OutputBuffer, Reply};
use torc_store::{EntryRef, IdText, StreamId};

/// An id.
#[inline]
pub fn id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(IdText::new(id).as_bytes());
}

/// An entry: its id, and its fields and values.
#[inline]
pub fn entry(reply: &mut Reply<'_>, entry: &EntryRef<'_>) {
    reply.array(2);
    id(reply, entry.id());
    fields(reply, entry);
}

/// An entry with what became of it before it was given now: how long ago it was given the last time, and how often.
pub fn entry_with_past(reply: &mut Reply<'_>, entry: &EntryRef<'_>, idle_ms: i64, deliveries: u64) {
    reply.array(4);
    id(reply, entry.id());
    fields(reply, entry);
    reply.integer(idle_ms);
    reply.integer(i64::try_from(deliveries).unwrap_or(i64::MAX));
}

#[inline]
fn fields(reply: &mut Reply<'_>, entry: &EntryRef<'_>) {
    reply.array(entry.len() * 2);
    for (name, value) in entry.pairs() {
        name.with_bytes(|name| reply.bulk(name));
        value.with_bytes(|value| reply.bulk(value));
    }
}

/// An entry that is pending and was deleted: its id, and nothing.
pub fn deleted_entry(reply: &mut Reply<'_>, deleted: StreamId) {
    reply.array(2);
    id(reply, deleted);
    reply.null_array();
}

/// An array whose length is known only when it is written: `write` gives the number of its elements. With a good guess
/// nothing has to be moved.
pub fn array(reply: &mut Reply<'_>, guess: usize, write: impl FnOnce(&mut Reply<'_>) -> usize) -> usize {
    let start = reply.buffer().len();
    reply.array(guess);
    let end = reply.buffer().len();
    let len = write(reply);
    if len != guess {
        let mut header = OutputBuffer::new();
        Reply::new(&mut header, reply.protocol()).array(len);
        reply.buffer().replace(start..end, &header.to_cow());
    }
    len
}

/// An array of up to `count` entries (0: all); gives their number.
pub fn entries<'a>(
    reply: &mut Reply<'_>,
    entries: impl Iterator<Item = EntryRef<'a>>,
    count: u64,
    stream_len: usize,
) -> usize {
    let most = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    array(reply, most.min(stream_len), |reply| {
        let mut written = 0;
        for found in entries.take(most) {
            entry(reply, &found);
            written += 1;
        }
        written
    })
}
