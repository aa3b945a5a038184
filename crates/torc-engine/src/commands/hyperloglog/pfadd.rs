//! PFADD key [element [element ...]]: adds elements to a HyperLogLog.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm, Vacant};

use super::edit::{add, add_to_key};
use super::format::{EMPTY, make_stale};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "pfadd",
    arity: -2,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(pfadd),
    since: "2.8.9",
    group: "hyperloglog",
    summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
    complexity: "O(1) to add every element.",
    syntax: "key [element [element ...]]",
    ..Row::DEFAULT
};

fn pfadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sparse_bytes_max = context.config().hll_sparse_max_bytes as usize;
    let elements = args.from(2);
    let changed = match context.string_entry(args.get(1))? {
        Entry::Vacant(vacant) => {
            let changes = 1 + create(vacant, elements, sparse_bytes_max)?;
            context.count_changes(changes);
            true
        }
        Entry::Occupied(mut occupied) => {
            let changes = add_to_key(&mut occupied, elements.iter(), sparse_bytes_max)?;
            // RESTORE gives short ones another form.
            occupied.make_raw();
            occupied.count_changes(changes);
            changes > 0
        }
    };
    if changed {
        context.event(EventClass::String, "pfadd", args.get(1));
    }
    reply.integer(i64::from(changed));
    Ok(())
}

/// Makes a value of these elements; how often one of them has changed a register.
fn create(vacant: Vacant<'_>, elements: Args<'_>, sparse_bytes_max: usize) -> Result<usize, CommandError> {
    // Room for a few elements.
    let mut value = Vec::with_capacity(EMPTY.len() + 46);
    value.extend_from_slice(&EMPTY);
    make_stale(&mut value);
    let mut changes = 0;
    for element in elements {
        changes += usize::from(add(&mut value, element, sparse_bytes_max)?);
    }
    vacant.insert_string(&value, None, StringForm::Raw);
    Ok(changes)
}
