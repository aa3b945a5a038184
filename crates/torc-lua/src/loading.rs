//! Text to functions.
//!
//! Text alone: a chunk that begins like compiled code is read as text, and so is a syntax error. The parser keeps the chunk's name in a string
//! that nothing marks until its first function exists (CVE-2025-49844), so the same string lies on the stack while it works; and
//! no script code runs while it reads, since `load` collects its pieces beforehand.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use crate::interpreter::Shared;
use crate::lua::{Lua, Outcome, REGISTRY, exported, ffi};
use crate::outline::{self, Outline};
use crate::sandbox;

/// Longest text. Lua counts the signs of equality in long brackets and the characters of a token with 32 bits (CVE-2025-46819).
pub(crate) const SOURCE_BYTES_MAX: usize = 256 << 20;

/// What is said of a longer one.
pub(crate) const TOO_LONG: &[u8] = b"chunk has too many bytes";

/// A text that the parser reads, as one piece behind a space if it begins like compiled code.
struct Source<'a> {
    text: &'a [u8],
    needs_space: bool,
}

/// Compiles `text`: pushes a function, or a message, and returns a status. `name` is a string on the stack, and stays there.
pub(crate) fn load(lua: Lua, text: &[u8], name: &CStr) -> c_int {
    if text.len() > SOURCE_BYTES_MAX {
        lua.push_bytes(TOO_LONG);
        return ffi::LUA_ERRSYNTAX;
    }
    let mut source = Source { text, needs_space: text.first() == Some(&ffi::LUA_SIGNATURE[0]) };
    // SAFETY: `read` gets a pointer to `source`, which outlives the call; the name ends by a zero byte.
    unsafe { ffi::lua_load(lua.state(), read, ptr::from_mut(&mut source).cast(), name.as_ptr()) }
}

/// Gives the parser its next piece. Runs no script code and raises nothing.
unsafe extern "C-unwind" fn read(_: *mut ffi::lua_State, source: *mut c_void, len: *mut usize) -> *const c_char {
    // SAFETY: `load` passes its `Source`; Lua passes where the length goes.
    unsafe {
        let source = &mut *source.cast::<Source<'_>>();
        if std::mem::take(&mut source.needs_space) {
            *len = 1;
            return c" ".as_ptr();
        }
        let text = std::mem::take(&mut source.text);
        *len = text.len();
        text.as_ptr().cast()
    }
}

/// A reference to the function and its outline; or a message.
type Compiled = Result<(c_int, Outline), (*const u8, usize)>;

/// What [`compile_inner`] is told, and what it tells.
struct Request<'a> {
    name: &'a CStr,
    text: &'a [u8],
    is_library: bool,
    result: Option<Compiled>,
}

/// A reference to the function of a script's text, and what is known of its globals.
pub(crate) fn compile(shared: &Shared, name: &CStr, text: &[u8]) -> Result<(c_int, Outline), Vec<u8>> {
    compile_as(shared, name, text, false)
}

/// A reference to the function of a library's text, which has globals of its own.
pub(crate) fn compile_library(shared: &Shared, text: &[u8]) -> Result<c_int, Vec<u8>> {
    compile_as(shared, c"@user_function", text, true).map(|(function, _)| function)
}

fn compile_as(shared: &Shared, name: &CStr, text: &[u8], is_library: bool) -> Result<(c_int, Outline), Vec<u8>> {
    let mut request = Request { name, text, is_library, result: None };
    let lua = shared.main();
    let is_done = shared.protected(compile_on_main, ptr::from_mut(&mut request).cast());
    let result = match request.result {
        Some(Ok(compiled)) if is_done => return Ok(compiled),
        // SAFETY: the message is held by the registry's slot `message`, until the next is put there.
        Some(Err((start, len))) if is_done => unsafe { std::slice::from_raw_parts(start, len).to_vec() },
        _ => b"not enough memory".to_vec(),
    };
    shared.collect_refused(|| true);
    shared.after_run();
    debug_assert_eq!(lua.top(), 0, "the main thread's stack is empty");
    Err(result)
}

exported! { compile_on_main = compile_inner; }

fn compile_inner(lua: Lua) -> Outcome {
    // SAFETY: `compile_as` calls this with a pointer to a `Request`.
    let request = unsafe { &mut *lua.light(1).cast::<Request<'_>>() };
    lua.push_bytes(request.name.to_bytes());
    if load(lua, request.text, request.name) != 0 {
        lua.push_bytes(b"message");
        lua.push_value(-2);
        lua.raw_set(REGISTRY);
        let message = lua.bytes(-1).unwrap_or_default();
        request.result = Some(Err((message.as_ptr(), message.len())));
        return Ok(0);
    }
    let (outline, roots) = (outline::of_top(lua), lua.shared().roots.get());
    match (request.is_library, outline.is_direct) {
        (true, _) => sandbox::push_library_globals(lua),
        (false, true) => lua.raw_get_int(REGISTRY, roots.direct_globals),
        (false, false) => lua.raw_get_int(REGISTRY, roots.script_proxy),
    }
    lua.set_environment(-2);
    request.result = Some(Ok((lua.reference(REGISTRY), outline)));
    Ok(0)
}
