//! `cmsgpack`: MessagePack, as of lua-cmsgpack 0.4.
//!
//! What it writes is <https://github.com/msgpack/msgpack/blob/master/spec.md>, in the shortest form, with these choices:
//!
//! - a number that is an integer of 64 bits is written as one, any other as a float if that holds it exactly, else as a double;
//! - a table whose keys are 1 to n is an array, any other a map, an empty one an array;
//! - tables within 16 others, and all that has no counterpart (functions, `cjson.null`), are nil.
//!
//! What it reads is the same, of any width; `bin` and extensions are bad data. Unsigned integers from 2^63 on are read as negative.

use core::ffi::c_int;
use mlua_sys as ffi;
use mlua_sys::lua_State;

use super::memory::{Buffer, Levels};
use super::support::{Failure, Frame, Outcome, entry, push_library, upvalue};

/// Tables within tables that are written; deeper ones are nil.
const NESTING_MAX: u32 = 16;
/// Slots of the stack that a table takes while it is written: key, value and a copy of the key, and one to spare for the output.
const SLOTS_OF_LEVEL: c_int = 4;
/// The buffer that `pack` keeps.
const BUFFER: c_int = upvalue(1);

/// Pushes the library's table.
///
/// # Safety
/// `state` is a live state with five free slots, in a protected call.
pub unsafe fn open(state: *mut lua_State) {
    // SAFETY: the caller answers for the state.
    let frame = unsafe { Frame::new(state) };
    frame.push_nil();
    let functions = [
        (c"pack", entry(pack)),
        (c"unpack", entry(unpack)),
        (c"unpack_one", entry(unpack_one)),
        (c"unpack_limit", entry(unpack_limit)),
    ];
    push_library(frame, &functions, 1);
    for (name, text) in [
        (c"_NAME", "cmsgpack"),
        (c"_VERSION", "lua-cmsgpack 0.4.0"),
        (c"_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        frame.push_bytes(text.as_bytes());
        frame.set_field(-2, name);
    }
    frame.replace(-2);
}

/// All arguments, one behind the other.
fn pack(frame: Frame) -> Outcome {
    let arguments = frame.top();
    if arguments == 0 {
        return Err(frame.fail_argument(0, format_args!("MessagePack pack needs input.")));
    }
    let slots = SLOTS_OF_LEVEL * (NESTING_MAX as c_int + 1);
    if !frame.reserve(arguments) || !frame.reserve(slots) {
        return Err(frame.fail_argument(0, format_args!("Too many arguments for MessagePack pack.")));
    }
    let mut output = Buffer::take(frame, BUFFER);
    for argument in 1..=arguments {
        frame.push_copy(argument);
        pack_value(frame, &mut output, 0)?;
    }
    frame.push_bytes(output.bytes());
    output.keep(BUFFER);
    Ok(1)
}

/// Writes the topmost value and takes it. Calls itself for at most `NESTING_MAX` levels.
fn pack_value(frame: Frame, output: &mut Buffer, level: u32) -> Result<(), Failure> {
    match frame.kind(-1) {
        ffi::LUA_TNUMBER => pack_number(output, frame.number(-1))?,
        ffi::LUA_TSTRING => {
            // SAFETY: a string, which is popped below.
            let bytes = unsafe { frame.bytes(-1) };
            pack_string(output, bytes)?;
        }
        ffi::LUA_TBOOLEAN => output.push(if frame.truth(-1) { 0xc3 } else { 0xc2 })?,
        ffi::LUA_TTABLE if level < NESTING_MAX => match array_length(frame) {
            Some(length) => pack_array(frame, output, level, length)?,
            None => pack_map(frame, output, level)?,
        },
        _ => output.push(0xc0)?,
    }
    frame.pop(1);
    Ok(())
}

fn pack_number(output: &mut Buffer, number: f64) -> Result<(), Failure> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.trunc() == number && (-TWO_TO_63..TWO_TO_63).contains(&number) {
        return pack_integer(output, number as i64);
    }
    let short = number as f32;
    if f64::from(short) == number {
        pack_head(output, 0xca, &short.to_be_bytes())
    } else {
        pack_head(output, 0xcb, &number.to_be_bytes())
    }
}

