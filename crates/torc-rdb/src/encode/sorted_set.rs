//! Sorted sets: members and scores in turn in a listpack; or member by member with binary scores, highest first.

use torc_resp::number::F64Text;

use super::{Encoder, Extent};
use crate::listpack::ListpackBuilder;
use crate::types;

impl Encoder<'_> {
    /// A sorted set of distinct members, at least one; no score is NaN. Each function gives all of them, the same each time it
    /// is asked: by ascending scores and then members, as Redis expects it in a listpack; and the other way round, which lets
    /// Redis insert each at the front.
    pub fn sorted_set<M, I, R>(&mut self, ascending: impl Fn() -> I, descending: impl Fn() -> R)
    where
        M: AsRef<[u8]>,
        I: Iterator<Item = (M, f64)>,
        R: Iterator<Item = (M, f64)>,
    {
        let limits = self.options.thresholds;
        let mut extent = Extent::default();
        for (member, score) in ascending() {
            assert!(!score.is_nan(), "a score is a number");
            extent.count += 1;
            extent.add(member.as_ref());
        }
        if self.has_listpacks() && extent.fits(limits.zset_max_listpack_entries, limits.zset_max_listpack_value) {
            self.begin(types::ZSET_LISTPACK);
            let (mut pack, mut text) = (ListpackBuilder::new(), F64Text::new());
            for (member, score) in ascending() {
                pack.push(member.as_ref());
                text.set(score);
                pack.push(text.as_bytes());
            }
            self.write_listpack(&mut pack);
        } else {
            let mut pieces = self.begin_sorted_set(extent.count as u64);
            descending().for_each(|(member, score)| pieces.add(self.out, member.as_ref(), score));
            pieces.finish();
        }
    }
}
