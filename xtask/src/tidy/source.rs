//! A Rust file as the checks see it: comments and literals blanked, lines known to be test code or not.
//!
//! This is a lexer, not a parser: it knows comments (nested ones too), string, raw string, byte and character
//! literals, and tells lifetimes from characters. That is enough to find braces, words and functions without being
//! fooled by text, and it needs no crate that would have to follow the language.
//!
//! ```text
//!   text:  let a = "fn {"; // fn b() {        code:  let a = "    ";
//! ```

/// A string literal outside comments.
#[derive(Debug, PartialEq, Eq)]
pub struct Literal {
    /// Line, from 0.
    pub line: usize,
    /// Begins with `b`.
    pub is_bytes: bool,
    /// Between the quotes, escapes as written.
    pub content: String,
}

/// One file.
#[derive(Debug)]
pub struct Source {
    /// Path from the repository's top.
    pub path: String,
    /// Lines as written.
    pub lines: Vec<String>,
    /// Those lines with comments and the contents of literals blanked.
    pub code: Vec<String>,
    /// For each line whether it is test code.
    pub is_test: Vec<bool>,
    /// String literals in order.
    pub literals: Vec<Literal>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// The identifier after `fn`.
    pub name: String,
    /// First line, from 0.
    pub line: usize,
    /// Lines from the one with `fn` to the closing brace.
    pub length: usize,
}

impl Source {
    /// Reads `text`, which stands at `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let mut lexer = Lexer { bytes: text.as_bytes(), at: 0, line: 0, code: Vec::new(), literals: Vec::new() };
        lexer.run();
        let code: Vec<String> = String::from_utf8_lossy(&lexer.code).lines().map(str::to_owned).collect();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(code.len(), lines.len(), "{path}: blanking must keep every line");
        let is_test = if is_test_path(path) { vec![true; lines.len()] } else { test_lines(&code) };
        Self { path: path.to_owned(), lines, code, is_test, literals: lexer.literals }
    }

    /// All functions with a body, in order; one inside another counts for both.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (line, code) in self.code.iter().enumerate() {
            for (column, name) in function_names(code) {
                if let Some(last) = self.body_end(line, column) {
                    functions.push(Function { name, line, length: last - line + 1 });
                }
            }
        }
        functions
    }

    /// The line of the brace that closes the body of the function at `line` and `column`; `None` without a body.
    fn body_end(&self, line: usize, column: usize) -> Option<usize> {
        let mut brackets = 0_usize;
        let mut braces = 0_usize;
        for (number, code) in self.code.iter().enumerate().skip(line) {
            let from = if number == line { column } else { 0 };
            for character in code[from..].chars() {
                match character {
                    '(' | '[' => brackets += 1,
                    ')' | ']' => brackets = brackets.saturating_sub(1),
                    ';' if brackets == 0 && braces == 0 => return None,
                    '{' => braces += 1,
                    '}' if braces == 1 => return Some(number),
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
            }
        }
        None
    }
}

/// Where `word` stands in `code` with no identifier character on either side.
pub fn word_columns(code: &str, word: &str) -> Vec<usize> {
    let is_part = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    code.match_indices(word)
        .map(|(column, _)| column)
        .filter(|&column| {
            !is_part(code[..column].chars().next_back()) && !is_part(code[column + word.len()..].chars().next())
        })
        .collect()
}

fn function_names(code: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for column in word_columns(code, "fn") {
        let rest = code[column + 2..].trim_start();
        let name: String = rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
        // Without a name it is a function pointer's type.
        if !name.is_empty() {
            names.push((column, name));
        }
    }
    names
}

fn is_test_path(path: &str) -> bool {
    let mut parts = path.split('/');
    let file = parts.next_back().unwrap_or_default();
    file == "tests.rs" || file.ends_with("_tests.rs") || parts.any(|folder| folder == "tests" || folder == "fuzz")
}

/// Marks items under an attribute that names `test` or `torc_loom`, from the attribute to the item's end.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut is_test = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        let text = code[line].trim();
        let is_attribute = text.starts_with("#[cfg(") || text.starts_with("#[test]");
        if text.starts_with("#![cfg(test)]") {
            return vec![true; code.len()];
        }
        let names_tests = !word_columns(text, "test").is_empty() || !word_columns(text, "torc_loom").is_empty();
        if !(is_attribute && names_tests && !text.contains("not(")) {
            line += 1;
            continue;
        }
        let last = item_end(code, line);
        is_test[line..=last].fill(true);
        line = last + 1;
    }
    is_test
}

