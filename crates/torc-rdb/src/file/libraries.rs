//! The payload of FUNCTION DUMP: libraries as they stand in a file, under the seal of a DUMP payload.
//!
//! ```text
//!   (0xf5, source)* | version u16 LE | CRC-64 of all before u64 LE
//! ```

use std::fmt;

use super::opcode;
use super::write::write_function;
use crate::input::Input;
use crate::payload::{self, Checksum};
use crate::{DecodeError, VERSION_LISTPACK};

/// Why a payload gives no libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibrariesError {
    /// Its version or its checksum.
    Seal,
    /// A library in the form of a release candidate of Redis 7.0.
    PreGa,
    /// Something stands where a library should.
    NoLibrary,
    /// The text of a library is cut off or damaged.
    Source(DecodeError),
}

impl fmt::Display for LibrariesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LibrariesError::Seal => "DUMP payload version or checksum are wrong",
            LibrariesError::PreGa => "Pre-GA function format not supported",
            LibrariesError::NoLibrary => "given type is not a function",
            LibrariesError::Source(_) => "Failed loading library payload",
        })
    }
}

impl std::error::Error for LibrariesError {}

/// The payload of libraries with these sources. Its version is the first that has libraries, so that every server that has them takes it.
pub fn dump_libraries<'s>(sources: impl Iterator<Item = &'s [u8]>, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    sources.for_each(|source| write_function(&mut out, source, compress));
    payload::seal(&mut out, 0, VERSION_LISTPACK);
    out
}

/// The sources of the libraries of a payload, in its order.
///
/// # Errors
/// It is no such payload.
pub fn restore_libraries(bytes: &[u8], checksum: Checksum) -> Result<Vec<Vec<u8>>, LibrariesError> {
    let (body, _) = payload::open(bytes, checksum).map_err(|_| LibrariesError::Seal)?;
    let (mut input, mut sources) = (Input::new(body), Vec::new());
    while !input.rest().is_empty() {
        match input.byte().map_err(LibrariesError::Source)? {
            opcode::FUNCTION_2 => sources.push(input.owned_string().map_err(LibrariesError::Source)?),
            opcode::FUNCTION => return Err(LibrariesError::PreGa),
            _ => return Err(LibrariesError::NoLibrary),
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dumped_is_restored_and_nothing_else() {
        let sources = [&b"#!lua name=a\n"[..], &[b'x'; 300][..], b""];
        for compress in [false, true] {
            let dumped = dump_libraries(sources.into_iter(), compress);
            let restored = restore_libraries(&dumped, Checksum::Checked);
            assert_eq!(restored, Ok(sources.map(<[u8]>::to_vec).to_vec()));
            assert_eq!(restore_libraries(&dumped[1..], Checksum::Checked), Err(LibrariesError::Seal));
        }
        // As redis-server 7.0.15 dumps no library.
        assert_eq!(dump_libraries([].into_iter(), true), *b"\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda");
        let sealed = |body: &[u8]| {
            let mut bytes = body.to_vec();
            payload::seal(&mut bytes, 0, VERSION_LISTPACK);
            restore_libraries(&bytes, Checksum::Checked)
        };
        assert_eq!(sealed(&[opcode::FUNCTION, 0]), Err(LibrariesError::PreGa));
        assert_eq!(sealed(&[0, 0]), Err(LibrariesError::NoLibrary));
        assert_eq!(sealed(&[opcode::FUNCTION_2, 9]), Err(LibrariesError::Source(DecodeError::Truncated)));
    }
}
