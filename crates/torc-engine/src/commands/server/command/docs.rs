//! COMMAND DOCS [command-name ...]: the documentation of commands; redis-cli's hints are made from it.

use torc_resp::{Args, Reply};

use crate::command::syntax::{Argument, Kind, parse};
use crate::command::{Command, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
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
    let (registry, names) = (context.registry(), args.from(2));
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
    let arguments = parse(row.syntax, row.keys.len());
    let flags = [(row.deprecated.is_some(), "deprecated"), (row.is_internal, "syscmd")];
    let flags: Vec<&str> = flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    let parts = [!flags.is_empty(), !row.history.is_empty(), !arguments.is_empty(), !command.subcommands.is_empty()];
    let parts = parts.into_iter().filter(|&part| part).count();
    reply.bulk(command.full_name.as_bytes());
    reply.map(facts.clone().count() + parts + 2 * usize::from(row.deprecated.is_some()));
    facts.for_each(|fact| text(fact, reply));
    if !flags.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(flags.len());
        flags.into_iter().for_each(|flag| reply.simple(flag));
    }
    if let Some(deprecated) = &row.deprecated {
        text(("deprecated_since", deprecated.since), reply);
        text(("replaced_by", deprecated.replaced_by), reply);
    }
    if !row.history.is_empty() {
        reply.bulk(b"history");
        reply.set(row.history.len());
        for (version, change) in row.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(&arguments, reply);
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|sub| document(sub, reply));
    }
}

fn text((name, value): (&str, &str), reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn write_arguments(arguments: &[Argument], reply: &mut Reply<'_>) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(argument, reply));
}

fn write_argument(argument: &Argument, reply: &mut Reply<'_>) {
    let is_leaf = argument.children.is_empty();
    let flags =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")];
    let flags: Vec<&str> = flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    let texts = [
        ("token", argument.token.as_deref()),
        ("since", argument.since.as_deref()),
        ("deprecated_since", argument.deprecated_since.as_deref()),
    ];
    let texts: Vec<(&str, &str)> = texts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let parts = [is_leaf, argument.key_spec.is_some(), !flags.is_empty(), !is_leaf];
    reply.map(2 + parts.into_iter().filter(|&part| part).count() + texts.len());
    text(("name", &argument.name), reply);
    text(("type", argument.kind.name()), reply);
    if is_leaf {
        let is_word = argument.kind == Kind::PureToken;
        text(("display_text", if is_word { &argument.name } else { &argument.shown }), reply);
    }
    if let Some(number) = argument.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(number as i64);
    }
    texts.into_iter().for_each(|fact| text(fact, reply));
    if !flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(flags.len());
        flags.into_iter().for_each(|flag| reply.simple(flag));
    }
    if !is_leaf {
        reply.bulk(b"arguments");
        write_arguments(&argument.children, reply);
    }
}
