//! Effects: what commands have changed, as an ordered list of data.
//!
//! ```text
//!   a command   context.propagate(..), .event(..)   the store       keys and databases that have changed
//!        \______________________|_______________________/
//!                               v
//!        Effects    one list, in the order of what happened
//!                               |  drained by the engine at the end of each unit; a transaction's by command index
//!                               v
//!        readers    waiters now, and the simulator; logs, replicas, notifications and tracking read the same list
//! ```
//!
//! Nobody who wants to hear of a change is called from inside a command. While nobody reads propagated commands, a command
//! pays one comparison for all of this, and a form that it would have given is not even built; one more for each event
//! ([`crate::event`]) while nobody listens.
//!
//! **What is propagated** follows Redis 7.2: the command as it came, if it has changed something, unless the command says
//! otherwise ([`crate::shard::ShardContext::propagate`]): with absolute times, with what was chosen at random, with ids that were
//! made. Its row declares which of that it does ([`crate::command::Propagation`]), and a command that may wait always says otherwise.
//! Replayed in order on an empty server on which nothing expires by itself, propagated commands give the same keys.

use bytes::{BufMut, Bytes, BytesMut};
use torc_rdb::{VERSION_DEFAULT, payload};
use torc_store::{Change, Keyspace, RecordedChange};

use crate::asker::Asker;
use crate::command::{Call, Propagation};
use crate::event::{Event, EventClass, EventClasses, Listening};
use crate::snapshot::{self, Writing};
use crate::state::CoreState;
use crate::task::Task;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A key has changed, or has expired, or a whole database has: what the store has recorded.
    Changed(RecordedChange),
    /// What a log or a replica is told.
    Propagated(Propagated),
    /// What has happened to a key, by name.
    Event(Event),
    /// A key for which somebody waits may be ready.
    Awaited {
        /// Database number.
        db: u16,
        /// The key.
        key: Box<[u8]>,
    },
}

/// A command for logs and replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagated {
    /// Database number in which it runs.
    pub db: u16,
    /// The command, encoded as a request. Readers share these bytes.
    pub request: Bytes,
}

/// The effects of one unit: of what ran without interruption on one core, or of a transaction.
#[derive(Debug, Clone)]
pub struct UnitEffects {
    /// The request that ran; `None`: keys have expired, which nobody asked for.
    pub by: Option<Asker>,
    /// Its effects in order.
    pub effects: Vec<Effect>,
}

/// How the running command is propagated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// As it came, if it has changed something.
    #[default]
    AsItCame,
    /// In the forms that it has given, which may be none.
    Given,
}

/// The effects of the unit that runs, and how its commands are propagated.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    /// Somebody reads propagated commands.
    is_read: bool,
    listening: Listening,
    form: Form,
    /// Where requests are encoded; each effect shares its memory.
    encoded: BytesMut,
}

impl Effects {
    /// Whether nothing has happened since the list was taken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether somebody reads propagated commands.
    #[inline]
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether somebody listens to events.
    #[inline]
    pub fn is_listened(&self) -> bool {
        self.listening.is_active()
    }

    /// Whether somebody listens to events of this class.
    #[inline]
    pub fn hears(&self, class: EventClass) -> bool {
        self.listening.hears(class)
    }

    /// Whether anybody is told of anything.
    pub fn is_told(&self) -> bool {
        self.is_read || self.is_listened()
    }

    /// Begins or ends the propagation of commands, between two units.
    pub fn set_read(&mut self, keyspace: &mut Keyspace, is_read: bool) {
        self.is_read = is_read;
        self.follow_readers(keyspace);
    }

    /// Says which events are told from now on, between two units.
    pub fn set_listened(&mut self, keyspace: &mut Keyspace, classes: EventClasses) {
        self.listening = Listening::new(classes);
        self.follow_readers(keyspace);
    }

    fn follow_readers(&self, keyspace: &mut Keyspace) {
        assert!(self.is_empty(), "readers come and go between units");
        keyspace.record_changes(self.is_told());
    }

    /// Number of effects since the list was taken.
    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes the list.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.list)
    }

    /// The running command is propagated in the forms that it gives, and not as it came.
    pub fn give_form(&mut self) {
        self.form = Form::Given;
    }

    fn propagate<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.encoded.put_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.encoded.put_slice(format!("${}\r\n", word.len()).as_bytes());
            self.encoded.put_slice(word);
            self.encoded.put_slice(b"\r\n");
        }
        let request = self.encoded.split().freeze();
        self.list.push(Effect::Propagated(Propagated { db, request }));
    }

    /// What has expired is propagated as its removal.
    fn propagate_removal(&mut self, change: &RecordedChange) {
        let RecordedChange { db, key, what } = change;
        match what {
            Change::Expired { .. } => self.propagate(*db, [&b"DEL"[..], key].into_iter()),
            Change::FieldsExpired { fields } => {
                let words: Vec<&[u8]> =
                    [&b"HDEL"[..], key].into_iter().chain(fields.iter().map(|field| &field[..])).collect();
                self.propagate(*db, words.into_iter());
            }
            _ => {}
        }
    }

    /// The command is over, and so is what it has removed.
    fn end_events(&mut self) {
        self.listening.end(&mut self.list);
    }
}

