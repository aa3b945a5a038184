//! DEBUG SET-SKIP-CHECKSUM-VALIDATION 0 | 1: whether RESTORE takes payloads whose checksum does not fit, so that tests
//! reach what is behind it.

use torc_rdb::payload::Checksum;
use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "set-skip-checksum-validation",
    arity: 3,
    flags: super::DEVELOPER,
    route: Route::Every(Merge::Same),
    run: Run::Core(set),
    group: "server",
    summary: "Turns the check of payloads' checksums off or on.",
    complexity: "O(1)",
    syntax: "<0 | 1>",
    ..Row::DEFAULT
};

fn set(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What is no number counts as zero, as it does in Redis.
    let is_skipped = torc_resp::number::parse_i64(args.get(2)).unwrap_or(0) != 0;
    context.set_payload_checksum(if is_skipped { Checksum::Ignored } else { Checksum::Checked });
    reply.ok();
    Ok(())
}
