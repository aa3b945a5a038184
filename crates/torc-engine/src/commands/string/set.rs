//! SET key value [NX|XX|IFEQ value|IFNE value|IFDEQ digest|IFDNE digest] [GET] [EX|PX|EXAT|PXAT time | KEEPTTL]: sets a key to a string.

use torc_resp::{Args, Reply};
use torc_store::Entry;

use super::answer;
use super::digest::digest_of;
use super::options::{Condition, Expiry, Family, Options};
use super::store::{self, Expire, store};
use crate::command::{Flags, KeyFlags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "set",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec {
        notes: "RW and ACCESS due to the optional `GET` argument",
        flags_of: Some(key_flags_of),
        ..KeySpec::at(1, "RW access update variable_flags")
    }],
    route: Route::Owner,
    run: Run::Shard(set),
    group: "string",
    summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
    syntax: "key value condition:[NX | XX | IFEQ comparison-value@8.4.0 | IFNE comparison-value@8.4.0 | IFDEQ digest@8.4.0 | IFDNE digest@8.4.0]@2.6.12 [GET@6.2.0] expiration:[EX seconds@2.6.12 | PX milliseconds@2.6.12 | EXAT unix-time-seconds@6.2.0 | PXAT unix-time-milliseconds@6.2.0 | KEEPTTL@6.0.0]",
    history: &[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ("8.4.0", "Added the `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` options."),
    ],
    ..Row::DEFAULT
};

/// Without GET what the key held is not looked at.
fn key_flags_of(args: Args<'_>) -> KeyFlags {
    let returns_old = args.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"get"));
    KeyFlags::of(if returns_old { "RW access update" } else { "OW update" })
}

fn set(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return set_with_options(context, args, reply);
    }
    let now_ms = context.now_ms();
    store(context.entry(args.get(1)), args.get(2), Expire::Never, now_ms);
    context.event(EventClass::String, "set", args.get(1));
    reply.ok();
    Ok(())
}

#[inline(never)]
fn set_with_options(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args.from(3), Family::Set)?;
    let (now_ms, touch) = (context.now_ms(), context.touch);
    let expire = match options.expiry.time(now_ms, context.command.full_name)? {
        Some(at) => Expire::At(at),
        None if options.expiry == Expiry::Keep => Expire::Keep,
        None => Expire::Never,
    };
    let key = args.get(1);
    let entry = if options.get { context.counted_entry(key) } else { context.entry(key) };
    let asks_only_presence = matches!(options.condition, Condition::Always | Condition::Absent | Condition::Present);
    let must_be_string = options.get || !asks_only_presence;
    let before = match &entry {
        Entry::Vacant(_) => None,
        Entry::Occupied(occupied) => match occupied.value().as_string() {
            Some(value) => Some(value),
            None if must_be_string => return Err(CommandError::WrongType),
            None => Some(&[][..]),
        },
    };
    let allowed = match options.condition {
        Condition::Always => true,
        Condition::Absent => before.is_none(),
        Condition::Present => before.is_some(),
        Condition::Equal(value) => before == Some(value),
        Condition::Different(value) => before != Some(value),
        Condition::EqualDigest(digest) => before.is_some_and(|value| digest_of(value) == digest),
        Condition::DifferentDigest(digest) => before.is_none_or(|value| digest_of(value) != digest),
    };
    match before {
        Some(_) if options.get => {
            let Entry::Occupied(occupied) = &entry else { unreachable!("it held something") };
            answer::whole(occupied.value(), reply)?;
        }
        None if options.get => reply.null(),
        _ if allowed => reply.ok(),
        _ => reply.null(),
    }
    let existed = before.is_some();
    if allowed {
        store(entry, args.get(2), expire, now_ms);
        store::tell(context, key, expire);
        if context.propagates() && (options.get || matches!(expire, Expire::At(_))) {
            propagate(context, args, expire, existed);
        }
    } else if touch && let Entry::Occupied(mut occupied) = entry {
        // What stays as it is has been looked at.
        occupied.touch(now_ms);
    }
    Ok(())
}

/// With the time at which it expires, or without GET; a time that has come has removed the key, if it was there.
#[cold]
fn propagate(context: &mut ShardContext<'_>, args: Args<'_>, expire: Expire, existed: bool) {
    match expire {
        Expire::At(at) => store::propagate(context, args.get(1), args.get(2), at, existed),
        Expire::Never | Expire::Keep => {
            let is_get = |word: &[u8]| word.eq_ignore_ascii_case(b"get");
            // Behind one of these words stands a value, which may read `get`.
            let has_operand = |word: &[u8]| word.len() >= 4 && word[..2].eq_ignore_ascii_case(b"if");
            let mut words = vec![&b"SET"[..], args.get(1), args.get(2)];
            let mut rest = args.from(3).iter();
            while let Some(word) = rest.next() {
                if !is_get(word) {
                    words.push(word);
                }
                if has_operand(word) {
                    words.extend(rest.next());
                }
            }
            context.propagate(&words);
        }
    }
}
