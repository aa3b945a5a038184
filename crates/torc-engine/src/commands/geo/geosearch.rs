//! GEOSEARCH key [FROMMEMBER | FROMLONLAT ..] <BYRADIUS | BYBOX | BYPOLYGON ..> [..]: members inside a circle, a box or a polygon.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// The description of GEOSEARCH.
pub static ROW: Row = Row {
    name: "geosearch",
    arity: -7,
    flags: Flags::READONLY,
    run: Run::Shard(geosearch),
    since: "6.2.0",
    summary: "Queries a geospatial index for members inside an area of a box, a circle or a polygon.",
    complexity: search::SEARCH_COMPLEXITY,
    syntax: "key [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
    ..super::ROW_DEFAULT
};

fn geosearch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(Grammar::Search, args.get(1), context, args, reply)
}
