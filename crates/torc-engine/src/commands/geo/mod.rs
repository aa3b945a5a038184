//! Places on earth, in sorted sets whose scores are geohashes.

use crate::command::Row;

/// The rows of this family.
pub static ROWS: &[&Row] = &[];
