//! How clients are told of keys that they may have cached: docs/tracking.md.
//!
//! ```text
//!   a unit has changed a key --> invalidate: Invalidated --> the cores of its readers --> tell_stale --> their connections
//!                                  \--a prefix has it--> broadcasts --end of the turn--^      \--Redirected--> another connection
//! ```

use super::RoleContext;
use super::pubsub::note_pushed;
use super::upkeep::cut_off;
use crate::asker::{ConnectionId, core_of_client};
use crate::route::CoreId;
use crate::session::Closing;
use crate::tracking::{Addressees, Body, Invalidated, Mode, Reader, Redirect, Stale};
use crate::transaction::ToSubscribers;

use torc_resp::{OutputBuffer, Protocol, Reply};

impl RoleContext<'_> {
    /// A key has changed that clients may have cached, or all keys of a database. `by`: the client that asked for what ran.
    pub(super) fn invalidate(&mut self, invalidated: &Invalidated, by: Option<u64>) {
        let Invalidated::Key { key, readers, is_broadcast, is_by_asker } = invalidated else {
            return self.invalidate_all();
        };
        let by = by.filter(|_| *is_by_asker);
        if *is_broadcast {
            let state = &mut *self.state;
            for prefix in state.pubsub.routes.prefixes_of(key) {
                state.broadcasts.note(prefix, key, by);
            }
        }
        if readers.is_empty() {
            return;
        }
        let stale = Stale::key(key, by);
        for (core, connections) in by_core(readers) {
            self.send_stale(core, stale.clone(), Addressees::Readers(connections));
        }
    }

    /// Of a client of another core, all cores tell what it has read there: what another has told may be there before the reply. Who has read
    /// nothing is told by its own core alone.
    fn invalidate_all(&mut self) {
        let readers = self.state.read_table.take_all();
        let mut by_core = by_core(&readers);
        for core in self.state.pubsub.routes.cores_of_prefixes() {
            if by_core.iter().all(|(known, _)| *known != core) {
                by_core.push((core, Vec::new()));
            }
        }
        let own = self.state.core;
        for (core, connections) in by_core.into_iter().filter(|(core, _)| *core != own) {
            self.send_stale(core, Stale::All, Addressees::BroadcastAnd(connections));
        }
        self.tell_stale(own, &Stale::All, &Addressees::Everyone);
    }

    /// The turn ends: keys that have changed in it are told by prefix.
    pub(super) fn tell_broadcasts(&mut self) {
        for (prefix, stale) in std::mem::take(&mut self.state.broadcasts).into_stale() {
            let cores: Vec<CoreId> = self.state.pubsub.routes.cores_of_prefix(&prefix).collect();
            for core in cores {
                self.send_stale(core, stale.clone(), Addressees::Prefix(prefix.clone()));
            }
        }
    }

    fn send_stale(&mut self, core: CoreId, stale: Stale, to: Addressees) {
        if core == self.state.core {
            self.tell_stale(core, &stale, &to);
        } else {
            self.outbox.post(core, ToSubscribers::Invalidated { stale, to });
        }
    }

    /// Tells connections of this core of keys that have changed on core `at`.
    pub(super) fn tell_stale(&mut self, at: CoreId, stale: &Stale, to: &Addressees) {
        let receivers = &self.state.pubsub.receivers;
        let connections: Vec<ConnectionId> = match to {
            Addressees::Readers(readers) => readers.clone(),
            Addressees::Prefix(prefix) => receivers.of_prefix(prefix, at).collect(),
            Addressees::BroadcastAnd(readers) => {
                let mut all: Vec<ConnectionId> = receivers.of_prefixes().chain(readers.iter().copied()).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            Addressees::Everyone => {
                let tracking = self.sessions.iter().filter(|session| session.tracking.is_some());
                tracking.map(|session| session.connection).collect()
            }
        };
        let whole = stale.body();
        let is_of_readers = matches!(to, Addressees::Readers(_));
        for connection in connections {
            self.tell_of(connection, stale, &whole, is_of_readers);
        }
    }

    /// Tells a connection, or the one to which it has redirected that. `is_of_reader`: since it has read a key, which is forgotten when it
    /// has changed to prefixes since.
    fn tell_of(&mut self, connection: ConnectionId, stale: &Stale, whole: &Body, is_of_reader: bool) {
        let Some(session) = self.sessions.get(connection) else { return };
        let Some(tracking) = &session.tracking else { return };
        if is_of_reader && tracking.mode == Mode::Broadcast {
            return;
        }
        let body = if tracking.no_loop { stale.body_without(session.id, whole) } else { Some(whole.clone()) };
        let (Some(body), redirect, protocol) = (body, tracking.redirect, session.protocol) else { return };
        match redirect {
            Some(Redirect { client_id, connection: to }) => {
                let core = core_of_client(client_id, self.state.cores);
                if core == self.state.core {
                    self.tell_redirected(core, to, connection, &body);
                } else {
                    self.outbox.post(core, ToSubscribers::Redirected { to, of: connection, body });
                }
            }
            None if protocol == Protocol::Resp3 => self.push_to(connection, |out, protocol| body.write(out, protocol)),
            // Under RESP2 there is no way to tell a client anything that it has not asked for.
            None => {}
        }
    }

    /// Tells the connection `to` what a connection of core `from` is to be told. Under RESP2 it has to have subscribed to something.
    pub(super) fn tell_redirected(&mut self, from: CoreId, to: ConnectionId, of: ConnectionId, body: &Body) {
        let Some(target) = self.sessions.get(to).filter(|session| session.closing == Closing::No) else {
            if from == self.state.core {
                self.note_broken_redirect(of);
            } else {
                self.outbox.post(from, ToSubscribers::RedirectBroken(of));
            }
            return;
        };
        if target.protocol == Protocol::Resp3 || target.is_subscriber {
            self.push_to(to, |out, protocol| body.write(out, protocol));
        }
    }

    /// The connection to which this one has redirected what it is told is gone: it is told so.
    pub(super) fn note_broken_redirect(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.get(connection) else { return };
        let protocol = session.protocol;
        let Some(tracking) = &mut session.tracking else { return };
        let Some(redirect) = tracking.redirect else { return };
        tracking.is_redirect_broken = true;
        if protocol == Protocol::Resp3 {
            self.push_to(connection, |out, protocol| {
                let reply = &mut Reply::new(out, protocol);
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(redirect.client_id as i64);
            });
        }
    }

    /// Appends what a connection is told to its output.
    fn push_to(&mut self, connection: ConnectionId, write: impl FnOnce(&mut OutputBuffer, Protocol)) {
        let RoleContext { state, sessions, spare_outputs, .. } = self;
        let Some(session) = sessions.get(connection).filter(|session| session.closing == Closing::No) else { return };
        spare_outputs.lend(session);
        session.push_invalidation(write);
        let is_over_limit = note_pushed(state, session);
        sessions.mark_dirty(connection);
        if is_over_limit {
            cut_off(state, sessions, connection);
        }
    }
}

/// Readers, which are sorted, by their cores.
fn by_core(readers: &[Reader]) -> Vec<(CoreId, Vec<ConnectionId>)> {
    let groups = readers.chunk_by(|one, other| one.core == other.core);
    groups.map(|group| (group[0].core, group.iter().map(|reader| reader.connection).collect())).collect()
}
