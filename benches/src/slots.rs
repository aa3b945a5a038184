//! The slot of a key, as every cluster client computes it.
//!
//! The slot is CRC16 (XMODEM: polynomial 0x1021, start 0, most significant bit first) of the key, or of the
//! part between the first `{` and the next `}` when that part is not empty, modulo 16384.

/// Slots of a cluster.
pub const SLOT_COUNT: usize = 16_384;

const TABLE: [u16; 256] = table();

/// The slot of `key`, below [`SLOT_COUNT`].
pub fn slot_of(key: &[u8]) -> usize {
    usize::from(crc16(hash_tag(key))) % SLOT_COUNT
}

/// CRC16/XMODEM of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc16_has_the_published_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn slots_match_a_redis_server() {
        // As answered by CLUSTER KEYSLOT.
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{foo}bar"), 12_182);
        assert_eq!(slot_of(b"x{foo}{bar}"), 12_182);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn an_empty_or_unclosed_tag_hashes_the_whole_key() {
        assert_eq!(slot_of(b"{}foo"), usize::from(crc16(b"{}foo")) % SLOT_COUNT);
        assert_eq!(slot_of(b"{foo"), usize::from(crc16(b"{foo")) % SLOT_COUNT);
    }
}
