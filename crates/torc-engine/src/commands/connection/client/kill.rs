//! CLIENT KILL address | filter value ...: closes connections, of whatever core.

use torc_resp::{Args, Reply, reader};

use super::filter::Filter;
use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::{Closing, CoreContext, SessionContext};

pub(super) static ROW: Row = Row {
    name: "kill",
    arity: -3,
    flags: super::ADMIN.and(Flags::OF_NODE).and(Flags::LONG),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(kill),
    categories: &["connection"],
    since: "2.4.0",
    group: "connection",
    summary: "Terminates open connections.",
    complexity: "O(N) where N is the number of client connections",
    syntax: "filter:<old-format:ip:port@!2.8.12 | new-format:<[ID client-id@2.8.12 [client-id ...]] | [TYPE client-type:<NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | PUBSUB>@2.8.12] | [USER username] | [ADDR addr:ip:port] | [LADDR laddr:ip:port@6.2.0] | [SKIPME skipme:<YES | NO>] | [MAXAGE maxage@7.4.0] | [NAME name@9.0.0] | [IDLE idle@9.0.0/integer] | [FLAGS flags@9.0.0] | [LIB-NAME lib-name@9.0.0] | [LIB-VER lib-ver@9.0.0] | [DB db@9.0.0] | [CAPA capa@9.0.0] | [IP ip@9.0.0] | [NOT-TYPE not-client-type:<NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>@9.0.0] | [NOT-ID not-client-id@9.0.0/integer [not-client-id ...]] | [NOT-USER not-username@9.0.0] | [NOT-ADDR not-addr:ip:port@9.0.0] | [NOT-LADDR not-laddr:ip:port@9.0.0] | [NOT-NAME not-name@9.0.0] | [NOT-FLAGS not-flags@9.0.0] | [NOT-LIB-NAME not-lib-name@9.0.0] | [NOT-LIB-VER not-lib-ver@9.0.0] | [NOT-DB not-db@9.0.0/integer] | [NOT-CAPA not-capa@9.0.0] | [NOT-IP not-ip@9.0.0] ...>>",
    history: &[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
        ("6.2.0", "`LADDR` option."),
        ("7.4.0", "`MAXAGE` option."),
        ("8.1.0", "`ID` option accepts multiple IDs."),
        ("9.0.0", "Added filters NAME, IDLE, FLAGS, LIB-NAME, LIB-VER, DB, CAPA, and IP. And negative filters NOT-ID, NOT-TYPE, NOT-ADDR, NOT-LADDR, NOT-USER, NOT-FLAGS, NOT-NAME, NOT-LIB-NAME, NOT-LIB-VER, NOT-DB, NOT-CAPA, NOT-IP."),
    ],
    ..Row::DEFAULT
};

/// One core's part: how many it closed. The asking connection still gets its reply.
fn kill(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let filter = Filter::of_kill(args.from(2), &context.facts())?;
    let (now_ms, asker) = (context.facts().now_ms, context.client_id);
    let sessions = &*context.sessions;
    let open = sessions.iter().filter(|session| session.closing < Closing::Now);
    let fitting: Vec<_> = open
        .filter(|session| filter.fits(session, asker, now_ms))
        .map(|session| (session.connection, session.id))
        .collect();
    reply.integer(fitting.len() as i64);
    for (connection, id) in fitting {
        let closing = if id == asker { Closing::AfterFlush } else { Closing::Now };
        context.sessions.close(connection, closing);
    }
    Ok(())
}

fn merge(_: &mut SessionContext<'_>, args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let killed: i64 = parts.iter().map(|part| reader::integer(part).expect("a part is a number")).sum();
    // The old form, with an address only, answers in words.
    match (args.len(), killed) {
        (3, 0) => return Err(CommandError::fixed("ERR No such client")),
        (3, _) => reply.ok(),
        _ => reply.integer(killed),
    }
    Ok(())
}
