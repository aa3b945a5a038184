//! Sets: sorted integers, a listpack, or member by member.

use torc_resp::number::parse_i64;

use super::{Encoder, Extent};
use crate::intset;
use crate::listpack::ListpackBuilder;
use crate::output::write_string;
use crate::types;

/// The first version that has sets as listpacks.
const VERSION_SET_LISTPACK: u16 = 11;

impl Encoder<'_> {
    /// A set of distinct members, at least one. `members` gives all of them, the same each time it is asked.
    pub fn set<I: Iterator<Item: AsRef<[u8]>>>(&mut self, members: impl Fn() -> I) {
        let limits = self.options.thresholds;
        if let Some(integers) = integers(members(), limits.set_max_intset_entries) {
            self.begin(types::SET_INTSET);
            return write_string(self.out, &intset::write(&integers), self.options.compress);
        }
        let mut extent = Extent::default();
        for member in members() {
            extent.count += 1;
            extent.add(member.as_ref());
        }
        let is_packed = self.options.version >= VERSION_SET_LISTPACK
            && extent.fits(limits.set_max_listpack_entries, limits.set_max_listpack_value);
        if is_packed {
            self.begin(types::SET_LISTPACK);
            let mut pack = ListpackBuilder::new();
            members().for_each(|member| pack.push(member.as_ref()));
            self.write_listpack(&mut pack);
        } else {
            let mut pieces = self.begin_set(extent.count as u64);
            members().for_each(|member| pieces.add(self.out, member.as_ref()));
            pieces.finish();
        }
    }
}

/// The members in ascending order, if all are integers and there are not too many.
fn integers<M: AsRef<[u8]>>(members: impl Iterator<Item = M>, count_max: usize) -> Option<Vec<i64>> {
    let mut integers = Vec::new();
    for member in members {
        let integer = parse_i64(member.as_ref()).filter(|_| integers.len() < count_max)?;
        integers.push(integer);
    }
    integers.sort_unstable();
    Some(integers)
}
