//! HPERSIST key FIELDS numfields field [field ...]: fields do not expire any more.

use torc_resp::{Args, Reply};
use torc_store::{Entry, HashMut, Kind};

use super::access::limits;
use super::field_expiry::{COUNT_OF_OTHERS, DONE, NO_EXPIRY, NO_FIELD, counted_fields};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hpersist",
    arity: -5,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(hpersist),
    since: "7.4.0",
    summary: "Removes the expiration time for each specified field",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key FIELDS fields:<numfields field [field ...]>",
    ..super::ROW_DEFAULT
};

fn hpersist(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let fields = counted_fields(context, args, 2, COUNT_OF_OTHERS)?;
    let limits = limits(context);
    let entry = context.entry_of_kind(key, Kind::Hash)?;
    reply.array(fields.len());
    let Entry::Occupied(occupied) = entry else {
        fields.iter().for_each(|_| reply.integer(NO_FIELD));
        return Ok(());
    };
    let mut hash = HashMut::of(occupied, limits);
    let mut changes = false;
    for field in fields {
        let code = match hash.as_ref().find(field).map(|found| found.expire_at) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(_)) => {
                hash.set_expiry(field, None);
                changes = true;
                DONE
            }
        };
        reply.integer(code);
    }
    if changes {
        context.event(EventClass::Hash, "hpersist", key);
    }
    Ok(())
}
