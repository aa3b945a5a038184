//! Which scripts are known: commands about that see each core at a different moment, so no order says what EVALSHA finds. It is judged by
//! what must be so, and what may be.
//!
//! ```text
//!   EVAL, LOAD answered ---- no FLUSH since ----> EVALSHA sent     it must find the script
//!   EVAL, LOAD answered --> FLUSH .. answered --> EVALSHA sent     it must not
//! ```
//! A FLUSH while a script becomes known leaves it known on some cores. EVAL on one of those tells the others nothing: from then on nothing
//! is certain of that script.

use super::super::history::{Action, History};
use super::super::order::line;
use super::super::replay::{answer_to, is_busy, is_unknown_script};
use super::runs_script;

/// What may have changed which scripts are known: when it was sent, and when it was answered.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// The number of its action.
    #[allow(dead_code, reason = "for the reader of a failure")]
    action: usize,
    sent_at: u64,
    replied_at: Option<u64>,
    /// It was done.
    is_certain: bool,
}

/// Asserts that every EVALSHA has found its script, or has not, as may be.
pub(crate) fn judge_known(history: &History) {
    let flushes: Vec<Change> = changes(history, |request| request[..] == [b"SCRIPT".to_vec(), b"FLUSH".to_vec()]);
    for (number, action) in history.actions.iter().enumerate() {
        let (Some(sent_at), Some(replied_at)) = (action.sent_at, action.replied_at) else { continue };
        for (index, request) in action.requests.iter().enumerate() {
            if runs_script(request) != Some(true) {
                continue;
            }
            let Some(answer) = answer_to(action, index) else { continue };
            if is_busy(answer) {
                continue;
            }
            let made = changes(history, |other| history.library.introduces(other) == Some(&request[1]));
            let is_fine = match is_unknown_script(answer) {
                true => {
                    let is_known = |made: &Change| must_be_known(*made, &flushes, sent_at, replied_at);
                    !made.iter().any(is_known) || made.iter().any(|made| meets(*made, &flushes, replied_at))
                }
                false => made.iter().any(|made| may_be_known(*made, &flushes, sent_at, replied_at)),
            };
            assert!(
                is_fine,
                "known by {made:?}, forgotten by {flushes:?}: request {index} of {}",
                line(number, action)
            );
        }
    }
}

/// What requests of this kind have changed. Of those in a transaction it is never certain.
fn changes(history: &History, is_meant: impl Fn(&[Vec<u8>]) -> bool) -> Vec<Change> {
    let of_action = |(number, action): (usize, &Action)| {
        let is_meant = action.requests.iter().any(|request| is_meant(request));
        let is_certain = action.requests.len() == 1 && action.replies.first().is_some_and(|reply| !is_busy(reply));
        let sent_at = action.sent_at.filter(|_| is_meant)?;
        Some(Change { action: number, sent_at, replied_at: action.replied_at, is_certain })
    };
    history.actions.iter().enumerate().filter_map(of_action).collect()
}

/// The script was made known before the request was sent, and not forgotten by anything that was under way since.
fn must_be_known(made: Change, flushes: &[Change], sent_at: u64, replied_at: u64) -> bool {
    let Some(known_at) = made.replied_at.filter(|&at| made.is_certain && at < sent_at) else { return false };
    let since = |flush: &Change| flush.replied_at.is_none_or(|at| at > made.sent_at) && flush.sent_at < replied_at;
    assert!(made.sent_at <= known_at, "what is answered was sent");
    !flushes.iter().any(since)
}

/// It became known while something was forgotten, before this moment.
fn meets(made: Change, flushes: &[Change], before: u64) -> bool {
    let meets = |flush: &Change| {
        flush.replied_at.is_none_or(|at| at > made.sent_at) && made.replied_at.is_none_or(|at| at > flush.sent_at)
    };
    flushes.iter().any(|flush| flush.sent_at < before && meets(flush))
}

/// It was made known at some time before the request was answered, and not forgotten for certain before it was sent.
fn may_be_known(made: Change, flushes: &[Change], sent_at: u64, replied_at: u64) -> bool {
    let forgotten = |flush: &Change| {
        let is_over = flush.is_certain && flush.replied_at.is_some_and(|at| at < sent_at);
        is_over && made.replied_at.is_some_and(|at| at < flush.sent_at)
    };
    made.sent_at < replied_at && !flushes.iter().any(forgotten)
}
