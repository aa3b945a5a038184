//! GEORADIUSBYMEMBER_RO key member radius unit [..]: members within a distance from a member.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search;
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "georadiusbymember_ro",
    arity: -5,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(georadiusbymember_ro),
    since: "3.2.10",
    summary: "Returns members from a geospatial index that are within a distance from a member.",
    complexity: search::RADIUS_COMPLEXITY,
    syntax: "key member radius unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[COUNT count [ANY]] order:[ASC | DESC]",
    history: &[
        ("6.2.0", "Added the `ANY` option for `COUNT`."),
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments" }),
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar::RadiusByMember { stores: false };

fn georadiusbymember_ro(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(GRAMMAR, args.get(1), context, args, reply)
}
