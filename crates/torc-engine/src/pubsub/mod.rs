//! Publish and subscribe: who is to get which message. No message between cores is sent here; that is `engine/pubsub.rs`.
//!
//! ```text
//!   Topic            a channel, a shard channel, a pattern, or a prefix of keys; `Home`: the cores that publishes (changes of keys) pass
//!                    through which concern it
//!   Subscriptions    in the session: its topics
//!   Receivers        on the core of the connections: topic -> connections
//!   Routes           at the home: topic -> how many connections of which core
//!   Published, Frames  what is published, and how it is written
//! ```
//! docs/pubsub.md says what is promised and why it holds.

mod few;
mod frame;
mod hashing;
mod in_flight;
mod names;
mod patterns;
mod prefixes;
mod published;
mod receivers;
mod routes;
mod subscriptions;
mod topic;

pub(crate) use frame::{Frames, write_confirmation, write_event_channel};
pub(crate) use hashing::NameHashing;
pub(crate) use in_flight::InFlight;
pub use published::{Published, Targets};
pub(crate) use receivers::Receivers;
pub(crate) use routes::Routes;
pub(crate) use subscriptions::{Ends, Subscriptions};
pub use topic::{Change, Home, Topic, TopicKind};

use crate::effect::Effect;

/// The tables of one core.
#[derive(Default)]
pub(crate) struct PubSub {
    /// Whom publishes that run here are to reach.
    pub(crate) routes: Routes,
    /// Connections of this core.
    pub(crate) receivers: Receivers,
    /// What has been published here and is still being sent.
    pub(crate) in_flight: InFlight,
    /// Memory for what subscribers are being told, and for the name of a channel.
    pub(crate) told: Vec<Effect>,
    pub(crate) channel: Vec<u8>,
}
