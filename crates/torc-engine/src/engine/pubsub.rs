//! What cores say to each other about subscriptions, and how messages reach the connections of this core: docs/pubsub.md.
//!
//! ```text
//!   a command has changed subscriptions --> register: Register --> the homes --> Registered --> the reply leaves
//!   a unit has published, or told events --> tell_subscribers: Published --> cores with subscribers --> their connections
//! ```

use std::collections::HashMap;

use ahash::RandomState;
use torc_resp::{CompleteReply, OutputBuffer};

use super::upkeep::{cut_off, exceeds_output_limit};
use super::{Engine, RoleContext};
use crate::asker::{Asker, ConnectionId};
use crate::effect::Effect;
use crate::event::Event;
use crate::pubsub::{Change, Frames, Home, Published, Targets, Topic, TopicKind, write_event_channel};
use crate::route::CoreId;
use crate::session::{Activity, Closing, Registering, Session};
use crate::shown::THIS_TURN;
use crate::state::CoreState;
use crate::tracking::Invalidated;
use crate::transaction::{ToHome, ToSubscribers};

/// Behind a message to so many connections the clock is looked at: what else may take long may have to wait for the next turn.
const MANY_DELIVERED: usize = 32;

/// The same behind so many subscriptions that have begun or ended.
const MANY_CHANGED: usize = 100;

/// Subscriptions of a connection that is gone which end in one turn: about half a millisecond.
const FORGOTTEN_AT_ONCE_MAX: usize = 1000;

/// Subscriptions.
impl Engine {
    /// A command of a session, whose reply is held ([`hold_reply`]), has changed what the session has subscribed to: the homes are told, and
    /// the reply waits for their answers.
    #[cold]
    pub(super) fn register(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        let subscriptions = session.subscriptions.as_mut().expect("something was changed");
        let changes = subscriptions.take_unregistered();
        if subscriptions.is_empty() {
            session.subscriptions = None;
        }
        // First what ends, since its messages precede the reply, while those of what begins follow it.
        let (mut next, ended): (Vec<Change>, Vec<Change>) =
            in_effect(changes).into_iter().partition(|change| change.is_added);
        let mut missing = self.tell_homes(connection, ended);
        let lets_pass = missing > 0;
        if !lets_pass {
            missing = self.tell_homes(connection, std::mem::take(&mut next));
        }
        let session = self.session(connection);
        if missing == 0 {
            let Registering { sequence, reply, .. } = *session.activity.end_registering();
            return session.replies.deliver(sequence, CompleteReply::Long(Box::new(reply)), &mut session.out);
        }
        let registering = session.activity.registering();
        (registering.missing, registering.lets_pass, registering.next) = (missing, lets_pass, next);
    }

    /// Tells the homes of changes. How many will answer; what this core is home to is done.
    fn tell_homes(&mut self, connection: ConnectionId, changes: Vec<Change>) -> usize {
        let own = self.state.core;
        let mut missing = 0;
        for (home, changes) in self.by_home(changes) {
            if home == own {
                self.change_routes(own, &changes);
                self.change_receivers(connection, &changes, own);
            } else {
                missing += 1;
                self.outbox.post(home, ToHome::Register { connection, changes });
            }
        }
        missing
    }

    /// The changes that each home is to be told of.
    fn by_home(&self, changes: Vec<Change>) -> Vec<(CoreId, Vec<Change>)> {
        let mut by_home: Vec<(CoreId, Vec<Change>)> = Vec::new();
        let mut add = |core: CoreId, change: Change| match by_home.iter_mut().find(|(home, _)| *home == core) {
            Some((_, changes)) => changes.push(change),
            None => by_home.push((core, vec![change])),
        };
        for change in changes {
            match Home::of(change.topic.kind, &change.topic.name, &self.state.slots) {
                Home::One(core) => add(core, change),
                Home::Every => (0..self.state.cores).for_each(|core| add(core, change.clone())),
            }
        }
        by_home
    }

    /// Connections of a core have subscribed to topics of which this core is the home, or no longer.
    fn change_routes(&mut self, core: CoreId, changes: &[Change]) {
        let routes = &mut self.state.pubsub.routes;
        changes.iter().for_each(|change| routes.change(core, change));
        self.state.follow_notified();
        self.state.follow_tracked();
        self.note_time(changes);
    }

    /// Many messages of other cores about very many subscriptions may come at once: what there is no time for waits for the next turn.
    fn note_time(&mut self, changes: &[Change]) {
        if changes.len() >= MANY_CHANGED {
            self.state.turn.note((self.state.host.clock_ns)());
        }
    }

