//! An interpreter with the libraries and nothing else, for their tests and their fuzz target.

#![allow(dead_code)] // Each user has its own part of this.

use mlua_sys as ffi;
use std::ffi::CStr;
use torc_lua::library::{bit, cjson, cmsgpack, structs};

/// Shows what comes of the chunk in `ARGV[1]`.
pub const SHOW: &str = include_str!("show.lua");
const PROPERTIES: &str = include_str!("properties.lua");

/// An interpreter.
pub struct Lua {
    state: *mut ffi::lua_State,
}

impl Lua {
    /// One with the libraries of Lua and those of this crate.
    pub fn new() -> Self {
        // SAFETY: a new state, which only this has; `open` is called in a protected call.
        unsafe {
            let state = ffi::luaL_newstate();
            assert!(!state.is_null());
            assert_eq!(ffi::lua_cpcall(state, open, std::ptr::null_mut()), 0);
            Lua { state }
        }
    }

    /// Runs a program with one argument. The text is what it returns, or why it failed.
    pub fn run(&self, program: &str, argument: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        // SAFETY: the state is alive, and its stack is empty before and after.
        unsafe {
            ffi::lua_createtable(self.state, 0, 0);
            ffi::lua_pushlstring_(self.state, argument.as_ptr().cast(), argument.len());
            ffi::lua_rawseti_(self.state, -2, 1);
            ffi::lua_setfield(self.state, ffi::LUA_GLOBALSINDEX, c"ARGV".as_ptr());
            let name = c"=program".as_ptr();
            let mut status = ffi::luaL_loadbuffer(self.state, program.as_ptr().cast(), program.len(), name);
            if status == 0 {
                status = ffi::lua_pcall(self.state, 0, 1, 0);
            }
            let mut length = 0;
            let start = ffi::lua_tolstring(self.state, -1, &mut length);
            let text = if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), length) };
            let text = text.to_vec();
            ffi::lua_settop(self.state, 0);
            if status == 0 { Ok(text) } else { Err(text) }
        }
    }

    /// What comes of a chunk, as `show.lua` shows it.
    pub fn show(&self, chunk: &[u8]) -> String {
        match self.run(SHOW, chunk) {
            Ok(text) => String::from_utf8(text).expect("only text is shown"),
            Err(error) => panic!("{}", error.escape_ascii()),
        }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: nothing else has the state.
        unsafe { ffi::lua_close(self.state) }
    }
}

unsafe extern "C-unwind" fn open(state: *mut ffi::lua_State) -> i32 {
    // SAFETY: called by Lua with its state, in a protected call, with 20 slots.
    unsafe { open_libraries(state) };
    0
}

/// Opens the libraries of Lua and those of this crate.
///
/// # Safety
/// The state is alive, in a protected call, with 20 slots.
pub unsafe fn open_libraries(state: *mut ffi::lua_State) {
    type Open = unsafe fn(*mut ffi::lua_State);
    let libraries: [(&CStr, Open); 4] =
        [(c"cjson", cjson::open), (c"cmsgpack", cmsgpack::open), (c"struct", structs::open), (c"bit", bit::open)];
    // SAFETY: the caller answers for the state.
    unsafe {
        ffi::luaL_openlibs(state);
        for (name, open) in libraries {
            let before = ffi::lua_gettop(state);
            open(state);
            assert_eq!(ffi::lua_gettop(state), before + 1, "a table and nothing else");
            ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, name.as_ptr());
        }
    }
}

/// Checks every property on `bytes`, in a state that ends with the check: what were left of it would be found as a leak.
pub fn check(bytes: &[u8]) {
    if let Err(error) = Lua::new().run(PROPERTIES, bytes) {
        panic!("{}: {}", error.escape_ascii(), bytes.escape_ascii());
    }
}
