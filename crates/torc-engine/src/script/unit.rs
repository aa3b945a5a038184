//! A script as one request on one core: it runs to its end without leaving the core, unless it takes long.

use torc_resp::{CompleteReply, OutputBuffer, Reply};

use super::call::{admit_call, in_script};
use super::request::ScriptCommand;
use super::runner::{Running, Wants};
use crate::asker::Asker;
use crate::command::{Call, Merge};
use crate::error::CommandError;
use crate::gather::Gather;
use crate::plan::{Plan, plan};
use crate::run::{Outcome, Reach, Task, run};
use crate::session::CommandQueue;
use crate::state::CoreState;
use crate::task::Answered;

/// Runs a script, or goes on with the one that has been suspended: [`Outcome::Suspended`] if it takes long. As a share it only becomes
/// known here.
pub(crate) fn run_script(
    state: &mut CoreState,
    mut reach: Reach<'_>,
    kind: ScriptCommand,
    call: &Call<'_>,
    out: &mut OutputBuffer,
) -> Result<Outcome, CommandError> {
    if call.task == Task::Share {
        state.scripts.add(state.registry, call.args.get(1), false)?;
        return Ok(Outcome::Replied);
    }
    let suspended = state.scripts.take_suspended(&call.asker);
    let was_suspended = suspended.is_some();
    let mut running = match suspended {
        Some(running) => running,
        None => Running::begin(state, kind, &call.asker, call.args, true)?,
    };
    let own_us = state.enter_time(running.now_us);
    if was_suspended {
        state.effects.put_back(running.take_effects());
    }
    let wants = go_on(state, &mut reach, &mut running, call);
    state.leave_time(own_us);
    if wants == Wants::Time {
        running.set_effects(state.effects.set_aside());
        state.scripts.suspend(running);
        return Ok(Outcome::Suspended);
    }
    if was_suspended && state.shown.is_on() {
        state.shown.note_late();
    }
    running.end(state, out).map(|()| Outcome::Replied)
}

/// Goes on with a script until it has ended, or has had its slice.
fn go_on(state: &mut CoreState, reach: &mut Reach<'_>, running: &mut Running, call: &Call<'_>) -> Wants {
    let mut reply = state.scripts.lend_reply();
    let mut wants = running.advance(state, call.args, None);
    while wants == Wants::Call {
        reply.clear();
        call_here(state, reach, running, call, &mut reply);
        let encoded = reply.to_cow();
        wants = running.advance(state, call.args, Some(&encoded));
    }
    state.scripts.return_reply(reply);
    wants
}

/// Runs the command that a script wants.
fn call_here(
    state: &mut CoreState,
    reach: &mut Reach<'_>,
    running: &mut Running,
    of_script: &Call<'_>,
    reply: &mut OutputBuffer,
) {
    let caller = running.caller(of_script.args);
    let (args, protocol) = running.call();
    let command = match admit_call(state, caller, args) {
        Ok(command) => command,
        Err(error) => {
            running.note_refusal(state, &error);
            return Reply::new(reply, protocol).error(in_script(&error));
        }
    };
    running.note_call(state, command);
    let (args, _) = running.call();
    let asker = running.asker(of_script.asker);
    let whole = Call { task: Task::Whole, asker, command, args };
    match plan(state, asker.scope, command, args) {
        Plan::One(core) => {
            assert_eq!(core, state.core, "a script that reaches other cores is a transaction");
            run(state, reach.again(), whole, reply);
        }
        Plan::Relay(_) | Plan::Script => unreachable!("all keys are on this core, and scripts call no scripts"),
        plan => {
            let queue = CommandQueue::of(command, args);
            call_for_session(state, reach, running, &queue, (asker, plan), reply);
        }
    }
}

/// The same for a command about a connection, or one whose parts are merged, though there is only one.
#[cold]
fn call_for_session(
    state: &mut CoreState,
    reach: &mut Reach<'_>,
    running: &mut Running,
    queue: &CommandQueue,
    (asker, plan): (Asker, Plan),
    reply: &mut OutputBuffer,
) {
    let (command, args) = queue.get(0);
    let whole = Call { task: Task::Whole, asker, command, args };
    let session = running.session(&asker, asker.protocol);
    let merge = match plan {
        Plan::Every(_, merge) | Plan::Split { merge, .. } => merge,
        Plan::Walk(_, walk) => Merge::Custom(walk.merge),
        Plan::Session => {
            run(state, Reach::Session(session), whole, reply);
            return running.follow_session();
        }
        Plan::One(_) | Plan::Relay(_) | Plan::Script => unreachable!("it has one part, which is its reply"),
    };
    let mut gather = Gather::new(command, CommandQueue::of(command, args), false, false);
    gather.open_element(Some(merge));
    let (part, mut encoded) = (gather.expect(Vec::new()), Box::new(OutputBuffer::new()));
    let outcome = run(state, reach.again(), Call { task: Task::Share, ..whole }, &mut encoded);
    gather.deliver(part, Answered::Ran(outcome), CompleteReply::Long(encoded));
    for task in gather.merges() {
        run(state, Reach::Gather(session, &gather), Call { task, ..whole }, reply);
    }
}
