//! The integers of BITFIELD: any width at any bit, and what happens when one overflows.
//!
//! ```text
//!   words of the request --[Operations]--> Operation { access, encoding, offset }   checked, nothing stored
//!   bytes + Operation    --[Operation::run]--> the reply, and the bytes changed
//! ```

use torc_resp::Args;

use super::offset::field_offset;
use crate::command::integer_argument;
use crate::error::CommandError;

const BAD_ENCODING: CommandError = CommandError::fixed(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// `i1` to `i64` and `u1` to `u63`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoding {
    signed: bool,
    bits: u32,
}

impl Encoding {
    fn parse(word: &[u8]) -> Result<Encoding, CommandError> {
        let (signed, digits) = match word {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return Err(BAD_ENCODING),
        };
        let bits_max = if signed { 64 } else { 63 };
        match torc_resp::number::parse_i64(digits) {
            Some(bits) if (1..=bits_max).contains(&bits) => Ok(Encoding { signed, bits: bits as u32 }),
            _ => Err(BAD_ENCODING),
        }
    }

    /// The integer that these bits mean; higher bits are ignored.
    fn decode(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { (raw << unused) as i64 >> unused } else { (raw << unused >> unused) as i64 }
    }

    /// Smallest and largest integer.
    fn limits(self) -> (i64, i64) {
        let unused = 64 - self.bits;
        if self.signed { (i64::MIN >> unused, i64::MAX >> unused) } else { (0, (u64::MAX >> unused) as i64) }
    }

    /// `value + increment`, or what `overflow` makes of it.
    fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.limits();
        let beyond = match (i128::from(value) + i128::from(increment), self.signed) {
            // What is written as a negative number is a large one.
            _ if !self.signed && value < 0 => Some(max),
            // Redis's difference of the limit and a very negative number wraps, and so it counts as too large.
            _ if self.signed && self.bits < 64 && increment > max.wrapping_sub(value) => Some(max),
            (sum, _) if sum > i128::from(max) => Some(max),
            (sum, _) if sum < i128::from(min) => Some(min),
            (sum, _) => return Some(sum as i64),
        };
        match overflow {
            Overflow::Wrap => Some(self.decode(value.wrapping_add(increment) as u64)),
            Overflow::Saturate => beyond,
            Overflow::Fail => None,
        }
    }
}

/// What becomes of a result that its encoding cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// The low bits of the result are kept.
    Wrap,
    /// The nearest limit is taken.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// What an operation does with its integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

/// One operation of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    access: Access,
    encoding: Encoding,
    offset: u64,
}

impl Operation {
    /// Number of the last byte it may change; `None` if it only reads.
    pub fn last_byte_written(self) -> Option<usize> {
        (self.access != Access::Get).then(|| ((self.offset + u64::from(self.encoding.bits) - 1) >> 3) as usize)
    }

    /// The integer as it is; beyond the end there are zeros.
    pub fn read(self, bytes: &[u8]) -> i64 {
        self.encoding.decode(read_bits(bytes, self.offset, self.encoding.bits))
    }

    /// Does it; `bytes` are long enough for what it writes. `None`: it failed by overflow.
    pub fn run(self, bytes: &mut [u8]) -> Option<i64> {
        let old = self.read(bytes);
        let (new, reply) = match self.access {
            Access::Get => return Some(old),
            Access::Set(value, overflow) => (self.encoding.add(value, 0, overflow)?, old),
            Access::Increment(increment, overflow) => {
                let new = self.encoding.add(old, increment, overflow)?;
                (new, new)
            }
        };
        write_bits(bytes, self.offset, self.encoding.bits, new as u64);
        Some(reply)
    }
}

/// Reads the operations of a request one by one.
pub struct Operations<'a> {
    words: Args<'a>,
    string_len_max: usize,
    overflow: Overflow,
}

impl<'a> Operations<'a> {
    /// Of the words behind the key.
    pub fn new(words: Args<'a>, string_len_max: usize) -> Self {
        Operations { words, string_len_max, overflow: Overflow::Wrap }
    }

    /// Reads all of them: how many they are, and the number of the last byte that one of them may write.
    pub fn check(mut self) -> Result<(usize, Option<usize>), CommandError> {
        let (mut count, mut last_byte_written) = (0, None);
        while let Some(operation) = self.read_next()? {
            count += 1;
            last_byte_written = last_byte_written.max(operation.last_byte_written());
        }
        Ok((count, last_byte_written))
    }

    /// The next operation; `None` at the end.
    fn read_next(&mut self) -> Result<Option<Operation>, CommandError> {
        while !self.words.is_empty() {
            let (words, given) = (self.words, self.words.len() - 1);
            let is = |name: &str| words.get(0).eq_ignore_ascii_case(name.as_bytes());
            if is("overflow") && given >= 1 {
                self.overflow = Overflow::parse(words.get(1))?;
                self.words = words.from(2);
                continue;
            }
            let reads = is("get") && given >= 2;
            if !reads && !((is("set") || is("incrby")) && given >= 3) {
                return Err(CommandError::Syntax);
            }
            let encoding = Encoding::parse(words.get(1))?;
            let offset = field_offset(words.get(2), encoding.bits, self.string_len_max)?;
            let access = match reads {
                true => Access::Get,
                false if is("set") => Access::Set(integer_argument(words.get(3))?, self.overflow),
                false => Access::Increment(integer_argument(words.get(3))?, self.overflow),
            };
            self.words = words.from(if reads { 3 } else { 4 });
            return Ok(Some(Operation { access, encoding, offset }));
        }
        Ok(None)
    }
}

