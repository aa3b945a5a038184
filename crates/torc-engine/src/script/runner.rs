//! A script that runs: it goes on until it wants a command run, until its time is over, or to its end.
//!
//! ```text
//!   begin --> advance --> Wants::Call   a command: docs say where it runs; its reply goes into the next advance
//!                    \--> Wants::Time   its slice is over
//!                     \-> Wants::Nothing   it has ended: `end` gives its reply
//! ```
//! It is the same for a script in one unit ([`super::unit`]) and for one in a transaction (`engine/stages.rs`).

use std::ops::Range;

use torc_lua::{Answer, Run, Start, Step};
use torc_resp::{Args, OutputBuffer, Protocol};

use super::call::Caller;
use super::request::{ScriptCommand, declared_keys};
use crate::asker::Asker;
use crate::command::{Command, Flags};
use crate::config::LogLevel;
use crate::effect::SetAside;
use crate::error::CommandError;
use crate::host_request::LogKind;
use crate::session::{ConnectionInfo, Session, refuses_writes};
use crate::state::CoreState;

/// A script that has run for so long gives its core to others.
const FIRST_SLICE_NS: u64 = 5_000_000;

/// Later slices.
const SLICE_NS: u64 = 1_000_000;

/// With a clock that stands still a slice ends after so many looks at it.
const LOOKS_MAX: u32 = 1000;

/// Whose command is to run, and what is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// A command: [`Running::call`].
    Call,
    /// To go on later: its slice is over.
    Time,
    /// It has ended.
    Nothing,
}

/// A script that runs.
pub struct Running {
    run: Run,
    /// Of which client it is, and which of its connection's requests.
    request: (u64, u64),
    /// Database number in which its next command runs.
    pub db: u16,
    is_read_only: bool,
    /// Where the keys stand in its request that it calls with, if it calls with no others.
    closed: Option<Range<usize>>,
    /// The time that it sees, Unix microseconds.
    pub now_us: i64,
    /// It has had a slice.
    is_long: bool,
    /// Its place among the scripts that are under way, if it has one.
    ticket: Option<u64>,
    has_written: bool,
    /// By which protocol it wants the reply of the command that it calls.
    protocol: Protocol,
    /// It has begun.
    has_begun: bool,
    /// What its commands about a connection see.
    session: Option<Box<Session>>,
    /// What it has changed so far, while it is suspended as a unit.
    effects: SetAside,
}

impl Running {
    /// A script is about to run for a request.
    ///
    /// # Errors
    /// It is not known, its keys are wrongly counted, or it is no Lua.
    pub fn begin(
        state: &mut CoreState,
        kind: ScriptCommand,
        asker: &Asker,
        args: Args<'_>,
    ) -> Result<Running, CommandError> {
        let keys = declared_keys(args)?;
        let sha = match kind.script(&state.scripts.known, args) {
            Some(script) => script.sha,
            None if kind.by_sha => return Err(NO_SCRIPT),
            None => state.scripts.add(state.registry, args.get(1), false)?,
        };
        let chunk = state.scripts.compiled(&sha)?;
        let script = state.scripts.known.by_sha(&sha).expect("it is compiled");
        let is_read_only = kind.is_read_only || script.header.no_writes;
        let closed = script.analysis.is_closed.then(|| keys.clone());
        let is_refused = script.header.is_there && !is_read_only;
        if is_refused && let Some(refusal) = refuses_writes(state) {
            return Err(refusal);
        }
        let words: Vec<&[u8]> = args.from(keys.start).iter().collect();
        let (keys, others) = words.split_at(keys.len());
        let start = Start { keys, args: others, sha: &sha, protocol: asker.protocol };
        let run = state.scripts.interpreter().begin(chunk, start);
        Ok(Running {
            run,
            request: (asker.client_id, asker.number),
            db: asker.db,
            is_read_only,
            closed,
            now_us: state.now_us,
            is_long: false,
            ticket: None,
            has_written: false,
            protocol: Protocol::Resp2,
            has_begun: false,
            session: None,
            effects: SetAside::default(),
        })
    }

    /// Whether it runs for this request.
    pub fn is_of(&self, asker: &Asker) -> bool {
        self.request == (asker.client_id, asker.number)
    }

    /// Takes what it has changed before it was suspended.
    pub fn take_effects(&mut self) -> SetAside {
        std::mem::take(&mut self.effects)
    }

    /// It is suspended, and has changed this.
    pub fn set_effects(&mut self, effects: SetAside) {
        self.effects = effects;
    }

