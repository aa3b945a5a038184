//! How the commands reach a hash: read, entered, and tidied up behind a read that met an expired field.

use torc_resp::{Args, Reply};
use torc_store::hash::{Limits, Ttl};
use torc_store::pack::Packed;
use torc_store::{Entry, HashMut, HashRef, Kind, hash};

use crate::error::CommandError;
use crate::event::EventClass;
use crate::shard::ShardContext;

/// Segments of a table that HRANDFIELD clears of expired fields before it looks.
const SEGMENTS_RECLAIMED: usize = 8;

/// The thresholds of the encodings, by the configuration.
#[inline]
pub fn limits(context: &ShardContext<'_>) -> Limits {
    let config = context.config();
    Limits {
        pack_len_max: config.hash_max_listpack_entries as usize,
        pack_text_len_max: config.hash_max_listpack_value as usize,
    }
}

/// Reads a key that is absent or holds a hash.
#[inline]
pub fn read_hash<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Option<HashRef<'a>>, CommandError> {
    let now_ms = context.now_ms();
    Ok(context.read_kind(key, Kind::Hash)?.map(|value| HashRef::of(value, now_ms)))
}

/// Writes a field's name or value.
#[inline]
pub fn write_text(reply: &mut Reply<'_>, text: Packed<'_>) {
    match text {
        Packed::Bytes(bytes) => reply.bulk(bytes),
        Packed::Integer(value) => reply.bulk_integer(value),
    }
}

/// Arguments as fields and values in turn.
#[inline]
pub fn pairs<'a>(args: Args<'a>) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {
    (0..args.len() / 2).map(move |number| (args.get(number * 2), args.get(number * 2 + 1)))
}

/// HSET: sets the fields behind the key; gives the number of new ones.
pub fn set_fields(context: &mut ShardContext<'_>, args: Args<'_>) -> Result<usize, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let (limits, key) = (limits(context), args.get(1));
    let pairs = pairs(args.from(2));
    let count = pairs.len();
    let created = match context.entry_of_kind(key, Kind::Hash)? {
        Entry::Vacant(vacant) => hash::create(vacant, pairs, limits),
        Entry::Occupied(occupied) => {
            let mut hash = HashMut::of(occupied, limits);
            let set = pairs.map(|(field, value)| usize::from(hash.set(field, value, Ttl::Clear)));
            set.sum()
        }
    };
    context.event(EventClass::Hash, "hset", key);
    context.count_changes(count);
    Ok(created)
}

/// Removes those of these fields that have expired; a read has met one.
#[cold]
pub fn reclaim(context: &mut ShardContext<'_>, key: &[u8], fields: Args<'_>) {
    tidy(context, key, |hash| hash.reclaim(fields.iter()));
}

/// Removes expired fields, all of a small hash.
#[cold]
pub fn reclaim_some(context: &mut ShardContext<'_>, key: &[u8]) {
    tidy(context, key, |hash| hash.reclaim_some(SEGMENTS_RECLAIMED));
}

fn tidy(context: &mut ShardContext<'_>, key: &[u8], work: impl FnOnce(&mut HashMut<'_>)) {
    let limits = limits(context);
    if let Some(occupied) = context.tidy_entry(key) {
        let mut hash = HashMut::of(occupied, limits);
        work(&mut hash);
        hash.finish();
    }
}
