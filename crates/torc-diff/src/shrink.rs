//! From a failing sequence to a short one: units are dropped while the same difference stays.

use crate::pair::{Failure, Pair};
use crate::request::Unit;

/// Tries before the best so far is taken.
const TRIES_MAX: u32 = 600;

/// The shortest sequence found that still fails in the same way, with its failure. None: it did not fail again.
pub fn shrink(
    pair: &mut Pair,
    settings: &[(&'static str, u64)],
    units: Vec<Unit>,
    kind: &str,
) -> Result<Option<(Vec<Unit>, Failure)>, String> {
    let mut tries = 0;
    let mut fails = |units: &[Unit]| -> Result<Option<Failure>, String> {
        tries += 1;
        if tries > TRIES_MAX {
            return Ok(None);
        }
        pair.reset(settings)?;
        let outcome = pair.run(units).and_then(|()| pair.compare_state(units.len()));
        let outcome = outcome.and_then(|()| pair.compare_scans(units.len()));
        Ok(outcome.err().filter(|failure| failure.kind == kind))
    };
    let mut best = units;
    let Some(mut failure) = fails(&best)? else { return Ok(None) };
    best.truncate(failure.units);
    let mut size = best.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < best.len() {
            let end = (start + size).min(best.len());
            let candidate: Vec<Unit> = best[..start].iter().chain(&best[end..]).cloned().collect();
            match fails(&candidate)? {
                Some(found) => {
                    best = candidate;
                    best.truncate(found.units);
                    failure = found;
                    has_shrunk = true;
                }
                None => start = end,
            }
        }
        if size == 1 && !has_shrunk {
            break;
        }
        size = size.div_ceil(2).max(1);
    }
    let one_connection: Vec<Unit> = best.iter().map(|unit| Unit { connection: 0, ..unit.clone() }).collect();
    if let Some(found) = fails(&one_connection)? {
        (best, failure) = (one_connection, found);
    }
    Ok(Some((best, failure)))
}
