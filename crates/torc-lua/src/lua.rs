//! A handle on a Lua thread: the C API of Lua 5.1 by names of this project, and the rules under which it is sound.
//!
//! Lua raises errors by `longjmp`. A jump skips the destructors of every Rust frame that it leaves, so the whole crate keeps to this:
//!
//! 1. A function that Lua calls is a *trampoline* made by [`exported!`]. It calls a Rust function that returns an [`Outcome`], and raises
//!    only when that function has returned and has dropped all it owned.
//! 2. Between a Lua call and its trampoline's end a frame owns nothing that needs to be dropped while it calls a method of [`Lua`] that
//!    may raise. Buffers belong to the [`Desk`](crate::desk::Desk) of the run, frames borrow them for a few lines.
//! 3. What may raise (whatever allocates) runs under [`Lua::protected_call`], or in a function that Lua called. Without either, Lua would abort.
//! 4. Indexes given to a method name slots that exist. Methods do not check it, as Lua does not.
//!
//! [`Lua::new`] is where a caller promises this; the methods rely on it.

use std::ffi::{CStr, c_int, c_void};
use std::slice;

pub(crate) use mlua_sys::lua51 as ffi;

use crate::desk::Desk;
use crate::interpreter::Shared;

/// That an error value lies on top of the stack, to be raised by the trampoline.
pub(crate) struct Raised;

/// How a function that Lua calls ends: with so many results on top of the stack, or with an error there.
pub(crate) type Outcome = Result<c_int, Raised>;

/// Index of upvalue `number` of the running C function, the first being 1.
pub(crate) const fn upvalue(number: c_int) -> c_int {
    ffi::lua_upvalueindex(number)
}

/// The table of references that scripts cannot reach.
pub(crate) const REGISTRY: c_int = ffi::LUA_REGISTRYINDEX;

/// Makes functions that Lua can call of functions that return an [`Outcome`].
macro_rules! exported {
    ($($(#[$meta:meta])* $name:ident = $inner:path;)*) => {$(
        $(#[$meta])*
        pub(crate) unsafe extern "C-unwind" fn $name(state: *mut $crate::lua::ffi::lua_State) -> std::ffi::c_int {
            // SAFETY: Lua calls this with the thread that runs; the frame owns nothing (rules 1 and 2 of `lua.rs`).
            let lua = unsafe { $crate::lua::Lua::new(state) };
            match $inner(lua) {
                Ok(results) => results,
                // SAFETY: the function has returned, so nothing is left to drop, and its error value is on top of the stack.
                Err($crate::lua::Raised) => unsafe { $crate::lua::ffi::lua_error(state) },
            }
        }
    )*};
}
pub(crate) use exported;

/// A Lua thread, usable under the rules of this file's head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lua(*mut ffi::lua_State);

/// Methods that wrap one function of the C API each.
macro_rules! wrapped {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)? = $function:ident;)*) => {
        impl Lua {$(
            $(#[$meta])*
            #[inline]
            pub(crate) fn $name(self, $($argument: $kind),*) $(-> $result)? {
                // SAFETY: the thread is alive, and the caller keeps to the rules of this file's head.
                unsafe { ffi::$function(self.0, $($argument),*) }
            }
        )*}
    };
}

