//! The first line of a script, if it begins with `#!`: `#!lua name=mylib flags=no-writes,allow-stale`.

use crate::error::CommandError;

/// What a script's first line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// There is such a line: what a script may do follows from it alone.
    pub is_there: bool,
    /// `no-writes`: it calls no command that writes.
    pub no_writes: bool,
    /// `allow-oom`: it runs when memory is short.
    pub allow_oom: bool,
    /// `allow-stale`: it runs on a replica that has lost its primary.
    pub allow_stale: bool,
    /// `no-cluster`: it does not run in a cluster.
    pub no_cluster: bool,
    /// `allow-cross-slot-keys`: its keys may be in several slots.
    pub allow_cross_slot_keys: bool,
}

impl Header {
    /// Sets a flag by its name. False: there is none.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        };
        *flag = true;
        true
    }
}

/// A script as Lua: without such a line, but with its end, so that lines keep their numbers.
pub fn lua_of(source: &[u8]) -> &[u8] {
    let end = if source.starts_with(b"#!") { source.iter().position(|&byte| byte == b'\n') } else { None };
    &source[end.unwrap_or(0)..]
}

/// Reads the first line of a script.
///
/// # Errors
/// Redis's words for a line without an end, another engine, or an option or flag that there is not.
pub fn read_header(source: &[u8]) -> Result<Header, CommandError> {
    let mut header = Header::default();
    let Some(line) = source.strip_prefix(b"#!") else { return Ok(header) };
    header.is_there = true;
    let Some(len) = line.iter().position(|&byte| byte == b'\n') else {
        return Err(CommandError::fixed("ERR Invalid script shebang"));
    };
    let mut words = line[..len].split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"lua" {
        return Err(CommandError::quoting("ERR Unexpected engine in script shebang: {}", &[engine]));
    }
    for word in words {
        let Some(flags) = word.strip_prefix(b"flags=") else {
            return Err(CommandError::quoting("ERR Unknown lua shebang option: {}", &[word]));
        };
        for flag in flags.split(|&byte| byte == b',').filter(|flag| !flag.is_empty()) {
            if !header.set(flag) {
                return Err(CommandError::quoting("ERR Unexpected flag in script shebang: {}", &[flag]));
            }
        }
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_others_refused() {
        assert_eq!(read_header(b"return 1"), Ok(Header::default()));
        let header = read_header(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert_eq!(lua_of(b"#!lua flags=no-writes\nreturn 1"), b"\nreturn 1");
        assert!(header.is_there && header.no_writes && header.allow_oom && !header.allow_stale);
        assert_eq!(lua_of(b"return 1\n"), b"return 1\n");
        let text = |source: &[u8]| String::from_utf8(read_header(source).unwrap_err().text().into_owned()).unwrap();
        assert_eq!(text(b"#!lua"), "ERR Invalid script shebang");
        assert_eq!(text(b"#!not-lua\nreturn 1"), "ERR Unexpected engine in script shebang: not-lua");
        assert_eq!(text(b"#!lua badger=data\nreturn 1"), "ERR Unknown lua shebang option: badger=data");
        assert_eq!(text(b"#!lua flags=allow-what\nreturn 1"), "ERR Unexpected flag in script shebang: allow-what");
    }
}
