//! What the libraries share: entering and leaving a function that Lua calls, and its stack.
//!
//! A function of a library is an ordinary Rust function of a [`Frame`] that returns how many values it leaves, or a [`Failure`] whose
//! text it has left on the stack; [`entry`] makes of it what Lua calls, which alone raises the error. Functions of [`Frame`] may raise
//! errors themselves, where Lua's API does: they then do not return. See the invariant of the parent module.
//!
//! [`Frame`]'s methods are safe to write down and trusted to be used as Lua's API demands: indices name values of this call, and slots
//! are reserved (Lua grants 20 to each call) before they are filled. Indices are asserted where debug assertions are on, in tests and
//! fuzzing.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;
use core::ptr::NonNull;
use core::slice;
use mlua_sys as ffi;
use mlua_sys::lua_State;

/// The longest text of an error; what is beyond is cut.
const TEXT_BYTES_MAX: usize = 256;

/// A call that failed. The text is on top of the stack; the number says which argument is at fault, or is `NOT_AN_ARGUMENT`.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Failure(c_int);

const NOT_AN_ARGUMENT: c_int = c_int::MIN;

/// How many values a function returns to Lua.
pub type Outcome = Result<c_int, Failure>;

/// The stack of the function that Lua has called.
#[derive(Clone, Copy)]
pub struct Frame {
    state: *mut lua_State,
}

/// The function that Lua can call for `body`, which is a function item or captures nothing.
pub fn entry<F: Fn(Frame) -> Outcome + Copy + 'static>(_body: F) -> ffi::lua_CFunction {
    const { assert!(size_of::<F>() == 0, "a body has no state of its own") };
    enter::<F>
}

unsafe extern "C-unwind" fn enter<F: Fn(Frame) -> Outcome + Copy + 'static>(state: *mut lua_State) -> c_int {
    // SAFETY: `entry` has seen a value of this type, which has no bytes to read.
    let body: F = unsafe { NonNull::dangling().read() };
    // SAFETY: Lua calls this with the state whose function it is.
    let frame = unsafe { Frame::new(state) };
    match body(frame) {
        Ok(values) => values,
        Err(failure) => frame.raise(failure),
    }
}

impl Frame {
    /// The stack of `state`.
    ///
    /// # Safety
    /// `state` is a live state, and what runs in it is the caller.
    pub unsafe fn new(state: *mut lua_State) -> Self {
        Frame { state }
    }

    /// Raises the error: the one place of this module that does so on its own account.
    fn raise(self, Failure(argument): Failure) -> c_int {
        // SAFETY: the text is on top of the stack. No frame between here and the protected call owns anything.
        unsafe {
            if argument == NOT_AN_ARGUMENT {
                ffi::lua_error(self.state)
            } else {
                ffi::luaL_argerror(self.state, argument, ffi::lua_tolstring(self.state, -1, core::ptr::null_mut()))
            }
        }
    }

    /// An error with this text, behind the position of the caller.
    #[cold]
    pub fn fail(self, text: fmt::Arguments<'_>) -> Failure {
        let text = Text::of(text);
        self.give_up();
        // SAFETY: see the module.
        unsafe { ffi::luaL_where(self.state, 1) };
        self.push_bytes(text.bytes());
        // SAFETY: both strings are on top of the stack.
        unsafe { ffi::lua_concat(self.state, 2) };
        Failure(NOT_AN_ARGUMENT)
    }

    /// An error about an argument: "bad argument #2 to 'pack' (text)".
    #[cold]
    pub fn fail_argument(self, argument: c_int, text: fmt::Arguments<'_>) -> Failure {
        let text = Text::of(text);
        self.give_up();
        self.push_bytes(text.bytes());
        Failure(argument)
    }

