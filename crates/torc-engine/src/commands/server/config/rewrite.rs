//! CONFIG REWRITE: would write the configuration back to its file; refused until that can be done safely.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "rewrite",
    arity: 2,
    flags: super::ADMIN,
    run: Run::Session(rewrite),
    since: "2.8.0",
    group: "server",
    summary: "Persists the effective configuration to file.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn rewrite(context: &mut SessionContext<'_>, _args: Args<'_>, _reply: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::fixed(match context.facts().identity.config_file.as_str() {
        "" => "ERR The server is running without a config file",
        _ => "ERR Rewriting config file: not supported yet; edit the file by hand",
    }))
}
