//! CONFIG HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row = Row { flags: Flags::LOADING.and(Flags::STALE), ..help::ROW_DEFAULT };
