//! What the four commands that set an expiry share: how the time is given, under which condition it applies,
//! and that a time in the past removes the key.
//!
//! ```text
//!   argument * unit (+ now, when relative)  -> deadline, Unix milliseconds; an overflow is an error
//!   condition(old deadline, new deadline)   -> 0, nothing changes
//!   deadline <= now                         -> 1, the key is removed
//!   else                                    -> 1, the key has the deadline
//! ```

use torc_resp::number::I64Text;
use torc_resp::{Args, Reply};
use torc_store::Entry;

use crate::command::integer_argument;
use crate::commands::forms;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

/// How a command gives a point in time.
#[derive(Clone, Copy)]
pub struct Notation {
    /// Milliseconds in one unit of the argument.
    pub unit_ms: i64,
    /// Counted from now; else from the Unix epoch.
    pub relative: bool,
}

/// The arguments of all four commands, but for the time's name.
macro_rules! syntax {
    ($time:literal) => {
        concat!("key ", $time, " condition:[NX | XX | GT | LT]@7.0.0")
    };
}
pub(super) use syntax;

/// Gives the key an expiry and answers 1, or 0 when the key is absent or the condition does not hold.
pub fn set_expiry(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    notation: Notation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let condition = Condition::parse(args.from(3))?;
    let now_ms = context.now_ms();
    let deadline_ms = notation
        .deadline_ms(integer_argument(args.get(2))?, now_ms)
        .ok_or(CommandError::InvalidExpire(context.command.full_name))?;
    let touch = context.touch;
    let Entry::Occupied(mut occupied) = context.entry(args.get(1)) else {
        reply.integer(0);
        return Ok(());
    };
    if touch {
        occupied.touch(now_ms);
    }
    let applies = condition.holds(occupied.value().expire_at(), deadline_ms);
    if applies && deadline_ms <= now_ms {
        occupied.remove();
        forms::removed(context, args.get(1));
    } else if applies {
        occupied.set_expire_at(Some(deadline_ms));
        context.event(EventClass::Generic, "expire", args.get(1));
        if context.propagates() {
            let deadline = I64Text::new(deadline_ms);
            forms::with_replaced(context, args, &[(0, b"PEXPIREAT"), (2, deadline.as_bytes())]);
        }
    }
    reply.integer(i64::from(applies));
    Ok(())
}

impl Notation {
    /// The point in time as Unix milliseconds, possibly in the past; `None` when it is out of range.
    fn deadline_ms(self, argument: i64, now_ms: i64) -> Option<i64> {
        let start_ms = if self.relative { now_ms } else { 0 };
        argument.checked_mul(self.unit_ms)?.checked_add(start_ms)
    }
}

/// NX, XX, GT and LT.
#[derive(Clone, Copy, Default)]
struct Condition {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_earlier: bool,
}

impl Condition {
    fn parse(options: Args<'_>) -> Result<Self, CommandError> {
        let mut condition = Condition::default();
        for option in options.iter() {
            let flag = match option.to_ascii_lowercase().as_slice() {
                b"nx" => &mut condition.only_without,
                b"xx" => &mut condition.only_with,
                b"gt" => &mut condition.only_later,
                b"lt" => &mut condition.only_earlier,
                _ => return Err(CommandError::quoting("ERR Unsupported option {}", &[option])),
            };
            *flag = true;
        }
        let Condition { only_without, only_with, only_later, only_earlier } = condition;
        if only_without && (only_with || only_later || only_earlier) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(CommandError::fixed(text));
        }
        if only_later && only_earlier {
            return Err(CommandError::fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// Whether a key that expires at `old_ms` may be given the new deadline. No expiry counts as infinitely late.
    fn holds(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        !(self.only_without && old_ms.is_some()
            || self.only_with && old_ms.is_none()
            || self.only_later && old_ms.is_none_or(|old_ms| new_ms <= old_ms)
            || self.only_earlier && old_ms.is_some_and(|old_ms| new_ms >= old_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_overflow_where_redis_refuses_them() {
        let at_seconds = Notation { unit_ms: 1000, relative: false };
        assert_eq!(at_seconds.deadline_ms(9_223_372_036_854_775, 5), Some(9_223_372_036_854_775_000));
        assert_eq!(at_seconds.deadline_ms(9_223_372_036_854_776, 5), None);
        assert_eq!(at_seconds.deadline_ms(-9_223_372_036_854_776, 5), None);
        let in_millis = Notation { unit_ms: 1, relative: true };
        assert_eq!(in_millis.deadline_ms(i64::MAX - 5, 5), Some(i64::MAX));
        assert_eq!(in_millis.deadline_ms(i64::MAX - 4, 5), None);
        assert_eq!(in_millis.deadline_ms(i64::MIN, 5), Some(i64::MIN + 5));
    }

    #[test]
    fn no_expiry_is_later_than_any() {
        let later = Condition { only_later: true, ..Condition::default() };
        let earlier = Condition { only_earlier: true, ..Condition::default() };
        assert!(!later.holds(None, i64::MAX) && earlier.holds(None, i64::MAX));
        assert!(later.holds(Some(1), 2) && !later.holds(Some(2), 2));
        assert!(earlier.holds(Some(2), 1) && !earlier.holds(Some(2), 2));
    }
}
