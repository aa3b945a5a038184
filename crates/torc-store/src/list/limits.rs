//! How big a node, and a list in one pack, may become: the meaning of `list-max-listpack-size`.

/// Bytes for the values -1 to -5.
const BYTES_BY_LEVEL: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
/// Most bytes of a node whose limit is a count.
const BYTES_WITH_COUNT: usize = 8 << 10;
/// What Redis's listpack has in bytes besides its elements.
const LISTPACK_FRAME_BYTES: usize = 7;

/// The most a node holds; a single element may be bigger than that, and then has a node of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    pub(super) bytes: usize,
    pub(super) len: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        ListLimits::of(-2)
    }
}

impl ListLimits {
    /// From the value of `list-max-listpack-size`: a number of elements, or a level of bytes from -1 (4 KiB) to -5 (64 KiB).
    pub fn of(fill: i64) -> ListLimits {
        match usize::try_from(fill) {
            Ok(len) => ListLimits { bytes: BYTES_WITH_COUNT, len: len.max(1) },
            Err(_) => {
                let level = fill.unsigned_abs().min(BYTES_BY_LEVEL.len() as u64) as usize;
                ListLimits { bytes: BYTES_BY_LEVEL[level - 1], len: usize::MAX }
            }
        }
    }

    /// Whether a node may be so big.
    #[inline]
    pub(super) fn allow(self, bytes: usize, len: usize) -> bool {
        bytes <= self.bytes && len <= self.len
    }

    /// Whether a list of `len` elements, which take `bytes` bytes in a pack, may be one pack.
    pub(super) fn allow_pack(self, bytes: usize, len: usize) -> bool {
        self.allow(bytes + LISTPACK_FRAME_BYTES, len) && len <= crate::pack::PACK_LEN_MAX
    }

    /// Whether a list that shrinks becomes one pack again: at half of what it may be.
    pub(super) fn want_pack(self, bytes: usize, len: usize) -> bool {
        bytes + LISTPACK_FRAME_BYTES <= self.bytes / 2 && len <= self.len / 2 && len <= crate::pack::PACK_LEN_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_mean_what_they_mean_in_redis() {
        assert_eq!(ListLimits::of(-1).bytes, 4096);
        assert_eq!(ListLimits::of(-5).bytes, 65536);
        assert_eq!(ListLimits::of(i64::MIN).bytes, 65536);
        assert_eq!(ListLimits::of(0).len, 1);
        assert_eq!(ListLimits::of(128), ListLimits { bytes: 8192, len: 128 });
        assert!(ListLimits::default().allow_pack(8185, 9));
        assert!(!ListLimits::default().allow_pack(8186, 9));
        assert!(ListLimits::of(3).want_pack(100, 1));
        assert!(!ListLimits::of(3).want_pack(100, 2));
    }
}
