//! ACL HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row =
    Row { flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL), since: "6.0.0", ..help::ROW_DEFAULT };
