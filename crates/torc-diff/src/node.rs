//! A reply as a tree, for comparisons that look into it. Both protocols become the same kinds of nodes.

use torc_resp::number::parse_i64;

/// One value of a reply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// Simple strings, doubles, big numbers, booleans, nulls: the line as it stands.
    Line(Vec<u8>),
    /// An error's text.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// An array, map (keys and values in turn), set or push, with its marker.
    Many(u8, Vec<Node>),
}

impl Node {
    /// The first value in `bytes`, which must hold a whole one.
    pub fn parse(bytes: &[u8]) -> Node {
        parse(bytes).0
    }

    /// The elements, where it has some.
    pub fn elements(&self) -> &[Node] {
        match self {
            Node::Many(_, elements) => elements,
            _ => &[],
        }
    }

    /// All bulk strings in it.
    pub fn bulks(&self) -> Vec<&[u8]> {
        match self {
            Node::Bulk(bytes) => vec![bytes],
            Node::Many(_, elements) => elements.iter().flat_map(Node::bulks).collect(),
            _ => Vec::new(),
        }
    }

    /// The text of a bulk string.
    pub fn bulk(&self) -> Option<&[u8]> {
        match self {
            Node::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn parse(bytes: &[u8]) -> (Node, &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a whole value has a line");
    let (line, rest) = (&bytes[1..end], &bytes[end + 2..]);
    let number = || parse_i64(line).unwrap_or(0);
    match bytes[0] {
        b'-' => (Node::Error(line.to_vec()), rest),
        b':' => (Node::Integer(number()), rest),
        b'$' | b'=' if number() >= 0 => {
            let len = number() as usize;
            (Node::Bulk(rest[..len].to_vec()), &rest[len + 2..])
        }
        marker @ (b'*' | b'%' | b'~' | b'>') if number() >= 0 => {
            let count = number() * if marker == b'%' { 2 } else { 1 };
            let mut rest = rest;
            let elements = (0..count).map(|_| {
                let (element, behind) = parse(rest);
                rest = behind;
                element
            });
            let elements = elements.collect();
            (Node::Many(marker, elements), rest)
        }
        _ => (Node::Line(bytes[..end].to_vec()), rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_both_protocols_become_trees() {
        let node = Node::parse(b"*4\r\n:1\r\n$2\r\nab\r\n%1\r\n+k\r\n,1.5\r\n*-1\r\n");
        let map = Node::Many(b'%', vec![Node::Line(b"+k".to_vec()), Node::Line(b",1.5".to_vec())]);
        let parts = vec![Node::Integer(1), Node::Bulk(b"ab".to_vec()), map, Node::Line(b"*-1".to_vec())];
        assert_eq!(node, Node::Many(b'*', parts));
        assert_eq!(node.bulks(), [b"ab"]);
    }
}
