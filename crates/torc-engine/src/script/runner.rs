//! A script that runs: it goes on until it wants a command run, until its time is over, or to its end.
//!
//! ```text
//!   begin --> advance --> Wants::Call   a command: docs say where it runs; its reply goes into the next advance
//!                    \--> Wants::Time   its slice is over
//!                     \-> Wants::Nothing   it has ended: `end` gives its reply
//! ```
//! It is the same for a script in one unit ([`super::unit`]) and for one in a transaction (`engine/stages.rs`).

use std::ops::Range;
use std::sync::Arc;

use torc_lua::{Answer, Callback, Chunk, Flags as FunctionFlags, Run, Start, Step};
use torc_resp::{Args, OutputBuffer, Protocol};

use super::call::Caller;
use super::known::{Script, Sha};
use super::request::{Named, ScriptCommand};
use super::under_way::Called;
use crate::acl::{DenialContext, Reason, User};
use crate::asker::{Asker, ByScript, ConnectionId};
use crate::command::{Command, Flags};
use crate::commands::connection::describe_client;
use crate::config::LogLevel;
use crate::effect::SetAside;
use crate::error::CommandError;
use crate::host_request::LogKind;
use crate::session::{ConnectionInfo, OUT_OF_MEMORY, Session, refuses_writes};
use crate::state::CoreState;

/// A script that has run for so long gives its core to others.
const FIRST_SLICE_NS: u64 = 5_000_000;

/// Later slices.
const SLICE_NS: u64 = 1_000_000;

/// Up to so many keys and arguments are handed on without memory for the list of them.
const FEW_WORDS: usize = 16;

/// The log is told of so many scripts that run on all cores.
const TOLD_OF_MAX: usize = 100;

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
    /// Whose rights it has; `None`: it may do everything.
    user: Option<Arc<User>>,
    /// The id of that user, and which users there were when it was looked up.
    user_id: u32,
    users_version: u64,
    /// The name of the function that it is, unless it is a script.
    function: Option<Arc<[u8]>>,
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
    /// Memory was short when it began, and it has not said that this is no matter.
    saves_memory: bool,
    /// By which protocol it wants the reply of the command that it calls.
    protocol: Protocol,
    /// Whether logs and replicas are told of what it calls.
    by_script: ByScript,
    /// Its slice, on the host's clock: when it began, and how often it was looked at.
    slice: (Option<u64>, u32),
    /// It has begun.
    has_begun: bool,
    /// It has been killed.
    is_ending: bool,
    /// What its commands about a connection see.
    session: Option<Box<Session>>,
    /// What it has changed so far, while it is suspended as a unit.
    effects: SetAside,
}

