//! CLIENT PAUSE after its own part: it is answered when no core has anything under way that may still change something, and who waits
//! for its end goes on then.
//!
//! ```text
//!   core of the pausing client                 every core
//!   PAUSE has run on all cores, which begin nothing any more that the pause holds
//!     |------------------ Drain ---------------->|   notes what its connections have begun before
//!     |<----------------- Drained ---------------|   when all of that has been done
//!   +OK
//! ```
//! What was begun needs nothing that waits for the pause: it waits for claims, and these end. A request that waits for a key has not begun,
//! and is not served before the pause ends, since nobody makes the key ready; one that was told to try again does so then.

use super::Engine;
use crate::pause::has_changes;
use crate::route::CoreId;
use crate::session::{Closing, ConnectionId, Session};
use crate::transaction::ToConnection;

/// A change of rights waits no longer than this for what was begun before it, milliseconds: a client that takes no replies must not keep
/// it from being answered.
const RIGHTS_DRAIN_MS_MAX: i64 = 1000;

/// Somebody waits until all that was begun on this core before has been done.
pub(super) struct Drain {
    /// The core of the connection that pauses.
    origin: CoreId,
    /// That connection.
    connection: ConnectionId,
    /// What has not been done when it was looked at last.
    begun: Vec<Begun>,
    /// When it ends in any case, Unix milliseconds; `None`: with the pause.
    end_ms: Option<i64>,
}

/// Something that may still change something.
enum Begun {
    /// The request of a pipeline whose reply has this sequence number.
    Request(ConnectionId, u64),
    /// The requests of a pipeline up to the one whose reply has this sequence number.
    Requests(ConnectionId, u64),
    /// What a connection gathers for its request with this number.
    Gather(ConnectionId, u64),
}

impl Engine {
    /// The parts of a gather are all there; if it has begun a pause, its reply waits until the cores have done what they had begun. Whether
    /// it does.
    #[cold]
    pub(super) fn waits_for_drain(&mut self, connection: ConnectionId) -> bool {
        let cores = self.state.cores;
        let has_paused = self.state.pause.is_some();
        let gather = self.session(connection).gather();
        let is_ordered = gather.queue.is_ordered();
        if !(has_paused || is_ordered) || gather.is_aborted() || gather.undrained.is_some() {
            return false;
        }
        gather.undrained = Some(cores);
        for core in 0..cores {
            self.outbox.post(core, ToConnection::Drain { connection, of_all: is_ordered });
        }
        true
    }

    /// A connection of `origin` wants to know when what was begun here has been done.
    /// `of_all`: not only of what may change something.
    pub(super) fn on_drain(&mut self, origin: CoreId, connection: ConnectionId, of_all: bool) {
        let begun = self.sessions.iter().flat_map(|session| begun_by(session, of_all)).collect();
        let end_ms = of_all.then(|| self.state.wall_ms() + RIGHTS_DRAIN_MS_MAX);
        self.drains.push(Drain { origin, connection, begun, end_ms });
    }

    /// A core has done what it had begun.
    pub(super) fn on_drained(&mut self, connection: ConnectionId) {
        let gather = self.session(connection).gather();
        let missing = gather.undrained.as_mut().expect("only who drains is told");
        *missing = missing.checked_sub(1).expect("each core tells once");
        if *missing == 0 {
            self.finish_gather(connection);
        }
    }

    /// Looks at what was begun; tells those who wait for that. Whether there were any to tell.
    #[cold]
    pub(super) fn end_drains(&mut self) -> bool {
        let Engine { state, sessions, drains, outbox, orphaned_effects, .. } = self;
        let before = drains.len();
        drains.retain_mut(|drain| {
            drain.begun.retain(|begun| match *begun {
                Begun::Request(connection, sequence) => {
                    sessions.peek(connection).is_some_and(|session| session.replies.is_owed(sequence))
                }
                Begun::Requests(connection, last) => {
                    sessions.peek(connection).is_some_and(|session| session.replies.is_owed_up_to(last))
                }
                Begun::Gather(connection, number) => sessions
                    .peek(connection)
                    .is_some_and(|session| session.requests == number && session.activity.under_way().is_some()),
            });
            // When the pause is over, there is nothing to wait for.
            let has_ended = drain.end_ms.map_or(state.pause.is_none(), |end_ms| state.wall_ms() >= end_ms);
            let is_over = (drain.begun.is_empty() && *orphaned_effects == 0) || has_ended;
            if is_over {
                outbox.post(drain.origin, ToConnection::Drained(drain.connection));
            }
            !is_over
        });
        drains.len() < before
    }

    /// Ends the pause if its time has come.
    pub(super) fn end_overdue_pause(&mut self) {
        if self.state.pause.is_some_and(|pause| pause.end_ms <= self.state.wall_ms()) {
            self.state.end_pause();
            self.sessions.wake_postponed();
        }
    }

    /// A connection that was promised another try before a pause ended has it now, if it is still there.
    pub(super) fn try_held(&mut self, connection: ConnectionId) {
        if self.state.pause.is_some() {
            return;
        }
        let session = self.session(connection);
        if session.closing >= Closing::Now || session.end_of_input {
            self.give_up(connection);
        } else {
            self.run_again(connection);
        }
    }
}

/// What a session has begun that may still change something.
fn begun_by(session: &Session, of_all: bool) -> impl Iterator<Item = Begun> {
    let replies = &session.replies;
    let connection = session.connection;
    let request = match of_all {
        true => replies.last_owed().map(|last| Begun::Requests(connection, last)),
        false => replies.last_effect_owed().map(|sequence| Begun::Request(connection, sequence)),
    };
    // A gather that drains has done its own part.
    let gather = session
        .activity
        .under_way()
        .filter(|gather| gather.undrained.is_none() && (of_all || has_changes(&gather.queue)));
    request.into_iter().chain(gather.map(|_| Begun::Gather(session.connection, session.requests)))
}
