//! ACL LOG [count | RESET]: what was denied of late on any core, the newest first; entries that are alike are one.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use crate::acl::LogEntry;
use crate::acl::log::SAME_MS_MAX;
use crate::command::{Merge, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::session::{CoreContext, SessionContext};

/// Entries that are shown if nothing else is asked for.
const SHOWN: i64 = 10;

pub(super) static ROW: Row = Row {
    name: "log",
    arity: -2,
    flags: super::ADMIN,
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(log),
    since: "6.0.0",
    group: "server",
    summary: "Lists recent security events generated due to ACL rules.",
    complexity: "O(N) with N being the number of entries shown.",
    syntax: "operation:[count/integer | RESET]",
    history: &[
        ("7.2.0", "Added entry ID, timestamp created, and timestamp last updated."),
    ],
    ..Row::DEFAULT
};

/// What is asked for: so many entries, or `None`: that none is left.
fn parse(args: Args<'_>) -> Result<Option<usize>, CommandError> {
    match args.len() {
        2 => Ok(Some(SHOWN as usize)),
        3 if args.get(2).eq_ignore_ascii_case(b"reset") => Ok(None),
        3 => Ok(Some(integer_argument(args.get(2))?.max(0) as usize)),
        _ => Err(super::wrong_arguments(args)),
    }
}

/// One core's part: its entries, five strings and four numbers for each.
fn log(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(count) = parse(args)? else {
        context.clear_denials();
        reply.array(0);
        return Ok(());
    };
    let entries: Vec<&LogEntry> = context.denials().entries().take(count).collect();
    reply.array(entries.len() * FIELDS);
    for entry in entries {
        reply.bulk(entry.reason.name().as_bytes());
        reply.bulk(entry.context.name().as_bytes());
        reply.bulk(&entry.object);
        reply.bulk(&entry.user);
        reply.bulk(entry.client.as_bytes());
        reply.integer(entry.count as i64);
        reply.integer(entry.id as i64);
        reply.integer(entry.created_ms);
        reply.integer(entry.updated_ms);
    }
    Ok(())
}

const FIELDS: usize = 9;

/// An entry of a core's part.
struct Shown<'a> {
    texts: [&'a [u8]; 5],
    count: i64,
    id: i64,
    created_ms: i64,
    updated_ms: i64,
}

impl<'a> Shown<'a> {
    fn read(fields: &[&'a [u8]]) -> Self {
        let text = |at: usize| reader::bulk(fields[at]).expect("a part has strings first");
        let number = |at: usize| reader::integer(fields[at]).expect("a part has numbers last");
        Shown {
            texts: std::array::from_fn(text),
            count: number(5),
            id: number(6),
            created_ms: number(7),
            updated_ms: number(8),
        }
    }
}

fn merge(context: &mut SessionContext<'_>, args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let Some(count) = parse(args)? else {
        reply.ok();
        return Ok(());
    };
    let mut entries: Vec<Shown<'_>> = Vec::new();
    for part in parts {
        let fields: Vec<&[u8]> = Elements::new(part).expect("a part is an array").collect();
        entries.extend(fields.chunks(FIELDS).map(Shown::read));
    }
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.updated_ms, entry.id)));
    let mut entries = joined(entries);
    entries.truncate(count.min(context.facts().config.acl.acllog_max_len as usize));
    let now_ms = context.facts().now_ms;
    reply.array(entries.len());
    entries.iter().for_each(|entry| show(entry, now_ms, reply));
    Ok(())
}

/// What several cores have denied alike is one entry: the newest, with the number of all.
fn joined(entries: Vec<Shown<'_>>) -> Vec<Shown<'_>> {
    let mut joined: Vec<Shown<'_>> = Vec::new();
    for entry in entries {
        let is_like = |known: &&mut Shown<'_>| {
            known.texts[..4] == entry.texts[..4] && known.created_ms - entry.updated_ms <= SAME_MS_MAX
        };
        match joined.iter_mut().find(is_like) {
            Some(known) => {
                known.count += entry.count;
                known.created_ms = known.created_ms.min(entry.created_ms);
            }
            None => joined.push(entry),
        }
    }
    joined
}

fn show(entry: &Shown<'_>, now_ms: i64, reply: &mut Reply<'_>) {
    let [reason, context, object, user, client] = entry.texts;
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(entry.count);
    for (name, text) in [("reason", reason), ("context", context), ("object", object), ("username", user)] {
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(client);
    let numbers = [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ];
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
}
