//! Calls a command's function: builds the view it may see, counts the call, writes its error.

use torc_resp::{Args, Protocol, Reply};

use crate::command::{Command, Fetched, Relay, Route, Run};
use crate::error::{CommandError, CommandResult};
use crate::gather::Gather;
use crate::message::{Asker, ReplyTo, Request};
use crate::session::{CoreContext, ReplyMode, Session, SessionContext, Sessions};
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::stats::TIMED_CALLS_EVERY;

/// The reply to a check that found a change.
pub const CHANGED: &[u8] = b":1\r\n";

pub(super) type ShardFunction = fn(&mut ShardContext<'_>, Args<'_>, &mut Reply<'_>) -> CommandResult;

/// Lets `write` append a reply where it belongs now: to the output, or behind the replies that are owed.
#[inline]
pub fn answer(session: &mut Session, write: impl FnOnce(&mut Vec<u8>)) {
    if session.replies.is_empty() {
        write(&mut session.out);
    } else {
        session.replies.park(write);
    }
}

/// Runs a command on this core's shard; its reply or error is appended to `out`.
#[inline]
pub fn on_shard(
    state: &mut CoreState,
    asker: Asker,
    command: &'static Command,
    function: ShardFunction,
    args: Args<'_>,
    out: &mut Vec<u8>,
) {
    state.note_run(&asker);
    count_call(state, command);
    let timed = state.stats.commands_processed.is_multiple_of(TIMED_CALLS_EVERY).then(|| (state.clock_ns)());
    let start = out.len();
    let mut context = ShardContext { state, db: asker.db, touch: asker.touch, command };
    let result = call(function, &mut context, &asker, args, &mut Reply::new(out, asker.protocol));
    state.keyspace.settle_changes(result.is_err());
    if let Some(started_ns) = timed {
        let elapsed_ns = (state.clock_ns)().saturating_sub(started_ns);
        let calls = &mut state.stats.calls[usize::from(command.id)];
        calls.timed_calls += 1;
        calls.timed_ns += elapsed_ns;
    }
    if let Err(error) = result {
        fail(state, command, &error, asker.protocol, start, out);
    }
}

/// Calls a command's function; in the simulator's build see `choice`.
#[inline]
fn call(
    function: ShardFunction,
    context: &mut ShardContext<'_>,
    _asker: &Asker,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    #[cfg(feature = "simulation")]
    return super::choice::call(function, context, _asker, args, reply);
    #[cfg(not(feature = "simulation"))]
    function(context, args, reply)
}

/// Runs a command that may see the whole core, or only its shard.
pub fn on_core(
    state: &mut CoreState,
    sessions: &mut Sessions,
    asker: Asker,
    command: &'static Command,
    args: Args<'_>,
    out: &mut Vec<u8>,
) {
    if let Run::Shard(function) = command.row.run {
        return on_shard(state, asker, command, function, args, out);
    }
    count_call(state, command);
    if let Err(error) = run_on_core(state, sessions, asker, command, args, out) {
        state.count_failure(command, &error);
    }
}

/// Runs this core's share of a command. The core that gathers the shares counts the command and its failure.
pub fn share_on_core(
    state: &mut CoreState,
    sessions: &mut Sessions,
    asker: Asker,
    command: &'static Command,
    args: Args<'_>,
    out: &mut Vec<u8>,
) {
    // An error is in the share already, for the merge to find.
    let _counted_elsewhere = run_on_core(state, sessions, asker, command, args, out);
}

/// Appends the reply, or the text of the error that is given back.
fn run_on_core(
    state: &mut CoreState,
    sessions: &mut Sessions,
    asker: Asker,
    command: &'static Command,
    args: Args<'_>,
    out: &mut Vec<u8>,
) -> CommandResult {
    let start = out.len();
    state.note_run(&asker);
    let reply = &mut Reply::new(out, asker.protocol);
    let result = match command.row.run {
        Run::Shard(function) => {
            call(function, &mut ShardContext { state, db: asker.db, touch: asker.touch, command }, &asker, args, reply)
        }
        Run::Core(function) => {
            let client_id = asker.client_id;
            function(&mut CoreContext { state, sessions, client_id, db: asker.db, command }, args, reply)
        }
        Run::Session(_) | Run::Container => unreachable!("{} does not run for a core", command.full_name),
    };
    state.keyspace.settle_changes(result.is_err());
    if let Err(error) = &result {
        out.truncate(start);
        Reply::new(out, asker.protocol).error(error.text());
    }
    result
}

/// Runs a request of another core.
#[inline]
pub fn remote(state: &mut CoreState, sessions: &mut Sessions, request: &Request, args: Args<'_>, out: &mut Vec<u8>) {
    match request.reply_to {
        ReplyTo::Pipeline(_) | ReplyTo::Element(_) => {
            on_core(state, sessions, request.asker(), request.command, args, out)
        }
        ReplyTo::Part(_) => share_on_core(state, sessions, request.asker(), request.command, args, out),
        ReplyTo::Fetch(_) => fetch(state, request, args, out),
        ReplyTo::Follow { count, .. } => follow(state, request, args, count as usize, out),
        ReplyTo::HandOver(_) => hand_over(state, request, args, out),
        ReplyTo::Apply { fetched, .. } => apply(state, request, args, fetched as usize, out),
        ReplyTo::Check(_) => check_versions(state, request, args, out),
        ReplyTo::TakeOrWait { .. } | ReplyTo::ApplyOrWait { .. } => {
            unreachable!("what may wait runs in a unit or a hop")
        }
    }
}

/// The relay of a command whose keys lie on several cores.
fn relay_of(request: &Request) -> &'static Relay {
    match request.command.row.route {
        Route::Relay(relay) => relay,
        _ => unreachable!("{} carries no data between cores", request.command.full_name),
    }
}

