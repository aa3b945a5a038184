//! All registers of a HyperLogLog, a byte each: what values are merged into.

use torc_resp::Args;
use torc_resp::reader::{self, Elements};
use torc_store::ValueRef;

use super::dense;
use super::format::{CORRUPT, DENSE_BYTES, Encoding, HEAD_BYTES, REGISTERS, check};
use super::sparse;
use crate::error::CommandError;
use crate::extract::Extract;
use crate::shard::ShardContext;

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

    /// Raises the ranks to those of the sources of a request on this core, which have been read and checked; the encodings of their
    /// values.
    pub fn merge_own(&mut self, context: &ShardContext<'_>, args: Args<'_>) -> Vec<Encoding> {
        let own = context.own_sources(args, false);
        let values = own.iter().filter_map(|source| context.glance(source.key));
        let mut merge = |value: ValueRef<'_>| self.merge(value.as_string().expect("the type was checked"));
        values.map(|value| merge(value).expect("the value was checked")).collect()
    }

    /// Writes for another core what the sources of this core come to: densely, and how many of them are dense; null without any.
    pub fn send_own(context: &ShardContext<'_>, args: Args<'_>, extract: &mut Extract) {
        let mut registers = Registers::new();
        let encodings = registers.merge_own(context, args);
        if encodings.is_empty() {
            return extract.null();
        }
        let mut bytes = vec![0; DENSE_BYTES - HEAD_BYTES];
        registers.pack(&mut bytes);
        extract.array(2);
        extract.integer(encodings.iter().filter(|encoding| **encoding == Encoding::Dense).count() as i64);
        extract.bulk(&bytes);
    }

    /// Raises the ranks to those that another core has sent. Whether any value there is dense.
    pub fn merge_sent(&mut self, extract: &[u8]) -> bool {
        let Some(mut elements) = Elements::new(extract) else { return false };
        let (dense, bytes) = (elements.next().and_then(reader::integer), elements.next().and_then(reader::bulk));
        self.merge_dense(bytes.expect("registers were sent"));
        dense.expect("a number was sent") > 0
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
