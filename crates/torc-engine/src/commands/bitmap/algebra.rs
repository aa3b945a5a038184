//! BITOP's operations: strings are folded into accumulators one after another, whatever their lengths.
//!
//! A shorter string counts as followed by zeros. Several folds of one operation, each over a part of the sources, become one. The loops are over bytes and without branches, so that the compiler
//! makes vector code of them.
//!
//! ```text
//!               accumulators                          result
//!   AND OR XOR  all = the sources so far              all
//!   NOT         all = the source                      complement of all
//!   DIFF        first, all = OR of the others         first AND NOT all
//!   DIFF1       first, all = OR of the others         all AND NOT first
//!   ANDOR       first, all = OR of the others         first AND all
//!   ONE         all = OR, first = set more than once  all AND NOT first
//! ```

use crate::error::CommandError;

/// What is done with the strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bits set in all.
    And,
    /// Bits set in any.
    Or,
    /// Bits set in an odd number.
    Xor,
    /// Bits not set in the only one.
    Not,
    /// Bits set in the first and in none of the others.
    Diff,
    /// Bits set in any of the others and not in the first.
    Diff1,
    /// Bits set in the first and in any of the others.
    AndOr,
    /// Bits set in exactly one.
    One,
}

impl Operation {
    const NAMES: [(&'static str, Operation); 8] = [
        ("AND", Operation::And),
        ("OR", Operation::Or),
        ("XOR", Operation::Xor),
        ("NOT", Operation::Not),
        ("DIFF", Operation::Diff),
        ("DIFF1", Operation::Diff1),
        ("ANDOR", Operation::AndOr),
        ("ONE", Operation::One),
    ];

    /// Reads an operation that is to have so many sources.
    pub fn parse(word: &[u8], sources: usize) -> Result<Operation, CommandError> {
        let found = Self::NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        let (name, operation) = *found.ok_or(CommandError::Syntax)?;
        match operation {
            Operation::Not if sources != 1 => {
                Err(CommandError::fixed("ERR BITOP NOT must be called with a single source key."))
            }
            _ if operation.has_first() && sources < 2 => {
                Err(CommandError::made(format!("ERR BITOP {name} must be called with at least two source keys.")))
            }
            _ => Ok(operation),
        }
    }

    /// Whether the first source stands apart from the others.
    pub fn has_first(self) -> bool {
        matches!(self, Operation::Diff | Operation::Diff1 | Operation::AndOr)
    }
}

/// Sources being combined.
#[derive(Debug)]
pub struct Fold {
    operation: Operation,
    first: Vec<u8>,
    /// `None`: no source that belongs here yet.
    all: Option<Vec<u8>>,
}

impl Fold {
    /// Without sources yet.
    pub fn new(operation: Operation) -> Fold {
        Fold { operation, first: Vec::new(), all: None }
    }

    /// Adds the source with this number among all; an absent key is empty.
    pub fn add(&mut self, number: usize, source: &[u8]) {
        if number == 0 && self.operation.has_first() {
            self.first = source.to_vec();
        } else {
            self.add_to_all(source);
        }
    }

    fn add_to_all(&mut self, source: &[u8]) {
        let Some(all) = &mut self.all else {
            self.all = Some(source.to_vec());
            return;
        };
        if all.len() < source.len() {
            all.resize(source.len(), 0);
        }
        match self.operation {
            Operation::And => {
                combine(all, source, |a, b| a & b);
                all[source.len()..].fill(0);
            }
            Operation::Xor => combine(all, source, |a, b| a ^ b),
            Operation::One => {
                self.first.resize(all.len(), 0);
                for ((once, twice), byte) in all.iter_mut().zip(&mut self.first).zip(source) {
                    *twice |= *once & byte;
                    *once |= byte;
                }
            }
            Operation::Not => unreachable!("NOT has one source"),
            Operation::Or | Operation::Diff | Operation::Diff1 | Operation::AndOr => {
                combine(all, source, |a, b| a | b);
            }
        }
    }

    /// Both accumulators, for a fold of more sources elsewhere.
    pub fn accumulators(&self) -> (&[u8], Option<&[u8]>) {
        (&self.first, self.all.as_deref())
    }

