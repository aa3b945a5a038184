//! What the compiled form of a script tells of how it uses its globals.
//!
//! ```text
//!   redis.call(...)    GETGLOBAL 5 "redis"     the table is in register 5 ..
//!                      GETTABLE  5 5 "call"    .. until the next instruction, and nowhere else
//! ```
//! A script that uses every shared table so, writes no global, and has no function that leads to its globals cannot change what it is given
//! instead of the proxies of `sandbox.rs`: the tables behind them ([`Outline::is_direct`]). So `redis.call` is found in two tables instead of
//! four. In the same way KEYS and ARGV may be tables that are used again if nothing but `KEYS[..]` and `#KEYS` is ever done with them
//! ([`Outline::reuses_words`]).
//!
//! Whatever is not understood counts as a use that leads further. The form is that of `lua_dump`; a script cannot bring one of its own.

use std::ffi::{c_int, c_void};

use crate::lua::{Lua, ffi};

/// What is known of the globals of a script, see the file's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outline {
    /// It may have the tables behind the proxies.
    pub(crate) is_direct: bool,
    /// Its KEYS and ARGV may be tables that other runs have had.
    pub(crate) reuses_words: bool,
}

/// Names that lead to the globals, or to functions with the same.
const LEADING: [&[u8]; 5] = [b"_G", b"getfenv", b"setfenv", b"load", b"loadstring"];

/// The shared tables.
pub(crate) const SHARED: [&[u8]; 11] =
    [b"redis", b"server", b"string", b"table", b"math", b"coroutine", b"os", b"cjson", b"cmsgpack", b"struct", b"bit"];

/// Whether direct globals have a name.
pub(crate) fn is_leading(name: &[u8]) -> bool {
    LEADING.contains(&name)
}

/// The outline of the function on top of the stack, which the parser has just made.
pub(crate) fn of_top(lua: Lua) -> Outline {
    let mut form = Vec::new();
    // SAFETY: the function is a script's, which `lua_dump` only reads; `append` gets a pointer to `form`, which outlives the call. It
    // raises no errors, so `form` is dropped.
    let status = unsafe { ffi::lua_dump_(lua.state(), append, std::ptr::from_mut(&mut form).cast()) };
    if status == 0 { outline_of(&form).unwrap_or_default() } else { Outline::default() }
}

/// Takes a piece of the form.
unsafe extern "C-unwind" fn append(
    _: *mut ffi::lua_State,
    piece: *const c_void,
    len: usize,
    form: *mut c_void,
) -> c_int {
    // SAFETY: `of_top` passes its `Vec`; Lua passes a piece of that many bytes.
    unsafe { (*form.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(piece.cast(), len)) };
    0
}

/// The head of a form: Lua 5.1 on a little-endian machine with 32-bit `int`, 64-bit `size_t`, 32-bit instructions and `double` numbers.
const HEAD: [u8; 12] = [0x1b, b'L', b'u', b'a', 0x51, 0, 1, 4, 8, 4, 8, 0];

fn outline_of(form: &[u8]) -> Option<Outline> {
    let mut reader = Reader { rest: form.strip_prefix(&HEAD)? };
    let mut outline = Outline { is_direct: true, reuses_words: true };
    // How many functions are still to be read: they follow each other, each before those that are defined in it.
    let mut stack = vec![1u32];
    while let Some(left) = stack.last_mut() {
        if *left == 0 {
            stack.pop();
            // What follows the functions in a function; behind the first one there is nothing.
            if !stack.is_empty() {
                reader.skip_debug()?;
            }
            continue;
        }
        *left -= 1;
        let nested = read_function(&mut reader, &mut outline)?;
        stack.push(nested);
    }
    Some(outline)
}

/// Reads a function up to those that are defined in it, whose number it gives.
fn read_function(reader: &mut Reader<'_>, outline: &mut Outline) -> Option<u32> {
    reader.string()?;
    // The lines where it begins and ends; upvalues, parameters, whether there may be more, and registers.
    reader.take(4 + 4 + 4)?;
    let count = reader.count()?;
    let code = reader.take(count.checked_mul(4)?)?;
    let constants = reader.constants()?;
    look_at(code, &constants, outline)?;
    reader.number()
}

const GETGLOBAL: u32 = 5;
const GETTABLE: u32 = 6;
const SETGLOBAL: u32 = 7;
const LEN: u32 = 20;

