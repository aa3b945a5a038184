//! Transactions of one core that claim all keys of all cores follow one another under one claim.
//!
//! ```text
//!   begin -> Follows --no convoy is under way--> the first leads: Scheduling, as any transaction, with the others behind it
//!                                                  runs, serves --passes on--> the next: Running ... the last releases
//! ```
//! They wait for each other in any case. Under claims of their own each of them would cost a schedule and a release for each core, and
//! with transactions of the same kind on several cores they would take turns one by one.
//!
//! The members of a convoy have all begun before its claims were asked for. So the time at which those are granted, which is the time of
//! all of them, is not before any time that one of their clients has seen. Whoever begins later belongs to the next convoy; so who
//! waits for the claim of a convoy waits for a bounded number of transactions.

use std::collections::VecDeque;

use super::{Coordinator, Participation, Program, RoleContext, Running, State};
use crate::asker::ConnectionId;
use crate::transaction::{ToCoordinator, TransactionId};

/// Members of a convoy.
const MEMBERS_MAX: usize = 64;

/// The convoys of a core, which are under way one by one.
#[derive(Default)]
pub(super) struct Convoys {
    is_under_way: bool,
    /// Who goes with the next ones.
    waiting: VecDeque<ConnectionId>,
}

impl Convoys {
    pub fn is_idle(&self) -> bool {
        !self.is_under_way && self.waiting.is_empty()
    }
}

/// Whether such a transaction goes in convoys: it claims all there is, and nothing of it runs before that is granted.
pub(super) fn goes_in_convoys(cores: u16, participants: &[Participation], program: &dyn Program) -> bool {
    participants.len() == usize::from(cores)
        && participants.len() > 1
        && program.needs_claims()
        && participants.iter().all(|participation| participation.footprint.writes_all())
}

impl Coordinator {
    /// A transaction goes with the next convoy.
    pub(super) fn join_convoy(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) {
        self.coordination(connection).state = State::Follows;
        self.convoys.waiting.push_back(connection);
        if !self.convoys.is_under_way {
            self.begin_convoy(core);
        }
    }

    /// The first of those that wait leads a convoy of them, if there are any.
    pub(super) fn begin_convoy(&mut self, core: &mut RoleContext<'_>) {
        let members = self.convoys.waiting.len().min(MEMBERS_MAX);
        let mut followers: VecDeque<ConnectionId> = self.convoys.waiting.drain(..members).collect();
        let leader = followers.pop_front();
        self.convoys.is_under_way = leader.is_some();
        if let Some(leader) = leader {
            self.coordination(leader).convoy = Some(Convoy { followers, keeps_claims: false });
            self.attempt(core, leader);
        }
    }

    /// All of a transaction has run: its claims, which it has kept, are released, or the next of its convoy has them.
    pub(super) fn give_up_claims(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId, now_us: i64) {
        let coordination = self.coordination(connection);
        let id = coordination.id;
        let Some(convoy) = coordination.convoy.take_if(|convoy| !convoy.followers.is_empty()) else {
            return coordination.release(core, |_| true);
        };
        self.take_over(core, convoy, id, now_us);
    }

    /// The next of a convoy has the claims of this id, and goes on as if they had been granted to it.
    fn take_over(&mut self, core: &mut RoleContext<'_>, mut convoy: Convoy, id: TransactionId, now_us: i64) {
        let next = convoy.followers.pop_front().expect("somebody follows");
        let keeps_claims = convoy.keeps_claims();
        let coordination = self.coordination(next);
        assert!(matches!(coordination.state, State::Follows), "who follows has claimed nothing");
        (coordination.id, coordination.convoy) = (id, Some(convoy));
        coordination.state = State::Running(Running { now_us, keeps_claims, missing: 1, is_last: false });
        core.state.stats.claims_passed_on += 1;
        core.outbox.post(core.state.core, ToCoordinator::GoOn { connection: next });
    }
}

/// What the transaction that has the claims of a convoy knows of it.
pub struct Convoy {
    /// Who has them next, in this order.
    followers: VecDeque<ConnectionId>,
    /// Also the last of them keeps its claims when it has run: see [`Running::keeps_claims`].
    keeps_claims: bool,
}

impl Convoy {
    /// Whether who has the claims keeps them when it has run; `alone`: without a convoy it would.
    pub(super) fn note_granted(&mut self, alone: bool) -> bool {
        self.keeps_claims = alone;
        self.keeps_claims()
    }

    fn keeps_claims(&self) -> bool {
        self.keeps_claims || !self.followers.is_empty()
    }
}
