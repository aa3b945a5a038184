//! Differences that are meant: Torc follows Redis 7.2 or newer where the reference, 7.0.15, does not.

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

const KNOWN: [Known; 21] = [
    Known {
        command: "",
        redis: "-ERR timeout is negative",
        torc: "-ERR timeout is out of range",
        reason: "7.0 overflows when it makes milliseconds of a huge timeout",
    },
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
    Known { command: "xread", redis: "-WRONGTYPE", torc: "-ERR Invalid stream ID", reason: "as for XREADGROUP" },
    Known { command: "xread", redis: "-WRONGTYPE", torc: "-ERR The > ID can be", reason: "as for XREADGROUP" },
];

const BITS_EARLY: &str = "7.2 reads all arguments before it looks whether the key is there";

/// Whether this difference between replies is meant.
pub fn is_meant(command: &str, redis: &[u8], torc: &[u8]) -> bool {
    let holds = |reply: &[u8], text: &str| text.is_empty() || String::from_utf8_lossy(reply).contains(text);
    KNOWN.iter().any(|known| {
        (known.command.is_empty() || known.command == command) && holds(redis, known.redis) && holds(torc, known.torc)
    })
}
