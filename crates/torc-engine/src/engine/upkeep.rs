//! What a core does without being asked: expiry and lazy freeing in slices, idle clients, output limits, clients that take too much memory.

use std::sync::Arc;

use torc_store::Background;

use super::Engine;
use crate::client_memory::limit_bytes;
use crate::config::{Config, OutputLimit};
use crate::session::{Closing, ConnectionId, Session, Sessions};
use crate::state::CoreState;

/// Sessions looked at in one call of [`Engine::sweep_sessions`].
const SWEEP_SESSIONS_MAX: usize = 512;

/// Bytes of replies that a client may leave untaken before it has logged in.
const UNKNOWN_CLIENT_BYTES_MAX: usize = 1024;

/// Where the slow walk over all sessions is.
#[derive(Default)]
pub(super) struct Sweep {
    position: usize,
    /// Lasting bytes of the sessions that this walk has seen.
    bytes: usize,
    /// Bytes of those of them that may be closed to save memory.
    evictable_bytes: usize,
    /// Bytes of the largest of these.
    largest_bytes: usize,
}

impl Engine {
    /// Expires and frees for at most `units` units of about 100 ns.
    pub fn upkeep(&mut self, units: u32) -> Background {
        let now_ms = self.state.now_ms;
        let mut done = self.state.keyspace.background(now_ms, units);
        if self.state.memory.has_limit() && self.state.memory.is_over() {
            done.more |= self.relieve();
        }
        self.end_idle_unit();
        self.run_local_queue();
        done
    }

    /// Looks at the next few hundred sessions: closes those that are idle beyond `timeout`, or over a limit
    /// of `client-output-buffer-limit`. Called about every 10 ms.
    pub fn sweep_sessions(&mut self) {
        self.state.measure_memory();
        self.note_evictable();
        let used_bytes = self.state.memory.used_bytes(self.state.keyspace.quick_bytes());
        self.state.stats.sample(self.state.wall_ms(), || used_bytes as u64);
        let places = self.sessions.places();
        for _ in 0..places.min(SWEEP_SESSIONS_MAX) {
            self.look_at_session(self.sweep.position);
            self.sweep.position += 1;
            if self.sweep.position >= places {
                self.sweep.position = 0;
                self.state.sessions_bytes = std::mem::take(&mut self.sweep.bytes);
                self.evict_clients();
            }
        }
    }

    fn look_at_session(&mut self, position: usize) {
        let Some(session) = self.sessions.at(position) else { return };
        self.sweep.bytes += session.lasting_bytes();
        if may_be_evicted(session) {
            let bytes = session.memory_bytes() + session.shared_bytes();
            self.sweep.evictable_bytes += bytes;
            self.sweep.largest_bytes = self.sweep.largest_bytes.max(bytes);
        }
        let is_over = is_over_output_limit(&self.state, session);
        if is_over || is_idle_too_long(&self.state, session) {
            let is_new = is_over && session.closing < Closing::Now;
            self.state.stats.output_limit_disconnections += u64::from(is_new);
            let connection = session.connection;
            self.sessions.close(connection, Closing::Now);
        }
    }
}

/// Whether a client is owed more than it may be at once. What was made for it in this turn counts before it is sent, as in
/// Redis: whoever exceeds the limit gets nothing of it.
#[inline]
pub(super) fn exceeds_output_limit(state: &CoreState, session: &Session) -> bool {
    let hard_bytes = output_limit(&state.config, session).hard_bytes;
    session.out.is_cut()
        || (hard_bytes > 0 && session.output_bytes_pending() as u64 >= hard_bytes)
        || (!session.authenticated && session.socket_is_full && session.out.len() > UNKNOWN_CLIENT_BYTES_MAX)
}

impl Engine {
    /// Closes a session whose client has left too much untaken. What it has is dropped at once, and so is what still comes.
    pub(super) fn cut_off(&mut self, connection: ConnectionId) {
        cut_off(&mut self.state, &mut self.sessions, connection);
    }
}

