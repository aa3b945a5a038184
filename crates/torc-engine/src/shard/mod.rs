//! What a command sees that runs where its keys are: one shard, the database number, and the time.

mod around;
mod databases;
mod libraries;
mod sources;
mod values;

use torc_store::{Entry, Kind, Occupied, ValueRef};

use crate::asker::{Asker, ByScript};
use crate::command::Command;
use crate::effect;
use crate::effect::Effect;
use crate::error::CommandError;
use crate::event::EventClass;
use crate::plan::Scope;
use crate::pubsub::{Published, TopicKind};
use crate::state::CoreState;
use crate::tracking::Invalidated;

/// The view of a shard that a command works through.
///
/// The state of the core is private to this module: whatever a command does to keys, or learns of them, is a method here.
pub struct ShardContext<'a> {
    /// The core that owns the keys.
    state: &'a mut CoreState,
    /// Database number; valid.
    pub(crate) db: u16,
    /// False under CLIENT NO-TOUCH: reads leave the access clock alone.
    pub(crate) touch: bool,
    /// What a command without keys is about.
    scope: Scope,
    /// Whether a script has called the command.
    by_script: ByScript,
    /// The command that runs, for error texts that name it.
    pub(crate) command: &'static Command,
}

impl<'a> ShardContext<'a> {
    /// The shard of this core as a command sees it that runs for a client.
    #[inline(always)]
    pub(crate) fn new(state: &'a mut CoreState, asker: &Asker, command: &'static Command) -> Self {
        ShardContext {
            state,
            db: asker.db,
            touch: asker.touch,
            scope: asker.scope,
            by_script: asker.by_script,
            command,
        }
    }

    /// The shard of this core for a command that is called by hand, outside of any request.
    pub fn by_hand(state: &'a mut CoreState, db: u16, command: &'static Command) -> Self {
        ShardContext { state, db, touch: false, scope: Scope::Server, by_script: ByScript::No, command }
    }
}

