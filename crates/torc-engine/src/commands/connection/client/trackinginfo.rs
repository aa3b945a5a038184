//! CLIENT TRACKINGINFO: how CLIENT TRACKING stands for this connection.

use torc_resp::{Args, Reply};

use super::describe::redirect;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;
use crate::tracking::{Mode, Tracking};

pub(super) static ROW: Row = Row {
    name: "trackinginfo",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(trackinginfo),
    categories: &["connection"],
    since: "6.2.0",
    group: "connection",
    summary: "Returns information about server-assisted client-side caching for the connection.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn trackinginfo(context: &mut SessionContext<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let session = &*context.session;
    let flags = session.tracking.as_ref().map_or(vec!["off"], |tracking| flags(tracking));
    let prefixes: Vec<_> = session.subscriptions.iter().flat_map(|topics| topics.names(TopicKind::Prefix)).collect();
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirect(session));
    reply.bulk(b"prefixes");
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}

fn flags(tracking: &Tracking) -> Vec<&'static str> {
    let shown = [
        (true, "on"),
        (tracking.mode == Mode::Broadcast, "bcast"),
        (tracking.mode == Mode::OptIn, "optin"),
        (tracking.mode == Mode::OptIn && tracking.is_caching_given, "caching-yes"),
        (tracking.mode == Mode::OptOut, "optout"),
        (tracking.mode == Mode::OptOut && tracking.is_caching_given, "caching-no"),
        (tracking.no_loop, "noloop"),
        (tracking.is_redirect_broken, "broken_redirect"),
    ];
    shown.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect()
}
