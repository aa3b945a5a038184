//! An interpreter: one Lua state, the scripts compiled in it, and the workers that wait for runs.
//!
//! ```text
//!   Interpreter --+
//!   Run  ---------+--> Rc<Shared> --> Lua state, memory, idle workers
//!   Run  ---------+
//! ```
//! The state is closed when the interpreter and its last run are gone, so a run never sees its state taken away while it waits: that was
//! CVE-2026-23631 in servers that freed all scripts when a full synchronisation came while a script yielded.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::rc::Rc;

use torc_resp::Protocol;

use crate::desk::{Desk, Task};
use crate::functions::Function;
use crate::lua::{Lua, Outcome, REGISTRY, exported, ffi};
use crate::memory::{Memory, allocate};
use crate::run::Run;
use crate::worker::{Beginning, Worker};
use crate::{loading, sandbox};

/// Workers kept for later runs; more than that were needed at once by runs that waited.
const IDLE_WORKERS_MAX: usize = 64;

/// How much garbage is looked for at once when the memory is half full.
const STEP_KILOBYTES: c_int = 32;

/// How an interpreter is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes that all scripts together may use; `usize::MAX` for no limit.
    pub memory_max_bytes: usize,
    /// The version that `redis.REDIS_VERSION` tells, such as `"7.4.0"`.
    pub version: &'static str,
    /// The same as `redis.REDIS_VERSION_NUM`: a byte for each part.
    pub version_num: u32,
    /// What `server.SERVER_NAME` tells.
    pub server_name: &'static str,
    /// Determines what `math.random` gives.
    pub seed: u64,
}

/// An interpreter could not be made: the limit of its memory is too low for what it needs at the least.
#[derive(Debug)]
pub struct Error;

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the memory for scripts is too small to make an interpreter")
    }
}

impl std::error::Error for Error {}

/// A compiled script. Valid until [`Interpreter::forget`]; belongs to the interpreter that has compiled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk(c_int);

/// A function that a library has registered. Valid until [`Interpreter::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Callback(pub(crate) c_int);

/// What a run begins with.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// KEYS.
    pub keys: &'a [&'a [u8]],
    /// ARGV.
    pub args: &'a [&'a [u8]],
    /// What texts of errors name: the script's digest in hexadecimal, or the function's name.
    pub sha: &'a [u8],
    /// The protocol of the reply.
    pub protocol: Protocol,
}

/// A Lua interpreter for one core, see the file's head.
pub struct Interpreter {
    shared: Rc<Shared>,
}

/// The names that conversions use, as indexes of [`Roots::fields`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Err,
    Ok,
    Double,
    BigNumber,
    VerbatimString,
    Map,
    Set,
}

/// The text of each [`Field`].
const FIELDS: [&str; 7] = ["err", "ok", "double", "big_number", "verbatim_string", "map", "set"];

/// References into the registry that the sandbox has made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Roots {
    /// The hidden table of the globals of scripts.
    pub(crate) script_globals: c_int,
    /// What scripts have for their globals.
    pub(crate) script_proxy: c_int,
    /// What functions of libraries have for their globals.
    pub(crate) function_proxy: c_int,
    /// The hidden globals of functions, and those of a library while it is loaded.
    pub(crate) function_globals: c_int,
    pub(crate) load_globals: c_int,
    pub(crate) handler: c_int,
    pub(crate) to_text: c_int,
    pub(crate) keys_name: c_int,
    pub(crate) arguments_name: c_int,
    pub(crate) string_metatable: c_int,
    pub(crate) fields: [c_int; FIELDS.len()],
}

/// What an interpreter and its runs share.
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) options: Options,
    main: Cell<Lua>,
    pub(crate) roots: Cell<Roots>,
    /// The desk of the run that executes; null while none does.
    pub(crate) current: Cell<*mut Desk>,
    /// The desk whose keys and arguments are globals now.
    pub(crate) globals_of: Cell<*mut Desk>,
    /// Makes the seeds of runs.
    seeds: Cell<u64>,
    #[expect(clippy::vec_box, reason = "workers move between here and runs as they are")]
    idle: RefCell<Vec<Box<Worker>>>,
}

impl Interpreter {
    /// An interpreter with the sandbox of scripts in it.
    pub fn new(options: Options) -> Result<Self, Error> {
        // SAFETY: nothing uses the handle before it is replaced.
        let main = Cell::new(unsafe { Lua::new(ptr::null_mut()) });
        let shared = Rc::new(Shared {
            memory: Memory::new(options.memory_max_bytes),
            options,
            main,
            roots: Cell::default(),
            current: Cell::new(ptr::null_mut()),
            globals_of: Cell::new(ptr::null_mut()),
            seeds: Cell::new(options.seed),
            idle: RefCell::default(),
        });
        let argument = Rc::as_ptr(&shared).cast_mut().cast::<c_void>();
        // SAFETY: `argument` stays where it is, and outlives the state, which `Shared` closes when it is dropped.
        let state = unsafe { ffi::lua_newstate(allocate, argument) };
        if state.is_null() {
            return Err(Error);
        }
        // SAFETY: the state has been made a moment ago.
        unsafe {
            ffi::lua_atpanic(state, panic);
            shared.main.set(Lua::new(state));
        }
        if !shared.protected(sandbox::install, ptr::null_mut()) {
            return Err(Error);
        }
        Ok(Self { shared })
    }

    /// Compiles `source`, which `name` stands for in messages: `"@user_script"`. An error is Lua's message.
    pub fn compile(&mut self, name: &str, source: &[u8]) -> Result<Chunk, Vec<u8>> {
        let name = CString::new(name).expect("a name of this program's own has no zero byte");
        loading::compile(&self.shared, &name, source).map(Chunk)
    }

