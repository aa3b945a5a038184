//! HGETEX key [EX | PX | EXAT | PXAT time | PERSIST] FIELDS numfields field [field ...]: the values of fields, whose expiry changes.

use torc_resp::{Args, Reply};
use torc_store::{Entry, HashMut, Kind, UnixMillis};

use super::access::{limits, write_text};
use super::field_expiry::{
    COUNT_OF_OTHERS, Notation, fields_behind, propagate_expiry, refusal, tell_expiry_set,
};
use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hgetex",
    arity: -5,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec { notes: "RW and UPDATE because it changes the TTL", ..KeySpec::at(1, "RW access update") }],
    run: Run::Shard(hgetex),
    since: "8.0.0",
    summary: "Get the value of one or more fields of a given hash key, and optionally set their expiration.",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key expiration:[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS fields:<numfields field [field ...]>",
    ..super::ROW_DEFAULT
};

fn hgetex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let (expiry, fields) = parse(context, args).map_err(|error| refusal(context, key, error))?;
    let (limits, now_ms, propagates) = (limits(context), context.now_ms(), context.propagates());
    let entry = context.entry_of_kind(key, Kind::Hash)?;
    reply.array(fields.len());
    let Entry::Occupied(occupied) = entry else {
        fields.iter().for_each(|_| reply.null());
        return Ok(());
    };
    let mut hash = HashMut::of(occupied, limits);
    let (mut changes, mut changed) = (0, Vec::new());
    for field in fields {
        let Some(found) = hash.as_ref().find(field) else {
            reply.null();
            hash.remove(field);
            continue;
        };
        write_text(reply, found.value);
        match expiry {
            Expiry::Stays => continue,
            Expiry::Ends if found.expire_at.is_none() => continue,
            Expiry::Ends => hash.set_expiry(field, None),
            Expiry::At(at) if at <= now_ms => {
                hash.remove(field);
            }
            Expiry::At(at) => hash.set_expiry(field, Some(at)),
        }
        changes += 1;
        if propagates {
            changed.push(field);
        }
    }
    hash.finish();
    context.count_changes(changes);
    match expiry {
        Expiry::At(at) if changes > 0 => tell_expiry_set(context, key, at),
        Expiry::Ends if changes > 0 => context.event(EventClass::Hash, "hpersist", key),
        _ => {}
    }
    match expiry {
        Expiry::At(at) => propagate_expiry(context, key, &changed, at),
        Expiry::Ends if !changed.is_empty() => forms::with_fields(context, &[b"HPERSIST", key], &changed),
        _ => context.propagate_nothing(),
    }
    Ok(())
}

/// What becomes of the fields' expiry.
#[derive(Clone, Copy)]
enum Expiry {
    Stays,
    Ends,
    At(UnixMillis),
}

fn parse<'a>(context: &ShardContext<'_>, args: Args<'a>) -> Result<(Expiry, Args<'a>), CommandError> {
    let word = args.get(2);
    let notation = Notation::of_word(word);
    let fields_at = match notation {
        Some(_) => 4,
        None if word.eq_ignore_ascii_case(b"PERSIST") => 3,
        None => 2,
    };
    // A time is looked at before what comes behind it.
    let expiry = match notation {
        Some(notation) => Expiry::At(notation.deadline_ms(context, args.get(3))?),
        None if fields_at == 3 => Expiry::Ends,
        None => Expiry::Stays,
    };
    let fields = fields_behind(context, args, fields_at, COUNT_OF_OTHERS)?;
    Ok((expiry, fields))
}
