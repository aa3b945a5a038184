//! A stack, a Lua thread and a desk: what a run needs, kept for the runs after it.
//!
//! ```text
//!   stack:  loop { wait for Begin;  pcall(main);  suspend(Done) }
//!                                     |
//!   main:   KEYS and ARGV; pcall(script, handler); its value or its error as a reply
//! ```
//! The stack has room for what Lua lets nest: 200 C calls, each with a buffer of 8 KiB at most, and one match of a pattern of
//! [`PATTERN_BYTES_MAX`](crate::strings::PATTERN_BYTES_MAX) below them. Its pages are the system's until they are touched, and below it lies a
//! page that may not be touched.
//!
//! **Invariant**: between two runs the Lua thread's stack is empty but for `main`.

use std::ffi::c_int;
use std::ops::Range;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use torc_resp::Protocol;

use crate::desk::{Desk, Task, Wake, Words};
use crate::failure;
use crate::interpreter::Shared;
use crate::lua::{Lua, REGISTRY, Raised, exported, ffi, upvalue};
use crate::outline::Outline;
use crate::random::Random;
use crate::run::{REPL_ALL, Step};
use crate::{sandbox, to_resp};

/// Bytes of address space of a script's stack.
const STACK_BYTES: usize = 6 << 20;

/// After so many instructions a script pauses.
pub(crate) const PAUSE_INSTRUCTIONS: c_int = 20_000;

/// KEYS and ARGV are used again only up to so many words together, and so many bytes: a table of them keeps its words until its next run.
const KEPT_WORDS_MAX: usize = 64;
const KEPT_BYTES_MAX: usize = 4_096;

/// What is begun, see `Interpreter::begin`.
#[derive(Clone, Copy)]
pub(crate) struct Beginning<'a> {
    pub(crate) task: Task,
    pub(crate) function: c_int,
    pub(crate) outline: Outline,
    pub(crate) keys: &'a [&'a [u8]],
    pub(crate) arguments: &'a [&'a [u8]],
    pub(crate) sha: &'a [u8],
    pub(crate) protocol: Protocol,
    /// What the run's random numbers begin with.
    pub(crate) seed: i32,
}

/// See the file's head.
pub(crate) struct Worker {
    coroutine: Coroutine<Wake, Step, (), DefaultStack>,
    desk: *mut Desk,
    is_begun: bool,
    /// Reference that keeps the Lua thread alive.
    thread: c_int,
}

impl Worker {
    /// A worker of the interpreter, unless there is no memory for one.
    pub(crate) fn new(shared: &Shared) -> Option<Box<Self>> {
        let stack = DefaultStack::new(STACK_BYTES).ok()?;
        let mut made = Made { lua: shared.main(), thread: 0, words: Words::default(), function: 0 };
        if !shared.protected(make_thread, ptr::from_mut(&mut made).cast()) {
            return None;
        }
        let desk = Box::into_raw(Box::new(Desk {
            lua: made.lua,
            yielder: ptr::null(),
            task: Task::Script,
            function: made.function,
            outline: Outline::default(),
            words_of: made.words,
            key_count: 0,
            sha: Vec::new(),
            protocol: Protocol::Resp2,
            script_protocol: Protocol::Resp2,
            replication: REPL_ALL,
            random: Random::new(0),
            is_killed: false,
            words: Vec::new(),
            spans: Vec::new(),
            reply: Vec::new(),
            functions: Vec::new(),
            is_failed: false,
            is_counted: false,
        }));
        let coroutine = Coroutine::with_stack(stack, move |yielder, wake| serve(desk, yielder, wake));
        Some(Box::new(Self { coroutine, desk, is_begun: false, thread: made.thread }))
    }

