//! `cjson.decode`: JSON as a Lua value.
//!
//! A lexer cuts the text into tokens, and the parser puts values into their containers with a stack of levels instead of recursion. What
//! is on Lua's stack, from the outermost container in:
//!
//! ```text
//!   array:   table                     object:   table, key of the current entry
//! ```
//! Invalid UTF-8 passes as it is. A zero ends the text, also before the end of the string that holds it, as in C.

use core::ffi::c_int;

use super::super::memory::{Buffer, Levels};
use super::super::support::{Failure, Frame, Outcome};
use super::{BUFFER, MARK, Settings, number};

/// Slots for a container's key and value, and for an error or a longer buffer.
const SLOTS_OF_LEVEL: c_int = 4;

/// The function that scripts call.
pub fn decode(frame: Frame) -> Outcome {
    if frame.top() != 1 {
        return Err(frame.fail_argument(1, format_args!("expected 1 argument")));
    }
    // SAFETY: the argument stays on the stack.
    let text = unsafe { frame.argument_bytes(1) };
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(frame.fail(format_args!("JSON parser does not support UTF-16 or UTF-32")));
    }
    // SAFETY: Lua keeps a zero behind every string.
    let text = unsafe { core::slice::from_raw_parts(text.as_ptr(), text.len() + 1) };
    let settings = Settings::of(frame);
    let scratch = Buffer::take(frame, BUFFER);
    let mark = settings.decode_array_with_array_mt.then(|| push_mark(frame));
    let lexer = Lexer { text, at: 0, start: 0, scratch, invalid_numbers: settings.decode_invalid_numbers };
    let mut decoder =
        Decoder { frame, lexer, levels: Levels::new(frame), depth: 0, depth_max: settings.decode_max_depth, mark };
    decoder.value()?;
    match decoder.lexer.next()? {
        Token::End => (),
        token => return Err(decoder.refuse("the end", token)),
    }
    decoder.lexer.scratch.keep(BUFFER);
    Ok(1)
}

/// Pushes a metatable that marks arrays, and returns its index.
fn push_mark(frame: Frame) -> c_int {
    frame.new_table();
    frame.push_copy(MARK);
    frame.set_metatable(-2);
    frame.top()
}

/// A container that is being read.
#[derive(Clone, Copy)]
enum Level {
    /// With so many elements until now.
    Array(c_int),
    Object,
}

struct Decoder<'a> {
    frame: Frame,
    lexer: Lexer<'a>,
    /// The containers around the current one.
    levels: Levels<Level>,
    /// How many containers there are, with the current one.
    depth: c_int,
    depth_max: c_int,
    /// Where the metatable for arrays is on the stack.
    mark: Option<c_int>,
}