wrapped! {
    /// How many slots the running function has in use.
    top() -> c_int = lua_gettop;
    set_top(index: c_int) = lua_settop;
    push_value(index: c_int) = lua_pushvalue;
    remove(index: c_int) = lua_remove;
    insert(index: c_int) = lua_insert;
    replace(index: c_int) = lua_replace;
    push_nil() = lua_pushnil;
    push_number(value: f64) = lua_pushnumber;
    push_light(pointer: *mut c_void) = lua_pushlightuserdata;
    push_closure(function: ffi::lua_CFunction, upvalues: c_int) = lua_pushcclosure;
    /// One of the `LUA_T*` constants.
    kind(index: c_int) -> c_int = lua_type;
    number(index: c_int) -> f64 = lua_tonumber;
    light(index: c_int) -> *mut c_void = lua_touserdata;
    c_function(index: c_int) -> Option<ffi::lua_CFunction> = lua_tocfunction;
    length(index: c_int) -> usize = lua_objlen;
    new_table(array: c_int, fields: c_int) = lua_createtable;
    new_memory(bytes: usize) -> *mut c_void = lua_newuserdata;
    raw_get(index: c_int) = lua_rawget_;
    raw_get_int(index: c_int, key: c_int) = lua_rawgeti_;
    raw_set(index: c_int) = lua_rawset;
    raw_set_int(index: c_int, key: c_int) = lua_rawseti_;
    set_metatable(index: c_int) -> c_int = lua_setmetatable;
    set_environment(index: c_int) -> c_int = lua_setfenv;
    push_environment(index: c_int) = lua_getfenv;
    push_thread() -> c_int = lua_pushthread;
    concat(values: c_int) = lua_concat;
    collect(what: c_int, data: c_int) -> c_int = lua_gc;
    call(arguments: c_int, results: c_int) = lua_call;
    /// Zero, or a status after which the error value is on top of the stack.
    protected_call(arguments: c_int, results: c_int, handler: c_int) -> c_int = lua_pcall;
    /// Pushes `file:line:` of the function `level` calls up.
    push_where(level: c_int) = luaL_where;
    check_kind(argument: c_int, kind: c_int) = luaL_checktype;
    check_any(argument: c_int) = luaL_checkany;
    check_number(argument: c_int) -> f64 = luaL_checknumber;
    /// A reference to the value on top of the stack, which it takes away.
    reference(table: c_int) -> c_int = luaL_ref;
    unreference(table: c_int, reference: c_int) = luaL_unref;
    new_thread() -> *mut ffi::lua_State = lua_newthread;
}

impl Lua {
    /// A handle on `state`.
    ///
    /// # Safety
    /// The thread is alive as long as the handle is used, nothing else runs on it meanwhile, and the frames that use it keep to the rules
    /// of this file's head.
    #[inline]
    pub(crate) unsafe fn new(state: *mut ffi::lua_State) -> Self {
        Self(state)
    }

    /// The thread itself.
    #[inline]
    pub(crate) fn state(self) -> *mut ffi::lua_State {
        self.0
    }

    /// What all threads of the interpreter share: the allocator's argument leads to it.
    #[inline]
    pub(crate) fn shared<'a>(self) -> &'a Shared {
        let mut shared = std::ptr::null_mut();
        // SAFETY: every Lua state of this crate is made with a pointer to its `Shared`, which outlives it.
        unsafe {
            ffi::lua_getallocf(self.0, &mut shared);
            &*shared.cast::<Shared>()
        }
    }

    /// The desk of the run that executes. A caller drops the borrow before the run suspends and before script code runs.
    #[inline]
    pub(crate) fn desk<'a>(self) -> &'a mut Desk {
        self.shared().desk()
    }

    /// Takes `count` values off the stack.
    #[inline]
    pub(crate) fn pop(self, count: c_int) {
        self.set_top(-count - 1);
    }

