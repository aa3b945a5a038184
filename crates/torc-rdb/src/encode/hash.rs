//! Hashes: a listpack or field by field; with expiring fields, in the layouts of Redis 7.4.

use super::{Encoder, Extent};
use crate::VERSION_FIELD_EXPIRY;
use crate::listpack::ListpackBuilder;
use crate::types;

impl Encoder<'_> {
    /// A hash of distinct fields, at least one: name, value, and when it expires (Unix milliseconds, above 0). `fields` gives
    /// all of them, the same each time it is asked.
    pub fn hash<N, V, I>(&mut self, fields: impl Fn() -> I)
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        I: Iterator<Item = (N, V, Option<i64>)>,
    {
        let limits = self.options.thresholds;
        let mut extent = Extent::default();
        let mut earliest: Option<i64> = None;
        for (name, value, expire_at) in fields() {
            extent.count += 1;
            extent.add(name.as_ref());
            extent.add(value.as_ref());
            earliest = match (earliest, expire_at) {
                (Some(old), Some(new)) => Some(old.min(new)),
                (old, new) => old.or(new),
            };
        }
        let is_packed = extent.fits(limits.hash_max_listpack_entries, limits.hash_max_listpack_value);
        match (is_packed && self.has_listpacks(), earliest) {
            (true, None) => {
                self.begin(types::HASH_LISTPACK);
                let mut pack = ListpackBuilder::new();
                for (name, value, _) in fields() {
                    pack.push(name.as_ref());
                    pack.push(value.as_ref());
                }
                self.write_listpack(&mut pack);
            }
            (true, Some(earliest)) => self.expiring_listpack(fields(), earliest),
            (false, earliest) => {
                let mut pieces = self.begin_hash(extent.count as u64, earliest);
                for (name, value, expire_at) in fields() {
                    pieces.add(self.out, name.as_ref(), value.as_ref(), expire_at);
                }
                pieces.finish();
            }
        }
    }

    /// Fields in the order in which they expire; last those that stay.
    fn expiring_listpack<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        fields: impl Iterator<Item = (N, V, Option<i64>)>,
        earliest: i64,
    ) {
        self.version = self.version.max(VERSION_FIELD_EXPIRY);
        self.begin(types::HASH_LISTPACK_EX);
        self.out.extend(earliest.to_le_bytes());
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by_key(|(_, _, expire_at)| expire_at.unwrap_or(i64::MAX));
        let mut pack = ListpackBuilder::new();
        for (name, value, expire_at) in fields {
            pack.push(name.as_ref());
            pack.push(value.as_ref());
            pack.push_integer(expire_at.unwrap_or(0));
        }
        self.write_listpack(&mut pack);
    }
}
