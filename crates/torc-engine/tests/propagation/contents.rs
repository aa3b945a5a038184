//! What an engine holds, to be compared with what another one made of its log, or of its file.

use std::collections::BTreeMap;

use crate::common::Client;

/// Databases that are looked at.
const DATABASES: u16 = 4;

/// How closely keys are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All that there is.
    Closely,
    /// All that a log and an old file keep: not the count that is kept in a HyperLogLog, and not when consumers were seen, of which nobody
    /// is told.
    AsLogged,
    /// The same, but for when and how often entries of streams were given, and how often they came again: who asks for what is theirs,
    /// or adds it once more, has that told to nobody.
    Roughly,
}

/// Keys with their databases in front, and what is to be seen of them.
pub type Contents = BTreeMap<String, String>;

/// The libraries, the digest of all keys, and each key: its type, its expiry, and what it holds.
pub fn contents_of(client: &Client, look: Look) -> Contents {
    let mut contents = Contents::new();
    for db in 0..DATABASES {
        client.send(&format!("SELECT {db}"));
        for key in listed(&client.send("KEYS *")) {
            let (kind, expires) = (client.send(&format!("TYPE {key}")), client.send(&format!("PEXPIRETIME {key}")));
            let holds = match (look, &kind[..]) {
                (Look::Closely, _) => format!("{} {}", digest(client, &key), client.send(&format!("DUMP {key}"))),
                (Look::Roughly, "+stream") => stream_roughly(client, &key),
                (_, "+stream") => stream(client, &key),
                (_, "+hash") => hash(client, &key),
                (_, "+string") => string(client, &key),
                _ => digest(client, &key),
            };
            contents.insert(format!("{db} {key}"), format!("{kind} {expires} {holds}"));
        }
    }
    contents.insert("libraries".to_owned(), client.send("FUNCTION LIST WITHCODE"));
    if look == Look::Closely {
        contents.insert("digest".to_owned(), client.send("DEBUG DIGEST"));
    }
    contents
}

/// The strings of an array, in quotes, in order.
fn listed(reply: &str) -> Vec<String> {
    let names = reply.trim_matches(['[', ']']).split(", ").filter(|name| !name.is_empty());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

/// What it holds, whatever the order of members and fields.
fn digest(client: &Client, key: &str) -> String {
    client.send(&format!("DEBUG DIGEST-VALUE {key}"))
}

fn string(client: &Client, key: &str) -> String {
    let value = client.send(&format!("GET {key}"));
    if value.starts_with("\"HYLL") { client.send(&format!("PFDEBUG GETREG {key}")) } else { value }
}

/// With the times of its fields.
fn hash(client: &Client, key: &str) -> String {
    let of_field = |field: &String| {
        let expires = client.send(&format!("HPEXPIRETIME {key} FIELDS 1 {field}"));
        format!("{field} {} {expires}", client.send(&format!("HGET {key} {field}")))
    };
    let fields = listed(&client.send(&format!("HKEYS {key}")));
    fields.iter().map(of_field).collect::<Vec<_>>().join(", ")
}

/// With its groups.
fn stream(client: &Client, key: &str) -> String {
    let stream = client.send(&format!("XINFO STREAM {key} FULL COUNT 0"));
    format!("{} {}", digest(client, key), without_times_of_consumers(&stream))
}

/// Cuts `"seen-time", :1` and `"active-time", :1` off.
fn without_times_of_consumers(stream: &str) -> String {
    let mut pieces = stream.split("\"seen-time\", ");
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (_, behind) = piece.split_once("\"active-time\", ").expect("they stand together");
        rest.push_str(behind.trim_start_matches(|sign: char| sign != ','));
    }
    rest
}

fn stream_roughly(client: &Client, key: &str) -> String {
    let stream = client.send(&format!("XINFO STREAM {key}"));
    let (_, stream) = stream.split_once("last-generated-id").expect("it has one");
    let (ids, stream) = stream.split_once("iids-duplicates").unwrap_or(("", stream));
    let (_, stream) = stream.split_once("groups").expect("it has a number of them");
    let groups = client.send(&format!("XINFO GROUPS {key}"));
    let pending = ["g", "h"].map(|group| client.send(&format!("XPENDING {key} {group}")));
    format!("{ids} {stream}\n{}\n{groups}\n{pending:?}", client.send(&format!("XRANGE {key} - +")))
}
