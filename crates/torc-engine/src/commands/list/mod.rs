//! Lists of strings: queues and stacks.

use crate::command::Row;

/// The rows of this family.
pub static ROWS: &[&Row] = &[];