    /// Lays down what the script is to run with.
    pub(crate) fn begin(&mut self, lua: Lua, beginning: &Beginning<'_>) {
        self.is_begun = false;
        let desk = self.desk_mut();
        desk.task = beginning.task;
        // A reference of the run's own, so that the script may be forgotten meanwhile. Its slot exists, so nothing is allocated.
        lua.raw_get_int(REGISTRY, beginning.function);
        lua.raw_set_int(REGISTRY, desk.function);
        desk.outline = beginning.outline;
        desk.key_count = beginning.keys.len();
        desk.sha.clear();
        desk.sha.extend_from_slice(beginning.sha);
        desk.protocol = beginning.protocol;
        desk.script_protocol = Protocol::Resp2;
        desk.replication = REPL_ALL;
        desk.random = Random::new(beginning.seed);
        desk.is_killed = false;
        (desk.is_failed, desk.is_counted) = (false, false);
        desk.reply.clear();
        desk.functions.clear();
        desk.clear_words();
        for word in beginning.keys.iter().chain(beginning.arguments) {
            assert!(desk.add_word(word), "keys and arguments fit into one request");
        }
        // What is used again keeps the words of its last run.
        desk.outline.reuses_words &= desk.spans.len() <= KEPT_WORDS_MAX && desk.words.len() <= KEPT_BYTES_MAX;
    }

    /// Has the script go on, see [`Run::resume`](crate::Run::resume).
    #[inline]
    pub(crate) fn resume(&mut self, shared: &Shared, wake: Wake) -> Step {
        debug_assert!(shared.current.get().is_null(), "one script runs at a time");
        self.is_begun = true;
        shared.current.set(self.desk);
        let result = self.coroutine.resume(wake);
        shared.current.set(ptr::null_mut());
        match result {
            CoroutineResult::Yield(step) => step,
            CoroutineResult::Return(()) => unreachable!("a worker's loop ends by Quit alone"),
        }
    }

    /// Whether the script has run at all.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The desk, while the script does not run.
    #[inline]
    pub(crate) fn desk(&self) -> &Desk {
        // SAFETY: the desk lives as long as the worker, and the script's side does not run while `self` is borrowed.
        unsafe { &*self.desk }
    }

    /// The same, to write.
    #[inline]
    pub(crate) fn desk_mut(&mut self) -> &mut Desk {
        // SAFETY: as in `desk`.
        unsafe { &mut *self.desk }
    }

