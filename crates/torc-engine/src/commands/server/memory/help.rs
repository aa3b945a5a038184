//! MEMORY HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row = Row { flags: Flags::LOADING.and(Flags::STALE), since: "4.0.0", ..help::ROW_DEFAULT };
