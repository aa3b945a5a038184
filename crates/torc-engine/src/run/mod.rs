//! The one way to run a command.
//!
//! ```text
//!   pipeline      batch of another core      hop or unit      EXEC      served waiter      merged parts
//!        \_____________\_______________________|______________/_______________/________________/
//!                                              v
//!                run(state, reach, Call { task, asker, command, args }, out) -> Outcome
//!                 |  counts and times the call
//!                 |  perform: the row's function, or a step of its relay or of its wait
//!                 |  looks at the clock, if it may have taken long
//!                 |  settles what was changed, and puts the effects into their list
//!                 |  notes what was read, if the client may cache it
//!                 |  truncates what a failed command has written, and writes its error
//! ```
//!
//! Whatever surrounds a command belongs here and nowhere else. The module stands below `commands`, so that a command may
//! call a command.
//!
//! **Invariant**: the outcome is a value. No byte of a reply says what is to happen next.

mod relay;
mod wait;

use torc_resp::{OutputBuffer, Reply};

use crate::command::Run;
use crate::effect;
use crate::error::CommandError;
use crate::gather::Gather;
use crate::recorder;
use crate::script::run_script;
use crate::session::{CoreContext, Session, SessionContext, Sessions};
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::stats::TIMED_CALLS_EVERY;
use crate::tracking;

pub(crate) use relay::fetch_value;

pub use crate::command::Call;
pub use crate::task::{Outcome, Task};

/// What a command can reach beside the shard.
pub enum Reach<'a> {
    /// Nothing.
    Shard,
    /// All connections of the core.
    Core(&'a mut Sessions),
    /// The connection that asks.
    Session(&'a mut Session),
    /// The connection that asks, and what it has gathered.
    Gather(&'a mut Session, &'a Gather),
}

impl Reach<'_> {
    /// The same once more, for a command that a command calls.
    pub fn again(&mut self) -> Reach<'_> {
        match self {
            Reach::Shard => Reach::Shard,
            Reach::Core(sessions) => Reach::Core(sessions),
            Reach::Session(session) => Reach::Session(session),
            Reach::Gather(session, gather) => Reach::Gather(session, gather),
        }
    }
}

/// Runs a task; its reply or error is appended to `out`.
///
/// It is put in line wherever it is called, so that a call of a known task stays in registers; whatever is rare gets a copy of the
/// call, since one whose address is taken would be written to memory each time.
#[inline(always)]
pub fn run(state: &mut CoreState, reach: Reach<'_>, call: Call<'_>, out: &mut OutputBuffer) -> Outcome {
    let mut started_ns = None;
    let counts = call.task.counts();
    if counts {
        state.stats.commands_processed += 1;
        state.stats.calls[usize::from(call.command.id)].calls += 1;
        started_ns = state.stats.commands_processed.is_multiple_of(TIMED_CALLS_EVERY).then(|| (state.host.clock_ns)());
    }
    let start = out.len();
    let result = match call.task {
        Task::Whole | Task::Share => call_function(state, reach, call, out),
        _ => perform_step(state, reach, call, out),
    };
    let has_changed = state.keyspace.settle_changes(result.is_err());
    if state.keyspace.is_heard() {
        effect::collect(state, call, has_changed);
    }
    if call.asker.notes_reads {
        tracking::note_reads(state, call);
    }
    if call.command.takes_long(call.args) {
        state.turn.note((state.host.clock_ns)());
    }
    if let Some(started_ns) = started_ns {
        let elapsed_ns = (state.host.clock_ns)().saturating_sub(started_ns);
        let calls = &mut state.stats.calls[usize::from(call.command.id)];
        calls.timed_calls += 1;
        calls.timed_ns += elapsed_ns;
    }
    match result {
        Ok(outcome) => outcome,
        Err(error) => fail(state, call, counts, error, start, out),
    }
}

/// Replaces what a failed command may have written by its error.
#[cold]
fn fail(
    state: &mut CoreState,
    call: Call<'_>,
    counts: bool,
    error: CommandError,
    start: usize,
    out: &mut OutputBuffer,
) -> Outcome {
    out.truncate(start);
    Reply::new(out, call.asker.protocol).error(error.text());
    if counts {
        state.count_failure(call.command, &error);
    }
    Outcome::Failed
}

/// The row's function.
#[inline(always)]
fn call_function(
    state: &mut CoreState,
    reach: Reach<'_>,
    call: Call<'_>,
    out: &mut OutputBuffer,
) -> Result<Outcome, CommandError> {
    let Call { asker, command, args, .. } = call;
    if let Run::Script(kind) = command.row.run {
        return run_script(state, reach, kind, &call, out);
    }
    let reply = &mut Reply::new(out, asker.protocol);
    let result = match (command.row.run, reach) {
        (Run::Shard(function), _) => {
            let context = &mut ShardContext::new(state, &asker, command);
            recorder::call(function, context, &asker, args, reply)
        }
        (Run::Core(function), Reach::Core(sessions)) => {
            state.recorder.ran(&asker, state.now_us);
            function(&mut CoreContext::new(state, sessions, asker.client_id), args, reply)
        }
        (Run::Session(function), Reach::Session(session)) => {
            function(&mut SessionContext::new(state, session, command), args, reply)
        }
        _ => unreachable!("{} runs elsewhere", command.full_name),
    };
    result.map(|()| Outcome::Replied)
}

/// A step of a relay, of a wait, or of a gather.
#[inline(never)]
fn perform_step(
    state: &mut CoreState,
    reach: Reach<'_>,
    call: Call<'_>,
    out: &mut OutputBuffer,
) -> Result<Outcome, CommandError> {
    let call = &call;
    if let Task::Merge { element, .. } = call.task {
        let Reach::Gather(session, gather) = reach else { unreachable!("parts are merged for their session") };
        let mut context = SessionContext::new(state, session, call.command);
        gather.merge(element as usize, &mut context, &mut Reply::new(out, call.asker.protocol))?;
        return Ok(Outcome::Replied);
    }
    if let Task::Check = call.task {
        let session = if let Reach::Session(session) = reach { Some(&*session) } else { None };
        return Ok(relay::compare_versions(state, session, call));
    }
    if !matches!(call.task, Task::Serve { .. }) {
        state.recorder.ran(&call.asker, state.now_us);
    }
    match call.task {
        Task::Fetch => Ok(relay::fetch(state, call)),
        Task::Narrow { .. } => Ok(relay::narrow(state, call)),
        Task::Follow { .. } => Ok(relay::follow(state, call)),
        Task::HandOver => Ok(relay::hand_over(state, call)),
        Task::Apply { .. } => relay::apply(state, call, out),
        Task::TakeOrWait => wait::take(state, call, out),
        Task::Take { first } => wait::take_share(state, call, first as usize, out),
        Task::TakeNothing { waits } => Ok(wait::take_nothing(state, call, waits, out)),
        Task::Serve { key_at } => wait::serve(state, call, call.args.get(key_at as usize), out),
        Task::Whole | Task::Share | Task::Check | Task::Merge { .. } => unreachable!("performed above"),
    }
}

/// The view of this core's shard for the asker of a call.
fn shard_context<'a>(state: &'a mut CoreState, call: &Call<'_>) -> ShardContext<'a> {
    ShardContext::new(state, &call.asker, call.command)
}