    /// Adds all sources of another fold by its accumulators.
    pub fn add_fold(&mut self, first: &[u8], all: Option<&[u8]>) {
        if let Some(all) = all {
            self.add_to_all(all);
        }
        // Of one fold at most, where the first source stands apart; otherwise what more than one have.
        if self.first.len() < first.len() {
            self.first.resize(first.len(), 0);
        }
        combine(&mut self.first, first, |a, b| a | b);
    }

    /// The result, as long as the longest source.
    pub fn finish(self) -> Vec<u8> {
        let Fold { operation, mut first, all } = self;
        let mut all = all.unwrap_or_default();
        let len = first.len().max(all.len());
        first.resize(if operation.has_first() { len } else { first.len() }, 0);
        all.resize(len, 0);
        match operation {
            Operation::And | Operation::Or | Operation::Xor => {}
            Operation::Not => all.iter_mut().for_each(|byte| *byte = !*byte),
            Operation::Diff => combine(&mut all, &first, |all, first| first & !all),
            Operation::Diff1 | Operation::One => combine(&mut all, &first, |all, first| all & !first),
            Operation::AndOr => combine(&mut all, &first, |all, first| all & first),
        }
        all
    }
}

/// Combines the bytes that both have into `into`.
#[inline]
fn combine(into: &mut [u8], from: &[u8], function: impl Fn(u8, u8) -> u8) {
    for (a, b) in into.iter_mut().zip(from) {
        *a = function(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The operation on the bits of all sources at one place.
    fn naive(operation: Operation, bits: &[bool]) -> bool {
        let (ones, rest) = (bits.iter().filter(|bit| **bit).count(), bits[1..].contains(&true));
        match operation {
            Operation::And => ones == bits.len(),
            Operation::Or => ones > 0,
            Operation::Xor => ones % 2 == 1,
            Operation::Not => !bits[0],
            Operation::Diff => bits[0] && !rest,
            Operation::Diff1 => rest && !bits[0],
            Operation::AndOr => bits[0] && rest,
            Operation::One => ones == 1,
        }
    }

    proptest! {
        #[test]
        fn as_bit_by_bit_in_one_fold_and_in_two(
            sources in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5),
            on_second in any::<u8>(),
        ) {
            for (_, operation) in Operation::NAMES {
                let sources = match operation {
                    Operation::Not => &sources[..1],
                    _ if operation.has_first() && sources.len() < 2 => continue,
                    _ => &sources[..],
                };
                let (mut whole, mut parts) = (Fold::new(operation), [(); 2].map(|()| Fold::new(operation)));
                for (number, source) in sources.iter().enumerate() {
                    whole.add(number, source);
                    parts[usize::from(on_second >> number & 1 == 1)].add(number, source);
                }
                let [mut fold, second] = parts;
                let (first, all) = second.accumulators();
                fold.add_fold(first, all);
                let result = fold.finish();
                prop_assert_eq!(&result, &whole.finish(), "{:?} of what two have folded", operation);
                prop_assert_eq!(result.len(), sources.iter().map(Vec::len).max().unwrap_or(0));
                for at in 0..result.len() * 8 {
                    let bit = |source: &Vec<u8>| source.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
                    let bits: Vec<bool> = sources.iter().map(bit).collect();
                    prop_assert_eq!(bit(&result), naive(operation, &bits), "{:?} bit {}", operation, at);
                }
            }
        }
    }

    #[test]
    fn the_number_of_sources_is_checked() {
        let text = |word: &str, sources| {
            let error_text = |error: CommandError| String::from_utf8(error.text().into_owned()).expect("it is text");
            Operation::parse(word.as_bytes(), sources).map_err(error_text)
        };
        assert_eq!(text("and", 1), Ok(Operation::And));
        assert_eq!(text("oNe", 1), Ok(Operation::One));
        assert_eq!(text("not", 2), Err("ERR BITOP NOT must be called with a single source key.".to_owned()));
        assert_eq!(text("andor", 1), Err("ERR BITOP ANDOR must be called with at least two source keys.".to_owned()));
        assert_eq!(text("nand", 2), Err("ERR syntax error".to_owned()));
    }
}
