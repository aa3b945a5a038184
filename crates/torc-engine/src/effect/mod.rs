//! Effects: what commands have changed, as an ordered list of data.
//!
//! ```text
//!   a command   context.propagate(..), .event(..)   the store       keys and databases that have changed
//!        \______________________|_______________________/
//!                               v
//!        Effects    one list (`units`), in the order of what happened
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

mod units;

pub(crate) use units::Listed;
use units::Mark;
pub use units::{Records, Unit, Units};

use torc_rdb::{VERSION_DEFAULT, payload};
use torc_resp::Args;
use torc_store::{Change, Keyspace, RecordedChange, RecordedRef, Recording};

use crate::asker::ByScript;
use crate::command::{Call, Propagation};
use crate::event::{Event, EventClass, EventClasses, Listening};
use crate::pubsub::{Published, Targets};
use crate::shown;
use crate::snapshot::{self, Writing};
use crate::state::CoreState;
use crate::task::Task;
use crate::tracking::{self, Invalidated};
use crate::transaction::ChangedKey;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A key has changed, or has expired, or a whole database has: what the store has recorded.
    Changed(RecordedChange),
    /// What a log or a replica is told.
    Propagated(Propagated),
    /// What has happened to a key, by name.
    Event(Event),
    /// A message to subscribers.
    Published(Published, Targets),
    /// A key has changed that clients may have cached.
    Invalidated(Invalidated),
}

/// Which effects are listed for readers, events apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reads {
    /// None.
    #[default]
    Nothing,
    /// What is propagated.
    Commands,
    /// That, and what the store has recorded.
    All,
}

/// A command for logs and replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagated {
    /// Database number in which it runs.
    pub db: u16,
    /// The command, encoded as a request.
    pub request: Box<[u8]>,
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
    /// Those of units that have ended, and behind them those of the unit that runs, from `start` on.
    units: Units,
    start: Mark,
    /// Keys that may be ready for those who wait for them.
    awaited: Vec<ChangedKey>,
    reads: Reads,
    /// Readers of commands need to know which keys have changed.
    names_keys: bool,
    /// Clients may have cached keys.
    is_tracked: bool,
    listening: Listening,
    /// What the host listens to, and what clients are notified of: together what is listened to.
    listened_by_host: EventClasses,
    notified: EventClasses,
    /// What clients are to be told of the unit that runs: messages, and keys that they may have cached.
    for_clients: usize,
    form: Form,
    /// Changes of the running task that the store has recorded and that are taken over already.
    collected: usize,
}

/// Effects of a unit that has not ended.
#[derive(Debug, Default)]
pub struct SetAside {
    effects: Vec<Effect>,
    awaited: Vec<ChangedKey>,
    for_clients: usize,
}

