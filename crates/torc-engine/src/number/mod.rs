//! Numbers that a string value can hold beyond 64-bit integers: the floats of INCRBYFLOAT.
//!
//! Redis computes those in C's `long double`, which on its usual machine is the 80-bit format of the x87.
//! Rust has no such type, so [`Extended`] brings the arithmetic, the text that is accepted and the text
//! that is shown, bit for bit the same on every machine.

mod extended;

pub use extended::Extended;
