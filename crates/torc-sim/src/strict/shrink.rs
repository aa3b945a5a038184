//! The smallest failure that leaving things out of a run finds: first late steps, then clients, then single actions.

use super::Cut;

/// Runs that the search may take.
const RUNS_MAX: usize = 400;

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