fn pack_integer(output: &mut Buffer, number: i64) -> Result<(), Failure> {
    match number {
        -32..=127 => output.push(number as u8),
        128..=0xff => pack_head(output, 0xcc, &[number as u8]),
        0x100..=0xffff => pack_head(output, 0xcd, &(number as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => pack_head(output, 0xce, &(number as u32).to_be_bytes()),
        0x1_0000_0000.. => pack_head(output, 0xcf, &number.to_be_bytes()),
        -0x80..=-33 => pack_head(output, 0xd0, &[number as u8]),
        -0x8000..=-0x81 => pack_head(output, 0xd1, &(number as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => pack_head(output, 0xd2, &(number as i32).to_be_bytes()),
        _ => pack_head(output, 0xd3, &number.to_be_bytes()),
    }
}

fn pack_string(output: &mut Buffer, bytes: &[u8]) -> Result<(), Failure> {
    match bytes.len() {
        length @ 0..=31 => output.push(0xa0 | length as u8)?,
        length @ 32..=0xff => pack_head(output, 0xd9, &[length as u8])?,
        length @ 0x100..=0xffff => pack_head(output, 0xda, &(length as u16).to_be_bytes())?,
        length => pack_head(output, 0xdb, &(length as u32).to_be_bytes())?,
    }
    output.extend(bytes)
}

fn pack_head(output: &mut Buffer, kind: u8, bytes: &[u8]) -> Result<(), Failure> {
    output.reserve(1 + bytes.len())?;
    output.push(kind)?;
    output.extend(bytes)
}

/// The head of a container: within a byte up to 15 elements, else of 16 or 32 bits.
fn pack_length(output: &mut Buffer, short: u8, long: u8, length: usize) -> Result<(), Failure> {
    match length {
        0..=15 => output.push(short | length as u8),
        16..=0xffff => pack_head(output, long, &(length as u16).to_be_bytes()),
        _ => pack_head(output, long + 1, &(length as u32).to_be_bytes()),
    }
}

/// The length of the topmost table, if its keys are 1 to that.
fn array_length(frame: Frame) -> Option<c_int> {
    let (mut count, mut largest) = (0, 0);
    frame.push_nil();
    while frame.next(-2) {
        frame.pop(1);
        let key = if frame.kind(-1) == ffi::LUA_TNUMBER { frame.number(-1) } else { 0.0 };
        if !(key > 0.0 && key <= f64::from(c_int::MAX) && key.trunc() == key) {
            frame.pop(1);
            return None;
        }
        largest = c_int::max(largest, key as c_int);
        count += 1;
    }
    (largest == count).then_some(count)
}

fn pack_array(frame: Frame, output: &mut Buffer, level: u32, length: c_int) -> Result<(), Failure> {
    pack_length(output, 0x90, 0xdc, length as usize)?;
    for position in 1..=length {
        frame.raw_get_at(-1, position);
        pack_value(frame, output, level + 1)?;
    }
    Ok(())
}

fn pack_map(frame: Frame, output: &mut Buffer, level: u32) -> Result<(), Failure> {
    let mut length = 0;
    frame.push_nil();
    while frame.next(-2) {
        frame.pop(1);
        length += 1;
    }
    pack_length(output, 0x80, 0xde, length)?;
    frame.push_nil();
    while frame.next(-2) {
        frame.push_copy(-2);
        pack_value(frame, output, level + 1)?;
        pack_value(frame, output, level + 1)?;
    }
    Ok(())
}

/// All values.
fn unpack(frame: Frame) -> Outcome {
    unpack_values(frame, 0, 0)
}

/// One value from an offset on, behind the offset of the next one.
fn unpack_one(frame: Frame) -> Outcome {
    let offset = frame.argument_integer_or(2, 0);
    frame.set_top(frame.top().min(1));
    unpack_values(frame, 1, offset)
}

/// So many values from an offset on, behind the offset of the next one.
fn unpack_limit(frame: Frame) -> Outcome {
    let limit = frame.argument_integer(2);
    let offset = frame.argument_integer_or(3, 0);
    frame.set_top(frame.top().min(1));
    unpack_values(frame, limit, offset)
}

fn unpack_values(frame: Frame, limit: i64, offset: i64) -> Outcome {
    // SAFETY: the argument stays on the stack.
    let input = unsafe { frame.argument_bytes(1) };
    let length = input.len();
    if offset < 0 || limit < 0 {
        // The original tells the length instead of the limit. Both are C ints to it.
        let (offset, length) = (offset as c_int, length as c_int);
        let text = format_args!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(frame.fail(text));
    }
    let Some(mut rest) = usize::try_from(offset).ok().and_then(|offset| input.get(offset..)) else {
        let (offset, length) = (offset as c_int, length as c_int);
        return Err(frame.fail(format_args!("Start offset {offset} greater than input length {length}.")));
    };
    let all = limit == 0 && offset == 0;
    let limit = if all { i64::from(c_int::MAX) } else { limit };
    let mut reader = Reader { frame, rest, containers: Levels::new(frame), index_slots: 0 };
    let mut values = 0;
    while !reader.rest.is_empty() && i64::from(values) < limit {
        reader.value()?;
        values += 1;
    }
    if all {
        return Ok(values);
    }
    rest = reader.rest;
    frame.check_stack(1, "in function mp_unpack_full")?;
    frame.push_number(if rest.is_empty() { -1.0 } else { (length - rest.len()) as f64 });
    frame.insert(frame.top() - values);
    Ok(values + 1)
}

/// A container that is being read; its table is on the stack, and the key if one has been read.
#[derive(Clone, Copy)]
struct Container {
    /// Values that are still to be read: two for each entry of a map.
    left: u64,
    /// The position of the next element of an array; 0 for a map.
    position: c_int,
}

/// What a value begins with.
enum Head {
    /// It was all of the value, which has been pushed.
    Value,
    Array(u32),
    Map(u32),
}

struct Reader<'a> {
    frame: Frame,
    rest: &'a [u8],
    /// The containers around the value that is being read.
    containers: Levels<Container>,
    /// Slots that the original has for the index in each array, which this does without. They count, so that both have the same limit.
    index_slots: c_int,
}

// An error may jump over it.
const _: () = assert!(!core::mem::needs_drop::<Reader<'_>>());

impl Reader<'_> {
    /// Reads a value and pushes it.
    fn value(&mut self) -> Result<(), Failure> {
        let frame = self.frame;
        let mut current: Option<Container> = None;
        loop {
            let container = match self.head()? {
                Head::Value => None,
                Head::Array(length) => {
                    frame.new_table();
                    frame.check_stack(self.slots(), "in function mp_decode_to_lua_array")?;
                    Some(Container { left: u64::from(length), position: 1 })
                }
                Head::Map(length) => {
                    frame.new_table();
                    Some(Container { left: u64::from(length) * 2, position: 0 })
                }
            };
            if let Some(container) = container
                && container.left > 0
            {
                self.enter(&mut current, container)?;
            } else if self.complete(&mut current) {
                return Ok(());
            }
        }
    }

    fn enter(&mut self, current: &mut Option<Container>, container: Container) -> Result<(), Failure> {
        if let Some(outer) = current.replace(container)
            && !(self.frame.reserve(2) && self.containers.push(self.frame, outer))
        {
            return Err(self.frame.fail(format_args!("stack overflow ({TOO_MANY})")));
        }
        self.index_slots += c_int::from(container.position > 0);
        Ok(())
    }

    /// Puts the topmost value into its container, and that into its own if it was the last one. Returns whether nothing is left to read.
    fn complete(&mut self, current: &mut Option<Container>) -> bool {
        while let Some(container) = current {
            container.left -= 1;
            if container.position > 0 {
                self.frame.raw_set_at(-2, container.position);
                container.position = container.position.wrapping_add(1);
            } else if container.left.is_multiple_of(2) {
                self.frame.raw_set(-3);
            }
            if container.left > 0 {
                return false;
            }
            self.index_slots -= c_int::from(container.position > 0);
            *current = self.containers.pop();
        }
        true
    }

    /// Reads the beginning of a value; all of it, if it is no container.
    fn head(&mut self) -> Result<Head, Failure> {
        let frame = self.frame;
        let [kind] = self.take()?;
        frame.check_stack(self.slots(), TOO_MANY)?;
        match kind {
            0x00..=0x7f => frame.push_number(f64::from(kind)),
            0x80..=0x8f => return Ok(Head::Map(u32::from(kind & 0xf))),
            0x90..=0x9f => return Ok(Head::Array(u32::from(kind & 0xf))),
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xc0 => frame.push_nil(),
            0xc2 | 0xc3 => frame.push_boolean(kind == 0xc3),
            0xca => frame.push_number(f64::from(f32::from_be_bytes(self.take()?))),
            0xcb => frame.push_number(f64::from_be_bytes(self.take()?)),
            0xcc => frame.push_number(f64::from(u8::from_be_bytes(self.take()?))),
            0xcd => frame.push_number(f64::from(u16::from_be_bytes(self.take()?))),
            0xce => frame.push_number(f64::from(u32::from_be_bytes(self.take()?))),
            // An unsigned integer of 64 bits is read as if it were signed, too.
            0xcf | 0xd3 => frame.push_number(i64::from_be_bytes(self.take()?) as f64),
            0xd0 => frame.push_number(f64::from(i8::from_be_bytes(self.take()?))),
            0xd1 => frame.push_number(f64::from(i16::from_be_bytes(self.take()?))),
            0xd2 => frame.push_number(f64::from(i32::from_be_bytes(self.take()?))),
            0xd9 => {
                let length = u8::from_be_bytes(self.take()?);
                self.string(usize::from(length))?;
            }
            0xda => {
                let length = u16::from_be_bytes(self.take()?);
                self.string(usize::from(length))?;
            }
            0xdb => {
                let length = u32::from_be_bytes(self.take()?);
                self.string(length as usize)?;
            }
            0xdc => return Ok(Head::Array(u32::from(u16::from_be_bytes(self.take()?)))),
            0xdd => return Ok(Head::Array(u32::from_be_bytes(self.take()?))),
            0xde => return Ok(Head::Map(u32::from(u16::from_be_bytes(self.take()?)))),
            0xdf => return Ok(Head::Map(u32::from_be_bytes(self.take()?))),
            0xe0..=0xff => frame.push_number(f64::from(kind as i8)),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(frame.fail(format_args!("Bad data format in input."))),
        }
        Ok(Head::Value)
    }

    /// How many slots the original has to find for the next value: also those of its indices, and none for this one's levels.
    fn slots(&self) -> c_int {
        (1 + self.index_slots - self.containers.slots()).max(1)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.missing());
        };
        self.rest = rest;
        Ok(*bytes)
    }

    fn string(&mut self, length: usize) -> Result<(), Failure> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.missing());
        };
        self.rest = rest;
        self.frame.push_bytes(bytes);
        Ok(())
    }

    #[cold]
    fn missing(&self) -> Failure {
        self.frame.fail(format_args!("Missing bytes in input."))
    }
}

/// The text about more values than the stack has room for.
const TOO_MANY: &str = "too many return values at once; use unpack_one or unpack_limit instead.";