    fn change_receivers(&mut self, connection: ConnectionId, changes: &[Change], at: CoreId) {
        let state = &mut self.state;
        for change in changes {
            let home = Home::of(change.topic.kind, &change.topic.name, &state.slots);
            state.pubsub.receivers.change(connection, change, at, home, state.cores);
        }
        self.note_time(changes);
    }

    pub(super) fn on_home_message(&mut self, from: CoreId, message: ToHome) {
        match message {
            ToHome::Register { connection, changes } => {
                self.change_routes(from, &changes);
                self.outbox.post(from, ToSubscribers::Registered { connection, changes });
            }
            ToHome::Forget(changes) => {
                self.change_routes(from, &changes);
                self.outbox.post(from, ToSubscribers::Forgotten(changes));
            }
        }
    }

    pub(super) fn on_subscribers_message(&mut self, from: CoreId, message: ToSubscribers) {
        match message {
            ToSubscribers::Registered { connection, changes } => self.on_registered(from, connection, &changes),
            ToSubscribers::Forgotten(changes) => drop(changes),
            ToSubscribers::Published(published) => {
                let mut core = self.roles().core;
                core.deliver(&published, from);
            }
            ToSubscribers::Invalidated { stale, to } => self.roles().core.tell_stale(from, &stale, &to),
            ToSubscribers::Redirected { to, of, body } => self.roles().core.tell_redirected(from, to, of, &body),
            ToSubscribers::RedirectBroken(connection) => self.roles().core.note_broken_redirect(connection),
        }
    }

    fn on_registered(&mut self, from: CoreId, connection: ConnectionId, changes: &[Change]) {
        self.change_receivers(connection, changes, from);
        let session = self.session(connection);
        let Some(mut registering) = session.activity.note_registered() else { return };
        let next = std::mem::take(&mut registering.next);
        if !next.is_empty() {
            registering.missing = self.tell_homes(connection, next);
            if registering.missing > 0 {
                registering.lets_pass = false;
                self.session(connection).activity = Activity::Registering(registering);
                return;
            }
        }
        let Registering { sequence, reply, .. } = *registering;
        let session = self.session(connection);
        let (goes_on, gone) = (session.stalled || session.end_of_input, session.closing == Closing::Gone);
        if gone {
            return self.bury(connection);
        }
        let session = self.sessions.get(connection).expect("it is there");
        self.spare_outputs.lend(session);
        session.replies.deliver(sequence, CompleteReply::Long(Box::new(reply)), &mut session.out);
        self.sessions.mark_dirty(connection);
        if exceeds_output_limit(&self.state, self.sessions.get(connection).expect("it is there")) {
            return cut_off(&mut self.state, &mut self.sessions, connection);
        }
        if goes_on {
            self.sessions.mark_runnable(connection);
        }
    }

    /// A connection is gone: nobody is told of it any more. Of very many topics the rest goes in the turns that follow; until then publishes
    /// may count it.
    pub(super) fn forget_subscriptions(&mut self, connection: ConnectionId) {
        if let Some(subscriptions) = self.session(connection).subscriptions.take() {
            self.gone.push((connection, subscriptions.into_ends()));
            self.forget_gone();
        }
    }

    /// Ends some subscriptions of connections that are gone.
    pub(super) fn forget_gone(&mut self) {
        let Some((connection, ends)) = self.gone.last_mut() else { return };
        let connection = *connection;
        let changes: Vec<Change> = ends.by_ref().take(FORGOTTEN_AT_ONCE_MAX).collect();
        if changes.len() < FORGOTTEN_AT_ONCE_MAX {
            self.gone.pop();
        }
        let own = self.state.core;
        for Change { topic, .. } in &changes {
            self.state.pubsub.receivers.forget(connection, topic.kind, &topic.name);
        }
        for (home, changes) in self.by_home(changes) {
            if home == own {
                self.change_routes(own, &changes);
            } else {
                self.outbox.post(home, ToHome::Forget(changes));
            }
        }
    }
}

/// Takes a reply back that begins at this place of a session's output, since the session has changed what it has subscribed to: all that
/// comes for it until it is registered comes behind the reply, but messages that precede the end of a subscription, and those that the
/// same transaction has published.
pub(super) fn hold_reply(session: &mut Session, reply_start: usize) {
    assert!(!session.is_waiting(), "a command that changes subscriptions runs when nothing is owed");
    let mut reply = OutputBuffer::new();
    reply.append_range(&session.out, reply_start..session.out.len());
    session.out.truncate(reply_start);
    let sequence = session.replies.expect(false);
    let registering = Registering { missing: 0, sequence, reply, lets_pass: true, next: Vec::new() };
    session.activity = Activity::Registering(Box::new(registering));
}

