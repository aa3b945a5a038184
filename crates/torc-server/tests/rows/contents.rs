//! What a server holds, to be compared with what it, or another one, holds after a restart.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::resp::Reply;
use crate::common::{Client, Server};

/// Databases that are looked at.
const DATABASES: u16 = 4;

/// No test takes longer.
const OF_LATE_MS: i64 = 3_600_000;

/// A key, or a field of a hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    /// Unix milliseconds; negative: it does not expire.
    expires_at_ms: i64,
    holds: String,
}

/// Keys, and fields of hashes, with their databases in front.
pub type Contents = BTreeMap<String, Item>;

/// Everything.
pub fn contents_of(server: &Server) -> Contents {
    let mut client = server.connect();
    let mut contents = Contents::new();
    for db in 0..DATABASES {
        client.ok(&format!("SELECT {db}"));
        for key in client.command("KEYS *").elements() {
            let key = key.text();
            add(&mut client, &format!("{db} {key}"), &key, &mut contents);
        }
    }
    contents
}

fn add(client: &mut Client, name: &str, key: &str, contents: &mut Contents) {
    let mut ask = |words: &[&str]| client.call(words);
    let expires_at_ms = ask(&["PEXPIRETIME", key]).integer();
    let kind = ask(&["TYPE", key]).text();
    let digest = ask(&["DEBUG", "DIGEST-VALUE", key]).elements()[0].text();
    let holds = match &kind[..] {
        "hash" => {
            for field in ask(&["HKEYS", key]).elements() {
                let field = field.text();
                let own_ms = ask(&["HPEXPIRETIME", key, "FIELDS", "1", &field]).elements()[0].integer();
                let expires_at_ms = if own_ms < 0 { expires_at_ms } else { own_ms };
                let holds = shown(&ask(&["HGET", key, &field]));
                contents.insert(format!("{name} {field}"), Item { expires_at_ms, holds });
            }
            // Its digest changes as fields expire.
            String::new()
        }
        "stream" => {
            let mut stream = ask(&["XINFO", "STREAM", key, "FULL", "COUNT", "0"]);
            hide_what_is_not_kept(&mut stream);
            format!("{digest} {}", shown(&stream))
        }
        // Nobody is told of the count that is kept in it.
        "string" if ask(&["GET", key]).text().starts_with("HYLL") => shown(&ask(&["PFCOUNT", key])),
        _ => digest,
    };
    contents.insert(name.to_owned(), Item { expires_at_ms, holds: format!("{kind} {holds}") });
}

/// Hides when consumers were seen, if it was of late: logs and files for Redis 7.0 do not keep it. And how entries are packed, which a server
/// decides for itself.
fn hide_what_is_not_kept(reply: &mut Reply) {
    let Reply::Array(elements) = reply else { return };
    for index in 1..elements.len() {
        let name = if let Reply::Bulk(name) = &elements[index - 1] { &name[..] } else { b"" };
        let is_hidden = match (name, &elements[index]) {
            (b"seen-time" | b"active-time", Reply::Integer(at_ms)) => *at_ms < 0 || *at_ms > now_ms() - OF_LATE_MS,
            (b"radix-tree-keys" | b"radix-tree-nodes", _) => true,
            _ => false,
        };
        if is_hidden {
            elements[index] = Reply::Null;
        }
    }
    elements.iter_mut().for_each(hide_what_is_not_kept);
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    since.as_millis() as i64
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Null => "nil".to_owned(),
        Reply::Integer(number) => number.to_string(),
        Reply::Array(elements) => format!("[{}]", elements.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Reply::Simple(_) | Reply::Error(_) | Reply::Bulk(_) => reply.text(),
    }
}

/// What differs, but for what has expired by now, and for keys that begin with one of `forgotten`.
pub fn difference(ours: &Contents, theirs: &Contents, forgotten: &[String]) -> Vec<String> {
    let now_ms = now_ms();
    let is_forgotten = |name: &str| {
        let (_, key) = name.split_once(' ').expect("its database stands in front");
        forgotten.iter().any(|prefix| key.starts_with(prefix))
    };
    let lives = |item: &&Item| item.expires_at_ms < 0 || item.expires_at_ms > now_ms;
    let names: BTreeMap<&String, ()> = ours.keys().chain(theirs.keys()).map(|name| (name, ())).collect();
    let names = names.into_keys().filter(|name| !is_forgotten(name));
    let differs = names.filter_map(|name| {
        let [ours, theirs] = [ours, theirs].map(|contents| contents.get(name).filter(lives));
        (ours != theirs).then(|| format!("{name}: {ours:?}\n  is there {theirs:?}"))
    });
    differs.collect()
}
