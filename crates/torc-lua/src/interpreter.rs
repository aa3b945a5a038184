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
use std::sync::Arc;

use torc_resp::Protocol;

use crate::desk::{Desk, Task};
use crate::functions::Function;
use crate::lua::{Lua, Outcome, REGISTRY, exported, ffi};
use crate::memory::{Budget, Memory, allocate};
use crate::outline::Outline;
use crate::run::Run;
use crate::worker::{Beginning, Worker};
use crate::{loading, sandbox};

/// Workers kept for later runs; more than that were needed at once by runs that waited.
const IDLE_WORKERS_MAX: usize = 64;

/// How much garbage is looked for at once when the memory is half full.
const STEP_KILOBYTES: c_int = 32;

/// A cycle of the collector begins when so many per cent of what the last one has left are in use: more in a small heap, where a cycle costs
/// more than the garbage is worth, yet not so many that the garbage leaves the caches, and Lua's own number in a large one.
const SMALL_HEAP_PAUSE: c_int = 400;
const LARGE_HEAP_PAUSE: c_int = 200;

/// What makes a heap large.
const SMALL_HEAP_BYTES: usize = 2 << 20;

/// How much one step does where a script has filled the memory, in Lua's unit (about a kibibyte each).
const REFUSED_STEP: c_int = 256;

/// How an interpreter is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What this interpreter and others may use together.
    pub budget: Arc<Budget>,
    /// The version that `redis.REDIS_VERSION` tells, such as `"7.4.0"`.
    pub version: &'static str,
    /// The same as `redis.REDIS_VERSION_NUM`: a byte for each part.
    pub version_num: u32,
    /// What `server.SERVER_NAME` tells.
    pub server_name: &'static str,
    /// Determines what `math.random` gives.
    pub seed: u64,
    /// Scripts have `getfenv` and `setfenv`.
    pub has_deprecated: bool,
}

/// An interpreter could not be made: the system has no memory for it.
#[derive(Debug)]
pub struct Error;

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("there is no memory for an interpreter of scripts")
    }
}

impl std::error::Error for Error {}

