//! `cjson.encode`: a Lua value as JSON.
//!
//! A table whose keys are all positive integers is an array as long as the largest of them, with null for what is missing; any other is an
//! object, and so is an empty one. An array that is mostly holes is an error, or an object if a setting says so.
//!
//! The value is walked with a stack of levels instead of recursion. What is on Lua's stack, from the outermost table in:
//!
//! ```text
//!   array:   table                     object:   table, key of the current entry
//! ```

use core::ffi::c_int;
use mlua_sys as ffi;

use super::super::memory::{Buffer, Levels};
use super::super::support::{Failure, Frame, Outcome};
use super::{BUFFER, InvalidNumbers, Settings, is_marked, number};

/// Slots for a table's key and value, and for an error or more output.
const SLOTS_OF_LEVEL: c_int = 4;

/// The function that scripts call.
pub fn encode(frame: Frame) -> Outcome {
    if frame.top() != 1 {
        return Err(frame.fail_argument(1, format_args!("expected 1 argument")));
    }
    let settings = Settings::of(frame);
    let output = Buffer::take(frame, BUFFER);
    let mut encoder = Encoder { frame, settings, output, levels: Levels::new(frame), depth: 0 };
    frame.push_copy(1);
    encoder.value()?;
    frame.push_bytes(encoder.output.bytes());
    if settings.encode_keep_buffer {
        encoder.output.keep(BUFFER);
    }
    Ok(1)
}

/// A table that is being written.
#[derive(Clone, Copy)]
enum Level {
    Array { written: c_int, length: c_int },
    Object { is_empty: bool },
}

struct Encoder {
    frame: Frame,
    settings: Settings,
    output: Buffer,
    /// The tables around the current one.
    levels: Levels<Level>,
    /// How many tables there are, with the current one.
    depth: c_int,
}

// An error may jump over it.
const _: () = assert!(!core::mem::needs_drop::<Encoder>());

impl Encoder {
    /// Writes the topmost value and takes it.
    fn value(&mut self) -> Result<(), Failure> {
        let mut current: Option<Level> = None;
        loop {
            if self.frame.kind(-1) == ffi::LUA_TTABLE {
                self.open(&mut current)?;
            } else {
                self.scalar()?;
                self.frame.pop(1);
            }
            if !self.advance(&mut current)? {
                return Ok(());
            }
        }
    }

    fn scalar(&mut self) -> Result<(), Failure> {
        let frame = self.frame;
        match frame.kind(-1) {
            ffi::LUA_TSTRING => self.string(-1),
            ffi::LUA_TNUMBER => self.number(-1),
            ffi::LUA_TBOOLEAN if frame.truth(-1) => self.output.extend(b"true"),
            ffi::LUA_TBOOLEAN => self.output.extend(b"false"),
            ffi::LUA_TNIL => self.output.extend(b"null"),
            ffi::LUA_TLIGHTUSERDATA if frame.is_null(-1) => self.output.extend(b"null"),
            _ => Err(self.refuse(-1, "type not supported")),
        }
    }

    /// Begins the topmost table.
    fn open(&mut self, current: &mut Option<Level>) -> Result<(), Failure> {
        let frame = self.frame;
        self.depth += 1;
        let fits = self.depth <= self.settings.encode_max_depth && frame.reserve(SLOTS_OF_LEVEL);
        if !fits {
            return Err(self.refuse_depth());
        }
        let length = self.array_length()?;
        let level = match length {
            Some(length) => {
                self.output.push(b'[')?;
                Level::Array { written: 0, length }
            }
            None => {
                self.output.push(b'{')?;
                frame.push_nil();
                Level::Object { is_empty: true }
            }
        };
        if let Some(outer) = current.replace(level)
            && !self.levels.push(frame, outer)
        {
            return Err(self.refuse_depth());
        }
        Ok(())
    }

    /// Goes on to the next value, which it pushes, and ends tables that have no more. Returns whether there is a value.
    fn advance(&mut self, current: &mut Option<Level>) -> Result<bool, Failure> {
        let frame = self.frame;
        while let Some(level) = current {
            match level {
                Level::Array { written, length } => {
                    if *written < *length {
                        if *written > 0 {
                            self.output.push(b',')?;
                        }
                        *written += 1;
                        frame.raw_get_at(-1, *written);
                        return Ok(true);
                    }
                    self.output.push(b']')?;
                }
                Level::Object { is_empty } => {
                    if frame.next(-2) {
                        if !core::mem::take(is_empty) {
                            self.output.push(b',')?;
                        }
                        self.key()?;
                        return Ok(true);
                    }
                    self.output.push(b'}')?;
                }
            }
            frame.pop(1);
            self.depth -= 1;
            *current = self.levels.pop();
        }
        Ok(false)
    }

