//! What commands see that are about a connection, or about a whole core.
//!
//! The state of the core is private to this module. Neither kind of command reaches a key: that is for those which run on a shard.

use std::sync::Arc;
use std::time::Duration;

use torc_rdb::payload::Checksum;
use torc_store::{KeyspaceStats, MemoryUse};

use super::{Closing, Session, Sessions, UserChange, follow_users};
use crate::acl::{DenialContext, DenialLog, Reason, Users};
use crate::asker::Asker;
use crate::command::{Command, Registry};
use crate::config::Config;
use crate::error::CommandError;
use crate::host_request::{HostRequest, LogKind};
use crate::pause::Paused;
use crate::pubsub::Routes;
use crate::random::Random;
use crate::route::CoreId;
use crate::script::{Killed, Libraries, ScriptFigures, ScriptKind, ScriptRuns, Sha, UnderWay};
use crate::state::{CoreState, DatabaseFigures, Facts};
use crate::stats::CoreStats;
use crate::tracking::{self, ReadTable};

/// The view of a command that runs for its connection, on the core that holds it.
pub struct SessionContext<'a> {
    /// The connection's core.
    state: &'a mut CoreState,
    /// The connection. Its `out` is lent to the reply meanwhile, and empty.
    pub(crate) session: &'a mut Session,
    /// The command that runs.
    pub(crate) command: &'static Command,
}

impl<'a> SessionContext<'a> {
    /// For a command of a connection of this core.
    pub(crate) fn new(state: &'a mut CoreState, session: &'a mut Session, command: &'static Command) -> Self {
        SessionContext { state, session, command }
    }
}

impl SessionContext<'_> {
    /// The same for another command of the connection.
    pub(crate) fn for_command(&mut self, command: &'static Command) -> SessionContext<'_> {
        SessionContext { state: self.state, session: self.session, command }
    }

    /// What is known of the server and this core.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.state.facts()
    }

    /// All commands.
    pub(crate) fn registry(&self) -> &'static Registry {
        self.state.registry
    }

    /// The connection, beside the configuration.
    pub(crate) fn session_and_config(&mut self) -> (&mut Session, &Config) {
        (self.session, &self.state.config)
    }

    /// A login of the connection has failed: those of its source wait before long.
    pub(crate) fn note_failed_login(
        &mut self,
        what: (Reason, DenialContext),
        command: &[u8],
        user: &[u8],
        client: String,
    ) {
        self.state.logins.note_failure(self.session.info.source, self.state.wall_ms());
        self.state.note_denial(what, command, user, client);
    }

    /// 32 bytes that nobody can foresee.
    pub(crate) fn secret(&mut self) -> [u8; 32] {
        (self.state.host.secret)()
    }

    /// Seeded random numbers.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.state.random
    }

    /// Number of databases.
    pub(crate) fn databases(&self) -> u16 {
        self.state.keyspace.databases()
    }

    /// Whom publishes of this core reach.
    pub(crate) fn routes(&self) -> &Routes {
        &self.state.pubsub.routes
    }

    /// The core that owns a key.
    pub(crate) fn owner(&self, key: &[u8]) -> CoreId {
        self.state.owner(key)
    }

    /// Whether a script is known.
    pub(crate) fn knows_script(&self, sha: &[u8]) -> bool {
        self.state.scripts.known.by_sha(sha).is_some()
    }

    /// The text of a script that is known.
    pub(crate) fn script_source(&self, sha: &[u8]) -> Option<Arc<[u8]>> {
        Some(self.state.scripts.known.by_sha(sha)?.source.clone())
    }

    /// The libraries of functions, which all cores have alike.
    pub(crate) fn libraries(&self) -> &Libraries {
        &self.state.scripts.libraries
    }

    /// Stops this core for so long.
    pub(crate) fn sleep(&mut self, span: Duration) {
        (self.state.host.sleep)(span);
    }

    /// Has the host write a line into its log, if `loglevel` has lines of this kind.
    pub(crate) fn log(&mut self, kind: LogKind, text: impl FnOnce() -> String) {
        self.state.log(kind, text);
    }
}

