//! Functions of the library `string` that scripts have in a bounded form.
//!
//! Lua's matcher recurses once for each item of a pattern (never for each byte of the subject), so a bound on the length of patterns bounds the
//! stack that it needs; `worker.rs` has the sum. `rep` of an empty string would run as long as it is told, without an instruction that a
//! hook could count.

use std::ffi::CStr;

use crate::base::original;
use crate::lua::{Lua, Outcome, exported, ffi};

/// Longest pattern. Redis has no such bound, and a stack of 8 MiB.
pub(crate) const PATTERN_BYTES_MAX: usize = 8_192;

/// Longest string that `rep` makes, the longest value of Redis.
const REPEATED_BYTES_MAX: usize = 512 << 20;

exported! {
    find = find_inner;
    pattern = pattern_inner;
    rep = rep_inner;
}

/// The functions whose second argument is a pattern; `find` is one that may take it literally.
const WITH_PATTERN: [&CStr; 4] = [c"match", c"gmatch", c"gfind", c"gsub"];

/// Changes the library `string`, which is on top of the stack.
pub(crate) fn amend(lua: Lua) {
    for name in WITH_PATTERN {
        lua.get_field(-1, name);
        lua.push_closure(pattern, 1);
        lua.set_field(-2, name);
    }
    lua.get_field(-1, c"find");
    lua.push_closure(find, 1);
    lua.set_field(-2, c"find");
    lua.push_function(rep);
    lua.set_field(-2, c"rep");
}

fn pattern_inner(lua: Lua) -> Outcome {
    if lua.kind(2) == ffi::LUA_TSTRING && lua.length(2) > PATTERN_BYTES_MAX {
        return Err(lua.error_here(b"pattern too complex"));
    }
    original(lua)
}

/// `find`, which takes its pattern literally if the fourth argument says so, and then does not recurse.
fn find_inner(lua: Lua) -> Outcome {
    if lua.top() >= 4 && lua.boolean(4) { original(lua) } else { pattern_inner(lua) }
}

fn rep_inner(lua: Lua) -> Outcome {
    let text = lua.check_bytes(1);
    let count = lua.check_number(2);
    let count = if count >= 1.0 { count as usize } else { 0 };
    let bytes = text.len().saturating_mul(count);
    if bytes > REPEATED_BYTES_MAX {
        return Err(lua.error_here(b"resulting string too large"));
    }
    if bytes == 0 {
        lua.push_bytes(b"");
        return Ok(1);
    }
    let memory = lua.new_memory(bytes).cast::<u8>();
    // SAFETY: the memory has `bytes` bytes, a multiple of the text's, and lies on Lua's stack; each part is written before it is read.
    let all = unsafe {
        memory.copy_from_nonoverlapping(text.as_ptr(), text.len());
        let mut done = text.len();
        while done < bytes {
            let part = done.min(bytes - done);
            memory.add(done).copy_from_nonoverlapping(memory, part);
            done += part;
        }
        std::slice::from_raw_parts(memory, bytes)
    };
    lua.push_bytes(all);
    Ok(1)
}
