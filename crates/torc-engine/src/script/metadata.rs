//! The first line of a library: `#!lua name=mylib`.

use torc_resp::split_words;

use crate::error::CommandError;

/// What a library's first line says.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata<'s> {
    /// The library's name.
    pub name: Vec<u8>,
    /// What follows the line, its end included, so that the lines of messages are those of the whole text.
    pub body: &'s [u8],
}

/// Reads the first line of a library.
///
/// # Errors
/// Redis's words for a line that is none, a name that is none, or another engine.
pub fn read_metadata(source: &[u8]) -> Result<Metadata<'_>, CommandError> {
    let invalid = CommandError::fixed("ERR Invalid library metadata");
    if !source.starts_with(b"#!") {
        return Err(CommandError::fixed("ERR Missing library metadata"));
    }
    let len = source.iter().position(|&byte| byte == b'\n').ok_or(invalid.clone())?;
    let (line, body) = source.split_at(len);
    let words = split_words(line).ok_or(invalid.clone())?;
    let (engine, options) = words.split_first().ok_or(invalid)?;
    let name = name_among(options)?.to_vec();
    if !is_name(&name) {
        return Err(CommandError::fixed(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    let engine = &engine[2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(CommandError::quoting("ERR Engine '{}' not found", &[engine]));
    }
    Ok(Metadata { name, body })
}

fn name_among(options: &[Vec<u8>]) -> Result<&[u8], CommandError> {
    let mut name = None;
    for option in options {
        match option.split_at_checked(5) {
            Some((word, value)) if word.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value).is_some() {
                    let text = "ERR Invalid metadata value, name argument was given multiple times";
                    return Err(CommandError::fixed(text));
                }
            }
            _ => return Err(CommandError::quoting("ERR Invalid metadata value given: {}", &[option])),
        }
    }
    name.ok_or(CommandError::fixed("ERR Library name was not given"))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_all_else_refused() {
        let metadata = read_metadata(b"#!LUA \"NAME=my_lib\" \nreturn 1").unwrap();
        assert_eq!((&metadata.name[..], metadata.body), (&b"my_lib"[..], &b"\nreturn 1"[..]));
        // As redis-server 7.0.15 and 8.2.3 answer.
        let name_rule = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
        for (source, text) in [
            ("return 1", "ERR Missing library metadata"),
            ("#!lua name=a", "ERR Invalid library metadata"),
            ("#!lua \"name=a\n", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            ("#!lua name=a name=b\n", "ERR Invalid metadata value, name argument was given multiple times"),
            ("#!lua flags=a\n", "ERR Invalid metadata value given: flags=a"),
            ("#! lua name=a\n", "ERR Invalid metadata value given: lua"),
            ("#!lua name=\n", name_rule),
            ("#!js name=a-b\n", name_rule),
            ("#!js name=a\n", "ERR Engine 'js' not found"),
        ] {
            let error = read_metadata(source.as_bytes()).unwrap_err();
            assert_eq!(String::from_utf8_lossy(&error.text()), text, "{source}");
        }
    }
}
