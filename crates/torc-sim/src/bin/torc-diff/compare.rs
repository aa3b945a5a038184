//! When two replies to one request are equal: byte for byte, or as much of them as the command determines.

use crate::node::Node;

/// How two replies are compared.
#[derive(Debug, Clone)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// Elements in any order, in groups of so many.
    Unordered(usize),
    /// The same kinds of values, as many of them: what a random command gives.
    Shape,
    /// The same, and all strings are among those of the reply before.
    DrawnFrom,
    /// Integers that differ by at most so much.
    Within(i64),
    /// Payloads that hold equal values.
    Dump,
    /// Cursors differ; where both sides gave everything, elements are compared in groups of so many.
    Scan(usize),
    /// Maps in which some fields depend on time, memory layout or version.
    Info,
    /// Entries that say how long ago they were delivered.
    Pending,
    /// What a transaction gives: each element in its own way.
    Transaction(Vec<Compare>),
}

/// Fields of XINFO that are not compared: times and idle times, the layout of a radix tree, and what 7.2 has added.
const INFO_LEFT_OUT: [&[u8]; 6] =
    [b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"];

/// How far two times of one event may be apart, in milliseconds.
const SLACK_MS: i64 = 15_000;

impl Compare {
    /// Whether the replies are equal. `before` is the reply before this one, which was the same on both sides.
    pub fn are_equal(&self, redis: &[u8], torc: &[u8], before: Option<&[u8]>) -> bool {
        if redis == torc && !matches!(self, Compare::DrawnFrom) {
            return true;
        }
        !matches!(self, Compare::Exact) && self.holds(&Node::parse(redis), &Node::parse(torc), before)
    }

    fn holds(&self, redis: &Node, torc: &Node, before: Option<&[u8]>) -> bool {
        match self {
            Compare::Exact => redis == torc,
            Compare::Unordered(group) => sorted(redis, *group) == sorted(torc, *group),
            Compare::Shape => shape(redis) == shape(torc),
            Compare::DrawnFrom => {
                let known = before.map(Node::parse);
                let known = known.as_ref().map(Node::bulks).unwrap_or_default();
                let is_known = |node: &Node| node.bulks().iter().all(|bytes| known.contains(bytes));
                shape(redis) == shape(torc) && is_known(redis) && is_known(torc)
            }
            Compare::Within(slack) => match (redis, torc) {
                (Node::Integer(one), Node::Integer(other)) => {
                    one.abs_diff(*other) <= *slack as u64 && (*one < 0) == (*other < 0)
                }
                _ => redis == torc,
            },
            Compare::Dump => match (redis.bulk(), torc.bulk()) {
                (Some(redis), Some(torc)) => crate::state::are_payloads_equal(redis, torc),
                _ => redis == torc,
            },
            Compare::Scan(group) => scans_agree(redis, torc, *group),
            Compare::Info => without_times(redis) == without_times(torc),
            Compare::Pending => are_pending_equal(redis, torc),
            Compare::Transaction(parts) => {
                let (ours, theirs) = (redis.elements(), torc.elements());
                if ours.len() != parts.len() || theirs.len() != parts.len() {
                    return redis == torc;
                }
                parts.iter().zip(ours.iter().zip(theirs)).all(|(part, (one, other))| {
                    // What was seen before, inside of the transaction, is not looked up.
                    let part = if matches!(part, Compare::DrawnFrom) { &Compare::Shape } else { part };
                    part.holds(one, other, None)
                })
            }
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

/// The same with all that may differ taken out: texts of strings and numbers, but not of errors.
fn shape(node: &Node) -> Node {
    match node {
        Node::Bulk(_) => Node::Bulk(Vec::new()),
        Node::Integer(_) => Node::Integer(0),
        Node::Line(line) if line.starts_with(b",") => Node::Line(b",".to_vec()),
        Node::Many(marker, elements) => Node::Many(*marker, elements.iter().map(shape).collect()),
        other => other.clone(),
    }
}

fn scans_agree(redis: &Node, torc: &Node, group: usize) -> bool {
    let ([first, found], [other_first, other_found]) = (redis.elements(), torc.elements()) else {
        return redis == torc;
    };
    let is_whole = |cursor: &Node| cursor.bulk() == Some(b"0");
    let both = is_whole(first) && is_whole(other_first);
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
        assert!(!Compare::DrawnFrom.are_equal(b"$1\r\nc\r\n", b"$1\r\nc\r\n", Some(ab.as_bytes())));
        assert!(Compare::DrawnFrom.are_equal(b"$1\r\na\r\n", b"$1\r\nb\r\n", Some(ab.as_bytes())));
        let parts = Compare::Transaction(vec![Compare::Within(1), Compare::Exact]);
        assert!(equal(parts.clone(), "*2\r\n:1\r\n:5\r\n", "*2\r\n:2\r\n:5\r\n"));
        assert!(!equal(parts, "*2\r\n:1\r\n:5\r\n", "*2\r\n:2\r\n:6\r\n"));
    }
}
