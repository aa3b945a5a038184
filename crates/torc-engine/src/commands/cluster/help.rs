//! CLUSTER HELP: the subcommands; refused like all of them without `core-ports`.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Flags, Row, Run};
use crate::commands::server::help;
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    flags: Flags::LOADING.and(Flags::STALE),
    run: Run::Session(help_if_enabled),
    since: "5.0.0",
    group: "cluster",
    ..help::ROW_DEFAULT
};

fn help_if_enabled(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    help::help(context, args, reply)
}