    /// What may be asked of it by its calls; `args`: its request.
    pub fn caller<'a>(&self, args: Args<'a>) -> Caller<'a> {
        Caller { is_read_only: self.is_read_only, closed: self.closed.clone().map(|keys| args.range(keys)) }
    }

    /// The command that it wants, and by which protocol it wants the reply.
    pub fn call(&self) -> (Args<'_>, Protocol) {
        (self.run.call_args(), self.protocol)
    }

    /// A command of it is about to run.
    pub fn note_call(&mut self, state: &mut CoreState, command: &Command) {
        if command.row.flags.has(Flags::WRITE) && !self.has_written {
            self.has_written = true;
            if let Some(ticket) = self.ticket {
                state.scripts.under_way.note_written(ticket);
            }
        }
    }

    /// It may be ended by SCRIPT KILL from now on, and makes its core busy if it runs for long.
    pub fn take_ticket(&mut self, state: &mut CoreState) {
        if self.ticket.is_none() {
            let began_ns = (state.host.clock_ns)();
            self.ticket = Some(state.scripts.under_way.add(began_ns, self.has_written));
        }
    }

    /// Goes on. `reply`: that of the command that it wanted, encoded; `None`: it begins, or goes on after a while.
    pub fn advance(&mut self, state: &mut CoreState, reply: Option<&[u8]>) -> Wants {
        let mut interpreter = state.scripts.take_interpreter();
        let (mut began_ns, mut looks) = (None, 0);
        let mut answer = match (reply, std::mem::replace(&mut self.has_begun, true)) {
            (_, false) => Answer::Begin,
            (Some(reply), true) => Answer::Reply(reply),
            (None, true) => Answer::GoOn,
        };
        let wants = loop {
            match self.run.resume(&mut interpreter, answer) {
                Step::Call { protocol, replication: _ } => {
                    self.protocol = protocol;
                    break Wants::Call;
                }
                Step::Done => break Wants::Nothing,
                Step::Log { level } => {
                    let level =
                        [LogLevel::Debug, LogLevel::Verbose, LogLevel::Notice, LogLevel::Warning][usize::from(level)];
                    let text = String::from_utf8_lossy(self.run.message()).into_owned();
                    state.log(LogKind::Script(level), || text);
                    answer = Answer::GoOn;
                }
                Step::AclCheck => {
                    // Every user may do everything.
                    let is_command = state.registry.find(self.run.call_args()).is_ok();
                    answer = if is_command { Answer::Bool(true) } else { Answer::UnknownCommand };
                }
                Step::Pause => {
                    let now_ns = (state.host.clock_ns)();
                    let slice_ns = if self.is_long { SLICE_NS } else { FIRST_SLICE_NS };
                    looks += 1;
                    if self.is_killed(state) {
                        answer = Answer::Kill;
                    } else if now_ns - *began_ns.get_or_insert(now_ns) >= slice_ns || looks >= LOOKS_MAX {
                        break Wants::Time;
                    } else {
                        answer = Answer::GoOn;
                    }
                }
            }
        };
        state.scripts.return_interpreter(interpreter);
        if wants == Wants::Time {
            self.is_long = true;
            self.take_ticket(state);
            state.follow_busy();
        }
        wants
    }

    fn is_killed(&self, state: &CoreState) -> bool {
        self.ticket.is_some_and(|ticket| state.scripts.under_way.is_killed(ticket))
    }

    /// Its reply, or its error, for the client.
    pub fn end(mut self, state: &mut CoreState, out: &mut OutputBuffer) -> Result<(), CommandError> {
        if let Some(ticket) = self.ticket.take() {
            state.scripts.under_way.remove(ticket);
            state.follow_busy();
        }
        let reply = self.run.reply();
        match reply.strip_prefix(b"-") {
            Some(error) => Err(CommandError::made(&error[..error.len() - 2])),
            None => {
                out.extend_from_slice(reply);
                Ok(())
            }
        }
    }

    /// What its commands about a connection see instead of its client's. What they change of it (SELECT) holds for the script.
    pub fn session(&mut self, asker: &Asker, protocol: Protocol) -> &mut Session {
        let session = self.session.get_or_insert_with(|| {
            let mut session = Session::new(asker.connection, asker.client_id, ConnectionInfo::default(), 0);
            (session.authenticated, session.requests) = (true, asker.number);
            Box::new(session)
        });
        (session.db, session.protocol) = (self.db, protocol);
        session
    }

    /// A command about a connection has run.
    pub fn follow_session(&mut self) {
        if let Some(session) = &self.session {
            self.db = session.db;
        }
    }
}

/// A sha that nobody knows.
pub const NO_SCRIPT: CommandError = CommandError::fixed("NOSCRIPT No matching script. Please use EVAL.");
