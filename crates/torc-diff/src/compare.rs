//! When two replies to one request are equal: byte for byte, or as much of them as the command determines.

use torc_resp::number::{format_f64, parse_f64};

use crate::node::Node;

/// How two replies are compared.
#[derive(Debug, Clone, Default)]
pub enum Compare {
    /// Byte for byte.
    #[default]
    Exact,
    /// Elements in any order, in groups of so many.
    Unordered(usize),
    /// Equal kinds of values, and equally many: what a random command returns.
    Shape,
    /// Equally many elements.
    Length,
    /// As `Shape`, and all strings are among those of the reply before.
    DrawnFrom,
    /// As `DrawnFrom`, where there may be scores, which are not compared.
    DrawnScores,
    /// Integers that differ by at most so much, one or an array of them.
    Within(i64),
    /// Payloads that hold equal values.
    Dump,
    /// Numbers may be in the notation of 7.0 on one side and in that of 7.2 on the other.
    Scores,
    /// Places with distances, in order of these: equally distant ones are in no order, and which of them are left out is open.
    Places,
    /// Names of encodings: 7.0 has none for small lists and sets. With `reforms`, SORT may have been there, which leaves a sorted set as it
    /// is where the reference makes a skiplist of it, or RESTORE, which looks at the size of values where the reference does not.
    Encoding { reforms: bool },
    /// Cursors differ; where both sides gave everything, elements are compared in groups of so many (0: not at all).
    Scan(usize),
    /// As `Scan`, where each element is followed by its score.
    ScanScores,
    /// Maps in which some fields depend on time, memory layout or version.
    Info,
    /// Entries that say how long ago they were delivered.
    Pending,
    /// What a transaction gives: each element in its own way.
    Transaction(Vec<Compare>),
}

/// Fields of XINFO that are not compared: times and idle times, the layout of a radix tree, what 7.2 has added, and the lag
/// and what a group has read, which are computed anew since 7.2.6 (0 for an empty stream, all that is left for a group that is behind all of it).
const INFO_LEFT_OUT: [&[u8]; 8] = [
    b"lag",
    b"entries-read",
    b"idle",
    b"inactive",
    b"seen-time",
    b"active-time",
    b"radix-tree-keys",
    b"radix-tree-nodes",
];

/// How far two times of one event may be apart, in milliseconds.
const SLACK_MS: i64 = 15_000;

impl Compare {
    /// Whether the replies are equal. `before` is the reply before this one, which was the same on both sides.
    pub fn are_equal(&self, redis: &[u8], torc: &[u8], before: Option<&[u8]>) -> bool {
        if redis == torc && !matches!(self, Compare::DrawnFrom | Compare::DrawnScores) {
            return true;
        }
        !matches!(self, Compare::Exact) && self.holds(&Node::parse(redis), &Node::parse(torc), before)
    }

    /// Whether the replies are equal once all numbers are written with 12 digits behind the point.
    pub fn are_equal_as_numbers(&self, redis: &[u8], torc: &[u8]) -> bool {
        let [redis, torc] =
            [redis, torc].map(|reply| with_numbers(&Node::parse(reply), |it| (it * 1e12).round() / 1e12));
        redis == torc || self.holds(&redis, &torc, None)
    }

