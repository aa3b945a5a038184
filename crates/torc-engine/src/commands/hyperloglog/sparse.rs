//! Sparse registers: runs of equal ones, each in one or two bytes.
//!
//! ```text
//!   00nnnnnn            zeros, n + 1 of them (up to 64)
//!   01nnnnnn nnnnnnnn   zeros, n + 1 of them (up to 16,384), high bits first
//!   1vvvvvnn            rank v + 1 (up to 32), n + 1 times (up to 4)
//! ```
//!
//! A register is found by adding up runs, which is most of the cost of a small HyperLogLog: eight bytes at once, without
//! branches ([`find`]).

use super::format::REGISTERS;

/// The highest rank that a run can have.
pub const RANK_MAX: u8 = 32;

const ZEROS_MAX: usize = 64;
const REPEATS_MAX: usize = 4;

/// Equal registers that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Their rank.
    pub rank: u8,
    /// Their number.
    pub len: usize,
    /// Bytes that say so.
    pub bytes: usize,
}

/// Reads the run that begins with these bytes; `None` at the end, or if its second byte is missing.
#[inline]
pub fn read(bytes: &[u8]) -> Option<Run> {
    let first = *bytes.first()?;
    Some(match first >> 6 {
        0 => Run { rank: 0, len: usize::from(first & 0x3f) + 1, bytes: 1 },
        1 => Run { rank: 0, len: usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?), bytes: 2 }.one_more(),
        _ => Run { rank: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
    })
}

impl Run {
    fn one_more(self) -> Run {
        Run { len: self.len + 1, ..self }
    }
}

/// Calls `visit` with the first register of each run and with the run. False: the runs are not those of all registers.
#[must_use]
pub fn for_each(mut bytes: &[u8], mut visit: impl FnMut(usize, Run)) -> bool {
    let mut first = 0;
    while let Some(run) = read(bytes) {
        if first + run.len > REGISTERS {
            return false;
        }
        visit(first, run);
        first += run.len;
        bytes = &bytes[run.bytes..];
    }
    bytes.is_empty() && first == REGISTERS
}

/// The run that holds a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where the run begins.
    pub at: usize,
    /// Where the run before it begins.
    pub before: Option<usize>,
    /// Number of the run's first register.
    pub first: usize,
    /// The run.
    pub run: Run,
}

/// Finds the run of a register; `None` if there are too few.
pub fn find(bytes: &[u8], number: usize) -> Option<Found> {
    let (mut at, mut first) = (0, 0);
    let (mut seconds, mut cut) = (0, false);
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let eight = Eight::read(u64::from_le_bytes(*eight), cut);
        if first + eight.len > number {
            break;
        }
        (first, seconds, cut) = (first + eight.len, eight.seconds, eight.is_cut);
        at += 8;
    }
    if cut {
        // The last run so far has its second byte here: back to where it begins.
        at -= 1;
        first -= (usize::from(bytes[at] & 0x3f) << 8) + 1;
    }
    let before_is_second = seconds >> if cut { 48 } else { 56 } & 1 != 0;
    let mut before = (at > 0).then(|| at - 1 - usize::from(before_is_second));
    loop {
        let run = read(&bytes[at..])?;
        if number < first + run.len {
            return Some(Found { at, before, first, run });
        }
        first += run.len;
        before = Some(at);
        at += run.bytes;
    }
}

/// What eight bytes say, computed for all at once: a lane is a byte, and a flag is the lowest bit of a lane.
#[derive(Clone, Copy)]
struct Eight {
    /// The registers of the runs that begin here, and those that the second byte of a run cut off before adds; a run whose
    /// second byte is not here counts as if that were 0.
    len: usize,
    /// Lanes that are the second byte of a run.
    seconds: u64,
    /// Whether the last run has its second byte behind these.
    is_cut: bool,
}

/// A flag in each lane.
const FLAGS: u64 = u64::from_ne_bytes([1; 8]);

impl Eight {
    /// `cut`: the first byte is the second one of a run.
    #[inline]
    fn read(bytes: u64, cut: bool) -> Eight {
        let has_rank = (bytes >> 7) & FLAGS;
        let looks_long = (bytes >> 6) & FLAGS & !has_rank;
        // What counts of a run of one byte: two bits if it has a rank, else six.
        let mask = (FLAGS * 0x3f) ^ (has_rank * 0x3c);
        if looks_long == 0 && !cut {
            // As nearly always when there are some hundred elements.
            return Eight { len: sum(bytes & mask) + 8, seconds: 0, is_cut: false };
        }
        // The flags as bits of a byte; a second byte begins nothing, whatever it looks like.
        let bits = (looks_long.wrapping_mul(0x0102_0408_1020_4080) >> 56) as usize;
        let seconds = SECONDS[bits & !usize::from(cut)] | u64::from(cut);
        let long = looks_long & !seconds;
        let low = bytes & ((mask & !(long * 0xff)) | (seconds * 0xff));
        let high = bytes & (long * 0x3f);
        let runs = 8 - sum(seconds);
        Eight { len: sum(low) + (sum(high) << 8) + runs, seconds, is_cut: (CUTS[bits] >> u8::from(cut)) & 1 != 0 }
    }
}

