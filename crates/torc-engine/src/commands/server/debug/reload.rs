//! DEBUG RELOAD: every value is written as an RDB file would hold it, and made anew from that.
//!
//! Redis writes a file, empties the databases and reads the file. There is no file here, but every value goes the same way
//! there and back, so what such a round changes (the form of a value, keys that have expired) changes here, too.

use torc_rdb::{Input, VERSION_FIELD_EXPIRY, decode_value};
use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;
use crate::snapshot::{self, Layout, Writing};

pub(super) static ROW: Row = Row {
    name: "reload",
    arity: 2,
    flags: super::DEVELOPER.and(Flags::WRITE).and(Flags::LONG),
    route: Route::Every(Merge::Same),
    run: Run::Shard(reload),
    group: "server",
    summary: "Encodes every value as in an RDB file and makes it anew from that.",
    complexity: "O(N) where N is the size of all values",
    ..Row::DEFAULT
};

fn reload(context: &mut ShardContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = context.now_ms();
    // All values stay what they are.
    context.propagate_nothing();
    for db in 0..context.databases() {
        let database = &mut context.in_database(db);
        // Expired ones, too: they do not come back.
        for key in database.all_names() {
            let Some(value) = database.glance(&key) else {
                database.remove(&key);
                continue;
            };
            let (expire_at, config) = (value.expire_at(), database.config());
            let writing = Writing { config, version: VERSION_FIELD_EXPIRY, compress: false, now_ms };
            let mut encoded = Vec::new();
            if snapshot::encode(value, writing, &mut encoded).is_none() {
                database.remove(&key);
                database.propagate(&[b"DEL", &key]);
                continue;
            }
            let (kind, body) = encoded.split_first().expect("an encoded value begins with its type");
            let decoded = decode_value(&mut Input::new(body), *kind, VERSION_FIELD_EXPIRY)
                .expect("what was just encoded can be decoded");
            // In two steps, so that nothing of the old value is left.
            database.remove(&key);
            let layout = Layout::of_type(*kind);
            database.put(&key, &decoded, expire_at, layout).expect("the store has held this value");
        }
    }
    reply.ok();
    Ok(())
}