    /// Ends the loop and frees the Lua thread. The worker waits for its next run.
    pub(crate) fn dismiss(mut self, shared: &Shared) {
        if self.coroutine.started() {
            let result = self.coroutine.resume(Wake::Quit);
            assert!(matches!(result, CoroutineResult::Return(())), "a worker that waits ends when told");
        }
        let desk = self.desk();
        for reference in [self.thread, desk.function].into_iter().chain(desk.words_of.own).chain(desk.words_of.made) {
            shared.main().unreference(REGISTRY, reference);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: the desk was boxed by `new`; the coroutine has ended or never began, so nobody else uses it.
        drop(unsafe { Box::from_raw(self.desk) });
    }
}

/// What [`make_thread`] makes.
struct Made {
    lua: Lua,
    thread: c_int,
    words: Words,
    function: c_int,
}

exported! { make_thread = make_thread_inner; }

/// Makes a Lua thread with `main` on its stack, and the references it needs.
fn make_thread_inner(lua: Lua) -> Result<c_int, Raised> {
    // SAFETY: `Worker::new` calls this with a pointer to a `Made`.
    let made = unsafe { &mut *lua.light(1).cast::<Made>() };
    let thread = lua.new_thread();
    // SAFETY: the thread is on the stack of `lua`, and then in the registry until the worker is dismissed.
    made.lua = unsafe { Lua::new(thread) };
    made.thread = lua.reference(REGISTRY);
    for slot in made.words.made.iter_mut().chain([&mut made.function]) {
        lua.push_boolean(false);
        *slot = lua.reference(REGISTRY);
    }
    for slot in &mut made.words.own {
        lua.new_table(4, 0);
        *slot = lua.reference(REGISTRY);
    }
    let roots = lua.shared().roots.get();
    for root in [
        roots.script_globals,
        roots.direct_globals,
        roots.script_proxy,
        roots.function_proxy,
        roots.handler,
        roots.keys_name,
        roots.arguments_name,
    ] {
        lua.raw_get_int(REGISTRY, root);
    }
    // Made here and moved: on a thread that runs nothing an error of memory would meet nobody.
    lua.push_closure(main, 7);
    lua.move_to(made.lua, 1);
    Ok(0)
}

/// The upvalues of `main`, in the order of `make_thread_inner`.
const GLOBALS: [c_int; 2] = [upvalue(1), upvalue(2)];
const SCRIPT_PROXY: c_int = upvalue(3);
const FUNCTION_PROXY: c_int = upvalue(4);
const HANDLER: c_int = upvalue(5);
const NAMES: [c_int; 2] = [upvalue(6), upvalue(7)];

/// The life of a worker, on its stack.
fn serve(desk: *mut Desk, yielder: &Yielder<Wake, Step>, mut wake: Wake) {
    // SAFETY: the desk outlives the coroutine; its other side does not run while this one does.
    let lua = unsafe {
        (*desk).yielder = yielder;
        (*desk).lua
    };
    loop {
        match wake {
            Wake::Quit => return,
            Wake::Kill => lua.desk().is_killed = true,
            _ => {}
        }
        lua.set_hook(count_hook, if lua.desk().is_killed { 1 } else { PAUSE_INSTRUCTIONS });
        lua.push_value(1);
        if lua.protected_call(0, 0, 0) != 0 {
            failure::reply_of_raw(lua);
        }
        lua.set_top(1);
        // SAFETY: as above.
        lua.shared().collect_refused(|| !matches!(unsafe { (*desk).suspend(Step::Pause) }, Wake::Kill));
        // Through the pointer: `current` is for what runs, and the loop waits for what runs next.
        // SAFETY: as above.
        wake = unsafe { (*desk).suspend(Step::Done) };
    }
}

exported! { main = main_inner; }

/// Runs the function of the desk, and makes a reply of what comes of it.
fn main_inner(lua: Lua) -> Result<c_int, Raised> {
    let (task, function) = (lua.desk().task, lua.desk().function);
    lua.push_value(HANDLER);
    lua.raw_get_int(REGISTRY, function);
    let arguments = match task {
        Task::Script => {
            lua.push_value(SCRIPT_PROXY);
            if !lua.desk().outline.is_direct {
                // An earlier run may have given it other ones.
                lua.push_value(-1);
                lua.set_environment(-3);
            }
            lua.replace(ffi::LUA_GLOBALSINDEX);
            set_globals(lua);
            0
        }
        Task::Function => {
            lua.push_value(FUNCTION_PROXY);
            lua.replace(ffi::LUA_GLOBALSINDEX);
            let key_count = lua.desk().key_count;
            push_words(lua, 0..key_count);
            push_words(lua, key_count..lua.desk().spans.len());
            2
        }
        Task::Load => {
            lua.push_value(FUNCTION_PROXY);
            lua.replace(ffi::LUA_GLOBALSINDEX);
            lua.push_environment(-1);
            lua.replace(1);
            0
        }
    };
    let handler = if task == Task::Load { 0 } else { 1 };
    if lua.protected_call(arguments, 1, handler) == 0 {
        match task {
            Task::Load => sandbox::open_library_globals(lua, 1),
            Task::Script | Task::Function => to_resp::encode(lua),
        }
    } else {
        failure::reply_of(lua);
    }
    Ok(0)
}

/// Makes KEYS and ARGV of the desk's words, as globals, and keeps them for [`restore_globals`].
fn set_globals(lua: Lua) {
    let desk = lua.desk();
    let (count, globals) = (desk.spans.len(), usize::from(desk.outline.is_direct));
    let ranges = [0..desk.key_count, desk.key_count..count];
    let globals_of = &lua.shared().globals_of[globals];
    if desk.outline.reuses_words {
        for (table, range) in ranges.into_iter().enumerate() {
            fill_own(lua, table, range);
        }
        if desk.words_of.are_own_global[globals] && globals_of.get() == ptr::from_mut(desk) {
            return;
        }
    } else {
        for (table, range) in ranges.into_iter().enumerate() {
            push_words(lua, range);
            lua.raw_set_int(REGISTRY, desk.words_of.made[table]);
        }
    }
    for (name, table) in NAMES.into_iter().zip(desk.word_tables()) {
        lua.push_value(name);
        lua.raw_get_int(REGISTRY, table);
        lua.raw_set(GLOBALS[globals]);
    }
    desk.words_of.are_own_global[globals] = desk.outline.reuses_words;
    globals_of.set(desk);
}

/// Puts these words of the desk into a table that is used again.
fn fill_own(lua: Lua, table: usize, range: Range<usize>) {
    let (count, desk) = (range.len(), lua.desk());
    lua.raw_get_int(REGISTRY, desk.words_of.own[table]);
    let filled = desk.words_of.filled[table];
    // Should the memory end meanwhile, nothing that was put there is forgotten.
    desk.words_of.filled[table] = count.max(filled);
    for (place, index) in range.enumerate() {
        lua.push_bytes(lua.desk().args().get(index));
        lua.raw_set_int(-2, place as c_int + 1);
    }
    for place in count..filled {
        lua.push_nil();
        lua.raw_set_int(-2, place as c_int + 1);
    }
    lua.desk().words_of.filled[table] = count;
    lua.pop(1);
}

/// Pushes a table of these words of the desk.
fn push_words(lua: Lua, range: Range<usize>) {
    lua.new_table(range.len() as c_int, 0);
    for (place, index) in range.enumerate() {
        lua.push_bytes(lua.desk().args().get(index));
        lua.raw_set_int(-2, place as c_int + 1);
    }
}

/// Makes KEYS and ARGV those of this run again, if another has run since. Allocates nothing, so it raises nothing.
#[inline]
fn restore_globals(lua: Lua, desk: &mut Desk) {
    let globals = usize::from(desk.outline.is_direct);
    if desk.task == Task::Script && lua.shared().globals_of[globals].get() != ptr::from_mut(desk) {
        put_back_globals(lua, desk, globals);
    }
}

#[cold]
fn put_back_globals(lua: Lua, desk: &mut Desk, globals: usize) {
    let roots = lua.shared().roots.get();
    lua.raw_get_int(REGISTRY, [roots.script_globals, roots.direct_globals][globals]);
    for (name, table) in [roots.keys_name, roots.arguments_name].into_iter().zip(desk.word_tables()) {
        lua.raw_get_int(REGISTRY, name);
        lua.raw_get_int(REGISTRY, table);
        lua.raw_set(-3);
    }
    lua.pop(1);
    lua.shared().globals_of[globals].set(desk);
    desk.words_of.are_own_global[globals] = desk.outline.reuses_words;
}

/// Has the script wait for its caller's answer to `step`. An error if the answer is to end: then the value of the error is pushed.
#[inline]
pub(crate) fn wait(lua: Lua, step: Step) -> Result<Wake, Raised> {
    let shared = lua.shared();
    let wake = shared.desk().suspend(step);
    let desk = shared.desk();
    restore_globals(lua, desk);
    if matches!(wake, Wake::Kill) {
        desk.is_killed = true;
    }
    if desk.is_killed {
        return Err(kill(lua));
    }
    Ok(wake)
}

/// Pushes the error that ends the script, and sees to it that it is raised again after whatever catches it.
#[cold]
pub(crate) fn kill(lua: Lua) -> Raised {
    lua.set_hook(count_hook, 1);
    lua.desk().lua.set_hook(count_hook, 1);
    let text: &[u8] = match lua.desk().task {
        Task::Load => b"ERR FUNCTION LOAD timeout",
        Task::Function => b"ERR Script killed by user with FUNCTION KILL...",
        Task::Script => b"ERR Script killed by user with SCRIPT KILL...",
    };
    failure::push_error(lua, text);
    Raised
}

/// Called by Lua after so many instructions of a thread.
unsafe extern "C-unwind" fn count_hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with the thread that runs; the frame owns nothing.
    let lua = unsafe { Lua::new(state) };
    // A coroutine may have this from a run that was ended before it.
    lua.set_hook(count_hook, PAUSE_INSTRUCTIONS);
    let outcome = if lua.desk().is_killed { Err(kill(lua)) } else { wait(lua, Step::Pause).map(|_| ()) };
    if let Err(Raised) = outcome {
        // SAFETY: nothing is left to drop, and the error value is on top of the stack.
        unsafe { ffi::lua_error(state) }
    }
}
