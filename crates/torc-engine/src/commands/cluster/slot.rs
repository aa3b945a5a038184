//! What the subcommands about one slot share: which core answers, and the walk over the slot's keys.

use torc_resp::Args;

use crate::command::integer_argument;
use crate::error::CommandError;
use crate::route::{self, CoreId, SlotMap};
use crate::shard::ShardContext;

/// The core that owns the slot of the request; `None` when there is no such slot.
pub fn core_of_request(args: Args<'_>, slots: &SlotMap) -> Option<CoreId> {
    let slot = integer_argument(args.get(2)).ok().and_then(valid)?;
    Some(slots.slot_owner(slot))
}

/// The slot of this number, if there is one.
pub fn valid(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|&slot| u32::from(slot) < route::SLOTS)
}

/// Reads an argument as a number; whether there is such a slot is not looked at.
pub fn number(args: Args<'_>) -> Result<i64, CommandError> {
    integer_argument(args.get(2))
}

/// Number of keys of the slot, as in Redis with those that have expired and are not removed yet.
pub fn count_keys(context: &mut ShardContext<'_>, slot: u16) -> usize {
    let counted = context.slot_len(slot);
    counted.expect("a core with a port of its own counts keys by slot")
}

/// Calls `visit` with each key of the slot. There is no index by slot, so all keys of the core are looked at.
pub fn for_each_key(context: &mut ShardContext<'_>, slot: u16, mut visit: impl FnMut(&[u8])) {
    context.for_each(&mut |value| {
        if route::key_slot(value.key()) == slot {
            visit(value.key());
        }
    });
}
