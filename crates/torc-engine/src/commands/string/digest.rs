//! DIGEST key: the XXH3 hash of a string, by which SET and DELEX can tell whether it is still the one that a client read (Redis 8.4).

use torc_resp::{Args, Reply};
use torc_store::Entry;
use xxhash_rust::xxh3::xxh3_64;

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "digest",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST).and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(digest),
    since: "8.4.0",
    group: "string",
    summary: "Returns the XXH3 hash of a string value.",
    complexity: "O(N) where N is the length of the string value.",
    syntax: "key",
    ..Row::DEFAULT
};

fn digest(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.string_entry(args.get(1))? {
        Entry::Occupied(occupied) => {
            let value = occupied.value().as_string().expect("it is a string");
            reply.bulk(format!("{:016x}", digest_of(value)).as_bytes());
        }
        Entry::Vacant(_) => reply.null(),
    }
    Ok(())
}

/// The digest of a value.
pub(super) fn digest_of(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// A digest as DIGEST writes it, in any case.
pub(super) fn parse_digest(text: &[u8]) -> Result<u64, CommandError> {
    let is_digest = text.len() == 16 && text.iter().all(u8::is_ascii_hexdigit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_digest).and_then(|text| u64::from_str_radix(text, 16).ok());
    number.ok_or(CommandError::fixed("ERR digest must be exactly 16 hexadecimal characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_xxh3() {
        assert_eq!(digest_of(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(parse_digest(b"2d06800538D394c2"), Ok(0x2d06_8005_38d3_94c2));
        for wrong in [&b""[..], b"2d06800538d394c", b"2d06800538d394c20", b"+d06800538d394c2", b"xd06800538d394c2"] {
            assert!(parse_digest(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
