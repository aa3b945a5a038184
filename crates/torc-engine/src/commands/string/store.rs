//! Writing a whole value: what SET and its relatives do to the place of a key.

use torc_store::{Entry, StringForm, UnixMillis};

use super::options::TimeUnit;
use torc_resp::number::I64Text;

use crate::commands::forms;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

/// What becomes of the expiry of the key that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expire {
    /// The key does not expire.
    Never,
    /// An existing key keeps its time.
    Keep,
    /// At this Unix time in milliseconds.
    At(UnixMillis),
}

/// Writes a value of whatever length over whatever the key held.
///
/// A time that has come already removes the key instead: it would never be seen again.
#[inline]
pub fn store(entry: Entry<'_>, value: &[u8], expire: Expire, now_ms: UnixMillis) {
    let expire_at = match expire {
        Expire::Never => None,
        Expire::At(at) if at <= now_ms => return discard(entry),
        Expire::At(at) => Some(at),
        Expire::Keep => match &entry {
            Entry::Occupied(occupied) => occupied.value().expire_at(),
            Entry::Vacant(_) => None,
        },
    };
    match entry {
        Entry::Occupied(mut occupied) => occupied.replace(value, expire_at, StringForm::Auto),
        Entry::Vacant(vacant) => vacant.insert_string(value, expire_at, StringForm::Auto),
    };
}

/// SETEX and PSETEX: `key time value`.
pub fn store_for(context: &mut ShardContext<'_>, unit: TimeUnit, [key, time, value]: [&[u8]; 3]) -> CommandResult {
    let now_ms = context.now_ms();
    let expire_at = unit.expire_at(time, now_ms, context.command.full_name)?;
    let entry = context.entry(key);
    let existed = matches!(entry, Entry::Occupied(_));
    store(entry, value, Expire::At(expire_at), now_ms);
    tell(context, key, Expire::At(expire_at));
    propagate(context, key, value, expire_at, existed);
    Ok(())
}

/// Tells that a key was set. What a time that has come has removed was not.
pub fn tell(context: &mut ShardContext<'_>, key: &[u8], expire: Expire) {
    match expire {
        Expire::At(at) if at <= context.now_ms() => {}
        Expire::At(_) => {
            context.event(EventClass::String, "set", key);
            context.event(EventClass::Generic, "expire", key);
        }
        Expire::Never | Expire::Keep => context.event(EventClass::String, "set", key),
    }
}

/// Propagates that a key was given a value and an expiry; if its time has come already, that the key went, if it `existed`.
pub fn propagate(context: &mut ShardContext<'_>, key: &[u8], value: &[u8], expire_at: UnixMillis, existed: bool) {
    if !context.propagates() {
        return;
    }
    if expire_at > context.now_ms() {
        context.propagate(&[b"SET", key, value, b"PXAT", I64Text::new(expire_at).as_bytes()]);
    } else if existed {
        forms::removed(context, key);
    }
}

#[cold]
fn discard(entry: Entry<'_>) {
    if let Entry::Occupied(occupied) = entry {
        occupied.remove();
    }
}
