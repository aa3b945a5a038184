//! How a value changes when a register is offered a rank: decided on the bytes as they are, then done by whoever owns them.
//!
//! Most offers change nothing; the others replace a few bytes, except that a sparse value becomes dense when it grows too
//! long or when the rank is too high for a run.

use torc_store::{Occupied, StringForm};

use super::format::{CORRUPT, Encoding, HEAD_BYTES, check, dense_with_head_of, encoding, is_stale, make_stale};
use super::registers::Registers;
use super::sparse::{self, Runs};
use super::{dense, hash};
use crate::error::CommandError;

/// What becomes of a value.
#[derive(Clone, Debug)]
enum Edit {
    /// Nothing: the register has this rank or a higher one.
    Nothing,
    /// `removed` bytes from `at` on are replaced.
    Splice { at: usize, removed: usize, runs: Runs },
    /// It becomes dense; then the offer is repeated.
    Densify,
}

/// Decides what an offer does to a value that was checked.
#[inline]
fn decide(value: &[u8], number: usize, rank: u8, sparse_bytes_max: usize) -> Result<Edit, CommandError> {
    let registers = &value[HEAD_BYTES..];
    if encoding(value) == Encoding::Sparse {
        return decide_sparse(registers, number, rank, sparse_bytes_max);
    }
    if dense::get(registers, number) >= rank {
        return Ok(Edit::Nothing);
    }
    let (at, bytes, len) = dense::with(registers, number, rank);
    let mut runs = Runs::new();
    runs.push_bytes(&bytes[..len]);
    Ok(Edit::Splice { at: HEAD_BYTES + at, removed: len, runs })
}

fn decide_sparse(bytes: &[u8], number: usize, rank: u8, sparse_bytes_max: usize) -> Result<Edit, CommandError> {
    if rank > sparse::RANK_MAX {
        return Ok(Edit::Densify);
    }
    let found = sparse::find(bytes, number).ok_or(CORRUPT)?;
    let old = found.run;
    if old.rank >= rank {
        return Ok(Edit::Nothing);
    }
    // The run is cut in up to three; the run before it may be merged with them.
    let start = found.before.unwrap_or(found.at);
    let mut runs = Runs::new();
    runs.push_bytes(&bytes[start..found.at]);
    let len_before = number - found.first;
    runs.push(old.rank, len_before);
    runs.push(rank, 1);
    runs.push(old.rank, old.len - len_before - 1);
    let cut_bytes = runs.as_bytes().len() - (found.at - start);
    if cut_bytes > old.bytes && HEAD_BYTES + bytes.len() + cut_bytes - old.bytes > sparse_bytes_max {
        return Ok(Edit::Densify);
    }
    let rest = found.at + old.bytes;
    let end = (rest + Runs::LOOKAHEAD_BYTES).min(bytes.len());
    runs.push_bytes(&bytes[rest..end]);
    runs.merge();
    Ok(Edit::Splice { at: HEAD_BYTES + start, removed: end - start, runs })
}

/// The dense form of a sparse value. Never inlined: its registers are four pages of stack, each of which costs who makes room
/// for them.
#[cold]
#[inline(never)]
pub fn densify(value: &[u8]) -> Result<Vec<u8>, CommandError> {
    Ok(dense_with_head_of(value, &Registers::of(value)?))
}

/// Offers a rank to a register of a value in a vector. True: it was taken. The cached count is left alone.
pub fn offer(value: &mut Vec<u8>, number: usize, rank: u8, sparse_bytes_max: usize) -> Result<bool, CommandError> {
    match decide(value, number, rank, sparse_bytes_max)? {
        Edit::Nothing => return Ok(false),
        Edit::Splice { at, removed, runs } => {
            value.splice(at..at + removed, runs.as_bytes().iter().copied());
        }
        Edit::Densify => {
            *value = densify(value)?;
            offer(value, number, rank, sparse_bytes_max)?;
        }
    }
    Ok(true)
}

/// Adds an element to a value in a vector. True: a register has changed. The cached count is left alone.
pub fn add(value: &mut Vec<u8>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, CommandError> {
    let (number, rank) = hash::place(element);
    offer(value, number, rank, sparse_bytes_max)
}

/// Adds elements to the value of a key; how often one of them has changed a register, so that the cached count is out of date.
///
/// An error among them leaves what was added before it.
#[inline]
pub fn add_to_key<'e>(
    occupied: &mut Occupied<'_>,
    elements: impl Iterator<Item = &'e [u8]>,
    sparse_bytes_max: usize,
) -> Result<usize, CommandError> {
    let (mut places, mut changes) = (elements.map(hash::place), 0);
    let result = loop {
        let value = bytes(occupied);
        if let Err(error) = check(value) {
            break Err(error);
        }
        // The value is looked up again only when it has changed, which becomes rare.
        let taken = places.find_map(|(number, rank)| match decide(value, number, rank, sparse_bytes_max) {
            Ok(Edit::Nothing) => None,
            edit => Some((number, rank, edit)),
        });
        match taken {
            None => break Ok(()),
            Some((_, _, Err(error))) => break Err(error),
            Some((_, _, Ok(Edit::Nothing))) => unreachable!("such offers are passed over"),
            Some((_, _, Ok(Edit::Splice { at, removed, runs }))) => splice(occupied, at, removed, runs.as_bytes()),
            Some((number, rank, Ok(Edit::Densify))) => match densify(value) {
                Err(error) => break Err(error),
                Ok(mut dense) => {
                    offer(&mut dense, number, rank, sparse_bytes_max)?;
                    occupied.set_string(&dense, StringForm::Raw);
                }
            },
        }
        changes += 1;
    };
    if changes > 0 && !is_stale(bytes(occupied)) {
        make_stale(occupied.bytes_mut().expect("the type was checked"));
    }
    result.map(|()| changes)
}

