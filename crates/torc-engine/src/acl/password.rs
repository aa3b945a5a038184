//! Passwords as they are kept: SHA-256 hashes, in Redis's notation of 64 lower-case hexadecimal digits.
//!
//! A password itself is hashed as soon as it has been read, and kept nowhere.

/// The hash of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// The hash of this password.
    pub fn of(password: &[u8]) -> Self {
        PasswordHash(hmac_sha256::Hash::hash(password))
    }

    /// Reads 64 lower-case hexadecimal digits; `None` for anything else.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let bytes: Option<Vec<u8>> = pairs.iter().map(|&[high, low]| Some(digit(high)? * 16 + digit(low)?)).collect();
        bytes?.try_into().ok().map(PasswordHash)
    }

    /// The digits.
    pub fn digits(&self) -> String {
        hexadecimal(&self.0)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn is_same(&self, other: &PasswordHash) -> bool {
        let difference = self.0.iter().zip(other.0).fold(0, |difference, (left, right)| difference | (left ^ right));
        std::hint::black_box(difference) == 0
    }
}

/// Hashes are not for logs.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordHash(..)")
    }
}

/// Makes a password of so many hexadecimal digits, which whoever does not know `secret` (32 bytes of the system's) cannot foresee.
pub fn generate(secret: [u8; 32], salt: u64, digits: usize) -> String {
    let mut text = String::new();
    let mut block = 0u64;
    while text.len() < digits {
        let seed = [&secret[..], &salt.to_le_bytes(), &block.to_le_bytes()].concat();
        text += &hexadecimal(&hmac_sha256::HMAC::mac(seed, secret));
        block += 1;
    }
    text.truncate(digits);
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha_256() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(PasswordHash::of(b"abc").digits(), known);
        assert_eq!(PasswordHash::parse(known.as_bytes()), Some(PasswordHash::of(b"abc")));
        assert!(PasswordHash::of(b"abc").is_same(&PasswordHash::of(b"abc")));
        assert!(!PasswordHash::of(b"abc").is_same(&PasswordHash::of(b"abd")));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let upper = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for wrong in ["", "a", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), upper] {
            assert_eq!(PasswordHash::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn passwords_that_are_made_have_their_length_and_differ() {
        let made: Vec<String> = (0..4).map(|salt| generate([7; 32], salt, 130)).collect();
        assert!(made.iter().all(|text| text.len() == 130 && text.bytes().all(|byte| digit(byte).is_some())));
        assert!((1..4).all(|at| made[at] != made[0]));
        assert_ne!(generate([8; 32], 0, 130), made[0]);
        assert_ne!(made[0][..64], made[0][64..128]);
    }
}