/// A compiled script. Valid until [`Interpreter::forget`]; belongs to the interpreter that has compiled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk(pub(crate) c_int, pub(crate) Outline);

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
    pub(crate) shared: Rc<Shared>,
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
    /// The globals of scripts that may have them without proxies, see [`Outline::is_direct`].
    pub(crate) direct_globals: c_int,
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
    /// When more bytes are used than these, the collector begins sooner.
    pub(crate) patience_ends_at: Cell<usize>,
    pub(crate) roots: Cell<Roots>,
    /// The desk of the run that executes; null while none does.
    pub(crate) current: Cell<*mut Desk>,
    /// The desk whose keys and arguments are globals now: those of scripts with proxies, and the direct ones.
    pub(crate) globals_of: [Cell<*mut Desk>; 2],
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
            memory: Memory::new(Arc::clone(&options.budget)),
            main,
            patience_ends_at: Cell::new(SMALL_HEAP_BYTES),
            roots: Cell::default(),
            current: Cell::new(ptr::null_mut()),
            globals_of: [const { Cell::new(ptr::null_mut()) }; 2],
            seeds: Cell::new(options.seed),
            options,
            idle: RefCell::default(),
        });
        let argument = Rc::as_ptr(&shared).cast_mut().cast::<c_void>();
        let mut state = ptr::null_mut();
        // SAFETY: `argument` stays where it is, and outlives the state, which `Shared` closes when it is dropped.
        shared.memory.without_limit(|| state = unsafe { ffi::lua_newstate(allocate, argument) });
        if state.is_null() {
            return Err(Error);
        }
        // SAFETY: the state has been made a moment ago.
        unsafe {
            ffi::lua_atpanic(state, panic);
            shared.main.set(Lua::new(state));
        }
        // What every interpreter needs counts, and is there whatever the limit.
        let mut is_made = false;
        shared.memory.without_limit(|| is_made = shared.protected(sandbox::install, ptr::null_mut()));
        if !is_made {
            return Err(Error);
        }
        shared.main().collect(ffi::LUA_GCSETPAUSE, SMALL_HEAP_PAUSE);
        Ok(Self { shared })
    }

    /// Compiles `source`, which `name` stands for in messages: `"@user_script"`. An error is Lua's message.
    pub fn compile(&mut self, name: &str, source: &[u8]) -> Result<Chunk, Vec<u8>> {
        let name = CString::new(name).expect("a name of this program's own has no zero byte");
        let (function, outline) = loading::compile(&self.shared, &name, source)?;
        Ok(Chunk(function, outline))
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
        self.begin_task(Task::Script, (chunk.0, chunk.1), start)
    }

    /// A run of a function, with its keys and arguments.
    pub fn begin_function(&mut self, callback: Callback, start: Start<'_>) -> Run {
        self.begin_task(Task::Function, (callback.0, Outline::default()), start)
    }

    /// A run that loads a library: what its text registers is [`Run::functions`] in the end. An error is Lua's message about the text.
    ///
    /// `Start`'s keys and arguments are empty.
    pub fn begin_load(&mut self, source: &[u8], start: Start<'_>) -> Result<Run, Vec<u8>> {
        let chunk = loading::compile_library(&self.shared, source)?;
        let run = self.begin_task(Task::Load, (chunk, Outline::default()), start);
        self.shared.main().unreference(REGISTRY, chunk);
        Ok(run)
    }

    /// The seed of the next run: a step of SplitMix64's counter, of which the generator takes 32 bits.
    fn next_seed(&self) -> i32 {
        let next = self.shared.seeds.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.shared.seeds.set(next);
        (next >> 32) as i32
    }

    fn begin_task(&mut self, task: Task, (function, outline): (c_int, Outline), start: Start<'_>) -> Run {
        let shared = Rc::clone(&self.shared);
        let idle = shared.idle.borrow_mut().pop();
        let Some(mut worker) = idle.or_else(|| Worker::new(&shared)) else { return Run::refused(shared) };
        worker.begin(
            self.shared.main(),
            &Beginning {
                task,
                function,
                outline,
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
    /// The desk of the run that executes. A caller drops the borrow before the run suspends and before script code runs.
    #[inline]
    pub(crate) fn desk<'a>(&self) -> &'a mut Desk {
        let desk = self.current.get();
        debug_assert!(!desk.is_null(), "a script runs outside of a run");
        // SAFETY: `current` is set while a run executes, and its desk lives as long as the run's stack.
        unsafe { &mut *desk }
    }

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

    /// What is due after a run. When the memory is half full some garbage goes, since Lua by itself would let it grow to twice of what is in use.
    pub(crate) fn after_run(&self) {
        if self.memory.is_half_full() {
            self.collect(ffi::LUA_GCSTEP, STEP_KILOBYTES);
        }
        if self.patience_ends_at.get() == usize::MAX && self.memory.used() < SMALL_HEAP_BYTES / 2 {
            self.patience_ends_at.set(SMALL_HEAP_BYTES);
            self.main().collect(ffi::LUA_GCSETPAUSE, SMALL_HEAP_PAUSE);
        }
    }

    /// The heap has become large. This sets a number and does nothing else, so the allocator may call it.
    #[cold]
    pub(crate) fn lose_patience(&self) {
        self.patience_ends_at.set(usize::MAX);
        self.main().collect(ffi::LUA_GCSETPAUSE, LARGE_HEAP_PAUSE);
    }

    /// If scripts have filled the memory, all garbage goes, since what comes next would find no room: in steps, between which `pause` is asked
    /// whether to go on.
    pub(crate) fn collect_refused(&self, mut pause: impl FnMut() -> bool) {
        if !self.memory.take_refused() {
            return;
        }
        // The first cycle may have begun before some of the garbage existed.
        for _ in 0..2 {
            loop {
                if self.collect(ffi::LUA_GCSTEP, REFUSED_STEP) {
                    break;
                }
                if !pause() {
                    return self.memory.note_refused();
                }
            }
        }
    }

    /// Collects garbage; whether a cycle has ended. The collector needs memory to make its table of strings smaller, also when there is none
    /// left for scripts.
    fn collect(&self, what: c_int, data: c_int) -> bool {
        let mut task = Collection { what, data, is_end: true };
        let argument = ptr::from_mut(&mut task).cast();
        self.memory.without_limit(|| {
            self.protected(collect, argument);
        });
        task.is_end
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

/// What [`collect_inner`] is told, and what it tells.
struct Collection {
    what: c_int,
    data: c_int,
    is_end: bool,
}

fn collect_inner(lua: Lua) -> Outcome {
    // SAFETY: `Shared::collect` calls this with a pointer to its `Collection`.
    let task = unsafe { &mut *lua.light(1).cast::<Collection>() };
    task.is_end = lua.collect(task.what, task.data) != 0;
    Ok(0)
}

/// Called by Lua when an error is raised where nothing catches it: a mistake of this crate, which no invariant survives.
unsafe extern "C-unwind" fn panic(_: *mut ffi::lua_State) -> c_int {
    eprintln!("an error of Lua outside of a protected call");
    std::process::abort();
}
