//! SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]: the keys of the database, a few at a time.
//!
//! The cores are scanned one after another. The cursor says which one, and where in it:
//!
//! ```text
//!   63        43 42                     0
//!   [   core    ][ the shard's cursor    ]     at most 2^53 for 1024 cores: exact in a double
//! ```
//!
//! A shard's cursor 0 is its start, so 0 as a whole is the start of the first core; behind the last core
//! it is 0 again, which tells the client that it has seen everything. A core that ends before COUNT keys are found is
//! followed by the next one within the same call.
//!
//! On a core's own port only that core is scanned: wherever a cursor of another core stands, it is the start of this one.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use super::key_list::KeyList;
use crate::command::{Flags, Route, Row, Run, Walk, WalkStep};
use crate::commands::scan_options::{Extra, ScanOptions, parse_cursor};
use crate::error::CommandResult;
use crate::plan::Scope;
use crate::route::{CoreId, SlotMap};
use crate::session::SessionContext;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY.and(Flags::OF_NODE).and(Flags::LONG),
    route: Route::Walk(&Walk { first: core_of_request, step, merge }),
    run: Run::Shard(scan),
    since: "2.8.0",
    summary: "Iterates over the key names in the database.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to \
                 return back to 0. N is the number of elements inside the collection.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type@6.0.0]",
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    history: &[
        ("6.0.0", "Added the `TYPE` subcommand."),
    ],
    ..super::ROW_DEFAULT
};

/// The option beyond those that all scans have.
const TYPE_OPTION: &[Extra] = &[Extra(b"type", true)];

/// Bits of a cursor that belong to the shard.
const SHARD_BITS: u32 = 43;

fn core_of_request(args: Args<'_>, slots: &SlotMap) -> Option<CoreId> {
    parse_cursor(args.get(1)).ok().and_then(|cursor| Cursor(cursor).core(slots.cores()))
}

fn scan(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = Cursor(parse_cursor(args.get(1))?);
    let options = ScanOptions::parse(args.from(2), TYPE_OPTION)?;
    let [kind] = options.extra;
    let mut found = KeyList::default();
    let mut next = Cursor::START;
    // A cursor of a core that does not exist comes from no reply; it finds nothing, as in Redis.
    if let Some(named) = cursor.core(context.cores()) {
        let core = context.core();
        let start = if named == core { cursor.in_shard() } else { 0 };
        let rest = context.scan(start, options.count, &mut |value| {
            let is_type = kind.is_none_or(|kind| kind.eq_ignore_ascii_case(value.kind().name().as_bytes()));
            if is_type && options.pattern.matches(value.key()) {
                found.push(value.key());
            }
        });
        next = Cursor::after(core, rest, context.cores());
    }
    reply.array(2);
    reply.bulk_integer(next.0 as i64);
    found.write(reply);
    Ok(())
}

/// The next core is asked when this one has ended and fewer than COUNT keys were found, for as many as are left.
fn step(args: Args<'_>, found_before: usize, part: &[u8]) -> WalkStep {
    let (cursor, keys) = read_part(part);
    let found = found_before + keys.len();
    let count = ScanOptions::parse(args.from(2), TYPE_OPTION).map_or(0, |options| options.count);
    if cursor == Cursor::START || cursor.in_shard() != 0 || found >= count {
        return WalkStep { found, next: None };
    }
    let head = [args.name().to_vec(), cursor.0.to_string().into_bytes()];
    let options = args.from(2).iter().map(<[u8]>::to_vec);
    // The last COUNT counts.
    let tail = [b"COUNT".to_vec(), (count - found).to_string().into_bytes()];
    let core = cursor.core(u16::MAX).expect("a cursor that a core has made names a core");
    WalkStep { found, next: Some((core, head.into_iter().chain(options).chain(tail).collect())) }
}

fn merge(context: &mut SessionContext<'_>, _: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let mut next = Cursor::START;
    let mut keys: Vec<&[u8]> = Vec::new();
    for part in parts {
        let (cursor, found) = read_part(part);
        next = cursor;
        keys.extend(found);
    }
    let facts = context.facts();
    if context.session.scope() == Scope::Node && next.core(facts.cores) != Some(facts.core) {
        next = Cursor::START;
    }
    reply.array(2);
    reply.bulk_integer(next.0 as i64);
    reply.array(keys.len());
    keys.into_iter().for_each(|key| reply.raw(key));
    Ok(())
}

/// The cursor and the encoded keys of a core's part.
fn read_part(part: &[u8]) -> (Cursor, Elements<'_>) {
    let mut elements = Elements::new(part).expect("a part is an array");
    let cursor = elements.next().and_then(reader::bulk).and_then(|text| parse_cursor(text).ok());
    let keys = elements.next().and_then(Elements::new);
    (Cursor(cursor.expect("a part begins with a cursor")), keys.expect("a part ends with keys"))
}

/// A place in the walk over all cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cursor(u64);

impl Cursor {
    const START: Cursor = Cursor(0);

    /// What follows when the shard of `core` gave `rest` as its next cursor.
    fn after(core: CoreId, rest: u64, cores: u16) -> Cursor {
        assert!(rest >> SHARD_BITS == 0, "a shard's cursor has {SHARD_BITS} bits");
        if rest != 0 {
            Cursor(u64::from(core) << SHARD_BITS | rest)
        } else if core + 1 < cores {
            Cursor(u64::from(core + 1) << SHARD_BITS)
        } else {
            Cursor::START
        }
    }

    /// The core it lies in, if there is such a core.
    fn core(self, cores: u16) -> Option<CoreId> {
        CoreId::try_from(self.0 >> SHARD_BITS).ok().filter(|&core| core < cores)
    }

    fn in_shard(self) -> u64 {
        self.0 & ((1 << SHARD_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_the_cores_in_turn_and_ends_at_zero() {
        let middle = Cursor::after(1, 77, 3);
        assert_eq!((middle.core(3), middle.in_shard()), (Some(1), 77));
        let second = Cursor::after(1, 0, 3);
        assert_eq!((second.core(3), second.in_shard()), (Some(2), 0));
        assert_eq!(Cursor::after(2, 0, 3), Cursor::START);
        assert_eq!(Cursor::after(0, 0, 1), Cursor::START);
        assert_eq!(second.core(2), None);
        assert!(Cursor::after(1023, (1 << SHARD_BITS) - 1, 1024).0 < 1 << 53);
    }
}
