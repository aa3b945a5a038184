//! When the answer of several cores equals that of one core: byte for byte, but for what no command promises.
//!
//! ```text
//!   request --(the table)--> way --> both answers, put into the form that the way asks for, are equal
//! ```

use torc_engine::command::registry;
use torc_rdb::Value;
use torc_resp::Args;
use torc_resp::reader::{self, Elements};

use crate::strict::flat;

/// How two answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every byte.
    Exact,
    /// The elements come in any order, in groups of so many.
    Unordered(usize),
    /// A cursor and elements: where both sides gave all there is, elements in any order, in groups of so many.
    Scan(usize),
    /// A payload of DUMP: the value in it.
    Payload,
    /// A map of which the fields named in [`LAYOUT_FIELDS`] are not compared.
    Fields,
    /// The name of an encoding, but for what [`encoding`] makes one.
    Encoding,
    /// All but the client's id.
    Hello,
}

/// Commands whose answers may differ without fault, and why. What SORT does is decided by its arguments (`is_vague`).
const TABLE: [(&str, Way, &str); 15] = [
    ("hello", Way::Hello, "ids of clients tell their core"),
    ("keys", Way::Unordered(1), "keys come in the order of cores, then of tables"),
    ("smembers", Way::Unordered(1), "the order of a table follows from hash seed and history"),
    ("sinter", Way::Unordered(1), "as above"),
    ("sunion", Way::Unordered(1), "as above"),
    ("sdiff", Way::Unordered(1), "as above"),
    ("hkeys", Way::Unordered(1), "as above"),
    ("hvals", Way::Unordered(1), "as above"),
    ("hgetall", Way::Unordered(2), "as above"),
    ("sscan", Way::Scan(1), "as above, and a cursor is a place in a table"),
    ("hscan", Way::Scan(2), "as above"),
    ("zscan", Way::Scan(2), "as above"),
    ("dump", Way::Payload, "what is in a table is written in its order"),
    (
        "object|encoding",
        Way::Encoding,
        "a hash that had expiring fields has another name until it is copied to another core",
    ),
    ("xinfo|stream", Way::Fields, "a copy on another core has nodes of its own"),
];

/// Fields of XINFO STREAM that tell how its entries are laid out.
const LAYOUT_FIELDS: [&[u8]; 2] = [b"radix-tree-keys", b"radix-tree-nodes"];

/// How the answers to a request are compared.
pub(crate) fn way_of(request: &[Vec<u8>]) -> Way {
    let (bytes, spans) = flat(request);
    let Ok(command) = registry().find(Args::new(&bytes, &spans)) else { return Way::Exact };
    way_of_command(command.full_name, request)
}

/// [`way_of`] for a request whose command's full name is known.
pub(crate) fn way_of_command(name: &str, request: &[Vec<u8>]) -> Way {
    let has = |word: &str| request.iter().any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    match name {
        "sort" | "sort_ro" if is_vague(request) => Way::Unordered(1),
        "hscan" if has("NOVALUES") => Way::Scan(1),
        _ => TABLE.iter().find(|(known, ..)| *known == name).map_or(Way::Exact, |&(_, way, _)| way),
    }
}

/// Whether a SORT leaves the order of its elements open: with a pattern that is the same for all, sets keep the order of
/// their table; by strings, equal weights are in no order.
fn is_vague(request: &[Vec<u8>]) -> bool {
    let by = request.iter().position(|argument| argument.eq_ignore_ascii_case(b"BY"));
    let pattern = by.and_then(|at| request.get(at + 1));
    let alpha = request.iter().any(|argument| argument.eq_ignore_ascii_case(b"ALPHA"));
    pattern.is_some_and(|pattern| alpha || !pattern.contains(&b'*'))
}

/// Whether a request does something that depends on an order that is open: it makes a list of it, or leaves some out.
pub(crate) fn depends_on_open_order(name: &str, request: &[Vec<u8>]) -> bool {
    let has = |word: &str| request.iter().any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    name.starts_with("sort") && is_vague(request) && (has("STORE") || has("LIMIT"))
}

impl Way {
    /// Whether both answers are equal.
    pub fn holds(self, one: &[u8], other: &[u8]) -> bool {
        if one == other {
            return true;
        }
        match self {
            Way::Exact => false,
            Way::Unordered(group) => groups(one, group) == groups(other, group),
            Way::Scan(group) => scans_agree(one, other, group),
            Way::Payload => match (value_of(one), value_of(other)) {
                (Some(one), Some(other)) => one == other,
                _ => false,
            },
            Way::Fields => without_fields(one) == without_fields(other),
            Way::Encoding => match (reader::bulk(one), reader::bulk(other)) {
                (Some(one), Some(other)) => encoding(one) == encoding(other),
                _ => false,
            },
            Way::Hello => without_id(one) == without_id(other),
        }
    }
}

