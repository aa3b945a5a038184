//! Every way in which a command can fail, rendered in one place to the exact text that Redis sends.
//!
//! A handler returns `Err(CommandError)` and the engine writes the error reply and counts it; nobody
//! else formats error text. The first word is the error code (`ERR`, `WRONGTYPE`, ...), which clients
//! branch on and which INFO's errorstats section counts.

use std::borrow::Cow;

use crate::acl::Lacking;

/// What a handler returns: its reply is already written, or the error that stands for it.
pub type CommandResult = Result<(), CommandError>;

/// A failed command. `text` gives the line a client sees, without the leading `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds a value of another type.
    WrongType,
    /// The arguments do not follow the command's syntax.
    Syntax,
    /// An argument that must be an integer is none, or is out of range.
    NotAnInteger,
    /// An argument that must be a float is none.
    NotAFloat,
    /// An increment or decrement would leave the range of a 64-bit integer.
    Overflow,
    /// The key must exist and does not.
    NoSuchKey,
    /// An argument is outside of its range; the name is used in the text.
    OutOfRange(&'static str),
    /// The number of arguments does not fit the command (lower-case full name, `client|list` style).
    Arity(&'static str),
    /// No such command: the name and the first arguments as they were sent.
    UnknownCommand(Box<[u8]>),
    /// No such subcommand of a container: what was sent, and the container's name.
    UnknownSubcommand(Box<[u8]>, &'static str),
    /// The expiry that was given to the named command is not usable.
    InvalidExpire(&'static str),
    /// The value would exceed `proto-max-bulk-len`.
    StringTooLong,
    /// The system has no memory for a value of the size that was asked for.
    OutOfMemory,
    /// The command needs a login first.
    NoAuth,
    /// The user has no right to it.
    NoPermission(Box<Denied>),
    /// EXEC after a command that could not be queued.
    ExecAbort,
    /// The command is not queued inside MULTI, which goes on all the same.
    InsideMulti(&'static str),
    /// Any other text, code included.
    Text(Cow<'static, [u8]>),
    /// The same of a script, by one of its commands, which has counted it.
    Counted(Box<[u8]>),
}

/// What was denied to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What is lacking.
    pub lacking: Lacking,
    /// The name of the user.
    pub user: Vec<u8>,
    /// The command, by its own name.
    pub command: &'static str,
    /// What ACL LOG shows: the command, a key, a channel, or a number of a database.
    pub object: Vec<u8>,
}

impl Denied {
    /// Redis's words where it is not to be told what there is.
    pub fn brief(&self) -> Vec<u8> {
        match self.lacking {
            Lacking::Command => self.verbose(),
            Lacking::Key => b"No permissions to access a key".to_vec(),
            Lacking::Channel => b"No permissions to access a channel".to_vec(),
            Lacking::Database => b"No permissions to access database".to_vec(),
        }
    }

    /// Redis's words where it is.
    pub fn verbose(&self) -> Vec<u8> {
        let object = shown(&self.object, usize::MAX);
        let (before, behind): (&[u8], &[u8]) = match self.lacking {
            Lacking::Command => (b"run the '", b"' command"),
            Lacking::Key => (b"access the '", b"' key"),
            Lacking::Channel => (b"access the '", b"' channel"),
            Lacking::Database => (b"access database ", b""),
        };
        [b"User ", &self.user[..], b" has no permissions to ", before, object, behind].concat()
    }

    /// Redis's words where EXEC finds what MULTI did not.
    pub fn since_queued(&self) -> CommandError {
        let reason = match self.lacking {
            Lacking::Command => "no permission to execute the command or subcommand",
            Lacking::Key => "no permission to touch the specified keys",
            Lacking::Channel => "no permission to access one of the channels used as arguments to the command",
            Lacking::Database => "no permission to access the database",
        };
        CommandError::made(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no \
             longer allowed for the following reason: {reason}"
        ))
    }
}

impl CommandError {
    /// An error with a fixed text; the text starts with its code.
    pub const fn fixed(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// An error with a text made for this occasion; the text starts with its code.
    pub fn made(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// An error that shows what was sent: each `{}` of `template` stands for the next of `words`. As in Redis, whose texts are C
    /// strings, a word ends before its first zero byte; all other bytes are shown as they are.
    pub fn quoting(template: &str, words: &[&[u8]]) -> Self {
        let mut text = Vec::with_capacity(template.len());
        for (index, part) in template.split("{}").enumerate() {
            if index > 0 {
                text.extend_from_slice(shown(words[index - 1], usize::MAX));
            }
            text.extend_from_slice(part.as_bytes());
        }
        // Line ends at the end go; those inside become spaces when the reply is written.
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        text.truncate(end);
        Self::made(text)
    }

    /// The line the client sees, without the leading `-` and the line end.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let text: Cow<'static, str> = match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value".into(),
            Self::Syntax => "ERR syntax error".into(),
            Self::NotAnInteger => "ERR value is not an integer or out of range".into(),
            Self::NotAFloat => "ERR value is not a valid float".into(),
            Self::Overflow => "ERR increment or decrement would overflow".into(),
            Self::NoSuchKey => "ERR no such key".into(),
            Self::OutOfRange(what) => format!("ERR {what} is out of range").into(),
            Self::Arity(name) => format!("ERR wrong number of arguments for '{name}' command").into(),
            Self::UnknownCommand(shown) => return [b"ERR unknown command ", &shown[..]].concat().into(),
            Self::UnknownSubcommand(sub, container) => {
                let container = container.to_uppercase();
                let parts = [b"ERR unknown subcommand '", &sub[..], b"'. Try ", container.as_bytes(), b" HELP."];
                return parts.concat().into();
            }
            Self::InvalidExpire(name) => format!("ERR invalid expire time in '{name}' command").into(),
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)".into(),
            Self::OutOfMemory => "OOM not enough memory for this request".into(),
            Self::NoAuth => "NOAUTH Authentication required.".into(),
            Self::NoPermission(denied) => return [b"NOPERM ", &denied.brief()[..]].concat().into(),
            Self::ExecAbort => "EXECABORT Transaction discarded because of previous errors.".into(),
            Self::InsideMulti(name) => format!("ERR {} inside MULTI is not allowed", name.to_uppercase()).into(),
            Self::Text(text) => return Cow::Borrowed(text),
            Self::Counted(text) => return Cow::Borrowed(text),
        };
        match text {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        }
    }

    /// The first word of the text: what errorstats counts by.
    pub fn code(&self) -> String {
        let text = self.text();
        let word = text.split(|byte| *byte == b' ').next().unwrap_or(b"ERR");
        String::from_utf8_lossy(word).into_owned()
    }
}

/// As much of what was sent as an error text shows: up to `len_max` bytes, and no zero byte or what is behind it.
pub fn shown(bytes: &[u8], len_max: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(len_max)];
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_ones_of_redis() {
        assert_eq!(*CommandError::Arity("get").text(), *b"ERR wrong number of arguments for 'get' command");
        assert_eq!(
            *CommandError::UnknownSubcommand(b"foo"[..].into(), "client").text(),
            *b"ERR unknown subcommand 'foo'. Try CLIENT HELP."
        );
        assert_eq!(CommandError::WrongType.code(), "WRONGTYPE");
    }

    #[test]
    fn what_was_sent_is_shown_byte_for_byte_up_to_a_zero() {
        let error = CommandError::quoting("ERR a '{}' and '{}'.", &[b"\xff\x00x", b"{}"]);
        assert_eq!(*error.text(), *b"ERR a '\xff' and '{}'.");
        assert_eq!(*CommandError::quoting("ERR {}", &[b"a\nb\r\n"]).text(), *b"ERR a\nb");
        assert_eq!(shown(b"abcdef", 3), b"abc");
    }
}
