//! The sources of a request that lie on this core, for commands that combine them wherever they are.

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::Args;
use torc_store::sorted_set::SortedSetRef;
use torc_store::{Kind, SetRef};

use super::ShardContext;
use crate::command::{Lead, Source};

/// How much the sources of one core may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// At most so many members.
    pub members: usize,
    /// To go through them takes long.
    pub is_big: bool,
}

impl ShardContext<'_> {
    /// The sources of a request that this core owns, in order, each once, however often it is named. `has_first`: the first source of
    /// all plays a part of its own, so it does not stand for one that is named behind it.
    pub fn own_sources<'a>(&self, args: Args<'a>, has_first: bool) -> Vec<Source<'a>> {
        /// Up to so many are compared with each other instead of being put into a table.
        const COMPARED_MAX: usize = 8;
        let mut own: Vec<Source<'a>> = self.command.row.sources(args).filter(|source| self.owns(source.key)).collect();
        let identity = |source: &Source<'a>| (has_first && source.number == 0, source.key);
        if own.len() <= COMPARED_MAX {
            let mut kept = 0;
            for at in 0..own.len() {
                if !own[..kept].iter().any(|before| identity(before) == identity(&own[at])) {
                    own[kept] = own[at];
                    kept += 1;
                }
            }
            own.truncate(kept);
        } else {
            let mut seen: HashSet<(bool, &[u8]), RandomState> = HashSet::default();
            own.retain(|source| seen.insert(identity(source)));
        }
        own
    }

    /// How much the sets and sorted sets come to that are sources of a request and on this core: the smallest of them, or all but the
    /// first of all.
    pub fn weigh_sources(&self, args: Args<'_>, lead: Lead) -> Weight {
        let weights = self.own_sources(args, lead == Lead::First).into_iter().map(|source| {
            let value = self.glance(source.key);
            let members = value.map_or(0, |value| match value.kind() {
                Kind::Set => SetRef::of(value).len(),
                Kind::SortedSet => SortedSetRef::of(value).len(),
                _ => unreachable!("the type was checked"),
            });
            Weight { members, is_big: value.is_some_and(|value| value.is_big()) }
        });
        let together = |a: Weight, b: Weight| match lead {
            Lead::Smallest => Weight { members: a.members.min(b.members), is_big: a.is_big && b.is_big },
            Lead::First => Weight { members: a.members + b.members, is_big: a.is_big || b.is_big },
        };
        weights.reduce(together).expect("this core owns sources")
    }
}
