//! Scripts: docs/scripts.md.
//!
//! ```text
//!   request    EVAL, FCALL ..: which script or function, which keys
//!   known      the scripts of this core  <-- header, analysis (tokens): what their text tells
//!   libraries  the functions of this core  <-- library (metadata): how a text becomes functions
//!   runner     a script that runs        --> call: what it may call
//!   unit       one that runs on one core, as one request
//!   under_way  those that have run for long
//! ```
//! What is said here of scripts holds for functions, unless it says otherwise.
//!
//! A script in a transaction is driven by `engine/stages.rs`.

mod analysis;
mod call;
mod header;
mod known;
mod libraries;
mod library;
mod metadata;
mod request;
mod runner;
mod tokens;
mod under_way;
mod unit;

use std::sync::Arc;

use torc_lua::{Budget, Callback, Chunk, Flags, Interpreter, Options};
use torc_resp::{Args, OutputBuffer};

use crate::asker::Asker;
use crate::command::Registry;
use crate::config::Config;
use crate::error::CommandError;
use crate::version::{REDIS_VERSION, REDIS_VERSION_NUM};

pub(crate) use call::{admit_call, in_script};
use header::lua_of;
pub(crate) use known::{Known, ScriptRuns, Sha};
pub(crate) use libraries::{Libraries, Library, LibraryFigures};
pub(crate) use library::{Restoring, load as load_library, restore as restore_libraries};
pub(crate) use request::{Named, ScriptCommand};
pub(crate) use runner::{Running, Wants};
pub(crate) use under_way::{AllUnderWay, Killed, ScriptKind, UnderWay};
pub(crate) use unit::run_script;

/// What a core has for scripts.
pub(crate) struct Scripts {
    /// Those that are known.
    pub known: Known,
    /// The libraries of functions.
    pub libraries: Libraries,
    /// Those that run and have been suspended.
    pub under_way: AllUnderWay,
    /// Those that have been suspended as units: one holds all keys of this core, others wait for them.
    suspended: Vec<Running>,
    /// Scripts of which the log has been told that they run on all cores.
    told_of: usize,
    /// They may call commands that are not for them: DEBUG.
    pub may_call_all: bool,
    /// What the scripts of all cores may use together: beyond it Lua's "not enough memory" is the error of the script that wants more, and
    /// not the end of the process.
    pub memory: Arc<Budget>,
    /// Made when the first script is compiled; taken while one runs.
    interpreter: Option<Box<Interpreter>>,
    /// Determines what their random numbers are.
    seed: u64,
    /// They have what later versions of Redis leave out.
    has_deprecated: bool,
    /// For the replies of what scripts call.
    reply: OutputBuffer,
}

/// What the scripts of a core take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScriptFigures {
    /// Those that are known.
    pub known: usize,
    /// Those that had to go so far.
    pub evicted: u64,
    /// Bytes of their texts.
    pub source_bytes: usize,
    /// Bytes that the interpreter takes.
    pub interpreter_bytes: usize,
    /// What libraries take.
    pub libraries: LibraryFigures,
}

/// What a request's script may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaches {
    /// Nothing: the request fails.
    Nothing,
    /// The keys that are declared to it.
    Declared,
    /// Any key.
    All,
}

impl Scripts {
    /// No script is known. `seed` determines what the random numbers of scripts are.
    pub fn of_config(config: &Config, cores: u16, seed: u64) -> Self {
        Scripts {
            known: Known::default(),
            libraries: Libraries::default(),
            under_way: AllUnderWay::default(),
            suspended: Vec::new(),
            told_of: 0,
            may_call_all: false,
            memory: Budget::new(config.script_memory_bytes(cores)),
            interpreter: None,
            seed,
            has_deprecated: config.lua_enable_deprecated_api,
            reply: OutputBuffer::default(),
        }
    }

    /// What the script of a request may reach, and whether it only reads.
    pub fn reaches(&self, kind: ScriptCommand, args: Args<'_>) -> (Reaches, bool) {
        if kind.declared_keys(args).is_err() {
            return (Reaches::Nothing, true);
        }
        match (kind.named, kind.script(&self.known, args)) {
            (_, Some(script)) => {
                let only_reads = kind.is_read_only || script.header.no_writes || script.analysis.only_reads;
                (if script.analysis.is_closed { Reaches::Declared } else { Reaches::All }, only_reads)
            }
            (Named::Text, None) => (Reaches::All, kind.is_read_only),
            (Named::Sha, None) => (Reaches::Nothing, true),
            // Nothing is known of the text of a function: what it calls may be in other functions of its library.
            (Named::Function, None) => match self.libraries.function(args.get(1)) {
                Some(function) => (Reaches::All, kind.is_read_only || function.flags.contains(Flags::NO_WRITES)),
                None => (Reaches::Nothing, true),
            },
        }
    }

