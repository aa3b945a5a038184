//! Lua's basic functions where scripts have other ones than Lua's own.
//!
//! Most replace what would see a proxy's inside (see `sandbox.rs`). `pcall` gives what is caught as Redis does; `unpack` has bounds that cannot
//! overflow (CVE-2025-46817); `load` and `loadstring` take text alone; `collectgarbage` cannot stop the collector that all scripts share.

use std::ffi::{CStr, c_int};

use crate::interpreter::Shared;
use crate::lua::{Lua, Outcome, REGISTRY, Raised, exported, ffi, upvalue};
use crate::run::Step;
use crate::{loading, sandbox, worker};

exported! {
    next = next_inner;
    pairs = pairs_inner;
    rawget = rawget_inner;
    rawset = rawset_inner;
    getmetatable = getmetatable_inner;
    setmetatable = setmetatable_inner;
    pcall = pcall_inner;
    xpcall = xpcall_inner;
    guarded_handler = guarded_handler_inner;
    unpack = unpack_inner;
    load = load_inner;
    loadstring = loadstring_inner;
    collectgarbage = collectgarbage_inner;
    /// `coroutine.running`.
    running = running_inner;
    insert = insert_inner;
    foreach = foreach_inner;
}

/// The functions that replace Lua's own.
pub(crate) const FUNCTIONS: &[(&CStr, ffi::lua_CFunction)] = &[
    (c"next", next),
    (c"pairs", pairs),
    (c"rawget", rawget),
    (c"rawset", rawset),
    (c"getmetatable", getmetatable),
    (c"setmetatable", setmetatable),
    (c"pcall", pcall),
    (c"xpcall", xpcall),
    (c"unpack", unpack),
    (c"load", load),
    (c"loadstring", loadstring),
    (c"collectgarbage", collectgarbage),
];

/// Changes the library `table`, which is on top of the stack.
pub(crate) fn amend_table(lua: Lua) {
    for (name, function) in [(c"insert", insert as ffi::lua_CFunction), (c"foreach", foreach)] {
        lua.get_field(-1, name);
        lua.push_closure(function, 1);
        lua.set_field(-2, name);
    }
}

/// Goes on in the function that upvalue 1 is: the one that is replaced.
pub(crate) fn original(lua: Lua) -> Outcome {
    let function = lua.c_function(upvalue(1)).expect("the upvalue is a C function");
    Ok(lua.continue_in(function))
}

/// Refuses a proxy as first argument.
fn refuse_proxy(lua: Lua) -> Result<(), Raised> {
    if sandbox::is_proxy(lua, 1) {
        lua.push_bytes(sandbox::READ_ONLY);
        return Err(Raised);
    }
    Ok(())
}

fn insert_inner(lua: Lua) -> Outcome {
    refuse_proxy(lua)?;
    original(lua)
}

fn foreach_inner(lua: Lua) -> Outcome {
    sandbox::see_through(lua, 1);
    original(lua)
}

fn next_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    lua.set_top(2);
    sandbox::see_through(lua, 1);
    if lua.next(1) {
        return Ok(2);
    }
    lua.push_nil();
    Ok(1)
}

fn pairs_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    lua.push_function(next);
    lua.push_value(1);
    lua.push_nil();
    Ok(3)
}

fn rawget_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    lua.check_any(2);
    lua.set_top(2);
    sandbox::see_through(lua, 1);
    lua.raw_get(1);
    Ok(1)
}

fn rawset_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    lua.check_any(2);
    lua.check_any(3);
    refuse_proxy(lua)?;
    lua.set_top(3);
    lua.raw_set(1);
    Ok(1)
}

fn getmetatable_inner(lua: Lua) -> Outcome {
    lua.check_any(1);
    if lua.kind(1) == ffi::LUA_TSTRING {
        lua.raw_get_int(REGISTRY, lua.shared().roots.get().string_metatable);
    } else if !lua.get_metatable(1) {
        lua.push_nil();
    } else if !lua.get_metafield(1, c"__metatable") {
        sandbox::show_metatable(lua);
    }
    Ok(1)
}