impl Running {
    /// A script is about to run for a request. `may_write`: what it has claimed allows it to.
    ///
    /// # Errors
    /// It is not known, its keys are wrongly counted, it is no Lua, or it may not run.
    pub fn begin(
        state: &mut CoreState,
        kind: ScriptCommand,
        asker: &Asker,
        args: Args<'_>,
        may_write: bool,
    ) -> Result<Running, CommandError> {
        let prepared = match kind.named {
            Named::Function => Prepared::function(state, kind, args)?,
            Named::Text | Named::Sha => Prepared::script(state, kind, args)?,
        };
        let is_read_only = kind.is_read_only || prepared.no_writes;
        if prepared.declares && !prepared.no_writes {
            admit_writing(state, kind, may_write)?;
            if state.memory.is_out && !prepared.allows_oom {
                return Err(OUT_OF_MEMORY);
            }
        }
        let user = state.users.limited(asker.user);
        let (rest, mut few, mut many) = (args.from(3), [&[][..]; FEW_WORDS], Vec::new());
        let words = match few.get_mut(..rest.len()) {
            Some(places) => {
                places.iter_mut().zip(rest).for_each(|(place, word)| *place = word);
                places
            }
            None => {
                many.extend(rest);
                &mut many
            }
        };
        let (keys, others) = words.split_at(prepared.key_count);
        let start = |sha| Start { keys, args: others, sha, protocol: asker.protocol };
        let interpreter = state.scripts.interpreter();
        let (run, function) = match prepared.what {
            Runnable::Script(chunk, sha) => (interpreter.begin(chunk, start(&sha)), None),
            Runnable::Function(callback, name) => (interpreter.begin_function(callback, start(&name)), Some(name)),
        };
        Ok(Running {
            run,
            request: (asker.client_id, asker.number),
            db: asker.db,
            user,
            user_id: asker.user,
            users_version: state.users.version(),
            function,
            is_read_only,
            closed: prepared.is_closed.then(|| 3..3 + prepared.key_count),
            now_us: state.now_us,
            is_long: false,
            ticket: None,
            has_written: false,
            saves_memory: state.memory.is_out && !prepared.allows_oom,
            protocol: Protocol::Resp2,
            by_script: ByScript::Yes,
            slice: (None, 0),
            has_begun: false,
            is_ending: false,
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

    /// It has the rights that its user has now.
    fn follow_users(&mut self, state: &CoreState) {
        if self.users_version != state.users.version() {
            (self.user, self.users_version) = (state.users.limited(self.user_id), state.users.version());
        }
    }

    /// What may be asked of it by its calls; `args`: its request.
    pub fn caller<'a>(&'a self, args: Args<'a>) -> Caller<'a> {
        // What has written goes on to its end.
        let saves_memory = self.saves_memory && !self.has_written;
        let closed = self.closed.clone().map(|keys| args.range(keys));
        Caller { is_read_only: self.is_read_only, saves_memory, closed, user: self.user.as_deref(), db: self.db }
    }

    /// Who asks for what it calls, on behalf of who has asked for it.
    pub fn asker(&self, of_script: Asker) -> Asker {
        Asker { db: self.db, protocol: self.protocol, by_script: self.by_script, ..of_script }
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

    /// It may be ended by SCRIPT KILL or FUNCTION KILL from now on, and makes its core busy if it runs for long. `args`: its request.
    pub fn take_ticket(&mut self, state: &mut CoreState, args: Args<'_>) {
        if self.ticket.is_none() {
            let began_ns = (state.host.clock_ns)();
            let function = self.function.clone().map(|name| Called::new(name, args));
            self.ticket = Some(state.scripts.under_way.add(began_ns, self.has_written, function));
        }
    }

    /// Goes on. `args`: its request; `reply`: that of the command that it wanted, encoded; `None`: it begins, or goes on after a while.
    pub fn advance(&mut self, state: &mut CoreState, args: Args<'_>, reply: Option<&[u8]>) -> Wants {
        self.follow_users(state);
        let mut interpreter = state.scripts.take_interpreter();
        let mut answer = match (reply, std::mem::replace(&mut self.has_begun, true)) {
            (_, false) => Answer::Begin,
            (Some(reply), true) => Answer::Reply(reply),
            (None, true) => Answer::GoOn,
        };
        // One that waits for other cores at each call comes to a pause late.
        if self.is_killed(state) {
            self.is_ending = true;
            answer = Answer::Kill;
        }
        let wants = loop {
            match self.run.resume(&mut interpreter, answer) {
                Step::Done => break Wants::Nothing,
                // It catches errors, and goes on.
                _ if self.is_ending => answer = Answer::Kill,
                Step::Call { protocol, replication } => {
                    self.protocol = protocol;
                    self.by_script = if replication == 0 { ByScript::Untold } else { ByScript::Yes };
                    break Wants::Call;
                }
                Step::Log { level } => {
                    log_message(state, &self.run, level);
                    answer = Answer::GoOn;
                }
                Step::AclCheck => {
                    answer = self.check_call(state);
                }
                Step::Pause => {
                    if self.is_killed(state) {
                        self.is_ending = true;
                        answer = Answer::Kill;
                    } else if self.has_had_its_slice((state.host.clock_ns)()) {
                        break Wants::Time;
                    } else {
                        answer = Answer::GoOn;
                    }
                }
            }
        };
        state.scripts.return_interpreter(interpreter);
        if wants == Wants::Time {
            (self.is_long, self.slice) = (true, (None, 0));
            self.take_ticket(state, args);
            state.follow_busy();
        }
        wants
    }

    /// Whether the command that it asks about may be run by its user.
    fn check_call(&self, state: &CoreState) -> Answer<'static> {
        let args = self.run.call_args();
        match (state.registry.find(args), &self.user) {
            (Err(_), _) => Answer::UnknownCommand,
            (Ok(_), None) => Answer::Bool(true),
            (Ok(command), Some(user)) => {
                Answer::Bool(command.row.arity_fits(args.len()) && user.check(command, args, self.db).is_ok())
            }
        }
    }

    /// A command that it wanted was refused.
    #[cold]
    pub fn note_refusal(&self, state: &mut CoreState, error: &CommandError) {
        state.stats.count_error(&error.code());
        if let Ok(command) = state.registry.find(self.call().0) {
            state.stats.calls[usize::from(command.id)].rejected_calls += 1;
        }
        let CommandError::NoPermission(denied) = error else { return };
        let user = self.user.clone().expect("who may do everything is denied nothing");
        let (reason, context) = (Reason::Lacking(denied.lacking), DenialContext::Script);
        // The core of the script need not be the core of the client: what is known here of the client is shown.
        let connection = ConnectionId { index: 0, generation: 0 };
        let session = Session::new(connection, self.request.0, ConnectionInfo::default(), state.wall_ms(), user);
        let client = describe_client(&session, &state.facts());
        state.note_denial((reason, context), &denied.object, &denied.user, client);
    }

    /// Whether it is to go on later. A script may call commands all the time: its slice goes on through them.
    fn has_had_its_slice(&mut self, now_ns: u64) -> bool {
        let slice_ns = if self.is_long { SLICE_NS } else { FIRST_SLICE_NS };
        let (began_ns, looks) = &mut self.slice;
        *looks += 1;
        now_ns - *began_ns.get_or_insert(now_ns) >= slice_ns || *looks >= LOOKS_MAX
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
            Some(error) if self.run.is_counted() => Err(CommandError::Counted(error[..error.len() - 2].into())),
            Some(error) => Err(CommandError::made(&error[..error.len() - 2])),
            None => {
                out.extend_from_slice(reply);
                Ok(())
            }
        }
    }

    /// What its commands about a connection see instead of its client's. What they change of it (SELECT) holds for the script.
    pub fn session(&mut self, asker: &Asker, protocol: Protocol) -> &mut Session {
        let user = &self.user;
        let session = self.session.get_or_insert_with(|| {
            let user = user.clone().unwrap_or_else(|| Arc::new(User::open_default()));
            let mut session = Session::new(asker.connection, asker.client_id, ConnectionInfo::default(), 0, user);
            (session.authenticated, session.requests) = (true, asker.number);
            Box::new(session)
        });
        (session.db, session.protocol, session.by_script) = (self.db, protocol, self.by_script);
        session
    }

    /// A command about a connection has run.
    pub fn follow_session(&mut self) {
        if let Some(session) = &self.session {
            self.db = session.db;
        }
    }
}

/// What is about to run, and what is known of it.
struct Prepared {
    what: Runnable,
    key_count: usize,
    /// What it may do follows from flags that its text declares.
    declares: bool,
    /// They say that it writes nothing.
    no_writes: bool,
    /// They say that it runs when memory is short.
    allows_oom: bool,
    is_closed: bool,
}

enum Runnable {
    Script(Chunk, Sha),
    Function(Callback, Arc<[u8]>),
}

impl Prepared {
    fn script(state: &mut CoreState, kind: ScriptCommand, args: Args<'_>) -> Result<Prepared, CommandError> {
        let key_count = kind.declared_keys(args)?.len();
        let known = &mut state.scripts.known;
        let used = match kind.named {
            Named::Sha => Some(known.use_sha(args.get(1)).ok_or(kind.unknown())?),
            Named::Text | Named::Function => known.use_source(args.get(1)),
        };
        let sha = match used {
            Some(script) => match script.chunk {
                Some(chunk) => {
                    script.runs.all += 1;
                    let prepared = Prepared::compiled(script, chunk, key_count);
                    if state.cores > 1 {
                        count_cores(state, &prepared, args);
                    }
                    return Ok(prepared);
                }
                None => script.sha,
            },
            None => state.scripts.add(state.registry, args.get(1), false)?,
        };
        let chunk = state.scripts.compiled(&sha)?;
        let script = state.scripts.known.use_script(&sha).expect("it is compiled");
        script.runs.all += 1;
        let prepared = Prepared::compiled(script, chunk, key_count);
        count_cores(state, &prepared, args);
        Ok(prepared)
    }

    fn compiled(script: &Script, chunk: Chunk, key_count: usize) -> Prepared {
        Prepared {
            what: Runnable::Script(chunk, script.sha),
            key_count,
            declares: script.header.is_there,
            no_writes: script.header.no_writes,
            allows_oom: script.header.allow_oom,
            is_closed: script.analysis.is_closed,
        }
    }

    fn function(state: &CoreState, kind: ScriptCommand, args: Args<'_>) -> Result<Prepared, CommandError> {
        let function = state.scripts.libraries.function(args.get(1)).ok_or(kind.unknown())?;
        Ok(Prepared {
            what: Runnable::Function(function.callback, function.name.clone()),
            key_count: kind.declared_keys(args)?.len(),
            declares: true,
            no_writes: function.flags.contains(FunctionFlags::NO_WRITES),
            allows_oom: function.flags.contains(FunctionFlags::ALLOW_OOM),
            is_closed: false,
        })
    }
}

/// Notes on how many cores a script is about to run, if on more than one; the log is told of each script once that runs on all.
fn count_cores(state: &mut CoreState, prepared: &Prepared, args: Args<'_>) {
    let Runnable::Script(_, sha) = &prepared.what else { return };
    let mut owners = args.range(3..3 + prepared.key_count).into_iter().map(|key| state.owner(key));
    let (is_all, first) = (state.cores > 1 && !prepared.is_closed, owners.next());
    let is_several = !is_all && owners.any(|owner| Some(owner) != first);
    if !is_all && !is_several {
        return;
    }
    let script = state.scripts.known.use_script(sha).expect("it is about to run");
    if is_several {
        script.runs.several_cores += 1;
        return;
    }
    script.runs.all_cores += 1;
    if std::mem::replace(&mut script.is_told_of, true) || state.scripts.told_of == TOLD_OF_MAX {
        return;
    }
    state.scripts.told_of += 1;
    state.log(LogKind::Script(LogLevel::Notice), || {
        let sha = String::from_utf8_lossy(sha);
        format!("Script {sha} runs on all cores: its text does not tell that it uses its declared keys alone")
    });
}

/// Whether a script may run that says that it may write.
fn admit_writing(state: &CoreState, kind: ScriptCommand, may_write: bool) -> Result<(), CommandError> {
    if kind.is_read_only {
        return Err(CommandError::fixed("ERR Can not execute a script with write flag using *_ro command."));
    }
    if !may_write {
        // When its keys were claimed, another function had the name, which only read.
        return Err(CommandError::fixed("ERR Function was replaced while the call waited"));
    }
    refuses_writes(state).map_or(Ok(()), Err)
}

/// What a script or a library writes into the log.
pub fn log_message(state: &mut CoreState, run: &Run, level: u8) {
    let level = [LogLevel::Debug, LogLevel::Verbose, LogLevel::Notice, LogLevel::Warning][usize::from(level)];
    state.log(LogKind::Script(level), || String::from_utf8_lossy(run.message()).into_owned());
}
