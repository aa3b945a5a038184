//! Streams: logs of entries, read by position or by groups of consumers.

use crate::command::Row;

/// The rows of this family.
pub static ROWS: &[&Row] = &[];
