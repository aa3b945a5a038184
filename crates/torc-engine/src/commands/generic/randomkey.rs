//! RANDOMKEY: some key of the database. Each core offers one of its keys and says how many it has; the
//! connection's core chooses among them by those numbers.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "randomkey",
    arity: 1,
    flags: Flags::READONLY.and(Flags::CHOOSES).and(Flags::OF_NODE),
    route: Route::Every(Merge::Custom(choose)),
    run: Run::Shard(offer),
    summary: "Returns a random key name from the database.",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    ..super::ROW_DEFAULT
};

/// Answers the number of keys of this shard and one of them, or null.
fn offer(context: &mut ShardContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let random = context.random().next_u64();
    reply.array(2);
    reply.integer(context.keys_len() as i64);
    match context.random_key(random) {
        Some(value) => reply.bulk(value.key()),
        None => reply.null(),
    }
    Ok(())
}

fn choose(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let offers = || parts.iter().map(|part| read_offer(part)).filter(|(_, key)| !reader::is_null(key));
    let total: u64 = offers().map(|(keys, _)| keys).sum();
    if total == 0 {
        reply.null();
        return Ok(());
    }
    let mut left = context.random().below(total);
    for (keys, key) in offers() {
        if left < keys {
            reply.raw(key);
            return Ok(());
        }
        left -= keys;
    }
    unreachable!("a number below the sum falls into one of its terms");
}

/// The number of keys, and the encoded key or null.
fn read_offer(part: &[u8]) -> (u64, &[u8]) {
    let mut elements = Elements::new(part).expect("an offer is an array");
    let keys = elements.next().and_then(reader::integer).expect("an offer begins with a number");
    (keys as u64, elements.next().expect("an offer has two elements"))
}
