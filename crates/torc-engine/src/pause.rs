//! CLIENT PAUSE: for how long which requests wait. All cores have the same pause, but for the time that it takes to tell them.
//!
//! ```text
//!   PAUSE, on every core under the claim of all keys --> Pause in the state of the core
//!      requests: `dispatch` stalls those that it holds       keys: what expires stays, hidden
//!   each core: what its connections have begun before has been done --> +OK
//!      ... the end, or UNPAUSE --> who has stalled goes on
//! ```
//! See docs/connections.md, "A pause".

use crate::command::{Command, Flags};
use crate::session::CommandQueue;

/// Which requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Paused {
    /// Those that may change something, or be told to replicas.
    Writes,
    /// All.
    All,
}

/// A pause that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Which requests wait.
    pub what: Paused,
    /// Until then, Unix milliseconds.
    pub end_ms: i64,
}

impl Pause {
    /// What is paused when CLIENT PAUSE is added to the pause there is: the stricter one of both, until the later end.
    pub fn joined(current: Option<Pause>, what: Paused, end_ms: i64, now_ms: i64) -> Option<Pause> {
        let joined = match current {
            Some(pause) => Pause { what: pause.what.max(what), end_ms: pause.end_ms.max(end_ms) },
            None => Pause { what, end_ms },
        };
        (joined.end_ms > now_ms).then_some(joined)
    }

    /// Whether a request waits. `queue`: what an open transaction has queued, which counts for EXEC.
    pub fn holds(self, command: &Command, queue: Option<&CommandQueue>) -> bool {
        let runs_queue = command.row.flags.has(Flags::ENDS_TRANSACTION);
        self.what == Paused::All || may_change(command) || (runs_queue && queue.is_some_and(has_changes))
    }
}

/// Whether one of these commands may change something.
pub(crate) fn has_changes(queue: &CommandQueue) -> bool {
    queue.commands().any(|(command, _)| may_change(command))
}

fn may_change(command: &Command) -> bool {
    command.row.flags.has(Flags::WRITE) || command.row.flags.has(Flags::MAY_REPLICATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_pauses_the_stricter_one_holds_until_the_later_end() {
        let all = Pause::joined(None, Paused::All, 200, 100);
        assert_eq!(all, Some(Pause { what: Paused::All, end_ms: 200 }));
        assert_eq!(Pause::joined(all, Paused::Writes, 150, 100), all);
        assert_eq!(Pause::joined(all, Paused::Writes, 300, 100), Some(Pause { what: Paused::All, end_ms: 300 }));
        // What ends at once does not begin.
        assert_eq!(Pause::joined(None, Paused::Writes, 0, 200), None);
        let writes = Pause::joined(None, Paused::Writes, 200, 100);
        assert_eq!(Pause::joined(writes, Paused::All, 0, 100), Some(Pause { what: Paused::All, end_ms: 200 }));
    }
}
