//! All sessions of one core, found by a small index whose generation tells a reused place from the old.

use std::sync::Arc;

use super::{Closing, ConnectionInfo, Session};
use crate::acl::User;
use crate::asker::ConnectionId;

#[derive(Default)]
struct Place {
    generation: u32,
    session: Option<Box<Session>>,
}

/// The table of sessions, and the list of those that have something for the host to do.
#[derive(Default)]
pub(crate) struct Sessions {
    places: Vec<Place>,
    free: Vec<u32>,
    dirty: Vec<ConnectionId>,
    runnable: Vec<ConnectionId>,
}

impl Sessions {
    /// Adds a session for a new connection.
    pub fn insert(&mut self, id: u64, info: ConnectionInfo, now_ms: i64, user: Arc<User>) -> &mut Session {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        assert!(place.session.is_none(), "a free place holds no session");
        let connection = ConnectionId { index, generation: place.generation };
        place.session.insert(Box::new(Session::new(connection, id, info, now_ms, user)))
    }

    /// Takes a session out; its id is never valid again.
    pub fn remove(&mut self, connection: ConnectionId) -> Option<Box<Session>> {
        let place = self.places.get_mut(connection.index as usize)?;
        if place.generation != connection.generation {
            return None;
        }
        let session = place.session.take()?;
        assert!(session.activity.is_idle(), "a session stays while something is under way for it");
        place.generation = place.generation.wrapping_add(1);
        self.free.push(connection.index);
        Some(session)
    }

    /// The session of a connection that may be gone.
    #[inline]
    pub fn get(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        let place = self.places.get_mut(connection.index as usize)?;
        if place.generation == connection.generation { place.session.as_deref_mut() } else { None }
    }

    /// The session of a connection that may be gone, only to look at.
    pub fn peek(&self, connection: ConnectionId) -> Option<&Session> {
        let place = self.places.get(connection.index as usize)?;
        if place.generation == connection.generation { place.session.as_deref() } else { None }
    }

    /// The session at a place of the table, if there is one.
    pub fn at(&mut self, index: usize) -> Option<&mut Session> {
        self.places.get_mut(index)?.session.as_deref_mut()
    }

    /// Number of places, used or not.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// All sessions.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.places.iter().filter_map(|place| place.session.as_deref())
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Marks the session for the next flush: it has output, must be closed, or starts or stops reading.
    #[inline]
    pub fn mark_dirty(&mut self, connection: ConnectionId) {
        if let Some(session) = self.get(connection)
            && !session.dirty
        {
            session.dirty = true;
            self.dirty.push(connection);
        }
    }

    /// Has the engine look at this session's input again in this turn.
    pub fn mark_runnable(&mut self, connection: ConnectionId) {
        if let Some(session) = self.get(connection)
            && !session.runnable
        {
            session.runnable = true;
            self.runnable.push(connection);
        }
    }

    /// All sessions that have stalled look at their input again.
    pub fn wake_stalled(&mut self) {
        let stalled = self.iter().filter(|session| session.stalled).map(|session| session.connection);
        for connection in stalled.collect::<Vec<_>>() {
            self.mark_runnable(connection);
        }
    }

    /// A pause is over: who has waited for that goes on.
    pub fn wake_postponed(&mut self) {
        let mut waiting = Vec::new();
        for session in self.places.iter_mut().filter_map(|place| place.session.as_deref_mut()) {
            if std::mem::take(&mut session.is_postponed) || session.activity.is_held() {
                waiting.push(session.connection);
            }
        }
        waiting.into_iter().for_each(|connection| self.mark_runnable(connection));
    }

    /// Closes a session, at once or after its output.
    pub fn close(&mut self, connection: ConnectionId, closing: Closing) {
        if let Some(session) = self.get(connection)
            && session.closing < Closing::Now
        {
            assert!(closing != Closing::No, "a session that closes stays so");
            session.closing = closing;
            self.mark_dirty(connection);
        }
    }

    /// Moves the list of sessions with something for the host into `into`.
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        for connection in &self.dirty {
            let place = &mut self.places[connection.index as usize];
            if place.generation == connection.generation
                && let Some(session) = &mut place.session
            {
                session.dirty = false;
            }
        }
        into.append(&mut self.dirty);
    }

    /// Whether a session has something for the host.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether a session waits to be looked at.
    pub fn has_runnable(&self) -> bool {
        !self.runnable.is_empty()
    }

    /// Closes a session whose input has ended, once nothing is owed and nothing complete waits in the input.
    pub fn close_when_done(&mut self, connection: ConnectionId) {
        if let Some(session) = self.get(connection)
            && session.end_of_input
            && !session.stalled
            && !session.is_waiting()
            && session.closing == Closing::No
        {
            self.close(connection, Closing::AfterFlush);
        }
    }

    /// Sessions whose reason to wait may be over.
    pub(crate) fn take_runnable(&mut self) -> Vec<ConnectionId> {
        let list = std::mem::take(&mut self.runnable);
        for &connection in &list {
            if let Some(session) = self.get(connection) {
                session.runnable = false;
            }
        }
        list
    }

    /// Sessions that were taken as runnable, and for which there was no time: they come before those that were marked meanwhile.
    pub(crate) fn put_back_runnable(&mut self, list: impl Iterator<Item = ConnectionId>) {
        let marked = self.take_runnable();
        list.chain(marked).for_each(|connection| self.mark_runnable(connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_place_does_not_answer_to_the_old_id() {
        let mut sessions = Sessions::default();
        let first = sessions.insert(1, ConnectionInfo::default(), 0, User::of_host()).connection;
        sessions.mark_dirty(first);
        assert!(sessions.remove(first).is_some());
        let second = sessions.insert(2, ConnectionInfo::default(), 0, User::of_host()).connection;
        assert_eq!(first.index, second.index);
        assert!(sessions.get(first).is_none());
        assert!(sessions.remove(first).is_none());
        assert_eq!(sessions.get(second).map(|session| session.id), Some(2));
    }
}
