//! GEORADIUS_RO key longitude latitude radius unit [..]: members within a distance from a position.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "georadius_ro",
    arity: -6,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(georadius_ro),
    since: "3.2.10",
    summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
    complexity: search::RADIUS_COMPLEXITY,
    syntax: "key longitude latitude radius unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[COUNT count [ANY@6.2.0]] order:[ASC | DESC]",
    history: &[
        ("6.2.0", "Added the `ANY` option for `COUNT`."),
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`GEOSEARCH` with the `BYRADIUS` argument" }),
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar::Radius { stores: false };

fn georadius_ro(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(GRAMMAR, args.get(1), context, args, reply)
}
