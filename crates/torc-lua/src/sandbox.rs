//! The globals of scripts, and why no script can change what another sees.
//!
//! Lua 5.1 has no read-only tables. Redis has patched them in; here each shared table is a *proxy*:
//!
//! ```text
//!   redis --> {}  (what scripts hold; always empty)
//!             metatable  [1] = hidden table { call=, pcall=, ... }     read by __index
//!                        [2] = the mark of proxies
//!                        [3] = what getmetatable shows: nil, or a proxy
//!                        __newindex = the error
//! ```
//! Every write misses the empty table and ends in the error. No script gets hold of a hidden table or of a proxy's metatable: all functions
//! that see tables without metamethods are replaced. `rawset`, `table.insert` and `setmetatable` refuse a proxy; `next`, `pairs`, `rawget` and
//! `table.foreach` read the hidden table through it; `getmetatable` shows `[3]`. What else reads raw (`#`, `ipairs`, `unpack`, `table.concat`,
//! `table.sort`, `table.remove`) finds an empty table and writes nothing. The metatable of strings, through which one script could have given
//! all others its own methods (CVE-2025-46818), is shown as a proxy; no other basic type has one, and none can be set without `debug`.
//!
//! There are no finalizers: `newproxy` is absent, so that no script code runs in the collector (CVE-2024-46981).
//!
//! A script whose compiled form tells that it cannot get hold of a shared table (`outline.rs`) has the hidden tables without proxies:
//! the direct globals.
//!
//! Globals: those of EVAL have KEYS and ARGV. Functions of libraries have theirs without. Each library has a proxy of its own, which leads to
//! `redis.register_function` and little else while it is loaded, and to the globals of functions afterwards.

use std::ffi::{CStr, c_int, c_void};

use crate::interpreter::{Roots, field_names};
use crate::lua::{Lua, Outcome, REGISTRY, Raised, exported, ffi};
use crate::{api, base, failure, library, outline, random, strings};

/// The error of every write to a shared table.
pub(crate) const READ_ONLY: &[u8] = b"Attempt to modify a readonly table";

/// Slots of a proxy's metatable.
const HIDDEN: c_int = 1;
const MARK: c_int = 2;
const SHOWN: c_int = 3;

/// Its address is the mark.
static MARK_ADDRESS: u8 = 0;

fn mark() -> *mut c_void {
    std::ptr::from_ref(&MARK_ADDRESS).cast_mut().cast()
}

/// What scripts keep of Lua's basic functions; the others are replaced by those of [`base::FUNCTIONS`], or absent.
const KEPT: [&CStr; 11] = [
    c"tostring",
    c"assert",
    c"tonumber",
    c"rawequal",
    c"coroutine",
    c"type",
    c"select",
    c"gcinfo",
    c"ipairs",
    c"_VERSION",
    c"error",
];

/// What they keep if they are to: later versions of Redis leave these out, and so `newproxy`.
const DEPRECATED: [&CStr; 2] = [c"getfenv", c"setfenv"];

/// Lua's own libraries; `coroutine` comes with the first.
const OF_LUA: [(&CStr, ffi::lua_CFunction); 5] = [
    (c"", ffi::luaopen_base),
    (c"table", ffi::luaopen_table),
    (c"string", ffi::luaopen_string),
    (c"math", ffi::luaopen_math),
    (c"os", ffi::luaopen_os),
];

/// Pushes the table of a library.
type Open = unsafe fn(*mut ffi::lua_State);

/// The libraries written for scripts.
const OF_SCRIPTS: [(&CStr, Open); 4] = [
    (c"cjson", library::cjson::open),
    (c"cmsgpack", library::cmsgpack::open),
    (c"struct", library::structs::open),
    (c"bit", library::bit::open),
];

/// Whether the value at `index` is a proxy.
pub(crate) fn is_proxy(lua: Lua, index: c_int) -> bool {
    if !lua.is_table(index) || !lua.get_metatable(index) {
        return false;
    }
    let is_proxy = top_is_of_proxy(lua);
    lua.pop(1);
    is_proxy
}

/// Whether the metatable on top of the stack is a proxy's.
fn top_is_of_proxy(lua: Lua) -> bool {
    lua.raw_get_int(-1, MARK);
    let is_marked = lua.light(-1) == mark();
    lua.pop(1);
    is_marked
}

/// Puts the hidden table in the place of a proxy that is argument `index`.
pub(crate) fn see_through(lua: Lua, index: c_int) {
    if lua.is_table(index) && lua.get_metatable(index) {
        if top_is_of_proxy(lua) {
            lua.raw_get_int(-1, HIDDEN);
            lua.replace(index);
        }
        lua.pop(1);
    }
}

