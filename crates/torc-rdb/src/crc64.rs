//! The checksum of RDB files and DUMP payloads: CRC-64 with the Jones polynomial, bits reflected, starting at 0.
//!
//! Eight bytes a step: with one table per distance from the end of the step, what each byte contributes is looked up
//! independently of the others.

/// The polynomial 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut distance = 1;
    while distance < 8 {
        let mut byte = 0;
        while byte < 256 {
            let nearer = tables[distance - 1][byte];
            tables[distance][byte] = nearer >> 8 ^ tables[0][(nearer & 0xff) as usize];
            byte += 1;
        }
        distance += 1;
    }
    tables
}

/// The checksum of `bytes`, going on from that of what came before them (0: nothing did).
pub fn crc64(before: u64, bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<8>();
    let crc = steps.iter().fold(before, |crc, step| {
        let mixed = (crc ^ u64::from_le_bytes(*step)).to_le_bytes();
        (0..8).fold(0, |sum, at| sum ^ TABLES[7 - at][usize::from(mixed[at])])
    });
    rest.iter().fold(crc, |crc, byte| crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_vector_holds() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn it_can_be_taken_in_parts() {
        let bytes: Vec<u8> = (0..100_u32).map(|number| (number * 37) as u8).collect();
        let bit_by_bit = bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
        });
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(crc64(crc64(0, head), tail), bit_by_bit, "cut at {cut}");
        }
    }
}
