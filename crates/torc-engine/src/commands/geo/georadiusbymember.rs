//! GEORADIUSBYMEMBER key member radius unit [..] [STORE key | STOREDIST key]: members within a distance from a member.

use torc_resp::{Args, Reply};

use super::request::Grammar;
use super::search::{self, destination_of};
use crate::command::{ApplyOn, Deprecated, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "georadiusbymember",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RO access"), search::destination("STORE", 5), search::destination("STOREDIST", 5)],
    route: Route::Relay(&Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::LastOwner }),
    run: Run::Shard(georadiusbymember),
    since: "3.2.0",
    summary: "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
    complexity: search::RADIUS_COMPLEXITY,
    syntax: "key member radius unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[COUNT count [ANY]] order:[ASC | DESC] store:[STORE storekey:key | STOREDIST storedistkey:key]",
    history: &[
        ("6.2.0", "Added the `ANY` option for `COUNT`."),
        ("7.0.0", "Added support for uppercase unit names."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments" }),
    ..super::ROW_DEFAULT
};

const GRAMMAR: Grammar = Grammar::RadiusByMember { stores: true };

fn georadiusbymember(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
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