impl ShardContext<'_> {
    /// The command that runs.
    pub fn command(&self) -> &'static Command {
        self.command
    }

    /// The same shard for another command that is called by hand.
    pub fn for_command(&mut self, command: &'static Command) -> ShardContext<'_> {
        ShardContext::by_hand(self.state, self.db, command)
    }

    /// Publishes a message when this unit ends. How many subscribers it reaches.
    pub(crate) fn publish(&mut self, kind: TopicKind, channel: &[u8], payload: &[u8]) -> u64 {
        let (subscribers, targets) = self.state.pubsub.routes.subscribers(kind, channel);
        if subscribers > 0 {
            let message = Published::new(kind, channel, payload, &self.state.pubsub.in_flight);
            self.state.effects.list_for_clients(Effect::Published(message, targets));
        }
        subscribers
    }

    /// Clients are told that all keys may have changed when this unit ends, whether there were any or not.
    pub(crate) fn invalidate_all(&mut self) {
        if self.state.effects.is_tracked() {
            self.state.effects.list_for_clients(Effect::Invalidated(Invalidated::All));
        }
    }

    /// Reads a key of any type for a read command: counts a hit or a miss and moves the access clock.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.look_up(key, self.touch)
    }

    /// Reads a key for a command that only asks about it: counted too, but the access clock stays.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.look_up(key, false)
    }

    /// Reads a key and counts a hit or a miss; `touch`: moves the access clock.
    #[inline]
    pub fn look_up(&mut self, key: &[u8], touch: bool) -> Option<ValueRef<'_>> {
        if self.state.effects.hears(EventClass::KeyMiss) {
            return self.look_up_aloud(key, touch);
        }
        self.look_up_counted(key, touch)
    }

    /// Out of line from its first step to the last, so that reads keep no register for it.
    #[cold]
    #[inline(never)]
    fn look_up_aloud(&mut self, key: &[u8], touch: bool) -> Option<ValueRef<'_>> {
        self.tell_miss(key);
        self.look_up_counted(key, touch)
    }

    #[inline(always)]
    fn look_up_counted(&mut self, key: &[u8], touch: bool) -> Option<ValueRef<'_>> {
        let found = self.state.keyspace.read(self.db, key, self.state.now_ms, touch);
        match found {
            Some(_) => self.state.stats.keyspace_hits += 1,
            None => self.state.stats.keyspace_misses += 1,
        }
        found
    }

    /// Counts a hit or a miss, for a command that has looked a key up without that.
    pub fn count_lookup(&mut self, is_hit: bool) {
        match is_hit {
            true => self.state.stats.keyspace_hits += 1,
            false => self.state.stats.keyspace_misses += 1,
        }
    }

    /// Reads a string; `WRONGTYPE` when the key holds something else.
    #[inline]
    pub fn read_string(&mut self, key: &[u8]) -> Result<Option<&[u8]>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(value) => value.as_string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// Reads a key that holds this kind of value; `WRONGTYPE` when it holds another.
    #[inline]
    pub fn read_kind(&mut self, key: &[u8], kind: Kind) -> Result<Option<ValueRef<'_>>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(value) if value.kind() == kind => Ok(Some(value)),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Looks at a key and leaves no trace: no hit or miss is counted, the access clock stays, and a key that has expired counts as
    /// absent, but is not removed. So a command may look at several keys at once.
    #[inline]
    pub fn glance(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.state.keyspace.peek(self.db, key, self.state.now_ms)
    }

    /// The same for a key that may have expired, as long as it is not removed.
    pub fn glance_past_expiry(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.state.keyspace.peek(self.db, key, i64::MIN)
    }

    /// Looks at a key that must be absent or hold this kind of value, and leaves no trace.
    #[inline]
    pub fn glance_kind(&self, key: &[u8], kind: Kind) -> Result<Option<ValueRef<'_>>, CommandError> {
        match self.glance(key) {
            None => Ok(None),
            Some(value) if value.kind() == kind => Ok(Some(value)),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Whether a key is there: no use of it.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.contains_in(self.db, key)
    }

    /// Whether a key is there, for a command that goes on with it: moves the access clock, and counts neither a hit nor a miss.
    pub fn access(&mut self, key: &[u8]) -> bool {
        self.state.keyspace.read(self.db, key, self.state.now_ms, self.touch).is_some()
    }

    /// Whether a key is there in another database, whose number is valid.
    pub fn contains_in(&mut self, db: u16, key: &[u8]) -> bool {
        self.state.keyspace.contains(db, key, self.state.now_ms)
    }

    /// Reads a key for a command that looks at how it is kept or has counted it already: neither a hit nor an access.
    pub fn inspect(&mut self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.state.keyspace.read(self.db, key, self.state.now_ms, false)
    }

    /// Removes a key. Whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.state.keyspace.remove(self.db, key, self.state.now_ms)
    }

    /// Removes a key whose value goes on under another one, as a copy that was made before. Whether it was there.
    pub fn move_out(&mut self, key: &[u8]) -> bool {
        self.state.keyspace.move_out(self.db, key, self.state.now_ms)
    }

    /// The key, if it is there, for a command that reads it and may tidy up meanwhile.
    pub fn tidy_entry(&mut self, key: &[u8]) -> Option<Occupied<'_>> {
        self.state.keyspace.tidy_entry(self.db, key, self.state.now_ms)
    }

    /// The place of a key that must be absent or hold this kind of value, for a command that changes a part of it: moves the
    /// access clock, whatever it holds.
    #[inline]
    pub fn entry_of_kind<'a>(&'a mut self, key: &'a [u8], kind: Kind) -> Result<Entry<'a>, CommandError> {
        let (touch, now_ms) = (self.touch, self.state.now_ms);
        let mut entry = self.entry(key);
        if let Entry::Occupied(occupied) = &mut entry {
            if touch {
                occupied.touch(now_ms);
            }
            if occupied.value().kind() != kind {
                return Err(CommandError::WrongType);
            }
        }
        Ok(entry)
    }

    /// Has the CPU fetch what a lookup of this key will need, for commands with several keys.
    #[inline]
    pub fn prefetch(&self, key: &[u8]) {
        self.state.keyspace.prefetch(self.db, key);
    }

    /// The place of a key for a write command.
    #[inline]
    pub fn entry<'a>(&'a mut self, key: &'a [u8]) -> Entry<'a> {
        self.state.keyspace.entry(self.db, key, self.state.now_ms)
    }

    /// The place of a key for a command that reads it before it writes: counts a hit or a miss
    /// and moves the access clock.
    #[inline]
    pub fn counted_entry<'a>(&'a mut self, key: &'a [u8]) -> Entry<'a> {
        self.note_miss(key);
        let (state, touch) = (&mut *self.state, self.touch);
        let mut entry = state.keyspace.entry(self.db, key, state.now_ms);
        match &mut entry {
            Entry::Occupied(occupied) => {
                state.stats.keyspace_hits += 1;
                if touch {
                    occupied.touch(state.now_ms);
                }
            }
            Entry::Vacant(_) => state.stats.keyspace_misses += 1,
        }
        entry
    }

    /// The place of a key that must be absent or hold a string, for a command that changes a part of it:
    /// moves the access clock.
    #[inline]
    pub fn string_entry<'a>(&'a mut self, key: &'a [u8]) -> Result<Entry<'a>, CommandError> {
        self.entry_of_kind(key, Kind::String)
    }

    /// Adds to the number of changes that the command makes, as Redis counts them, where that is not one for a command that
    /// changes something.
    #[inline]
    pub fn count_changes(&mut self, changes: usize) {
        self.state.keyspace.count_changes(changes);
    }

    /// Whether anybody reads propagated commands: without a reader no form need be built.
    #[inline]
    pub fn propagates(&self) -> bool {
        self.state.effects.is_read() && self.by_script != ByScript::Untold
    }

    /// Whether a script has called the command.
    pub fn is_called_by_script(&self) -> bool {
        self.by_script != ByScript::No
    }

    /// Logs and replicas are told this instead of the command as it came. Called once for each command that they are to be told,
    /// after the change; see [`crate::effect`].
    pub fn propagate(&mut self, words: &[&[u8]]) {
        if self.propagates() {
            effect::propagate(self.state, self.db, words.iter().copied());
        }
    }

    /// Logs and replicas are not told of the command, or not beyond what [`ShardContext::propagate`] says.
    pub fn propagate_nothing(&mut self) {
        if self.propagates() {
            self.state.effects.give_form();
        }
    }

    /// Tells what the command has done to a key, in the words of Redis, to those who listen: called when it is done, and before the next
    /// one. What the store knows by itself (that the key is new, gone, overwritten) is not told here; see [`crate::event`].
    #[inline]
    pub fn event(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        self.event_in(self.db, class, name, key);
    }

    /// The same of a key in another database.
    #[inline]
    pub fn event_in(&mut self, db: u16, class: EventClass, name: &'static str, key: &[u8]) {
        if self.state.effects.is_listened() {
            effect::tell(self.state, db, class, name, key);
        }
    }

    /// A key is about to be read: tells those who want to know if it is not there. Reads by the methods of the context call it by
    /// themselves.
    #[inline]
    pub fn note_miss(&mut self, key: &[u8]) {
        if self.state.effects.hears(EventClass::KeyMiss) {
            self.tell_miss(key);
        }
    }

    #[cold]
    fn tell_miss(&mut self, key: &[u8]) {
        if !self.contains(key) {
            self.event(EventClass::KeyMiss, "keymiss", key);
        }
    }
}
