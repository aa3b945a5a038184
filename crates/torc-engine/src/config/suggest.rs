//! "Did you mean": the known directive that is closest to a misspelt one.
//!
//! Distance is the number of bytes to insert, delete or replace. A name further away than a third of its
//! length is no suggestion but a guess.

use super::directives::DIRECTIVES;
use super::unhonoured::UNHONOURED;

/// Longer names are not compared: no directive comes near, and the work stays small.
const NAME_LEN_MAX: usize = 64;

/// The known name nearest to `name`, if one is near enough to be what was meant.
pub(super) fn nearest_name(name: &str) -> Option<&'static str> {
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    let wanted = name.to_ascii_lowercase().replace('_', "-");
    let known = DIRECTIVES.iter().flat_map(|row| row.names()).chain(UNHONOURED.iter().map(|row| row.name));
    // What is no setting, but can be written in a file.
    let known = known.chain(["include", "rename-command"]);
    let (distance, nearest) = known.map(|known| (distance(wanted.as_bytes(), known.as_bytes()), known)).min()?;
    (distance <= wanted.len() / 3).then_some(nearest)
}

/// The edit distance of two names, one row of the usual table at a time.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (left_at, left_byte) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = left_at + 1;
        for (right_at, right_byte) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left_byte != right_byte);
            diagonal = row[right_at + 1];
            row[right_at + 1] = replaced.min(diagonal + 1).min(row[right_at] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance(b"port", b"port"), 0);
        assert_eq!(distance(b"prot", b"port"), 2);
        assert_eq!(distance(b"maxclient", b"maxclients"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
    }

    #[test]
    fn suggestions() {
        assert_eq!(nearest_name("maxclient"), Some("maxclients"));
        assert_eq!(nearest_name("Append_Only"), Some("appendonly"));
        assert_eq!(nearest_name("tcp-keep-alive"), Some("tcp-keepalive"));
        assert_eq!(nearest_name("xyzzy"), None);
        assert_eq!(nearest_name(&"a".repeat(100_000)), None);
    }
}