/// The changes that are left when those are taken away that another undoes: a transaction may begin and end the same subscription.
fn in_effect(changes: Vec<Change>) -> Vec<Change> {
    if changes.iter().all(|change| change.is_added == changes[0].is_added) {
        return changes;
    }
    let mut places: HashMap<Topic, usize, RandomState> = HashMap::default();
    let mut left: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    for change in changes {
        if let Some(place) = places.remove(&change.topic) {
            left[place] = None;
        } else {
            places.insert(change.topic.clone(), left.len());
            left.push(Some(change));
        }
    }
    left.into_iter().flatten().collect()
}

/// Messages.
impl RoleContext<'_> {
    /// What ran has ended: messages and events that it has listed go to their subscribers, and changed keys to those who may have cached
    /// them. `by`: who asked for what ran.
    #[inline]
    pub fn tell_subscribers(&mut self, by: Option<&Asker>) {
        if self.state.effects.may_concern_subscribers() {
            self.tell_listed_to_subscribers(by.map(|by| by.client_id));
        }
    }

    #[inline(never)]
    fn tell_listed_to_subscribers(&mut self, by: Option<u64>) {
        let mut listed = std::mem::take(&mut self.state.pubsub.told);
        self.state.effects.lend_listed(&mut listed);
        let mut is_all_told = false;
        for effect in &listed {
            match effect {
                Effect::Published(published, targets) => self.send(published, targets),
                Effect::Event(event) => self.notify(event),
                Effect::Invalidated(Invalidated::All) if std::mem::replace(&mut is_all_told, true) => {}
                Effect::Invalidated(invalidated) => self.invalidate(invalidated, by),
                Effect::Changed(_) | Effect::Propagated(_) => {}
            }
        }
        self.state.effects.return_told(&mut listed);
        self.state.pubsub.told = listed;
        self.state.follow_tracked();
    }

    /// Has an event published on its two channels, as far as clients are notified.
    fn notify(&mut self, event: &Event) {
        let notifies = self.state.config.notify_keyspace_events;
        if !notifies.classes.contains(event.class) || self.state.pubsub.routes.is_empty() {
            return;
        }
        let mut channel = std::mem::take(&mut self.state.pubsub.channel);
        if notifies.keyspace {
            write_event_channel(&mut channel, "keyspace", event.db, &event.key);
            self.publish(&channel, event.name.as_bytes());
        }
        if notifies.keyevent {
            write_event_channel(&mut channel, "keyevent", event.db, event.name.as_bytes());
            self.publish(&channel, &event.key);
        }
        self.state.pubsub.channel = channel;
    }

    fn publish(&mut self, channel: &[u8], payload: &[u8]) {
        let (subscribers, targets) = self.state.pubsub.routes.subscribers(TopicKind::Channel, channel);
        if subscribers > 0 {
            let message = Published::new(TopicKind::Channel, channel, payload, &self.state.pubsub.in_flight);
            self.send(&message, &targets);
        }
    }

    /// Sends a message to the cores that have subscribers.
    fn send(&mut self, published: &Published, targets: &Targets) {
        for &core in targets.as_slice() {
            if core == self.state.core {
                self.deliver(published, core);
            } else {
                self.outbox.post(core, ToSubscribers::Published(published.clone()));
            }
        }
    }

    /// Writes a message that was published on core `at` to the connections of this core that have subscribed.
    fn deliver(&mut self, published: &Published, at: CoreId) {
        let RoleContext { state, sessions, spare_outputs, .. } = self;
        let (mut over_limit, mut delivered) = (Vec::new(), 0);
        let receivers = &state.pubsub.receivers;
        receivers.visit(published.kind, published.channel(), at, |pattern, connections| {
            let frames = Frames::new(published, pattern);
            for connection in connections {
                let Some(session) = sessions.get(connection) else { continue };
                if session.closing != Closing::No {
                    continue;
                }
                spare_outputs.lend(session);
                session.push(|out, protocol| frames.write(out, protocol));
                if note_pushed(state, session) {
                    over_limit.push(connection);
                }
                sessions.mark_dirty(connection);
                delivered += 1;
            }
        });
        if delivered >= MANY_DELIVERED {
            state.turn.note((state.host.clock_ns)());
        }
        over_limit.into_iter().for_each(|connection| cut_off(state, sessions, connection));
    }
}

/// A connection was sent a message that is not the reply to a request. Whether it has more untaken output now than it may have.
pub(super) fn note_pushed(state: &CoreState, session: &mut Session) -> bool {
    if state.shown.is_on() {
        session.note_shows(THIS_TURN);
    }
    exceeds_output_limit(state, session)
}
