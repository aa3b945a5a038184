//! DEBUG DIGEST: one number for all that the databases hold.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use super::checksum::Checksum;
use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "digest",
    arity: 2,
    flags: super::DEVELOPER.and(Flags::READONLY).and(Flags::LONG),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Shard(digest),
    group: "server",
    summary: "Outputs a hex signature representing the current DB content.",
    complexity: "O(N) where N is the size of all values",
    ..Row::DEFAULT
};

/// One core's part: for each database that has keys here, its number and the sum of its keys.
fn digest(context: &mut ShardContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let used: Vec<u16> = (0..context.databases()).filter(|&db| context.in_database(db).keys_len() > 0).collect();
    reply.array(used.len() * 2);
    for db in used {
        let (mut sum, database) = (Checksum::default(), context.in_database(db));
        database.for_each(&mut |value| {
            let mut key = Checksum::default();
            key.mix(value.key());
            key.mix_value(value, database.config(), database.now_ms());
            sum.add(&key.0);
        });
        reply.integer(i64::from(db));
        reply.bulk(&sum.0);
    }
    Ok(())
}

fn merge(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let mut databases = vec![None::<Checksum>; usize::from(context.databases())];
    for part in parts {
        let mut elements = Elements::new(part).expect("a part is an array");
        while let (Some(db), Some(sum)) = (elements.next(), elements.next()) {
            let db = reader::integer(db).expect("a number of a database") as usize;
            let sum = reader::bulk(sum).and_then(|bytes| bytes.try_into().ok()).expect("a sum has 20 bytes");
            databases[db].get_or_insert_default().combine(Checksum(sum));
        }
    }
    let mut total = Checksum::default();
    for (db, sum) in databases.into_iter().enumerate() {
        if let Some(sum) = sum {
            total.mix(&(db as u32).to_be_bytes());
            total.combine(sum);
        }
    }
    reply.simple(&total.hex());
    Ok(())
}
