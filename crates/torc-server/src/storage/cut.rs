//! A cut, as the cores work it off for a file: a save or the base of a log.
//!
//! ```text
//!   core 0:  caught --part--> --part--> last part: through
//!   core 1:           caught --part--> last part: through          all are: the file is complete
//! ```

use std::time::Instant;

use torc_engine::saving::{Part, PartOrder};

/// See the head of this file.
pub(super) struct Cut {
    pub number: u64,
    began: Instant,
    cores: usize,
    /// Cores that have caught their keys, and those all of whose parts were taken.
    caught: usize,
    through: usize,
    /// Parts that have come, and whether they are the last ones of their cores.
    parts: PartOrder<bool>,
    is_given_up: bool,
}

impl Cut {
    /// The cut of this number, which the cores are about to make.
    pub fn new(number: u64, cores: usize) -> Cut {
        Cut {
            number,
            began: Instant::now(),
            cores,
            caught: 0,
            through: 0,
            parts: PartOrder::default(),
            is_given_up: false,
        }
    }

    /// How long it has been worked on, in seconds.
    pub fn passed_s(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// A core has caught its keys. Returns whether all have.
    pub fn note_caught(&mut self) -> bool {
        self.caught += 1;
        self.is_caught()
    }

    fn is_caught(&self) -> bool {
        self.caught == self.cores
    }

    /// A part has come.
    pub fn push(&mut self, core: usize, part: Part, is_last: bool) {
        self.parts.push(core, part, is_last);
    }

    /// The next part in the order of the file, and whose it is.
    pub fn pop(&mut self) -> Option<(usize, Part)> {
        let (core, part, is_last) = self.parts.pop()?;
        self.through += usize::from(is_last);
        Some((core, part))
    }

    /// Whether all parts of all cores were taken.
    pub fn is_through(&self) -> bool {
        assert!(self.through < self.cores || self.parts.is_empty(), "no core is within a value");
        self.through == self.cores
    }

    /// Nothing more is wanted. Returns whether the cores are to be told: once, and not before all have caught their keys, as one would
    /// begin after it was told.
    pub fn give_up(&mut self) -> bool {
        let tells = self.is_caught() && !self.is_through();
        tells && !std::mem::replace(&mut self.is_given_up, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part { bytes: Vec::new(), keys: 0, version: 0, problem: None, continues: false }
    }

    #[test]
    fn cores_are_told_once_and_when_all_have_begun() {
        let mut cut = Cut::new(1, 2);
        assert!(!cut.note_caught() && !cut.give_up());
        assert!(cut.note_caught() && cut.give_up() && !cut.give_up());
        assert!(!cut.is_through());
        cut.push(1, part(), true);
        assert!(cut.pop().is_none(), "the file begins with a part of the first core");
        cut.push(0, part(), true);
        assert_eq!([cut.pop(), cut.pop()].map(|next| next.map(|(core, _)| core)), [Some(0), Some(1)]);
        assert!(cut.is_through());
    }

    #[test]
    fn nobody_is_told_when_all_is_there() {
        let mut cut = Cut::new(1, 1);
        cut.note_caught();
        cut.push(0, part(), true);
        cut.pop();
        assert!(!cut.give_up());
    }
}
