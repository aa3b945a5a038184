//! What a run and its caller both see: the command that is asked for, the reply, the settings.
//!
//! ```text
//!   Run (caller's stack)    --Wake-->    script (stack of its own)
//!                           <--Step--
//!                      both: Desk
//! ```
//! One side runs at a time, so each has the desk to itself while it does. Its buffers keep their memory from run to run: a call of a
//! command allocates nothing once they have grown.

use std::ffi::c_int;

use corosensei::Yielder;
use torc_resp::{Args, Protocol, Span};

use crate::functions::Function;
use crate::lua::Lua;
use crate::outline::Outline;
use crate::random::Random;
use crate::run::Step;

/// Why a script goes on: what its caller answered.
#[derive(Clone, Copy)]
pub(crate) enum Wake {
    /// The script begins.
    Begin,
    /// The reply of the command it called; the bytes stay where they are until it suspends again.
    Reply(*const [u8]),
    /// Yes or no.
    Bool(bool),
    /// The command asked about does not exist.
    UnknownCommand,
    /// Nothing was asked for.
    GoOn,
    /// The script is to end.
    Kill,
    /// The stack is not needed any more.
    Quit,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A script of EVAL: KEYS and ARGV are globals.
    Script,
    /// A function of a library: KEYS and ARGV are arguments.
    Function,
    /// The text of a library, which registers its functions.
    Load,
}

/// Everything about one run, see the file's head.
pub(crate) struct Desk {
    /// The Lua thread of this desk.
    pub(crate) lua: Lua,
    /// How the script suspends; set while the stack is in use.
    pub(crate) yielder: *const Yielder<Wake, Step>,
    pub(crate) task: Task,
    /// Reference that holds the function to run.
    pub(crate) function: c_int,
    /// What is known of its globals; whether it reuses words, also by their number.
    pub(crate) outline: Outline,
    pub(crate) words_of: Words,
    /// How many of the words that `begin` laid down are keys; the others are arguments.
    pub(crate) key_count: usize,
    /// Named in the text of an error.
    pub(crate) sha: Vec<u8>,
    /// Protocol of the client.
    pub(crate) protocol: Protocol,
    /// Protocol that the script has asked for with `redis.setresp`.
    pub(crate) script_protocol: Protocol,
    /// What `redis.set_repl` has set.
    pub(crate) replication: u8,
    pub(crate) random: Random,
    /// That the script is being ended: whatever it does next raises an error.
    pub(crate) is_killed: bool,
    /// Words laid one behind another, in the form of a request: keys and arguments at first, then those of each call.
    pub(crate) words: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    /// What the script has returned, encoded.
    pub(crate) reply: Vec<u8>,
    /// What a library has registered.
    pub(crate) functions: Vec<Function>,
    /// That the script has ended by an error.
    pub(crate) is_failed: bool,
    /// That the error in the reply is one of a command, which has counted it.
    pub(crate) is_counted: bool,
}

/// The tables of keys and of arguments.
#[derive(Default)]
pub(crate) struct Words {
    /// References of those that are used again, and how many words each has.
    pub(crate) own: [c_int; 2],
    pub(crate) filled: [usize; 2],
    /// References of those that were made for a run.
    pub(crate) made: [c_int; 2],
    /// Whether the globals, with proxies and direct ones, have those that are used again, if they are this desk's at all.
    pub(crate) are_own_global: [bool; 2],
}

impl Desk {
    /// References of the tables of keys and of arguments of this run.
    pub(crate) fn word_tables(&self) -> [c_int; 2] {
        if self.outline.reuses_words { self.words_of.own } else { self.words_of.made }
    }

    /// The words of the call that is asked for.
    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.words, &self.spans)
    }

    /// Forgets all words.
    #[inline]
    pub(crate) fn clear_words(&mut self) {
        self.words.clear();
        self.spans.clear();
    }

    /// Appends a word in the form of a bulk string. False if the words would be longer than a request can be.
    #[inline]
    pub(crate) fn add_word(&mut self, word: &[u8]) -> bool {
        if self.words.len() + word.len() > WORDS_BYTES_MAX {
            return false;
        }
        self.words.reserve(word.len() + 32);
        // Most words of calls are short: their header is written in one go.
        if word.len() < 10 {
            self.words.extend_from_slice(&[b'$', b'0' + word.len() as u8, b'\r', b'\n']);
        } else {
            self.words.push(b'$');
            torc_resp::number::write_i64(&mut self.words, word.len() as i64);
            self.words.extend_from_slice(b"\r\n");
        }
        self.spans.push(Span { start: self.words.len() as u32, len: word.len() as u32 });
        self.words.extend_from_slice(word);
        self.words.extend_from_slice(b"\r\n");
        true
    }

    /// Has the script wait until its caller resumes it with an answer.
    #[inline]
    pub(crate) fn suspend(&self, step: Step) -> Wake {
        // SAFETY: the yielder is set while the script runs, and it is the script's stack that suspends.
        unsafe { &*self.yielder }.suspend(step)
    }
}

/// Bytes of a call's words; spans are 32 bits wide.
const WORDS_BYTES_MAX: usize = 3 << 30;
