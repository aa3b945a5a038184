//! HPEXPIREAT key time [NX | XX | GT | LT] FIELDS numfields field [field ...]: fields expire at a Unix time in milliseconds.

use torc_resp::{Args, Reply};

use super::field_expiry::{Notation, set_expiry};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hpexpireat",
    arity: -6,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(hpexpireat),
    since: "7.4.0",
    summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key unix-time-milliseconds condition:[NX | XX | GT | LT] FIELDS fields:<numfields field [field ...]>",
    ..super::ROW_DEFAULT
};

fn hpexpireat(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_expiry(context, args, Notation { unit_ms: 1, relative: false }, reply)
}
