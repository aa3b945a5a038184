//! RESTORE key ttl serialized-value [options]: makes a key of what DUMP gave, on this server or on one of Redis or Valkey.
//!
//! Nothing changes unless the whole of it is sound: it is read in full before the key is touched.

use torc_rdb::{DecodeError, payload, types};
use torc_resp::{Args, Reply};
use torc_store::{Entry, UnixMillis};
use torc_resp::number::I64Text;

use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::host_request::LogKind;
use crate::shard::ShardContext;
use crate::snapshot::Layout;

pub(super) static ROW: Row = Row {
    name: "restore",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "OW update")],
    route: Route::Owner,
    run: Run::Shard(restore),
    categories: &["keyspace", "dangerous"],
    since: "2.6.0",
    summary: "Creates a key from the serialized representation of a value.",
    complexity: "O(N) where N is the size of the value; O(N*log(N)) for sorted sets.",
    syntax: "key ttl serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME seconds@5.0.0] [FREQ frequency@5.0.0]",
    history: &[
        ("3.0.0", "Added the `REPLACE` modifier."),
        ("5.0.0", "Added the `ABSTTL` modifier."),
        ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
    ],
    ..super::ROW_DEFAULT
};

const BAD_TTL: CommandError = CommandError::fixed("ERR Invalid TTL value, must be >= 0");

#[derive(Default)]
struct Options {
    replace: bool,
    is_absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

fn restore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args.from(4))?;
    let (key, now_ms) = (args.get(1), context.now_ms());
    if !options.replace && context.access(key) {
        return Err(CommandError::fixed("BUSYKEY Target key name already exists."));
    }
    let expire_at = options.expire_at(integer_argument(args.get(2))?, now_ms)?;
    let payload = args.get(3);
    let value = payload::decode_with(payload, context.payload_checksum()).map_err(|error| match error {
        DecodeError::Seal => CommandError::fixed("ERR DUMP payload version or checksum are wrong"),
        error => bad_data(context, payload, &error.to_string()),
    })?;
    if expire_at.is_some_and(|expire_at| expire_at <= now_ms) {
        if context.remove(key) {
            forms::removed(context, key);
        }
        reply.ok();
        return Ok(());
    }
    let layout = Layout::of_type(payload[0]);
    if let Err(error) = context.put(key, &value, expire_at, layout) {
        return Err(bad_data(context, payload, &format!("{error:?}")));
    }
    let is_lfu = context.config().eviction.policy.is_lfu();
    if let Entry::Occupied(mut occupied) = context.entry(key) {
        match (options.frequency, options.idle_seconds) {
            (Some(frequency), _) if is_lfu => occupied.set_frequency(frequency),
            (_, Some(idle_seconds)) if !is_lfu => occupied.set_idle_seconds(idle_seconds),
            _ => {}
        }
    }
    context.event(EventClass::Generic, "restore", key);
    if let Some(expire_at) = expire_at.filter(|_| !options.is_absolute && context.propagates()) {
        let (expire_at, rest): (_, Vec<&[u8]>) = (I64Text::new(expire_at), args.from(3).iter().collect());
        context.propagate(&[&[b"RESTORE", key, expire_at.as_bytes()], &rest[..], &[b"ABSTTL"]].concat());
    }
    reply.ok();
    Ok(())
}

/// Redis's word for everything that is wrong with the value itself; the log says more.
fn bad_data(context: &mut ShardContext<'_>, payload: &[u8], error: &str) -> CommandError {
    let layout = payload.first().map_or("Value", |&kind| types::layout_name(kind));
    context.log(LogKind::DamagedPayload, || format!("RESTORE: {layout} integrity check failed: {error}"));
    CommandError::fixed("ERR Bad data format")
}

impl Options {
    fn parse(words: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"replace" => options.replace = true,
                b"absttl" => options.is_absolute = true,
                b"idletime" if options.frequency.is_none() => {
                    let seconds = integer_argument(words.next().ok_or(CommandError::Syntax)?)?;
                    let seconds = u64::try_from(seconds);
                    let error = CommandError::fixed("ERR Invalid IDLETIME value, must be >= 0");
                    options.idle_seconds = Some(seconds.map_err(|_| error)?);
                }
                b"freq" if options.idle_seconds.is_none() => {
                    let frequency = integer_argument(words.next().ok_or(CommandError::Syntax)?)?;
                    let frequency = u8::try_from(frequency);
                    let error = CommandError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
                    options.frequency = Some(frequency.map_err(|_| error)?);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    /// When the key is to expire; 0 means never.
    fn expire_at(&self, ttl: i64, now_ms: UnixMillis) -> Result<Option<UnixMillis>, CommandError> {
        match ttl {
            0 => Ok(None),
            ..0 => Err(BAD_TTL),
            ttl if self.is_absolute => Ok(Some(ttl)),
            ttl => ttl.checked_add(now_ms).map(Some).ok_or(BAD_TTL),
        }
    }
}