/// Reads for a relay what all keys of this core hold: one value, or one error, for each.
fn fetch(state: &mut CoreState, request: &Request, args: Args<'_>, out: &mut Vec<u8>) {
    let (relay, asker, command) = (relay_of(request), request.asker(), request.command);
    state.note_run(&asker);
    for (number, index) in command.row.key_indexes(args).enumerate() {
        if state.owner(args.get(index)) != state.core {
            continue;
        }
        let start = out.len();
        let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
        if let Err(error) = (relay.fetch)(context, args, number, &mut Reply::new(out, Protocol::Resp2)) {
            out.truncate(start);
            Reply::new(out, Protocol::Resp2).error(error.text());
        }
    }
}

/// Reads keys of this core that follow from what a relay has fetched.
fn follow(state: &mut CoreState, request: &Request, args: Args<'_>, count: usize, out: &mut Vec<u8>) {
    let (asker, command) = (request.asker(), request.command);
    let follow = command.row.follow.expect("only a row that says how follows keys");
    state.note_run(&asker);
    let wanted = args.from(args.len() - count);
    for index in (0..count).step_by(2) {
        let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
        (follow.read)(context, wanted.get(index), wanted.get(index + 1), &mut Reply::new(out, Protocol::Resp2));
    }
}

/// Takes the value of a relay's first key, which was fetched before in the same transaction, out of it, to be sent.
fn hand_over(state: &mut CoreState, request: &Request, args: Args<'_>, out: &mut Vec<u8>) {
    let asker = request.asker();
    state.note_run(&asker);
    let index = request.command.row.key_indexes(args).next().expect("a relay has keys");
    let (key, now_ms) = (args.get(index), state.now_ms);
    state.parcel = Some(state.keyspace.hand_over(asker.db, key, now_ms));
    // It is one change, which the owner of the other key counts.
    state.keyspace.count_changes(0);
    state.keyspace.settle_changes(false);
    Reply::new(out, Protocol::Resp2).ok();
}

