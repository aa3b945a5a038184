//! The words that follow the values of SET, GETEX and MSETEX: conditions, GET and expiry times.
//!
//! One parser for the three, since Redis has one: words in any order and any case, a word twice is no
//! error where it cannot contradict itself, and an expiry time is only checked after all words are read.

use torc_resp::Args;
use torc_store::UnixMillis;

use super::digest::parse_digest;
use crate::command::integer_argument;
use crate::error::CommandError;

/// Which command's words are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// SET: everything but PERSIST.
    Set,
    /// GETEX: expiry times and PERSIST.
    GetEx,
    /// MSETEX: NX, XX, expiry times and KEEPTTL.
    MSetEx,
}

/// What must hold for the value to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition<'a> {
    /// Nothing.
    Always,
    /// NX: the key is absent.
    Absent,
    /// XX: the key exists.
    Present,
    /// IFEQ: the key holds this string.
    Equal(&'a [u8]),
    /// IFNE: the key is absent or holds another string.
    Different(&'a [u8]),
    /// IFDEQ: the key holds a string with this digest.
    EqualDigest(u64),
    /// IFDNE: the key is absent or holds a string with another digest.
    DifferentDigest(u64),
}

/// The unit and origin of an expiry time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// EX: seconds from now.
    Seconds,
    /// PX: milliseconds from now.
    Milliseconds,
    /// EXAT: Unix time in seconds.
    UnixSeconds,
    /// PXAT: Unix time in milliseconds.
    UnixMilliseconds,
}

/// What becomes of the key's expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry<'a> {
    /// No word was given.
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// A time, still as text.
    Time(TimeUnit, &'a [u8]),
}

/// The words of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options<'a> {
    /// NX, XX, IFEQ, IFNE, IFDEQ, IFDNE.
    pub condition: Condition<'a>,
    /// GET: answer the value from before.
    pub get: bool,
    /// EX, PX, EXAT, PXAT, KEEPTTL, PERSIST.
    pub expiry: Expiry<'a>,
}

impl<'a> Options<'a> {
    /// Reads all of `words`; a syntax error for what the family does not know or what excludes each other.
    pub fn parse(words: Args<'a>, family: Family) -> Result<Self, CommandError> {
        let mut options = Options { condition: Condition::Always, get: false, expiry: Expiry::Unsaid };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if let Some(unit) = time_unit(word) {
                options.set_time(unit, rest.next())?;
            } else if is("PERSIST") && family == Family::GetEx {
                options.set_expiry(Expiry::Persist)?;
            } else if family == Family::GetEx {
                return Err(CommandError::Syntax);
            } else if is("KEEPTTL") {
                options.set_expiry(Expiry::Keep)?;
            } else if is("NX") {
                options.set_condition(Condition::Absent)?;
            } else if is("XX") {
                options.set_condition(Condition::Present)?;
            } else if family == Family::MSetEx {
                return Err(CommandError::Syntax);
            } else if is("GET") {
                options.get = true;
            } else if is("IFEQ") {
                options.set_condition(Condition::Equal(rest.next().ok_or(CommandError::Syntax)?))?;
            } else if is("IFDEQ") {
                options
                    .set_condition(Condition::EqualDigest(parse_digest(rest.next().ok_or(CommandError::Syntax)?)?))?;
            } else if is("IFDNE") {
                let digest = parse_digest(rest.next().ok_or(CommandError::Syntax)?)?;
                options.set_condition(Condition::DifferentDigest(digest))?;
            } else if is("IFNE") {
                options.set_condition(Condition::Different(rest.next().ok_or(CommandError::Syntax)?))?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    fn set_condition(&mut self, condition: Condition<'a>) -> Result<(), CommandError> {
        if self.condition != Condition::Always && self.condition != condition {
            return Err(CommandError::Syntax);
        }
        self.condition = condition;
        Ok(())
    }

    fn set_expiry(&mut self, expiry: Expiry<'a>) -> Result<(), CommandError> {
        if self.expiry != Expiry::Unsaid && self.expiry != expiry {
            return Err(CommandError::Syntax);
        }
        self.expiry = expiry;
        Ok(())
    }

    /// The same unit twice is allowed, and the later time counts.
    fn set_time(&mut self, unit: TimeUnit, text: Option<&'a [u8]>) -> Result<(), CommandError> {
        let text = text.ok_or(CommandError::Syntax)?;
        match self.expiry {
            Expiry::Unsaid => {}
            Expiry::Time(known, _) if known == unit => {}
            _ => return Err(CommandError::Syntax),
        }
        self.expiry = Expiry::Time(unit, text);
        Ok(())
    }
}

impl Expiry<'_> {
    /// The time given, if one was; the errors name the command.
    pub fn time(self, now_ms: UnixMillis, command: &'static str) -> Result<Option<UnixMillis>, CommandError> {
        match self {
            Expiry::Time(unit, text) => unit.expire_at(text, now_ms, command).map(Some),
            Expiry::Unsaid | Expiry::Keep | Expiry::Persist => Ok(None),
        }
    }
}

impl TimeUnit {
    /// The Unix time in milliseconds that `text` means; it may be in the past only if given as Unix time.
    pub fn expire_at(self, text: &[u8], now_ms: UnixMillis, command: &'static str) -> Result<UnixMillis, CommandError> {
        let given = integer_argument(text)?;
        let at = match self {
            _ if given <= 0 => None,
            TimeUnit::Seconds => given.checked_mul(1000).and_then(|span| span.checked_add(now_ms)),
            TimeUnit::Milliseconds => given.checked_add(now_ms),
            TimeUnit::UnixSeconds => given.checked_mul(1000),
            TimeUnit::UnixMilliseconds => Some(given),
        };
        at.ok_or(CommandError::InvalidExpire(command))
    }
}

fn time_unit(word: &[u8]) -> Option<TimeUnit> {
    let units: [(&[u8], TimeUnit); 4] = [
        (b"EX", TimeUnit::Seconds),
        (b"PX", TimeUnit::Milliseconds),
        (b"EXAT", TimeUnit::UnixSeconds),
        (b"PXAT", TimeUnit::UnixMilliseconds),
    ];
    units.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_checked_against_overflow() {
        let max = i64::MAX.to_string();
        let table: &[(TimeUnit, &str, Option<i64>)] = &[
            (TimeUnit::Seconds, "10", Some(11_000)),
            (TimeUnit::Seconds, "9223372036854775", None),
            (TimeUnit::Seconds, "9223372036854774", Some(9223372036854775000)),
            (TimeUnit::Milliseconds, "10", Some(1010)),
            (TimeUnit::Milliseconds, &max, None),
            (TimeUnit::UnixSeconds, "1", Some(1000)),
            (TimeUnit::UnixSeconds, &max, None),
            (TimeUnit::UnixMilliseconds, &max, Some(i64::MAX)),
            (TimeUnit::UnixMilliseconds, "0", None),
            (TimeUnit::Seconds, "-1", None),
        ];
        for &(unit, text, expected) in table {
            let expected = expected.ok_or(CommandError::InvalidExpire("x"));
            assert_eq!(unit.expire_at(text.as_bytes(), 1000, "x"), expected, "{unit:?} {text}");
        }
        assert_eq!(TimeUnit::Seconds.expire_at(b"1.5", 0, "x"), Err(CommandError::NotAnInteger));
    }
}
