//! The scripts and functions of a core that have been suspended: what SCRIPT KILL, FUNCTION KILL and FUNCTION STATS look at, and what
//! makes a core busy.

use std::sync::Arc;

use torc_resp::Args;

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptKind {
    /// A script: EVAL and its like.
    Script,
    /// A function of a library.
    Function,
}

/// One of them.
pub struct UnderWay {
    ticket: u64,
    /// On the host's clock.
    pub began_ns: u64,
    has_written: bool,
    is_killed: bool,
    /// The function that it is, unless it is a script.
    pub function: Option<Called>,
}

/// A function that was called.
pub struct Called {
    /// As its library spells it.
    pub name: Arc<[u8]>,
    /// The words of the request.
    pub words: Box<[Box<[u8]>]>,
}

impl Called {
    /// By this request.
    pub fn new(name: Arc<[u8]>, args: Args<'_>) -> Self {
        Called { name, words: args.iter().map(Box::from).collect() }
    }
}

impl UnderWay {
    /// What it is.
    pub fn kind(&self) -> ScriptKind {
        if self.function.is_some() { ScriptKind::Function } else { ScriptKind::Script }
    }
}

/// All of them.
#[derive(Default)]
pub struct AllUnderWay {
    scripts: Vec<UnderWay>,
    last_ticket: u64,
}

/// What SCRIPT KILL or FUNCTION KILL has found on a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Killed {
    /// Nothing that has run for long.
    None,
    /// One of the other kind.
    OfOtherKind,
    /// One that has written.
    HasWritten,
    /// One, which ends.
    One,
}

impl Killed {
    /// All of them, least first.
    pub const ALL: [Killed; 4] = [Killed::None, Killed::OfOtherKind, Killed::HasWritten, Killed::One];
}

impl AllUnderWay {
    /// Adds one; gives its ticket.
    pub fn add(&mut self, began_ns: u64, has_written: bool, function: Option<Called>) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.scripts.push(UnderWay { ticket, began_ns, has_written, is_killed: false, function });
        ticket
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

    /// The one that has run for longest.
    pub fn oldest(&self) -> Option<&UnderWay> {
        self.scripts.iter().min_by_key(|script| script.began_ns)
    }

    /// What has run for longest, if for longer than this.
    pub fn oldest_above(&self, now_ns: u64, age_ns: u64) -> Option<ScriptKind> {
        let oldest = self.oldest().filter(|script| now_ns.saturating_sub(script.began_ns) >= age_ns);
        oldest.map(UnderWay::kind)
    }

    /// Ends those of a kind that have run for longer than this and have written nothing.
    pub fn kill(&mut self, kind: ScriptKind, now_ns: u64, age_ns: u64) -> Killed {
        let are_old = self.scripts.iter_mut().filter(|script| now_ns.saturating_sub(script.began_ns) >= age_ns);
        let killed = are_old.map(|script| {
            if script.has_written {
                return Killed::HasWritten;
            }
            if script.kind() != kind {
                return Killed::OfOtherKind;
            }
            script.is_killed = true;
            Killed::One
        });
        killed.max().unwrap_or(Killed::None)
    }
}
