//! DEBUG HELP: the subcommands.

use crate::command::Row;
use crate::commands::server::help;

pub(super) static ROW: Row = Row { flags: super::DEVELOPER, since: "1.0.0", ..help::ROW_DEFAULT };
