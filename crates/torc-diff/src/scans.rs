//! Iterations from cursor to cursor, which have to give everything that is there all the time.

use std::collections::BTreeSet;

use crate::node::Node;
use crate::servers::Connection;

/// Databases that are looked at: those that are selected often.
const DATABASES: u8 = 3;

/// The commands, by type: how all is asked for at once, how a part is, and how many elements belong together.
const KINDS: [(&str, &[&str], &str, usize); 3] = [
    ("set", &["SMEMBERS"], "SSCAN", 1),
    ("hash", &["HGETALL"], "HSCAN", 2),
    ("zset", &["ZRANGE", "0", "-1"], "ZSCAN", 2),
];

/// What an iteration leaves out or makes up, of keys or of the elements of a key.
pub fn omission(connection: &mut Connection) -> Result<Option<String>, String> {
    for database in 0..DATABASES {
        connection.call(&["SELECT", &database.to_string()])?;
        let keys = all(connection, &[b"KEYS", b"*"], 1)?;
        if keys != iterated(connection, &[b"SCAN"], 1)? {
            return Ok(Some(format!("SCAN of database {database} differs from KEYS")));
        }
        for (kind, whole, part, group) in KINDS {
            for key in typed(connection, &keys, kind)? {
                let mut question = vec![whole[0].as_bytes(), &key];
                question.extend(whole[1..].iter().map(|word| word.as_bytes()));
                // Of a sorted set, members alone.
                let everything = all(connection, &question, if kind == "zset" { 1 } else { group })?;
                if everything != iterated(connection, &[part.as_bytes(), &key], group)? {
                    return Ok(Some(format!(
                        "{part} of {} in database {database} is not all of it",
                        key.escape_ascii()
                    )));
                }
            }
        }
    }
    Ok(None)
}

/// Those of these keys that hold this type.
fn typed(connection: &mut Connection, keys: &BTreeSet<Vec<u8>>, kind: &str) -> Result<Vec<Vec<u8>>, String> {
    keys.iter().for_each(|key| connection.push(&[b"TYPE", &key[..]]));
    connection.flush()?;
    let mut found = Vec::new();
    for key in keys {
        if connection.read()? == format!("+{kind}\r\n").as_bytes() {
            found.push(key.clone());
        }
    }
    Ok(found)
}

/// The first of each group of elements.
fn firsts(node: &Node, group: usize) -> impl Iterator<Item = Vec<u8>> {
    node.elements().chunks(group).filter_map(|group| group[0].bulk().map(<[u8]>::to_vec))
}

fn all(connection: &mut Connection, question: &[&[u8]], group: usize) -> Result<BTreeSet<Vec<u8>>, String> {
    Ok(firsts(&Node::parse(&connection.call(question)?), group).collect())
}

fn iterated(connection: &mut Connection, command: &[&[u8]], group: usize) -> Result<BTreeSet<Vec<u8>>, String> {
    let (mut cursor, mut found) = (b"0".to_vec(), BTreeSet::new());
    loop {
        let mut words = command.to_vec();
        words.extend([&cursor[..], b"COUNT", b"9"]);
        let reply = Node::parse(&connection.call(&words)?);
        let [next, elements] = reply.elements() else { return Err(format!("{reply:?}")) };
        found.extend(firsts(elements, group));
        cursor = next.bulk().unwrap_or(b"0").to_vec();
        if cursor == b"0" {
            return Ok(found);
        }
    }
}
