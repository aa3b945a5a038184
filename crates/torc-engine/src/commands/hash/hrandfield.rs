//! HRANDFIELD key [count [WITHVALUES]]: random fields of a hash; a negative count may give a field several times.

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::{Args, Protocol, Reply};
use torc_store::HashRef;
use torc_store::hash::HashField;
use torc_store::pack::Packed;

use super::access::{read_hash, reclaim_some, write_text};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::commands::arguments::{SAMPLES_MAX, signed_count};
use crate::error::{CommandError, CommandResult};
use crate::random::Random;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hrandfield",
    arity: -2,
    flags: Flags::READONLY.and(Flags::CHOOSES),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    run: Run::Shard(hrandfield),
    since: "6.2.0",
    summary: "Returns one or more random fields from a hash.",
    complexity: "O(N) where N is the number of fields returned",
    syntax: "key options:[count [WITHVALUES]]",
    ..super::ROW_DEFAULT
};

fn hrandfield(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let request = if args.len() > 2 { Some(Request::parse(args)?) } else { None };
    let mut random = Random::new(context.random().next_u64());
    if read_hash(context, key)?.is_some_and(|hash| hash.expires()) {
        reclaim_some(context, key);
    }
    let now_ms = context.now_ms();
    let value = context.inspect(key);
    // All of its fields may have expired.
    let hash = value.map(|value| HashRef::of(value, now_ms)).filter(|hash| hash.iter().next().is_some());
    let Some(hash) = hash else {
        if request.is_some() { reply.array(0) } else { reply.null() }
        return Ok(());
    };
    let Some(request) = request else {
        write_text(reply, Pool::of(hash).draw(&mut random).name);
        return Ok(());
    };
    if request.count >= 0 {
        let fields = distinct(hash, request.count as usize, &mut random);
        request.start(fields.len(), reply);
        fields.into_iter().for_each(|field| request.write(field, reply));
        return Ok(());
    }
    let count = request.count.unsigned_abs();
    if count > SAMPLES_MAX {
        return Err(CommandError::OutOfRange("value"));
    }
    let mut pool = Pool::of(hash);
    request.start(count as usize, reply);
    (0..count).for_each(|_| request.write(pool.draw(&mut random), reply));
    Ok(())
}

/// Draws from a table that may all meet expired fields before all fields are listed instead.
const TRIES_MAX: usize = 100;

#[derive(Clone, Copy)]
struct Request {
    count: i64,
    with_values: bool,
}

impl Request {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let count = signed_count(args.get(2))?;
        let with_values = args.len() == 4 && args.get(3).eq_ignore_ascii_case(b"WITHVALUES");
        if args.len() > 3 && !with_values {
            return Err(CommandError::Syntax);
        }
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(CommandError::OutOfRange("value"));
        }
        Ok(Request { count, with_values })
    }

    /// The head of the reply: RESP3 has a pair in an array of its own.
    fn start(self, count: usize, reply: &mut Reply<'_>) {
        let is_flat = self.with_values && reply.protocol() == Protocol::Resp2;
        reply.array(if is_flat { count * 2 } else { count });
    }

    fn write(self, field: HashField<'_>, reply: &mut Reply<'_>) {
        if self.with_values && reply.protocol() == Protocol::Resp3 {
            reply.array(2);
        }
        write_text(reply, field.name);
        if self.with_values {
            write_text(reply, field.value);
        }
    }
}

/// Where fields are drawn from: a table, or a list of all fields.
enum Pool<'a> {
    Table(HashRef<'a>),
    Listed(Vec<HashField<'a>>),
}

impl<'a> Pool<'a> {
    fn of(hash: HashRef<'a>) -> Self {
        if hash.is_table() { Pool::Table(hash) } else { Pool::Listed(hash.iter().collect()) }
    }

    /// A field; one that has not expired must be there.
    fn draw(&mut self, random: &mut Random) -> HashField<'a> {
        if let Pool::Table(hash) = *self {
            let drawn = (0..TRIES_MAX).find_map(|_| hash.random(random.next_u64()));
            if let Some(field) = drawn {
                return field;
            }
            *self = Pool::Listed(hash.iter().collect());
        }
        let Pool::Listed(fields) = self else { unreachable!("just made so") };
        fields[random.below(fields.len() as u64) as usize]
    }
}

/// Up to `count` different fields: drawn until there are enough when they are few, else all of them shuffled as far as needed.
fn distinct<'a>(hash: HashRef<'a>, count: usize, random: &mut Random) -> Vec<HashField<'a>> {
    if hash.is_table() && count < hash.len() / 3 {
        let mut names: HashSet<Packed<'a>, RandomState> = HashSet::default();
        let tries = (0..TRIES_MAX + count * 4).filter_map(|_| hash.random(random.next_u64()));
        let fields: Vec<_> = tries.filter(|field| names.insert(field.name)).take(count).collect();
        // Fewer, when most of the table has expired.
        if fields.len() == count {
            return fields;
        }
    }
    let mut fields: Vec<_> = hash.iter().collect();
    let len = fields.len();
    for index in 0..if count < len { count } else { 0 } {
        let other = index + random.below((len - index) as u64) as usize;
        fields.swap(index, other);
    }
    fields.truncate(count);
    fields
}
