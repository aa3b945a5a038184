//! GEOSEARCHSTORE destination source [FROMMEMBER | FROMLONLAT ..] <BYRADIUS | BYBOX | BYPOLYGON ..> [..] [STOREDIST]: stores the members
//! inside a circle, a box or a polygon.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geosearchstore",
    arity: -8,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::at(2, "RO access")],
    route: Route::Relay(&Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::OwnerOf(0) }),
    run: Run::Shard(geosearchstore),
    since: "6.2.0",
    summary: "Queries a geospatial index for members inside an area of a box, a circle or a polygon, optionally stores the result.",
    complexity: search::SEARCH_COMPLEXITY,
    syntax: "destination source from:[FROMMEMBER member | FROMLONLAT longitude latitude] by:<circle:<BYRADIUS radius unit:<M | KM | FT | MI>> | box:<BYBOX width height unit:<M | KM | FT | MI>> | polygon:<BYPOLYGON num-vertices longitude latitude data:[longitude latitude ...]>> order:[ASC | DESC] count-block:[COUNT count [ANY]] [STOREDIST]",
    history: &[
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    ..super::ROW_DEFAULT
};

fn geosearchstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(Grammar::SearchStore, args.get(2), context, args, reply)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    if key_number == 0 {
        extract.null();
        return Ok(());
    }
    search::fetch(Grammar::SearchStore, args.get(2), context, args, extract)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::apply(Grammar::SearchStore, context, args.get(1), fetched, 1, reply)
}
