//! Lengths, strings and numbers, written: the other direction of `input`.

use torc_resp::number::parse_i64;

use crate::lzf;
use crate::value::StreamId;

/// Shorter strings are not worth compressing.
const COMPRESS_LEN_MIN: usize = 21;
/// What compression must save.
const COMPRESS_GAIN_MIN: usize = 4;
/// Longer strings are no integer of 32 bits.
const INTEGER_LEN_MAX: usize = 11;

/// Writes a number in the notation of lengths.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    match number {
        0..0x40 => out.push(number as u8),
        0x40..0x4000 => out.extend((number as u16 | 0x4000).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend(number.to_be_bytes());
        }
    }
}

/// Writes a string in its shortest form; compressed only if that is wanted.
pub(crate) fn write_string(out: &mut Vec<u8>, string: &[u8], compress: bool) {
    if string.len() <= INTEGER_LEN_MAX
        && let Some(integer) = parse_i64(string)
        && write_integer(out, integer)
    {
        return;
    }
    if compress && string.len() >= COMPRESS_LEN_MIN && write_compressed(out, string) {
        return;
    }
    write_plain(out, string);
}

/// Writes a string as it is.
pub(crate) fn write_plain(out: &mut Vec<u8>, string: &[u8]) {
    write_number(out, string.len() as u64);
    out.extend_from_slice(string);
}

/// Writes an identifier as two numbers.
pub(crate) fn write_stream_id(out: &mut Vec<u8>, id: StreamId) {
    write_number(out, id.ms);
    write_number(out, id.seq);
}

/// Puts a number, in the notation of lengths, before what was written from `start` on.
pub(crate) fn insert_number(out: &mut Vec<u8>, start: usize, number: u64) {
    let end = out.len();
    write_number(out, number);
    let len = out.len() - end;
    out[start..].rotate_right(len);
}

fn write_integer(out: &mut Vec<u8>, integer: i64) -> bool {
    if let Ok(integer) = i8::try_from(integer) {
        out.extend([0xc0, integer as u8]);
    } else if let Ok(integer) = i16::try_from(integer) {
        out.push(0xc1);
        out.extend(integer.to_le_bytes());
    } else if let Ok(integer) = i32::try_from(integer) {
        out.push(0xc2);
        out.extend(integer.to_le_bytes());
    } else {
        return false;
    }
    true
}

fn write_compressed(out: &mut Vec<u8>, string: &[u8]) -> bool {
    let start = out.len();
    if !lzf::compress(string, string.len() - COMPRESS_GAIN_MIN, out) {
        return false;
    }
    let (packed_len, end) = (out.len() - start, out.len());
    out.push(0xc3);
    write_number(out, packed_len as u64);
    write_number(out, string.len() as u64);
    // What stands before the bytes could only be known behind them.
    let head_len = out.len() - end;
    out[start..].rotate_right(head_len);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;
    use proptest::prelude::*;

    fn written(string: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_string(&mut out, string, true);
        out
    }

    #[test]
    fn strings_have_the_known_forms() {
        assert_eq!(written(b""), [0]);
        assert_eq!(written(b"-1"), [0xc0, 0xff]);
        assert_eq!(written(b"128"), [0xc1, 128, 0]);
        assert_eq!(written(b"-32769"), [0xc2, 0xff, 0x7f, 0xff, 0xff]);
        assert_eq!(written(b"007"), b"\x03007");
        assert_eq!(written(b"2147483648"), b"\x0a2147483648");
        assert_eq!(written(&[b'a'; 64])[0], 0xc3);
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(number in any::<u64>(), shift in 0..64_u32) {
            let number = number >> shift;
            let mut out = b"before".to_vec();
            insert_number(&mut out, 3, number);
            prop_assert!(out.ends_with(b"ore"));
            prop_assert_eq!(Input::new(&out[3..]).number(), Ok(number));
        }

        #[test]
        fn strings_are_read_back(string: Vec<u8>, integer: i64, shift in 0..64_u32) {
            for string in [string, (integer >> shift).to_string().into_bytes()] {
                let out = written(&string);
                let mut input = Input::new(&out);
                let read = input.string();
                prop_assert_eq!(read.as_deref(), Ok(&string[..]));
                prop_assert!(input.rest().is_empty());
            }
        }
    }
}
