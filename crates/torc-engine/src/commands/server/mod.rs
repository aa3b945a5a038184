//! Commands about the server and its databases as a whole.

pub(crate) mod help;

use super::family;

mod catch;

pub(crate) use catch::{AS_COMMANDS, CATCH, HOLD, STILL};

family!(
    acl,
    bgrewriteaof,
    bgsave,
    command,
    config,
    dbsize,
    debug,
    info,
    lastsave,
    lolwut,
    memory,
    save,
    shutdown,
    time
);
