//! Scripts: docs/scripts.md.
mod analysis;
mod tokens;
pub(crate) use analysis::{Analysis, analyse};