// An error may jump over it.
const _: () = assert!(!core::mem::needs_drop::<Decoder<'_>>());

impl Decoder<'_> {
    /// Reads a value and pushes it.
    fn value(&mut self) -> Result<(), Failure> {
        let frame = self.frame;
        let mut current: Option<Level> = None;
        let mut token = self.lexer.next()?;
        loop {
            match token {
                Token::String => frame.push_bytes(self.lexer.string()),
                Token::Number(number) => frame.push_number(number),
                Token::Boolean(value) => frame.push_boolean(value),
                Token::Null => frame.push_null(),
                Token::ArrayBegin => {
                    self.descend()?;
                    frame.new_table();
                    if let Some(mark) = self.mark {
                        frame.push_copy(mark);
                        frame.set_metatable(-2);
                    }
                    token = self.lexer.next()?;
                    if !matches!(token, Token::ArrayEnd) {
                        self.enter(&mut current, Level::Array(0))?;
                        continue;
                    }
                    self.depth -= 1;
                }
                Token::ObjectBegin => {
                    self.descend()?;
                    frame.new_table();
                    token = self.lexer.next()?;
                    if !matches!(token, Token::ObjectEnd) {
                        self.enter(&mut current, Level::Object)?;
                        token = self.key(token)?;
                        continue;
                    }
                    self.depth -= 1;
                }
                _ => return Err(self.refuse("value", token)),
            }
            match self.complete(&mut current)? {
                Some(next) => token = next,
                None => return Ok(()),
            }
        }
    }

    /// Puts the topmost value into its container, and that into its own where it ends. Returns the token that begins the next value, if
    /// there is one.
    fn complete(&mut self, current: &mut Option<Level>) -> Result<Option<Token>, Failure> {
        while let Some(level) = current {
            match level {
                Level::Array(elements) => {
                    *elements += 1;
                    self.frame.raw_set_at(-2, *elements);
                    match self.lexer.next()? {
                        Token::Comma => return Ok(Some(self.lexer.next()?)),
                        Token::ArrayEnd => (),
                        token => return Err(self.refuse("comma or array end", token)),
                    }
                }
                Level::Object => {
                    self.frame.raw_set(-3);
                    match self.lexer.next()? {
                        Token::Comma => {
                            let token = self.lexer.next()?;
                            return Ok(Some(self.key(token)?));
                        }
                        Token::ObjectEnd => (),
                        token => return Err(self.refuse("comma or object end", token)),
                    }
                }
            }
            self.depth -= 1;
            *current = self.levels.pop();
        }
        Ok(None)
    }

    /// Pushes a key, and returns the token that begins its value.
    fn key(&mut self, token: Token) -> Result<Token, Failure> {
        let Token::String = token else {
            return Err(self.refuse("object key string", token));
        };
        self.frame.push_bytes(self.lexer.string());
        match self.lexer.next()? {
            Token::Colon => self.lexer.next(),
            token => Err(self.refuse("colon", token)),
        }
    }

    fn descend(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        if self.depth <= self.depth_max && self.frame.reserve(SLOTS_OF_LEVEL) {
            return Ok(());
        }
        Err(self.refuse_depth())
    }

    fn enter(&mut self, current: &mut Option<Level>, level: Level) -> Result<(), Failure> {
        match current.replace(level) {
            Some(outer) if !self.levels.push(self.frame, outer) => Err(self.refuse_depth()),
            _ => Ok(()),
        }
    }

    #[cold]
    fn refuse_depth(&self) -> Failure {
        let (depth, at) = (self.depth, self.lexer.at);
        self.frame.fail(format_args!("Found too many nested data structures ({depth}) at character {at}"))
    }

    #[cold]
    fn refuse(&self, expected: &str, found: Token) -> Failure {
        let at = self.lexer.start + 1;
        self.frame.fail(format_args!("Expected {expected} but found {} at character {at}", found.name()))
    }
}

#[derive(Clone, Copy)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its bytes are in [`Lexer::string`].
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Invalid(&'static str),
}

impl Token {
    /// The names of the original, which are in the texts of errors.
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Invalid(reason) => reason,
        }
    }
}

