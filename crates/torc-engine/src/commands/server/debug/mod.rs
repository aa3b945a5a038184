//! DEBUG: what tests and developers need; gated by `enable-debug-command`.

mod help;
mod queue;
mod set_active_expire;

use crate::command::{Flags, Row};

/// The description of DEBUG.
pub static ROW: Row = Row {
    name: "debug",
    arity: -2,
    flags: DEVELOPER,
    group: "server",
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &help::ROW,
        &queue::drain::ROW,
        &queue::r#move::ROW,
        &queue::pop::ROW,
        &queue::push::ROW,
        &queue::read::ROW,
        &set_active_expire::ROW,
    ],
    ..Row::DEFAULT
};

/// The flags of all subcommands.
const DEVELOPER: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED);