/// Replaces the metatable on top of the stack by what scripts are shown of it.
pub(crate) fn show_metatable(lua: Lua) {
    if top_is_of_proxy(lua) {
        lua.raw_get_int(-1, SHOWN);
        lua.remove(-2);
    }
}

/// Replaces the table on top of the stack by a proxy of it.
fn protect(lua: Lua) {
    lua.new_table(0, 0);
    lua.new_table(3, 2);
    lua.push_value(-3);
    lua.raw_set_int(-2, HIDDEN);
    lua.push_light(mark());
    lua.raw_set_int(-2, MARK);
    lua.push_value(-3);
    lua.set_field(-2, c"__index");
    lua.push_function(read_only);
    lua.set_field(-2, c"__newindex");
    lua.set_metatable(-2);
    lua.remove(-2);
}

/// Has the table on top of the stack raise an error when a name is looked up that it does not have.
fn refuse_unknown(lua: Lua) {
    lua.new_table(0, 1);
    lua.push_function(unknown);
    lua.set_field(-2, c"__index");
    lua.set_metatable(-2);
}

/// Has `getmetatable` show a proxy of `{__index=}` for the proxy on top of the stack.
fn show_refusal(lua: Lua) {
    lua.get_metatable(-1);
    lua.new_table(0, 1);
    lua.push_function(unknown);
    lua.set_field(-2, c"__index");
    protect(lua);
    lua.raw_set_int(-2, SHOWN);
    lua.pop(1);
}

exported! {
    read_only = read_only_inner;
    unknown = unknown_inner;
    /// Makes the sandbox in a new state.
    install = install_inner;
}

fn read_only_inner(lua: Lua) -> Outcome {
    Err(lua.error_here(READ_ONLY))
}

fn unknown_inner(lua: Lua) -> Outcome {
    if !lua.is_text(2) {
        return Err(lua.error_here(b"Second argument to luaProtectedTableError must be a string or number"));
    }
    lua.push_where(1);
    lua.push_bytes(b"Script attempted to access nonexistent global variable '");
    let name = failure::until_nul(lua.bytes(2).unwrap_or_default());
    lua.push_bytes(name);
    lua.push_bytes(b"'");
    lua.concat(4);
    Err(Raised)
}

fn install_inner(lua: Lua) -> Outcome {
    for (name, open) in OF_LUA {
        lua.push_function(open);
        lua.push_bytes(name.to_bytes());
        lua.call(1, 0);
    }
    // References that are freed are chained from slot 0 of the registry. With a number in it the slot exists for good, so that to free a
    // reference allocates nothing, and may be done where errors cannot be raised.
    lua.push_number(0.0);
    lua.raw_set_int(REGISTRY, 0);

    let mut roots = Roots::default();
    lua.get_field(ffi::LUA_GLOBALSINDEX, c"tostring");
    roots.to_text = lua.reference(REGISTRY);
    lua.push_function(failure::handler);
    roots.handler = lua.reference(REGISTRY);
    for (slot, name) in roots.fields.iter_mut().zip(field_names()) {
        lua.push_bytes(name);
        *slot = lua.reference(REGISTRY);
    }
    lua.push_bytes(b"KEYS");
    roots.keys_name = lua.reference(REGISTRY);
    lua.push_bytes(b"ARGV");
    roots.arguments_name = lua.reference(REGISTRY);

    push_shared_tables(lua, &mut roots);
    let tables = lua.top();
    make_globals(lua, tables, true, &mut roots.script_globals, &mut roots.script_proxy);
    make_globals(lua, tables, false, &mut roots.function_globals, &mut roots.function_proxy);
    make_direct_globals(lua, &mut roots);
    make_load_globals(lua, &mut roots);
    lua.shared().roots.set(roots);
    Ok(0)
}

/// Pushes a table of the proxies that all globals have: the libraries, each changed as scripts may have it.
fn push_shared_tables(lua: Lua, roots: &mut Roots) {
    lua.new_table(0, 16);
    for name in [c"string", c"table", c"math", c"coroutine"] {
        lua.get_field(ffi::LUA_GLOBALSINDEX, name);
        match name.to_bytes() {
            b"string" => strings::amend(lua),
            b"table" => base::amend_table(lua),
            b"math" => set_functions(lua, &[(c"random", random), (c"randomseed", random_seed)]),
            _ => set_functions(lua, &[(c"running", base::running)]),
        }
        protect(lua);
        lua.set_field(-2, name);
    }
    lua.new_table(0, 1);
    lua.get_field(ffi::LUA_GLOBALSINDEX, c"os");
    lua.get_field(-1, c"clock");
    lua.remove(-2);
    lua.set_field(-2, c"clock");
    protect(lua);
    lua.set_field(-2, c"os");
    for (name, open) in OF_SCRIPTS {
        // SAFETY: this runs in a protected call, and has room for the library's table.
        unsafe { open(lua.state()) };
        protect(lua);
        lua.set_field(-2, name);
    }

    // What `getmetatable("")` shows: a proxy of a copy whose __index is the proxy of `string`, as the original's is the hidden table.
    lua.new_table(0, 1);
    lua.get_field(-2, c"string");
    lua.set_field(-2, c"__index");
    protect(lua);
    roots.string_metatable = lua.reference(REGISTRY);
}

