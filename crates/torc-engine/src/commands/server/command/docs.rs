//! COMMAND DOCS [command-name ...]: the documentation of commands; redis-cli's hints are made from it.

use torc_resp::{Args, Reply};

use super::syntax::{Argument, Kind, parse};
use crate::command::{Command, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

/// The description of COMMAND DOCS.
pub static ROW: Row = Row {
    name: "docs",
    arity: -2,
    flags: super::PLAIN,
    run: Run::Session(docs),
    categories: super::CATEGORIES,
    since: "7.0.0",
    group: "server",
    summary: "Returns documentary information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    tips: super::UNORDERED,
    syntax: "[command-name [command-name ...]]",
    ..Row::DEFAULT
};

fn docs(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (registry, names) = (context.state.registry, args.from(2));
    let commands: Vec<&Command> = match names.is_empty() {
        true => registry.commands().iter().collect(),
        false => names.iter().filter_map(|name| super::find(registry, name)).collect(),
    };
    reply.map(commands.len());
    commands.into_iter().for_each(|command| document(command, reply));
    Ok(())
}

fn document(command: &Command, reply: &mut Reply<'_>) {
    let row = command.row;
    let facts = [("summary", row.summary), ("since", row.since), ("group", row.group), ("complexity", row.complexity)];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let arguments = parse(row.syntax);
    let (has_arguments, has_subcommands) = (!arguments.is_empty(), !command.subcommands.is_empty());
    reply.bulk(command.full_name.as_bytes());
    reply.map(facts.clone().count() + usize::from(has_arguments) + usize::from(has_subcommands));
    for (name, value) in facts {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    if has_arguments {
        reply.bulk(b"arguments");
        write_arguments(&arguments, row, reply);
    }
    if has_subcommands {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|sub| document(sub, reply));
    }
}

fn write_arguments(arguments: &[Argument], row: &Row, reply: &mut Reply<'_>) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(argument, row, reply));
}

fn write_argument(argument: &Argument, row: &Row, reply: &mut Reply<'_>) {
    let is_key = argument.kind == Kind::Key && row.keys.first > 0;
    let is_leaf = argument.children.is_empty();
    let flags =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")];
    let flags = flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name));
    let has_flags = flags.clone().next().is_some();
    let parts = [true, true, is_leaf, is_key, argument.token.is_some(), has_flags, !is_leaf];
    reply.map(parts.into_iter().filter(|&part| part).count());
    let mut text = |name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    text("name", &argument.name);
    text("type", argument.kind.name());
    if is_leaf {
        text("display_text", &argument.name);
    }
    if is_key {
        reply.bulk(b"key_spec_index");
        reply.integer(0);
    }
    if let Some(token) = &argument.token {
        reply.bulk(b"token");
        reply.bulk(token.as_bytes());
    }
    if has_flags {
        reply.bulk(b"flags");
        reply.set(flags.clone().count());
        flags.for_each(|name| reply.simple(name));
    }
    if !is_leaf {
        reply.bulk(b"arguments");
        write_arguments(&argument.children, row, reply);
    }
}
