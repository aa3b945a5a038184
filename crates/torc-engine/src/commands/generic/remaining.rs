//! What the four commands that report an expiry share.

use torc_resp::{Args, Reply};

use super::expiry::Notation;
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// The answer for a key that does not exist.
const ABSENT: i64 = -2;
/// The answer for a key that never expires.
const ENDLESS: i64 = -1;

/// Answers when the key expires, rounded to the nearest unit.
pub fn report(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    notation: Notation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let now_ms = context.now_ms();
    reply.integer(match context.peek(args.get(1)).map(|value| value.expire_at()) {
        None => ABSENT,
        Some(None) => ENDLESS,
        Some(Some(deadline_ms)) => shown(deadline_ms, notation, now_ms),
    });
    Ok(())
}

fn shown(deadline_ms: i64, notation: Notation, now_ms: i64) -> i64 {
    let time_ms = if notation.relative { (deadline_ms - now_ms).max(0) } else { deadline_ms };
    // Not `(time + unit / 2) / unit`, which overflows for the last deadlines there are.
    time_ms / notation.unit_ms + i64::from(time_ms % notation.unit_ms * 2 >= notation.unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_and_the_last_deadline_does_not_overflow() {
        let seconds = Notation { unit_ms: 1000, relative: false };
        assert_eq!(shown(1499, seconds, 0), 1);
        assert_eq!(shown(1500, seconds, 0), 2);
        assert_eq!(shown(i64::MAX, seconds, 0), 9_223_372_036_854_776);
        let millis = Notation { unit_ms: 1, relative: true };
        assert_eq!(shown(i64::MAX, millis, 1), i64::MAX - 1);
        assert_eq!(shown(7, millis, 5), 2);
        assert_eq!(shown(5, millis, 5), 0);
    }
}