    /// Writes the key below the topmost value.
    fn key(&mut self) -> Result<(), Failure> {
        match self.frame.kind(-2) {
            ffi::LUA_TSTRING => {
                self.string(-2)?;
                self.output.push(b':')
            }
            ffi::LUA_TNUMBER => {
                self.output.push(b'"')?;
                self.number(-2)?;
                self.output.extend(b"\":")
            }
            _ => Err(self.refuse(-2, "table key must be a number or string")),
        }
    }

    /// The length of the topmost table, if it is an array.
    fn array_length(&self) -> Result<Option<c_int>, Failure> {
        let frame = self.frame;
        if is_marked(frame) {
            return Ok(Some(c_int::try_from(frame.length(-1)).unwrap_or(c_int::MAX)));
        }
        let (mut largest, mut items) = (0, 0_i32);
        frame.push_nil();
        while frame.next(-2) {
            let key = if frame.kind(-2) == ffi::LUA_TNUMBER { frame.number(-2) } else { 0.0 };
            if !(key >= 1.0 && key.floor() == key) {
                frame.pop(2);
                return Ok(None);
            }
            if key > f64::from(largest) {
                // What is no C int is none in the original either: such a table is an object.
                largest = if key <= f64::from(c_int::MAX) { key as c_int } else { c_int::MIN };
            }
            items += 1;
            frame.pop(1);
        }
        let Settings { encode_sparse_convert, encode_sparse_ratio, encode_sparse_safe, .. } = self.settings;
        let is_sparse = encode_sparse_ratio > 0
            && largest > items.wrapping_mul(encode_sparse_ratio)
            && largest > encode_sparse_safe;
        if is_sparse && !encode_sparse_convert {
            return Err(self.refuse(-1, "excessively sparse array"));
        }
        Ok((largest > 0 && !is_sparse).then_some(largest))
    }

    fn number(&mut self, index: c_int) -> Result<(), Failure> {
        let number = self.frame.number(index);
        if !number.is_finite() {
            match self.settings.encode_invalid_numbers {
                InvalidNumbers::Error => return Err(self.refuse(index, "must not be NaN or Inf")),
                InvalidNumbers::Null => return self.output.extend(b"null"),
                InvalidNumbers::Name => (),
            }
        }
        let precision = self.settings.encode_number_precision as usize;
        self.output.extend(number::format(number, precision).bytes())
    }

    /// Writes a string, which goes in as it is but for what [`ESCAPES`] names.
    fn string(&mut self, index: c_int) -> Result<(), Failure> {
        // SAFETY: a string that stays on the stack.
        let mut rest = unsafe { self.frame.bytes(index) };
        // In most strings nothing is escaped.
        self.output.reserve(rest.len() + 2)?;
        self.output.push(b'"')?;
        while let Some(at) = rest.iter().position(|&byte| ESCAPES[usize::from(byte)] != PLAIN) {
            self.output.extend(&rest[..at])?;
            match ESCAPES[usize::from(rest[at])] {
                HEX => {
                    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                    self.output.extend(&[b'\\', b'u', b'0', b'0', digit(rest[at] >> 4), digit(rest[at] & 15)])?;
                }
                letter => self.output.extend(&[b'\\', letter])?,
            }
            rest = &rest[at + 1..];
        }
        self.output.extend(rest)?;
        self.output.push(b'"')
    }

    #[cold]
    fn refuse(&self, index: c_int, reason: &str) -> Failure {
        self.frame.fail(format_args!("Cannot serialise {}: {reason}", self.frame.kind_name(index)))
    }

    #[cold]
    fn refuse_depth(&self) -> Failure {
        self.frame.fail(format_args!("Cannot serialise, excessive nesting ({})", self.depth))
    }
}

/// The byte is written as it is.
const PLAIN: u8 = 0;
/// The byte is written as `\u00xx`.
const HEX: u8 = b'u';

/// How each byte of a string is written: as it is, in hexadecimal, or as a backslash and this letter.
static ESCAPES: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = HEX;
        byte += 1;
    }
    table[0x7f] = HEX;
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'/' as usize] = b'/';
    table[b'\\' as usize] = b'\\';
    table
};
