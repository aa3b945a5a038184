//! What the commands on the expiry of fields share: how a time is given, where the fields stand, and what is answered for each.
//!
//! ```text
//!   .. FIELDS numfields field [field ...]        a reply is an array with one integer for each field:
//!      -2 no such field    -1 no expiry    0 the condition does not hold    1 done    2 removed: the time is past
//! ```

use torc_resp::number::{I64Text, parse_i64};
use torc_resp::{Args, Reply};
use torc_store::{Entry, HashMut, Kind, UnixMillis};

use super::access::{limits, read_hash, reclaim};
use crate::command::integer_argument;
use crate::commands::forms;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

/// There is no such field, or no such key.
pub const NO_FIELD: i64 = -2;
/// The field has no expiry.
pub const NO_EXPIRY: i64 = -1;
/// Nothing changed: the condition does not hold.
const REFUSED: i64 = 0;
/// The expiry was set, or removed.
pub const DONE: i64 = 1;
/// The field was removed, for the time is past.
const REMOVED: i64 = 2;

/// What HEXPIRE and its relatives say of an unusable `numfields`.
const COUNT_OF_EXPIRE: &str = "ERR Parameter `numFields` should be greater than 0";
/// What the others say.
pub const COUNT_OF_OTHERS: &str = "ERR Number of fields must be a positive integer";

/// The latest time a field can be given, Unix milliseconds.
const TIME_MAX_MS: i64 = (1 << 46) - 1;

/// How a command gives a point in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Notation {
    /// Milliseconds in one unit.
    pub unit_ms: i64,
    /// Counted from now; else from the Unix epoch.
    pub relative: bool,
}

impl Notation {
    /// What EX, PX, EXAT and PXAT announce.
    pub fn of_word(word: &[u8]) -> Option<Notation> {
        let words: [(&[u8], i64, bool); 4] =
            [(b"EX", 1000, true), (b"PX", 1, true), (b"EXAT", 1000, false), (b"PXAT", 1, false)];
        let found = words.into_iter().find(|(name, ..)| word.eq_ignore_ascii_case(name));
        found.map(|(_, unit_ms, relative)| Notation { unit_ms, relative })
    }

    /// The time that an argument means, possibly in the past.
    pub fn deadline_ms(self, context: &ShardContext<'_>, argument: &[u8]) -> Result<UnixMillis, CommandError> {
        let given = integer_argument(argument)?;
        if given < 0 {
            return Err(CommandError::fixed("ERR invalid expire time, must be >= 0"));
        }
        let start_ms = if self.relative { context.now_ms() } else { 0 };
        let deadline = given.checked_mul(self.unit_ms).and_then(|span_ms| span_ms.checked_add(start_ms));
        let usable = deadline.filter(|&deadline| deadline <= TIME_MAX_MS);
        usable.ok_or(CommandError::InvalidExpire(context.command.full_name))
    }

    /// How a time is told to a client, parts of a second rounded up.
    fn tell(self, expire_at: UnixMillis, now_ms: i64) -> i64 {
        let start_ms = if self.relative { now_ms } else { 0 };
        (expire_at - start_ms + self.unit_ms - 1) / self.unit_ms
    }
}

/// The fields behind the word FIELDS at `at`; an error if the key holds no hash comes first.
pub fn counted_fields<'a>(
    context: &mut ShardContext<'_>,
    args: Args<'a>,
    at: usize,
    count_error: &'static str,
) -> Result<Args<'a>, CommandError> {
    fields_behind(context, args, at, count_error).map_err(|error| refusal(context, args.get(1), error))
}

/// The fields behind the word FIELDS at `at`.
pub fn fields_behind<'a>(
    context: &ShardContext<'_>,
    args: Args<'a>,
    at: usize,
    count_error: &'static str,
) -> Result<Args<'a>, CommandError> {
    if at >= args.len() || !args.get(at).eq_ignore_ascii_case(b"FIELDS") {
        let text = "ERR Mandatory argument FIELDS is missing or not at the right position";
        return Err(CommandError::fixed(text));
    }
    if at + 1 == args.len() {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let count = parse_i64(args.get(at + 1)).filter(|&count| count > 0).ok_or(CommandError::fixed(count_error))?;
    let fields = args.from(at + 2);
    if count != fields.len() as i64 {
        let text = "ERR The `numfields` parameter must match the number of arguments";
        return Err(CommandError::fixed(text));
    }
    Ok(fields)
}

/// The error of a request: that the key holds no hash comes before what is wrong with the arguments.
pub fn refusal(context: &mut ShardContext<'_>, key: &[u8], error: CommandError) -> CommandError {
    match context.glance(key) {
        Some(value) if value.kind() != Kind::Hash => CommandError::WrongType,
        _ => error,
    }
}

