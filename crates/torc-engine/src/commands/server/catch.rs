//! The host's own commands: `catch` has all keys of all cores caught as they are, to be saved; behind it in a transaction, `hold` keeps
//! all writes waiting until the host answers. `still` stands in for `catch` where nothing is to be saved. No client can name them; the host has an engine run them ([`crate::Engine::begin_cut`]).
//!
//! `catch` claims every shard shared, as any command does that reads all keys. So when it runs on the first core, no write is under way
//! anywhere, and none begins on a core before it has run there: what the cores catch is one state of all keys, between two commands.

use torc_resp::{Args, Reply};

use crate::command::{Flags, HostStep, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::HostRequest;
use crate::saving::SaveForm;
use crate::session::SessionContext;
use crate::shard::ShardContext;

pub(crate) static CATCH: Row = Row {
    name: "catch",
    arity: 3,
    flags: Flags::READONLY.and(Flags::ADMIN),
    route: Route::Every(Merge::Same),
    run: Run::Shard(catch),
    is_internal: true,
    group: "server",
    summary: "Catches all keys as they are, to be saved.",
    syntax: "cut form",
    ..Row::DEFAULT
};

/// The form of `catch` for keys that are to be saved as commands.
pub(crate) const AS_COMMANDS: &[u8] = b"commands";

pub(crate) static STILL: Row = Row {
    name: "still",
    arity: 2,
    run: Run::Shard(still),
    summary: "Waits until no write is under way.",
    syntax: "cut",
    ..CATCH
};

pub(crate) static HOLD: Row = Row {
    name: "hold",
    arity: 2,
    flags: Flags::ADMIN,
    run: Run::Session(hold),
    host_step: Some(&STEP),
    is_internal: true,
    group: "server",
    summary: "Keeps all writes waiting.",
    syntax: "cut",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, args, asking| Some(HostRequest::WritesHeld { cut: cut(args), asker: asking.session.connection }),
    failed: CommandError::fixed("ERR"),
};

fn hold(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}

fn catch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let form = if args.get(2) == AS_COMMANDS { SaveForm::Commands } else { SaveForm::Rdb };
    context.begin_saving(cut(args), form);
    reply.ok();
    Ok(())
}

fn still(_context: &mut ShardContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}

fn cut(args: Args<'_>) -> u64 {
    torc_resp::number::parse_i64(args.get(1)).expect("the host numbers its cuts") as u64
}
