//! One command as COMMAND and COMMAND INFO show it: ten elements, subcommands within the last.

use torc_resp::Reply;

use crate::acl::categories;
use crate::command::keys::KeyRange;
use crate::command::{Begin, Command, Find, Flags, KeySpec, Registry, Row};

/// Redis's names of the flags, in the order in which it shows them.
const FLAG_NAMES: &[(Flags, &str)] = &[
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

/// Writes all top-level commands.
pub(super) fn describe_all(registry: &Registry, reply: &mut Reply<'_>) {
    reply.array(registry.commands().len());
    registry.commands().iter().for_each(|command| describe(command, reply));
}

/// Writes one command.
pub(super) fn describe(command: &Command, reply: &mut Reply<'_>) {
    let row = command.row;
    let range = KeyRange::of(row.keys);
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.integer(i64::from(row.arity));
    statuses(flags(row, range).map(str::to_owned), reply);
    reply.integer(range.first as i64);
    reply.integer(i64::from(range.last));
    reply.integer(range.step as i64);
    statuses(categories(row).map(|name| format!("@{name}")), reply);
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|spec| key_specification(spec, reply));
    // In RESP3 Redis has an array of subcommands, but an empty set where there are none.
    match command.subcommands.len() {
        0 => reply.set(0),
        len => reply.array(len),
    }
    command.subcommands.iter().for_each(|sub| describe(sub, reply));
}

/// Those of the row, and what follows from its key specifications.
fn flags(row: &Row, range: KeyRange) -> impl Iterator<Item = &'static str> + Clone + '_ {
    // Its place among the others does not matter: flags are a set.
    let movable = range.movable.then_some("movablekeys");
    FLAG_NAMES.iter().filter(|(flag, _)| row.flags.has(*flag)).map(|&(_, name)| name).chain(movable)
}

fn statuses(words: impl Iterator<Item = String> + Clone, reply: &mut Reply<'_>) {
    reply.set(words.clone().count());
    words.for_each(|word| reply.simple(&word));
}

/// Where the keys stand, in the newer notation: where to begin, and which arguments from there.
fn key_specification(spec: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(!spec.notes.is_empty()));
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    statuses(spec.flags.names().map(str::to_owned), reply);
    match spec.begin {
        Begin::Index(index) => step("begin_search", "index", &[("index", index as i64)], reply),
        Begin::Keyword { word, from } => {
            head("begin_search", "keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            number(("startfrom", from as i64), reply);
        }
        Begin::Unknown => step("begin_search", "unknown", &[], reply),
    }
    match spec.find {
        Find::Range { last, step: distance, limit } => {
            let numbers = [("lastkey", i64::from(last)), ("keystep", distance as i64), ("limit", limit as i64)];
            step("find_keys", "range", &numbers, reply);
        }
        Find::Count { at, first, step: distance } => {
            let numbers = [("keynumidx", at as i64), ("firstkey", first as i64), ("keystep", distance as i64)];
            step("find_keys", "keynum", &numbers, reply);
        }
        Find::Unknown => step("find_keys", "unknown", &[], reply),
    }
}

/// One of the two steps of a search.
fn step(name: &str, kind: &str, numbers: &[(&str, i64)], reply: &mut Reply<'_>) {
    head(name, kind, numbers.len(), reply);
    numbers.iter().for_each(|&pair| number(pair, reply));
}

fn head(name: &str, kind: &str, len: usize, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(len);
}

fn number((name, number): (&str, i64), reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.integer(number);
}
