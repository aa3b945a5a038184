//! What commands on lists have in common: reading keys, indexes and words, and writing elements.

use std::ops::Range;

use torc_resp::Reply;
use torc_store::pack::Packed;
use torc_store::{End, Kind, ListLimits, ListRef, Runs};

use crate::error::CommandError;
use crate::shard::ShardContext;

/// How big nodes, and lists in one pack, may become.
#[inline]
pub(super) fn limits(context: &ShardContext<'_>) -> ListLimits {
    ListLimits::of(i64::from(context.config().list_max_listpack_size))
}

/// The list of a key, for a read command.
#[inline]
pub(super) fn read<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Option<ListRef<'a>>, CommandError> {
    Ok(context.read_kind(key, Kind::List)?.map(ListRef::of))
}

/// Writes an element as a string.
#[inline]
pub(super) fn write_element(reply: &mut Reply<'_>, element: Packed<'_>) {
    match element {
        Packed::Bytes(bytes) => reply.bulk(bytes),
        Packed::Integer(value) => reply.bulk_integer(value),
    }
}

/// Writes all elements of some runs as strings.
pub(super) fn write_runs(reply: &mut Reply<'_>, runs: Runs<'_>) {
    for run in runs {
        match run.uniform_len() {
            Some(len) => reply.bulks(run.bytes(), len),
            None => run.iter().for_each(|element| write_element(reply, element)),
        }
    }
}

/// An index that counts from the end if it is negative; `None`: outside of the list.
pub(super) fn index_of(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}

/// The indexes from `start` to `stop`, both included and both from the end if negative, as far as the list has them.
pub(super) fn range_of(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_start = |index: i64| if index < 0 { (index + len as i64).max(-1) } else { index };
    let start = from_start(start).max(0).min(len as i64) as usize;
    let end = (from_start(stop).min(len as i64 - 1) + 1) as usize;
    start..end.max(start)
}

/// LEFT or RIGHT.
pub(super) fn end_argument(word: &[u8]) -> Result<End, CommandError> {
    if word.eq_ignore_ascii_case(b"left") {
        Ok(End::Front)
    } else if word.eq_ignore_ascii_case(b"right") {
        Ok(End::Back)
    } else {
        Err(CommandError::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_count_from_either_end() {
        assert_eq!(index_of(0, 3), Some(0));
        assert_eq!(index_of(-1, 3), Some(2));
        assert_eq!(index_of(-3, 3), Some(0));
        for outside in [3, -4, i64::MAX, i64::MIN] {
            assert_eq!(index_of(outside, 3), None);
        }
    }

    #[test]
    fn ranges_are_cut_at_the_list() {
        for (start, stop, expected) in [
            (0, -1, 0..3),
            (-100, 100, 0..3),
            (1, 1, 1..2),
            (2, 1, 2..2),
            (3, 5, 3..3),
            (-2, -1, 1..3),
            (0, -4, 0..0),
            (i64::MIN, i64::MAX, 0..3),
            (i64::MAX, i64::MIN, 3..3),
        ] {
            assert_eq!(range_of(start, stop, 3), expected, "{start} {stop}");
        }
    }
}
