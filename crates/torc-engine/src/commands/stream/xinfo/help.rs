//! XINFO HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row =
    Row { flags: Flags::LOADING.and(Flags::STALE), group: "stream", categories: &["stream"], ..help::ROW_DEFAULT };
