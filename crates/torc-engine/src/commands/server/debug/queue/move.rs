//! DEBUG QUEUE-MOVE source destination timeout: takes from one queue and appends to another, as BLMOVE does.

use torc_resp::{Args, Reply, reader};

use super::{append, elements_of, has_elements, take_first};
use crate::command::blocking::take_or_nothing;
use crate::command::{ApplyOn, AwaitedKey, Blocking, Fetched, Flags, KeySpec, Relay, Route, Row, Run, Serves};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-MOVE.
pub static ROW: Row = Row {
    name: "queue-move",
    arity: 5,
    flags: super::ROW_DEFAULT.flags.and(Flags::BLOCKING),
    keys: &[KeySpec::at(2, "RW access delete"), KeySpec::at(3, "RW insert")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking {
        is_ready: |context, _, key| has_elements(context, key.name),
        take,
        serves: Serves::Move(&RELAY),
        ..Blocking::DEFAULT
    }),
    summary: "Moves the first element of a queue to the end of another, or waits for it, for tests.",
    complexity: "O(N) where N is the length of the queues",
    syntax: "source destination timeout",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay { fetch, apply, apply_on: ApplyOn::Owners };

fn take(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    source: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let destination = args.get(3);
    elements_of(context, destination)?;
    let taken = take_first(context, source.name, 1);
    append(context, destination, std::iter::once(&taken[0][..]))?;
    reply.bulk(&taken[0]);
    Ok(())
}

/// The first element of the source; whether the destination is a queue or missing.
fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, reply: &mut Reply<'_>) -> CommandResult {
    if key_number == 1 {
        let is_usable = elements_of(context, args.get(3)).is_ok();
        reply.integer(i64::from(is_usable));
        return Ok(());
    }
    match elements_of(context, args.get(2))?.as_deref() {
        Some([first, ..]) => reply.bulk(first),
        _ => reply.null(),
    }
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(element) = reader::bulk(fetched.get(0)) else {
        reply.null();
        return Ok(());
    };
    if fetched.get(1) == b":0\r\n" {
        return Err(CommandError::WrongType);
    }
    if context.owns(args.get(2)) {
        take_first(context, args.get(2), 1);
    }
    if context.owns(args.get(3)) {
        append(context, args.get(3), std::iter::once(element))?;
    }
    reply.bulk(element);
    Ok(())
}
