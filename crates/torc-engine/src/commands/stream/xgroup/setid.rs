//! XGROUP SETID key group id|$ [ENTRIESREAD n]: sets behind which entry a group goes on reading.

use torc_resp::{Args, Reply};
use torc_store::{IdText, StreamPart};

use super::super::{ids, lookup};
use super::Options;
use crate::command::{KeySpec, Row, Run, Propagation};
use crate::commands::forms;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "setid",
    arity: -5,
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(2, "RW update")],
    run: Run::Shard(setid),
    summary: "Sets the last-delivered ID of a consumer group.",
    syntax: "key group id-selector:<id | new-id:$> [ENTRIESREAD entriesread:entries-read]",
    history: &[
        ("7.0.0", "Added the optional `entries_read` argument."),
    ],
    ..super::ROW_DEFAULT
};

/// More arguments, which are options given twice, are refused after the group was looked up.
const LEN_MAX: usize = 7;

fn setid(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(context, args, false)?;
    let too_much = lookup::subcommand_syntax(context, args.get(1));
    let (mut occupied, group) = super::find_group(context, args)?;
    if args.len() > LEN_MAX {
        return Err(too_much);
    }
    let last_id = match args.get(4) {
        b"$" => lookup::stream(&occupied).last_id(),
        text => ids::parse_bound(text, 0)?,
    };
    occupied.use_stream(StreamPart::Groups, |stream| stream.groups_mut().set_position(group, last_id, options.entries_read));
    occupied.count_changes(1);
    context.event(EventClass::Stream, "xgroup-setid", args.get(2));
    if args.get(4) == b"$" {
        forms::with_replaced(context, args, &[(4, IdText::new(last_id).as_bytes())]);
    }
    reply.ok();
    Ok(())
}
