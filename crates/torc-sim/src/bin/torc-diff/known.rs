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

const KNOWN: [Known; 0] = [];

/// Whether this difference between replies is meant.
pub fn is_meant(command: &str, redis: &[u8], torc: &[u8]) -> bool {
    let holds = |reply: &[u8], text: &str| text.is_empty() || String::from_utf8_lossy(reply).contains(text);
    KNOWN.iter().any(|known| {
        (known.command.is_empty() || known.command == command) && holds(redis, known.redis) && holds(torc, known.torc)
    })
}
