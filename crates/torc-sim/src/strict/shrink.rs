//! The smallest failure that leaving things out of a run finds: first late steps, then clients, then single actions.

use std::collections::BTreeSet;
use std::fmt;

/// Runs that the search may take.
const RUNS_MAX: usize = 400;

/// What is left out of a run: for the search for a smaller failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Steps, at most.
    pub steps_max: Option<usize>,
    /// Actions that are not sent, by number.
    pub skipped: BTreeSet<u64>,
    /// Clients, at most.
    pub clients_max: Option<usize>,
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |limit: Option<usize>| limit.map_or("all".to_owned(), |limit| limit.to_string());
        write!(out, "{} steps, {} clients, without the actions", limit(self.steps_max), limit(self.clients_max))?;
        let mut left = self.skipped.iter().copied().peekable();
        while let Some(first) = left.next() {
            let mut last = first;
            while let Some(next) = left.next_if_eq(&(last + 1)) {
                last = next;
            }
            if first == last { write!(out, " {first}")? } else { write!(out, " {first}-{last}")? }
        }
        Ok(())
    }
}

/// A cut with which the run still fails and that leaves out much; `run_fails` tells whether one does.
pub fn shrink(mut run_fails: impl FnMut(&Cut) -> bool) -> Cut {
    let mut runs = 0;
    let mut fails = |cut: &Cut| {
        runs += 1;
        runs < RUNS_MAX && run_fails(cut)
    };
    let mut best = Cut::default();
    for clients in 1..8 {
        let cut = Cut { clients_max: Some(clients), ..best.clone() };
        if fails(&cut) {
            best = cut;
            break;
        }
    }
    let (mut passes, mut breaks) = (0, 1024);
    while breaks - passes > 1 {
        let middle = (passes + breaks) / 2;
        if fails(&Cut { steps_max: Some(middle), ..best.clone() }) { breaks = middle } else { passes = middle }
    }
    let cut = Cut { steps_max: Some(breaks), ..best.clone() };
    if fails(&cut) {
        best = cut;
    }
    let mut len = 128;
    while len >= 1 {
        for first in (0..1024u64).step_by(len) {
            let mut cut = best.clone();
            cut.skipped.extend(first..first + len as u64);
            if cut.skipped.len() > best.skipped.len() && fails(&cut) {
                best = cut;
            }
        }
        len /= 4;
    }
    best
}
