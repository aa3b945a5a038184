//! Slices of a string by first and last index, negative ones counting from the end.

use std::ops::Range;

use torc_resp::{Args, Reply};
use torc_store::Kind;

use super::answer;

use crate::command::integer_argument;
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// GETRANGE and SUBSTR: `name key start end`.
pub fn get_range(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (integer_argument(args.get(2))?, integer_argument(args.get(3))?);
    let Some(value) = context.read_kind(args.get(1), Kind::String)? else {
        reply.bulk(b"");
        return Ok(());
    };
    let bytes = value.as_string().expect("it is a string");
    answer::part(value, bytes, slice(bytes.len(), start, end), reply);
    Ok(())
}

/// The place of the bytes from index `start` to index `end`, that one included, among `len`; indexes outside are moved to the ends.
fn slice(len: usize, start: i64, end: i64) -> Range<usize> {
    let both_from_end = start < 0 && end < 0;
    if len == 0 || (both_from_end && start > end) {
        return 0..0;
    }
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (first, last) = (from_start(start), from_start(end).min(len - 1));
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_redis() {
        let table: &[(i64, i64, &str)] = &[
            (0, -1, "hello"),
            (0, 0, "h"),
            (1, 3, "ell"),
            (-3, -1, "llo"),
            (-1, -3, ""),
            (3, 1, ""),
            (5, 10, ""),
            (4, 10, "o"),
            (-100, 100, "hello"),
            (-100, -50, "h"),
            (-50, -100, ""),
            (-100, -100, "h"),
            (i64::MIN, i64::MAX, "hello"),
            (i64::MAX, i64::MIN, ""),
        ];
        for &(start, end, expected) in table {
            assert_eq!(&"hello"[slice(5, start, end)], expected, "{start} {end}");
            assert!(slice(0, start, end).is_empty(), "{start} {end}");
        }
    }
}
