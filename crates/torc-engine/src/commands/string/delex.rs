//! DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]: removes a key, if the string in it is what it should be (Redis 8.4).

use torc_resp::{Args, Reply};
use torc_store::Entry;

use super::digest::{digest_of, parse_digest};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "delex",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    route: Route::Owner,
    run: Run::Shard(delex),
    since: "8.4.0",
    group: "string",
    summary: "Conditionally removes the specified key based on value or digest comparison.",
    complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    syntax: "key condition:[IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
    ..Row::DEFAULT
};

fn delex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() != 2 && args.len() != 4 {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let removed = match context.entry(args.get(1)) {
        Entry::Vacant(_) => false,
        Entry::Occupied(occupied) => {
            let removes = args.len() == 2 || holds(occupied.value().as_string(), args.get(2), args.get(3))?;
            if removes {
                occupied.remove();
            }
            removes
        }
    };
    reply.integer(i64::from(removed));
    Ok(())
}

/// Whether the condition holds for a value; `None` is one that is no string.
fn holds(value: Option<&[u8]>, condition: &[u8], operand: &[u8]) -> Result<bool, CommandError> {
    let text = "ERR Key should be of string type if conditions are specified";
    let value = value.ok_or(CommandError::fixed(text))?;
    let is = |name: &str| condition.eq_ignore_ascii_case(name.as_bytes());
    if is("IFEQ") || is("IFNE") {
        Ok((value == operand) == is("IFEQ"))
    } else if is("IFDEQ") || is("IFDNE") {
        Ok((digest_of(value) == parse_digest(operand)?) == is("IFDEQ"))
    } else {
        Err(CommandError::fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))
    }
}
