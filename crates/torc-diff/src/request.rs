//! What is sent: requests, each with the way its replies are compared, in units that are kept or dropped together.

use crate::compare::Compare;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command's name in full, `xinfo|stream`.
    pub name: &'static str,
    /// The words that are sent, the command's name first.
    pub arguments: Vec<Vec<u8>>,
    /// How its replies are compared.
    pub compare: Compare,
}

/// Requests that belong together: a transaction; a random command with what makes both sides equal again.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Number of the connection that sends them.
    pub connection: usize,
    /// The requests.
    pub requests: Vec<Request>,
}

impl Request {
    /// A request in words, compared byte for byte.
    pub fn exact(name: &'static str, arguments: &[&[u8]]) -> Self {
        let arguments = arguments.iter().map(|argument| argument.to_vec()).collect();
        Request { name, arguments, compare: Compare::Exact }
    }

    /// As a line for redis-cli.
    pub fn line(&self) -> String {
        self.arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
    }
}

/// An argument as redis-cli reads it.
fn quoted(argument: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !argument.is_empty() && argument.iter().all(is_plain) {
        return String::from_utf8_lossy(argument).into_owned();
    }
    let mut text = String::from("\"");
    for byte in argument {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let request = Request::exact("set", &[b"SET", b"", b"a b\"\x00\xff", b"x"]);
        assert_eq!(request.line(), r#"SET "" "a b\"\x00\xff" x"#);
    }
}
