//! Paths of the programs that take part.
//!
//! Torc, the floor and the load generator are those that cargo builds with the profile in question, unless another Torc
//! is named; an earlier build of Torc and redis-server exist already.

use std::path::PathBuf;

use super::scenarios::Peer;
use crate::tools::built_program;

/// The programs of one run.
#[derive(Debug)]
pub struct Programs {
    /// The load generator.
    pub load: PathBuf,
    floor: PathBuf,
    torc: PathBuf,
    before: Option<PathBuf>,
}

impl Programs {
    /// Those of `profile`; `torc` stands in for the Torc that is built, and `before` is the earlier one, if any.
    pub fn new(profile: &str, torc: Option<PathBuf>, before: Option<PathBuf>) -> Self {
        Self {
            load: built_program(profile, "load"),
            floor: built_program(profile, "floor-server"),
            torc: torc.unwrap_or_else(|| built_program(profile, "torc")),
            before,
        }
    }

    /// The server of `peer`.
    ///
    /// # Panics
    /// There is no earlier build and `peer` is one: such scenarios are not chosen then.
    pub fn server(&self, peer: Peer) -> PathBuf {
        match peer {
            Peer::Floor => self.floor.clone(),
            Peer::Torc => self.torc.clone(),
            Peer::Before => {
                self.before.clone().expect("a scenario with an earlier build is chosen only if there is one")
            }
            Peer::Redis => PathBuf::from("redis-server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_torc_stands_in_for_the_built_one() {
        let named = Programs::new("release", Some("/a/torc".into()), Some("/b/torc".into()));
        assert_eq!(named.server(Peer::Torc), PathBuf::from("/a/torc"));
        assert_eq!(named.server(Peer::Before), PathBuf::from("/b/torc"));
        let built = Programs::new("quick", None, None);
        assert!(built.server(Peer::Torc).ends_with("quick/torc"));
    }
}