/// The last line of the item whose attribute is at `first`: its closing brace, or the `;` before any brace.
fn item_end(code: &[String], first: usize) -> usize {
    let mut depth = 0_usize;
    for (line, text) in code.iter().enumerate().skip(first) {
        for character in text.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth <= 1 => return line,
                '}' => depth -= 1,
                ';' if depth == 0 => return line,
                _ => {}
            }
        }
    }
    code.len() - 1
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    code: Vec<u8>,
    literals: Vec<Literal>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            let after_word = self.at > 0 && is_word(self.bytes[self.at - 1]);
            match byte {
                b'/' if self.peek(1) == Some(b'/') => self.blank_until(|rest| rest.starts_with(b"\n"), 0),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(false),
                b'r' | b'b' | b'c' if !after_word => self.maybe_prefixed(),
                b'\'' => self.quote(),
                _ => self.keep(),
            }
        }
    }

    /// A literal with a prefix of letters, or an identifier that begins with one.
    fn maybe_prefixed(&mut self) {
        let rest = &self.bytes[self.at..];
        let letters = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        let hashes = rest[letters..].iter().take_while(|&&byte| byte == b'#').count();
        let prefix = &rest[..letters];
        let is_raw = matches!(prefix, b"r" | b"br" | b"cr");
        let has_quote = rest.get(letters + hashes) == Some(&b'"');
        if is_raw && has_quote {
            let is_bytes = prefix[0] == b'b';
            (0..letters + hashes).for_each(|_| self.keep());
            self.raw_string(hashes, is_bytes);
        } else if matches!(prefix, b"b" | b"c") && hashes == 0 && has_quote {
            self.keep();
            self.string(prefix == b"b");
        } else {
            self.keep();
        }
    }

    fn string(&mut self, is_bytes: bool) {
        let (line, start) = (self.line, self.at + 1);
        self.keep();
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    self.blank();
                    self.blank();
                }
                _ => self.blank(),
            }
        }
        self.literal(line, is_bytes, start);
        self.keep();
    }

    fn raw_string(&mut self, hashes: usize, is_bytes: bool) {
        let (line, start) = (self.line, self.at + 1);
        self.keep();
        let end = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
        self.blank_until(|rest| rest.starts_with(&end), 0);
        self.literal(line, is_bytes, start);
        (0..=hashes).for_each(|_| self.keep());
    }

    fn literal(&mut self, line: usize, is_bytes: bool, start: usize) {
        let end = self.at.min(self.bytes.len());
        let content = String::from_utf8_lossy(&self.bytes[start.min(end)..end]).into_owned();
        self.literals.push(Literal { line, is_bytes, content });
    }

    /// A character literal, or a lifetime, which has no closing quote behind its first character.
    fn quote(&mut self) {
        let width = match self.peek(1) {
            Some(byte) if byte >= 0xF0 => 4,
            Some(byte) if byte >= 0xE0 => 3,
            Some(byte) if byte >= 0xC0 => 2,
            _ => 1,
        };
        let is_escape = self.peek(1) == Some(b'\\');
        if !is_escape && self.peek(1 + width) != Some(b'\'') {
            self.keep();
            return;
        }
        self.keep();
        if is_escape {
            self.blank();
            self.blank();
        }
        self.blank_until(|rest| rest.starts_with(b"'"), 0);
        self.keep();
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let (opens, closes) = (rest.starts_with(b"/*"), rest.starts_with(b"*/"));
            if opens || closes {
                self.blank();
                depth = if opens { depth + 1 } else { depth - 1 };
            }
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn blank_until(&mut self, is_end: impl Fn(&[u8]) -> bool, extra: usize) {
        while self.at < self.bytes.len() && !is_end(&self.bytes[self.at..]) {
            self.blank();
        }
        (0..extra).for_each(|_| self.blank());
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.step(|byte| byte);
    }

    fn blank(&mut self) {
        self.step(|_| b' ');
    }

    /// Takes one byte; line ends are always kept.
    fn step(&mut self, change: impl Fn(u8) -> u8) {
        let Some(&byte) = self.bytes.get(self.at) else { return };
        self.at += 1;
        if byte == b'\n' || byte == b'\r' {
            self.line += usize::from(byte == b'\n');
            self.code.push(byte);
        } else {
            self.code.push(change(byte));
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("x.rs", text).code.join("\n")
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        assert_eq!(code("a(\"x\\\"}\"); // }").trim_end(), "a(\"    \");");
        assert_eq!(code("a /* { /* } */ { */ b"), "a                   b");
        assert_eq!(code("let a = r#\"\"{\"#; b"), "let a = r#\"  \"#; b");
        assert_eq!(code("let a = br\"\\\"; b"), "let a = br\" \"; b");
        assert_eq!(code("let a = b'{'; let b = '\\''; let c = 'é';").matches(['{', 'é']).count(), 0);
        assert_eq!(code("fn a<'a>(b: &'a str) {}"), "fn a<'a>(b: &'a str) {}");
        assert_eq!(code("let raw = rb;"), "let raw = rb;");
    }

    #[test]
    fn literals_are_found_with_their_lines() {
        let source = Source::new("x.rs", "// \"no\"\nlet a = b\"GET\";\nlet b = \"x\\n\";\n");
        let expected = [
            Literal { line: 1, is_bytes: true, content: "GET".into() },
            Literal { line: 2, is_bytes: false, content: "x\\n".into() },
        ];
        assert_eq!(source.literals, expected);
    }

    #[test]
    fn test_modules_are_marked_to_their_end() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        assert_eq!(Source::new("x.rs", text).is_test, [false, true, true, true, true, false]);
        let text = "#[cfg(test)]\nmod tests;\nfn c() {}\n";
        assert_eq!(Source::new("x.rs", text).is_test, [true, true, false]);
        let text = "#[cfg(not(test))]\nmod a {}\n";
        assert_eq!(Source::new("x.rs", text).is_test, [false, false]);
        assert_eq!(Source::new("crates/a/tests/x.rs", "fn a() {}\n").is_test, [true]);
        assert_eq!(Source::new("crates/a/src/tests.rs", "fn a() {}\n").is_test, [true]);
        assert_eq!(Source::new("crates/a/src/test.rs", "fn a() {}\n").is_test, [false]);
    }

    #[test]
    fn functions_have_their_length() {
        let text = "fn one() {}\ntrait T {\n    fn none(a: [u8; 2]);\n    fn two(\n        a: fn(u8),\n    ) {\n        if a { \"}\" }\n    }\n}\n";
        let found = Source::new("x.rs", text).functions();
        let expected =
            [Function { name: "one".into(), line: 0, length: 1 }, Function { name: "two".into(), line: 3, length: 5 }];
        assert_eq!(found, expected);
    }
}
