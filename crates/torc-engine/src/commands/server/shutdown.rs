//! SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: stops the server; there is no reply when it does.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::host_request::{HostRequest, LogKind};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .and(Flags::NOSCRIPT)
        .and(Flags::LOADING)
        .and(Flags::STALE)
        .and(Flags::NO_MULTI)
        .and(Flags::ALLOW_BUSY),
    run: Run::Session(shutdown),
    group: "server",
    summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    syntax: "save-selector:[NOSAVE | SAVE] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
    history: &[
        ("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."),
    ],
    ..Row::DEFAULT
};

fn shutdown(context: &mut SessionContext<'_>, args: Args<'_>, _reply: &mut Reply<'_>) -> CommandResult {
    let given = |word: &str| args.from(1).iter().any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    let known = ["nosave", "save", "now", "force", "abort"];
    let all_known =
        args.from(1).iter().all(|argument| known.iter().any(|word| argument.eq_ignore_ascii_case(word.as_bytes())));
    let only_abort = known[..4].iter().all(|word| !given(word));
    if !all_known || (given("save") && given("nosave")) || (given("abort") && !only_abort) {
        return Err(CommandError::Syntax);
    }
    if given("abort") {
        // A shutdown waits for nothing here, so there is never one to stop.
        return Err(CommandError::fixed("ERR No shutdown in progress."));
    }
    if given("save") && !given("force") {
        return Err(CommandError::fixed(
            "ERR Errors trying to SHUTDOWN: this server cannot write snapshots yet; use NOSAVE, or FORCE to stop anyway.",
        ));
    }
    let session = &context.session;
    let by = format!("id={} addr={} laddr={}", session.id, session.info.address, session.info.local_address);
    context.log(LogKind::Shutdown, || format!("User requested shutdown: {by}"));
    context.ask_host(HostRequest::Shutdown);
    Ok(())
}
