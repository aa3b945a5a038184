//! MEMORY STATS: what memory is used for, over all cores.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::commands::server::info;
use crate::error::CommandResult;
use crate::session::{CoreContext, SessionContext};

pub(super) static ROW: Row = Row {
    name: "stats",
    arity: 2,
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(report),
    since: "4.0.0",
    group: "server",
    summary: "Returns details about memory usage.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..Row::DEFAULT
};

/// One core's part.
pub(super) fn report(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    info::report_core(context, args.from(2), reply);
    Ok(())
}

/// Figures that are ratios.
struct Ratio(&'static str, f64);

fn merge(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let report = info::merged(context, parts);
    let figures = &report.figures;
    let resident = context.facts().process.resident_bytes;
    let (used, held) = (figures.used_bytes, figures.used_bytes + figures.wasted_bytes);
    let keys: i64 = report.databases.iter().map(|database| database.keys).sum();
    let overhead = used.saturating_sub(figures.dataset_bytes);
    let databases: Vec<_> = report.databases.iter().enumerate().filter(|(_, database)| database.keys > 0).collect();
    reply.map(27 + databases.len());
    integers(reply, [
        ("peak.allocated", figures.peak_bytes),
        ("total.allocated", used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", figures.clients_bytes),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", figures.script_bytes),
        ("functions.caches", figures.library_bytes),
    ]);
    for (db, database) in databases {
        reply.bulk(format!("db.{db}").as_bytes());
        // The tables of all databases are counted together; a time to live is kept in the entry.
        let table = share(figures.table_bytes, database.keys, keys);
        reply.map(2);
        integers(reply, [("overhead.hashtable.main", table), ("overhead.hashtable.expires", 0)]);
    }
    integers(reply, [
        ("overhead.total", overhead),
        ("keys.count", keys as u64),
        ("keys.bytes-per-key", share(used, 1, keys)),
        ("dataset.bytes", figures.dataset_bytes),
    ]);
    ratio(reply, Ratio("dataset.percentage", percent(figures.dataset_bytes, used)));
    ratio(reply, Ratio("peak.percentage", percent(used, figures.peak_bytes)));
    integers(reply, [
        ("allocator.allocated", used),
        ("allocator.active", held),
        ("allocator.resident", resident),
    ]);
    // Each with a difference in bytes.
    for ([of, and], (part, whole)) in [
        (["allocator-fragmentation.ratio", "allocator-fragmentation.bytes"], (held, used)),
        (["allocator-rss.ratio", "allocator-rss.bytes"], (resident, held)),
        (["rss-overhead.ratio", "rss-overhead.bytes"], (resident, resident)),
        (["fragmentation", "fragmentation.bytes"], (resident, used)),
    ] {
        ratio(reply, Ratio(of, part as f64 / whole.max(1) as f64));
        reply.bulk(and.as_bytes());
        reply.integer(part as i64 - whole as i64);
    }
    Ok(())
}

fn integers<const N: usize>(reply: &mut Reply<'_>, figures: [(&str, u64); N]) {
    for (name, figure) in figures {
        reply.bulk(name.as_bytes());
        reply.integer(figure as i64);
    }
}

fn ratio(reply: &mut Reply<'_>, Ratio(name, value): Ratio) {
    reply.bulk(name.as_bytes());
    reply.double(value);
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn share(bytes: u64, keys: i64, of: i64) -> u64 {
    (u128::from(bytes) * keys as u128 / of.max(1) as u128) as u64
}
