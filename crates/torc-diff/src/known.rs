//! Differences that are meant: Torc follows Redis 7.2, with newer commands as the versions that brought them. The reference is 7.0, or
//! a version from 8 on; what differs depends on which.

use crate::compare::Compare;

/// Which server Torc is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// 7.0, as Debian has it.
    Seven,
    /// 8.0 or later.
    Eight,
}

impl Reference {
    /// What the reply to INFO server tells.
    pub fn of(info: &[u8]) -> Reference {
        let text = String::from_utf8_lossy(info);
        let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 8) { Reference::Eight } else { Reference::Seven }
    }
}

/// A difference that is meant.
struct Known {
    /// The command in full, or empty for any.
    command: &'static str,
    /// What the reference's reply contains.
    redis: &'static str,
    /// What Torc's reply contains.
    torc: &'static str,
    /// Why.
    #[allow(dead_code, reason = "for the reader of this table")]
    reason: &'static str,
}

/// Of any reference.
const ALWAYS: [Known; 4] = [
    Known {
        command: "xreadgroup",
        redis: "-",
        torc: "-ERR Invalid stream ID",
        reason: "IDs are read before the keys, which may be on several cores; the reference looks at key and ID in turn",
    },
    Known {
        command: "xreadgroup",
        redis: "-",
        torc: "ID is meaningless in the context of XREADGROUP",
        reason: "the same",
    },
    Known { command: "xread", redis: "-WRONGTYPE", torc: "-ERR Invalid stream ID", reason: "as for XREADGROUP" },
    Known { command: "xread", redis: "-WRONGTYPE", torc: "-ERR The > ID can be", reason: "as for XREADGROUP" },
];

/// Of 7.0.
const SEVEN: [Known; 18] = [
    Known {
        command: "xsetid",
        redis: "",
        torc: "smaller than current max_deleted_entry_id",
        reason: "7.0 compares the id only with the one given, not with that of the stream",
    },
    Known {
        command: "",
        redis: "-ERR timeout is negative",
        torc: "-ERR timeout is out of range",
        reason: "7.0 overflows when it makes milliseconds of a huge timeout",
    },
    Known {
        command: "xreadgroup",
        redis: "-ERR Unbalanced XREAD list",
        torc: "-ERR Unbalanced 'xreadgroup' list",
        reason: "the text of 7.2",
    },
    Known {
        command: "xread",
        redis: "-ERR Unbalanced XREAD",
        torc: "-ERR Unbalanced 'xread'",
        reason: "the text of 7.2",
    },
    Known { command: "bitcount", redis: ":0", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known { command: "bitpos", redis: ":", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known {
        command: "lrem",
        redis: ":",
        torc: "-ERR value is out of range, value must between",
        reason: "the range of 7.2",
    },
    Known {
        command: "lpos",
        redis: "",
        torc: "-ERR value is out of range, value must between",
        reason: "the range of 7.2",
    },
    Known { command: "lrem", redis: "-WRONG", torc: "-ERR value is out of range", reason: "the range of 7.2" },
    Known { command: "bitpos", redis: ":", torc: "-ERR syntax error", reason: BITS_EARLY },
    Known { command: "bitcount", redis: ":0", torc: "-ERR syntax error", reason: BITS_EARLY },
    Known { command: "bitcount", redis: "-WRONGTYPE", torc: "-ERR syntax error", reason: BITS_EARLY },
    Known { command: "bitcount", redis: "-WRONGTYPE", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known { command: "bitcount", redis: "-ERR syntax", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known { command: "bitpos", redis: "-ERR syntax", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known { command: "bitpos", redis: "-WRONGTYPE", torc: "-ERR syntax error", reason: BITS_EARLY },
    Known { command: "bitpos", redis: "-WRONGTYPE", torc: "-ERR value is not an integer", reason: BITS_EARLY },
    Known { command: "bitpos", redis: "-WRONGTYPE", torc: "-ERR The bit argument must be 1 or 0", reason: BITS_EARLY },
];

/// Of 8.
const EIGHT: [Known; 16] = [
    Known { command: "scan", redis: "-ERR invalid cursor", torc: "", reason: SIGNED },
    Known { command: "sscan", redis: "-ERR invalid cursor", torc: "", reason: SIGNED },
    Known { command: "hscan", redis: "-ERR invalid cursor", torc: "", reason: SIGNED },
    Known { command: "zscan", redis: "-ERR invalid cursor", torc: "", reason: SIGNED },
    Known { command: "scan", redis: "", torc: "-ERR invalid cursor", reason: SPACED },
    Known { command: "sscan", redis: "", torc: "-ERR invalid cursor", reason: SPACED },
    Known { command: "hscan", redis: "", torc: "-ERR invalid cursor", reason: SPACED },
    Known { command: "zscan", redis: "", torc: "-ERR invalid cursor", reason: SPACED },
    Known {
        command: "object|encoding",
        redis: "raw",
        torc: "embstr",
        reason: "8 counts the bytes of the key's name too when it decides whether a string is short",
    },
    Known {
        command: "object|encoding",
        redis: "listpackex",
        torc: "listpack",
        reason: "HEXPIRE makes room for times in 8 even if no field gets one",
    },
    Known {
        command: "object|encoding",
        redis: "listpackex",
        torc: "hashtable",
        reason: "HEXPIRE does not look in 8 whether limits have become smaller meanwhile",
    },
    Known { command: "sort", redis: "scores can't be converted into double", torc: "", reason: SPACED_SCORES },
    Known { command: "sort_ro", redis: "scores can't be converted into double", torc: "", reason: SPACED_SCORES },
    Known {
        command: "object|encoding",
        redis: "listpack",
        torc: "quicklist",
        reason: "limits that change meanwhile, or elements too large for a packed list: the parts that a list keeps are not those of Redis",
    },
    Known {
        command: "object|encoding",
        redis: "skiplist",
        torc: "listpack",
        reason: "where more members are given than are packed, 7.2 makes a skiplist even if not all of them are new",
    },
    Known {
        command: "",
        redis: "-ERR min or max is not a float",
        torc: "",
        reason: "8 reads no hexadecimal numbers where these are a range's bounds",
    },
];

const SPACED_SCORES: &str = "8 reads no numbers behind spaces here";
const SPACED: &str = "8 takes spaces before a cursor, which 7.2 refuses";
const SIGNED: &str = "8 refuses cursors with a sign, which 7.2 takes";

const BITS_EARLY: &str = "7.2 reads all arguments before it looks whether the key is there";

/// Whether this difference between replies is meant.
pub fn is_meant(reference: Reference, command: &str, compare: &Compare, redis: &[u8], torc: &[u8]) -> bool {
    let holds = |reply: &[u8], text: &str| text.is_empty() || String::from_utf8_lossy(reply).contains(text);
    let of_version: &[Known] = match reference {
        Reference::Seven => &SEVEN,
        Reference::Eight => &EIGHT,
    };
    let is_known = ALWAYS.iter().chain(of_version).any(|known| {
        (known.command.is_empty() || known.command == command) && holds(redis, known.redis) && holds(torc, known.torc)
    });
    // 8 tells coordinates in the fewest digits, 7.2 in 17 behind the point.
    is_known || reference == Reference::Eight && command.starts_with("geo") && compare.are_equal_as_numbers(redis, torc)
}