    /// As [`Frame::fail_argument`], with a byte between two texts.
    #[cold]
    pub fn fail_argument_byte(self, argument: c_int, before: &str, byte: u8, after: &str) -> Failure {
        let mut text = Text::of(format_args!("{before}"));
        text.append(&[byte]);
        text.append(after.as_bytes());
        self.give_up();
        self.push_bytes(text.bytes());
        Failure(argument)
    }

    /// Makes room for the text of an error: a call that fails has no use for its values.
    fn give_up(self) {
        self.set_top(0);
    }

    /// The argument has another type: "number expected, got nil".
    #[cold]
    pub fn fail_type(self, argument: c_int, expected: &CStr) -> Failure {
        // SAFETY: an index beyond the arguments is allowed here, and the text ends in a zero. Raises the error at once.
        unsafe { ffi::luaL_typerror(self.state, argument, expected.as_ptr()) };
        Failure(argument)
    }

    fn check_index(self, index: c_int) {
        debug_assert!(index > 0 || index <= ffi::LUA_REGISTRYINDEX || (index < 0 && -index <= self.top()));
    }

    /// How many values are on the stack.
    pub fn top(self) -> c_int {
        // SAFETY: see the module.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Makes the stack `top` values high.
    pub fn set_top(self, top: c_int) {
        debug_assert!(top >= 0);
        // SAFETY: see the module; a smaller stack is always allowed, a larger one has been reserved.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    /// Drops the topmost values.
    pub fn pop(self, count: c_int) {
        debug_assert!(count <= self.top());
        // SAFETY: there are that many.
        unsafe { ffi::lua_settop(self.state, -count - 1) }
    }

    /// Makes room for `slots` more values, unless the stack would be too large.
    #[must_use]
    pub fn reserve(self, slots: c_int) -> bool {
        // SAFETY: see the module.
        unsafe { ffi::lua_checkstack(self.state, slots) != 0 }
    }

    /// Makes room as `luaL_checkstack` does, with its text.
    pub fn check_stack(self, slots: c_int, what: &str) -> Result<(), Failure> {
        if self.reserve(slots) { Ok(()) } else { Err(self.fail(format_args!("stack overflow ({what})"))) }
    }

    /// The type of a value, `LUA_TNIL` and so on.
    pub fn kind(self, index: c_int) -> c_int {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_type(self.state, index) }
    }

    /// The name of a value's type.
    pub fn kind_name(self, index: c_int) -> &'static str {
        let kind = self.kind(index);
        // SAFETY: the names are constants of Lua.
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(self.state, kind)) };
        name.to_str().unwrap_or("value")
    }

    /// Whether a value is a number, or a string that reads as one.
    pub fn is_number(self, index: c_int) -> bool {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_isnumber(self.state, index) != 0 }
    }

    /// The value as a number; 0 if it is none.
    pub fn number(self, index: c_int) -> f64 {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_tonumber(self.state, index) }
    }

    /// Whether the value is neither nil nor false.
    pub fn truth(self, index: c_int) -> bool {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_toboolean(self.state, index) != 0 }
    }

    /// Whether the value is the light userdata that stands for JSON's null.
    pub fn is_null(self, index: c_int) -> bool {
        self.kind(index) == ffi::LUA_TLIGHTUSERDATA && {
            // SAFETY: see the module.
            unsafe { ffi::lua_touserdata(self.state, index).is_null() }
        }
    }

    /// The bytes of a string. A number at `index` becomes a string, so that must not be a key during a traversal.
    ///
    /// # Safety
    /// The bytes are used only while the value is on the stack, and the value is a string or a number.
    pub unsafe fn bytes<'a>(self, index: c_int) -> &'a [u8] {
        self.check_index(index);
        let mut length = 0;
        // SAFETY: the string's bytes stay in place for as long as it is reachable, which the caller answers for.
        unsafe {
            let start = ffi::lua_tolstring(self.state, index, &mut length);
            slice::from_raw_parts(start.cast(), length)
        }
    }

    /// The bytes of an argument that must be a string, or a number. Else the error is raised.
    ///
    /// # Safety
    /// The bytes are used only while the argument is on the stack.
    pub unsafe fn argument_bytes<'a>(self, argument: c_int) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: as in `bytes`. Behind a string's bytes is always a zero.
        unsafe {
            let start = ffi::luaL_checklstring(self.state, argument, &mut length);
            slice::from_raw_parts(start.cast(), length)
        }
    }

    /// An argument that must be a number. Else the error is raised.
    pub fn argument_number(self, argument: c_int) -> f64 {
        // SAFETY: see the module.
        unsafe { ffi::luaL_checknumber(self.state, argument) }
    }

    /// An argument that must be a number, cut to an integer. Else the error is raised.
    pub fn argument_integer(self, argument: c_int) -> i64 {
        // SAFETY: see the module.
        unsafe { ffi::luaL_checkinteger(self.state, argument) as i64 }
    }

    /// As [`Frame::argument_integer`], with a default where there is none or nil.
    pub fn argument_integer_or(self, argument: c_int, default: i64) -> i64 {
        // SAFETY: see the module.
        unsafe { ffi::luaL_optinteger(self.state, argument, default as ffi::lua_Integer) as i64 }
    }

    /// Which of `options` the argument is: an array of texts that ends in null. Else the error is raised.
    pub fn argument_option<const N: usize>(self, argument: c_int, options: &[*const c_char; N]) -> c_int {
        debug_assert!(options[N - 1].is_null());
        // SAFETY: the list ends in null, its texts in zeros.
        unsafe { ffi::luaL_checkoption(self.state, argument, core::ptr::null(), options.as_ptr()) }
    }

    /// Pushes nil.
    pub fn push_nil(self) {
        // SAFETY: see the module.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes a number.
    pub fn push_number(self, number: f64) {
        // SAFETY: see the module.
        unsafe { ffi::lua_pushnumber(self.state, number) }
    }

    /// Pushes a boolean.
    pub fn push_boolean(self, value: bool) {
        // SAFETY: see the module.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    /// Pushes a string.
    pub fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes the light userdata that stands for JSON's null.
    pub fn push_null(self) {
        // SAFETY: see the module.
        unsafe { ffi::lua_pushlightuserdata(self.state, core::ptr::null_mut()) }
    }

    /// Pushes a copy of a value.
    pub fn push_copy(self, index: c_int) {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_pushvalue(self.state, index) }
    }

    /// Pushes a function with the topmost `upvalues` values, which it takes.
    pub fn push_function(self, function: ffi::lua_CFunction, upvalues: c_int) {
        debug_assert!(upvalues <= self.top());
        // SAFETY: see the module.
        unsafe { ffi::lua_pushcclosure(self.state, function, upvalues) }
    }

    /// Pushes an empty table.
    pub fn new_table(self) {
        // SAFETY: see the module.
        unsafe { ffi::lua_createtable(self.state, 0, 0) }
    }

    /// Moves the topmost value to `index`.
    pub fn insert(self, index: c_int) {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_insert(self.state, index) }
    }

    /// Moves the topmost value over the one at `index`.
    pub fn replace(self, index: c_int) {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_replace(self.state, index) }
    }

    /// `table[name] = topmost value`, which it takes.
    pub fn set_field(self, table: c_int, name: &CStr) {
        self.check_index(table);
        // SAFETY: the name ends in a zero.
        unsafe { ffi::lua_setfield(self.state, table, name.as_ptr()) }
    }

    /// Takes key and value and sets them, without metamethods.
    pub fn raw_set(self, table: c_int) {
        self.check_index(table);
        // SAFETY: see the module.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Takes the value and sets `table[position]`, without metamethods.
    pub fn raw_set_at(self, table: c_int, position: c_int) {
        self.check_index(table);
        // SAFETY: see the module.
        unsafe { ffi::lua_rawseti_(self.state, table, position) }
    }

    /// Pushes `table[position]`, without metamethods.
    pub fn raw_get_at(self, table: c_int, position: c_int) {
        self.check_index(table);
        // SAFETY: see the module.
        unsafe { ffi::lua_rawgeti_(self.state, table, position) }
    }

    /// Takes a key and pushes its value, without metamethods.
    pub fn raw_get(self, table: c_int) {
        self.check_index(table);
        // SAFETY: see the module.
        unsafe { ffi::lua_rawget_(self.state, table) }
    }

    /// Whether two values are the same object.
    pub fn is_same(self, one: c_int, other: c_int) -> bool {
        // SAFETY: see the module.
        unsafe { ffi::lua_rawequal(self.state, one, other) != 0 }
    }

    /// Takes a key and pushes the next key and its value, if there is one.
    pub fn next(self, table: c_int) -> bool {
        self.check_index(table);
        // SAFETY: see the module; the key is one of the table.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// The length of a table, without metamethods.
    pub fn length(self, index: c_int) -> usize {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_objlen(self.state, index) }
    }

    /// Pushes the metatable, if there is one.
    pub fn metatable(self, index: c_int) -> bool {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_getmetatable(self.state, index) != 0 }
    }

    /// Takes a table and makes it the metatable of another.
    pub fn set_metatable(self, index: c_int) {
        self.check_index(index);
        // SAFETY: see the module.
        unsafe { ffi::lua_setmetatable(self.state, index) };
    }

    /// Pushes memory that Lua owns, aligned for any type without a larger alignment than 8, and returns where it is.
    pub fn new_memory(self, bytes: usize) -> *mut u8 {
        // SAFETY: see the module.
        unsafe { ffi::lua_newuserdata(self.state, bytes).cast() }
    }

    /// Where the memory is that `new_memory` has pushed; null if the value is something else.
    pub fn memory(self, index: c_int) -> *mut u8 {
        self.check_index(index);
        // SAFETY: see the module; what is not a userdata has no address.
        unsafe { ffi::lua_touserdata(self.state, index).cast() }
    }

    /// Pushes a value that Lua owns.
    pub fn new_shared<T: Copy>(self, value: T) {
        const { assert!(align_of::<T>() <= 8) };
        let place: *mut T = self.new_memory(size_of::<T>()).cast();
        // SAFETY: the memory is that large, aligned, and nobody else knows it.
        unsafe { place.write(value) }
    }

    /// Where the value is that an upvalue of this function holds.
    ///
    /// # Safety
    /// The upvalue was made by `new_shared` for this type.
    pub unsafe fn shared<T: Copy>(self, upvalue: c_int) -> *mut T {
        // SAFETY: see the module; the userdata lives as long as the function.
        let place: *mut c_void = unsafe { ffi::lua_touserdata(self.state, upvalue) };
        debug_assert!(!place.is_null());
        place.cast()
    }
}

/// A short text without memory of its own.
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Text { bytes: [0; TEXT_BYTES_MAX], length: 0 };
        // Appending cannot fail, and no argument of a library's texts does.
        let _ = fmt::Write::write_fmt(&mut text, arguments);
        text
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let fits = bytes.len().min(room.len());
        room[..fits].copy_from_slice(&bytes[..fits]);
        self.length += fits;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes());
        Ok(())
    }
}

/// Pushes a table with these functions, each with copies of the topmost `upvalues` values, which stay.
pub fn push_library(frame: Frame, functions: &[(&CStr, ffi::lua_CFunction)], upvalues: c_int) {
    let first = frame.top() - upvalues + 1;
    frame.new_table();
    for &(name, function) in functions {
        for upvalue in 0..upvalues {
            frame.push_copy(first + upvalue);
        }
        frame.push_function(function, upvalues);
        frame.set_field(-2, name);
    }
}

/// The index of an upvalue of the running function.
pub const fn upvalue(number: c_int) -> c_int {
    ffi::lua_upvalueindex(number)
}
