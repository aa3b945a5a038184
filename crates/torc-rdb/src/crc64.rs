//! The checksum of RDB files and DUMP payloads: CRC-64 with the Jones polynomial, bits reflected, starting at 0.
//!
//! By tables, eight bytes a step: with one table per distance from the end of the step, what each byte contributes is looked
//! up independently of the others. Or, where the processor can, by multiplication (`folding`).

#[cfg(target_arch = "x86_64")]
mod folding;

/// The polynomial 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// The polynomial 1.
const ONE: u64 = 1 << 63;
/// The polynomial x^8.
const X_TO_8: u64 = ONE >> 8;

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
    #[cfg(target_arch = "x86_64")]
    if let Some((folded, rest)) = folding::fold(before, bytes) {
        return by_tables(by_tables(0, &folded), rest);
    }
    by_tables(before, bytes)
}

fn by_tables(before: u64, bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<8>();
    let crc = steps.iter().fold(before, |crc, step| {
        let mixed = (crc ^ u64::from_le_bytes(*step)).to_le_bytes();
        (0..8).fold(0, |sum, at| sum ^ TABLES[7 - at][usize::from(mixed[at])])
    });
    rest.iter().fold(crc, |crc, byte| crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)])
}

/// The checksum of two pieces one after the other, from those of each alone and the length of the second in bytes.
pub fn combine(first: u64, second: u64, second_len: u64) -> u64 {
    // To the first piece it is as if so many zero bytes followed.
    multiply(first, power(X_TO_8, second_len)) ^ second
}

/// x to the power of `exponent`, modulo the polynomial.
#[cfg(target_arch = "x86_64")]
const fn power_of_x(exponent: u64) -> u64 {
    power(ONE >> 1, exponent)
}

const fn power(base: u64, mut exponent: u64) -> u64 {
    let (mut power, mut square) = (ONE, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    power
}

/// The product of two polynomials modulo that of the checksum. The highest bit of a word is the coefficient of 1.
const fn multiply(left: u64, right: u64) -> u64 {
    let (mut product, mut shifted) = (0, right);
    let mut bit = 64;
    while bit > 0 {
        bit -= 1;
        if left >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = shifted >> 1 ^ if shifted & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
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
    fn pieces_are_combined() {
        let bytes: Vec<u8> = (0..1000_u32).map(|number| (number * number + 7) as u8).collect();
        for (cut, end) in [(0, 0), (0, 1000), (1000, 1000), (9, 10), (9, 1000), (500, 777), (999, 1000)] {
            let (first, second) = (crc64(0, &bytes[..cut]), crc64(0, &bytes[cut..end]));
            assert_eq!(combine(first, second, (end - cut) as u64), crc64(0, &bytes[..end]), "{cut} {end}");
        }
        // Zeros only shift, however many: in three steps as in one.
        let shifted = |crc, len| combine(crc, 0, len);
        assert_eq!(shifted(shifted(shifted(77, 1 << 40), 1 << 63), 5), shifted(77, (1 << 63) + (1 << 40) + 5));
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

    #[test]
    fn multiplication_and_tables_agree() {
        let bytes: Vec<u8> = (0..2000_u32).map(|number| (number.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
        for start in 0..3 {
            for end in start..bytes.len() {
                let (before, part) = (u64::from(bytes[start]) << 50 | 77, &bytes[start..end]);
                assert_eq!(crc64(before, part), by_tables(before, part), "{start} {end}");
            }
        }
    }
}