/// The view of a command that runs for a whole core, often on each of them.
pub struct CoreContext<'a> {
    /// This core, which need not be the one of the connection that asks.
    state: &'a mut CoreState,
    /// The connections of this core.
    pub(crate) sessions: &'a mut Sessions,
    /// Client id of the connection that asks.
    pub(crate) client_id: u64,
}

impl<'a> CoreContext<'a> {
    /// For a command that a client asks of this core.
    pub(crate) fn new(state: &'a mut CoreState, sessions: &'a mut Sessions, client_id: u64) -> Self {
        CoreContext { state, sessions, client_id }
    }
}

impl CoreContext<'_> {
    /// What is known of the server and this core.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.state.facts()
    }

    /// The configuration, to be changed.
    pub(crate) fn config_mut(&mut self) -> &mut Config {
        &mut self.state.config
    }

    /// The configuration says something else of how much memory may be used.
    pub(crate) fn follow_memory_limit(&mut self) {
        let before = self.state.memory.max_bytes();
        self.measure_sessions();
        self.state.follow_memory_limit();
        let (now, used) = (self.state.memory.max_bytes(), self.state.memory.budget().used_bytes());
        if self.state.core == 0 && now != before && now != 0 && used > now {
            self.state.log(LogKind::MemoryLimit, || {
                format!(
                    "WARNING: the new maxmemory value set via CONFIG SET ({now}) is smaller than the current memory usage ({used}). \
                     This will result in key eviction and/or the inability to accept new write commands depending on the \
                     maxmemory-policy."
                )
            });
        }
    }

    /// Looks anew at what all connections of this core hold.
    pub(crate) fn measure_sessions(&mut self) {
        self.state.sessions_bytes = self.sessions.iter().map(Session::lasting_bytes).sum();
        self.state.measure_memory();
    }

    /// Gives pages back that hold nothing.
    pub(crate) fn purge_memory(&mut self) {
        self.state.keyspace.purge();
    }

    /// Bytes that this core uses.
    pub(crate) fn used_bytes(&self) -> usize {
        self.state.memory.used_bytes(self.state.keyspace.quick_bytes())
    }

    /// Who may do what.
    pub(crate) fn users(&self) -> &Users {
        &self.state.users
    }

    /// What was denied of late on this core.
    pub(crate) fn denials(&self) -> &DenialLog {
        &self.state.denials
    }

    /// Forgets what was denied on this core.
    pub(crate) fn clear_denials(&mut self) {
        self.state.denials.clear();
    }

    /// Other users from now on: who has the name of one that is there has its rights, and connections of others end.
    pub(crate) fn replace_users(&mut self, users: Users) {
        self.state.users = users;
        for place in 0..self.sessions.places() {
            let Some(session) = self.sessions.at(place) else { continue };
            let Some(change) = follow_users(&self.state.users, session) else { continue };
            let (connection, is_asker) = (session.connection, session.id == self.client_id);
            match change {
                UserChange::LogsIn => session.authenticated = true,
                UserChange::Unblock => self.sessions.mark_runnable(connection),
                UserChange::Close if is_asker => self.sessions.close(connection, Closing::AfterFlush),
                UserChange::Close => self.sessions.close(connection, Closing::Now),
            }
        }
    }

    /// The configuration says something else of how accesses are noted.
    pub(crate) fn follow_access_clock(&mut self) {
        self.state.follow_access_clock();
    }

    /// The configuration says something else of how much scripts may use.
    pub(crate) fn follow_script_memory(&mut self) {
        self.state.follow_script_memory();
    }

    /// The configuration says something else of what clients are notified of.
    pub(crate) fn follow_notified(&mut self) {
        self.state.follow_notified();
    }

    /// The configuration says something else of how many keys are noted that clients may have cached.
    pub(crate) fn follow_read_table(&mut self) {
        tracking::forget_excess(self.state);
    }

    /// Clients are paused from now on, together with the pause there is. `end_ms`: Unix milliseconds.
    pub(crate) fn pause(&mut self, what: Paused, end_ms: i64) {
        // The pause there was may be over, though this core has not come to that.
        if self.state.pause.is_some_and(|pause| pause.end_ms <= self.state.wall_ms()) {
            self.unpause();
        }
        self.state.begin_pause(what, end_ms);
    }

    /// Clients are paused no longer.
    pub(crate) fn unpause(&mut self) {
        self.state.end_pause();
        self.sessions.wake_postponed();
    }

    /// Whether keys are removed in the background when they have expired.
    pub(crate) fn set_active_expire(&mut self, is_on: bool) {
        self.state.keyspace.set_active_expire(is_on);
    }

    /// Whether RESTORE looks at checksums from now on.
    pub(crate) fn set_payload_checksum(&mut self, checksum: Checksum) {
        self.state.payload_checksum = checksum;
    }

    /// Whom publishes of this core reach.
    pub(crate) fn routes(&self) -> &Routes {
        &self.state.pubsub.routes
    }

    /// Who has read keys of this core.
    pub(crate) fn read_table(&self) -> &ReadTable {
        &self.state.read_table
    }

    /// A script becomes known, and stays.
    pub(crate) fn load_script(&mut self, source: &[u8]) -> Result<Sha, CommandError> {
        let scripts = &mut self.state.scripts;
        let sha = scripts.add(self.state.registry, source, true)?;
        scripts.compiled(&sha)?;
        Ok(sha)
    }

    /// What scripts take.
    pub(crate) fn script_figures(&self) -> ScriptFigures {
        self.state.scripts.figures()
    }

    /// How often each script that is known has run on behalf of this core.
    pub(crate) fn script_runs(&self) -> impl Iterator<Item = (&Sha, ScriptRuns)> {
        self.state.scripts.known.runs()
    }

    /// No script is known any longer.
    pub(crate) fn flush_scripts(&mut self) {
        self.state.scripts.flush();
    }

    /// Whether scripts may call commands that are not for them.
    pub(crate) fn let_scripts_call_all(&mut self, may_call: bool) {
        self.state.scripts.may_call_all = may_call;
    }

    /// Ends a script, or a function, that has run for long.
    pub(crate) fn kill_script(&mut self, kind: ScriptKind) -> Killed {
        let (now_ns, age_ns) = ((self.state.host.clock_ns)(), self.state.config.busy_after_ns());
        self.state.scripts.under_way.kill(kind, now_ns, age_ns)
    }

    /// The script or function that has run for longest on this core, its milliseconds, and whether they make the core busy.
    pub(crate) fn oldest_script(&self) -> Option<(&UnderWay, i64, bool)> {
        let oldest = self.state.scripts.under_way.oldest()?;
        let age_ns = (self.state.host.clock_ns)().saturating_sub(oldest.began_ns);
        Some((oldest, (age_ns / 1_000_000) as i64, age_ns >= self.state.config.busy_after_ns()))
    }

    /// INFO's counters start again at zero.
    pub(crate) fn reset_stats(&mut self) {
        self.state.reset_stats();
    }

    /// What this core counts.
    pub(crate) fn stats(&self) -> &CoreStats {
        &self.state.stats
    }

    /// What the store counts, since the last reset as far as it goes back.
    pub(crate) fn keyspace_stats(&self) -> KeyspaceStats {
        self.state.keyspace_stats()
    }

    /// What the store takes.
    pub(crate) fn memory(&self) -> MemoryUse {
        self.state.keyspace.memory()
    }

    /// Keys of this core for which somebody waits.
    pub(crate) fn awaited_keys(&self) -> u64 {
        self.state.keyspace.awaited_len() as u64
    }

    /// Those of them for which somebody waits whose wait ends with the key.
    pub(crate) fn awaited_keys_on_nokey(&self) -> u64 {
        self.state.awaited_on_nokey as u64
    }

    /// Changes by commands that are in no file, as Redis counts them.
    pub(crate) fn unsaved_changes(&self) -> u64 {
        self.state.unsaved_changes()
    }

    /// Figures of one database.
    pub(crate) fn database_figures(&self, db: u16) -> DatabaseFigures {
        self.state.database_figures(db)
    }

    /// Asks something of the host, which takes it at the end of this turn.
    pub(crate) fn ask_host(&mut self, request: HostRequest) {
        self.state.ask_host(request);
    }

    /// Notes for the simulator that CLIENT UNBLOCK has ended a wait.
    pub(crate) fn note_unblocked(&mut self, asker: &Asker) {
        self.state.recorder.unblocked(asker, self.state.now_us);
    }
}
