//! XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]: makes a group that begins to read behind an id.

use torc_resp::{Args, Reply};
use torc_store::{Entry, IdText, Kind, Object, Stream, StreamId, StreamPart};

use super::super::{ids, lookup};
use super::{NO_KEY, Options};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::commands::forms;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "create",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(2, "RW insert")],
    run: Run::Shard(create),
    summary: "Creates a consumer group.",
    syntax: "key group id-selector:<id | new-id:$> [MKSTREAM] [ENTRIESREAD entriesread:entries-read]",
    history: &[
        ("7.0.0", "Added the `entries_read` named argument."),
    ],
    ..super::ROW_DEFAULT
};

/// More arguments, which are options given twice, are refused after the key was looked at.
const LEN_MAX: usize = 8;

fn create(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(context, args, true)?;
    let (name, position) = (args.get(3), args.get(4));
    let last_id = |stream: Option<&Stream>| match position {
        b"$" => Ok(stream.map_or(StreamId::MIN, Stream::last_id)),
        text => ids::parse_exact(text),
    };
    let too_much = lookup::subcommand_syntax(context, args.get(1));
    let begins_at = match context.entry_of_kind(args.get(2), Kind::Stream)? {
        Entry::Vacant(_) if !options.make_stream => return Err(NO_KEY),
        _ if args.len() > LEN_MAX => return Err(too_much),
        Entry::Vacant(vacant) => {
            let last_id = last_id(None)?;
            let mut stream = Stream::default();
            stream.groups_mut().create(name, last_id, options.entries_read);
            vacant.insert_object(Object::Stream(stream), None);
            last_id
        }
        Entry::Occupied(mut occupied) => {
            let stream = occupied.value().as_stream().expect("the kind says so");
            let last_id = last_id(Some(stream))?;
            if stream.groups().find(name).is_some() {
                return Err(CommandError::fixed("BUSYGROUP Consumer Group name already exists"));
            }
            occupied.use_stream(StreamPart::Groups, |stream| stream.groups_mut().create(name, last_id, options.entries_read));
            last_id
        }
    };
    context.count_changes(1);
    context.event(EventClass::Stream, "xgroup-create", args.get(2));
    if position == b"$" {
        forms::with_replaced(context, args, &[(4, IdText::new(begins_at).as_bytes())]);
    }
    reply.ok();
    Ok(())
}
