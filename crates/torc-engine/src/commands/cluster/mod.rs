//! CLUSTER: the cores presented as the nodes of a cluster (`core-ports`).

/// The rows of this family.
pub static ROWS: &[&crate::command::Row] = &[];