/// The elements in the order of their bytes, by groups; anything else as it is.
fn groups(reply: &[u8], group: usize) -> Vec<Vec<&[u8]>> {
    let Some(elements) = Elements::new(reply) else { return vec![vec![reply]] };
    let elements: Vec<&[u8]> = elements.collect();
    let size = if reply[0] == b'*' && elements.first().is_some_and(|first| first[0] == b'*') { 1 } else { group };
    let mut groups: Vec<Vec<&[u8]>> = elements.chunks(size).map(<[&[u8]]>::to_vec).collect();
    groups.sort_unstable();
    groups
}

fn scans_agree(one: &[u8], other: &[u8], group: usize) -> bool {
    let (Some(ours), Some(theirs)) = (Elements::new(one), Elements::new(other)) else { return false };
    let (ours, theirs): (Vec<&[u8]>, Vec<&[u8]>) = (ours.collect(), theirs.collect());
    let ([cursor, found], [other_cursor, other_found]) = (&ours[..], &theirs[..]) else { return false };
    let is_over = |cursor: &[u8]| reader::bulk(cursor) == Some(b"0");
    // Where one side was not through, the other may have been: its value was in another form before.
    !is_over(cursor) || !is_over(other_cursor) || groups(found, group) == groups(other_found, group)
}

fn value_of(reply: &[u8]) -> Option<Value> {
    torc_rdb::payload::decode(reader::bulk(reply)?).ok().map(settled)
}

/// The name of an encoding as it is compared.
pub(crate) fn encoding(name: &[u8]) -> &[u8] {
    if name == b"listpackex" { b"listpack" } else { name }
}

/// A value in an order of its own.
pub(crate) fn settled(mut value: Value) -> Value {
    match &mut value {
        Value::Set(members) => members.sort(),
        Value::SortedSet(members) => members.sort_by(|one, other| one.0.cmp(&other.0)),
        Value::Hash(fields) => fields.sort_by(|one, other| one.name.cmp(&other.name)),
        Value::Stream(stream) => {
            stream.groups.sort_by(|one, other| one.name.cmp(&other.name));
            for group in &mut stream.groups {
                group.consumers.sort_by(|one, other| one.name.cmp(&other.name));
            }
        }
        Value::String(_) | Value::List(_) => {}
    }
    value
}

/// The elements of a map but those of the layout; anything else as it is.
fn without_fields(reply: &[u8]) -> Vec<&[u8]> {
    let Some(elements) = Elements::new(reply) else { return vec![reply] };
    let elements: Vec<&[u8]> = elements.collect();
    let kept = elements.chunks(2).filter(|pair| {
        let name = reader::bulk(pair[0]).unwrap_or_default();
        !LAYOUT_FIELDS.contains(&name)
    });
    kept.flatten().copied().collect()
}

/// The elements of HELLO's answer but the one after `id`; anything else as it is.
fn without_id(reply: &[u8]) -> Vec<&[u8]> {
    let Some(elements) = Elements::new(reply) else { return vec![reply] };
    let mut elements: Vec<&[u8]> = elements.collect();
    if let Some(id) = elements.iter().position(|element| *element == b"$2\r\nid\r\n") {
        elements.remove(id + 1);
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(request: &str) -> Way {
        way_of(&request.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn the_way_follows_from_the_request() {
        assert_eq!(way("GET a"), Way::Exact);
        assert_eq!(way("hgetALL a"), Way::Unordered(2));
        assert_eq!(way("HSCAN a 0 novalues"), Way::Scan(1));
        assert_eq!(way("SORT a BY nosort"), Way::Unordered(1));
        assert_eq!(way("SORT a BY w* ALPHA"), Way::Unordered(1));
        assert_eq!(way("SORT a BY w*"), Way::Exact);
        assert_eq!(way("XINFO STREAM a"), Way::Fields);
    }

    #[test]
    fn each_way_sees_what_it_is_to_see() {
        let (ab, ba) = (&b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"[..], &b"*2\r\n$1\r\nb\r\n$1\r\na\r\n"[..]);
        assert!(!Way::Exact.holds(ab, ba) && Way::Unordered(1).holds(ab, ba) && !Way::Unordered(2).holds(ab, ba));
        let scan = |cursor: &str, found: &[u8]| [format!("*2\r\n$1\r\n{cursor}\r\n").as_bytes(), found].concat();
        assert!(
            Way::Scan(1).holds(&scan("0", ab), &scan("0", ba)) && !Way::Scan(2).holds(&scan("0", ab), &scan("0", ba))
        );
        assert!(Way::Scan(2).holds(&scan("7", ab), &scan("0", ba)) && !Way::Scan(1).holds(&scan("0", ab), b"-ERR\r\n"));
        let info =
            |nodes: u8| format!("*4\r\n$6\r\nlength\r\n:1\r\n$15\r\nradix-tree-keys\r\n:{nodes}\r\n").into_bytes();
        assert!(Way::Fields.holds(&info(1), &info(2)) && !Way::Fields.holds(&info(1), ab));
    }
}