/// The running command gives one of the forms in which it is propagated. What has happened before it precedes it.
pub fn propagate<'w>(state: &mut CoreState, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) {
    collect_changes(state);
    state.effects.give_form();
    state.effects.propagate(db, words);
}

/// The running command tells an event by name. What has happened before it precedes it.
#[cold]
pub fn tell(state: &mut CoreState, db: u16, class: EventClass, name: &'static str, key: &[u8]) {
    collect_changes(state);
    let Effects { listening, list, .. } = &mut state.effects;
    listening.tell(db, class, name, key, list);
}

/// Takes over what the store has recorded. A key or field that has expired is propagated as its removal.
pub fn collect_changes(state: &mut CoreState) {
    for change in state.keyspace.take_recorded_changes() {
        let Effects { is_read, listening, list, .. } = &mut state.effects;
        if listening.is_active() {
            listening.follow(&change, list);
        }
        if *is_read {
            state.effects.propagate_removal(&change);
        }
        state.effects.list.push(Effect::Changed(change));
    }
    if state.keyspace.has_changes() {
        let mut keys = state.keyspace.take_changes();
        // In an order that does not depend on which keys are on this core.
        keys.sort_unstable();
        state.effects.list.extend(keys.into_iter().map(|(db, key)| Effect::Awaited { db, key }));
    }
}

/// A task has run: collects what it has changed, and propagates it. `has_changed`: as its changes are counted.
#[cold]
pub fn collect(state: &mut CoreState, call: Call<'_>, start: usize, has_changed: bool) {
    let met_hidden = state.keyspace.take_met_hidden();
    collect_changes(state);
    state.effects.end_events();
    if !state.effects.is_read {
        return;
    }
    let (form, row) = (std::mem::take(&mut state.effects.form), call.command.row);
    let has_changed =
        has_changed && (row.propagation != Propagation::Nothing || !is_by_time(&state.effects.list[start..]));
    if has_changed || form == Form::Given {
        row.propagation.assert_told(form == Form::Given, call.command.full_name);
    }
    let is_by_result = met_hidden || matches!(call.task, Task::Apply { by_result: true, .. });
    match form {
        Form::Given => {}
        Form::AsItCame if !has_changed || row.propagation == Propagation::Untold => {}
        Form::AsItCame if !is_by_result => {
            let words: Vec<&[u8]> = call.own_args().iter().collect();
            state.effects.propagate(call.asker.db, words.into_iter());
        }
        Form::AsItCame => propagate_results(state, start),
    }
}

/// Whether all changes are of keys and fields whose time was over; with the last field goes the key.
fn is_by_time(effects: &[Effect]) -> bool {
    let mut has_lost_fields = false;
    effects.iter().all(|effect| {
        let Effect::Changed(RecordedChange { what, .. }) = effect else { return true };
        let was_last = matches!(what, Change::Removed { .. }) && has_lost_fields;
        has_lost_fields = matches!(what, Change::FieldsExpired { .. });
        has_lost_fields || was_last || matches!(what, Change::Expired { .. })
    })
}

/// Keys may have changed outside of all tasks, since they have expired: collects that.
pub fn collect_outside(state: &mut CoreState) {
    // It is no command's change.
    state.keyspace.settle_changes(true);
    collect_changes(state);
    state.effects.end_events();
}

/// Propagates what the changed keys hold now: for a command that has met a key which has expired and is only hidden, so that
/// running it again elsewhere would find that key.
fn propagate_results(state: &mut CoreState, start: usize) {
    let mut keys: Vec<(u16, Box<[u8]>)> = Vec::new();
    for effect in &state.effects.list[start..] {
        if let Effect::Changed(RecordedChange { db, key, what }) = effect
            && !matches!(what, Change::Expired { .. } | Change::FieldsExpired { .. })
            && !keys.iter().any(|(known_db, known)| known_db == db && known == key)
        {
            keys.push((*db, key.clone()));
        }
    }
    for (db, key) in keys {
        let writing = Writing { config: &state.config, version: VERSION_DEFAULT, compress: true, now_ms: state.now_ms };
        let held = state.keyspace.peek(db, &key, state.now_ms).and_then(|value| {
            let mut payload = Vec::new();
            let version = snapshot::encode(value, writing, &mut payload)?;
            payload::seal(&mut payload, 0, version);
            Some((payload, value.expire_at().unwrap_or(0).to_string()))
        });
        match held {
            None => state.effects.propagate(db, [&b"DEL"[..], &key].into_iter()),
            Some((payload, expire_at_ms)) => {
                let words = [&b"RESTORE"[..], &key, expire_at_ms.as_bytes(), &payload, b"REPLACE", b"ABSTTL"];
                state.effects.propagate(db, words.into_iter());
            }
        }
    }
}
