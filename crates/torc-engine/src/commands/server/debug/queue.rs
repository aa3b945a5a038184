//! DEBUG QUEUE-PUSH and QUEUE-POP: a queue in a string, to try the machinery of waiting with.
//!
//! ```text
//!   5:first6:second        each element with its length before it; the key goes with the last one
//! ```

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::blocking::take_or_nothing;
use crate::command::{AwaitedKey, Blocking, Flags, Keys, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-PUSH.
pub static PUSH: Row = Row {
    name: "queue-push",
    arity: -4,
    flags: super::DEVELOPER.and(Flags::WRITE),
    keys: Keys::at(2),
    route: Route::Owner,
    run: Run::Shard(push),
    group: "server",
    summary: "Appends elements to a queue in a string, for tests.",
    complexity: "O(N) where N is the number of elements",
    syntax: "key element [element ...]",
    ..Row::DEFAULT
};

/// The description of DEBUG QUEUE-POP.
pub static POP: Row = Row {
    name: "queue-pop",
    arity: -4,
    flags: super::DEVELOPER.and(Flags::WRITE).and(Flags::BLOCKING),
    keys: Keys { first: 2, last: -2, step: 1 },
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking { is_ready, take, ..Blocking::DEFAULT }),
    group: "server",
    summary: "Takes the first element of the first queue that has one, or waits for it, for tests.",
    complexity: "O(N) where N is the length of the queue",
    syntax: "key [key ...] timeout",
    ..Row::DEFAULT
};

fn push(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut added = Vec::new();
    for element in args.from(3) {
        added.extend_from_slice(format!("{}:", element.len()).as_bytes());
        added.extend_from_slice(element);
    }
    let len = match context.entry(args.get(2)) {
        Entry::Vacant(vacant) => {
            vacant.insert_string(&added, None, StringForm::Raw);
            args.len() - 3
        }
        Entry::Occupied(mut occupied) => {
            let len = elements(occupied.value().as_string()).ok_or(CommandError::WrongType)?.len();
            occupied.append(&added);
            len + args.len() - 3
        }
    };
    reply.integer(len as i64);
    Ok(())
}

fn is_ready(context: &mut ShardContext<'_>, _args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    let Some(value) = context.peek(key.name) else { return Ok(false) };
    elements(value.as_string()).map(|elements| !elements.is_empty()).ok_or(CommandError::WrongType)
}

fn take(context: &mut ShardContext<'_>, _args: Args<'_>, key: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Entry::Occupied(mut occupied) = context.entry(key.name) else { unreachable!("the key is ready") };
    let value = occupied.value().as_string().expect("the key is ready").to_vec();
    let elements = elements(Some(&value)).expect("the key is ready");
    let first = elements.first().expect("the key is ready");
    reply.array(2);
    reply.bulk(key.name);
    reply.bulk(first);
    if elements.len() == 1 {
        occupied.remove();
    } else {
        let rest = first.as_ptr_range().end.addr() - value.as_ptr().addr();
        occupied.set_string(&value[rest..], StringForm::Raw);
    }
    Ok(())
}

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
