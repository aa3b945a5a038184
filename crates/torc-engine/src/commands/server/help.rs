//! HELP of every container: a list of its subcommands, made from their rows.

use torc_resp::{Args, Reply};

use crate::command::{Command, Row, Run, registry};
use crate::error::CommandResult;
use crate::session::SessionContext;

/// What the HELP rows of all containers have in common.
pub const ROW_DEFAULT: Row = Row {
    name: "help",
    arity: 2,
    run: Run::Session(help),
    since: "5.0.0",
    group: "server",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

/// Lists the subcommands of the container whose HELP this is: a line with the arguments, a line with the summary.
pub fn help(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (container, own_name) = context.command.full_name.split_once('|').expect("HELP is a subcommand");
    let container = registry().find_name(container.as_bytes()).expect("the container of a subcommand is registered");
    let mut commands: Vec<&Command> = container.subcommands.iter().filter(|sub| sub.row.name != own_name).collect();
    commands.sort_unstable_by_key(|command| command.row.name);
    reply.array(commands.len() * 2 + 3);
    let name = container.row.name.to_uppercase();
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for command in commands {
        let line = format!("{} {}", command.row.name.to_uppercase(), command.syntax);
        reply.simple(line.trim_end());
        reply.simple(&format!("    {}", command.row.summary));
    }
    reply.simple(&own_name.to_uppercase());
    reply.simple("    Prints this help.");
    Ok(())
}
