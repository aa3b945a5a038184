//! `bit`: operations on 32-bit integers, as of LuaBitOp 1.0.2.
//!
//! Arguments are numbers, taken modulo 2^32 after rounding; results are signed. <https://bitop.luajit.org/semantics.html>

use core::ffi::c_int;
use mlua_sys::lua_State;

use super::support::{Failure, Frame, Outcome, entry, push_library};

/// Adding 2^52 + 2^51 to a double rounds it to an integer and leaves its low 32 bits in the low bits of the sum.
const ROUND_TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// Pushes the library's table.
///
/// # Safety
/// `state` is a live state with three free slots, in a protected call.
pub unsafe fn open(state: *mut lua_State) {
    // SAFETY: the caller answers for the state.
    let frame = unsafe { Frame::new(state) };
    let functions = [
        (c"tobit", entry(tobit)),
        (c"bnot", entry(bnot)),
        (c"band", entry(band)),
        (c"bor", entry(bor)),
        (c"bxor", entry(bxor)),
        (c"lshift", entry(lshift)),
        (c"rshift", entry(rshift)),
        (c"arshift", entry(arshift)),
        (c"rol", entry(rol)),
        (c"ror", entry(ror)),
        (c"bswap", entry(bswap)),
        (c"tohex", entry(tohex)),
    ];
    push_library(frame, &functions, 0);
}

/// An argument as 32 bits. Only a result of 0 may be something else than a number.
fn bits(frame: Frame, argument: c_int) -> Result<u32, Failure> {
    let bits = (frame.number(argument) + ROUND_TO_INTEGER).to_bits() as u32;
    if bits == 0 && !frame.is_number(argument) {
        return Err(frame.fail_type(argument, c"number"));
    }
    Ok(bits)
}

fn answer(frame: Frame, bits: u32) -> Outcome {
    frame.push_number(f64::from(bits as i32));
    Ok(1)
}

fn tobit(frame: Frame) -> Outcome {
    answer(frame, bits(frame, 1)?)
}

fn bnot(frame: Frame) -> Outcome {
    answer(frame, !bits(frame, 1)?)
}

fn bswap(frame: Frame) -> Outcome {
    answer(frame, bits(frame, 1)?.swap_bytes())
}

/// All arguments together, the last ones first: so the last wrong one is blamed, after the first argument.
fn all(frame: Frame, operation: impl Fn(u32, u32) -> u32) -> Outcome {
    let mut result = bits(frame, 1)?;
    for argument in (2..=frame.top()).rev() {
        result = operation(result, bits(frame, argument)?);
    }
    answer(frame, result)
}

fn band(frame: Frame) -> Outcome {
    all(frame, |a, b| a & b)
}

fn bor(frame: Frame) -> Outcome {
    all(frame, |a, b| a | b)
}

fn bxor(frame: Frame) -> Outcome {
    all(frame, |a, b| a ^ b)
}

/// A shift by the lower five bits of the second argument.
fn shift(frame: Frame, operation: impl Fn(u32, u32) -> u32) -> Outcome {
    let value = bits(frame, 1)?;
    let distance = bits(frame, 2)? & 31;
    answer(frame, operation(value, distance))
}

fn lshift(frame: Frame) -> Outcome {
    shift(frame, |value, distance| value << distance)
}

fn rshift(frame: Frame) -> Outcome {
    shift(frame, |value, distance| value >> distance)
}

fn arshift(frame: Frame) -> Outcome {
    shift(frame, |value, distance| (value as i32 >> distance) as u32)
}

fn rol(frame: Frame) -> Outcome {
    shift(frame, u32::rotate_left)
}

fn ror(frame: Frame) -> Outcome {
    shift(frame, u32::rotate_right)
}

/// The last `n` hexadecimal digits, at most 8; in capitals if `n` is negative. The smallest `n` has no positive counterpart
/// (CVE-2024-31449), hence `unsigned_abs`.
fn tohex(frame: Frame) -> Outcome {
    let mut value = bits(frame, 1)?;
    let count = if frame.top() < 2 { 8 } else { bits(frame, 2)? as i32 };
    let digits: &[u8; 16] = if count < 0 { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let count = count.unsigned_abs().min(8) as usize;
    let mut text = [0; 8];
    for place in text[..count].iter_mut().rev() {
        *place = digits[(value & 15) as usize];
        value >>= 4;
    }
    frame.push_bytes(&text[..count]);
    Ok(1)
}
