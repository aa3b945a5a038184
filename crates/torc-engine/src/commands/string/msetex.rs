//! MSETEX numkeys key value [...] [NX|XX] [EX|PX|EXAT|PXAT time | KEEPTTL]: sets several keys with one expiry (Redis 8.4).

use torc_resp::{Args, Reply};

use super::options::{Condition, Expiry, Family, Options};
use super::store::{Expire, store};
use crate::command::{Flags, Keys, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of MSETEX.
pub static ROW: Row = Row {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
    keys: Keys { first: 2, last: -1, step: 2 },
    key_flags: "OW update",
    key_count_at: 1,
    route: Route::Owner,
    run: Run::Shard(msetex),
    since: "8.4.0",
    group: "string",
    summary: "Atomically sets multiple string keys with a shared expiration in a single operation.",
    complexity: "O(N) where N is the number of keys to set.",
    syntax: "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    ..Row::DEFAULT
};

fn msetex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pairs_len = pairs_len(args)?;
    let (pairs, words) = (args.range(2..2 + pairs_len), args.from(2 + pairs_len));
    let options = Options::parse(words, Family::MSetEx)?;
    let (db, now_ms) = (context.db, context.now_ms());
    let expire = match options.expiry.time(now_ms, context.command.full_name)? {
        Some(at) => Expire::At(at),
        None if options.expiry == Expiry::Keep => Expire::Keep,
        None => Expire::Never,
    };
    let mut keys = pairs.iter().step_by(2);
    let mut exists = |key: &[u8]| context.state.keyspace.contains(db, key, now_ms);
    let allowed = match options.condition {
        Condition::Absent => !keys.any(exists),
        Condition::Present => keys.all(&mut exists),
        _ => true,
    };
    if allowed {
        let mut rest = pairs.iter();
        while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
            store(context.entry(key), value, expire, now_ms);
        }
    }
    reply.integer(i64::from(allowed));
    Ok(())
}

/// The number of arguments that are keys and values.
fn pairs_len(args: Args<'_>) -> Result<usize, CommandError> {
    let count = torc_resp::number::parse_i64(args.get(1)).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let Some(count) = count else { return Err(CommandError::fixed("ERR invalid numkeys value")) };
    let len = count as usize * 2;
    if len > args.len() - 2 {
        return Err(CommandError::fixed("ERR wrong number of key-value pairs"));
    }
    Ok(len)
}