#[inline]
fn bytes<'a>(occupied: &'a Occupied<'_>) -> &'a [u8] {
    occupied.value().as_string().expect("the type was checked")
}

/// Replaces `removed` bytes from `at` on by `new`, in place unless the value becomes shorter.
#[inline]
fn splice(occupied: &mut Occupied<'_>, at: usize, removed: usize, new: &[u8]) {
    let len = bytes(occupied).len();
    if new.len() < removed {
        let old = bytes(occupied);
        let shorter = [&old[..at], new, &old[at + removed..]].concat();
        return occupied.set_string(&shorter, StringForm::Raw);
    }
    let growth = new.len() - removed;
    if growth > 0 || occupied.value().form() != StringForm::Raw {
        occupied.write_at(len, &[0; Runs::LOOKAHEAD_BYTES][..growth]);
    }
    let value = occupied.bytes_mut().expect("the type was checked");
    if growth > 0 {
        value.copy_within(at + removed..len, at + new.len());
    }
    value[at..at + new.len()].copy_from_slice(new);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::estimate::{count, estimate};
    use super::super::format::{DENSE_BYTES, EMPTY, REGISTERS};
    use super::*;

    /// Offers that meet again and again in a few places, so that runs are cut and merged.
    fn offers() -> impl Strategy<Value = Vec<(usize, u8)>> {
        let number = prop_oneof![0..30usize, 0..REGISTERS, REGISTERS - 10..REGISTERS];
        let rank = prop_oneof![1..4u8, 1..=sparse::RANK_MAX];
        proptest::collection::vec((number, rank), 1..400)
    }

    proptest! {
        #[test]
        fn sparse_and_dense_are_as_a_plain_array(offers in offers(), too_high: bool) {
            let (mut sparse, mut model) = (EMPTY.to_vec(), Registers::new());
            let mut dense = densify(&sparse).expect("an empty value is sound");
            for (number, rank) in offers {
                let taken = model.0[number] < rank;
                model.0[number] = rank.max(model.0[number]);
                prop_assert_eq!(offer(&mut sparse, number, rank, usize::MAX).expect("it is sound"), taken);
                prop_assert_eq!(offer(&mut dense, number, rank, 0).expect("it is sound"), taken);
            }
            prop_assert_eq!(encoding(&sparse), Encoding::Sparse);
            if too_high {
                model.0[7] = hash::RANK_MAX;
                prop_assert!(offer(&mut sparse, 7, hash::RANK_MAX, usize::MAX).expect("it is sound"));
                prop_assert!(offer(&mut dense, 7, hash::RANK_MAX, 0).expect("it is sound"));
                prop_assert_eq!(&sparse, &dense, "a rank too high for a run makes a value dense");
            }
            for value in [&sparse, &dense] {
                prop_assert_eq!(&Registers::of(value).expect("it is sound"), &model);
                prop_assert_eq!(count(value).expect("it is sound"), estimate(&model.count_ranks()));
            }
            prop_assert_eq!(densify(&sparse).expect("it is sound"), dense);
        }

        #[test]
        fn whatever_the_bytes_nothing_panics(tail in proptest::collection::vec(any::<u8>(), 0..60), offers in offers()) {
            let mut value = [&EMPTY[..HEAD_BYTES], &tail].concat();
            for (number, rank) in offers {
                let before = value.clone();
                if offer(&mut value, number, rank, 3000).is_err() {
                    prop_assert_eq!(&before, &value);
                }
            }
            prop_assert!(value.len() <= DENSE_BYTES);
            let (counted, merged) = (count(&value), Registers::of(&value));
            prop_assert_eq!(counted.is_ok(), merged.is_ok());
        }
    }

    #[test]
    fn runs_are_cut_and_merged_as_in_redis() {
        let mut value = EMPTY.to_vec();
        let mut after = |number, rank| {
            offer(&mut value, number, rank, 3000).expect("it is sound");
            value[HEAD_BYTES..].to_vec()
        };
        assert_eq!(after(100, 1), [0x40, 99, 0x80, 0x7f, 0x9a]);
        assert_eq!(after(101, 1), [0x40, 99, 0x81, 0x7f, 0x99], "two of rank 1");
        assert_eq!(after(99, 1), [0x40, 98, 0x82, 0x7f, 0x99]);
        assert_eq!(after(98, 1), [0x40, 97, 0x83, 0x7f, 0x99]);
        assert_eq!(after(102, 1), [0x40, 97, 0x83, 0x80, 0x7f, 0x98], "five do not fit one run");
        assert_eq!(after(99, 2), [0x40, 97, 0x80, 0x84, 0x82, 0x7f, 0x98], "cut in three, the last merged");
    }
}
