//! The recorder of an engine under simulation. While it is off, a note costs one branch that is not taken.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use super::choice::Dictation;
use super::journal::{Event, EventKind, RequestId};
use crate::asker::Asker;
use crate::effect::Effect;

/// What the simulator is told of one engine.
#[derive(Default)]
pub struct Recorder {
    /// What ran here, since the simulator last took it.
    pub journal: Vec<Event>,
    /// Whether the simulator takes the journal. Otherwise none is kept: programs that are built beside the simulator, with its
    /// feature on, run like others.
    pub keeps_journal: bool,
    /// What commands that choose at random are to choose: for the simulator's oracle.
    pub dictation: Option<Dictation>,
}

impl Recorder {
    /// Whether the simulator neither reads the journal nor dictates.
    #[inline]
    pub fn is_off(&self) -> bool {
        !self.keeps_journal && self.dictation.is_none()
    }

    /// A request, or a part of it, runs here. What runs right behind one another for it is noted once: commands of a script, of an EXEC.
    #[inline]
    pub fn ran(&mut self, asker: &Asker, now_us: i64) {
        let event = Event { kind: EventKind::Ran(id_of(asker)), now_us };
        if self.keeps_journal && self.journal.last() != Some(&event) {
            self.keep(|| event.kind, now_us);
        }
    }

    /// The keys watched by an EXEC were compared.
    pub fn compared(&mut self, asker: &Asker, changed: bool, now_us: i64) {
        self.note(|| EventKind::Compared { request: id_of(asker), changed }, now_us);
    }

    /// A waiting request was served by what `by` has changed. Without `by` a key has expired, which nobody asked for.
    pub fn served(&mut self, waiter: &Asker, by: Option<&Asker>, now_us: i64) {
        if let Some(by) = by {
            self.note(|| EventKind::Served { waiter: id_of(waiter), by: id_of(by) }, now_us);
        }
    }

    /// A waiting request could have been served, had its wait not ended before.
    pub fn declined(&mut self, waiter: &Asker, by: Option<&Asker>, now_us: i64) {
        if let Some(by) = by {
            self.note(|| EventKind::Declined { waiter: id_of(waiter), by: id_of(by) }, now_us);
        }
    }

    /// The request that ran here last has ended the wait of another.
    pub fn unblocked(&mut self, waiter: &Asker, now_us: i64) {
        self.note(|| EventKind::Unblocked(id_of(waiter)), now_us);
    }

    /// A wait ends without an element.
    pub fn ended(&mut self, waiter: &Asker, now_us: i64) {
        self.note(|| EventKind::Ended(id_of(waiter)), now_us);
    }

    /// A waiting request runs again, and begins to wait anew.
    pub fn retried(&mut self, waiter: &Asker, now_us: i64) {
        self.note(|| EventKind::Retried(id_of(waiter)), now_us);
    }

    /// A command has chosen at random.
    pub fn chose(&mut self, asker: &Asker, arguments: Vec<Vec<u8>>, answer: Vec<u8>, now_us: i64) {
        self.note(|| EventKind::Chose { request: id_of(asker), arguments, answer }, now_us);
    }

    /// A core has learned that a wait is over. What runs from now on comes after its end.
    pub fn forgotten(&mut self, waiter: &Asker, now_us: i64) {
        self.note(|| EventKind::Forgotten(id_of(waiter)), now_us);
    }

    /// A unit has ended, with these effects.
    pub fn unit(&mut self, by: Option<&Asker>, effects: impl FnOnce() -> Vec<Effect>, now_us: i64) {
        let by = by.map(id_of);
        self.note(|| EventKind::Effects { by, effects: effects() }, now_us);
    }

    #[inline]
    fn note(&mut self, kind: impl FnOnce() -> EventKind, now_us: i64) {
        if self.keeps_journal {
            self.keep(kind, now_us);
        }
    }

    /// Out of line, so that little is left of a note on the way of a command.
    #[cold]
    fn keep(&mut self, kind: impl FnOnce() -> EventKind, now_us: i64) {
        self.journal.push(Event { kind: kind(), now_us });
    }
}

/// Waiters whose waits have ended before all had been served for whom a claim has changed something: what the claims and servings that
/// were open then are still to serve comes after the ends of these waits too.
pub struct Forgotten<Claim, Waiter> {
    /// The claim had changed keys, and its waiters were to be served yet.
    under_claims: HashMap<Claim, Vec<Rc<Waiter>>>,
    /// Its waiters were being served.
    under_servings: HashMap<Claim, Vec<Rc<Waiter>>>,
}

impl<Claim, Waiter> Default for Forgotten<Claim, Waiter> {
    fn default() -> Self {
        Forgotten { under_claims: HashMap::new(), under_servings: HashMap::new() }
    }
}

impl<Claim: Copy + Eq + Hash, Waiter> Forgotten<Claim, Waiter> {
    /// A wait has ended, while these claims and servings were open.
    pub fn add(&mut self, waiter: Waiter, claims: impl Iterator<Item = Claim>, servings: impl Iterator<Item = Claim>) {
        let waiter = Rc::new(waiter);
        claims.for_each(|id| self.under_claims.entry(id).or_default().push(Rc::clone(&waiter)));
        servings.for_each(|id| self.under_servings.entry(id).or_default().push(Rc::clone(&waiter)));
    }

    /// The waiters of what a claim has changed are served from now on.
    pub fn serving_starts(&mut self, id: Claim) {
        let forgotten = self.under_claims.remove(&id).unwrap_or_default();
        self.under_servings.insert(id, forgotten);
    }

    /// They have been served.
    pub fn serving_ends(&mut self, id: Claim) {
        self.under_servings.remove(&id);
    }

    /// Those that are forgotten while waiters are served under this claim.
    pub fn under(&self, id: Claim) -> impl Iterator<Item = Rc<Waiter>> + use<Claim, Waiter> {
        self.under_servings.get(&id).cloned().unwrap_or_default().into_iter()
    }
}

fn id_of(asker: &Asker) -> RequestId {
    RequestId { client_id: asker.client_id, number: asker.number }
}
