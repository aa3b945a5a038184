//! Adding to a value that is the text of a 64-bit integer: INCR, DECR and their relatives.

use torc_resp::Reply;
use torc_resp::number::{I64Text, parse_i64};
use torc_store::{Entry, StringForm};

use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

/// Adds `delta` to the number at `key`, absent counting as 0, and answers the sum. The key keeps its expiry.
pub fn add(context: &mut ShardContext<'_>, key: &[u8], delta: i64, reply: &mut Reply<'_>) -> CommandResult {
    let sum = match context.string_entry(key)? {
        Entry::Vacant(vacant) => {
            vacant.insert_string(I64Text::new(delta).as_bytes(), None, StringForm::Auto);
            delta
        }
        Entry::Occupied(mut occupied) => {
            let text = occupied.value().as_string().expect("a string entry holds a string");
            let number = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
            let sum = number.checked_add(delta).ok_or(CommandError::Overflow)?;
            occupied.set_string(I64Text::new(sum).as_bytes(), StringForm::Auto);
            sum
        }
    };
    context.event(EventClass::String, "incrby", key);
    reply.integer(sum);
    Ok(())
}
