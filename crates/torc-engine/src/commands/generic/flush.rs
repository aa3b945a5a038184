//! What FLUSHDB and FLUSHALL share: ASYNC and SYNC, and what logs and replicas are told.
//!
//! ```text
//!   of all cores                    FLUSHALL                                            as it came
//!   through the port of a core      SELECT 0, UNLINK k1 k2 .., SELECT 3, UNLINK ..      by result: whoever reads it knows no cores
//! ```

use std::ops::Range;

use torc_resp::{Args, Reply};

use crate::commands::forms;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// Bytes of the names of keys that are told one by one: all of them are one record.
const NAMES_BYTES_MAX: usize = 32 << 20;

/// Names in one command.
const NAMES_PER_COMMAND_MAX: usize = 1000;

/// Removes all keys of these databases by `remove`, which is told whether the memory is to be freed in the background.
pub fn flush(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    databases: Range<u16>,
    remove: impl FnOnce(&mut ShardContext<'_>, bool),
) -> CommandResult {
    let lazy = is_lazy(args)?;
    if context.propagates() && context.is_of_one_core() {
        let removed = names_of(context, databases)?;
        remove(context, lazy);
        tell_names(context, &removed);
    } else {
        remove(context, lazy);
        // Even of nothing, as in Redis: who reads this may have keys that are not here.
        forms::as_it_came(context, args);
    }
    context.invalidate_all();
    reply.ok();
    Ok(())
}

/// Whether the memory is to be freed in the background. That is so unless SYNC is asked for: freeing in
/// slices keeps the core answering, and the keys are gone at once either way.
fn is_lazy(args: Args<'_>) -> Result<bool, CommandError> {
    match args.len() {
        1 => Ok(true),
        2 if args.get(1).eq_ignore_ascii_case(b"async") => Ok(true),
        2 if args.get(1).eq_ignore_ascii_case(b"sync") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

/// Names of keys, one behind another.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Names {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }
}

/// The names of all keys of these databases, if they are not too many to be told one by one.
fn names_of(context: &mut ShardContext<'_>, databases: Range<u16>) -> Result<Vec<(u16, Names)>, CommandError> {
    let mut left_bytes = NAMES_BYTES_MAX;
    let mut all = Vec::new();
    for db in databases {
        let (mut names, mut fit) = (Names::default(), true);
        context.in_database(db).for_each_name(&mut |name| {
            let bytes = name.len() + size_of::<usize>();
            fit = fit && bytes <= left_bytes;
            if fit {
                left_bytes -= bytes;
                names.bytes.extend_from_slice(name);
                names.ends.push(names.bytes.len());
            }
        });
        if !fit {
            let command = context.command().row.name.to_ascii_uppercase();
            return Err(CommandError::made(format!(
                "ERR {command} through the port of a core: these are too many keys to be logged one by one while appendonly is yes"
            )));
        }
        all.push((db, names));
    }
    Ok(all)
}

/// These keys are gone.
fn tell_names(context: &mut ShardContext<'_>, removed: &[(u16, Names)]) {
    // Of nothing there is nothing to tell.
    context.propagate_nothing();
    for (db, names) in removed {
        let mut context = context.in_database(*db);
        let mut words: Vec<&[u8]> = vec![b"UNLINK"];
        for name in names.iter() {
            words.push(name);
            if words.len() > NAMES_PER_COMMAND_MAX {
                context.propagate(&words);
                words.truncate(1);
            }
        }
        if words.len() > 1 {
            context.propagate(&words);
        }
    }
}
