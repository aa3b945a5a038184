//! CLIENT LIST [filter value ...]: a line for each connection, of all cores, in the order of their ids.

use torc_resp::{Args, Reply, reader};

use super::describe::describe;
use super::filter::Filter;
use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::{Closing, CoreContext, SessionContext};

pub(super) static ROW: Row = Row {
    name: "list",
    arity: -2,
    flags: super::ADMIN.and(Flags::OF_NODE).and(Flags::LONG),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(list),
    categories: &["connection"],
    since: "2.4.0",
    group: "connection",
    summary: "Lists open connections.",
    complexity: "O(N) where N is the number of client connections",
    syntax: "[TYPE client-type:<NORMAL | MASTER | REPLICA | PUBSUB>@5.0.0] [ID client-id@6.2.0 [client-id ...]] [USER username@8.1.0] [ADDR addr:ip:port@8.1.0] [LADDR laddr:ip:port@8.1.0] [SKIPME skipme:<YES | NO>@8.1.0] [MAXAGE maxage@8.1.0] [NAME name@9.0.0] [IDLE idle@9.0.0/integer] [FLAGS flags@9.0.0] [LIB-NAME lib-name@9.0.0] [LIB-VER lib-ver@9.0.0] [DB db@9.0.0] [CAPA capa@9.0.0] [IP ip@9.0.0] [NOT-TYPE not-client-type:<NORMAL | MASTER | REPLICA | PUBSUB>@9.0.0] [NOT-ID not-client-id@9.0.0/integer [not-client-id ...]] [NOT-USER not-username@9.0.0] [NOT-ADDR not-addr:ip:port@9.0.0] [NOT-LADDR not-laddr:ip:port@9.0.0] [NOT-NAME not-name@9.0.0] [NOT-FLAGS not-flags@9.0.0] [NOT-LIB-NAME not-lib-name@9.0.0] [NOT-LIB-VER not-lib-ver@9.0.0] [NOT-DB not-db@9.0.0/integer] [NOT-CAPA not-capa@9.0.0] [NOT-IP not-ip@9.0.0]",
    tips: &["nondeterministic_output"],
    history: &[
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
        ("7.2.0", "Added `lib-name` and `lib-ver` fields."),
        ("7.4.0", "Added `watch` field."),
        ("8.0.0", "Added `io-thread` field."),
        ("8.1.0", "Added filters USER, ADDR, LADDR, SKIPME, and MAXAGE."),
        ("9.0.0", "Added filters NAME, IDLE, FLAGS, LIB-NAME, LIB-VER, DB, CAPA, and IP. And negative filters NOT-ID, NOT-TYPE, NOT-ADDR, NOT-LADDR, NOT-USER, NOT-FLAGS, NOT-NAME, NOT-LIB-NAME, NOT-LIB-VER, NOT-DB, NOT-CAPA, NOT-IP."),
    ],
    ..Row::DEFAULT
};

/// One core's part: ids and lines in turn.
fn list(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let filter = Filter::of_list(args.from(2), &context.facts())?;
    let now_ms = context.facts().now_ms;
    let open = context.sessions.iter().filter(|session| session.closing < Closing::Now);
    let fitting: Vec<_> = open.filter(|session| filter.fits(session, context.client_id, now_ms)).collect();
    reply.array(fitting.len() * 2);
    for session in fitting {
        reply.integer(session.id as i64);
        let request = (session.id == context.client_id).then_some(args);
        reply.bulk(describe(session, &context.facts(), request).as_bytes());
    }
    Ok(())
}

fn merge(_: &mut SessionContext<'_>, _: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let mut lines = Vec::new();
    for part in parts {
        let mut elements = reader::Elements::new(part).expect("a part is an array");
        while let (Some(id), Some(line)) = (elements.next(), elements.next()) {
            let id = reader::integer(id).expect("a part holds an id before each line");
            lines.push((id, reader::bulk(line).expect("a line is a string")));
        }
    }
    lines.sort_unstable();
    let text: Vec<u8> = lines.into_iter().flat_map(|(_, line)| line.iter().copied()).collect();
    reply.verbatim("txt", &text);
    Ok(())
}
