//! Commands about the connection that sends them, and about all connections.

mod name;
mod password;

pub(crate) use client::describe_client;

use super::family;
use crate::command::Flags;

family!(auth, client, echo, hello, ping, quit, reset, select);

/// The flags of commands that a client may send before it has logged in.
const HANDSHAKE: Flags =
    Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::NO_AUTH).and(Flags::ALLOW_BUSY);
