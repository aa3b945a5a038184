//! Faults in the protocol, and in answers that are judged by what they must hold, which the simulator puts in to show that it would
//! find them. A server has none.

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A claim that must wait counts as granted.
    GrantAtOnce,
    /// Claims that conflict may stand in any order of ids.
    AnyOrder,
    /// A claim that a release has granted is not told, at times.
    DropGrant,
    /// Units look at no claims.
    UnitsOvertake,
    /// What is only read is not locked.
    ReadersDoNotLock,
    /// Watched keys are not locked.
    WatchesDoNotLock,
    /// Watched keys are never found to have changed by a transaction over several cores.
    SkipComparison,
    /// A hop runs at its core's own time.
    OwnTime,
    /// Expired keys are removed although a transaction may still read them.
    NoFloor,
    /// A refused attempt is not called off at the other participants.
    KeepRefused,
    /// Changed keys wake nobody when a transaction over several cores changes them.
    DropWakeUp,
    /// Waiters of several cores are served by several at once.
    NoToken,
    /// What is moved for a waiter is put into a key that is not locked.
    MovesDoNotLock,
    /// Who waits to move something to another core is told that there is something, and goes on waiting.
    NoRetry,
    /// CLIENT UNBLOCK says that it has ended a wait, which goes on.
    UnblocksNobody,
    /// What chooses at random gives an element that is not there.
    ChoosesAbsent,
    /// What chooses several different elements at random gives one of them twice.
    ChoosesTwice,
    /// A scan leaves out an element.
    ScanSkips,
    /// A big value is taken out of its key although the command refuses to move it.
    TakesRefused,
    /// The key whose big value is handed over to another core stays.
    LeavesRemains,
}

impl Fault {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Fault); 20] = [
        ("grant-at-once", Fault::GrantAtOnce),
        ("any-order", Fault::AnyOrder),
        ("drop-grant", Fault::DropGrant),
        ("units-overtake", Fault::UnitsOvertake),
        ("readers-do-not-lock", Fault::ReadersDoNotLock),
        ("watches-do-not-lock", Fault::WatchesDoNotLock),
        ("skip-comparison", Fault::SkipComparison),
        ("own-time", Fault::OwnTime),
        ("no-floor", Fault::NoFloor),
        ("keep-refused", Fault::KeepRefused),
        ("drop-wake-up", Fault::DropWakeUp),
        ("no-token", Fault::NoToken),
        ("moves-do-not-lock", Fault::MovesDoNotLock),
        ("no-retry", Fault::NoRetry),
        ("unblocks-nobody", Fault::UnblocksNobody),
        ("chooses-absent", Fault::ChoosesAbsent),
        ("chooses-twice", Fault::ChoosesTwice),
        ("scan-skips", Fault::ScanSkips),
        ("takes-refused", Fault::TakesRefused),
        ("leaves-remains", Fault::LeavesRemains),
    ];
}
