//! The token: who has it may serve waiters whose keys lie on several cores. Kept by core 0.
//!
//! Two pushes on two cores that both find the waiters A and B could else give A to the one and B to the other, although
//! whichever came first would have served both. Whoever has the token only waits for answers to offers, which come at once,
//! so it is always returned.

use std::collections::VecDeque;

use super::TransactionId;
use crate::asker::ConnectionId;
use crate::route::CoreId;

/// The core that keeps it.
pub const KEEPER: CoreId = 0;

/// Who wants the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicant {
    /// The core that asks.
    pub core: CoreId,
    /// What made keys ready.
    pub id: TransactionId,
    /// The connection of the transaction; `None`: it is a unit.
    pub connection: Option<ConnectionId>,
}

/// The token, on the core that keeps it.
#[derive(Debug, Default)]
pub struct Token {
    holder: Option<TransactionId>,
    queue: VecDeque<Applicant>,
}

impl Token {
    /// Somebody wants it: gives whom it goes to now, if anybody.
    pub fn apply(&mut self, applicant: Applicant) -> Option<Applicant> {
        let has_asked = self.holder == Some(applicant.id) || self.queue.iter().any(|other| other.id == applicant.id);
        assert!(!has_asked, "the token is asked for once, and returned before that is done again");
        self.queue.push_back(applicant);
        self.give()
    }

    /// It comes back: gives whom it goes to next.
    pub fn take_back(&mut self, id: TransactionId) -> Option<Applicant> {
        assert_eq!(self.holder.take(), Some(id), "who returns the token has it");
        self.give()
    }

    /// Whether nobody has it or wants it.
    pub fn is_idle(&self) -> bool {
        self.holder.is_none() && self.queue.is_empty()
    }

    fn give(&mut self) -> Option<Applicant> {
        if self.holder.is_some() {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.holder = Some(next.id);
        Some(next)
    }
}
