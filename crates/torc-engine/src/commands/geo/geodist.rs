//! GEODIST key member1 member2 [M | KM | FT | MI]: how far two members are from each other.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::arguments::unit;
use super::distance::{Unit, between};
use super::grid::Position;
use super::text::write_distance;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geodist",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(geodist),
    since: "3.2.0",
    summary: "Returns the distance between two members of a geospatial index.",
    complexity: "O(1)",
    syntax: "key member1 member2 unit:[M | KM | FT | MI]",
    ..super::ROW_DEFAULT
};

fn geodist(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let unit = match args.len() {
        4 => Unit::METER,
        5 => unit(args.get(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    let position = |member| set.and_then(|set| set.score(member)).map(Position::of_score);
    match (position(args.get(2)), position(args.get(3))) {
        (Some(a), Some(b)) => write_distance(between(a, b) / unit.meters, reply),
        _ => reply.null(),
    }
    Ok(())
}
