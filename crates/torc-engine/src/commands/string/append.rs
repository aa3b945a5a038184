//! APPEND key value: appends to a string, which is created if it is absent.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "append",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(append),
    since: "2.0.0",
    group: "string",
    summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
    complexity: "O(1), amortized: a growing value is given room for more than it needs",
    syntax: "key value",
    ..Row::DEFAULT
};

fn append(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (tail, len_max) = (args.get(2), context.string_len_max());
    let len = match context.string_entry(args.get(1))? {
        Entry::Vacant(vacant) => {
            vacant.insert_string(tail, None, StringForm::Auto);
            tail.len()
        }
        Entry::Occupied(mut occupied) => {
            let len_before = occupied.value().as_string().map_or(0, <[u8]>::len);
            if len_before + tail.len() > len_max {
                return Err(CommandError::StringTooLong);
            }
            headroom::check_growth(len_before, len_before + tail.len())?;
            occupied.append(tail)
        }
    };
    context.event(EventClass::String, "append", args.get(1));
    reply.integer(len as i64);
    Ok(())
}