/// Looks at the instructions of a function.
fn look_at(code: &[u8], constants: &[Option<&[u8]>], outline: &mut Outline) -> Option<()> {
    let mut code = code.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).peekable();
    while let Some(instruction) = code.next() {
        match instruction & 0x3f {
            SETGLOBAL => outline.is_direct = false,
            GETGLOBAL => {
                let name = (*constants.get((instruction >> 14) as usize)?)?;
                let register = instruction >> 6 & 0xff;
                // Of GETTABLE and LEN alike: where the result goes, and what is looked at.
                let next = code.peek().copied().unwrap_or_default();
                let is_consumed = next >> 6 & 0xff == register && next >> 23 == register;
                let is_index = is_consumed && next & 0x3f == GETTABLE;
                let is_length = is_consumed && next & 0x3f == LEN;
                if is_leading(name) || SHARED.contains(&name) && !is_index {
                    outline.is_direct = false;
                }
                if is_leading(name) || matches!(name, b"KEYS" | b"ARGV") && !is_index && !is_length {
                    outline.reuses_words = false;
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// A form of which a part has been read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// A string without the zero byte behind it.
    fn string(&mut self) -> Option<&'a [u8]> {
        let len = u64::from_le_bytes(self.take(8)?.try_into().ok()?);
        let bytes = self.take(usize::try_from(len).ok()?)?;
        Some(bytes.strip_suffix(b"\0").unwrap_or(bytes))
    }

    /// The constants of a function: the strings among them.
    fn constants(&mut self) -> Option<Vec<Option<&'a [u8]>>> {
        let count = self.count()?;
        let mut constants = Vec::new();
        for _ in 0..count {
            let kind = c_int::from(*self.take(1)?.first()?);
            constants.push(match kind {
                ffi::LUA_TNIL => None,
                ffi::LUA_TBOOLEAN => self.take(1).map(|_| None)?,
                ffi::LUA_TNUMBER => self.take(8).map(|_| None)?,
                ffi::LUA_TSTRING => Some(self.string()?),
                _ => return None,
            });
        }
        Some(constants)
    }

    /// Lines, and names of locals and upvalues.
    fn skip_debug(&mut self) -> Option<()> {
        let lines = self.count()?;
        self.take(lines.checked_mul(4)?)?;
        for _ in 0..self.count()? {
            self.string()?;
            self.take(4 + 4)?;
        }
        for _ in 0..self.count()? {
            self.string()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{Interpreter, Options};

    fn interpreter() -> Interpreter {
        let options = Options {
            budget: crate::memory::Budget::new(usize::MAX),
            version: "",
            version_num: 0,
            server_name: "",
            seed: 1,
            has_deprecated: true,
        };
        Interpreter::new(options).unwrap()
    }

    fn outline(script: &str) -> (bool, bool) {
        let mut interpreter = interpreter();
        let Outline { is_direct, reuses_words } = interpreter.compile("@user_script", script.as_bytes()).unwrap().1;
        (is_direct, reuses_words)
    }

    #[test]
    fn what_only_reads_its_globals_has_them_directly() {
        for script in [
            "return 1",
            "return redis.call('get', KEYS[1])",
            "local n = tonumber(redis.call('get', KEYS[1]) or '0') if n >= tonumber(ARGV[1]) then return 0 end return #KEYS + #ARGV",
            "local call = redis.call for i = 1, 3 do call('get', KEYS[i]) end return function() return string.rep('x', 3) end",
            "local function f() return math.pi, true, nil, 'text' end return {f(), f(), (function() return cjson.encode({}) end)()}",
        ] {
            assert_eq!(outline(script), (true, true), "{script}");
        }
    }

    #[test]
    fn what_could_get_hold_of_a_shared_table_has_its_proxy() {
        for script in [
            "x = 1",
            "local r = redis return r.call('get', KEYS[1])",
            "redis.call = 1",
            "local x = redis:call('get')",
            "return _G.redis",
            "return {redis}",
            "pairs(redis)",
            "local f = function() return function() string = nil end end",
            "local x = #redis",
            "local s = string s.rep = 1",
            "local x; x = cjson; return x.encode",
            "return redis == math",
            "return (redis or math).call('get')",
            "return getfenv()",
            "local f = loadstring",
        ] {
            assert!(!outline(script).0, "{script}");
        }
    }

    #[test]
    fn keys_that_lead_further_are_made_for_each_run() {
        for script in [
            "return KEYS",
            "KEYS[1] = 'x'",
            "return unpack(ARGV)",
            "local k = KEYS return k[1]",
            "for _ in ipairs(KEYS) do end",
        ] {
            assert_eq!(outline(script), (true, false), "{script}");
        }
    }

    #[test]
    fn a_form_that_is_cut_off_tells_nothing() {
        let mut interpreter = interpreter();
        let chunk =
            interpreter.compile("@user_script", b"local a = 1 return function() return a, KEYS[1] end").unwrap();
        let (lua, mut form) = (interpreter.shared.main(), Vec::new());
        lua.raw_get_int(crate::lua::REGISTRY, chunk.0);
        // SAFETY: as in `of_top`.
        unsafe { ffi::lua_dump_(lua.state(), append, std::ptr::from_mut(&mut form).cast()) };
        lua.pop(1);
        assert_eq!(outline_of(&form), Some(Outline { is_direct: true, reuses_words: true }));
        for len in 0..form.len() {
            assert_eq!(outline_of(&form[..len]), None, "{len} of {}", form.len());
        }
    }
}