    fn holds(&self, redis: &Node, torc: &Node, before: Option<&[u8]>) -> bool {
        match self {
            Compare::Exact => redis == torc,
            Compare::Scores => are_scores_equal(redis, torc),
            Compare::Unordered(group) => sorted(redis, *group) == sorted(torc, *group),
            Compare::Length => match (redis, torc) {
                (Node::Many(..), Node::Many(..)) => redis.elements().len() == torc.elements().len(),
                _ => redis == torc,
            },
            Compare::Shape => shape(redis) == shape(torc),
            Compare::DrawnFrom | Compare::DrawnScores => {
                let known = before.map(Node::parse);
                let known = known.as_ref().map(Node::bulks).unwrap_or_default();
                let is_score = |bytes: &[u8]| matches!(self, Compare::DrawnScores) && parse_f64(bytes).is_some();
                let is_known =
                    |node: &Node| node.bulks().into_iter().all(|bytes| known.contains(&bytes) || is_score(bytes));
                shape(redis) == shape(torc) && is_known(redis) && is_known(torc)
            }
            Compare::Within(slack) => match (redis, torc) {
                (Node::Integer(one), Node::Integer(other)) => {
                    one.abs_diff(*other) <= *slack as u64 && (*one < 0) == (*other < 0)
                }
                (Node::Many(marker, ours), Node::Many(other, theirs)) => {
                    let mut pairs = ours.iter().zip(theirs);
                    marker == other
                        && ours.len() == theirs.len()
                        && pairs.all(|(one, other)| self.holds(one, other, None))
                }
                _ => redis == torc,
            },
            Compare::Dump => match (redis.bulk(), torc.bulk()) {
                (Some(redis), Some(torc)) => crate::state::are_payloads_equal(redis, torc),
                _ => redis == torc,
            },
            Compare::Scan(group) => scans_agree(redis, torc, *group),
            Compare::ScanScores => scans_agree(&in_notation(redis), &in_notation(torc), 2),
            Compare::Places => are_places_equal(redis.elements(), torc.elements()) || redis == torc,
            Compare::Encoding { reforms } => match (redis.bulk(), torc.bulk()) {
                (Some(b"quicklist"), Some(torc)) => matches!(torc, b"quicklist" | b"listpack"),
                (Some(b"skiplist"), Some(b"listpack")) | (Some(b"listpack"), Some(b"skiplist" | b"hashtable")) => {
                    *reforms
                }
                (Some(b"hashtable"), Some(torc)) => matches!(torc, b"hashtable" | b"listpack"),
                _ => redis == torc,
            },
            Compare::Info => without_times(redis) == without_times(torc),
            Compare::Pending => are_pending_equal(redis, torc),
            // Whoever sent the transaction compares its parts.
            Compare::Transaction(_) => redis == torc,
        }
    }
}

fn sorted(node: &Node, group: usize) -> (Option<u8>, Vec<Vec<Node>>, Option<&Node>) {
    match node {
        Node::Many(marker, elements) => {
            let mut groups: Vec<Vec<Node>> = elements.chunks(group).map(<[Node]>::to_vec).collect();
            groups.sort();
            (Some(*marker), groups, None)
        }
        other => (None, Vec::new(), Some(other)),
    }
}

/// The node without what may differ: texts of strings and numbers, but not of errors.
fn shape(node: &Node) -> Node {
    match node {
        Node::Bulk(_) => Node::Bulk(Vec::new()),
        Node::Integer(_) => Node::Integer(0),
        Node::Line(line) if line.starts_with(b",") => Node::Line(b",".to_vec()),
        Node::Many(marker, elements) => Node::Many(*marker, elements.iter().map(shape).collect()),
        other => other.clone(),
    }
}

/// 7.0 writes 17 digits; 7.2 the shortest text that is the same number.
fn are_scores_equal(redis: &Node, torc: &Node) -> bool {
    match (redis, torc) {
        (Node::Many(marker, ours), Node::Many(other, theirs)) => {
            let pairs = ours.iter().zip(theirs);
            marker == other
                && ours.len() == theirs.len()
                && pairs.into_iter().all(|(one, other)| are_scores_equal(one, other))
        }
        (Node::Bulk(one), Node::Bulk(other)) => one == other || is_notation_of(one, other),
        (Node::Line(one), Node::Line(other)) => {
            let digits = one.strip_prefix(b",").zip(other.strip_prefix(b","));
            one == other || digits.is_some_and(|(one, other)| is_notation_of(one, other))
        }
        _ => redis == torc,
    }
}

/// With all numbers in the notation of 7.2.
fn in_notation(node: &Node) -> Node {
    with_numbers(node, |number| number)
}

/// With all numbers changed, in the notation of 7.2.
fn with_numbers(node: &Node, change: fn(f64) -> f64) -> Node {
    match node {
        Node::Many(marker, elements) => {
            Node::Many(*marker, elements.iter().map(|element| with_numbers(element, change)).collect())
        }
        Node::Bulk(bytes) => match parse_f64(bytes) {
            Some(value) => {
                let mut text = Vec::new();
                format_f64(change(value) + 0.0, &mut text);
                Node::Bulk(text)
            }
            None => node.clone(),
        },
        Node::Line(line) => {
            match line.strip_prefix(b",").map(|digits| with_numbers(&Node::Bulk(digits.to_vec()), change)) {
                Some(Node::Bulk(digits)) => Node::Line([&b","[..], &digits].concat()),
                _ => node.clone(),
            }
        }
        other => other.clone(),
    }
}

fn is_notation_of(redis: &[u8], torc: &[u8]) -> bool {
    let value = parse_f64(redis).filter(|value| Some(*value) == parse_f64(torc));
    let mut text = Vec::new();
    value.is_some_and(|value| {
        format_f64(value, &mut text);
        // Packed, 7.2 makes 0 of -0.
        text == torc || value == 0.0
    })
}

