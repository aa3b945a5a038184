//! `struct`: numbers and strings as C lays them out, as of Roberto Ierusalimschy's struct 0.2 with Redis's bounds.
//!
//! ```text
//!   > <       big or little endian from here on (at first the machine's own, which is little)
//!   ![n]      align to at most n bytes, a power of 2; 8 without n, 1 at first
//!   b B h H l L T   1, 2, 8 and 8 bytes; capitals and T are unsigned
//!   i[n] I[n] an integer of n bytes, up to 32; 4 without n
//!   f d       a float or a double
//!   x         a byte of padding
//!   c[n]      n bytes, 1 without n. c0 is a whole string when packing; when unpacking, the number before it says how long it is
//!   s         a string and a zero
//! ```
//! What C leaves undefined is defined here as what Redis does on x86-64: numbers out of range, and signed integers of odd sizes above 8
//! bytes. <http://www.inf.puc-rio.br/~roberto/struct/>

use core::ffi::c_int;
use mlua_sys::lua_State;

use super::memory::Buffer;
use super::support::{Failure, Frame, Outcome, entry, push_library, upvalue};

/// Bytes of the largest integer.
const INTEGER_BYTES_MAX: usize = 32;
const ALIGNMENT_DEFAULT: usize = 8;
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
    push_library(frame, &[(c"pack", entry(pack)), (c"unpack", entry(unpack)), (c"size", entry(size))], 1);
    frame.replace(-2);
}

/// A format and how far it has been read.
struct Format<'a> {
    frame: Frame,
    rest: &'a [u8],
    big_endian: bool,
    alignment: usize,
}

/// An option of a format.
#[derive(Clone, Copy)]
struct Item {
    option: u8,
    /// Bytes it takes; 0 where the data says so, and for what takes none.
    size: usize,
}

impl<'a> Format<'a> {
    /// The format that the first argument is, up to a zero.
    ///
    /// # Safety
    /// The argument stays on the stack while the format is in use.
    unsafe fn argument(frame: Frame) -> Self {
        // SAFETY: the caller answers for it.
        let text: &'a [u8] = unsafe { frame.argument_bytes(1) };
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Format { frame, rest: &text[..end], big_endian: cfg!(target_endian = "big"), alignment: 1 }
    }

