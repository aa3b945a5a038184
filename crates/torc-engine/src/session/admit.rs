//! Every gate a request passes before it runs, in one function, in Redis's order.

use torc_resp::{Args, Protocol};

use super::Session;
use crate::command::{Command, Flags};
use crate::config::{self, Config, DebugAccess};
use crate::error::CommandError;
use crate::script::ScriptKind;
use crate::state::{CoreState, Gate};

/// The reply to what cannot be done while data is loaded.
pub(crate) const LOADING: CommandError = CommandError::fixed("LOADING Redis is loading the dataset in memory");

/// Whether this session may run (or queue) this request now. The first gate that is shut names the error.
#[inline]
pub(crate) fn admit(
    state: &CoreState,
    session: &Session,
    command: &Command,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let (row, config) = (command.row, &state.config);
    if !row.arity_fits(args.len()) {
        return Err(CommandError::Arity(command.full_name));
    }
    if row.flags.has(Flags::PROTECTED) && !allows(config.enable_debug_command, session) {
        return Err(CommandError::fixed(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
             local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        ));
    }
    if !session.authenticated | session.is_subscriber | session.is_limited {
        pass_restrictions(session, command, args)?;
    }
    if state.memory.is_out && !session.info.is_host {
        pass_memory(session, command)?;
    }
    if state.gate != Gate::Open && !session.info.is_host {
        pass_gate(state, session, command)?;
    }
    if session.transaction.is_some() && row.flags.has(Flags::OUTSIDE_MULTI) {
        return Err(CommandError::InsideMulti(row.name));
    }
    if session.transaction.is_some() && row.flags.has(Flags::NO_MULTI) && !row.flags.has(Flags::IMMEDIATE) {
        return Err(CommandError::fixed("ERR Command not allowed inside a transaction"));
    }
    if row.flags.has(Flags::CONFIGURES)
        && let Some(name) = protected_directive(config, session, args)
    {
        let name = String::from_utf8_lossy(name);
        return Err(CommandError::made(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set protected config"
        )));
    }
    Ok(())
}

/// Whether a session that has not logged in, whose user may not do everything, or that has subscribed to something, may run this.
fn pass_restrictions(session: &Session, command: &Command, args: Args<'_>) -> Result<(), CommandError> {
    if !session.authenticated && !command.row.flags.has(Flags::NO_AUTH) {
        return Err(CommandError::NoAuth);
    }
    if session.is_limited && session.authenticated {
        session.user().permit(command, args, session.db)?;
    }
    let is_restricted = session.is_subscriber && session.protocol == Protocol::Resp2;
    if is_restricted && !command.row.flags.has(Flags::WHILE_SUBSCRIBED) {
        return Err(CommandError::made(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            command.full_name
        )));
    }
    Ok(())
}

const SAVE_FAILED: CommandError = CommandError::fixed(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify \
     the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
const LOG_FAILED: CommandError =
    CommandError::fixed("MISCONF Errors writing to the AOF file: see the log of the server");

/// The reply while a script or a function has run for long.
pub(crate) const fn busy_with(kind: ScriptKind) -> CommandError {
    CommandError::fixed(match kind {
        ScriptKind::Script => "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ScriptKind::Function => {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        }
    })
}

/// Why nothing may be written now, if so.
pub(crate) fn refuses_writes(state: &CoreState) -> Option<CommandError> {
    match state.gate {
        Gate::SaveFailed if state.config.stop_writes_on_bgsave_error && !state.config.save.points.is_empty() => {
            Some(SAVE_FAILED)
        }
        Gate::LogFailed => Some(LOG_FAILED),
        _ => None,
    }
}

/// The reply to what may take more memory when there is none.
pub(crate) const OUT_OF_MEMORY: CommandError =
    CommandError::fixed("OOM command not allowed when used memory > 'maxmemory'.");

/// Whether a command may run though more memory is used than may be, and nothing can be evicted.
#[cold]
fn pass_memory(session: &Session, command: &Command) -> Result<(), CommandError> {
    let (queued, flags) = (session.transaction.as_ref(), command.row.flags);
    let is_denied = match queued {
        Some(queue) if flags.has(Flags::ENDS_TRANSACTION) => {
            queue.commands().any(|(command, _)| command.row.flags.has(Flags::DENYOOM))
        }
        // The queue takes memory, too.
        Some(_) => !flags.has(Flags::IMMEDIATE),
        None => flags.has(Flags::DENYOOM),
    };
    if is_denied { Err(OUT_OF_MEMORY) } else { Ok(()) }
}

/// Whether the state of the data allows a command, or of EXEC all commands.
#[cold]
fn pass_gate(state: &CoreState, session: &Session, command: &Command) -> Result<(), CommandError> {
    let queued = session.transaction.as_ref().filter(|_| command.row.flags.has(Flags::ENDS_TRANSACTION));
    let queued = queued.into_iter().flat_map(|queue| queue.commands().map(|(command, _)| command));
    let mut flags = std::iter::once(command).chain(queued).map(|command| (command.row.flags, command.row.name));
    match state.gate {
        Gate::Busy(kind) if flags.any(|(flags, _)| !flags.has(Flags::ALLOW_BUSY)) => Err(busy_with(kind)),
        Gate::Loading if flags.any(|(flags, _)| !flags.has(Flags::LOADING)) => Err(LOADING),
        _ => match refuses_writes(state) {
            Some(refusal) if flags.any(|(flags, name)| flags.has(Flags::WRITE) || name == "ping") => Err(refusal),
            _ => Ok(()),
        },
    }
}

/// Whether CONFIG SET names something that this client must not change. The first that it names.
#[cold]
fn protected_directive<'a>(config: &Config, session: &Session, args: Args<'a>) -> Option<&'a [u8]> {
    if allows(config.enable_protected_configs, session) {
        return None;
    }
    let is_protected = |name: &&[u8]| str::from_utf8(name).is_ok_and(config::is_protected);
    args.from(2).iter().step_by(2).find(is_protected)
}

fn allows(access: DebugAccess, session: &Session) -> bool {
    match access {
        DebugAccess::Yes => true,
        DebugAccess::Local => session.info.local_peer || session.info.unix,
        DebugAccess::No => false,
    }
}
