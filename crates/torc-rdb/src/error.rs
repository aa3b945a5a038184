//! The reasons for which bytes are not a value.

use std::fmt;

/// What is wrong with bytes that should be a value. There is never half a value beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before the value does.
    Truncated,
    /// Bytes follow the value.
    Trailing,
    /// The structure named here is damaged.
    Malformed(&'static str),
    /// A member, field or identifier of what is named here occurs twice.
    Duplicate(&'static str),
    /// A collection without elements, which no key can hold.
    Empty,
    /// A score is not a number.
    NotANumber,
    /// A type of value that is not read: one of a module, or one that does not exist in this version.
    UnsupportedType {
        /// The number of the type.
        kind: u8,
        /// The version of the format that the bytes come with.
        version: u16,
    },
    /// Something that is sound but that values have no place for here.
    Unsupported(&'static str),
    /// The payload is too short, its version is not read, or its checksum does not fit.
    Seal,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => formatter.write_str("the bytes end within a value"),
            DecodeError::Trailing => formatter.write_str("bytes follow the value"),
            DecodeError::Malformed(what) => write!(formatter, "damaged {what}"),
            DecodeError::Duplicate(what) => write!(formatter, "a {what} occurs twice"),
            DecodeError::Empty => formatter.write_str("a collection without elements"),
            DecodeError::NotANumber => formatter.write_str("a score that is not a number"),
            DecodeError::UnsupportedType { kind: kind @ (6 | 7), version } => {
                write!(formatter, "values of modules are not supported (type {kind}, version {version})")
            }
            DecodeError::UnsupportedType { kind, version } => {
                write!(formatter, "values of type {kind} of version {version} are not supported")
            }
            DecodeError::Unsupported(what) => write!(formatter, "{what} are not supported"),
            DecodeError::Seal => formatter.write_str("version or checksum are wrong"),
        }
    }
}

impl std::error::Error for DecodeError {}
