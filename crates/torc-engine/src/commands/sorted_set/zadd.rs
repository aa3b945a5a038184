//! ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]: adds members, or changes their scores.

use torc_resp::{Args, Reply};

use super::adding::{Conditions, add_all, add_one};
use super::arguments::score;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zadd",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    element_at: 3,
    run: Run::Shard(zadd),
    since: "1.2.0",
    summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    syntax: "key condition:[NX | XX]@3.0.2 comparison:[GT | LT]@6.2.0 [change:CH@3.0.2] [increment:INCR@3.0.2] score member data:[score member ...]",
    history: &[
        ("2.4.0", "Accepts multiple elements."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ],
    ..super::ROW_DEFAULT
};

fn zadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (conditions, counts_changes, pairs) = parse(args)?;
    if conditions.increment {
        let given = score(pairs.get(0))?;
        match add_one(context, args.get(1), conditions, given, pairs.get(1))? {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
        return Ok(());
    }
    // All scores are looked at before the first member is added; with one, that is the same.
    if pairs.len() > 2 {
        for index in (0..pairs.len()).step_by(2) {
            score(pairs.get(index))?;
        }
    }
    let indexes = (0..pairs.len()).step_by(2);
    let members = indexes.map(|index| Ok((score(pairs.get(index))?, pairs.get(index + 1))));
    let (added, changed) = add_all(context, args.get(1), conditions, members)?;
    context.count_changes(changed as usize);
    reply.integer(if counts_changes { changed } else { added });
    Ok(())
}

/// The conditions, whether changes are counted, and scores and members in turn.
fn parse(args: Args<'_>) -> Result<(Conditions, bool, Args<'_>), CommandError> {
    let (mut conditions, mut counts_changes) = (Conditions::default(), false);
    let mut at = 2;
    while at < args.len() {
        let is = |name: &[u8]| args.get(at).eq_ignore_ascii_case(name);
        match () {
            () if is(b"nx") => conditions.new_only = true,
            () if is(b"xx") => conditions.existing_only = true,
            () if is(b"gt") => conditions.greater = true,
            () if is(b"lt") => conditions.less = true,
            () if is(b"ch") => counts_changes = true,
            () if is(b"incr") => conditions.increment = true,
            () => break,
        }
        at += 1;
    }
    let pairs = args.from(at);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let Conditions { new_only, existing_only, greater, less, increment } = conditions;
    let refusal = match () {
        () if new_only && existing_only => "ERR XX and NX options at the same time are not compatible",
        () if [greater, less, new_only].iter().filter(|&&given| given).count() > 1 => {
            "ERR GT, LT, and/or NX options at the same time are not compatible"
        }
        () if increment && pairs.len() > 2 => "ERR INCR option supports a single increment-element pair",
        () => return Ok((conditions, counts_changes, pairs)),
    };
    Err(CommandError::fixed(refusal))
}
