//! All registers of a HyperLogLog, a byte each: what values are merged into.

use super::dense;
use super::format::{CORRUPT, Encoding, HEAD_BYTES, REGISTERS, check};
use super::sparse;
use crate::error::CommandError;

/// The highest rank seen for each register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers(pub [u8; REGISTERS]);

impl Registers {
    /// None seen yet.
    pub fn new() -> Self {
        Registers([0; REGISTERS])
    }

    /// The registers of one value.
    pub fn of(value: &[u8]) -> Result<Self, CommandError> {
        let mut registers = Self::new();
        registers.merge(value)?;
        Ok(registers)
    }

    /// Raises the ranks to those of a value; its encoding. After an error they may have been raised in part.
    pub fn merge(&mut self, value: &[u8]) -> Result<Encoding, CommandError> {
        let encoding = check(value)?;
        let bytes = &value[HEAD_BYTES..];
        match encoding {
            Encoding::Dense => self.merge_dense(bytes),
            Encoding::Sparse => {
                let complete = sparse::for_each(bytes, |first, run| {
                    if run.rank > 0 {
                        self.0[first..first + run.len].iter_mut().for_each(|rank| *rank = run.rank.max(*rank));
                    }
                });
                if !complete {
                    return Err(CORRUPT);
                }
            }
        }
        Ok(encoding)
    }

    fn merge_dense(&mut self, bytes: &[u8]) {
        let ((groups, _), (ranks, _)) = (bytes.as_chunks::<6>(), self.0.as_chunks_mut::<8>());
        for (ranks, group) in ranks.iter_mut().zip(groups) {
            for (rank, other) in ranks.iter_mut().zip(dense::spread(*group)) {
                *rank = (*rank).max(other);
            }
        }
    }

    /// Writes them densely.
    pub fn pack(&self, bytes: &mut [u8]) {
        let ((groups, _), (ranks, _)) = (bytes.as_chunks_mut::<6>(), self.0.as_chunks::<8>());
        for (ranks, group) in ranks.iter().zip(groups) {
            *group = dense::gather(*ranks);
        }
    }

    /// How often each rank occurs.
    pub fn count_ranks(&self) -> [u32; 64] {
        let mut counts = [0; 64];
        self.0.iter().for_each(|rank| counts[usize::from(rank & 63)] += 1);
        counts
    }
}
