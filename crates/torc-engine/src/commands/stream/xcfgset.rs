//! XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE entries]: for how long and how many identifiers a stream keeps of what its producers
//! add (XADD IDMP).

use torc_resp::{Args, Reply};
use torc_store::StreamPart;

use super::lookup;
use crate::command::{Flags, KeySpec, Propagation, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xcfgset",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(xcfgset),
    since: "8.6.0",
    summary: "Sets the IDMP configuration parameters for a stream.",
    complexity: "O(1)",
    syntax: "key [IDMP-DURATION idmp-duration/integer] [IDMP-MAXSIZE idmp-maxsize/integer]",
    ..super::ROW_DEFAULT
};

const DURATION_MAX: i64 = 86_400;
const MAXSIZE_MAX: i64 = 10_000;

fn xcfgset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut duration_seconds, mut records_max) = (None, None);
    let words = args.from(2);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let is_duration = word.eq_ignore_ascii_case(b"IDMP-DURATION");
        if !is_duration && !word.eq_ignore_ascii_case(b"IDMP-MAXSIZE") {
            return Err(CommandError::Syntax);
        }
        let value = integer_argument(words.next().ok_or(CommandError::Syntax)?)?;
        let (place, most, error) = if is_duration {
            (&mut duration_seconds, DURATION_MAX, "ERR IDMP-DURATION must be between 1 and 86400 seconds")
        } else {
            (&mut records_max, MAXSIZE_MAX, "ERR IDMP-MAXSIZE must be between 1 and 10000 entries")
        };
        if !(1..=most).contains(&value) {
            return Err(CommandError::fixed(error));
        }
        *place = Some(value as u64);
    }
    let fresh = lookup::producer_limits(context.config());
    let mut occupied = lookup::occupied(context, args.get(1))?.ok_or(CommandError::NoSuchKey)?;
    if duration_seconds.is_none() && records_max.is_none() {
        return Err(CommandError::fixed("ERR At least one parameter must be specified"));
    }
    let mut limits = lookup::stream(&occupied).producers().map_or(fresh, |producers| producers.limits());
    limits.duration_seconds = duration_seconds.unwrap_or(limits.duration_seconds);
    limits.records_max = records_max.unwrap_or(limits.records_max);
    occupied.use_stream(StreamPart::Head, |stream| stream.set_producer_limits(limits));
    occupied.count_changes(1);
    reply.ok();
    Ok(())
}
