//! HSETEX key [NX | XX] [FNX | FXX] [EX | PX | EXAT | PXAT time | KEEPTTL] FIELDS numfields field value [field value ...]: sets fields
//! with their expiry, or none of them. NX and XX ask for the key, FNX and FXX for the fields.

use torc_resp::number::{I64Text, parse_i64};
use torc_resp::{Args, Reply};
use torc_store::hash::{self, Ttl};
use torc_store::{Entry, HashMut, Kind};

use super::access::{limits, pairs};
use super::field_expiry::Notation;
use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hsetex",
    arity: -6,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "RW update")],
    run: Run::Shard(hsetex),
    since: "8.0.0",
    summary: "Set the value of one or more fields of a given hash key, and optionally set their expiration.",
    complexity: "O(N) where N is the number of fields being set.",
    syntax: "key key-condition:[NX@9.0.0 | XX@9.0.0] condition:[FNX | FXX] expiration:[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS fields:<numfields field value data:[field value ...]>",
    ..super::ROW_DEFAULT
};

fn hsetex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(context, args)?;
    let (limits, now_ms) = (limits(context), context.now_ms());
    let pairs = pairs(options.pairs);
    let count = pairs.len();
    let is_past = matches!(options.ttl, Ttl::At(at) if at <= now_ms);
    let (mut gone, mut went, propagates) = (Vec::new(), false, context.propagates());
    let entry = context.entry_of_kind(args.get(1), Kind::Hash)?;
    let key_fits = options.key_exists.is_none_or(|exists| exists == matches!(entry, Entry::Occupied(_)));
    let applies = match entry {
        _ if !key_fits => false,
        Entry::Vacant(_) if options.condition == Condition::AllPresent => false,
        Entry::Vacant(_) if is_past => true,
        Entry::Vacant(vacant) => {
            let expire_at = if let Ttl::At(at) = options.ttl { Some(at) } else { None };
            let fields = pairs.map(|(field, value)| (field, value, expire_at));
            hash::build(Entry::Vacant(vacant), fields, None, limits);
            true
        }
        Entry::Occupied(occupied) => {
            let mut hash = HashMut::of(occupied, limits);
            let applies = {
                let hash = hash.as_ref();
                let is_there = |(field, _): (&[u8], &[u8])| hash.get(field).is_some();
                match options.condition {
                    Condition::Always => true,
                    Condition::AllAbsent => !pairs.clone().any(is_there),
                    Condition::AllPresent => pairs.clone().all(is_there),
                }
            };
            for (field, value) in pairs {
                if applies && is_past || !applies && hash.as_ref().has_expired(field) {
                    if hash.remove(field) {
                        went = true;
                        if propagates {
                            gone.push(field);
                        }
                    }
                } else if applies {
                    hash.set(field, value, options.ttl);
                }
            }
            hash.finish();
            applies
        }
    };
    if applies {
        // As Redis counts: fields as they are given, even if they went at once.
        context.count_changes(count);
        options.tell(context, args.get(1), went);
        options.propagate(context, args, &gone);
    }
    reply.integer(i64::from(applies));
    Ok(())
}

/// FNX and FXX.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    AllAbsent,
    AllPresent,
}

struct Options<'a> {
    /// Whether the key must be there (XX) or not (NX).
    key_exists: Option<bool>,
    condition: Condition,
    ttl: Ttl,
    /// Fields and values in turn.
    pairs: Args<'a>,
}

impl<'a> Options<'a> {
    /// Tells that fields were set, or that some `went`, for their time is past.
    fn tell(&self, context: &mut ShardContext<'_>, key: &[u8], went: bool) {
        match self.ttl {
            Ttl::At(at) if at > context.now_ms() => {
                context.event(EventClass::Hash, "hset", key);
                context.event(EventClass::Hash, "hexpire", key);
            }
            Ttl::At(_) if went => context.event(EventClass::Hash, "hdel", key),
            Ttl::At(_) => {}
            Ttl::Clear | Ttl::Keep => context.event(EventClass::Hash, "hset", key),
        }
    }

    /// Where the fields were given a time: an absolute one, or, for it is past, that those went that were there.
    fn propagate(&self, context: &mut ShardContext<'_>, args: Args<'_>, gone: &[&[u8]]) {
        let Ttl::At(at) = self.ttl else { return };
        if !context.propagates() {
            return;
        }
        if at > context.now_ms() {
            let at = I64Text::new(at);
            let count = I64Text::new(self.pairs.len() as i64 / 2);
            let pairs: Vec<&[u8]> = self.pairs.iter().collect();
            let words: [&[u8]; 6] = [b"HSETEX", args.get(1), b"PXAT", at.as_bytes(), b"FIELDS", count.as_bytes()];
            forms::with_elements(context, &words, &pairs);
        } else if gone.is_empty() {
            context.propagate_nothing();
        } else {
            forms::with_elements(context, &[b"HDEL", args.get(1)], gone);
        }
    }

    fn parse(context: &ShardContext<'_>, args: Args<'a>) -> Result<Self, CommandError> {
        let (mut key_exists, mut condition, mut ttl) = (None, None, None);
        let arity = CommandError::Arity(context.command.full_name);
        let mut at = 2;
        while at < args.len() {
            let word = args.get(at);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("FIELDS") {
                let pairs = counted_pairs(args, at).ok_or(arity)??;
                let condition = condition.unwrap_or(Condition::Always);
                return Ok(Options { key_exists, condition, ttl: ttl.unwrap_or(Ttl::Clear), pairs });
            } else if let Some(notation) = Notation::of_word(word) {
                check_first(ttl.is_none(), TWO_TIMES)?;
                at += 1;
                if at == args.len() {
                    return Err(CommandError::fixed("ERR missing expire time"));
                }
                ttl = Some(Ttl::At(notation.deadline_ms(context, args.get(at))?));
            } else if is("KEEPTTL") {
                check_first(ttl.is_none(), TWO_TIMES)?;
                ttl = Some(Ttl::Keep);
            } else if is("NX") || is("XX") {
                check_first(key_exists.is_none(), TWO_KEY_CONDITIONS)?;
                key_exists = Some(is("XX"));
            } else if is("FNX") || is("FXX") {
                check_first(condition.is_none(), TWO_CONDITIONS)?;
                condition = Some(if is("FNX") { Condition::AllAbsent } else { Condition::AllPresent });
            } else {
                return Err(CommandError::quoting("ERR unknown argument: {}", &[word]));
            }
            at += 1;
        }
        Err(arity)
    }
}

const TWO_TIMES: &str = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
const TWO_KEY_CONDITIONS: &str = "ERR Only one of NX or XX arguments can be specified";
const TWO_CONDITIONS: &str = "ERR Only one of FXX or FNX arguments can be specified";

fn check_first(is_first: bool, otherwise: &'static str) -> CommandResult {
    if is_first { Ok(()) } else { Err(CommandError::fixed(otherwise)) }
}

/// The fields and values behind FIELDS; `None` when their number is not as announced.
fn counted_pairs(args: Args<'_>, fields_at: usize) -> Option<Result<Args<'_>, CommandError>> {
    if fields_at + 3 >= args.len() {
        return None;
    }
    let count = parse_i64(args.get(fields_at + 1)).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let Some(count) = count else { return Some(Err(CommandError::fixed("ERR invalid number of fields"))) };
    let pairs = args.from(fields_at + 2);
    (pairs.len() as i64 == count * 2).then_some(Ok(pairs))
}
