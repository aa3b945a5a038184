//! Which core owns a key: slot = CRC16(hash tag or key) mod 16384, and a [`SlotMap`] says whose the slot is.
//!
//! The slots are those of Redis Cluster, so a cluster client computes the same number, and its slots are
//! what a core presents itself with under `core-ports`. Nobody but the map knows how slots are spread: a
//! server starts with an even map (core = slot * cores / 16384), and an engine can be given any other.

/// The number of hash slots, as in Redis Cluster.
pub const SLOTS: u32 = 16384;

/// A core, by its index: 0 is the first.
pub type CoreId = u16;

/// The slot of a key: CRC16 (XMODEM) over the hash tag, or over the whole key without one.
pub fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) & (SLOTS as u16 - 1)
}

/// The owner of a slot when all are spread evenly: neighbours stay together.
fn even_owner(slot: u16, cores: u16) -> CoreId {
    ((u32::from(slot) * u32::from(cores)) / SLOTS) as CoreId
}

/// The owner of every slot. A map never changes; to move a slot is to give all engines another map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    cores: u16,
    /// By slot. `None` while slots are spread evenly: computing the owner costs less than a table that takes
    /// all of a CPU's first cache.
    owners: Option<Box<[CoreId]>>,
}

impl SlotMap {
    /// All slots spread evenly over so many cores.
    pub fn even(cores: u16) -> Self {
        assert!(cores > 0, "a slot has an owner");
        SlotMap { cores, owners: None }
    }

    /// Each slot where `owner` says, over so many cores, of which some may own none.
    pub fn new(cores: u16, owner: impl Fn(u16) -> CoreId) -> Self {
        let owners: Box<[CoreId]> = (0..SLOTS as u16).map(owner).collect();
        assert!(owners.iter().all(|&owner| owner < cores), "each slot belongs to one of {cores} cores");
        SlotMap { cores, owners: Some(owners) }
    }

    /// How many cores share the slots.
    pub fn cores(&self) -> u16 {
        self.cores
    }

    /// The core that owns a slot.
    #[inline]
    pub fn slot_owner(&self, slot: u16) -> CoreId {
        match &self.owners {
            None => even_owner(slot, self.cores),
            Some(owners) => owners[usize::from(slot)],
        }
    }

    /// The core that owns a key. With one core nothing is hashed.
    #[inline]
    pub fn owner(&self, key: &[u8]) -> CoreId {
        if self.cores == 1 { 0 } else { self.slot_owner(key_slot(key)) }
    }

    /// The slots of a core in ascending ranges, first and last, both included.
    pub fn ranges(&self, core: CoreId) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in (0..SLOTS as u16).filter(|&slot| self.slot_owner(slot) == core) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }
}

/// The part of a key that is hashed: what stands in the first `{...}` if that is not empty, else all.
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(0) | None => key,
        Some(len) => &rest[..len],
    }
}

/// CRC16 with polynomial 0x1021, no reflection, start 0 (XMODEM), eight bytes a step ("slicing by 8").
fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        crc = CRC_TABLES[7][usize::from(chunk[0] ^ (crc >> 8) as u8)]
            ^ CRC_TABLES[6][usize::from(chunk[1] ^ crc as u8)]
            ^ CRC_TABLES[5][usize::from(chunk[2])]
            ^ CRC_TABLES[4][usize::from(chunk[3])]
            ^ CRC_TABLES[3][usize::from(chunk[4])]
            ^ CRC_TABLES[2][usize::from(chunk[5])]
            ^ CRC_TABLES[1][usize::from(chunk[6])]
            ^ CRC_TABLES[0][usize::from(chunk[7])];
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ CRC_TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// `CRC_TABLES[n][b]`: the CRC of byte `b` followed by `n` zero bytes.
static CRC_TABLES: [[u16; 256]; 8] = crc_tables();

const fn crc_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before << 8) ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis_cluster() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(key_slot(b"foo"), 12182);
        assert_eq!(key_slot(b"{user1000}.following"), key_slot(b"user1000"));
        assert_eq!(key_slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % 16384);
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
    }

    #[test]
    fn slicing_equals_the_plain_loop() {
        let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37)).collect();
        for len in 0..bytes.len() {
            let mut plain = 0u16;
            for &byte in &bytes[..len] {
                plain = (plain << 8) ^ CRC_TABLES[0][usize::from((plain >> 8) as u8 ^ byte)];
            }
            assert_eq!(crc16(&bytes[..len]), plain, "length {len}");
        }
    }

    #[test]
    fn every_slot_belongs_to_the_range_of_its_core() {
        for cores in [1u16, 2, 3, 7, 64] {
            let map = SlotMap::even(cores);
            let ranges: Vec<_> = (0..cores).map(|core| map.ranges(core)).collect();
            for slot in 0..SLOTS as u16 {
                let [(first, last)] = ranges[usize::from(map.slot_owner(slot))][..] else { panic!("one range each") };
                assert!((first..=last).contains(&slot), "slot {slot} of {cores}");
            }
        }
    }

    #[test]
    fn a_map_may_be_any() {
        let even = SlotMap::new(3, |slot| even_owner(slot, 3));
        let computed = SlotMap::even(3);
        assert!((0..SLOTS as u16).all(|slot| even.slot_owner(slot) == computed.slot_owner(slot)));
        let moved = SlotMap::new(3, |slot| if slot == 5 || slot > 16000 { 2 } else { 0 });
        assert_eq!(moved.ranges(0), [(0, 4), (6, 16000)]);
        assert_eq!(moved.ranges(1), []);
        assert_eq!(moved.ranges(2), [(5, 5), (16001, 16383)]);
        assert_eq!(moved.owner(b"foo"), 0);
    }
}
