//! Words of ACL SETUSER, and what is wrong with them.

use crate::command::KeyFlags;

/// What is done with a key, or allowed: reading, writing, both or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    /// Neither: that a key exists may be told to whoever may read or write it.
    pub const NONE: Access = Access(0);
    /// Its data reaches the client or another key.
    pub const READ: Access = Access(1);
    /// Its data is changed.
    pub const WRITE: Access = Access(2);
    /// Both.
    pub const ALL: Access = Access(3);

    /// What a command does with a key, by the flags of its specification.
    pub const fn of(flags: KeyFlags) -> Access {
        let reads = flags.has(KeyFlags::ACCESS);
        let writes = flags.has(KeyFlags::INSERT) || flags.has(KeyFlags::DELETE) || flags.has(KeyFlags::UPDATE);
        Access(reads as u8 | (writes as u8) << 1)
    }

    /// Both together.
    pub const fn and(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// Whether all of `wanted` is among it.
    #[inline]
    pub const fn has(self, wanted: Access) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// Why a rule cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It is no rule, or has a blank where there must be none.
    Syntax,
    /// There is no such command, subcommand or category.
    UnknownCommand,
    /// A pattern of keys where all keys are allowed.
    AllKeys,
    /// A pattern of channels where all channels are allowed.
    AllChannels,
    /// The password that is to be removed is none of the user's.
    NoSuchPassword,
    /// What follows `#` or `!` is no hash.
    NoHash,
    /// A first argument of a subcommand.
    ArgumentOfSubcommand,
    /// The number of a database that there cannot be.
    DatabaseRange,
    /// A user is defined twice.
    Duplicate,
}

impl RuleError {
    /// Redis's words; those about databases are Valkey's.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Syntax => "Syntax error",
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
                 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
                 Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::NoHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::ArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            RuleError::DatabaseRange => "The provided database ID is out of range",
            RuleError::Duplicate => "Duplicate user found. A user can only be defined once in config files",
        }
    }
}

/// Whether a name or a pattern has a blank or a zero byte, by which the notation of users would fall apart.
pub fn has_blank(word: &[u8]) -> bool {
    word.iter().any(|&byte| byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b)
}

/// Joins the words of each selector, `(+get ~a)`, which may come as several arguments.
///
/// # Errors
/// The index of a word that opens a selector which nothing closes.
pub fn join_selectors(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, usize> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, word) in words.iter().enumerate() {
        match &mut open {
            None if word.starts_with(b"(") && !word.ends_with(b")") => open = Some((index, word.to_vec())),
            None => joined.push(word.to_vec()),
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    joined.extend(open.take().map(|(_, selector)| selector));
                }
            }
        }
    }
    match open {
        Some((index, _)) => Err(index),
        None => Ok(joined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &str) -> Result<Vec<String>, usize> {
        let words: Vec<&[u8]> = words.split('|').map(str::as_bytes).collect();
        Ok(join_selectors(&words)?.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn selectors_may_come_in_pieces() {
        assert_eq!(joined("on|(+get|~a)|off"), Ok(vec!["on".into(), "(+get ~a)".into(), "off".into()]));
        assert_eq!(joined("(+get ~a)|(|+set|)"), Ok(vec!["(+get ~a)".into(), "( +set )".into()]));
        assert_eq!(joined("()"), Ok(vec!["()".into()]));
        assert_eq!(joined("on|(+get|~a"), Err(1));
    }
}
