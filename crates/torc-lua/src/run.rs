//! One run of a script, as its caller drives it.
//!
//! ```text
//!   begin --> resume(Begin) --+--> Step::Call      --> resume(Reply)
//!                             +--> Step::AclCheck  --> resume(Bool | UnknownCommand)
//!                             +--> Step::Log       --> resume(GoOn)
//!                             +--> Step::Pause     --> resume(GoOn)
//!                             +--> Step::Done          reply(), or functions()
//!        at every step: resume(Kill) --> in the end Step::Done
//! ```
//! A run that is dropped before `Done` is driven to its end by `Kill`, at once: its Lua frames must be left before the stack is used again.

use std::rc::Rc;

use torc_resp::{Args, Protocol};

use crate::desk::Wake;
use crate::functions::Function;
use crate::interpreter::{Interpreter, Shared};
use crate::worker::{PAUSE_INSTRUCTIONS, Worker};

/// What a script waits for, and so what its caller answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `redis.call` or `redis.pcall`: the caller runs [`Run::call_args`] and answers with [`Answer::Reply`].
    Call {
        /// The protocol in which the reply is to be encoded.
        protocol: Protocol,
        /// The effects to propagate: the sum of [`REPL_AOF`] and [`REPL_REPLICA`] as `redis.set_repl` has set it.
        replication: u8,
    },
    /// `redis.acl_check_cmd`: may the user run [`Run::call_args`]? Answered by [`Answer::Bool`] or [`Answer::UnknownCommand`].
    AclCheck,
    /// `redis.log`: the message is [`Run::message`].
    Log {
        /// 0 debug, 1 verbose, 2 notice, 3 warning.
        level: u8,
    },
    /// The script has run for a while; answered by [`Answer::GoOn`].
    Pause,
    /// It has ended: [`Run::reply`] or [`Run::functions`] has the result.
    Done,
}

/// `redis.REPL_AOF`: effects go to the append-only file.
pub const REPL_AOF: u8 = 1;
/// `redis.REPL_REPLICA`: effects go to the replicas.
pub const REPL_REPLICA: u8 = 2;
/// `redis.REPL_ALL`: what applies until a script changes it.
pub const REPL_ALL: u8 = REPL_AOF | REPL_REPLICA;

/// A script pauses after so many instructions.
pub const INSTRUCTIONS_PER_PAUSE: usize = PAUSE_INSTRUCTIONS as usize;

/// What a caller tells a script that waits.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The first answer: the script begins.
    Begin,
    /// One whole reply to [`Step::Call`], an error included, in the protocol that the step asked for.
    Reply(&'a [u8]),
    /// Nothing to say.
    GoOn,
    /// Ends the script, whatever errors it catches: from here on it can only fail. Each further step is answered by `Kill` too.
    Kill,
    /// Whether the user may run the command of [`Step::AclCheck`].
    Bool(bool),
    /// The command of [`Step::AclCheck`] does not exist.
    UnknownCommand,
}

/// A script that runs, or one that could not begin.
pub struct Run {
    shared: Rc<Shared>,
    state: State,
    is_done: bool,
}

enum State {
    Script(Box<Worker>),
    /// There was no memory for it: the reply that says so.
    Refused(&'static [u8]),
}

impl Run {
    pub(crate) fn new(shared: Rc<Shared>, worker: Box<Worker>) -> Self {
        Self { shared, state: State::Script(worker), is_done: false }
    }

    pub(crate) fn refused(shared: Rc<Shared>) -> Self {
        Self { shared, state: State::Refused(b"-ERR Error running script, not enough memory\r\n"), is_done: false }
    }

    /// Has the script go on until it asks for something or ends. The interpreter is the one that has begun it.
    ///
    /// Panics if the run is done already.
    pub fn resume(&mut self, interpreter: &mut Interpreter, answer: Answer<'_>) -> Step {
        assert!(interpreter.owns(&self.shared), "a script is resumed by the interpreter that began it");
        let wake = match answer {
            Answer::Begin => Wake::Begin,
            Answer::Reply(reply) => Wake::Reply(reply),
            Answer::GoOn => Wake::GoOn,
            Answer::Kill => Wake::Kill,
            Answer::Bool(value) => Wake::Bool(value),
            Answer::UnknownCommand => Wake::UnknownCommand,
        };
        self.wake(wake)
    }

    fn wake(&mut self, wake: Wake) -> Step {
        assert!(!self.is_done, "a script that has ended is not resumed");
        let step = match &mut self.state {
            State::Script(worker) => worker.resume(&self.shared, wake),
            State::Refused(_) => Step::Done,
        };
        self.is_done = step == Step::Done;
        if self.is_done {
            self.shared.after_run();
        }
        step
    }

    /// The words of the command that [`Step::Call`] or [`Step::AclCheck`] is about; they lie in the form of a request.
    pub fn call_args(&self) -> Args<'_> {
        match &self.state {
            State::Script(worker) => worker.desk().args(),
            State::Refused(_) => Args::new(&[], &[]),
        }
    }

    /// The message of [`Step::Log`].
    pub fn message(&self) -> &[u8] {
        match &self.state {
            State::Script(worker) => &worker.desk().words,
            State::Refused(_) => &[],
        }
    }

    /// After [`Step::Done`]: the reply for the client, encoded in the protocol named at the start. An error if the script has failed.
    pub fn reply(&self) -> &[u8] {
        assert!(self.is_done, "a reply exists when the script has ended");
        match &self.state {
            State::Script(worker) => &worker.desk().reply,
            State::Refused(reply) => reply,
        }
    }

    /// Whether the reply is an error that a command of the script has counted.
    pub fn is_counted(&self) -> bool {
        match &self.state {
            State::Script(worker) => worker.desk().is_counted,
            State::Refused(_) => false,
        }
    }

    /// Whether the script has ended by an error that it has not caught.
    pub fn is_failed(&self) -> bool {
        match &self.state {
            State::Script(worker) => worker.desk().is_failed,
            State::Refused(_) => true,
        }
    }

    /// After [`Step::Done`] of a library's text: what it has registered, or the text of the error, which begins with its code.
    ///
    /// What a library has registered before its error is forgotten with the run. The callbacks are the caller's: [`Interpreter::release`] frees one.
    pub fn functions(&mut self) -> Result<Vec<Function>, Vec<u8>> {
        assert!(self.is_done, "functions exist when the library's text has ended");
        match &mut self.state {
            State::Script(worker) if !worker.desk().is_failed => Ok(std::mem::take(&mut worker.desk_mut().functions)),
            _ => Err(self.reply()[1..].trim_ascii_end().to_vec()),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let State::Script(worker) = &self.state else { return };
        if worker.is_begun() {
            while !self.is_done {
                self.wake(Wake::Kill);
            }
        }
        let State::Script(mut worker) = std::mem::replace(&mut self.state, State::Refused(b"")) else { unreachable!() };
        // Those of a library that has failed, or that nobody has asked for.
        self.shared.release_all(&mut worker.desk_mut().functions);
        self.shared.give_back(worker);
    }
}
