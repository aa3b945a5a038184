//! What a Redis server is, without any I/O: commands, sessions, routing, and one shard of the keyspace.
//!
//! An [`Engine`] is one core's state machine. Bytes, messages from other cores, time and random seeds go
//! in; bytes and messages come out. It reads no clock, opens no file and starts no thread, so N engines
//! and M clients can be run on one thread under one seed, and a whole cluster of cores is a unit test.
//!
//! A command's way: `torc_resp::Parser` -> `session::admit` (every gate) -> `plan` (where it runs) ->
//! the row's function on a shard -> RESP bytes into the connection's output, or into the batch that goes
//! home -> `gather` (request order, merges) -> the server sends.
//!
//! The server meets an engine in one file, `engine/host.rs`: it hands in and takes out, and sees no field of anything.
//!
//! Invariant: nothing here names a socket, a file, a clock or a thread.

pub mod acl;
mod asker;
mod client_memory;
pub mod command;
pub mod commands;
pub mod config;
pub mod effect;
pub mod engine;
pub mod error;
pub mod event;
pub mod extract;
mod gather;
pub mod glob;
mod headroom;
mod host_request;
pub mod loading;
mod logins;
mod memory;
pub mod mesh;
mod message;
pub mod number;
mod pause;
pub mod persistence;
mod plan;
pub mod pubsub;
pub mod random;
pub mod recorder;
pub mod route;
mod run;
pub mod saving;
mod script;
pub mod session;
pub mod shard;
mod shown;
pub mod snapshot;
mod stand_by;
pub mod state;
pub mod stats;
mod task;
mod tls_facts;
mod tracking;
mod transaction;
pub mod version;

pub use client_memory::ClientMemory;
pub use engine::{Engine, Figures, Output, Taken, Want};
pub use host_request::{
    Clients, FileChange, FileContent, HostReply, HostRequest, ListenerChange, LogKind, OomScore, Reload, SaveHow,
    Shutdown, TlsChange,
};
pub use memory::MemoryBudget;
pub use message::Message;
pub use session::{ConnectionId, ConnectionInfo};
pub use shown::Inseparable;
pub use tls_facts::{CertificateFacts, TlsFacts, TlsHandshakes};
pub use torc_lua::Budget as ScriptMemory;
pub use torc_resp::OutputBuffer;