impl Effects {
    /// Whether the unit that runs has no effects yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.units.listed.len() == self.start.listed && self.awaited.is_empty()
    }

    /// Whether somebody reads propagated commands.
    #[inline]
    pub fn is_read(&self) -> bool {
        self.reads != Reads::Nothing
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

    /// Whether the host takes units.
    pub fn is_told(&self) -> bool {
        self.is_read() || !self.listened_by_host.is_empty()
    }

    /// Whether the unit that runs may have something for subscribers.
    #[inline]
    pub fn may_concern_subscribers(&self) -> bool {
        self.for_clients > 0 || !self.notified.is_empty()
    }

    /// Lists a message to subscribers, or a key that clients may have cached.
    pub fn list_for_clients(&mut self, effect: Effect) {
        self.for_clients += 1;
        self.units.list(effect);
    }

    /// Whether clients may have cached keys.
    pub fn is_tracked(&self) -> bool {
        self.is_tracked
    }

    /// Says whether clients may have cached keys, between two commands.
    pub fn set_tracked(&mut self, keyspace: &mut Keyspace, is_tracked: bool) {
        if std::mem::replace(&mut self.is_tracked, is_tracked) != is_tracked {
            self.follow_readers(keyspace);
        }
    }

    /// Begins or ends the propagation of commands, between two units.
    pub fn set_read(&mut self, keyspace: &mut Keyspace, reads: Reads) {
        assert!(self.is_empty(), "readers come and go between units");
        self.reads = reads;
        self.follow_readers(keyspace);
    }

    /// Says which events the host is told from now on, between two units.
    pub fn set_listened(&mut self, keyspace: &mut Keyspace, classes: EventClasses) {
        self.listened_by_host = classes;
        self.follow_listeners(keyspace);
    }

    /// Says of which events clients are notified from now on, between two units.
    pub fn set_notified(&mut self, keyspace: &mut Keyspace, classes: EventClasses) {
        if self.notified != classes {
            self.notified = classes;
            self.follow_listeners(keyspace);
        }
    }

    fn follow_listeners(&mut self, keyspace: &mut Keyspace) {
        self.listening = Listening::new(self.listened_by_host.with(self.notified));
        self.follow_readers(keyspace);
    }

    fn follow_readers(&self, keyspace: &mut Keyspace) {
        assert_eq!(self.collected, 0, "readers come and go between commands");
        // While nobody read, nobody asked for it.
        keyspace.take_met_hidden();
        keyspace.record_changes(match self.reads {
            Reads::All => Recording::All,
            _ if self.is_listened() => Recording::All,
            Reads::Commands if self.names_keys => Recording::Keys,
            _ if self.is_tracked => Recording::Keys,
            Reads::Commands => Recording::Gone,
            Reads::Nothing => Recording::Off,
        });
    }

    /// The effects of the unit that runs.
    #[inline]
    pub fn listed(&self) -> Unit<'_> {
        self.units.between(self.start, self.units.listed.len())
    }

    /// Moves them into `into`, to be returned with [`Effects::return_told`].
    pub fn lend_listed(&mut self, into: &mut Vec<Effect>) {
        self.units.take_into(self.start, into);
    }

    /// Subscribers have been told: that is put back which the host takes.
    pub fn return_told(&mut self, told: &mut Vec<Effect>) {
        assert_eq!(self.units.listed.len(), self.start.listed, "nobody changes anything while subscribers are told");
        self.for_clients = 0;
        let (reads, hears) = (self.reads, !self.listened_by_host.is_empty());
        let is_taken = |effect: &Effect| match effect {
            Effect::Changed(_) => reads == Reads::All || hears,
            Effect::Propagated(_) => reads != Reads::Nothing,
            Effect::Event(_) => hears,
            Effect::Published(..) => reads == Reads::All,
            Effect::Invalidated(_) => false,
        };
        told.drain(..).filter(is_taken).for_each(|effect| self.units.list(effect));
    }

    /// Takes them.
    pub fn take(&mut self) -> Vec<Effect> {
        self.units.take_from(self.start)
    }

    /// Puts some behind them.
    pub fn list(&mut self, effects: Vec<Effect>) {
        effects.into_iter().for_each(|effect| self.units.list(effect));
    }

    /// What runs does not end its unit yet: its effects are set aside.
    pub fn set_aside(&mut self) -> SetAside {
        let aside = SetAside { effects: self.take(), awaited: self.take_awaited(), for_clients: self.for_clients };
        self.for_clients = 0;
        aside
    }

    /// It goes on.
    pub fn put_back(&mut self, aside: SetAside) {
        assert!(self.is_empty(), "nothing else has run in between in this unit");
        self.list(aside.effects);
        self.awaited = aside.awaited;
        self.for_clients += aside.for_clients;
    }

    /// The unit has ended; the next one begins.
    #[inline]
    pub fn end_unit(&mut self) {
        self.start = self.units.end_unit(self.start);
    }

    /// A unit that ran elsewhere has ended, before the one that runs here.
    pub fn put_unit(&mut self, effects: Vec<Effect>) {
        let listed = self.take();
        self.list(effects);
        self.end_unit();
        self.list(listed);
    }

    /// How many units have ended.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Takes the units that have ended, and leaves memory for the next ones.
    pub fn take_units(&mut self, empty: Units) -> Units {
        let listed = self.take();
        self.start = Mark::default();
        let ended = std::mem::replace(&mut self.units, empty);
        self.list(listed);
        ended
    }

    /// Whether a key may be ready for waiters.
    #[inline]
    pub fn has_awaited(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Takes the keys that may be ready for waiters.
    pub fn take_awaited(&mut self) -> Vec<ChangedKey> {
        std::mem::take(&mut self.awaited)
    }

    /// The running command is propagated in the forms that it gives, and not as it came.
    pub fn give_form(&mut self) {
        self.form = Form::Given;
    }

    fn propagate<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        let requests = &mut self.units.requests;
        put_length(requests, b'*', words.len());
        for word in words {
            put_length(requests, b'$', word.len());
            requests.extend_from_slice(word);
            requests.extend_from_slice(b"\r\n");
        }
        self.units.list_request(db);
    }

    /// Most requests have come as they would be written here: one copy, instead of two for each word.
    #[inline]
    fn propagate_as_it_came(&mut self, db: u16, args: Args<'_>) {
        match args.encoded() {
            Some(request) => {
                self.units.requests.extend_from_slice(request);
                self.units.list_request(db);
            }
            None => self.propagate(db, args.iter()),
        }
    }

    /// What has expired or was evicted is propagated as its removal. `unlinks`: what was evicted by UNLINK.
    fn propagate_removal(&mut self, change: RecordedRef<'_>, unlinks: bool) {
        let RecordedRef { db, key, what } = change;
        match what {
            Some(Change::Expired { .. }) => self.propagate(db, [&b"DEL"[..], key].into_iter()),
            Some(Change::Evicted { .. }) => {
                let name: &[u8] = if unlinks { b"UNLINK" } else { b"DEL" };
                self.propagate(db, [name, key].into_iter());
            }
            Some(Change::FieldsExpired { fields }) => {
                let words: Vec<&[u8]> =
                    [&b"HDEL"[..], key].into_iter().chain(fields.iter().map(|field| &field[..])).collect();
                self.propagate(db, words.into_iter());
            }
            _ => {}
        }
    }

    /// The command is over, and so is what it has removed.
    fn end_events(&mut self) {
        self.listening.end(&mut self.units.listed);
    }
}

