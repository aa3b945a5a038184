//! What XDELEX and XACKDEL have in common: `[KEEPREF | DELREF | ACKED] IDS numids id ..`, and a number for each id in reply.

use torc_resp::Args;
use torc_store::{References, Stream, StreamId};

use super::{ids, trimming};
use crate::command::integer_argument;
use crate::error::CommandError;

/// The reply for an id that is not there.
pub const NOT_FOUND: i64 = -1;
/// The reply for an entry that was deleted.
pub const DELETED: i64 = 1;
/// The reply for an entry that stays because a group still needs it.
pub const STILL_NEEDED: i64 = 2;

/// What becomes of references, and the words that are to be ids: nobody looks at them where there is nothing to delete.
pub fn parse(words: Args<'_>) -> Result<(References, Args<'_>), CommandError> {
    let (mut references, mut found, mut at) = (None, None, 0);
    while at < words.len() {
        let word = words.get(at);
        if let Some(given) = trimming::references(word).filter(|_| references.is_none()) {
            references = Some(given);
            at += 1;
        } else if word.eq_ignore_ascii_case(b"IDS") && at + 1 < words.len() {
            let count = integer_argument(words.get(at + 1)).ok().filter(|&count| count > 0);
            let count = count.ok_or(CommandError::fixed("ERR Number of IDs must be a positive integer"))? as u64;
            if count > (words.len() - at - 2) as u64 {
                return Err(CommandError::fixed("ERR The `numids` parameter must match the number of arguments"));
            }
            let (from, to) = (at + 2, at + 2 + count as usize);
            // Said again, it counts the second time.
            found = Some(words.range(from..to));
            at = to;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((references.unwrap_or(References::Keep), found.ok_or(CommandError::fixed("ERR IDS option is required"))?))
}

/// Reads the ids.
pub fn read_ids(words: Args<'_>) -> Result<Vec<StreamId>, CommandError> {
    words.iter().map(ids::parse_exact).collect()
}

/// What became of an entry that was to be deleted.
#[derive(Clone, Copy)]
pub struct Deletion {
    /// The reply.
    pub code: i64,
    /// It was gone before, and references to it were forgotten: a change that is not counted.
    pub forgot: bool,
}

/// Deletes one entry and says what became of it.
pub fn delete(stream: &mut Stream, id: StreamId, references: References) -> Deletion {
    if stream.get(id).is_none() {
        let forgot = references == References::Delete && stream.forget_references(id);
        return Deletion { code: NOT_FOUND, forgot };
    }
    Deletion { code: delete_present(stream, id, references), forgot: false }
}

fn delete_present(stream: &mut Stream, id: StreamId, references: References) -> i64 {
    match references {
        References::Acknowledged if stream.is_referenced(id) => return STILL_NEEDED,
        References::Delete => {
            stream.forget_references(id);
        }
        _ => {}
    }
    stream.delete(id);
    DELETED
}
