//! ACL CAT [category]: all categories, or the commands of one.

use torc_resp::{Args, Reply};

use crate::acl::{CATEGORY_NAMES, has_category};
use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "cat",
    arity: -2,
    flags: super::PLAIN,
    run: Run::Session(cat),
    since: "6.0.0",
    group: "server",
    summary: "Lists the ACL categories, or the commands inside a category.",
    complexity: "O(1) since the categories and commands are a fixed set.",
    syntax: "[category]",
    ..Row::DEFAULT
};

fn cat(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match args.len() {
        2 => {
            reply.array(CATEGORY_NAMES.len());
            CATEGORY_NAMES.iter().for_each(|name| reply.bulk(name.as_bytes()));
        }
        3 if CATEGORY_NAMES.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(args.get(2))) => {
            let commands = context.registry().all().filter(|command| has_category(command.row, args.get(2)));
            let names: Vec<&str> = commands.map(|command| command.full_name).collect();
            reply.array(names.len());
            names.into_iter().for_each(|name| reply.bulk(name.as_bytes()));
        }
        3 => return Err(CommandError::quoting("ERR Unknown category '{}'", &[args.get(2)])),
        _ => return Err(super::wrong_arguments(args)),
    }
    Ok(())
}
