//! GEOPOS key [member [member ...]]: longitudes and latitudes of members.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::grid::Position;
use super::text::write_position;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geopos",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(geopos),
    since: "3.2.0",
    summary: "Returns the longitude and latitude of members from a geospatial index.",
    complexity: "O(1) for each member requested.",
    syntax: "key [member [member ...]]",
    ..super::ROW_DEFAULT
};

fn geopos(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    let members = args.from(2);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => write_position(Position::of_score(score), reply),
            None => reply.null_array(),
        }
    }
    Ok(())
}
