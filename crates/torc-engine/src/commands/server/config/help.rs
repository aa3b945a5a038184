//! CONFIG HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

/// The description of CONFIG HELP.
pub static ROW: Row = Row { flags: Flags::LOADING.and(Flags::STALE), ..help::ROW_DEFAULT };
