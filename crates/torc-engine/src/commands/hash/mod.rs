//! Hashes: maps of fields to strings.

use crate::command::Row;

/// The rows of this family.
pub static ROWS: &[&Row] = &[];
