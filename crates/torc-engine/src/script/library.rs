//! A library's text becomes functions.
//!
//! ```text
//!   load:     first line --> is the name free? --> compile --> run, in turns, until it has ended --> Libraries::add
//!   restore:  the same for each text of a payload, into Libraries of their own, which then join those of the core: all or none
//! ```
//! Each core does that for itself, and all of them come to the same: while it is loaded, a library sees nothing but what registers
//! functions and writes log lines, no clock, no number made at random and no address; and the end of its time is counted in instructions.

use std::sync::Arc;

use torc_lua::{Answer, Callback, Function, INSTRUCTIONS_PER_PAUSE, Run, Start, Step};
use torc_resp::Protocol;

use super::libraries::{Libraries, Library};
use super::metadata::{Metadata, read_metadata};
use super::runner::log_message;
use crate::error::CommandError;
use crate::state::CoreState;

/// How long a library may take to be loaded: as many instructions as half a second has room for, which is Redis's limit. Were it
/// half a second, one core could come to its end and another not.
const INSTRUCTIONS_MAX: usize = 50_000_000;

/// What becomes of the libraries that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restoring {
    /// All of them go.
    Flush,
    /// They stay, and none may have the name of a new one.
    Append,
    /// Those go that have the names of new ones.
    Replace,
}

/// Loads a library; gives its name. `replaces`: one of its name goes.
///
/// # Errors
/// Redis's words; then nothing has changed.
pub fn load(state: &mut CoreState, source: &[u8], replaces: bool) -> Result<Arc<[u8]>, CommandError> {
    let mut libraries = std::mem::take(&mut state.scripts.libraries);
    let loaded = load_into(state, &mut libraries, source, replaces);
    state.scripts.libraries = libraries;
    loaded
}

/// Loads libraries of a payload.
///
/// # Errors
/// Redis's words; then nothing has changed.
pub fn restore(state: &mut CoreState, sources: &[Vec<u8>], restoring: Restoring) -> Result<(), CommandError> {
    let mut new = Libraries::default();
    for source in sources {
        if let Err(error) = load_into(state, &mut new, source, false) {
            state.scripts.release(new.into_callbacks());
            return Err(error);
        }
    }
    if restoring == Restoring::Flush {
        state.scripts.flush_libraries();
    }
    let joined = state.scripts.libraries.join(new, restoring == Restoring::Replace);
    settle(state, joined)
}

fn load_into(
    state: &mut CoreState,
    libraries: &mut Libraries,
    source: &[u8],
    replaces: bool,
) -> Result<Arc<[u8]>, CommandError> {
    let Metadata { name, body } = read_metadata(source)?;
    if !replaces && libraries.contains(&name) {
        return Err(CommandError::quoting("ERR Library '{}' already exists", &[&name]));
    }
    let bytes_before = state.scripts.interpreter().used_bytes();
    let mut functions = functions_of(state, body)?;
    if functions.is_empty() {
        return Err(CommandError::fixed("ERR No functions registered"));
    }
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    let name: Arc<[u8]> = name.into();
    let interpreter_bytes = state.scripts.interpreter().used_bytes().saturating_sub(bytes_before);
    let library = Library { name: name.clone(), source: source.into(), functions, interpreter_bytes };
    let added = libraries.add(library, replaces);
    settle(state, added)?;
    Ok(name)
}

/// The interpreter forgets what has gone, or what was not taken.
fn settle(
    state: &mut CoreState,
    joined: Result<Vec<Callback>, (CommandError, Vec<Callback>)>,
) -> Result<(), CommandError> {
    let (result, gone) = match joined {
        Ok(gone) => (Ok(()), gone),
        Err((error, refused)) => (Err(error), refused),
    };
    state.scripts.release(gone);
    result
}

/// What a text registers.
fn functions_of(state: &mut CoreState, body: &[u8]) -> Result<Vec<Function>, CommandError> {
    let start = Start { keys: &[], args: &[], sha: b"", protocol: Protocol::Resp2 };
    let begun = state.scripts.interpreter().begin_load(body, start);
    let is_no_lua = |message: Vec<u8>| CommandError::made([b"ERR Error compiling function: ", &message[..]].concat());
    let mut run = begun.map_err(is_no_lua)?;
    run_to_end(state, &mut run);
    run.functions().map_err(CommandError::made)
}

fn run_to_end(state: &mut CoreState, run: &mut Run) {
    // What has been taken before, in a file or a log, is taken again however long it takes.
    let pauses_max = if state.obeys { usize::MAX } else { INSTRUCTIONS_MAX / INSTRUCTIONS_PER_PAUSE };
    let (mut answer, mut pauses) = (Answer::Begin, 0);
    loop {
        match run.resume(state.scripts.interpreter(), answer) {
            Step::Done => return,
            Step::Log { level } => log_message(state, run, level),
            Step::Pause => pauses += 1,
            Step::Call { .. } | Step::AclCheck => unreachable!("a library that is loaded has nothing to call with"),
        }
        answer = if pauses > pauses_max { Answer::Kill } else { Answer::GoOn };
    }
}
