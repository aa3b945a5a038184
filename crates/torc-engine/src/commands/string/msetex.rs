//! MSETEX numkeys key value [...] [NX|XX] [EX|PX|EXAT|PXAT time | KEEPTTL]: sets several keys with one expiry (Redis 8.4).

use torc_resp::{Args, Reply};

use super::options::{Condition, Expiry, Family, Options};
use super::store::{self, Expire, store};
use torc_resp::number::I64Text;

use crate::commands::forms;
use crate::command::{ApplyOn, Fetched, Fetching, Find, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec { find: Find::Count { at: 0, first: 1, step: 2 }, ..KeySpec::counted(1, "OW update") }],
    route: Route::Relay(&RELAY),
    run: Run::Shard(msetex),
    since: "8.4.0",
    group: "string",
    summary: "Atomically sets multiple string keys with a shared expiration in a single operation.",
    complexity: "O(N) where N is the number of keys to set.",
    syntax: "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners };

/// What the arguments ask for.
struct Request<'a> {
    /// Keys and values in turn.
    pairs: Args<'a>,
    condition: Condition<'a>,
    expire: Expire,
}

fn msetex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = Request::parse(context, args)?;
    let existing: Vec<bool> = request.keys().map(|key| context.access(key)).collect();
    request.set(context, existing.into_iter(), reply);
    Ok(())
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    Request::parse(context, args)?;
    extract.integer(i64::from(context.access(args.get(2 + 2 * key_number))));
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = Request::parse(context, args)?;
    request.set(context, fetched.0.iter().map(|exists| exists == b":1\r\n"), reply);
    Ok(())
}

impl<'a> Request<'a> {
    fn parse(context: &ShardContext<'_>, args: Args<'a>) -> Result<Self, CommandError> {
        let pairs_len = pairs_len(args)?;
        let (pairs, words) = (args.range(2..2 + pairs_len), args.from(2 + pairs_len));
        let options = Options::parse(words, Family::MSetEx)?;
        let expire = match options.expiry.time(context.now_ms(), context.command.full_name)? {
            Some(at) => Expire::At(at),
            None if options.expiry == Expiry::Keep => Expire::Keep,
            None => Expire::Never,
        };
        Ok(Request { pairs, condition: options.condition, expire })
    }

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.pairs.iter().step_by(2)
    }

    /// Sets the keys of this core, if which of all keys exist allows it.
    fn set(&self, context: &mut ShardContext<'_>, mut existing: impl Iterator<Item = bool>, reply: &mut Reply<'_>) {
        let now_ms = context.now_ms();
        let allowed = match self.condition {
            Condition::Absent => !existing.any(|exists| exists),
            Condition::Present => existing.all(|exists| exists),
            _ => true,
        };
        let mut rest = self.pairs.iter();
        while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
            if allowed && context.owns(key) {
                store(context.entry(key), value, self.expire, now_ms);
                store::tell(context, key, self.expire);
                context.count_changes(1);
            }
        }
        if allowed && context.propagates() {
            self.propagate(context);
        }
        reply.integer(i64::from(allowed));
    }

    /// With an absolute time, and without a condition, which held. All cores tell the same; only of keys whose time has come each
    /// tells its own.
    #[cold]
    fn propagate(&self, context: &mut ShardContext<'_>) {
        let count = I64Text::new(self.pairs.len() as i64 / 2);
        let pairs: Vec<&[u8]> = self.pairs.iter().collect();
        let words = [&[b"MSETEX", count.as_bytes()], &pairs[..]].concat();
        match self.expire {
            Expire::Never => context.propagate(&words),
            Expire::Keep => context.propagate(&[&words[..], &[b"KEEPTTL"]].concat()),
            Expire::At(at) if at > context.now_ms() => {
                context.propagate(&[&words[..], &[b"PXAT", I64Text::new(at).as_bytes()]].concat());
            }
            Expire::At(_) => {
                let own: Vec<&[u8]> = self.keys().filter(|key| context.owns(key)).collect();
                forms::with_elements(context, &[b"DEL"], &own);
            }
        }
    }
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
