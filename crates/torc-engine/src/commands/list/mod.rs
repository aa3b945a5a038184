//! Lists of strings: queues and stacks.
//!
//! Beside the commands: `access` reads keys and words and writes elements, `push` and `pop` are what the commands at the ends have
//! in common.

use super::family;

mod access;
mod pop;
mod push;

family!(lindex, llen, lpop, lpush, lpushx, lrange, rpop, rpush, rpushx);
