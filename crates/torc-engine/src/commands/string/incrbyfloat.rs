//! INCRBYFLOAT key increment: adds to a number with a fraction, in 80-bit floats as Redis does.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::number::Extended;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "incrbyfloat",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(incrbyfloat),
    since: "2.6.0",
    group: "string",
    summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    syntax: "key increment/double",
    ..Row::DEFAULT
};

fn incrbyfloat(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.get(1);
    let text = match context.string_entry(key)? {
        Entry::Vacant(vacant) => {
            let text = sum(Extended::ZERO, args.get(2))?;
            vacant.insert_string(text.as_bytes(), None, StringForm::Embedded);
            text
        }
        Entry::Occupied(mut occupied) => {
            let value = occupied.value().as_string().expect("a string entry holds a string");
            let number = Extended::parse(value).ok_or(CommandError::NotAFloat)?;
            let text = sum(number, args.get(2))?;
            occupied.set_string(text.as_bytes(), StringForm::Embedded);
            text
        }
    };
    reply.bulk(text.as_bytes());
    context.event(EventClass::String, "incrbyfloat", key);
    context.propagate(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
    Ok(())
}

fn sum(number: Extended, increment: &[u8]) -> Result<String, CommandError> {
    let increment = Extended::parse(increment).ok_or(CommandError::NotAFloat)?;
    let sum = number.plus(increment).ok_or(CommandError::fixed("ERR increment would produce NaN or Infinity"))?;
    Ok(sum.text())
}
