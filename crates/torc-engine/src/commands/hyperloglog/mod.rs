//! HyperLogLog: how many different elements were added, estimated from 16,384 registers in a string.
//!
//! ```text
//!   element --[hash]--> register number, rank     a register keeps the highest rank it was offered
//!
//!   value   "HYLL" | encoding 1 | unused 3 | cached count 8 | registers
//!                                                             sparse: runs of equal registers
//!                                                             dense: 6 bits each
//! ```
//!
//! The bytes are those of Redis, so that a value can move between servers. `format` knows the head, `sparse` and
//! `dense` the registers, `edit` how a value changes when an element is added, `registers` merges, and `estimate`
//! counts. Values are strings: nothing but these modules tells them apart from others.

use super::family;

mod dense;
mod edit;
mod estimate;
mod format;
mod hash;
mod registers;
mod sparse;

family!(pfadd, pfcount, pfdebug, pfmerge, pfselftest);
