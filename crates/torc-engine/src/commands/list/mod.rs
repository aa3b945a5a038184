//! Lists of strings: queues and stacks.
//!
//! Beside the commands: `access` reads keys and words and writes elements, `push` and `pop` are what the commands at the ends have
//! in common, and `movement` what those have that move an element from list to list.

use super::family;

mod access;
mod movement;
mod pop;
mod push;

family!(
    blmove, blmpop, blpop, brpop, brpoplpush, lindex, linsert, llen, lmove, lmpop, lpop, lpos, lpush, lpushx, lrange,
    lrem, lset, ltrim, rpop, rpoplpush, rpush, rpushx,
);
