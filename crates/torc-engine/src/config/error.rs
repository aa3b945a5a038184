//! What can be wrong with a value, a start option or a CONFIG SET, each with the text for its reader.
//!
//! [`ValueError`] says what was expected; it is worded twice: in Redis's exact words for a client that sent
//! CONFIG SET ([`SetError`]), and in a sentence that names the place and the value for whoever starts the
//! server ([`ConfigError`]).

use std::fmt;

/// What is wrong with the arguments of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not an integer, or outside of this range.
    Integer {
        /// The least value allowed.
        min: i128,
        /// The greatest value allowed.
        max: i128,
        /// Whether it is an integer, yet out of range.
        is_number: bool,
    },
    /// Not an octal file mode, or above 777.
    Octal {
        /// Whether it is an octal number, yet out of range.
        is_number: bool,
    },
    /// Not a number of bytes, or outside of this range.
    Memory {
        /// The least value allowed, in bytes.
        min: i128,
        /// The greatest value allowed, in bytes.
        max: i128,
        /// Whether it is a memory value, yet out of range.
        is_number: bool,
    },
    /// Neither yes nor no.
    Bool,
    /// None of these names.
    Choice(&'static [&'static str]),
    /// Another number of arguments than this.
    Count(&'static str),
    /// Not text.
    Encoding,
    /// More clients than the limit of open files has room for.
    TooManyClients {
        /// As many as it has room for.
        possible: u32,
    },
    /// Anything that only one directive can get wrong, in Redis's words.
    Other(&'static str),
    /// Another value than the one that this version of Torc can honour.
    NotHonoured,
}

impl ValueError {
    /// Redis's words for a client.
    fn reply(&self) -> String {
        match self {
            ValueError::Integer { min, max, is_number: true } | ValueError::Memory { min, max, is_number: true } => {
                format!("argument must be between {min} and {max} inclusive")
            }
            ValueError::Integer { .. } => "argument couldn't be parsed into an integer".to_owned(),
            ValueError::Octal { is_number: true } => "argument must be between 0 and 777 inclusive".to_owned(),
            ValueError::Octal { .. } => "argument couldn't be parsed as an octal number".to_owned(),
            ValueError::Memory { .. } => "argument must be a memory value".to_owned(),
            ValueError::Bool => "argument must be 'yes' or 'no'".to_owned(),
            ValueError::Choice(names) => format!("argument(s) must be one of the following: {}", names.join(", ")),
            ValueError::Count(_) => "wrong number of arguments".to_owned(),
            ValueError::Encoding => "argument must be valid UTF-8".to_owned(),
            ValueError::TooManyClients { possible } => {
                format!(
                    "The operating system is not able to handle the specified number of clients, try with {possible}"
                )
            }
            ValueError::Other(text) => (*text).to_owned(),
            ValueError::NotHonoured => "not supported by this version of Torc".to_owned(),
        }
    }

    /// What was expected, for whoever starts the server.
    fn expectation(&self) -> String {
        match self {
            ValueError::Integer { min, max, .. } => {
                format!("expected an integer from {min} to {max}")
            }
            ValueError::Octal { .. } => "expected an octal file mode from 0 to 777".to_owned(),
            ValueError::Memory { min, max, .. } => {
                format!("expected a number of bytes from {min} to {max}, such as 512mb")
            }
            ValueError::Bool => "expected yes or no".to_owned(),
            ValueError::Choice(names) => format!("expected one of {}", names.join(", ")),
            ValueError::Count(wanted) => format!("expected {wanted}"),
            ValueError::Encoding => "expected valid UTF-8".to_owned(),
            ValueError::TooManyClients { possible } => format!("expected at most {possible}"),
            ValueError::Other(text) => text.trim_end_matches('.').to_owned(),
            ValueError::NotHonoured => "not supported by this version of Torc".to_owned(),
        }
    }
}

/// Where a start option was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file, or in what was read from standard input.
    File {
        /// The name of the file as it was given.
        name: String,
        /// The line, from 1.
        line: u32,
    },
    /// On the command line.
    Argument {
        /// The position, from 1; 0 is the program's name.
        position: u32,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line } => write!(formatter, "{name}:{line}"),
            Origin::Argument { position } => write!(formatter, "argument {position}"),
        }
    }
}

/// Why the server cannot start with these options. Its text is one line that names the place, the directive
/// and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where the mistake is.
    pub origin: Origin,
    /// What it is.
    pub problem: Box<Problem>,
}

/// The kinds of mistakes in start options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A known directive with arguments that it cannot take.
    Value {
        /// The directive.
        name: &'static str,
        /// What its arguments were, joined by blanks.
        value: String,
        /// What was expected instead.
        error: ValueError,
    },
    /// A name that neither Torc, Redis nor Valkey knows.
    Unknown {
        /// The name.
        name: String,
        /// The known name that is most like it, if any is.
        suggestion: Option<&'static str>,
    },
    /// A directive that protects the data, whose protection this version of Torc cannot give.
    Unprotected {
        /// The directive.
        name: &'static str,
        /// What is missing.
        reason: &'static str,
    },
    /// A line `user` that makes no user: why, in Redis's words.
    User(String),
    /// Quotes that do not close, or close in the middle of a word.
    UnbalancedQuotes,
    /// A zero byte, which ends a word for some readers and is a part of it for others.
    ZeroByte,
    /// An included file that cannot be read.
    Include {
        /// The file, as the directive names it.
        path: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// Files that include one another too deeply.
    IncludeDepth,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.origin)?;
        match &*self.problem {
            Problem::Value { name, value, error } => {
                write!(formatter, "{name}: {}, got '{}'", error.expectation(), value.escape_debug())
            }
            Problem::Unknown { name, suggestion: None } => {
                write!(formatter, "unknown directive '{}'", name.escape_debug())
            }
            Problem::Unknown { name, suggestion: Some(known) } => {
                write!(formatter, "unknown directive '{}'; did you mean '{known}'?", name.escape_debug())
            }
            Problem::Unprotected { name, reason } => {
                write!(
                    formatter,
                    "{name}: not supported by this version of Torc: {reason}; take it out to start without"
                )
            }
            Problem::User(reason) => write!(formatter, "user: {reason}"),
            Problem::ZeroByte => formatter.write_str("a zero byte in the line; a configuration is text"),
            Problem::UnbalancedQuotes => formatter.write_str("unbalanced quotes"),
            Problem::Include { path, reason } => {
                write!(formatter, "include: cannot read '{path}': {reason}")
            }
            Problem::IncludeDepth => formatter.write_str("include: files include one another too deeply"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Why CONFIG SET changed nothing. Its text is the whole error reply, with `ERR`, without the line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No directive has this name.
    Unknown(String),
    /// The directive can only be given at start.
    Immutable(String),
    /// The directive was named twice in one CONFIG SET.
    Duplicate(String),
    /// The value cannot be taken.
    Value(String, ValueError),
}

impl fmt::Display for SetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, reason) = match self {
            SetError::Unknown(name) => {
                let name = one_line(name);
                return write!(formatter, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
            }
            SetError::Immutable(name) => (name, "can't set immutable config".to_owned()),
            SetError::Duplicate(name) => (name, "duplicate parameter".to_owned()),
            SetError::Value(name, error) => (name, error.reply()),
        };
        let name = one_line(name);
        write!(formatter, "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    }
}

impl std::error::Error for SetError {}

/// A name that a client made up must not end the line of the error reply.
fn one_line(name: &str) -> String {
    name.replace(['\r', '\n'], " ")
}