    /// Why a request does not run that claims nothing.
    pub fn refusal(&self, kind: ScriptCommand, args: Args<'_>) -> CommandError {
        let is_unknown = kind.named == Named::Function && self.libraries.function(args.get(1)).is_none();
        let of_keys = kind.declared_keys(args).err().filter(|_| !is_unknown);
        of_keys.unwrap_or(kind.unknown())
    }

    /// Adds a script, if it is not known; `is_loaded`: it stays from now on.
    ///
    /// # Errors
    /// Its first line is none that a script may have.
    pub fn add(&mut self, registry: &'static Registry, source: &[u8], is_loaded: bool) -> Result<Sha, CommandError> {
        let (sha, forgotten) = self.known.add(registry, source, is_loaded)?;
        if let Some(chunk) = forgotten {
            self.interpreter().forget(chunk);
        }
        Ok(sha)
    }

    /// A script that is known, compiled.
    ///
    /// # Errors
    /// It is no Lua; then it is not known any longer.
    pub fn compiled(&mut self, sha: &Sha) -> Result<Chunk, CommandError> {
        let script = self.known.use_script(sha).expect("it is known");
        if let Some(chunk) = script.chunk {
            return Ok(chunk);
        }
        let source = script.source.clone();
        match self.interpreter().compile("@user_script", lua_of(&source)) {
            Ok(chunk) => {
                self.known.set_chunk(sha, chunk);
                Ok(chunk)
            }
            Err(message) => {
                self.known.forget(sha);
                Err(CommandError::made([b"ERR Error compiling script (new function): ", &message[..]].concat()))
            }
        }
    }

    /// Forgets all scripts that are known.
    pub fn flush(&mut self) {
        for chunk in self.known.clear() {
            self.interpreter().forget(chunk);
        }
    }

    /// All libraries go.
    pub fn flush_libraries(&mut self) {
        let gone = std::mem::take(&mut self.libraries).into_callbacks();
        self.release(gone);
    }

    /// The interpreter forgets functions. Runs of them that have begun keep them until they end.
    pub fn release(&mut self, callbacks: Vec<Callback>) {
        callbacks.into_iter().for_each(|callback| self.interpreter().release(callback));
    }

    /// What they take.
    pub fn figures(&self) -> ScriptFigures {
        ScriptFigures {
            known: self.known.len(),
            evicted: self.known.evicted(),
            source_bytes: self.known.source_bytes(),
            interpreter_bytes: self.interpreter.as_ref().map_or(0, |interpreter| interpreter.used_bytes()),
            libraries: self.libraries.figures(),
        }
    }

    /// A script has been suspended as a unit.
    fn suspend(&mut self, running: Running) {
        self.suspended.push(running);
    }

    /// The script of a request, if it has been suspended as a unit.
    fn take_suspended(&mut self, asker: &Asker) -> Option<Running> {
        let place = self.suspended.iter().position(|running| running.is_of(asker))?;
        Some(self.suspended.swap_remove(place))
    }

    fn interpreter(&mut self) -> &mut Interpreter {
        let (seed, memory, has_deprecated) = (self.seed, &self.memory, self.has_deprecated);
        self.interpreter.get_or_insert_with(|| {
            let options = Options {
                budget: Arc::clone(memory),
                version: REDIS_VERSION,
                version_num: REDIS_VERSION_NUM,
                server_name: "torc",
                seed,
                has_deprecated,
            };
            Box::new(Interpreter::new(options).expect("there is memory for an interpreter"))
        })
    }

    fn take_interpreter(&mut self) -> Box<Interpreter> {
        self.interpreter.take().expect("a script was compiled, and none runs inside another")
    }

    fn return_interpreter(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    fn lend_reply(&mut self) -> OutputBuffer {
        std::mem::take(&mut self.reply)
    }

    fn return_reply(&mut self, mut reply: OutputBuffer) {
        reply.clear();
        self.reply = reply;
    }
}
