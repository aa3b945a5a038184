//! DEBUG OBJECT key: what is known of a value, in one line.

use torc_rdb::VERSION_FIELD_EXPIRY;
use torc_resp::{Args, Reply};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;
use crate::snapshot::{self, Writing};

pub(super) static ROW: Row = Row {
    name: "object",
    arity: 3,
    flags: super::DEVELOPER.and(Flags::READONLY).and(Flags::LONG),
    keys: &[KeySpec::at(2, "RO access")],
    route: Route::Owner,
    run: Run::Shard(object),
    group: "server",
    summary: "Shows low level info about a key and its value.",
    complexity: "O(N) where N is the size of the value",
    syntax: "key",
    ..Row::DEFAULT
};

fn object(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = context.now_ms();
    let value = context.glance_past_expiry(args.get(2)).ok_or(CommandError::NoSuchKey)?;
    let mut encoded = Vec::new();
    let writing = Writing { config: context.config(), version: VERSION_FIELD_EXPIRY, compress: true, now_ms };
    snapshot::encode(value, writing, &mut encoded).ok_or(CommandError::NoSuchKey)?;
    // Without the byte of the type, as Redis counts.
    let serialized_len = encoded.len() - 1;
    let idle_seconds = value.idle_seconds(now_ms);
    // Key and value, or what leads to the value, are one allocation.
    let address = value.key().as_ptr().addr();
    // Redis's clock for idle times: seconds in 24 bits.
    let clock = (now_ms / 1000 - idle_seconds as i64) & 0xff_ffff;
    reply.simple(&format!(
        "Value at:{address:#x} refcount:1 encoding:{} serializedlength:{serialized_len} lru:{clock} lru_seconds_idle:{idle_seconds}",
        value.encoding()
    ));
    Ok(())
}
