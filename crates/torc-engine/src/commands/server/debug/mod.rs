//! DEBUG: what tests and developers need; gated by `enable-debug-command`.

mod aof_flush_sleep;
mod checksum;
mod digest;
mod digest_value;
mod error;
mod help;
mod loadaof;
mod log;
mod object;
mod populate;
mod protocol;
mod quicklist_packed_threshold;
mod reload;
mod segfault;
mod set_active_expire;
mod set_disable_deny_scripts;
mod set_skip_checksum_validation;
mod sleep;

use crate::command::{Flags, Row};

pub(super) static ROW: Row = Row {
    name: "debug",
    arity: -2,
    flags: DEVELOPER,
    group: "server",
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &aof_flush_sleep::ROW,
        &digest::ROW,
        &digest_value::ROW,
        &error::ROW,
        &help::ROW,
        &loadaof::ROW,
        &log::ROW,
        &object::ROW,
        &populate::ROW,
        &protocol::ROW,
        &quicklist_packed_threshold::ROW,
        &reload::ROW,
        &segfault::ROW,
        &set_active_expire::ROW,
        &set_disable_deny_scripts::ROW,
        &set_skip_checksum_validation::ROW,
        &sleep::ROW,
    ],
    is_internal: true,
    ..Row::DEFAULT
};

/// The flags of all subcommands.
const DEVELOPER: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED);
