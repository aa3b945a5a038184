//! Sorted sets: strings in the order of their scores.

use crate::command::Row;

/// The rows of this family.
pub static ROWS: &[&Row] = &[];
