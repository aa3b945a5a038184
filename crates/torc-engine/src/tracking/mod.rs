//! Client-side caching: which connections have read a key, and what they are told when it changes. No message between cores is sent here;
//! that is `engine/tracking.rs`.
//!
//! ```text
//!   Tracking       in the session: CLIENT TRACKING as its client wants it
//!   ReadTable      at the owner of the keys: key -> readers. A key is told once for each time that it was read
//!   Broadcasts     at the owner: the keys of this turn, by the prefixes that clients have registered (topics, as patterns are)
//!   Invalidated    among the effects: a key that somebody has cached has changed
//!   Stale          what clients are told
//! ```
//! docs/tracking.md says what is promised and why it holds.

mod broadcasts;
mod read_table;
mod stale;

pub(crate) use broadcasts::Broadcasts;
pub(crate) use read_table::ReadTable;
pub use read_table::Reader;
pub use stale::{Addressees, Body, Stale};

use crate::asker::{ConnectionId, core_of_client};
use crate::command::Flags;
use crate::effect::Effect;
use crate::run::{Call, Task};
use crate::state::CoreState;

/// Which of its reads a session has noted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All.
    #[default]
    Default,
    /// Those behind CLIENT CACHING YES.
    OptIn,
    /// All but those behind CLIENT CACHING NO.
    OptOut,
    /// None: it is told of all keys with certain prefixes, read or not.
    Broadcast,
}

/// A connection that is told what another has cached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redirect {
    /// Its client id, which tells its core.
    pub(crate) client_id: u64,
    /// Its place on that core.
    pub(crate) connection: ConnectionId,
}

/// CLIENT TRACKING of a session.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    pub(crate) mode: Mode,
    /// It is not told of what it has changed itself.
    pub(crate) no_loop: bool,
    /// CLIENT CACHING was given for the command or transaction that comes next.
    pub(crate) is_caching_given: bool,
    /// The connection that is told; `None`: itself.
    pub(crate) redirect: Option<Redirect>,
    /// That connection was found to be gone.
    pub(crate) is_redirect_broken: bool,
}

impl Tracking {
    /// Whether what its next command reads is noted.
    #[inline]
    pub(crate) fn notes_reads(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.is_caching_given,
            Mode::OptOut => !self.is_caching_given,
            Mode::Broadcast => false,
        }
    }
}

/// What has happened to keys that clients may have cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidated {
    /// A key has changed, has expired, or is forgotten since there are too many.
    Key {
        /// The key.
        key: Box<[u8]>,
        /// Who has read it.
        readers: Vec<Reader>,
        /// Clients are told of all keys with a prefix that it has.
        is_broadcast: bool,
        /// Who asked for what ran has changed it: with NOLOOP it need not be told.
        is_by_asker: bool,
    },
    /// A database has lost its keys or exchanged them: all keys.
    All,
}

/// A key has changed, or a whole database: what is to be told of it, if somebody may have cached it. The empty key stands for a whole
/// database as well.
pub(crate) fn invalidated(
    table: &mut ReadTable,
    is_broadcast: impl Fn(&[u8]) -> bool,
    key: &[u8],
    is_by_asker: bool,
) -> Option<Invalidated> {
    if key.is_empty() {
        return Some(Invalidated::All);
    }
    let (readers, is_broadcast) = (table.take(key).unwrap_or_default(), is_broadcast(key));
    let is_told = is_broadcast || !readers.is_empty();
    is_told.then(|| Invalidated::Key { key: key.into(), readers, is_broadcast, is_by_asker })
}

/// A command of a session has run that has its reads noted: notes the keys of this core that it has read.
#[inline(never)]
pub(crate) fn note_reads(state: &mut CoreState, call: Call<'_>) {
    let row = call.command.row;
    let is_read = row.flags.has(Flags::READONLY) && !row.flags.has(Flags::PUBSUB);
    if !is_read || matches!(call.task, Task::Check | Task::Merge { .. }) {
        return;
    }
    let reader = Reader { core: core_of_client(call.asker.client_id, state.cores), connection: call.asker.connection };
    let args = call.own_args();
    for (index, _) in row.keys_with_flags(args) {
        let key = args.get(index);
        if state.owner(key) == state.core {
            state.read_table.note(key, reader);
        }
    }
    forget_excess(state);
    state.follow_tracked();
}

/// Tells keys beyond `tracking-table-max-keys` as if they had changed.
pub(crate) fn forget_excess(state: &mut CoreState) {
    let keys_max = state.config.tracking_table_max_keys;
    if keys_max == 0 {
        return;
    }
    // Of what is left over the first cores get one each.
    let own_max = (keys_max + u64::from(state.cores - 1 - state.core)) / u64::from(state.cores);
    while state.read_table.len() as u64 > own_max {
        let (key, readers) = state.read_table.take_any(&mut state.random).expect("there are too many");
        let forgotten = Invalidated::Key { key, readers, is_broadcast: false, is_by_asker: false };
        state.effects.list_for_clients(Effect::Invalidated(forgotten));
    }
}
