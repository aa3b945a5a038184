//! CONFIG SET parameter value [parameter value ...]: changes directives, all of them or none, on every core.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::config::Config;
use crate::error::{CommandError, CommandResult};
use crate::session::CoreContext;
use crate::state::access_clock;

pub(super) static ROW: Row = Row {
    name: "set",
    arity: -4,
    flags: super::ADMIN,
    route: Route::Every(Merge::Same),
    run: Run::Core(set),
    since: "2.0.0",
    group: "server",
    summary: "Sets configuration parameters in-flight.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    syntax: "parameter value data:[parameter value ...]",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    history: &[
        ("7.0.0", "Added the ability to set multiple parameters in one call."),
    ],
    ..Row::DEFAULT
};

fn set(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let words: Vec<&[u8]> = args.from(2).iter().collect();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(CommandError::Syntax);
    }
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    let before = context.state.config.clone();
    context.state.config.set(&pairs).map_err(|error| CommandError::made(error.to_string()))?;
    adjust_oom_score(context, &before)?;
    put_in_force(context, &before);
    reply.ok();
    Ok(())
}

/// The one thing that may fail although the values are fine: then nothing of this CONFIG SET is in force.
fn adjust_oom_score(context: &mut CoreContext<'_>, before: &Config) -> CommandResult {
    let now = &context.state.config;
    let of = |config: &Config| (config.oom_score_adj, config.oom_score_adj_values);
    if of(now) == of(before) {
        return Ok(());
    }
    let Err(problem) = (context.state.adjust_oom_score)(now) else { return Ok(()) };
    context.state.warn(format!("oom-score-adj: {problem}"));
    context.state.config = before.clone();
    Err(CommandError::fixed(
        "ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new oom-score-adj \
         configuration, check server logs.",
    ))
}

/// What follows from a change for things that keep a copy of a setting.
fn put_in_force(context: &mut CoreContext<'_>, before: &Config) {
    let now = &context.state.config;
    if access_clock(now) != access_clock(before) {
        context.state.keyspace.set_access_clock(access_clock(now));
    }
    if context.state.config.requirepass.is_empty() && !before.requirepass.is_empty() {
        // Nobody needs to log in any more, so nobody is left outside.
        for place in 0..context.sessions.places() {
            if let Some(session) = context.sessions.at(place) {
                session.authenticated = true;
            }
        }
    }
}
