//! Patterns of keys, compiled once: most end in a star, and then comparing the beginning tells all.
//!
//! ```text
//!   ~app:user:*   prefix "app:user:"                       head: its first eight bytes, compared as one number
//!   ~app:*:name   prefix "app:", then the glob matcher
//!   ~counter      exactly that
//! ```
//! A key that does not begin like a pattern is refused after one comparison of numbers.

use super::rule::Access;
use crate::glob::{self, Case};

/// A pattern of keys, and what is allowed with keys that match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// As it was written.
    text: Box<[u8]>,
    /// What is allowed.
    access: Access,
    form: Form,
    /// How many bytes stand before the first that means something.
    literal_len: usize,
    /// The first eight of them, as one number, and which of its bits count.
    head: u64,
    mask: u64,
}

/// What follows the literal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing: the whole key.
    Exact,
    /// Anything.
    Prefix,
    /// What the glob matcher has to say.
    Glob,
}

impl KeyPattern {
    /// Compiles a pattern.
    pub fn new(text: &[u8], access: Access) -> Self {
        let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        let literal_len = text.iter().position(is_special).unwrap_or(text.len());
        let form = match &text[literal_len..] {
            [] => Form::Exact,
            b"*" => Form::Prefix,
            _ => Form::Glob,
        };
        let head_len = literal_len.min(8);
        let mask = if head_len == 8 { u64::MAX } else { (1 << (8 * head_len)) - 1 };
        KeyPattern { text: text.into(), access, form, literal_len, head: head(&text[..head_len]), mask }
    }

    /// As it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What is allowed with keys that match.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Allows this, too.
    pub fn add_access(&mut self, access: Access) {
        self.access = self.access.and(access);
    }

    /// Whether it matches a key; `key_head`: [`head`] of it.
    #[inline]
    pub fn matches(&self, key: &[u8], key_head: u64) -> bool {
        key_head & self.mask == self.head && self.goes_on_like(key)
    }

    #[inline]
    fn goes_on_like(&self, key: &[u8]) -> bool {
        let literal = &self.text[..self.literal_len];
        match self.form {
            Form::Exact => key == literal,
            // As everywhere in Redis, a star alone does not match the empty key.
            Form::Prefix => !key.is_empty() && key.starts_with(literal),
            Form::Glob => glob::matches(&self.text, key, Case::Sensitive),
        }
    }
}

/// The first eight bytes of a key as one number, with zeros behind a shorter one.
#[inline]
pub fn head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk::<8>() {
        return u64::from_le_bytes(*first);
    }
    let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        // Two words that overlap when the key is shorter than eight bytes.
        return word(first) | word(last) << ((key.len() - 4) * 8);
    }
    key.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &[u8], key: &[u8]) -> bool {
        KeyPattern::new(pattern, Access::ALL).matches(key, head(key))
    }

    #[test]
    fn heads_have_the_first_bytes() {
        for len in 0..12 {
            let key: Vec<u8> = (1..=len).collect();
            let mut bytes = key.clone();
            bytes.resize(8.max(bytes.len()), 0);
            assert_eq!(head(&key).to_le_bytes(), bytes[..8], "{len}");
        }
    }

    #[test]
    fn zero_bytes_are_bytes() {
        assert!(!matches(b"a\0", b"a"));
        assert!(!matches(b"a", b"a\0"));
        assert!(matches(b"a\0*", b"a\0"));
        assert!(!matches(b"a\0*", b"a"));
    }

    proptest! {
        /// A compiled pattern says what the glob matcher says.
        #[test]
        fn compiled_patterns_match_what_globs_match(
            pattern in prop::collection::vec(prop::sample::select(&b"ab*?[]\\^-\0"[..]), 0..12),
            key in prop::collection::vec(prop::sample::select(&b"ab*\\\0"[..]), 0..14),
        ) {
            prop_assert_eq!(matches(&pattern, &key), glob::matches(&pattern, &key, Case::Sensitive));
        }
    }
}
