//! CLUSTER BUMPEPOCH: nothing ever contests a core's slots, so its configuration epoch stays as it is.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "bumpepoch",
    flags: super::ADMIN,
    run: Run::Session(bumpepoch),
    summary: "Advances the cluster config epoch.",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn bumpepoch(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.simple(&format!("STILL {}", node::config_epoch(context.facts().core)));
    Ok(())
}
