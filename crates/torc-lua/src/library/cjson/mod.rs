//! `cjson`: JSON, as of lua-cjson 2.1 with what Redis has made of it.
//!
//! [`encode`] and [`decode`] have the two directions. This file has the library's table and its settings, which belong to the table: those
//! of Redis's own are shared by all scripts, `cjson.new()` makes another. <https://kyne.au/~mark/software/lua-cjson-manual.html>
//!
//! `decode_array_with_array_mt` (Redis 8.4) marks arrays, so that empty ones are arrays again when they are encoded. The mark is a metatable
//! with the field `__is_cjson_array`, which a script can read, give to tables of its own, but not change:
//!
//! ```text
//!   decoded array --metatable--> {} (a new one for each decode) --metatable--> { __index = { __is_cjson_array = true },
//!                                                                                __newindex = error, __metatable = false }
//! ```

mod decode;
mod encode;
mod number;

use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use mlua_sys as ffi;
use mlua_sys::lua_State;

use super::support::{Failure, Frame, Outcome, entry, push_library, upvalue};

/// Each function's own upvalues: the settings, the metatable of marks, and the buffer it keeps.
const SETTINGS: c_int = upvalue(1);
const MARK: c_int = upvalue(2);
const BUFFER: c_int = upvalue(3);

const ARRAY_FIELD: &CStr = c"__is_cjson_array";

/// What scripts can set.
#[derive(Clone, Copy)]
struct Settings {
    encode_sparse_convert: bool,
    encode_sparse_ratio: c_int,
    encode_sparse_safe: c_int,
    encode_max_depth: c_int,
    decode_max_depth: c_int,
    encode_number_precision: c_int,
    encode_keep_buffer: bool,
    encode_invalid_numbers: InvalidNumbers,
    decode_invalid_numbers: bool,
    decode_array_with_array_mt: bool,
}

/// What becomes of infinity and NaN when they are encoded.
#[derive(Clone, Copy, PartialEq)]
enum InvalidNumbers {
    Error,
    Name,
    Null,
}

impl Settings {
    const DEFAULT: Settings = Settings {
        encode_sparse_convert: false,
        encode_sparse_ratio: 2,
        encode_sparse_safe: 10,
        encode_max_depth: 1000,
        decode_max_depth: 1000,
        encode_number_precision: 14,
        encode_keep_buffer: true,
        encode_invalid_numbers: InvalidNumbers::Error,
        decode_invalid_numbers: true,
        decode_array_with_array_mt: false,
    };

    /// The settings of the running function's table.
    fn of(frame: Frame) -> Self {
        // SAFETY: every function of this library has its settings there, and nothing refers to them for longer than a copy takes.
        unsafe { frame.shared::<Settings>(SETTINGS).read() }
    }

    /// Changes them.
    fn store(self, frame: Frame) {
        // SAFETY: as above.
        unsafe { frame.shared::<Settings>(SETTINGS).write(self) }
    }
}

/// Pushes the library's table.
///
/// # Safety
/// `state` is a live state with ten free slots, in a protected call.
pub unsafe fn open(state: *mut lua_State) {
    // SAFETY: the caller answers for the state.
    let frame = unsafe { Frame::new(state) };
    frame.new_table();
    frame.new_table();
    frame.push_boolean(true);
    frame.set_field(-2, ARRAY_FIELD);
    frame.set_field(-2, c"__index");
    frame.push_function(entry(refuse_change), 0);
    frame.set_field(-2, c"__newindex");
    frame.push_boolean(false);
    frame.set_field(-2, c"__metatable");
    push_table(frame);
}

/// Takes the metatable of marks and pushes a table with settings of its own.
fn push_table(frame: Frame) {
    frame.new_shared(Settings::DEFAULT);
    frame.insert(-2);
    frame.push_nil();
    let functions = [
        (c"encode", entry(encode::encode)),
        (c"decode", entry(decode::decode)),
        (c"encode_sparse_array", entry(encode_sparse_array)),
        (c"encode_max_depth", entry(encode_max_depth)),
        (c"decode_max_depth", entry(decode_max_depth)),
        (c"encode_number_precision", entry(encode_number_precision)),
        (c"encode_keep_buffer", entry(encode_keep_buffer)),
        (c"encode_invalid_numbers", entry(encode_invalid_numbers)),
        (c"decode_invalid_numbers", entry(decode_invalid_numbers)),
        (c"decode_array_with_array_mt", entry(decode_array_with_array_mt)),
        (c"new", entry(new)),
    ];
    push_library(frame, &functions, 3);
    frame.push_null();
    frame.set_field(-2, c"null");
    for (name, text) in [(c"_NAME", "cjson"), (c"_VERSION", "2.1.0")] {
        frame.push_bytes(text.as_bytes());
        frame.set_field(-2, name);
    }
    frame.insert(-4);
    frame.pop(3);
}