fn setmetatable_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    if !matches!(lua.kind(2), ffi::LUA_TNIL | ffi::LUA_TTABLE) {
        lua.bad_argument(2, c"nil or table expected");
    }
    refuse_proxy(lua)?;
    if lua.get_metafield(1, c"__metatable") {
        return Err(lua.error_here(b"cannot change a protected metatable"));
    }
    lua.set_top(2);
    lua.set_metatable(1);
    Ok(1)
}

/// `pcall`, which gives the message of an error table and not the table, as scripts written for Redis 6 expect.
fn pcall_inner(lua: Lua) -> Outcome {
    lua.check_any(1);
    let arguments = lua.top() - 1;
    lua.push_boolean(true);
    lua.insert(1);
    if lua.protected_call(arguments, ffi::LUA_MULTRET, 0) == 0 {
        return Ok(lua.top());
    }
    if lua.desk().is_killed {
        return Err(Raised);
    }
    lua.remove(1);
    if lua.is_table(-1) && lua.check_stack(2) {
        lua.get_field(-1, c"err");
        if lua.is_text(-1) {
            lua.replace(-2);
        } else {
            lua.pop(1);
        }
    }
    lua.push_boolean(false);
    lua.insert(1);
    Ok(lua.top())
}

/// `xpcall`, whose handler does not run when the script is being ended: that error is raised in a hook, where Lua counts no instructions, so
/// nothing could end a handler that loops.
fn xpcall_inner(lua: Lua) -> Outcome {
    lua.check_any(2);
    lua.set_top(2);
    lua.push_closure(guarded_handler, 1);
    lua.insert(1);
    let is_done = lua.protected_call(0, ffi::LUA_MULTRET, 1) == 0;
    if !is_done && lua.desk().is_killed {
        return Err(Raised);
    }
    lua.push_boolean(is_done);
    lua.replace(1);
    Ok(lua.top())
}

fn guarded_handler_inner(lua: Lua) -> Outcome {
    if !lua.desk().is_killed {
        lua.push_value(upvalue(1));
        lua.insert(1);
        lua.call(lua.top() - 1, 1);
    }
    Ok(1)
}

/// An index that a script has given: 64 bits hold it, or it is beyond every table.
fn index_of(lua: Lua, argument: c_int) -> i64 {
    (lua.check_number(argument) as i64).clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

fn unpack_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TTABLE);
    let first = if lua.is_none_or_nil(2) { 1 } else { index_of(lua, 2) };
    let last = if lua.is_none_or_nil(3) { lua.length(1) as i64 } else { index_of(lua, 3) };
    if first > last {
        return Ok(0);
    }
    // Of 64 bits, of indexes of 32: it cannot overflow.
    let count = last - first + 1;
    if count > i64::from(c_int::MAX) || !lua.check_stack(count as c_int) {
        return Err(lua.error_here(b"too many results to unpack"));
    }
    for index in first..=last {
        lua.raw_get_int(1, index as c_int);
    }
    Ok(count as c_int)
}

/// Compiles the text at `text` under the name at `name`: a function, or nil and a message.
fn load_text(lua: Lua, text: &[u8], name: c_int) -> Outcome {
    // The string of the name ends by a zero byte; what lies behind one within it is no part of the name.
    let name = lua.bytes(name).unwrap_or_default();
    // SAFETY: Lua puts a zero byte behind every string, and the string is on the stack.
    let name = unsafe { CStr::from_ptr(name.as_ptr().cast()) };
    // The parser makes a string of the name up to its first zero byte: that one is to stay on the stack.
    lua.push_bytes(name.to_bytes());
    if loading::load(lua, text, name) == 0 {
        return Ok(1);
    }
    lua.push_nil();
    lua.insert(-2);
    Ok(2)
}

fn loadstring_inner(lua: Lua) -> Outcome {
    let text = lua.check_bytes(1);
    lua.set_top(2);
    if lua.is_none_or_nil(2) {
        lua.push_value(1);
        lua.replace(2);
    }
    lua.check_bytes(2);
    load_text(lua, text, 2)
}

