//! PFDEBUG GETREG | DECODE | ENCODING | TODENSE key: looks inside a HyperLogLog.

use std::fmt::Write;

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use super::edit::densify;
use super::format::{Encoding, HEAD_BYTES, check};
use super::registers::Registers;
use super::sparse;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "pfdebug",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::ADMIN).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(2, "RW access")],
    route: Route::Owner,
    run: Run::Shard(pfdebug),
    since: "2.8.9",
    group: "hyperloglog",
    summary: "Internal commands for debugging HyperLogLog values.",
    complexity: "N/A",
    syntax: "subcommand key",
    is_internal: true,
    ..Row::DEFAULT
};

fn pfdebug(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (subcommand, key) = (args.get(1), args.get(2));
    let Entry::Occupied(mut occupied) = context.string_entry(key)? else {
        return Err(CommandError::fixed("ERR The specified key does not exist"));
    };
    let value = occupied.value().as_string().expect("the type was checked");
    let encoding = check(value)?;
    let is = |name: &str| subcommand.eq_ignore_ascii_case(name.as_bytes());
    if is("getreg") {
        let registers = Registers::of(value)?;
        if encoding == Encoding::Sparse {
            let dense = densify(value)?;
            occupied.set_string(&dense, StringForm::Raw);
        }
        reply.array(registers.0.len());
        registers.0.iter().for_each(|rank| reply.integer(i64::from(*rank)));
    } else if is("decode") {
        if encoding != Encoding::Sparse {
            return Err(CommandError::fixed("ERR HLL encoding is not sparse"));
        }
        reply.bulk(decode(&value[HEAD_BYTES..]).as_bytes());
    } else if is("encoding") {
        reply.simple(if encoding == Encoding::Sparse { "sparse" } else { "dense" });
    } else if is("todense") {
        if encoding == Encoding::Sparse {
            let dense = densify(value)?;
            occupied.set_string(&dense, StringForm::Raw);
        }
        reply.integer(i64::from(encoding == Encoding::Sparse));
    } else {
        return Err(CommandError::quoting("ERR Unknown PFDEBUG subcommand '{}'", &[subcommand]));
    }
    Ok(())
}

/// The runs as text: `z` and `Z` are zeros in one and in two bytes, `v` is a rank and how often it follows.
fn decode(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while let Some(run) = sparse::read(bytes) {
        let blank = if text.is_empty() { "" } else { " " };
        let written = match (run.rank, run.bytes) {
            (0, 1) => write!(text, "{blank}z:{}", run.len),
            (0, _) => write!(text, "{blank}Z:{}", run.len),
            (rank, _) => write!(text, "{blank}v:{rank},{}", run.len),
        };
        written.expect("a string takes all text");
        bytes = &bytes[run.bytes..];
    }
    text
}
