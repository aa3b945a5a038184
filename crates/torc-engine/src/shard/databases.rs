//! Whole databases of a shard, and keys that move between them or are noted for somebody.

use torc_store::{UnixMillis, ValueRef};

use super::ShardContext;
use crate::host_request::HostRequest;
use crate::plan::Scope;

impl ShardContext<'_> {
    /// Number of databases.
    pub fn databases(&self) -> u16 {
        self.state.keyspace.databases()
    }

    /// The same shard and command in another database, whose number is valid.
    pub fn in_database(&mut self, db: u16) -> ShardContext<'_> {
        let ShardContext { touch, scope, by_script, command, .. } = *self;
        ShardContext { state: self.state, db, touch, scope, by_script, command }
    }

    /// Gives the value of a key that is there to another name, here or in another database, whatever that held.
    pub fn relocate(&mut self, from: &[u8], to: (u16, &[u8])) {
        self.state.keyspace.relocate((self.db, from), to, self.state.now_ms);
    }

    /// Shows all keys of the database to `visit`.
    pub fn for_each(&self, visit: &mut dyn FnMut(ValueRef<'_>)) {
        self.state.keyspace.for_each(self.db, self.state.now_ms, visit);
    }

    /// Shows the names of all keys of the database to `visit`, of those too that have expired and are not removed yet.
    pub fn for_each_name(&self, visit: &mut dyn FnMut(&[u8])) {
        self.state.keyspace.for_each(self.db, UnixMillis::MIN, &mut |value| visit(value.key()));
    }

    /// Whether a command without keys is about the keys of this core, and not about those of all cores: it came through the core's own
    /// port.
    pub fn is_of_one_core(&self) -> bool {
        self.scope == Scope::Node && self.state.cores > 1
    }

    /// Shows some keys of the database to `visit`, see [`torc_store::Keyspace::scan`]; gives the cursor to go on with.
    pub fn scan(&mut self, cursor: u64, count: usize, visit: &mut dyn FnMut(ValueRef<'_>)) -> u64 {
        self.state.keyspace.scan(self.db, cursor, count, self.state.now_ms, visit)
    }

    /// A key of the database, chosen by the number `random`.
    pub fn random_key(&mut self, random: u64) -> Option<ValueRef<'_>> {
        self.state.keyspace.random(self.db, random, self.state.now_ms)
    }

    /// Number of keys of the database on this core.
    pub fn keys_len(&self) -> usize {
        self.state.keyspace.len(self.db)
    }

    /// Number of keys of the database in a slot, as far as the core counts them by slot: if it has a port of its own.
    pub fn slot_len(&self, slot: u16) -> Option<usize> {
        self.state.keyspace.group_len(self.db, slot)
    }

    /// Removes all keys of the database on this core; `lazy` leaves the freeing to the background.
    pub fn flush(&mut self, lazy: bool) {
        self.state.keyspace.flush(self.db, lazy);
    }

    /// Removes all keys of all databases on this core, each of which counts as a change.
    pub fn flush_all(&mut self, lazy: bool) {
        let keyspace = &mut self.state.keyspace;
        let keys = (0..keyspace.databases()).map(|db| keyspace.len(db)).sum();
        keyspace.count_changes(keys);
        keyspace.flush_all(lazy);
        if !self.state.config.save.points.is_empty() && !self.state.obeys {
            // As Redis counts: the host saves at once that there is no key.
            self.state.changes_saved = self.state.keyspace.changes() + keys as u64;
        }
        if self.state.core == 0 {
            self.state.ask_host(HostRequest::Emptied);
        }
    }

    /// Exchanges two databases on this core.
    pub fn swap(&mut self, first: u16, second: u16) {
        self.state.keyspace.swap(first, second, self.state.now_ms);
    }

    /// Watches a key for a session; gives its version, which every change moves.
    pub fn watch(&mut self, key: &[u8]) -> u64 {
        self.state.keyspace.watch(self.db, key, self.state.now_ms)
    }
}
