//! GEORADIUS key longitude latitude radius unit [..] [STORE key | STOREDIST key]: members within a distance from a position.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search::{self, destination_of};
use crate::command::{ApplyOn, Deprecated, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "georadius",
    arity: -6,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RO access"), search::destination("STORE", 6), search::destination("STOREDIST", 6)],
    route: Route::Relay(&Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::LastOwner }),
    run: Run::Shard(georadius),
    since: "3.2.0",
    summary: "Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.",
    complexity: search::RADIUS_COMPLEXITY,
    syntax: "key longitude latitude radius unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[COUNT count [ANY@6.2.0]] order:[ASC | DESC] store:[STORE storekey:key | STOREDIST storedistkey:key]",
    history: &[
        ("6.2.0", "Added the `ANY` option for `COUNT`."),
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument" }),
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar::Radius { stores: true };

fn georadius(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(GRAMMAR, args.get(1), context, args, reply)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    if key_number > 0 {
        extract.null();
        return Ok(());
    }
    search::fetch(GRAMMAR, args.get(1), context, args, extract)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::apply(GRAMMAR, context, destination_of(args), fetched, 0, reply)
}
