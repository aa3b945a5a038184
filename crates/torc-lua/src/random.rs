//! `math.random` as Redis has it: the 48-bit linear congruential generator of `drand48`, the same on every machine.
//!
//! Each run has a generator of its own, so what runs meanwhile draws none of its numbers. Their seeds follow from [`Options::seed`].
//!
//! [`Options::seed`]: crate::Options::seed

use std::ffi::c_int;

use crate::lua::{Lua, Outcome};

/// The generator's factor and addend; the modulus is 2^48.
const FACTOR: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// One more than the greatest number drawn.
const RANGE: u32 = i32::MAX as u32;

/// The state of a generator.
#[derive(Clone, Copy)]
pub(crate) struct Random(u64);

impl Random {
    /// As after `srand48(seed)`.
    pub(crate) fn new(seed: i32) -> Self {
        Self((u64::from(seed as u32) << 16) | 0x330E)
    }

    /// The next 31 bits, as `lrand48` gives them.
    fn next(&mut self) -> u32 {
        self.0 = (self.0.wrapping_mul(FACTOR).wrapping_add(ADDEND)) & MASK;
        (self.0 >> 17) as u32
    }

    /// The next number of 0 and above, below 1.
    fn fraction(&mut self) -> f64 {
        f64::from(self.next() % RANGE) / f64::from(RANGE)
    }
}

/// A number as C's `int` has it: without its fraction, and without what 32 bits do not hold.
fn to_int(value: f64) -> i32 {
    value as i64 as i32
}

/// `math.random([[low,] high])`.
pub(crate) fn random(lua: Lua) -> Outcome {
    let fraction = lua.desk().random.fraction();
    let arguments = lua.top();
    let (low, high) = match arguments {
        0 => {
            lua.push_number(fraction);
            return Ok(1);
        }
        1 => (1, to_int(lua.check_number(1))),
        2 => (to_int(lua.check_number(1)), to_int(lua.check_number(2))),
        _ => return Err(lua.error_here(b"wrong number of arguments")),
    };
    if low > high {
        lua.bad_argument(arguments, c"interval is empty");
    }
    let count = c_int::wrapping_sub(high, low).wrapping_add(1);
    lua.push_number((fraction * f64::from(count)).floor() + f64::from(low));
    Ok(1)
}

/// `math.randomseed(seed)`.
pub(crate) fn seed(lua: Lua) -> Outcome {
    let seed = to_int(lua.check_number(1));
    lua.desk().random = Random::new(seed);
    Ok(0)
}
