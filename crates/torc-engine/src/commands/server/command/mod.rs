//! COMMAND: what commands there are, all of it derived from their rows.

mod count;
mod describe;
mod docs;
mod getkeys;
mod getkeysandflags;
mod help;
mod info;
mod keys;
mod list;

use torc_resp::{Args, Reply};

use crate::command::{Command, Flags, Registry, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "command",
    arity: -1,
    flags: PLAIN,
    run: Run::Session(command),
    categories: CATEGORIES,
    since: "2.8.13",
    group: "server",
    summary: "Returns detailed information about all commands.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: UNORDERED,
    subcommands: &[&count::ROW, &docs::ROW, &getkeys::ROW, &getkeysandflags::ROW, &help::ROW, &info::ROW, &list::ROW],
    ..Row::DEFAULT
};

/// The flags of COMMAND and all its subcommands.
const PLAIN: Flags = Flags::LOADING.and(Flags::STALE);

/// Their access-control categories.
const CATEGORIES: &[&str] = &["connection"];

/// The tip of those that list commands.
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

fn command(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    describe::describe_all(context.registry(), reply);
    Ok(())
}

/// A command by its name as COMMAND shows it: `get`, or `client|list` for a subcommand.
fn find<'a>(registry: &'a Registry, full_name: &[u8]) -> Option<&'a Command> {
    let mut words = full_name.splitn(2, |&byte| byte == b'|');
    let command = registry.find_name(words.next()?)?;
    match words.next() {
        None => Some(command),
        Some(word) => command.subcommands.iter().find(|sub| sub.row.name.as_bytes().eq_ignore_ascii_case(word)),
    }
}
