//! How a row declares in which form its command is propagated, and what is checked of that: at compile time that there is a
//! declaration, and whenever the command has changed something that it is true.
//!
//! ```text
//!   Row { flags: WRITE, propagation } --family!--> Row::assert_sound   does not compile without one
//!   the command has run --effect::collect--> Propagation::assert_told  ends the process where the form is not the declared one
//! ```

use super::{Flags, Row};

/// In which form logs and replicas are told of a command that has changed something ([`crate::effect`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Propagation {
    /// It changes nothing. What expires where it looks is told all the same.
    Nothing,
    /// Nobody is told: it changes only what follows from a value and is kept in it (PFCOUNT's count).
    Untold,
    /// As it came: run again behind the same commands, it does the same.
    AsItCame,
    /// In the forms that its function gives, whatever it changes: it waits, it chooses, it makes an id, or it reckons from now.
    Given,
    /// As it came, unless its function gives a form: that depends on its options (a relative time in SET), or on what it finds.
    AsItCameOrGiven,
}

impl Propagation {
    /// Asserts that a command that has changed something was told as its row declares. `is_given`: its function has given the form.
    pub(crate) fn assert_told(self, is_given: bool, command: &str) {
        let is_true = match self {
            Propagation::Nothing => false,
            Propagation::Untold => !is_given,
            Propagation::AsItCame => !is_given,
            Propagation::Given => is_given,
            Propagation::AsItCameOrGiven => true,
        };
        let form = if is_given { "in a form of its own" } else { "as it came" };
        assert!(is_true, "{command} has changed something and is told {form}, while its row says {self:?}");
    }
}

impl Row {
    /// Asserts what must hold for every row: that it declares how it is propagated exactly if it writes, and for what may wait that it is
    /// never told as it came, since nobody else is to wait. Families assert it of their rows at compile time.
    ///
    /// ```
    /// # use torc_engine::command::{Flags, Propagation, Row};
    /// static POKE: Row = Row { name: "poke", flags: Flags::WRITE, propagation: Propagation::AsItCame, ..Row::DEFAULT };
    /// const _: () = POKE.assert_sound();
    /// ```
    /// Without a declaration it does not compile:
    /// ```compile_fail
    /// # use torc_engine::command::{Flags, Propagation, Row};
    /// static POKE: Row = Row { name: "poke", flags: Flags::WRITE, ..Row::DEFAULT };
    /// const _: () = POKE.assert_sound();
    /// ```
    /// Nor does a declaration of a row that writes nothing:
    /// ```compile_fail
    /// # use torc_engine::command::{Flags, Propagation, Row};
    /// static PEEK: Row = Row { name: "peek", flags: Flags::READONLY, propagation: Propagation::Given, ..Row::DEFAULT };
    /// const _: () = PEEK.assert_sound();
    /// ```
    /// Subcommands are asserted with their container:
    /// ```compile_fail
    /// # use torc_engine::command::{Flags, Propagation, Row};
    /// static POKE: Row = Row { name: "poke", flags: Flags::WRITE, ..Row::DEFAULT };
    /// static HAND: Row = Row { name: "hand", subcommands: &[&POKE], ..Row::DEFAULT };
    /// const _: () = HAND.assert_sound();
    /// ```
    pub const fn assert_sound(&self) {
        let tells = !matches!(self.propagation, Propagation::Nothing | Propagation::Untold);
        assert!(self.flags.has(Flags::WRITE) == tells, "a row declares its propagation exactly if it writes");
        let may_be_told_as_it_came = matches!(self.propagation, Propagation::AsItCame | Propagation::AsItCameOrGiven);
        assert!(self.blocking.is_none() || !may_be_told_as_it_came, "what may wait is not told as it came");
        let mut index = 0;
        while index < self.subcommands.len() {
            self.subcommands[index].assert_sound();
            index += 1;
        }
    }
}
