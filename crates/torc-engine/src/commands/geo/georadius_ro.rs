//! GEORADIUS_RO key longitude latitude radius unit [..]: members within a distance from a position.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// The description of GEORADIUS_RO.
pub static ROW: Row = Row {
    name: "georadius_ro",
    arity: -6,
    flags: Flags::READONLY,
    run: Run::Shard(georadius_ro),
    since: "3.2.10",
    summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
    complexity: search::RADIUS_COMPLEXITY,
    syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar::Radius { stores: false };

fn georadius_ro(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(GRAMMAR, args.get(1), context, args, reply)
}