    /// Whether `slots` more fit on the stack, which then has them.
    #[inline]
    pub(crate) fn check_stack(self, slots: c_int) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_checkstack(self.0, slots) != 0 }
    }

    /// Moves the topmost `count` values to another thread, which has room for them.
    pub(crate) fn move_to(self, other: Lua, count: c_int) {
        // SAFETY: as for the methods made by `wrapped!`; both are threads of one interpreter.
        unsafe { ffi::lua_xmove(self.0, other.0, count) }
    }

    #[inline]
    pub(crate) fn push_boolean(self, value: bool) {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    /// Pushes a copy of `bytes` as a string.
    #[inline]
    pub(crate) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: as for the methods made by `wrapped!`; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a function without upvalues.
    #[inline]
    pub(crate) fn push_function(self, function: ffi::lua_CFunction) {
        self.push_closure(function, 0);
    }

    #[inline]
    pub(crate) fn boolean(self, index: c_int) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    /// The bytes of a string, or of a number, which becomes a string in its slot; valid while the value is on the stack.
    #[inline]
    pub(crate) fn bytes<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        // SAFETY: as for the methods made by `wrapped!`; Lua's strings do not move.
        unsafe {
            let start = ffi::lua_tolstring(self.0, index, &mut len);
            if start.is_null() { None } else { Some(slice::from_raw_parts(start.cast(), len)) }
        }
    }

    /// The bytes of a value that is a string, not a number.
    #[inline]
    pub(crate) fn string<'a>(self, index: c_int) -> Option<&'a [u8]> {
        if self.kind(index) == ffi::LUA_TSTRING { self.bytes(index) } else { None }
    }

    /// The bytes of argument `argument`, or Lua's own error.
    #[inline]
    pub(crate) fn check_bytes<'a>(self, argument: c_int) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: as for the methods made by `wrapped!`; what it returns is a string on the stack.
        unsafe { slice::from_raw_parts(ffi::luaL_checklstring(self.0, argument, &mut len).cast(), len) }
    }

    /// Whether a string or a number is there, as `lua_isstring` has it.
    #[inline]
    pub(crate) fn is_text(self, index: c_int) -> bool {
        matches!(self.kind(index), ffi::LUA_TSTRING | ffi::LUA_TNUMBER)
    }

    /// Whether a number is there, or a string that reads as one.
    #[inline]
    pub(crate) fn is_number(self, index: c_int) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    #[inline]
    pub(crate) fn is_none_or_nil(self, index: c_int) -> bool {
        self.kind(index) <= ffi::LUA_TNIL
    }

    #[inline]
    pub(crate) fn is_table(self, index: c_int) -> bool {
        self.kind(index) == ffi::LUA_TTABLE
    }

    #[inline]
    pub(crate) fn is_function(self, index: c_int) -> bool {
        self.kind(index) == ffi::LUA_TFUNCTION
    }

    /// Pushes field `name`, by metamethods if there are any.
    #[inline]
    pub(crate) fn get_field(self, index: c_int, name: &CStr) {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_getfield_(self.0, index, name.as_ptr()) }
    }

    /// Pushes field `name` without metamethods; `index` is not relative to the top.
    #[inline]
    pub(crate) fn raw_get_field(self, index: c_int, name: &[u8]) {
        self.push_bytes(name);
        self.raw_get(index);
    }

    /// Sets field `name` to the value on top of the stack, which it takes away.
    #[inline]
    pub(crate) fn set_field(self, index: c_int, name: &CStr) {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_setfield(self.0, index, name.as_ptr()) }
    }

    /// Pushes the metatable, if there is one.
    #[inline]
    pub(crate) fn get_metatable(self, index: c_int) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_getmetatable(self.0, index) != 0 }
    }

    /// Pushes a field of the metatable, if there are both.
    #[inline]
    pub(crate) fn get_metafield(self, index: c_int, name: &CStr) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::luaL_getmetafield_(self.0, index, name.as_ptr()) != 0 }
    }

    /// Replaces the key on top by the key and value that follow it, or by nothing at the table's end.
    #[inline]
    pub(crate) fn next(self, index: c_int) -> bool {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe { ffi::lua_next(self.0, index) != 0 }
    }

    /// Lua's error for an argument; raises at once, by rule 2 nothing is pending.
    #[cold]
    pub(crate) fn bad_argument(self, argument: c_int, message: &CStr) -> ! {
        // SAFETY: as for the methods made by `wrapped!`; it does not return.
        unsafe {
            ffi::luaL_argerror(self.0, argument, message.as_ptr());
        }
        unreachable!("luaL_argerror raises");
    }

    /// An error of `message` with the place of the caller before it, as `luaL_error` makes it.
    #[cold]
    pub(crate) fn error_here(self, message: &[u8]) -> Raised {
        self.push_where(1);
        self.push_bytes(message);
        self.concat(2);
        Raised
    }

    /// Calls the function another C function would be, in this frame.
    #[inline]
    pub(crate) fn continue_in(self, function: ffi::lua_CFunction) -> c_int {
        // SAFETY: a C function of Lua's libraries runs in the frame of the one that Lua called, with the same arguments.
        unsafe { function(self.0) }
    }

    /// Has `hook` called after every `count` instructions of this thread.
    pub(crate) fn set_hook(self, hook: ffi::lua_Hook, count: c_int) {
        // SAFETY: as for the methods made by `wrapped!`.
        unsafe {
            ffi::lua_sethook(self.0, Some(hook), ffi::LUA_MASKCOUNT, count);
        }
    }

    /// Where the function `level` calls up is, unless the stack is lower: what kind it is, its source and its current line.
    pub(crate) fn place<'a>(self, level: c_int) -> Option<(&'a CStr, &'a CStr, c_int)> {
        let mut record = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
        // SAFETY: Lua fills the record in; its strings belong to the function, which stays on the stack.
        unsafe {
            if ffi::lua_getstack(self.0, level, record.as_mut_ptr()) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.0, c"Sl".as_ptr(), record.as_mut_ptr());
            let record = record.assume_init();
            Some((CStr::from_ptr(record.what), CStr::from_ptr(record.source), record.currentline))
        }
    }
}
