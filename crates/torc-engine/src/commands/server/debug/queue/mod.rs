//! DEBUG QUEUE-*: a queue in a string, to try the machinery of waiting with.
//!
//! ```text
//!   5:first6:second        each element with its length before it; the key goes with the last one
//! ```

pub(super) mod drain;
pub(super) mod r#move;
pub(super) mod pop;
pub(super) mod push;
pub(super) mod read;

use torc_store::{Entry, StringForm};

use crate::command::{Flags, Row};
use crate::error::CommandError;
use crate::shard::ShardContext;

/// What all rows have in common.
const ROW_DEFAULT: Row = Row { flags: super::DEVELOPER.and(Flags::WRITE), group: "server", ..Row::DEFAULT };

/// The elements of a queue; `None` if it is none.
fn elements(value: Option<&[u8]>) -> Option<Vec<&[u8]>> {
    let mut rest = value?;
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|&byte| byte == b':')?;
        let len = torc_resp::number::parse_u64(&rest[..colon])? as usize;
        let end = (colon + 1).checked_add(len).filter(|&end| end <= rest.len())?;
        elements.push(&rest[colon + 1..end]);
        rest = &rest[end..];
    }
    Some(elements)
}

/// The elements of the queue under a key, which may be missing.
fn elements_of<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Option<Vec<&'a [u8]>>, CommandError> {
    let Some(value) = context.peek(key) else { return Ok(None) };
    elements(value.as_string()).map(Some).ok_or(CommandError::WrongType)
}

/// Whether the queue under a key has elements.
fn has_elements(context: &mut ShardContext<'_>, key: &[u8]) -> Result<bool, CommandError> {
    Ok(elements_of(context, key)?.is_some_and(|elements| !elements.is_empty()))
}

/// Appends elements; gives the number of all.
fn append<'e>(
    context: &mut ShardContext<'_>,
    key: &[u8],
    fresh: impl ExactSizeIterator<Item = &'e [u8]>,
) -> Result<usize, CommandError> {
    let (mut added, count) = (Vec::new(), fresh.len());
    for element in fresh {
        added.extend_from_slice(format!("{}:", element.len()).as_bytes());
        added.extend_from_slice(element);
    }
    match context.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert_string(&added, None, StringForm::Raw);
            Ok(count)
        }
        Entry::Occupied(mut occupied) => {
            let len = elements(occupied.value().as_string()).ok_or(CommandError::WrongType)?.len();
            occupied.append(&added);
            Ok(len + count)
        }
    }
}

/// Takes the first `count` elements of a queue that has as many.
fn take_first(context: &mut ShardContext<'_>, key: &[u8], count: usize) -> Vec<Vec<u8>> {
    let Entry::Occupied(mut occupied) = context.entry(key) else { unreachable!("the queue is there") };
    let value = occupied.value().as_string().expect("it is a queue").to_vec();
    let elements = elements(Some(&value)).expect("it is a queue");
    if elements.len() == count {
        occupied.remove();
    } else {
        let rest = elements[count - 1].as_ptr_range().end.addr() - value.as_ptr().addr();
        occupied.set_string(&value[rest..], StringForm::Raw);
    }
    elements[..count].iter().map(|element| element.to_vec()).collect()
}
