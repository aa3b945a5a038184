//! Scripts: docs/scripts.md.
//!
//! ```text
//!   request    EVAL, EVALSHA ..: which script, which keys
//!   known      the scripts of this core  <-- header, analysis (tokens): what their text tells
//!   runner     a script that runs        --> call: what it may call
//!   unit       one that runs on one core, as one request
//!   under_way  those that have run for long
//! ```
//! A script in a transaction is driven by `engine/stages.rs`.

mod analysis;
mod call;
mod header;
mod known;
mod request;
mod runner;
mod tokens;
mod under_way;
mod unit;

use torc_lua::{Chunk, Interpreter, Options};
use torc_resp::{Args, OutputBuffer};

use crate::asker::Asker;
use crate::command::Registry;
use crate::error::CommandError;
use crate::version::{REDIS_VERSION, REDIS_VERSION_NUM};

pub(crate) use call::admit_call;
use header::lua_of;
pub(crate) use known::{Known, Sha};
pub(crate) use request::{ScriptCommand, declared_keys};
pub(crate) use runner::{NO_SCRIPT, Running, Wants};
pub(crate) use under_way::{AllUnderWay, Killed};
pub(crate) use unit::run_script;

/// What a core has for scripts.
#[derive(Default)]
pub(crate) struct Scripts {
    /// Those that are known.
    pub known: Known,
    /// Those that run and have been suspended.
    pub under_way: AllUnderWay,
    /// Those that have been suspended as units: one holds all keys of this core, others wait for them.
    suspended: Vec<Running>,
    /// Made when the first script is compiled; taken while one runs.
    interpreter: Option<Box<Interpreter>>,
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
    /// What the script of a request may reach, and whether it only reads.
    pub fn reaches(&self, kind: ScriptCommand, args: Args<'_>) -> (Reaches, bool) {
        if declared_keys(args).is_err() {
            return (Reaches::Nothing, true);
        }
        match kind.script(&self.known, args) {
            None if kind.by_sha => (Reaches::Nothing, true),
            None => (Reaches::All, kind.is_read_only),
            Some(script) => {
                let only_reads = kind.is_read_only || script.header.no_writes || script.analysis.only_reads;
                (if script.analysis.is_closed { Reaches::Declared } else { Reaches::All }, only_reads)
            }
        }
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

    /// A script, compiled, which is about to run.
    ///
    /// # Errors
    /// It is no Lua; then it is not known any longer.
    pub fn compiled(&mut self, sha: &Sha) -> Result<Chunk, CommandError> {
        let (script, chunk) = self.known.use_script(sha);
        if let Some(chunk) = chunk {
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

    /// What they take.
    pub fn figures(&self) -> ScriptFigures {
        ScriptFigures {
            known: self.known.len(),
            evicted: self.known.evicted(),
            source_bytes: self.known.source_bytes(),
            interpreter_bytes: self.interpreter.as_ref().map_or(0, |interpreter| interpreter.used_bytes()),
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
        self.interpreter.get_or_insert_with(|| {
            let options = Options {
                memory_max_bytes: usize::MAX,
                version: REDIS_VERSION,
                version_num: REDIS_VERSION_NUM,
                server_name: "torc",
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
