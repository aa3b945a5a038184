//! How inclined the kernel is to kill this process when memory is short: `/proc/self/oom_score_adj`.
//!
//! The score that the process found is kept while it is adjusted, as the base of relative values and to be put back.

use std::fs;
use std::sync::{Mutex, PoisonError};

use torc_engine::OomScore;
use torc_engine::config::OomScoreAdj;

const FILE: &str = "/proc/self/oom_score_adj";
/// The kernel's range.
const SCORES: (i32, i32) = (-1000, 1000);

/// The score that the process found, while it is adjusted.
static FOUND: Mutex<Option<i32>> = Mutex::new(None);

/// Brings the score in line with the configuration; again and again with the same result.
///
/// # Errors
/// The kernel does not let this process lower its score, or there is no `/proc`.
pub fn adjust(score: &OomScore) -> Result<(), String> {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let base = match *found {
        Some(score) => score,
        None if score.mode == OomScoreAdj::No => return Ok(()),
        None => read()?,
    };
    let [value, ..] = score.values;
    let wanted = match score.mode {
        OomScoreAdj::No => base,
        OomScoreAdj::Relative => base + value,
        OomScoreAdj::Absolute => value,
    };
    let wanted = wanted.clamp(SCORES.0, SCORES.1);
    fs::write(FILE, wanted.to_string()).map_err(|error| format!("cannot write {wanted} to {FILE}: {error}"))?;
    *found = (score.mode != OomScoreAdj::No).then_some(base);
    Ok(())
}

fn read() -> Result<i32, String> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("cannot read {FILE}: {error}"))?;
    text.trim().parse().map_err(|_| format!("{FILE} holds no number: {text}"))
}
