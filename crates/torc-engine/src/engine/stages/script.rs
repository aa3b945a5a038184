//! A script in a transaction: each command that it calls is a stage, or several, of a queue of its own.
//!
//! ```text
//!   begin --> (known to all cores)? --> go_on --> advance --Wants::Call--> hops of the call --> its reply --> advance ...
//!                                                        \-Wants::Nothing--> an element of the gather
//! ```
//! While a call is under way, the session's gather is that of the call ([`Gather::begin_call`]).

use torc_resp::{OutputBuffer, Reply};

use super::{QueueProgram, Stage, StageContext};
use crate::command::{Merge, Run};
use crate::error::CommandError;
use crate::message::Address;
use crate::run::{Call, Reach, Task, run};
use crate::script::{Named, Reaches, Running, ScriptCommand, ScriptKind, Wants, admit_call, in_script};
use crate::session::CommandQueue;
use crate::transaction::ToParticipant;

/// A script that runs, and what it has called.
pub(super) struct ScriptProgram {
    /// `None`: it has ended.
    running: Option<Running>,
    /// The request that runs it.
    request: CommandQueue,
    call: Option<Called>,
    /// The other cores have been told that it has run for long, and holds their keys.
    told_busy: Option<ScriptKind>,
}

/// What is under way for a script.
enum Called {
    /// All cores are told of it.
    Introduction,
    /// A command.
    Command(QueueProgram),
}

/// How far a script is.
#[must_use]
pub(super) enum Progress {
    /// It goes on when the hops of this stage have come back.
    Awaits,
    /// It goes on later.
    Pauses,
    /// It has ended: its reply is an element of the gather.
    Ended,
}

impl ScriptProgram {
    /// A script is about to run for a request of the queue. `may_write`: what it has claimed allows it to.
    ///
    /// # Errors
    /// It is not known, its keys are wrongly counted, it is no Lua, or it may not run.
    pub fn begin(
        context: &mut StageContext<'_>,
        kind: ScriptCommand,
        request: CommandQueue,
        may_write: bool,
    ) -> Result<Box<Self>, CommandError> {
        let (_, args) = request.get(0);
        let is_new = kind.named == Named::Text && kind.script(&context.state.scripts.known, args).is_none();
        let mut running = Running::begin(context.state, kind, &context.session.asker(), args, may_write)?;
        running.take_ticket(context.state, args);
        let call = (is_new && context.cores.len() > 1).then_some(Called::Introduction);
        Ok(Box::new(ScriptProgram { running: Some(running), request, call, told_busy: None }))
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("it has not ended")
    }

    /// Puts into the stage what the script needs next.
    pub fn go_on(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) -> Progress {
        let mut reply = None;
        if self.call.is_some() {
            match self.go_on_with_call(context, stage) {
                None => return Progress::Awaits,
                done => reply = done,
            }
        }
        loop {
            let encoded = reply.as_ref().map(OutputBuffer::to_cow);
            let running = self.running.as_mut().expect("it has not ended");
            match running.advance(context.state, self.request.get(0).1, encoded.as_deref()) {
                Wants::Call => {}
                Wants::Time => {
                    self.tell_busy(context);
                    return Progress::Pauses;
                }
                Wants::Nothing => {
                    self.end(context);
                    return Progress::Ended;
                }
            }
            match self.begin_call(context, stage) {
                None => return Progress::Awaits,
                done => reply = done,
            }
        }
    }

    fn end(&mut self, context: &mut StageContext<'_>) {
        let mut out = Box::new(OutputBuffer::new());
        let running = self.running.take().expect("it has not ended");
        match running.end(context.state, &mut out) {
            Ok(()) => context.gather.add_script(out),
            Err(error) => context.gather.open_made_element(Err(error)),
        }
        if let Some(kind) = self.told_busy {
            tell_others(context, kind, false);
        }
    }

    /// Where it holds all keys, clients are told that they wait for a script that has run for long.
    fn tell_busy(&mut self, context: &mut StageContext<'_>) {
        let (command, args) = self.request.get(0);
        let Run::Script(kind) = command.row.run else { unreachable!("it runs a script") };
        let holds_all = context.state.scripts.reaches(kind, args).0 == Reaches::All;
        if holds_all && self.told_busy.is_none() {
            self.told_busy = context.state.busy_with();
            if let Some(kind) = self.told_busy {
                tell_others(context, kind, true);
            }
        }
    }

    /// The command that the script wants goes into the stage; its reply, if it is there at once.
    fn begin_call(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) -> Option<OutputBuffer> {
        let running = self.running.as_mut().expect("it has not ended");
        let (args, protocol) = running.call();
        let command = match admit_call(context.state, running.caller(self.request.get(0).1), args) {
            Ok(command) => command,
            Err(error) => {
                running.note_refusal(context.state, &error);
                let mut reply = OutputBuffer::new();
                Reply::new(&mut reply, protocol).error(in_script(&error));
                return Some(reply);
            }
        };
        context.gather.begin_call(command, args);
        running.note_call(context.state, command);
        self.call = Some(Called::Command(QueueProgram::new(false, false, false)));
        self.go_on_with_call(context, stage)
    }

    /// Goes on with what is under way; its reply, if all of it is there.
    fn go_on_with_call(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) -> Option<OutputBuffer> {
        match self.call.as_mut().expect("something is under way") {
            Called::Introduction if context.gather.is_in_call() => {
                context.gather.end_call();
                self.call = None;
                return Some(OutputBuffer::new());
            }
            Called::Introduction => {
                self.introduce(context, stage);
                return None;
            }
            Called::Command(program) => {
                let running = self.running.as_mut().expect("it has not ended");
                let (_, protocol) = running.call();
                let session = running.session(&context.session.asker(), protocol);
                let StageContext { state, gather, outbox, cores, .. } = context;
                if !program.is_done(gather) {
                    let context = &mut StageContext { state, session, gather, outbox, cores };
                    _ = program.compose(context, stage);
                    running.follow_session();
                    if !stage.hops.is_empty() {
                        return None;
                    }
                }
            }
        }
        Some(self.end_call(context))
    }

    /// The reply of a command all of whose parts are there.
    fn end_call(&mut self, context: &mut StageContext<'_>) -> OutputBuffer {
        self.call = None;
        let gather = context.gather.end_call();
        let running = self.running();
        let (_, protocol) = running.call();
        let session = running.session(&context.session.asker(), protocol);
        let (command, args) = gather.queue.get(0);
        let mut reply = OutputBuffer::new();
        for task in gather.merges() {
            let call = Call { task, asker: session.asker(), command, args };
            run(context.state, Reach::Gather(session, &gather), call, &mut reply);
        }
        reply
    }

    /// All cores are told of a script that is new.
    fn introduce(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) {
        let (command, args) = self.request.get(0);
        assert!(matches!(command.row.run, Run::Script(_)), "a script is introduced by what runs it");
        let StageContext { session, gather, outbox, cores, .. } = context;
        gather.begin_call(command, args);
        gather.open_element(Some(Merge::Same));
        for &core in *cores {
            let address = Address::Part(gather.expect(Vec::new()));
            stage.batch(outbox, core).push(session.asker(), address, Task::Share, command, args);
        }
    }
}

/// The other participants are told that what holds their keys has run for long, or has ended.
fn tell_others(context: &mut StageContext<'_>, kind: ScriptKind, is_held: bool) {
    let own = context.state.core;
    for &core in context.cores.iter().filter(|&&core| core != own) {
        context.outbox.post(core, ToParticipant::Busy { kind, is_held });
    }
}
