//! CONFIG REWRITE: writes what is in force into the configuration file.

use torc_resp::{Args, Reply};

use crate::command::{Asking, HostStep, Row, Run};
use crate::config::directive_lines;
use crate::error::{CommandError, CommandResult};
use crate::host_request::{FileContent, HostRequest};
use crate::session::SessionContext;
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "rewrite",
    arity: 2,
    flags: super::ADMIN,
    run: Run::Session(rewrite),
    host_step: Some(&STEP),
    since: "2.8.0",
    group: "server",
    summary: "Persists the effective configuration to file.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

static STEP: HostStep =
    HostStep { request, failed: CommandError::fixed("ERR Rewriting config file: check the logs of the server") };

/// Users that come from a file of their own are written there, by ACL SAVE.
fn request(facts: Facts<'_>, _: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let path = facts.identity.config_file.clone();
    if path.is_empty() {
        return None;
    }
    let users = facts.config.acl.aclfile.is_empty().then(|| facts.users.lines().collect());
    let content = FileContent::Directives(directive_lines(facts.config, users));
    Some(HostRequest::WriteFile { path, content, asker: asking.session.connection })
}

fn rewrite(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if context.facts().identity.config_file.is_empty() {
        return Err(CommandError::fixed("ERR The server is running without a config file"));
    }
    reply.ok();
    Ok(())
}
