//! The whole keyspace of both sides: names, types, expiry, and values as DUMP payloads decoded into neutral values.

use torc_rdb::{Value, payload};

use crate::compare::Compare;
use crate::known::{Reference, is_meant};
use crate::node::Node;
use crate::servers::Connection;

const DATABASES: u8 = 16;

/// How far two readings of a time to live may be apart, in milliseconds.
const TTL_SLACK_MS: i64 = 15_000;

/// Compares both keyspaces; `reforms`: there may have been SORT or RESTORE. `Some`: what differs.
pub fn difference(
    reference: Reference,
    redis: &mut Connection,
    torc: &mut Connection,
    reforms: bool,
) -> Result<Option<String>, String> {
    for database in 0..DATABASES {
        let keys = [keys_of(redis, database)?, keys_of(torc, database)?];
        if keys[0] != keys[1] {
            return Ok(Some(format!(
                "keys of database {database}: redis {}, torc {}",
                names(&keys[0]),
                names(&keys[1])
            )));
        }
        for key in &keys[0] {
            ask(redis, key)?;
            ask(torc, key)?;
        }
        for key in &keys[0] {
            let mut skips_digest = false;
            for (question, compare) in questions(reforms) {
                let (one, other) = (redis.read()?, torc.read()?);
                skips_digest |= question == "DUMP" && (has_sign(&one) || has_sign(&other));
                // 8 puts scores into it in the fewest digits.
                skips_digest |= reference == Reference::Eight && question == "TYPE" && one == b"+zset\r\n";
                if question.starts_with("DEBUG") && skips_digest {
                    continue;
                }
                let is_form =
                    question == "OBJECT ENCODING" && is_meant(reference, "object|encoding", &compare, &one, &other);
                if !is_form && !compare.are_equal(&one, &other, None) {
                    let key = key.escape_ascii();
                    return Ok(Some(format!(
                        "{question} of {key} in database {database}:\n  redis {}\n  torc  {}",
                        shown(question, &one),
                        shown(question, &other)
                    )));
                }
            }
        }
    }
    Ok(None)
}

/// What INFO says of changes by commands.
pub fn changes(connection: &mut Connection) -> Result<u64, String> {
    let reply = connection.call(&["INFO", "persistence"])?;
    let text = String::from_utf8_lossy(&reply);
    let value = text.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    value.and_then(|value| value.trim().parse().ok()).ok_or("INFO does not tell of changes".into())
}

fn questions(reforms: bool) -> [(&'static str, Compare); 5] {
    [
        ("TYPE", Compare::Exact),
        ("PTTL", Compare::Within(TTL_SLACK_MS)),
        ("OBJECT ENCODING", Compare::Encoding { reforms }),
        ("DUMP", Compare::Dump),
        ("DEBUG DIGEST-VALUE", Compare::Exact),
    ]
}

fn ask(connection: &mut Connection, key: &[u8]) -> Result<(), String> {
    for (question, _) in questions(false) {
        let words = question.split(' ').map(str::as_bytes).chain([key]);
        connection.push(&words.collect::<Vec<_>>());
    }
    connection.flush()
}

fn keys_of(connection: &mut Connection, database: u8) -> Result<Vec<Vec<u8>>, String> {
    connection.push(&["SELECT", &database.to_string()]);
    connection.push(&["KEYS", "*"]);
    connection.flush()?;
    connection.read()?;
    let reply = Node::parse(&connection.read()?);
    let mut keys: Vec<Vec<u8>> = reply.bulks().into_iter().map(<[u8]>::to_vec).collect();
    keys.sort();
    Ok(keys)
}

fn names(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

fn shown(question: &str, reply: &[u8]) -> String {
    match (question, Node::parse(reply)) {
        ("DUMP", Node::Bulk(bytes)) => match payload::decode(&bytes) {
            Ok(value) => value_text(&settled(value)),
            Err(error) => format!("{error:?}: {}", bytes.escape_ascii()),
        },
        _ => reply.escape_ascii().to_string(),
    }
}

/// A value with its strings as text.
fn value_text(value: &Value) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match value {
        Value::String(bytes) => text(bytes),
        Value::List(elements) | Value::Set(elements) => {
            elements.iter().map(|element| text(element)).collect::<Vec<_>>().join(" ")
        }
        Value::SortedSet(members) => {
            members.iter().map(|(member, score)| format!("{}={score:?}", text(member))).collect::<Vec<_>>().join(" ")
        }
        Value::Hash(fields) => fields
            .iter()
            .map(|field| format!("{}={}", text(&field.name), text(&field.value)))
            .collect::<Vec<_>>()
            .join(" "),
        Value::Stream(stream) => format!(
            "{} entries from {:?} to {:?}, {:?}, groups {:?}",
            stream.entries.len(),
            stream.entries.first().map(|entry| entry.id),
            stream.entries.last().map(|entry| entry.id),
            stream.head,
            stream.groups
        ),
    }
}

/// Whether two payloads hold equal values.
pub fn are_payloads_equal(redis: &[u8], torc: &[u8]) -> bool {
    match (payload::decode(redis), payload::decode(torc)) {
        (Ok(redis), Ok(torc)) => {
            // -0 and 0 are equal, as they should be: packed, 7.2 makes one of the other.
            settled(redis) == settled(torc)
        }
        _ => false,
    }
}

/// Whether a payload's scores include -0, which digests tell from 0.
fn has_sign(dump: &[u8]) -> bool {
    let node = Node::parse(dump);
    let value = node.bulk().and_then(|payload| payload::decode(payload).ok());
    matches!(value, Some(Value::SortedSet(members)) if members.iter().any(|(_, score)| score.to_bits() == (-0.0f64).to_bits()))
}

/// A value in an order of its own, without the times at which things happened.
fn settled(mut value: Value) -> Value {
    match &mut value {
        Value::Set(members) => members.sort(),
        Value::SortedSet(members) => members.sort_by(|one, other| one.0.cmp(&other.0)),
        Value::Hash(fields) => {
            fields.sort_by(|one, other| one.name.cmp(&other.name));
            // Whether a field expires; when may differ by what passes between the two servers.
            fields.iter_mut().for_each(|field| field.expire_at = field.expire_at.and(Some(1)));
        }
        Value::Stream(stream) => {
            stream.groups.sort_by(|one, other| one.name.cmp(&other.name));
            for group in &mut stream.groups {
                group.consumers.sort_by(|one, other| one.name.cmp(&other.name));
                // Newer versions estimate it where 7.0 goes on counting.
                group.entries_read = None;
                group.pending.iter_mut().for_each(|entry| entry.delivered_at = 0);
                for consumer in &mut group.consumers {
                    (consumer.seen_at, consumer.active_at) = (0, None);
                }
            }
        }
        Value::String(_) | Value::List(_) => {}
    }
    value
}