/// Does this core's share of a relay, with what was fetched behind the command's own arguments.
fn apply(state: &mut CoreState, request: &Request, args: Args<'_>, fetched: usize, out: &mut Vec<u8>) {
    let (relay, asker, command) = (relay_of(request), request.asker(), request.command);
    state.note_run(&asker);
    let own_len = args.len() - fetched;
    let (own, fetched) = (args.range(0..own_len), Fetched(args.from(own_len)));
    let start = out.len();
    let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
    let result = (relay.apply)(context, own, fetched, &mut Reply::new(out, asker.protocol));
    state.keyspace.settle_changes(result.is_err());
    if let Err(error) = result {
        out.truncate(start);
        Reply::new(out, asker.protocol).error(error.text());
    }
}

/// Whether any of these watched keys has changed: keys and versions in turn. Answers 1 or 0.
fn check_versions(state: &mut CoreState, request: &Request, args: Args<'_>, out: &mut Vec<u8>) {
    let (asker, now_ms) = (request.asker(), state.now_ms);
    let mut changed = false;
    for index in (0..args.len()).step_by(2) {
        let version = u64::from_le_bytes(args.get(index + 1).try_into().expect("a version is eight bytes"));
        changed |= state.keyspace.has_changed(asker.db, args.get(index), version, now_ms);
    }
    state.note_comparison(&asker, changed);
    Reply::new(out, Protocol::Resp2).integer(i64::from(changed));
}

/// Runs a command that is about its connection, and puts its reply where it belongs.
pub fn on_session(state: &mut CoreState, session: &mut Session, command: &'static Command, args: Args<'_>) {
    if session.reply_mode == ReplyMode::Skip {
        session.reply_mode = ReplyMode::Skipping;
    }
    let straight = session.replies.is_empty();
    let mut out = if straight { std::mem::take(&mut session.out) } else { Vec::new() };
    let start = out.len();
    in_session(state, session, command, args, &mut out);
    // The mode after the command decides: CLIENT REPLY ON answers although replies were off before it.
    match session.reply_mode {
        ReplyMode::Off => out.truncate(start),
        ReplyMode::Skipping => {
            out.truncate(start);
            session.reply_mode = ReplyMode::On;
        }
        ReplyMode::On | ReplyMode::Skip => {}
    }
    if straight {
        session.out = out;
    } else if !out.is_empty() {
        answer(session, |parked| parked.extend_from_slice(&out));
    }
}

/// The same with the reply appended to `out`, which is not the session's.
pub fn in_session(
    state: &mut CoreState,
    session: &mut Session,
    command: &'static Command,
    args: Args<'_>,
    out: &mut Vec<u8>,
) {
    let Run::Session(function) = command.row.run else { unreachable!("{} runs elsewhere", command.full_name) };
    count_call(state, command);
    session.commands += 1;
    session.last_command = command.full_name;
    let (start, protocol) = (out.len(), session.protocol);
    let mut reply = Reply::new(out, protocol);
    let result = function(&mut SessionContext { state, session, command }, args, &mut reply);
    if let Err(error) = result {
        fail(state, command, &error, protocol, start, out);
    }
}

/// Writes the reply of a gather whose parts are all there.
pub fn finish(state: &mut CoreState, session: &mut Session, gather: &Gather) {
    let mut out = std::mem::take(&mut session.out);
    let (start, protocol) = (out.len(), session.protocol);
    let mut context = SessionContext { state, session, command: gather.command };
    let result = gather.finish(&mut context, &mut Reply::new(&mut out, protocol));
    if let Err(error) = result {
        fail(state, gather.command, &error, protocol, start, &mut out);
    }
    if gather.silent {
        out.truncate(start);
    }
    session.out = out;
}

/// Counts a command that runs.
#[inline]
pub fn count_call(state: &mut CoreState, command: &Command) {
    state.stats.commands_processed += 1;
    state.stats.calls[usize::from(command.id)].calls += 1;
}

/// Replaces what a failed command may have written by its error.
#[cold]
fn fail(
    state: &mut CoreState,
    command: &Command,
    error: &CommandError,
    protocol: Protocol,
    start: usize,
    out: &mut Vec<u8>,
) {
    out.truncate(start);
    Reply::new(out, protocol).error(error.text());
    state.count_failure(command, error);
}