/// Appends a length with its sign and the end of the line: `$5`. One store for a digit: a copy of bytes that were just written one by one
/// waits until the stores before them have left the processor, those of the keys that were changed included.
#[inline]
fn put_length(out: &mut Vec<u8>, sign: u8, length: usize) {
    if length < 10 {
        out.extend_from_slice(&[sign, b'0' + length as u8, b'\r', b'\n']);
    } else if length < 100 {
        out.extend_from_slice(&[sign, b'0' + (length / 10) as u8, b'0' + (length % 10) as u8, b'\r', b'\n']);
    } else {
        out.extend_from_slice(format!("{}{length}\r\n", char::from(sign)).as_bytes());
    }
}

/// Has the names of keys that change recorded exactly while somebody may need them who is told only of commands: replies that wait for what
/// they show, and what is propagated by result ([`propagate_results`]), which follows from a key that is hidden.
pub fn follow_need_of_names(state: &mut CoreState) {
    let names_keys = state.shown.is_on() || state.keyspace.hides_expired();
    if std::mem::replace(&mut state.effects.names_keys, names_keys) != names_keys {
        state.effects.follow_readers(&mut state.keyspace);
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
    let Effects { listening, units, .. } = &mut state.effects;
    listening.tell(db, class, name, key, &mut units.listed);
}

/// Takes over what the store has recorded. A key or field that has expired is propagated as its removal.
#[inline]
pub fn collect_changes(state: &mut CoreState) {
    if state.keyspace.recorded_changes().len() != state.effects.collected || state.keyspace.has_changes() {
        collect_recorded(state);
    }
}

#[inline(never)]
fn collect_recorded(state: &mut CoreState) {
    let (effects, recorded) = (&mut state.effects, state.keyspace.recorded_changes());
    for change in recorded.from(effects.collected) {
        if effects.listening.is_active() {
            effects.listening.follow(change, &mut effects.units.listed);
        }
        if effects.is_read() {
            effects.propagate_removal(change, state.config.lazyfree.eviction);
        }
        if state.shown.is_on() {
            state.shown.note_written(change.key);
        }
        if effects.is_tracked {
            let is_broadcast = |key: &[u8]| state.pubsub.routes.prefixes_of(key).next().is_some();
            let is_by_asker = !change.what.is_some_and(Change::is_by_itself);
            if let Some(told) = tracking::invalidated(&mut state.read_table, is_broadcast, change.key, is_by_asker) {
                effects.list_for_clients(Effect::Invalidated(told));
            }
        }
        if effects.reads == Reads::All || !effects.listened_by_host.is_empty() {
            effects.units.listed.push(Listed::Changed(change.to_owned()));
        }
    }
    effects.collected = recorded.len();
    if state.keyspace.has_changes() {
        let mut keys = state.keyspace.take_changes();
        if state.obeys {
            // What was propagated long ago is given to nobody: waiters look at their keys when all of it has run.
            return;
        }
        // In an order that does not depend on which keys are on this core.
        keys.sort_unstable();
        state.effects.awaited.append(&mut keys);
    }
}

/// What the store has recorded is taken over, and nobody needs it any more.
fn forget_changes(state: &mut CoreState) {
    assert_eq!(state.effects.collected, state.keyspace.recorded_changes().len(), "all of it is taken over");
    state.effects.collected = 0;
    state.keyspace.forget_recorded_changes();
}

/// A task has run: collects what it has changed, and propagates it. `has_changed`: as its changes are counted.
#[inline(never)]
pub fn collect(state: &mut CoreState, call: Call<'_>, has_changed: bool) {
    let met_hidden = state.keyspace.take_met_hidden();
    collect_changes(state);
    if state.effects.is_listened() {
        state.effects.end_events();
    }
    if state.effects.is_read() {
        propagate_call(state, call, has_changed, met_hidden);
    }
    if state.shown.is_on() {
        shown::note(state, call);
    }
    forget_changes(state);
}

/// Propagates a command that has run, unless it has said in which form.
#[inline]
fn propagate_call(state: &mut CoreState, call: Call<'_>, has_changed: bool, met_hidden: bool) {
    let (form, row) = (std::mem::take(&mut state.effects.form), call.command.row);
    if call.asker.by_script == ByScript::Untold {
        return;
    }
    let has_changed = has_changed && (row.propagation != Propagation::Nothing || !is_by_time(&state.keyspace));
    if has_changed || form == Form::Given {
        row.propagation.assert_told(form == Form::Given, call.command.full_name);
    }
    let is_by_result = met_hidden || matches!(call.task, Task::Apply { by_result: true, .. });
    match form {
        Form::Given => {}
        Form::AsItCame if !has_changed || row.propagation == Propagation::Untold => {}
        Form::AsItCame if !is_by_result => {
            state.effects.propagate_as_it_came(call.asker.db, call.own_args());
        }
        Form::AsItCame => propagate_results(state),
    }
}

/// Whether all changes are of keys and fields whose time was over; with the last field goes the key.
#[cold]
fn is_by_time(keyspace: &Keyspace) -> bool {
    let mut has_lost_fields = false;
    let recorded = keyspace.recorded_changes();
    !recorded.has_unnamed()
        && recorded.from(0).all(|RecordedRef { what, .. }| {
            let was_last = matches!(what, Some(Change::Removed { .. })) && has_lost_fields;
            has_lost_fields = matches!(what, Some(Change::FieldsExpired { .. }));
            has_lost_fields || was_last || matches!(what, Some(Change::Expired { .. }))
        })
}

/// Keys may have changed outside of all tasks, since they have expired: collects that.
pub fn collect_outside(state: &mut CoreState) {
    // It is no command's change.
    state.keyspace.settle_changes(true);
    collect_changes(state);
    forget_changes(state);
    state.effects.end_events();
}

/// Propagates what the changed keys hold now: for a command that has met a key which has expired and is only hidden, so that
/// running it again elsewhere would find that key.
fn propagate_results(state: &mut CoreState) {
    assert!(!state.keyspace.recorded_changes().has_unnamed(), "the keys that have changed are known");
    let mut keys: Vec<ChangedKey> = Vec::new();
    for RecordedRef { db, key, what } in state.keyspace.recorded_changes().from(0) {
        if !matches!(what, Some(Change::Expired { .. } | Change::FieldsExpired { .. }))
            && !keys.iter().any(|(known_db, known)| *known_db == db && &**known == key)
        {
            keys.push((db, key.into()));
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
