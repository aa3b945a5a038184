//! RENAME key newkey: moves a value, with its expiry, to another key.
//!
//! Over several cores: the owner of `key` sends its image, the owner of `newkey` stores it, and the first removes the key. A big value is
//! not copied: its owner only tells that it is one, and is then asked to hand it over.

use torc_resp::{Args, Reply};

use super::image::Image;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, HandOver, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "OW update")],
    route: Route::Relay(&RELAY),
    hand_over: Some(&HandOver { is_big, refuses: |_| false, event: FROM }),
    run: Run::Shard(rename),
    since: "1.0.0",
    summary: "Renames a key and overwrites the destination.",
    syntax: "key newkey",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch_both), apply, apply_on: ApplyOn::Owners };

fn rename(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_here(context, args, false)?;
    reply.ok();
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_over(context, args, fetched, false)?;
    reply.ok();
    Ok(())
}

/// Moves the value of the first key to the second one, both on this core. False: the second exists and must not be replaced.
pub(super) fn move_here(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    only_if_absent: bool,
) -> Result<bool, CommandError> {
    let (from, to) = (args.get(1), args.get(2));
    if !context.access(from) {
        return Err(CommandError::NoSuchKey);
    }
    if from == to {
        return Ok(!only_if_absent);
    }
    if only_if_absent && context.access(to) {
        return Ok(false);
    }
    context.relocate(from, (context.db, to));
    context.event(EventClass::Generic, FROM, from);
    context.event(EventClass::Generic, TO, to);
    Ok(true)
}

/// What is told of the old name and of the new one.
pub(super) const FROM: &str = "rename_from";
const TO: &str = "rename_to";

/// What stands for the image of a big value.
const BIG: &[u8] = b":1\r\n";

/// Whether the first key has a big value.
pub(super) fn is_big(fetched: Fetched<'_>) -> bool {
    fetched.get(0) == BIG
}

/// Whether the second key exists.
pub(super) fn is_taken(fetched: Fetched<'_>) -> bool {
    fetched.get(1) == b":1\r\n"
}

/// The image of the first key, or that it is big; whether the second exists.
pub(super) fn fetch_both(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
    extract: &mut Extract,
) -> CommandResult {
    let is_there = context.access(args.get(1 + key_number));
    match key_number {
        0 if context.glance(args.get(1)).is_some_and(|value| value.is_big()) => extract.raw(BIG),
        0 => Image::write(Image::read_key(context, args.get(1)).as_ref(), extract),
        _ => extract.integer(i64::from(is_there)),
    }
    Ok(())
}

/// One core's share of what [`move_here`] does, with the keys on two cores.
pub(super) fn move_over(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    fetched: Fetched<'_>,
    only_if_absent: bool,
) -> Result<bool, CommandError> {
    if is_big(fetched) {
        if only_if_absent && is_taken(fetched) {
            return Ok(false);
        }
        context.take_over(args.get(2));
        context.event(EventClass::Generic, TO, args.get(2));
        return Ok(true);
    }
    let image = Image::read(fetched.get(0)).ok_or(CommandError::NoSuchKey)?;
    if only_if_absent && is_taken(fetched) {
        return Ok(false);
    }
    if context.owns(args.get(1)) {
        context.move_out(args.get(1));
        context.event(EventClass::Generic, FROM, args.get(1));
        // It is one change, which the owner of the new name counts.
        context.count_changes(0);
    } else {
        image.put(context, args.get(2));
        context.event(EventClass::Generic, TO, args.get(2));
    }
    Ok(true)
}
