//! The scripts of a core that have been suspended: what SCRIPT KILL looks at, and what makes a core busy.

/// One of them.
struct UnderWay {
    ticket: u64,
    /// On the host's clock.
    began_ns: u64,
    has_written: bool,
    is_killed: bool,
}

/// All of them.
#[derive(Default)]
pub struct AllUnderWay {
    scripts: Vec<UnderWay>,
    last_ticket: u64,
}

/// What SCRIPT KILL has found on a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// No script that has run for long.
    None,
    /// One, which ends.
    One,
    /// One that has written.
    HasWritten,
}

impl AllUnderWay {
    /// Adds one; gives its ticket.
    pub fn add(&mut self, began_ns: u64, has_written: bool) -> u64 {
        self.last_ticket += 1;
        self.scripts.push(UnderWay { ticket: self.last_ticket, began_ns, has_written, is_killed: false });
        self.last_ticket
    }

    fn get(&mut self, ticket: u64) -> &mut UnderWay {
        self.scripts.iter_mut().find(|script| script.ticket == ticket).expect("it is under way")
    }

    /// It has ended.
    pub fn remove(&mut self, ticket: u64) {
        self.scripts.retain(|script| script.ticket != ticket);
    }

    /// It has called a command that writes.
    pub fn note_written(&mut self, ticket: u64) {
        self.get(ticket).has_written = true;
    }

    /// Whether it is to end.
    pub fn is_killed(&self, ticket: u64) -> bool {
        self.scripts.iter().any(|script| script.ticket == ticket && script.is_killed)
    }

    /// Whether one of them has run for longer than this.
    pub fn is_any_older(&self, now_ns: u64, age_ns: u64) -> bool {
        self.scripts.iter().any(|script| now_ns.saturating_sub(script.began_ns) >= age_ns)
    }

    /// Ends those that have run for longer than this and have written nothing.
    pub fn kill(&mut self, now_ns: u64, age_ns: u64) -> Killed {
        let mut killed = Killed::None;
        for script in &mut self.scripts {
            if now_ns.saturating_sub(script.began_ns) < age_ns {
                continue;
            }
            if script.has_written {
                killed = if killed == Killed::One { killed } else { Killed::HasWritten };
            } else {
                script.is_killed = true;
                killed = Killed::One;
            }
        }
        killed
    }
}
