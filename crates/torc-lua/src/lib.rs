//! Lua 5.1 for scripts: sandboxed, bounded, and able to wait anywhere.
//!
//! ```text
//!   caller                                      this crate
//!   Interpreter::compile(name, source)    -->   Chunk
//!   Interpreter::begin(chunk, keys, args) -->   Run: a Lua thread on a stack of its own
//!   run.resume(Answer::Begin)             -->   Step::Call: the script wants a command run
//!   run.resume(Answer::Reply(..))         -->   Step::Pause: it has run for a while
//!   run.resume(Answer::GoOn)              -->   Step::Done: its reply, encoded
//!   Interpreter::begin_load(text)         -->   Run whose Done has functions; begin_function runs one
//! ```
//! A script is a stackful coroutine: whatever it needs of the outside, it asks for by suspending, also out of `pcall`, a comparison
//! function of `table.sort` or a callback of `string.gsub`, and also in the middle of an endless loop. So the caller drives a script as a
//! state machine, may wait for another core in between, and this crate knows no command, no key and no clock.
//!
//! **Invariant**: between two calls of [`Run::resume`] nothing of this crate runs, and several runs of one interpreter may be suspended
//! at once.

mod api;
mod base;
mod desk;
mod failure;
mod functions;
mod interpreter;
pub mod library;
mod loading;
mod lua;
mod memory;
mod outline;
mod random;
mod run;
mod sandbox;
mod strings;
mod to_lua;
mod to_resp;
mod worker;

pub use functions::{Flags, Function};
pub use interpreter::{Callback, Chunk, Error, Interpreter, Options, Start};
pub use memory::Budget;
pub use run::{Answer, INSTRUCTIONS_PER_PAUSE, REPL_ALL, REPL_AOF, REPL_REPLICA, Run, Step};