    fn next(&mut self) -> Result<Option<Item>, Failure> {
        let [option, rest @ ..] = self.rest else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number()?.unwrap_or(1),
            b'i' | b'I' => {
                let size = self.number()?.unwrap_or(4);
                if size > INTEGER_BYTES_MAX {
                    let text = format_args!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(self.frame.fail(text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some(Item { option: *option, size }))
    }

    /// The decimal number that comes next, which must fit a C int.
    fn number(&mut self) -> Result<Option<usize>, Failure> {
        let mut number: Option<i32> = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            let longer = number.unwrap_or(0).checked_mul(10).and_then(|it| it.checked_add(i32::from(digit - b'0')));
            let Some(longer) = longer else {
                return Err(self.frame.fail(format_args!("integral size overflow")));
            };
            number = Some(longer);
            self.rest = rest;
        }
        Ok(number.map(|it| it as usize))
    }

    /// Bytes of padding before an item that comes at `position`. The sum is that of C for sizes that are no power of 2.
    fn padding(&self, position: usize, item: Item) -> usize {
        if item.size == 0 || item.option == b'c' {
            return 0;
        }
        let size = item.size.min(self.alignment);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// An option that is about the format itself, or an error.
    fn control(&mut self, option: u8) -> Result<(), Failure> {
        match option {
            b' ' => (),
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let alignment = self.number()?.unwrap_or(ALIGNMENT_DEFAULT);
                if !alignment.is_power_of_two() {
                    return Err(self.frame.fail(format_args!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment;
            }
            _ => return Err(self.frame.fail_argument_byte(1, "invalid format option '", option, "'")),
        }
        Ok(())
    }
}

fn pack(frame: Frame) -> Outcome {
    // SAFETY: no argument leaves the stack.
    let mut format = unsafe { Format::argument(frame) };
    // A missing argument is reported as nil: the original marks the end of the arguments with one.
    frame.push_nil();
    let mut output = Buffer::take(frame, BUFFER);
    let mut argument = 2;
    while let Some(item) = format.next()? {
        for _ in 0..format.padding(output.bytes().len(), item) {
            output.push(0)?;
        }
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = to_u64(frame.argument_number(argument));
                pack_integer(&mut output, value, item.size, format.big_endian)?;
                argument += 1;
            }
            b'x' => output.push(0)?,
            b'f' => {
                let bits = (frame.argument_number(argument) as f32).to_bits();
                output.extend(&if format.big_endian { bits.to_be_bytes() } else { bits.to_le_bytes() })?;
                argument += 1;
            }
            b'd' => {
                let bits = frame.argument_number(argument).to_bits();
                output.extend(&if format.big_endian { bits.to_be_bytes() } else { bits.to_le_bytes() })?;
                argument += 1;
            }
            b'c' | b's' => {
                pack_string(frame, &mut output, argument, item)?;
                argument += 1;
            }
            option => format.control(option)?,
        }
    }
    frame.push_bytes(output.bytes());
    output.keep(BUFFER);
    Ok(1)
}

/// The lower 64 bits of a number, as a C cast gives them on x86-64: 2^63 for what a signed integer cannot hold, and what is at least 2^63
/// is cast after subtracting that.
fn to_u64(number: f64) -> u64 {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let to_signed = |number: f64| {
        let fits = (-TWO_TO_63..TWO_TO_63).contains(&number);
        if fits { number as i64 as u64 } else { 1 << 63 }
    };
    if number >= TWO_TO_63 { to_signed(number - TWO_TO_63) ^ (1 << 63) } else { to_signed(number) }
}

fn pack_integer(output: &mut Buffer, value: u64, size: usize, big_endian: bool) -> Result<(), Failure> {
    let mut bytes = [0; INTEGER_BYTES_MAX];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    let bytes = &mut bytes[..size];
    if big_endian {
        bytes.reverse();
    }
    output.extend(bytes)
}

fn pack_string(frame: Frame, output: &mut Buffer, argument: c_int, item: Item) -> Result<(), Failure> {
    // SAFETY: arguments stay on the stack.
    let bytes = unsafe { frame.argument_bytes(argument) };
    let size = if item.size == 0 { bytes.len() } else { item.size };
    let Some(bytes) = bytes.get(..size) else {
        // The original counts one on before it complains.
        return Err(frame.fail_argument(argument + 1, format_args!("string too short")));
    };
    output.extend(bytes)?;
    if item.option == b's' { output.push(0) } else { Ok(()) }
}

fn unpack(frame: Frame) -> Outcome {
    // SAFETY: no argument leaves the stack.
    let (mut format, data) = unsafe { (Format::argument(frame), frame.argument_bytes(2)) };
    let first = frame.argument_integer_or(3, 1);
    if first == 0 {
        return Err(frame.fail_argument(3, format_args!("offset must be 1 or greater")));
    }
    // What is negative is far beyond the end, as it is for C's unsigned position.
    let mut position = (first as usize).wrapping_sub(1);
    let mut results = 0;
    while let Some(item) = format.next()? {
        position = position.wrapping_add(format.padding(position, item));
        let field = field(frame, data, position, item.size)?;
        // For the item and for the position at the end.
        frame.check_stack(2, "too many results")?;
        let mut size = item.size;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                frame.push_number(unpack_integer(field, format.big_endian, item.option.is_ascii_lowercase()));
            }
            b'f' => {
                let bits = unpack_bits(field, format.big_endian) as u32;
                frame.push_number(f64::from(f32::from_bits(bits)));
            }
            b'd' => frame.push_number(f64::from_bits(unpack_bits(field, format.big_endian))),
            b'x' => results -= 1,
            b'c' if size == 0 => {
                size = length_before(frame, results)?;
                frame.push_bytes(self::field(frame, data, position, size)?);
                results -= 1;
            }
            b'c' => frame.push_bytes(field),
            b's' => {
                let rest = &data[position..];
                let Some(length) = rest.iter().position(|&byte| byte == 0) else {
                    return Err(frame.fail(format_args!("unfinished string in data")));
                };
                frame.push_bytes(&rest[..length]);
                size = length + 1;
            }
            option => {
                format.control(option)?;
                results -= 1;
            }
        }
        results += 1;
        position += size;
    }
    frame.push_number(position.wrapping_add(1) as i64 as f64);
    Ok(results + 1)
}

/// The `size` bytes at `position`.
fn field(frame: Frame, data: &[u8], position: usize, size: usize) -> Result<&[u8], Failure> {
    let end = position.checked_add(size);
    end.and_then(|end| data.get(position..end))
        .ok_or_else(|| frame.fail_argument(2, format_args!("data string too short")))
}

/// Takes the result before `c0`, which says how long its string is.
fn length_before(frame: Frame, results: c_int) -> Result<usize, Failure> {
    if results == 0 || !frame.is_number(-1) {
        return Err(frame.fail(format_args!("format 'c0' needs a previous size")));
    }
    let length = to_u64(frame.number(-1)) as usize;
    frame.pop(1);
    Ok(length)
}

/// The lowest 8 bytes of a field.
fn unpack_bits(field: &[u8], big_endian: bool) -> u64 {
    let add = |bits: u64, byte: &u8| (bits << 8) | u64::from(*byte);
    if big_endian { field.iter().fold(0, add) } else { field.iter().rev().fold(0, add) }
}

fn unpack_integer(field: &[u8], big_endian: bool, signed: bool) -> f64 {
    let bits = unpack_bits(field, big_endian);
    if !signed {
        return bits as f64;
    }
    // The distance is taken modulo 64, as the machine does: right for up to 8 bytes, and the original's answer beyond.
    let sign = u64::MAX.wrapping_shl((field.len() as u32).wrapping_mul(8).wrapping_sub(1));
    (if bits & sign == 0 { bits } else { bits | sign }) as i64 as f64
}

fn size(frame: Frame) -> Outcome {
    // SAFETY: no argument leaves the stack.
    let mut format = unsafe { Format::argument(frame) };
    let mut position = 0_usize;
    while let Some(item) = format.next()? {
        position = position.wrapping_add(format.padding(position, item));
        match item.option {
            b's' => return Err(frame.fail_argument(1, format_args!("option 's' has no fixed size"))),
            b'c' if item.size == 0 => return Err(frame.fail_argument(1, format_args!("option 'c0' has no fixed size"))),
            // Letters without a meaning are of no size here, and an error elsewhere.
            option if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => (),
        }
        position = position.wrapping_add(item.size);
    }
    frame.push_number(position as i64 as f64);
    Ok(1)
}