/// `load`: collects the pieces first, so that no script code runs while the parser does.
fn load_inner(lua: Lua) -> Outcome {
    lua.check_kind(1, ffi::LUA_TFUNCTION);
    lua.set_top(2);
    if lua.is_none_or_nil(2) {
        lua.push_bytes(b"=(load)");
        lua.replace(2);
    }
    lua.check_bytes(2);
    lua.new_table(0, 0);
    let (mut count, mut bytes) = (0, 0);
    loop {
        lua.push_value(1);
        if lua.protected_call(0, 1, 0) != 0 {
            if lua.desk().is_killed {
                return Err(Raised);
            }
            lua.push_nil();
            lua.insert(-2);
            return Ok(2);
        }
        if lua.kind(-1) == ffi::LUA_TNIL {
            break;
        }
        if !lua.is_text(-1) {
            lua.push_nil();
            lua.push_bytes(b"reader function must return a string");
            return Ok(2);
        }
        let len = lua.bytes(-1).map_or(0, <[u8]>::len);
        if len == 0 {
            break;
        }
        (count, bytes) = (count + 1, bytes + len);
        if bytes > loading::SOURCE_BYTES_MAX {
            lua.push_nil();
            lua.push_bytes(loading::TOO_LONG);
            return Ok(2);
        }
        lua.raw_set_int(3, count);
    }
    lua.pop(1);
    let text = join(lua, 3, count, bytes);
    load_text(lua, text, 2)
}

/// Pushes memory that has the strings 1 to `count` of a table in it, one behind another.
fn join<'a>(lua: Lua, table: c_int, count: c_int, bytes: usize) -> &'a [u8] {
    let memory = lua.new_memory(bytes).cast::<u8>();
    // SAFETY: the memory has `bytes` bytes, lies on Lua's stack, and nobody else has it; zeros make it valid to read.
    let all = unsafe {
        memory.write_bytes(0, bytes);
        std::slice::from_raw_parts_mut(memory, bytes)
    };
    let mut end = 0;
    for index in 1..=count {
        lua.raw_get_int(table, index);
        let piece = lua.bytes(-1).unwrap_or_default();
        all[end..end + piece.len()].copy_from_slice(piece);
        end += piece.len();
        lua.pop(1);
    }
    all
}

/// `collectgarbage`: a whole collection goes by steps between which the script pauses; what would change how the collector of all scripts works
/// has no effect.
fn collectgarbage_inner(lua: Lua) -> Outcome {
    let option = if lua.is_none_or_nil(1) { b"collect" } else { lua.check_bytes(1) };
    match option {
        b"count" => lua.push_number(used_kilobytes(lua.shared())),
        b"collect" => {
            // The first cycle may have begun before some of the garbage existed.
            for _ in 0..2 {
                while lua.collect(ffi::LUA_GCSTEP, COLLECT_STEP) == 0 {
                    worker::wait(lua, Step::Pause)?;
                }
            }
            lua.push_number(0.0);
        }
        b"step" => {
            let is_end = lua.collect(ffi::LUA_GCSTEP, 0) != 0;
            lua.push_boolean(is_end);
        }
        b"stop" | b"restart" | b"setpause" | b"setstepmul" => lua.push_number(0.0),
        _ => {
            lua.push_bytes(b"invalid option '");
            lua.push_value(1);
            lua.push_bytes(b"'");
            lua.concat(3);
            let message = lua.bytes(-1).unwrap_or_default();
            // SAFETY: Lua puts a zero byte behind every string, and the string is on the stack.
            let message = unsafe { CStr::from_ptr(message.as_ptr().cast()) };
            lua.bad_argument(1, message);
        }
    }
    Ok(1)
}

/// How much one step of `collectgarbage("collect")` does, in Lua's unit (about a kibibyte each).
const COLLECT_STEP: c_int = 256;

fn used_kilobytes(shared: &Shared) -> f64 {
    shared.memory.used() as f64 / 1024.0
}

/// `coroutine.running`: nil in the script itself. Its Lua thread is used again by other runs, so no script may hold it.
fn running_inner(lua: Lua) -> Outcome {
    if lua == lua.desk().lua {
        lua.push_nil();
    } else {
        lua.push_thread();
    }
    Ok(1)
}
