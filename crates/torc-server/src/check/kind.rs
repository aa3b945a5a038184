//! What kind a file is: by its first bytes, and by its name where those leave it open.
//!
//! | begins with | kind |
//! |---|---|
//! | `REDIS`, `VALKEY` | RDB; a log may follow |
//! | a line `file ...`, behind any comments | manifest |
//! | `*` | log |
//! | anything else, or nothing | by the ending: `.manifest`, `.rdb`; otherwise log |

use std::path::Path;

use torc_log::begins_with_rdb;

use super::Checked;
use super::report::Report;
use super::source::Source;

/// So much of a file is looked at: a manifest's comments may stand before its first line.
const HEAD_BYTES: usize = 64 << 10;

/// What a file is checked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An RDB file, behind which a log may follow.
    Rdb,
    /// A manifest.
    Manifest,
    /// Commands.
    Log,
}

/// Looks at a file; the report says if it cannot be read.
pub fn of(path: &Path, name: &str, report: &mut Report) -> Checked<Kind> {
    let head = Source::open(path, name, report)?.head(HEAD_BYTES, report)?;
    Ok(of_content(&head, path))
}

fn of_content(head: &[u8], path: &Path) -> Kind {
    if begins_with_rdb(head) {
        return Kind::Rdb;
    }
    let line = head.split(|byte| *byte == b'\n').find(|line| !line.starts_with(b"#")).unwrap_or_default();
    if line.starts_with(b"*") {
        return Kind::Log;
    }
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    if word.eq_ignore_ascii_case(b"file") {
        return Kind::Manifest;
    }
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("manifest") => Kind::Manifest,
        Some("rdb") => Kind::Rdb,
        _ => Kind::Log,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_before_the_name() {
        for (content, name, expected) in [
            (&b"REDIS0011"[..], "a.aof", Kind::Rdb),
            (b"VALKEY080", "a.manifest", Kind::Rdb),
            (b"*2\r\n$4\r\nfile\r\n", "a.manifest", Kind::Log),
            (b"#TS:1\r\n*1\r\n", "a.rdb", Kind::Log),
            (b"# made by hand\nfile a seq 1 type b\n", "a", Kind::Manifest),
            (b"FILE a seq 1 type b\n", "a.aof", Kind::Manifest),
            (b"files", "a.aof", Kind::Log),
            (b"", "a.aof", Kind::Log),
            (b"", "a.rdb", Kind::Rdb),
            (b"", "a.manifest", Kind::Manifest),
            (b"\0\0\0", "a.rdb", Kind::Rdb),
            (b"# nothing\n", "a.manifest", Kind::Manifest),
            (b"hello", "manifest", Kind::Log),
        ] {
            assert_eq!(of_content(content, Path::new(name)), expected, "{} {name}", content.escape_ascii());
        }
    }
}