/// The sum of eight bytes.
#[inline]
fn sum(bytes: u64) -> usize {
    let pairs = (bytes & 0x00ff_00ff_00ff_00ff) + ((bytes >> 8) & 0x00ff_00ff_00ff_00ff);
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
}

/// Which of eight bytes are second bytes, by which look like the first byte of a long run.
static SECONDS: [u64; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        table[bits] = seconds(bits).0;
        bits += 1;
    }
    table
};

/// Whether the last of eight bytes begins a long run, by which look like it: bit 0 if the first byte begins a run, bit 1 if
/// it is a second byte. That makes what the next eight bytes wait for one shift.
static CUTS: [u8; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        table[bits] = seconds(bits).1 as u8 | (seconds(bits & !1).1 as u8) << 1;
        bits += 1;
    }
    table
};

/// The second bytes among eight of which these look like first ones of long runs, and whether the last begins one.
const fn seconds(looks_long: usize) -> (u64, bool) {
    let (mut seconds, mut lane) = (0, 0);
    while lane < 8 {
        if looks_long >> lane & 1 != 0 {
            lane += 1;
            if lane == 8 {
                return (seconds, true);
            }
            seconds |= 1 << (8 * lane);
        }
        lane += 1;
    }
    (seconds, false)
}

/// A few runs being written.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    bytes: [u8; Runs::BYTES_MAX],
    len: usize,
}

impl Runs {
    /// Room for one run, the five bytes that may replace another one, and what may be merged with them.
    const BYTES_MAX: usize = 24;
    /// Runs that are looked at when neighbours are merged.
    const MERGED_MAX: usize = 5;
    /// Bytes behind a change that merging may look at.
    pub const LOOKAHEAD_BYTES: usize = 2 * (Runs::MERGED_MAX + 1);

    /// None yet.
    pub fn new() -> Self {
        Runs { bytes: [0; Runs::BYTES_MAX], len: 0 }
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Copies bytes that are runs already.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Adds registers of one rank: nothing for no registers; those with a rank are at most four.
    pub fn push(&mut self, rank: u8, len: usize) {
        let low = len.wrapping_sub(1);
        match rank {
            _ if len == 0 => {}
            0 if len <= ZEROS_MAX => self.push_bytes(&[low as u8]),
            0 => self.push_bytes(&[0x40 | (low >> 8) as u8, low as u8]),
            rank => self.push_bytes(&[repeated(rank, len)]),
        }
    }

    /// Joins neighbours of equal rank among the first five runs, as Redis does after each change.
    pub fn merge(&mut self) {
        let mut at = 0;
        for _ in 0..Runs::MERGED_MAX {
            let Some(run) = read(&self.bytes[at..self.len]) else { return };
            if run.rank > 0
                && let Some(next) = read(&self.bytes[at + 1..self.len])
                && next.rank == run.rank
                && run.len + next.len <= REPEATS_MAX
            {
                self.bytes[at + 1] = repeated(run.rank, run.len + next.len);
                self.bytes.copy_within(at + 1..self.len, at);
                self.len -= 1;
                continue;
            }
            at += run.bytes;
        }
    }
}

fn repeated(rank: u8, len: usize) -> u8 {
    assert!((1..=RANK_MAX).contains(&rank) && (1..=REPEATS_MAX).contains(&len), "a run of {len} times {rank}");
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![
            (0..0x40u8).prop_map(|byte| vec![byte]),
            (0x40..0x42u8, any::<u8>()).prop_map(|(high, low)| vec![high, low]),
            (0x80..=0xffu8).prop_map(|byte| vec![byte]),
            proptest::collection::vec(0x80..=0xffu8, 20..40),
            proptest::collection::vec(0..0x40u8, 20..40),
            proptest::collection::vec(0x40..0x42u8, 1..20),
        ];
        proptest::collection::vec(run, 0..30).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn a_register_is_found_as_one_by_one(bytes in runs(), number in 0..3000usize) {
            let (mut at, mut before, mut first, mut expected) = (0, None, 0, None);
            while let Some(run) = read(&bytes[at..]) {
                if number < first + run.len {
                    expected = Some(Found { at, before, first, run });
                    break;
                }
                (before, first, at) = (Some(at), first + run.len, at + run.bytes);
            }
            prop_assert_eq!(find(&bytes, number), expected);
        }
    }

    #[test]
    fn runs_are_written_as_they_are_read() {
        for (rank, len, bytes) in
            [(0, 1, 1), (0, 64, 1), (0, 65, 2), (0, REGISTERS, 2), (1, 1, 1), (32, 4, 1), (7, 2, 1)]
        {
            let mut runs = Runs::new();
            runs.push(rank, len);
            assert_eq!(read(runs.as_bytes()), Some(Run { rank, len, bytes }));
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x40]), None, "its second byte is missing");
    }

    #[test]
    fn all_registers_must_be_there() {
        assert!(for_each(&[0x7f, 0xff], |_, _| {}));
        assert!(!for_each(&[0x7f, 0xfe], |_, _| {}));
        assert!(!for_each(&[0x7f, 0xff, 0], |_, _| {}));
        assert!(!for_each(&[0x7f, 0xfe, 0x40], |_, _| {}));
        assert!(!for_each(&[], |_, _| {}));
    }
}
