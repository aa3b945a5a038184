//! What MOVE, COPY and SWAPDB share: arguments that name a database.

use crate::error::CommandError;
use crate::shard::ShardContext;

/// The database that an argument names.
pub fn database(context: &ShardContext<'_>, argument: &[u8]) -> Result<u16, CommandError> {
    let number = crate::command::integer_argument(argument)?;
    let number = i32::try_from(number)
        .map_err(|_| CommandError::fixed("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    in_range(context, number)
}

/// The database with this number.
pub fn in_range(context: &ShardContext<'_>, number: i32) -> Result<u16, CommandError> {
    let known = u16::try_from(number).ok().filter(|&db| db < context.databases());
    known.ok_or(CommandError::fixed("ERR DB index is out of range"))
}
