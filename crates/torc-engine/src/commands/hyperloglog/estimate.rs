//! From the ranks of all registers to a count: the estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), with the rounding of Redis.

use super::dense;
use super::format::{CORRUPT, Encoding, HEAD_BYTES, REGISTERS, check};
use super::hash::RANK_MAX;
use super::sparse;
use crate::error::CommandError;

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// Counts the elements of a value without looking at its cached count.
pub fn count(value: &[u8]) -> Result<u64, CommandError> {
    let encoding = check(value)?;
    let registers = &value[HEAD_BYTES..];
    let ranks = match encoding {
        Encoding::Dense => dense::count_ranks(registers),
        Encoding::Sparse => {
            let mut counts = [0; 64];
            if !sparse::for_each(registers, |_, run| counts[usize::from(run.rank)] += run.len as u32) {
                return Err(CORRUPT);
            }
            counts
        }
    };
    Ok(estimate(&ranks))
}

/// The count that makes these ranks the most likely; `ranks` says how often each occurs.
pub fn estimate(ranks: &[u32; 64]) -> u64 {
    let registers = REGISTERS as f64;
    let highest = usize::from(RANK_MAX);
    let mut sum = registers * tau((registers - f64::from(ranks[highest])) / registers);
    for count in ranks[1..highest].iter().rev() {
        sum = (sum + f64::from(*count)) * 0.5;
    }
    sum += registers * sigma(f64::from(ranks[0]) / registers);
    (ALPHA * registers * registers / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let last = sum;
        sum += x * power;
        power += power;
        if sum == last {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let last = sum;
        power *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * power;
        if sum == last {
            return sum / 3.0;
        }
    }
}