/// The distances are equal one by one, and the members of each but the last.
fn are_places_equal(redis: &[Node], torc: &[Node]) -> bool {
    let distance = |place: &Node| place.elements().get(1).cloned();
    let (ours, theirs): (Vec<_>, Vec<_>) = (redis.iter().map(distance).collect(), torc.iter().map(distance).collect());
    if redis.is_empty() || ours != theirs || ours.contains(&None) {
        return false;
    }
    let (mut ours, mut theirs) = (redis.to_vec(), torc.to_vec());
    let last = distance(&redis[redis.len() - 1]);
    for places in [&mut ours, &mut theirs] {
        places.retain(|place| distance(place) != last);
        places.sort();
    }
    ours == theirs
}

fn scans_agree(redis: &Node, torc: &Node, group: usize) -> bool {
    let ([first, found], [other_first, other_found]) = (redis.elements(), torc.elements()) else {
        return redis == torc;
    };
    let is_whole = |cursor: &Node| cursor.bulk() == Some(b"0");
    let both = group > 0 && is_whole(first) && is_whole(other_first);
    first.bulk().is_some()
        && other_first.bulk().is_some()
        && (!both || sorted(found, group) == sorted(other_found, group))
}

fn without_times(node: &Node) -> Node {
    let Node::Many(marker, elements) = node else { return rounded(node) };
    let is_map =
        *marker == b'%' || (elements.len() % 2 == 0 && elements.chunks(2).all(|pair| pair[0].bulk().is_some()));
    if !is_map {
        return Node::Many(b'*', elements.iter().map(without_times).collect());
    }
    let pairs = elements.chunks(2).filter(|pair| pair[0].bulk().is_none_or(|name| !INFO_LEFT_OUT.contains(&name)));
    let kept = pairs.flat_map(|pair| [pair[0].clone(), without_times(&pair[1])]).collect();
    Node::Many(*marker, kept)
}

/// An integer that can only be a time of this decade says no more than that.
fn rounded(node: &Node) -> Node {
    match node {
        Node::Integer(1_500_000_000_000..=2_500_000_000_000) => Node::Integer(-1),
        other => other.clone(),
    }
}

fn are_pending_equal(redis: &Node, torc: &Node) -> bool {
    let (ours, theirs) = (redis.elements(), torc.elements());
    let is_entry = |node: &Node| matches!(node.elements(), [_, _, Node::Integer(_), Node::Integer(_)]);
    if ours.len() != theirs.len() || ours.is_empty() || !ours.iter().chain(theirs).all(is_entry) {
        return redis == torc;
    }
    ours.iter().zip(theirs).all(|(one, other)| {
        let (one, other) = (one.elements(), other.elements());
        one[..2] == other[..2] && one[3] == other[3] && Compare::Within(SLACK_MS).holds(&one[2], &other[2], None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_sees_what_it_is_to_see() {
        let equal = |way: Compare, one: &str, other: &str| way.are_equal(one.as_bytes(), other.as_bytes(), None);
        let (ab, ba) = ("*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n");
        assert!(equal(Compare::Exact, ab, ab) && !equal(Compare::Exact, ab, ba));
        assert!(equal(Compare::Unordered(1), ab, ba) && !equal(Compare::Unordered(2), ab, ba));
        assert!(equal(Compare::Shape, ":1\r\n", ":2\r\n") && !equal(Compare::Shape, ":1\r\n", "$-1\r\n"));
        assert!(equal(Compare::Within(2), ":7\r\n", ":9\r\n") && !equal(Compare::Within(2), ":-1\r\n", ":1\r\n"));
        let places = |names: [&str; 3]| {
            let place = |(name, distance): (&str, u8)| format!("*2\r\n$1\r\n{name}\r\n$1\r\n{distance}\r\n");
            format!("*3\r\n{}", names.into_iter().zip([1, 1, 2]).map(place).collect::<String>())
        };
        assert!(equal(Compare::Places, &places(["a", "b", "c"]), &places(["b", "a", "d"])));
        assert!(!equal(Compare::Places, &places(["a", "b", "c"]), &places(["a", "c", "b"])));
        let names = Compare::Encoding { reforms: false };
        assert!(equal(names.clone(), "$9\r\nhashtable\r\n", "$8\r\nlistpack\r\n"));
        assert!(!equal(names, "$6\r\nintset\r\n", "$8\r\nlistpack\r\n"));
        assert!(!Compare::DrawnFrom.are_equal(b"$1\r\nc\r\n", b"$1\r\nc\r\n", Some(ab.as_bytes())));
        assert!(Compare::DrawnFrom.are_equal(b"$1\r\na\r\n", b"$1\r\nb\r\n", Some(ab.as_bytes())));
    }
}
