//! COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]: the names of commands.

use torc_resp::{Args, Reply};

use crate::acl::has_category;
use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::glob::{self, Case};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "list",
    arity: -2,
    flags: super::PLAIN,
    run: Run::Session(list),
    categories: super::CATEGORIES,
    since: "7.0.0",
    group: "server",
    summary: "Returns a list of command names.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: super::UNORDERED,
    syntax: "[FILTERBY filterby:<MODULE module-name | ACLCAT category | PATTERN pattern>]",
    ..Row::DEFAULT
};

fn list(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let names = names(context, args.from(2))?;
    reply.array(names.len());
    names.into_iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

fn names(context: &SessionContext<'_>, options: Args<'_>) -> Result<Vec<&'static str>, CommandError> {
    let all = context.registry().all();
    if options.is_empty() {
        return Ok(all.map(|command| command.full_name).collect());
    }
    if options.len() != 3 || !options.get(0).eq_ignore_ascii_case(b"filterby") {
        return Err(CommandError::Syntax);
    }
    let (kind, value) = (options.get(1), options.get(2));
    if kind.eq_ignore_ascii_case(b"module") {
        // There are no modules, so none of them brought a command.
        Ok(Vec::new())
    } else if kind.eq_ignore_ascii_case(b"aclcat") {
        Ok(all.filter(|command| has_category(command.row, value)).map(|command| command.full_name).collect())
    } else if kind.eq_ignore_ascii_case(b"pattern") {
        let names = all.map(|command| command.full_name);
        Ok(names.filter(|name| glob::matches(value, name.as_bytes(), Case::Insensitive)).collect())
    } else {
        Err(CommandError::Syntax)
    }
}
