//! GEOSEARCH key [FROMMEMBER | FROMLONLAT ..] <BYRADIUS | BYBOX | BYPOLYGON ..> [..]: members inside a circle, a box or a polygon.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geosearch",
    arity: -7,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(geosearch),
    since: "6.2.0",
    summary: "Queries a geospatial index for members inside an area of a box, a circle or a polygon.",
    complexity: search::SEARCH_COMPLEXITY,
    syntax: "key from:[FROMMEMBER member | FROMLONLAT longitude latitude] by:<circle:<BYRADIUS radius unit:<M | KM | FT | MI>> | box:<BYBOX width height unit:<M | KM | FT | MI>> | polygon:<BYPOLYGON num-vertices longitude latitude data:[longitude latitude ...]>> order:[ASC | DESC] count-block:[COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
    history: &[
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    ..super::ROW_DEFAULT
};

fn geosearch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(Grammar::Search, args.get(1), context, args, reply)
}
