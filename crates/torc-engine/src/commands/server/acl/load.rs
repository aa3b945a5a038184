//! ACL LOAD: the users of the file instead of those there are; if anything in it is wrong, nothing changes.

use torc_resp::{Args, Reply};

use super::file;
use crate::command::{Asking, HostStep, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::HostRequest;
use crate::session::CoreContext;
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "load",
    arity: 2,
    flags: super::CHANGES,
    route: Route::Every(Merge::Same),
    run: Run::Core(load),
    host_step: Some(&STEP),
    since: "6.0.0",
    group: "server",
    summary: "Reloads the rules from the configured ACL file.",
    complexity: "O(N). Where N is the number of configured users.",
    ..Row::DEFAULT
};

static STEP: HostStep =
    HostStep { request, failed: CommandError::fixed("ERR Error loading ACLs: check the logs of the server") };

fn request(facts: Facts<'_>, _: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let path = file::path(&facts).ok()?.to_owned();
    Some(HostRequest::ReadFile { path, asker: asking.session.connection })
}

/// One core's part. Behind the request stands the content of the file, which the host has read.
fn load(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let path = file::path(&context.facts())?;
    let content = if args.len() > 2 { args.get(2) } else { unreachable!("the host has read the file") };
    let all_channels = context.facts().config.acl.acl_pubsub_default.allows_all();
    let users = context.users().of_file(content, path, all_channels);
    let users = users.map_err(|text| CommandError::made([b"ERR ", &text[..]].concat()))?;
    context.replace_users(users);
    reply.ok();
    Ok(())
}
