//! Sorted sets: strings in the order of their scores.
//!
//! ```text
//! view     SortedSetRef: read one, whatever its form       edit    change one, or store a new one
//! range    which part is meant, by score or by member
//! packed   the small form: a pack                           object  the big form: a table of members (`elements`)
//!                                                           tree    and their order, in nodes (`node`) of an `arena`
//! ```
//!
//! Every range, by score or by member, becomes a range of ranks first, so that reading backwards, limits, counting and
//! removing work alike for all.

mod arena;
mod edit;
mod node;
mod object;
mod packed;
mod range;
mod tree;
mod view;

#[cfg(test)]
mod tests;

pub use edit::{PackLimits, create, remove, remove_ranks, scan, sort, store, update};
pub(crate) use object::score_of;
pub use object::{SortedSet, Update};
pub use range::{LexBound, LexRange, ScoreRange};
pub use view::{Located, Members, SortedSetRef};
