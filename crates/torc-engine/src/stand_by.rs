//! Standing by: a cut is about to be made, and this core begins nothing that may take long, so that the claim of the cut finds it between
//! two commands (docs/durability.md, "The probe").
//!
//! ```text
//!   Probe, Schedule of a cut --> stands by --10 ms, the cut has run here, or it is withdrawn--> what has waited goes on
//! ```
//! It promises nothing: nobody asks whether a core still stands by.

use crate::asker::ConnectionId;
use crate::route::CoreId;
use crate::transaction::TransactionId;

/// A core stands by for so long, unless the attempt is one that is not withdrawn.
const BRIEFLY_NS: u64 = 10_000_000;

/// For how long a core is to stand by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandByFor {
    /// 10 ms.
    Briefly,
    /// Until the cut has run here.
    TheCut,
}

/// Whether a core stands by, and what waits for the end of that.
#[derive(Debug, Default)]
pub(crate) struct StandBy {
    /// The attempt of the cut for which it does; of several cuts the one that has asked last.
    attempt: Option<TransactionId>,
    /// Until when at the latest, on the host's clock; `None`: until the cut has run here.
    until_ns: Option<u64>,
    /// Sessions have stalled for it.
    has_stalled: bool,
    /// Connections of other cores a request of which waits for its end, by the core.
    behind: Vec<(CoreId, ConnectionId)>,
}

/// What goes on when a core stands by no more.
#[derive(Debug)]
pub(crate) struct StoodBy {
    /// Sessions have stalled for it.
    pub has_stalled: bool,
    /// Connections of other cores whose next request goes on.
    pub behind: Vec<(CoreId, ConnectionId)>,
}

impl StandBy {
    /// Begins it, or renews it.
    pub fn begin(&mut self, attempt: TransactionId, how_long: StandByFor, clock_ns: u64) {
        self.attempt = Some(attempt);
        self.until_ns = match how_long {
            StandByFor::Briefly => Some(clock_ns + BRIEFLY_NS),
            StandByFor::TheCut => None,
        };
    }

    /// Whether this core stands by.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.attempt.is_some()
    }

    /// Whether it does for this attempt.
    pub fn is_for(&self, attempt: TransactionId) -> bool {
        self.attempt == Some(attempt)
    }

    /// Whether it has lasted long enough.
    #[inline]
    pub fn is_overdue(&self, clock_ns: u64) -> bool {
        self.until_ns.is_some_and(|until_ns| clock_ns >= until_ns)
    }

    /// When it ends by itself, if something waits for that.
    pub fn awaited_end_ns(&self) -> Option<u64> {
        let is_awaited = self.has_stalled || !self.behind.is_empty();
        self.until_ns.filter(|_| is_awaited)
    }

    /// A session has stalled for it.
    pub fn note_stalled(&mut self) {
        assert!(self.is_on(), "whoever waits for an end waits for something that is there");
        self.has_stalled = true;
    }

    /// The next request of a connection of another core waits for its end.
    pub fn put_behind(&mut self, origin: CoreId, connection: ConnectionId) {
        assert!(self.is_on(), "whoever waits for an end waits for something that is there");
        self.behind.push((origin, connection));
    }

    /// Ends it.
    pub fn end(&mut self) -> StoodBy {
        let StandBy { has_stalled, behind, .. } = std::mem::take(self);
        StoodBy { has_stalled, behind }
    }

    /// Whether it is over, and nothing waits for its end.
    pub fn is_idle(&self) -> bool {
        !self.is_on() && !self.has_stalled && self.behind.is_empty()
    }
}
