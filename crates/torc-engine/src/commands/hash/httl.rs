//! HTTL key FIELDS numfields field [field ...]: the seconds that fields have left; -1 without an expiry, -2 without a field.

use torc_resp::{Args, Reply};

use super::field_expiry::{Notation, tell_expiry};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "httl",
    arity: -5,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(httl),
    since: "7.4.0",
    summary: "Returns the TTL in seconds of a hash field.",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key FIELDS fields:<numfields field [field ...]>",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn httl(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    tell_expiry(context, args, Notation { unit_ms: 1000, relative: true }, reply)
}
