//! MULTI, EXEC, DISCARD, WATCH and UNWATCH: commands that run as one.

use super::family;

family!(discard, exec, multi, unwatch, watch);

/// The flags of the commands that open and close transactions.
const IN_TRANSACTION: crate::command::Flags = {
    use crate::command::Flags;
    Flags(
        Flags::NOSCRIPT.0
            | Flags::LOADING.0
            | Flags::STALE.0
            | Flags::FAST.0
            | Flags::ALLOW_BUSY.0
            | Flags::IMMEDIATE.0,
    )
};
