//! PFMERGE destkey [sourcekey [sourcekey ...]]: merges HyperLogLogs into one.
//!
//! Over several cores each owner merges its values and sends what that comes to, and the owner of the destination merges that.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use super::edit::offer;
use super::format::{EMPTY, Encoding, dense_with_head_of, encoding, make_stale};
use super::pfcount::read;
use super::registers::Registers;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "pfmerge",
    arity: -2,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access insert"), KeySpec::from(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(pfmerge),
    since: "2.8.9",
    group: "hyperloglog",
    summary: "Merges one or more HyperLogLog values into a single key.",
    complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
    syntax: "destkey [sourcekey [sourcekey ...]]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay {
    fetch: Fetching::ByOwner {
        read,
        combine: |context, args, _, extract| Registers::send_own(context, args, extract),
        lead: None,
    },
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

/// Values being merged.
struct Merge {
    registers: Registers,
    any_dense: bool,
}

fn pfmerge(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    for key in args.from(1) {
        read(context, args, key)?;
    }
    apply(context, args, Fetched::NOTHING, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut merge = Merge { registers: Registers::new(), any_dense: false };
    merge.any_dense = merge.registers.merge_own(context, args).contains(&Encoding::Dense);
    for extract in fetched.extracts() {
        merge.any_dense |= merge.registers.merge_sent(extract);
    }
    merge.store(context, args.get(1))?;
    reply.ok();
    Ok(())
}

impl Merge {
    /// Raises the registers of the destination, which was one of the values if it is there.
    fn store(&self, context: &mut ShardContext<'_>, key: &[u8]) -> Result<(), CommandError> {
        let sparse_bytes_max = context.config().hll_sparse_max_bytes as usize;
        let entry = context.entry(key);
        let old = match &entry {
            Entry::Occupied(occupied) => occupied.value().as_string().expect("the type was checked"),
            Entry::Vacant(_) => &EMPTY,
        };
        let mut new = self.merged(old, sparse_bytes_max)?;
        make_stale(&mut new);
        match entry {
            Entry::Occupied(mut occupied) => occupied.set_string(&new, StringForm::Raw),
            Entry::Vacant(vacant) => vacant.insert_string(&new, None, StringForm::Raw),
        }
        context.event(EventClass::String, "pfadd", key);
        Ok(())
    }

    /// The new value: dense if any was, else grown register by register, so that its runs are those of Redis.
    fn merged(&self, old: &[u8], sparse_bytes_max: usize) -> Result<Vec<u8>, CommandError> {
        if !self.any_dense {
            let (mut value, own) = (old.to_vec(), Registers::of(old)?);
            let ranks = self.registers.0.iter().zip(own.0).enumerate();
            for (number, (rank, _)) in ranks.filter(|(_, (rank, own))| *rank > own) {
                offer(&mut value, number, *rank, sparse_bytes_max)?;
                if encoding(&value) == Encoding::Dense {
                    break;
                }
            }
            if encoding(&value) == Encoding::Sparse {
                return Ok(value);
            }
        }
        Ok(dense_with_head_of(old, &self.registers))
    }
}
