//! ACL SETUSER username [rule ...]: makes a user, or changes one; if a rule is wrong, not at all.

use torc_resp::{Args, Reply};

use crate::acl::{User, WordError, apply_words, has_blank};
use crate::command::{Merge, Route, Row, Run, Secrets};
use crate::error::{CommandError, CommandResult};
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "setuser",
    arity: -3,
    flags: super::CHANGES,
    route: Route::Every(Merge::Same),
    run: Run::Core(setuser),
    secrets: Secrets::From(2),
    since: "6.0.0",
    group: "server",
    summary: "Creates and modifies an ACL user and its rules.",
    complexity: "O(N). Where N is the number of rules provided.",
    syntax: "username [rule [rule ...]]",
    history: &[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and key based permissions."),
    ],
    ..Row::DEFAULT
};

/// One core's part; all cores make the same user.
fn setuser(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let name = args.get(2);
    if has_blank(name) {
        return Err(CommandError::fixed("ERR Usernames can't contain spaces or null characters"));
    }
    let all_channels = context.facts().config.acl.acl_pubsub_default.allows_all();
    let known = context.users().find(name).map(|user| User::clone(user));
    let mut user = known.unwrap_or_else(|| User::new(name, all_channels));
    let words: Vec<&[u8]> = args.from(3).iter().collect();
    apply_words(&mut user, &words, all_channels).map_err(refusal)?;
    let mut users = context.users().clone();
    users.put(user);
    context.replace_users(users);
    reply.ok();
    Ok(())
}

fn refusal(error: WordError) -> CommandError {
    match error {
        WordError::Unmatched(word) => {
            CommandError::quoting("ERR Unmatched parenthesis in acl selector starting at '{}'.", &[&word])
        }
        WordError::Rule(word, error) => {
            let text = format!("ERR Error in ACL SETUSER modifier '{{}}': {}", error.text());
            CommandError::quoting(&text, &[&word])
        }
    }
}