/// Drops the output of a session that is over its limit, and has the host close it; for a role, which has no engine.
#[cold]
pub(super) fn cut_off(state: &mut CoreState, sessions: &mut Sessions, connection: ConnectionId) {
    let Some(session) = sessions.get(connection) else { return };
    session.out.cut_off();
    session.replies.drop_held();
    if session.closing < Closing::Now {
        session.closing = Closing::Now;
        state.stats.output_limit_disconnections += 1;
    }
    sessions.mark_dirty(connection);
}

/// The limit of the class of a session.
#[inline]
pub(super) fn output_limit<'c>(config: &'c Config, session: &Session) -> &'c OutputLimit {
    let limits = &config.client_output_buffer_limit;
    if session.is_subscriber { &limits.pubsub } else { &limits.normal }
}

impl Engine {
    /// A walk has ended: tells the other cores what it has seen. If all clients together take more than `maxmemory-clients`, and the
    /// largest of them is of this core, closes it, and others until that is no more so.
    fn evict_clients(&mut self) {
        let sum_bytes = std::mem::take(&mut self.sweep.evictable_bytes) as u64;
        let largest_bytes = std::mem::take(&mut self.sweep.largest_bytes) as u64;
        let Some(limit_bytes) = limit_bytes(self.state.config.maxmemory_clients, self.state.memory.max_bytes()) else {
            return;
        };
        let (memory, core) = (Arc::clone(&self.state.client_memory), self.state.core);
        memory.publish(core, sum_bytes, largest_bytes);
        let elsewhere_bytes = memory.elsewhere_bytes(core);
        if sum_bytes + elsewhere_bytes <= limit_bytes || !memory.is_largest(core, largest_bytes) {
            return;
        }
        let bytes = |session: &Session| ((session.memory_bytes() + session.shared_bytes()) as u64, session.connection);
        let evictable = self.sessions.iter().filter(|session| may_be_evicted(session));
        let mut clients: Vec<(u64, ConnectionId)> = evictable.map(bytes).collect();
        clients.sort_unstable_by_key(|&(bytes, _)| bytes);
        let mut left_bytes: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
        while let Some(&(bytes, connection)) = clients.last()
            && left_bytes + elsewhere_bytes > limit_bytes
            && memory.is_largest(core, bytes)
        {
            clients.pop();
            left_bytes -= bytes;
            self.state.stats.evicted_clients += 1;
            self.sessions.close(connection, Closing::Now);
        }
        memory.publish(core, left_bytes, clients.last().map_or(0, |&(bytes, _)| bytes));
    }
}

/// Whether a client may be closed for what it takes, as CLIENT LIST shows it.
fn may_be_evicted(session: &Session) -> bool {
    !(session.no_evict || session.closing >= Closing::Now || session.info.is_host)
}

fn is_idle_too_long(state: &CoreState, session: &Session) -> bool {
    let timeout_ms = i64::from(state.config.timeout_seconds) * 1000;
    let waits = session.is_waiting() || session.is_postponed || session.is_subscriber;
    timeout_ms > 0 && state.wall_ms() - session.active_ms > timeout_ms && !waits
}

/// Whether a client is over the hard limit, or has been over the soft one for too long.
fn is_over_output_limit(state: &CoreState, session: &mut Session) -> bool {
    if exceeds_output_limit(state, session) {
        return true;
    }
    let limit = output_limit(&state.config, session);
    let pending = session.output_bytes_pending() as u64;
    if limit.soft_bytes == 0 || pending < limit.soft_bytes {
        session.soft_limit_since_ms = 0;
        return false;
    }
    if session.soft_limit_since_ms == 0 {
        session.soft_limit_since_ms = state.wall_ms();
    }
    state.wall_ms() - session.soft_limit_since_ms >= (limit.soft_seconds as i64).saturating_mul(1000)
}