fn new(frame: Frame) -> Outcome {
    frame.push_copy(MARK);
    push_table(frame);
    Ok(1)
}

fn refuse_change(frame: Frame) -> Outcome {
    Err(frame.fail(format_args!("Attempt to modify a readonly table")))
}

/// Fills up with nil: what is left out is not changed.
fn begin(frame: Frame, arguments: c_int) -> Result<Settings, Failure> {
    if frame.top() > arguments {
        return Err(frame.fail_argument(arguments + 1, format_args!("found too many arguments")));
    }
    frame.set_top(arguments);
    Ok(Settings::of(frame))
}

/// Reads a setting that is a boolean, or "off" or "on", and pushes what it is then.
fn boolean(frame: Frame, argument: c_int, setting: &mut bool) {
    const NAMES: [*const c_char; 3] = [c"off".as_ptr(), c"on".as_ptr(), ptr::null()];
    match frame.kind(argument) {
        ffi::LUA_TNIL => (),
        ffi::LUA_TBOOLEAN => *setting = frame.truth(argument),
        _ => *setting = frame.argument_option(argument, &NAMES) != 0,
    }
    frame.push_boolean(*setting);
}

/// Reads a setting that is an integer, and pushes what it is then. Errors name the first argument, whichever it is.
fn integer(frame: Frame, argument: c_int, setting: &mut c_int, least: c_int, most: c_int) -> Result<(), Failure> {
    if frame.kind(argument) != ffi::LUA_TNIL {
        // C drops the upper half, too.
        let value = frame.argument_integer(argument) as c_int;
        if !(least..=most).contains(&value) {
            return Err(frame.fail_argument(1, format_args!("expected integer between {least} and {most}")));
        }
        *setting = value;
    }
    frame.push_number(f64::from(*setting));
    Ok(())
}

/// Three settings, each of which takes effect even if the next one is wrong.
fn encode_sparse_array(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 3)?;
    boolean(frame, 1, &mut settings.encode_sparse_convert);
    settings.store(frame);
    integer(frame, 2, &mut settings.encode_sparse_ratio, 0, c_int::MAX)?;
    settings.store(frame);
    integer(frame, 3, &mut settings.encode_sparse_safe, 0, c_int::MAX)?;
    settings.store(frame);
    Ok(3)
}

fn encode_max_depth(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    integer(frame, 1, &mut settings.encode_max_depth, 1, c_int::MAX)?;
    settings.store(frame);
    Ok(1)
}

fn decode_max_depth(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    integer(frame, 1, &mut settings.decode_max_depth, 1, c_int::MAX)?;
    settings.store(frame);
    Ok(1)
}

fn encode_number_precision(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    integer(frame, 1, &mut settings.encode_number_precision, 1, 14)?;
    settings.store(frame);
    Ok(1)
}

fn encode_keep_buffer(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    boolean(frame, 1, &mut settings.encode_keep_buffer);
    settings.store(frame);
    Ok(1)
}

fn encode_invalid_numbers(frame: Frame) -> Outcome {
    const NAMES: [*const c_char; 4] = [c"off".as_ptr(), c"on".as_ptr(), c"null".as_ptr(), ptr::null()];
    const CHOICES: [InvalidNumbers; 3] = [InvalidNumbers::Error, InvalidNumbers::Name, InvalidNumbers::Null];
    let mut settings = begin(frame, 1)?;
    match frame.kind(1) {
        ffi::LUA_TNIL => (),
        ffi::LUA_TBOOLEAN => settings.encode_invalid_numbers = CHOICES[usize::from(frame.truth(1))],
        _ => settings.encode_invalid_numbers = CHOICES[frame.argument_option(1, &NAMES) as usize],
    }
    settings.store(frame);
    match settings.encode_invalid_numbers {
        InvalidNumbers::Null => frame.push_bytes(b"null"),
        other => frame.push_boolean(other == InvalidNumbers::Name),
    }
    Ok(1)
}

fn decode_invalid_numbers(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    boolean(frame, 1, &mut settings.decode_invalid_numbers);
    settings.store(frame);
    Ok(1)
}

fn decode_array_with_array_mt(frame: Frame) -> Outcome {
    let mut settings = begin(frame, 1)?;
    boolean(frame, 1, &mut settings.decode_array_with_array_mt);
    settings.store(frame);
    Ok(1)
}

/// Whether the topmost table is marked as an array.
fn is_marked(frame: Frame) -> bool {
    if !frame.metatable(-1) {
        return false;
    }
    frame.push_bytes(ARRAY_FIELD.to_bytes());
    frame.raw_get(-2);
    let mut marked = frame.truth(-1);
    frame.pop(1);
    if !marked && frame.metatable(-1) {
        marked = frame.is_same(-1, MARK);
        frame.pop(1);
    }
    frame.pop(1);
    marked
}