exported! {
    random = random::random;
    random_seed = random::seed;
}

/// Makes hidden globals, and a proxy of them, of the shared tables at `tables`.
fn make_globals(lua: Lua, tables: c_int, is_script: bool, globals: &mut c_int, proxy: &mut c_int) {
    lua.new_table(0, 64);
    let hidden = lua.top();
    let deprecated = DEPRECATED.into_iter().filter(|_| lua.shared().options.has_deprecated);
    for name in KEPT.into_iter().chain(deprecated) {
        lua.get_field(ffi::LUA_GLOBALSINDEX, name);
        lua.set_field(hidden, name);
    }
    set_functions(lua, base::FUNCTIONS);
    lua.push_nil();
    while lua.next(tables) {
        lua.push_value(-2);
        lua.insert(-2);
        lua.raw_set(hidden);
    }
    for (name, is_server) in [(c"redis", false), (c"server", true)] {
        api::push(lua, is_script, is_server);
        protect(lua);
        lua.set_field(hidden, name);
    }
    refuse_unknown(lua);
    lua.push_value(hidden);
    protect(lua);
    show_refusal(lua);
    lua.push_value(-1);
    lua.set_field(hidden, c"_G");
    *proxy = lua.reference(REGISTRY);
    *globals = lua.reference(REGISTRY);
}

/// What a script reads of a shared table it may keep: nothing that can be changed is in the table on top of the stack.
fn assert_is_flat(lua: Lua) {
    let table = lua.top();
    lua.push_nil();
    while lua.next(table) {
        assert!(
            !matches!(lua.kind(-1), ffi::LUA_TTABLE | ffi::LUA_TUSERDATA | ffi::LUA_TTHREAD),
            "shared tables are flat"
        );
        lua.pop(1);
    }
}

/// Makes the globals of scripts that cannot get hold of the tables in them: without proxies, and without what leads to the globals.
fn make_direct_globals(lua: Lua, roots: &mut Roots) {
    lua.new_table(0, 64);
    let direct = lua.top();
    lua.raw_get_int(REGISTRY, roots.script_globals);
    lua.push_nil();
    while lua.next(direct + 1) {
        let name = lua.string(-2).unwrap_or_default();
        if outline::is_leading(name) {
            lua.pop(1);
            continue;
        }
        let is_shared = is_proxy(lua, -1);
        assert_eq!(is_shared, outline::SHARED.contains(&name), "the outline knows which globals are shared tables");
        if is_shared {
            lua.get_metatable(-1);
            lua.raw_get_int(-1, HIDDEN);
            lua.replace(-3);
            lua.pop(1);
            assert_is_flat(lua);
        }
        lua.push_value(-2);
        lua.insert(-2);
        lua.raw_set(direct);
    }
    lua.set_top(direct);
    refuse_unknown(lua);
    roots.direct_globals = lua.reference(REGISTRY);
}

/// Makes what a library sees while it is loaded.
fn make_load_globals(lua: Lua, roots: &mut Roots) {
    lua.new_table(0, 2);
    for (name, is_server) in [(c"redis", false), (c"server", true)] {
        api::push_for_loading(lua, is_server);
        refuse_unknown(lua);
        protect(lua);
        lua.set_field(-2, name);
    }
    refuse_unknown(lua);
    roots.load_globals = lua.reference(REGISTRY);
}

/// Pushes the globals of a new library, as it is loaded.
pub(crate) fn push_library_globals(lua: Lua) {
    lua.raw_get_int(REGISTRY, lua.shared().roots.get().load_globals);
    protect(lua);
}

/// Gives the library whose globals are at `index` those of functions, now that it has been loaded.
pub(crate) fn open_library_globals(lua: Lua, index: c_int) {
    lua.get_metatable(index);
    lua.raw_get_int(REGISTRY, lua.shared().roots.get().function_globals);
    lua.push_value(-1);
    lua.raw_set_int(-3, HIDDEN);
    lua.set_field(-2, c"__index");
    lua.pop(1);
}

/// Puts functions into the table on top of the stack.
pub(crate) fn set_functions(lua: Lua, functions: &[(&CStr, ffi::lua_CFunction)]) {
    for (name, function) in functions {
        lua.push_function(*function);
        lua.set_field(-2, name);
    }
}