impl Iterator for Operations<'_> {
    type Item = Operation;

    /// The next operation of a request that was checked.
    fn next(&mut self) -> Option<Operation> {
        self.read_next().expect("the request was checked")
    }
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Overflow, CommandError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("wrap") {
            Ok(Overflow::Wrap)
        } else if is("sat") {
            Ok(Overflow::Saturate)
        } else if is("fail") {
            Ok(Overflow::Fail)
        } else {
            Err(CommandError::fixed("ERR Invalid OVERFLOW type specified"))
        }
    }
}

/// Bytes that hold 64 bits at any offset.
const SPAN_BYTES: usize = 9;

/// `bits` bits from `offset` on, as the low bits of a number.
fn read_bits(bytes: &[u8], offset: u64, bits: u32) -> u64 {
    let rest = bytes.get((offset >> 3) as usize..).unwrap_or_default();
    let mut span = [0; 16];
    let len = rest.len().min(SPAN_BYTES);
    span[..len].copy_from_slice(&rest[..len]);
    (u128::from_be_bytes(span) << (offset & 7) >> (128 - bits)) as u64
}

/// Writes the low `bits` bits of `value` at `offset`; they lie inside `bytes`.
fn write_bits(bytes: &mut [u8], offset: u64, bits: u32, value: u64) {
    let rest = &mut bytes[(offset >> 3) as usize..];
    let mut span = [0; 16];
    let len = rest.len().min(SPAN_BYTES);
    span[..len].copy_from_slice(&rest[..len]);
    let place = 128 - bits - (offset & 7) as u32;
    let mask = (u128::MAX >> (128 - bits)) << place;
    let changed = u128::from_be_bytes(span) & !mask | u128::from(value) << place & mask;
    rest[..len].copy_from_slice(&changed.to_be_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoding() -> impl Strategy<Value = Encoding> {
        (any::<bool>(), 1..=64u32)
            .prop_map(|(signed, bits)| Encoding { signed, bits: bits.min(64 - u32::from(!signed)) })
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -300..300i64, (0..63u32).prop_map(|at| 1 << at), Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn bits_are_where_they_belong(mut bytes in proptest::collection::vec(any::<u8>(), 20..30), offset in 0..96u64, bits in 1..=64u32, value: u64) {
            let before = bytes.clone();
            write_bits(&mut bytes, offset, bits, value);
            let bit = |bytes: &[u8], at: u64| bytes[(at / 8) as usize] >> (7 - at % 8) & 1;
            for at in 0..bytes.len() as u64 * 8 {
                let expected = match at.checked_sub(offset) {
                    Some(inside) if inside < u64::from(bits) => (value >> (u64::from(bits) - 1 - inside) & 1) as u8,
                    _ => bit(&before, at),
                };
                prop_assert_eq!(bit(&bytes, at), expected, "bit {}", at);
            }
            prop_assert_eq!(read_bits(&bytes, offset, bits), value << (64 - bits) >> (64 - bits));
            let start = (offset >> 3) as usize;
            let mut padded = bytes[..start + 1].to_vec();
            let cut = read_bits(&padded, offset, bits);
            padded.resize(40, 0);
            prop_assert_eq!(cut, read_bits(&padded, offset, bits), "zeros follow the end");
        }

        #[test]
        fn sums_are_exact_or_overflow(encoding in encoding(), value in number(), increment in number()) {
            let value = encoding.decode(value as u64);
            let (min, max) = encoding.limits();
            let sum = i128::from(value) + i128::from(increment);
            let fits = (i128::from(min)..=i128::from(max)).contains(&sum);
            prop_assert_eq!(encoding.add(value, increment, Overflow::Fail), fits.then_some(sum as i64));
            let clamped = sum.clamp(i128::from(min), i128::from(max)) as i64;
            prop_assert_eq!(encoding.add(value, increment, Overflow::Saturate), Some(clamped));
            let modulus = 1i128 << encoding.bits;
            let mut wrapped = sum.rem_euclid(modulus);
            if encoding.signed && wrapped >= modulus / 2 {
                wrapped -= modulus;
            }
            prop_assert_eq!(encoding.add(value, increment, Overflow::Wrap), Some(wrapped as i64));
        }
    }

    #[test]
    fn a_negative_number_is_too_large_for_an_unsigned_one() {
        let encoding = Encoding { signed: false, bits: 8 };
        assert_eq!(encoding.add(-1, 0, Overflow::Saturate), Some(255));
        assert_eq!(encoding.add(-1, 0, Overflow::Wrap), Some(255));
        assert_eq!(encoding.add(-1, 0, Overflow::Fail), None);
        let encoding = Encoding { signed: true, bits: 8 };
        assert_eq!(encoding.add(-1000, 0, Overflow::Saturate), Some(-128));
        assert_eq!(encoding.add(i64::MIN, 0, Overflow::Saturate), Some(127), "as in Redis");
    }
}