    /// Forgets a script. Runs of it that have begun keep it until they end.
    pub fn forget(&mut self, chunk: Chunk) {
        self.shared.main().unreference(REGISTRY, chunk.0);
    }

    /// Forgets a function of a library.
    pub fn release(&mut self, callback: Callback) {
        self.shared.main().unreference(REGISTRY, callback.0);
    }

    /// A run of a script. It begins when it is resumed with [`Answer::Begin`](crate::Answer::Begin).
    pub fn begin(&mut self, chunk: Chunk, start: Start<'_>) -> Run {
        self.begin_task(Task::Script, chunk.0, start)
    }

    /// A run of a function, with its keys and arguments.
    pub fn begin_function(&mut self, callback: Callback, start: Start<'_>) -> Run {
        self.begin_task(Task::Function, callback.0, start)
    }

    /// A run that loads a library: what its text registers is [`Run::functions`] in the end. An error is Lua's message about the text.
    ///
    /// `Start`'s keys and arguments are empty.
    pub fn begin_load(&mut self, source: &[u8], start: Start<'_>) -> Result<Run, Vec<u8>> {
        let chunk = loading::compile_library(&self.shared, source)?;
        let run = self.begin_task(Task::Load, chunk, start);
        self.shared.main().unreference(REGISTRY, chunk);
        Ok(run)
    }

    /// The seed of the next run: a step of SplitMix64's counter, of which the generator takes 32 bits.
    fn next_seed(&self) -> i32 {
        let next = self.shared.seeds.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.shared.seeds.set(next);
        (next >> 32) as i32
    }

    fn begin_task(&mut self, task: Task, function: c_int, start: Start<'_>) -> Run {
        let shared = Rc::clone(&self.shared);
        let idle = shared.idle.borrow_mut().pop();
        let Some(mut worker) = idle.or_else(|| Worker::new(&shared)) else { return Run::refused(shared) };
        worker.begin(
            self.shared.main(),
            &Beginning {
                task,
                function,
                keys: start.keys,
                arguments: start.args,
                sha: start.sha,
                protocol: start.protocol,
                seed: self.next_seed(),
            },
        );
        Run::new(shared, worker)
    }

    /// Bytes that Lua uses.
    pub fn used_bytes(&self) -> usize {
        self.shared.memory.used()
    }

    /// One bounded step of collecting garbage: for turns in which there is nothing else to do.
    pub fn collect_step(&mut self) {
        self.shared.collect(ffi::LUA_GCSTEP, 0);
    }

    pub(crate) fn owns(&self, shared: &Rc<Shared>) -> bool {
        Rc::ptr_eq(&self.shared, shared)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.shared.dismiss_idle();
    }
}

impl Shared {
    /// The state's first thread, which runs no scripts.
    pub(crate) fn main(&self) -> Lua {
        self.main.get()
    }

    /// Calls `function` with `argument` on the main thread where it may raise errors. False if it has raised one.
    pub(crate) fn protected(&self, function: ffi::lua_CFunction, argument: *mut c_void) -> bool {
        // SAFETY: the main thread runs nothing else; its stack is as before after the call.
        let status = unsafe { ffi::lua_cpcall(self.main().state(), function, argument) };
        if status != 0 {
            self.main().pop(1);
        }
        status == 0
    }

    /// Takes back the worker of a run that has ended, or that has not begun.
    pub(crate) fn give_back(&self, worker: Box<Worker>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_WORKERS_MAX {
            idle.push(worker);
        } else {
            worker.dismiss(self);
        }
    }

    /// What is due after a run. If scripts have filled the memory, all garbage goes now, since what comes next would find none; and when it is
    /// half full, some of it goes, since Lua by itself would let it grow to twice of what is in use.
    pub(crate) fn after_run(&self) {
        if self.memory.take_refused() {
            self.collect(ffi::LUA_GCCOLLECT, 0);
        } else if self.memory.is_half_full() {
            self.collect(ffi::LUA_GCSTEP, STEP_KILOBYTES);
        }
    }

    /// Collects garbage. The collector needs memory to make its table of strings smaller, also when there is none left for scripts.
    fn collect(&self, what: c_int, data: c_int) {
        let mut task = [what, data];
        let argument = ptr::from_mut(&mut task).cast();
        self.memory.without_limit(|| {
            self.protected(collect, argument);
        });
    }

    /// Forgets what a library has registered.
    pub(crate) fn release_all(&self, functions: &mut Vec<Function>) {
        for function in functions.drain(..) {
            self.main().unreference(REGISTRY, function.callback.0);
        }
    }

    fn dismiss_idle(&self) {
        for worker in self.idle.take() {
            worker.dismiss(self);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.main().state().is_null() {
            return;
        }
        self.dismiss_idle();
        // SAFETY: no run and no worker is left, so nothing uses the state. There are no finalizers that could run scripts: `newproxy` is absent.
        unsafe { ffi::lua_close(self.main().state()) };
    }
}

/// The names of the fields, to be made strings of Lua.
pub(crate) fn field_names() -> impl Iterator<Item = &'static [u8]> {
    FIELDS.iter().map(|name| name.as_bytes())
}

exported! { collect = collect_inner; }

fn collect_inner(lua: Lua) -> Outcome {
    // SAFETY: `Shared::collect` calls this with a pointer to its two numbers.
    let [what, data] = unsafe { *lua.light(1).cast::<[c_int; 2]>() };
    lua.collect(what, data);
    Ok(0)
}

/// Called by Lua when an error is raised where nothing catches it: a mistake of this crate, which no invariant survives.
unsafe extern "C-unwind" fn panic(_: *mut ffi::lua_State) -> c_int {
    eprintln!("an error of Lua outside of a protected call");
    std::process::abort();
}
