//! ACL SAVE: writes all users into the file.

use torc_resp::{Args, Reply};

use super::file;
use crate::command::{Asking, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{FileContent, HostRequest};
use crate::session::SessionContext;
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "save",
    arity: 2,
    flags: super::ADMIN,
    run: Run::Session(save),
    host_step: Some(&STEP),
    since: "6.0.0",
    group: "server",
    summary: "Saves the effective ACL rules in the configured ACL file.",
    complexity: "O(N). Where N is the number of configured users.",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request,
    failed: CommandError::fixed(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
    ),
};

fn request(facts: Facts<'_>, _: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let path = file::path(&facts).ok()?.to_owned();
    let content = facts.users.lines().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    Some(HostRequest::WriteFile { path, content: FileContent::Whole(content), asker: asking.session.connection })
}

fn save(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    file::path(&context.facts())?;
    reply.ok();
    Ok(())
}
