//! GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]: adds places, or moves them.

use torc_resp::{Args, Reply};
use torc_store::sorted_set::{create, update};
use torc_store::{Entry, Kind};

use super::super::sorted_set::arguments::limits;
use super::arguments::position;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geoadd",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(geoadd),
    since: "3.2.0",
    summary: "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    syntax: "key condition:[NX | XX]@6.2.0 [change:CH@6.2.0] longitude latitude member data:[longitude latitude member ...]",
    history: &[
        ("6.2.0", "Added the `CH`, `NX` and `XX` options."),
    ],
    ..super::ROW_DEFAULT
};

/// Requests of at most so many places remember their scores between the check and the change.
const REMEMBERED_MAX: usize = 8;

fn geoadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut new_only, mut existing_only, mut counts_changes) = (false, false, false);
    let mut at = 2;
    while at < args.len() {
        let is = |name: &[u8]| args.get(at).eq_ignore_ascii_case(name);
        match () {
            () if is(b"nx") => new_only = true,
            () if is(b"xx") => existing_only = true,
            () if is(b"ch") => counts_changes = true,
            () => break,
        }
        at += 1;
    }
    let places = args.from(at);
    if places.is_empty() || !places.len().is_multiple_of(3) || (new_only && existing_only) {
        return Err(CommandError::Syntax);
    }
    // All positions are looked at before the first member is added.
    let score_of = |index: usize| Ok(position(places.get(index), places.get(index + 1))?.score());
    let mut remembered = [0.0; REMEMBERED_MAX];
    for index in (0..places.len()).step_by(3) {
        let score = score_of(index)?;
        if let Some(slot) = remembered.get_mut(index / 3) {
            *slot = score;
        }
    }
    let limits = limits(context);
    let mut entry = context.entry_of_kind(args.get(1), Kind::SortedSet)?;
    let (mut added, mut changed) = (0, 0);
    for index in (0..places.len()).step_by(3) {
        let score = remembered.get(index / 3).map_or_else(|| score_of(index), |&score| Ok(score))?;
        let member = places.get(index + 2);
        entry = match entry {
            Entry::Occupied(mut occupied) => {
                let done = update(&mut occupied, limits, member, |old| {
                    let is_refused = if old.is_some() { new_only } else { existing_only };
                    (!is_refused).then_some(score)
                });
                added += i64::from(done.is_addition());
                changed += i64::from(done.is_change());
                Entry::Occupied(occupied)
            }
            Entry::Vacant(_) if existing_only => break,
            Entry::Vacant(vacant) => {
                (added, changed) = (added + 1, changed + 1);
                Entry::Occupied(create(vacant, limits, member, score))
            }
        };
    }
    if changed > 0 {
        context.event(EventClass::SortedSet, "zadd", args.get(1));
    }
    context.count_changes(changed as usize);
    reply.integer(if counts_changes { changed } else { added });
    Ok(())
}
