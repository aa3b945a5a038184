//! ACL GETUSER username: all that there is to know of a user.

use torc_resp::{Args, Reply};

use crate::acl::Selector;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "getuser",
    arity: 3,
    flags: super::ADMIN,
    run: Run::Session(getuser),
    since: "6.0.0",
    group: "server",
    summary: "Lists the ACL rules of a user.",
    complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
    syntax: "username",
    history: &[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and changed the format of key and channel patterns from a list to their rule representation."),
    ],
    ..Row::DEFAULT
};

fn getuser(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(user) = context.facts().users.find(args.get(2)) else {
        reply.null();
        return Ok(());
    };
    let (root, others) = user.selectors().split_first().expect("a user has a root selector");
    reply.map(7);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.into_iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().for_each(|digits| reply.bulk(digits.as_bytes()));
    describe(root, reply);
    reply.bulk(b"selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(4);
        describe(selector, reply);
    }
    Ok(())
}

/// The four fields of a selector; that of databases is Valkey's.
fn describe(selector: &Selector, reply: &mut Reply<'_>) {
    let fields = [
        ("commands", selector.command_rules().into_bytes()),
        ("keys", selector.key_rules()),
        ("channels", selector.channel_rules()),
        ("databases", selector.database_rules().into_bytes()),
    ];
    for (name, rules) in fields {
        reply.bulk(name.as_bytes());
        reply.bulk(&rules);
    }
}
