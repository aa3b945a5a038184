//! Bitmaps: strings seen as rows of bits, the highest bit of the first byte being bit 0.
//!
//! Beside the commands: `offset` reads bit offsets and makes room for them, `range` turns indexes into a range of
//! bits, `scan` counts and finds bits, `algebra` combines whole strings, and `field` is the integers of BITFIELD.

use super::family;

mod algebra;
mod field;
mod offset;
mod range;
mod scan;

family!(bitcount, bitfield, bitfield_ro, bitop, bitpos, getbit, setbit);
