//! Lua's text as tokens, as far as [`super::analysis`] looks at it: comments are gone, strings are read, and what is not understood ends
//! the text.

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// A name or a keyword.
    Name(&'a [u8]),
    /// A string, with its escapes read.
    Text(Vec<u8>),
    /// A number.
    Number,
    /// An operator or a bracket.
    Sign(&'a [u8]),
}

impl Token<'_> {
    /// Whether it is this operator or bracket.
    pub fn is(&self, sign: &[u8]) -> bool {
        matches!(self, Token::Sign(own) if *own == sign)
    }

    /// Whether it is this name.
    pub fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Token::Name(own) if *own == name)
    }
}

/// The tokens of a script. `None`: there is something in it that Lua would not take, or that is not read here.
pub fn tokens(source: &[u8]) -> Option<Vec<Token<'_>>> {
    let mut reader = Reader { source, at: 0 };
    if source.starts_with(b"#") {
        reader.skip_line();
    }
    let mut tokens = Vec::new();
    while reader.skip_blank()? {
        tokens.push(reader.next()?);
    }
    Some(tokens)
}

struct Reader<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.source[self.at..]
    }

    fn peek(&self) -> u8 {
        self.rest().first().copied().unwrap_or(0)
    }

    /// Takes bytes as long as they are wanted.
    fn take_while(&mut self, is_wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let len = rest.iter().position(|&byte| !is_wanted(byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn skip_line(&mut self) {
        self.take_while(|byte| byte != b'\n');
    }

    /// Goes to the next token. False: there is none. `None`: a comment has no end.
    fn skip_blank(&mut self) -> Option<bool> {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if !self.rest().starts_with(b"--") {
                return Some(self.at < self.source.len());
            }
            self.at += 2;
            match self.long_bracket_level() {
                Some(level) => _ = self.long_text(level)?,
                None => self.skip_line(),
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let byte = self.peek();
        match byte {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                Some(Token::Name(self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric())))
            }
            b'0'..=b'9' => Some(self.number()),
            b'.' if self.rest().get(1).is_some_and(u8::is_ascii_digit) => Some(self.number()),
            b'"' | b'\'' => self.quoted(byte).map(Token::Text),
            b'[' if self.long_bracket_level().is_some() => {
                let level = self.long_bracket_level()?;
                self.long_text(level).map(Token::Text)
            }
            _ => self.sign(),
        }
    }

    /// A number, with whatever letters follow: Lua takes or refuses them as one.
    fn number(&mut self) -> Token<'a> {
        loop {
            let taken = self.take_while(|byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric());
            let has_exponent = taken.last().is_some_and(|byte| matches!(byte, b'e' | b'E'));
            if !has_exponent || !matches!(self.peek(), b'+' | b'-') {
                return Token::Number;
            }
            self.at += 1;
        }
    }

    fn sign(&mut self) -> Option<Token<'a>> {
        const SIGNS: [&[u8]; 26] = [
            b"...", b"..", b"==", b"~=", b"<=", b">=", b"+", b"-", b"*", b"/", b"%", b"^", b"#", b"<", b">", b"=",
            b"(", b")", b"{", b"}", b"[", b"]", b";", b":", b",", b".",
        ];
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign))?;
        self.at += sign.len();
        Some(Token::Sign(sign))
    }

    /// How many `=` a long bracket has that begins here.
    fn long_bracket_level(&self) -> Option<usize> {
        let inner = self.rest().strip_prefix(b"[")?;
        let level = inner.iter().take_while(|byte| **byte == b'=').count();
        (inner.get(level) == Some(&b'[')).then_some(level)
    }

    /// What stands between long brackets of this level.
    fn long_text(&mut self, level: usize) -> Option<Vec<u8>> {
        self.at += level + 2;
        let end = [b"]".to_vec(), vec![b'='; level], b"]".to_vec()].concat();
        let len = self.rest().windows(end.len()).position(|window| window == end)?;
        let text = &self.rest()[..len];
        self.at += len + end.len();
        // A line end right behind the opening bracket does not count.
        let text = text.strip_prefix(b"\r\n").or(text.strip_prefix(b"\n")).unwrap_or(text);
        Some(text.to_vec())
    }

    /// A string in quotes.
    fn quoted(&mut self, quote: u8) -> Option<Vec<u8>> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| byte != quote && byte != b'\\' && byte != b'\n'));
            match self.peek() {
                b'\\' => self.escape(&mut text)?,
                byte if byte == quote && self.at < self.source.len() => {
                    self.at += 1;
                    return Some(text);
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let byte = *self.rest().get(1)?;
        self.at += 2;
        match byte {
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            b'0'..=b'9' => {
                self.at -= 1;
                let digits = self.rest().iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
                let value = self.rest()[..digits].iter().fold(0u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
                self.at += digits;
                text.push(u8::try_from(value).ok()?);
            }
            other => text.push(other),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        let Some(tokens) = tokens(source.as_bytes()) else { return "nothing".to_owned() };
        let show = |token: &Token<'_>| match token {
            Token::Name(name) => String::from_utf8_lossy(name).into_owned(),
            Token::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
            Token::Number => "1".to_owned(),
            Token::Sign(sign) => String::from_utf8_lossy(sign).into_owned(),
        };
        tokens.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_lua_reads_is_read() {
        assert_eq!(shown("#!lua name=x\nreturn KEYS[1]..'a' -- b"), "return KEYS [ 1 ] .. 'a'");
        assert_eq!(shown("x=0x1F y=3e-2 z=.5"), "x = 1 y = 1 z = 1");
        assert_eq!(shown(r#"'a\'b' "\65\n\\" [==[ ]] ]==]"#), "'a'b' 'A\n\\' ' ]] '");
        assert_eq!(shown("--[[ a\nb ]] c --[=[ ]] ]=] d"), "c d");
        assert_eq!(shown("a[b[1]]~=c...d"), "a [ b [ 1 ] ] ~= c ... d");
    }

    #[test]
    fn what_has_no_end_is_nothing() {
        for source in ["'a", "\"a\n\"", "[[ a", "--[[ a", "a $ b", "'\\300'", "'a\\"] {
            assert_eq!(shown(source), "nothing", "{source}");
        }
    }
}