struct Lexer<'a> {
    /// Ends in a zero, beyond which nothing is read: no token goes past one.
    text: &'a [u8],
    at: usize,
    /// Where the last token began, or what is wrong with it is. Where the bytes of the last string are, if it has no escapes.
    start: usize,
    /// The bytes of the last string, if it has escapes; else empty.
    scratch: Buffer,
    invalid_numbers: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, Failure> {
        while matches!(self.text[self.at], b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.start = self.at;
        let single = match self.text[self.at] {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.lex_string(),
            b'-' | b'0'..=b'9' if !self.invalid_numbers && self.is_invalid_number() => return Ok(INVALID_NUMBER),
            b'-' | b'0'..=b'9' => return Ok(self.lex_number()),
            0 => return Ok(Token::End),
            _ => return Ok(self.lex_word()),
        };
        self.at += 1;
        Ok(single)
    }

    fn lex_word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let (token, length) = if rest.starts_with(b"true") {
            (Token::Boolean(true), 4)
        } else if rest.starts_with(b"false") {
            (Token::Boolean(false), 5)
        } else if rest.starts_with(b"null") {
            (Token::Null, 4)
        } else if self.invalid_numbers
            && matches!(rest[0], b'+' | b'i' | b'I' | b'n' | b'N')
            && self.is_invalid_number()
        {
            return self.lex_number();
        } else {
            (Token::Invalid("invalid token"), 0)
        };
        self.at += length;
        token
    }

    fn lex_number(&mut self) -> Token {
        match number::parse(&self.text[self.at..]) {
            Some((number, length)) => {
                self.at += length;
                Token::Number(number)
            }
            None => INVALID_NUMBER,
        }
    }

    /// Whether a number that `strtod` may know is none of JSON: with a plus or leading zeros, hexadecimal, infinite, not a number.
    fn is_invalid_number(&self) -> bool {
        let rest = &self.text[self.at..];
        let unsigned = rest.strip_prefix(b"-").unwrap_or(rest);
        match unsigned {
            _ if rest[0] == b'+' => true,
            [b'0', next, ..] => next | 0x20 == b'x' || next.is_ascii_digit(),
            [a, b, c, ..] => {
                let word = [a.to_ascii_lowercase(), b.to_ascii_lowercase(), c.to_ascii_lowercase()];
                word == *b"inf" || word == *b"nan"
            }
            _ => false,
        }
    }

    /// The bytes of the string that was the last token.
    fn string(&self) -> &[u8] {
        let escaped = self.scratch.bytes();
        // Within quotes, and the last token.
        if escaped.is_empty() { &self.text[self.start + 1..self.at - 1] } else { escaped }
    }

    fn lex_string(&mut self) -> Result<Token, Failure> {
        self.scratch.clear();
        self.at += 1;
        let mut run = self.at;
        loop {
            let rest = &self.text[self.at..];
            // A zero ends the text, so there is one of them.
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0)).unwrap_or(rest.len() - 1);
            match self.text[self.at] {
                b'"' => break,
                b'\\' => {
                    self.scratch.extend(&self.text[run..self.at])?;
                    if let Err(reason) = self.lex_escape()? {
                        return Ok(self.invalid(reason));
                    }
                    run = self.at;
                }
                _ => return Ok(self.invalid("unexpected end of string")),
            }
        }
        if !self.scratch.bytes().is_empty() {
            self.scratch.extend(&self.text[run..self.at])?;
        }
        self.at += 1;
        Ok(Token::String)
    }

    fn invalid(&mut self, reason: &'static str) -> Token {
        self.start = self.at;
        Token::Invalid(reason)
    }

    /// Reads an escape at a backslash. The inner error says what is wrong with it.
    fn lex_escape(&mut self) -> Result<Result<(), &'static str>, Failure> {
        let byte = match self.text[self.at + 1] {
            letter @ (b'"' | b'\\' | b'/') => letter,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'u' => return self.lex_code_point(),
            _ => return Ok(Err("invalid escape code")),
        };
        self.scratch.push(byte)?;
        self.at += 2;
        Ok(Ok(()))
    }

    /// Reads `\uXXXX`, or two of them that are a surrogate pair.
    fn lex_code_point(&mut self) -> Result<Result<(), &'static str>, Failure> {
        let first = self.code_unit(self.at);
        let (code_point, length) = match first {
            Some(high @ 0xd800..=0xdbff) => match self.code_unit(self.at + 6) {
                Some(low @ 0xdc00..=0xdfff) => (Some(0x1_0000 + ((high & 0x3ff) << 10 | (low & 0x3ff))), 12),
                _ => (None, 0),
            },
            other => (other, 6),
        };
        let Some(character) = code_point.and_then(char::from_u32) else {
            return Ok(Err("invalid unicode escape code"));
        };
        self.scratch.extend(character.encode_utf8(&mut [0; 4]).as_bytes())?;
        self.at += length;
        Ok(Ok(()))
    }

    /// The four hexadecimal digits behind `\u`, if that is what is at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }
}

const INVALID_NUMBER: Token = Token::Invalid("invalid number");