/// NX, XX, GT and LT.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    Without,
    With,
    Later,
    Earlier,
}

impl Condition {
    fn of_word(word: &[u8]) -> Option<Condition> {
        let words: [(&[u8], Condition); 4] = [
            (b"NX", Condition::Without),
            (b"XX", Condition::With),
            (b"GT", Condition::Later),
            (b"LT", Condition::Earlier),
        ];
        words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, condition)| condition)
    }

    /// Whether a field that expires at `old_ms` may be given the new time. No expiry counts as infinitely late.
    fn holds(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Without => old_ms.is_none(),
            Condition::With => old_ms.is_some(),
            Condition::Later => old_ms.is_some_and(|old_ms| new_ms > old_ms),
            Condition::Earlier => old_ms.is_none_or(|old_ms| new_ms < old_ms),
        }
    }
}

/// HEXPIRE and its relatives: `key time [condition] FIELDS numfields field [field ...]`.
pub fn set_expiry(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    notation: Notation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = args.get(1);
    let parse = |context: &ShardContext<'_>| {
        let deadline_ms = notation.deadline_ms(context, args.get(2))?;
        let condition = Condition::of_word(args.get(3));
        let fields_at = if condition.is_some() { 4 } else { 3 };
        let fields = fields_behind(context, args, fields_at, COUNT_OF_EXPIRE)?;
        Ok((deadline_ms, condition.unwrap_or(Condition::Always), fields))
    };
    let (deadline_ms, condition, fields) = parse(context).map_err(|error| refusal(context, key, error))?;
    let (limits, now_ms, propagates) = (limits(context), context.now_ms(), context.propagates());
    let entry = context.entry_of_kind(key, Kind::Hash)?;
    reply.array(fields.len());
    let Entry::Occupied(occupied) = entry else {
        fields.iter().for_each(|_| reply.integer(NO_FIELD));
        return Ok(());
    };
    let mut hash = HashMut::of(occupied, limits);
    let (mut changes, mut changed) = (0, Vec::new());
    for field in fields {
        let code = match hash.as_ref().find(field) {
            None => {
                // It may be there, expired.
                hash.remove(field);
                NO_FIELD
            }
            Some(found) if !condition.holds(found.expire_at, deadline_ms) => REFUSED,
            Some(_) if deadline_ms <= now_ms => {
                hash.remove(field);
                REMOVED
            }
            Some(_) => {
                hash.set_expiry(field, Some(deadline_ms));
                DONE
            }
        };
        if matches!(code, DONE | REMOVED) {
            changes += 1;
            if propagates {
                changed.push(field);
            }
        }
        reply.integer(code);
    }
    hash.finish();
    context.count_changes(changes);
    if changes > 0 {
        tell_expiry_set(context, key, deadline_ms);
    }
    propagate_expiry(context, key, &changed, deadline_ms);
    Ok(())
}

/// Tells that fields of a hash have this expiry now, or that they went, for it is past.
pub fn tell_expiry_set(context: &mut ShardContext<'_>, key: &[u8], deadline_ms: UnixMillis) {
    let name = if deadline_ms <= context.now_ms() { "hdel" } else { "hexpire" };
    context.event(EventClass::Hash, name, key);
}

/// Propagates that these fields have this expiry now, or that they went, for it is past.
pub fn propagate_expiry(context: &mut ShardContext<'_>, key: &[u8], fields: &[&[u8]], deadline_ms: UnixMillis) {
    context.propagate_nothing();
    if fields.is_empty() || !context.propagates() {
        return;
    }
    if deadline_ms <= context.now_ms() {
        forms::with_elements(context, &[b"HDEL", key], fields);
    } else {
        forms::with_fields(context, &[b"HPEXPIREAT", key, I64Text::new(deadline_ms).as_bytes()], fields);
    }
}

/// HTTL and its relatives: `key FIELDS numfields field [field ...]`.
pub fn tell_expiry(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    notation: Notation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (key, now_ms) = (args.get(1), context.now_ms());
    let fields = counted_fields(context, args, 2, COUNT_OF_OTHERS)?;
    let hash = read_hash(context, key)?;
    reply.array(fields.len());
    let mut has_expired = false;
    for field in fields {
        let code = match hash.and_then(|hash| hash.find(field)).map(|found| found.expire_at) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(expire_at)) => notation.tell(expire_at, now_ms),
        };
        has_expired |= code == NO_FIELD && hash.is_some_and(|hash| hash.has_expired(field));
        reply.integer(code);
    }
    if has_expired {
        reclaim(context, key, fields);
    }
    Ok(())
}
