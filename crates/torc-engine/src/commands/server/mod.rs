//! Commands about the server and its databases as a whole.

pub(crate) mod help;

use super::family;

family!(command, config, dbsize, debug, info, lolwut, memory, shutdown, time);
