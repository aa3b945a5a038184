//! What a command is: one row that says everything other layers need to know, and one function.
//!
//! Routing, admission, MULTI, COMMAND and its documentation are all derived from the row; no other
//! place names a command. Rows live beside their functions under `commands/`, one file a command; the
//! [`Registry`] finds them by name.

pub mod blocking;
mod call;
pub mod keys;
mod propagation;
mod registry;
pub mod syntax;

pub use blocking::{AwaitedKey, Blocking, Serves, Timeout};
pub use call::Call;
pub use keys::{Begin, Find, KeyFlags, KeySpec, Keys};
pub use propagation::Propagation;
pub use registry::{Command, ProgramOrder, Registry, Rename, names_after, registry, registry_with};

use torc_resp::{Args, Reply};

use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
use crate::host_request::HostRequest;
use crate::route::{CoreId, SlotMap};
use crate::script::ScriptCommand;
use crate::session::{CoreContext, Session, SessionContext};
use crate::shard::ShardContext;
use crate::state::Facts;

/// Everything that other layers know of one command or subcommand.
pub struct Row {
    /// Lower-case name; of a subcommand only its own word (`list`, not `client|list`).
    pub name: &'static str,
    /// Number of arguments, the command's own name(s) included; negative: at least that many.
    pub arity: i32,
    /// Redis's command flags, and Torc's own.
    pub flags: Flags,
    /// In which form logs and replicas are told of it. A row that writes and does not say so does not compile ([`Row::assert_sound`]).
    pub propagation: Propagation,
    /// Where the keys stand and what happens to them. A request's keys are those of the first specification, then those of the second, ..
    pub keys: &'static [KeySpec],
    /// Index of the argument that names an element of the first key's value (a field, a member), which is fetched ahead like the key; 0:
    /// there is none.
    pub element_at: usize,
    /// On which cores it runs.
    pub route: Route,
    /// The function.
    pub run: Run,
    /// For a command that waits until a key is ready, outside of a transaction; its route is then [`Blocking::RELAY`].
    pub blocking: Option<&'static Blocking>,
    /// For a relay that may read keys which the request does not name (SORT's patterns).
    pub follow: Option<&'static Follow>,
    /// For a relay whose first key loses its value to another (RENAME): how a big one goes there as it is.
    pub hand_over: Option<&'static HandOver>,
    /// For a command with [`Route::Every`] or [`Route::Session`] of which a part is the host's to do: what must have succeeded before
    /// the command runs.
    pub host_step: Option<&'static HostStep>,
    /// For a command about its connection that may log it in: whether this request tries to. It waits where many have failed.
    pub logs_in: Option<fn(Args<'_>) -> bool>,
    /// The channels that a request publishes to or begins to hear.
    pub channels: Option<ChannelSpec>,
    /// Which databases a request is about.
    pub databases: Databases,
    /// Which arguments nobody but the server may see, wherever requests are shown.
    pub secrets: Secrets,
    /// Access-control categories beyond those that follow from the flags, without the `@`.
    pub categories: &'static [&'static str],
    /// First Redis (or Valkey) version that had it.
    pub since: &'static str,
    /// Redis's group name: `string`, `generic`, `connection`, `server`, `transactions`, `cluster`, ...
    pub group: &'static str,
    /// One line for COMMAND DOCS.
    pub summary: &'static str,
    /// Time complexity for COMMAND DOCS.
    pub complexity: &'static str,
    /// The arguments after the name, in the notation of Redis's manual with what COMMAND DOCS says of each added
    /// to it, see [`syntax`]: `key condition:[NX | XX]@7.0.0 [GET]`; repeated: `key [key ...]`.
    pub syntax: &'static str,
    /// What changed since `since`: versions of Redis, and a sentence for each.
    pub history: &'static [(&'static str, &'static str)],
    /// For a command that clients should not use any more.
    pub deprecated: Option<Deprecated>,
    /// Whether it is for the server's own use, in COMMAND DOCS' words a `syscmd`.
    pub is_internal: bool,
    /// Tips for clients, as COMMAND shows them; cores behave as the nodes of a cluster do.
    pub tips: &'static [&'static str],
    /// Subcommands. A container has some and no function; a row with both runs by itself without arguments.
    pub subcommands: &'static [&'static Row],
}

/// Where channels stand in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelSpec {
    /// The index of the first.
    pub first: usize,
    /// All arguments from there on are channels.
    pub is_list: bool,
    /// They are patterns of channels.
    pub are_patterns: bool,
}

/// Which databases a request is about, if it is about any: if its row reads, writes, or has keys.
#[derive(Clone, Copy)]
pub enum Databases {
    /// That of its connection.
    Current,
    /// All of them.
    All,
    /// The one that the first argument names, which is that of the connection from then on.
    Selected,
    /// Those that the arguments with these indexes name (0: none does), and that of the connection if there are keys.
    Named(fn(Args<'_>) -> [usize; 2]),
}

/// Which arguments of a request are secret.
#[derive(Clone, Copy)]
pub enum Secrets {
    /// None.
    None,
    /// All from this index on.
    From(usize),
    /// Those for which a function says so.
    Some(fn(Args<'_>, index: usize) -> bool),
}

/// Why clients should not use a command.
#[derive(Clone, Copy)]
pub struct Deprecated {
    /// The version of Redis that advised against it first.
    pub since: &'static str,
    /// What to use instead: `` `GETRANGE` ``.
    pub replaced_by: &'static str,
}

/// A row to start from: `Row { name: .., ..Row::DEFAULT }`.
impl Row {
    /// No keys, no flags, and a function that must be replaced.
    pub const DEFAULT: Row = Row {
        name: "",
        arity: 0,
        flags: Flags::NONE,
        propagation: Propagation::Nothing,
        keys: &[],
        element_at: 0,
        route: Route::Session,
        run: Run::Container,
        blocking: None,
        follow: None,
        hand_over: None,
        host_step: None,
        logs_in: None,
        channels: None,
        databases: Databases::Current,
        secrets: Secrets::None,
        categories: &[],
        since: "1.0.0",
        group: "generic",
        summary: "",
        complexity: "O(1)",
        syntax: "",
        history: &[],
        deprecated: None,
        is_internal: false,
        tips: &[],
        subcommands: &[],
    };
}

/// The function of a command, by what it may touch.
#[derive(Clone, Copy)]
pub enum Run {
    /// Sees one shard: the keys of one core. Most commands.
    Shard(fn(&mut ShardContext<'_>, Args<'_>, &mut Reply<'_>) -> CommandResult),
    /// Sees the connection's session, on the core that holds the connection.
    Session(fn(&mut SessionContext<'_>, Args<'_>, &mut Reply<'_>) -> CommandResult),
    /// Runs a script, which sees whatever its commands see.
    Script(ScriptCommand),
    /// Sees a whole core, its sessions and its shard; runs on every core for [`Route::Every`].
    Core(fn(&mut CoreContext<'_>, Args<'_>, &mut Reply<'_>) -> CommandResult),
    /// Has subcommands only.
    Container,
}

/// On which cores a command runs, and how partial replies become one.
#[derive(Clone, Copy)]
pub enum Route {
    /// On the connection's own core.
    Session,
    /// On the core that owns its keys, which must be one core.
    Owner,
    /// On all owners of the keys: each runs the command with its own keys only.
    Split {
        /// Arguments per key: 1 for DEL, 2 for MSET.
        stride: usize,
        /// How the partial replies become one.
        merge: Merge,
    },
    /// On all owners of the keys, with data travelling between them: values are read on every owner first, then applied.
    Relay(&'static Relay),
    /// On every core, with the same arguments.
    Every(Merge),
    /// Where its script can reach all that it may need: docs/scripts.md.
    Script,
    /// On one core that the arguments name (a slot). `None`: the connection's own.
    Pick(fn(Args<'_>, &SlotMap) -> Option<CoreId>),
    /// On one core that the arguments name (SCAN's cursor), and from there on others, one after another.
    Walk(&'static Walk),
}

/// How a command goes from core to core. Each core's part runs by itself: what the cores held at one time is not promised. In a
/// transaction the first core's part is all.
pub struct Walk {
    /// The core that the arguments name. `None`: the connection's own.
    pub first: fn(Args<'_>, &SlotMap) -> Option<CoreId>,
    /// What follows the part of a core, given the arguments, the elements found in the parts before, and this part.
    pub step: fn(Args<'_>, found_before: usize, part: &[u8]) -> WalkStep,
    /// Makes the reply, as [`Merge::Custom`] does; parts are in the order of the walk.
    pub merge: MergeFunction,
}

/// Where a walk stands after a part.
pub struct WalkStep {
    /// Elements in all parts so far.
    pub found: usize,
    /// The next core, and the arguments of its part; `None`: the walk ends.
    pub next: Option<(CoreId, Vec<Vec<u8>>)>,
}

/// How a command runs whose keys lie on several cores while one core's part depends on what another holds. With all
/// keys on one core, the row's function runs there instead.
///
/// All functions see the whole request. First `fetch` runs on the owners of the keys; then, within the same
/// transaction, `apply` runs on the cores of `apply_on` with all that was fetched. If a fetch fails, nothing is applied
/// and its error is the reply (of the first such key), and so it is if more was fetched than `relay-max-bytes`. What `apply`
/// decides must follow from the request and from what was fetched alone, so that all cores decide alike.
pub struct Relay {
    /// What the owners of the keys send.
    pub fetch: Fetching,
    /// Does this core's share and writes the reply of the command.
    pub apply: fn(&mut ShardContext<'_>, Args<'_>, Fetched<'_>, &mut Reply<'_>) -> CommandResult,
    /// Where `apply` runs; of several replies the one of the first key's owner counts.
    pub apply_on: ApplyOn,
}

/// What the owners of a relay's keys send to those that apply it.
#[derive(Clone, Copy)]
pub enum Fetching {
    /// For each key what the others need to know of it: writes that of the key with this number (among the request's keys), as one
    /// RESP2 value.
    ByKey(fn(&mut ShardContext<'_>, Args<'_>, key_number: usize, &mut Extract) -> CommandResult),
    /// One extract for all sources of a core, each of which it holds once at most, however often the request names it. Where the
    /// algebra allows, they are combined before they are sent. The core that applies (there is one, see [`ApplyOn::OwnerOf`]) sends
    /// nothing: it finds its own sources where they are.
    ByOwner {
        /// Reads a source as a command reads a key, and finds what is wrong with it. Called for each source as often as it is named, on
        /// all cores, before anything is combined.
        read: fn(&mut ShardContext<'_>, Args<'_>, source: &[u8]) -> CommandResult,
        /// Writes what the sources of this core come to ([`ShardContext::own_sources`]), which all have been read, as one RESP2 value
        /// that is no integer. `candidates`: the extract of another owner, beside whose members none matter.
        combine: fn(&mut ShardContext<'_>, Args<'_>, candidates: Option<&[u8]>, &mut Extract),
        /// Whose members may stand for all that matter; `None`: no owner's. Then an owner of [big values](torc_store::ValueRef::is_big)
        /// does not send them at once, but waits for candidates.
        lead: Option<Lead>,
    },
}

/// Which owner of sources the others follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lead {
    /// That with the smallest source: of an intersection.
    Smallest,
    /// That of the first source: of a difference.
    First,
}

/// A key that a command reads, as opposed to one that it only overwrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// Which of the request's sources it is, from 0 on.
    pub number: usize,
    /// The key.
    pub key: &'a [u8],
}

/// How a relay reads keys that follow from the values of others. Where there are several cores, a request that may do so involves all of
/// them, each locked as a whole: after the fetch, the keys that follow are read on their owners, and what they hold is handed to
/// [`Relay::apply`] behind what was fetched. On one core the row's function reads them itself.
pub struct Follow {
    /// Whether this request may read such keys.
    pub applies: fn(Args<'_>) -> bool,
    /// The error for a client that may not read all keys, if this request asks for something that needs it.
    pub refusal: fn(Args<'_>) -> Option<CommandError>,
    /// The keys to read, each with a word for `read`, given what was fetched.
    pub keys: fn(Args<'_>, Fetched<'_>) -> Vec<[Vec<u8>; 2]>,
    /// Writes what such a key holds, as one RESP2 value.
    pub read: fn(&mut ShardContext<'_>, key: &[u8], word: &[u8], &mut Extract),
}

/// How a relay moves a big value without looking at what is in it. Between the fetch and the apply, in a stage of its own, the owner of the
/// first key takes the value out of its key and sends it; then [`Relay::apply`] runs on the owner of the second key alone, and finds it in
/// [`ShardContext::take_over`]. What `fetch` tells of a big value must not grow with it.
pub struct HandOver {
    /// Whether the value is big, given what was fetched.
    pub is_big: fn(Fetched<'_>) -> bool,
    /// Whether the command leaves all as it is, given what was fetched: then nothing is handed over.
    pub refuses: fn(Fetched<'_>) -> bool,
    /// What is told of the first key.
    pub event: &'static str,
}

/// What the host does for a command. The core of the connection asks it, and the session waits for the answer; of a MULTI, a stage does.
pub struct HostStep {
    /// What to ask of the host for the connection; `None`: nothing, for this request.
    pub request: fn(Facts<'_>, Args<'_>, Asking<'_>) -> Option<HostRequest>,
    /// The reply when the host could not do it; then the command does not run.
    pub failed: CommandError,
}

/// Who asks the host.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Whose command it is.
    pub session: &'a Session,
    /// The command is one of a transaction, which holds its claims until it has the answer.
    pub in_transaction: bool,
}

/// The cores on which [`Relay::apply`] runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ApplyOn {
    /// All that own a key of the request; all keys may be written.
    Owners,
    /// The owner of the key with this number; if the command writes, it writes only this key.
    OwnerOf(usize),
    /// The owner of the last key, which alone it may write.
    LastOwner,
}

/// What [`Relay::fetch`] wrote: by key, for each key of the request, in the order of the keys; by owner, for each owner of a key, in the
/// order in which the request names a key of theirs first, and nothing for the core that applies.
#[derive(Clone, Copy)]
pub struct Fetched<'a>(pub Args<'a>);

impl<'a> Fetched<'a> {
    /// Nothing, where all keys are on one core.
    pub const NOTHING: Fetched<'static> = Fetched(Args::new(&[], &[]));

    /// The extracts of the other owners.
    pub fn extracts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.iter().filter(|extract| !extract.is_empty())
    }

    /// The encoded value for the key with this number.
    pub fn get(&self, key_number: usize) -> &'a [u8] {
        self.0.get(key_number)
    }
}

/// How the replies of several cores become one.
#[derive(Clone, Copy)]
pub enum Merge {
    /// Integers: their sum.
    Sum,
    /// All parts are alike: the first error, otherwise the first reply.
    Same,
    /// Arrays: one after another.
    Concat,
    /// Arrays with one element per key: put back into the order of the request's keys.
    ByKey,
    /// By a function of the command, on the connection's core. `parts` are encoded replies, in core order.
    Custom(MergeFunction),
}

/// Makes one reply of encoded parts.
pub type MergeFunction = fn(&mut SessionContext<'_>, Args<'_>, parts: &[&[u8]], &mut Reply<'_>) -> CommandResult;

/// A set of command flags: Redis's, as COMMAND shows them, and Torc's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(pub u32);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// May change the dataset.
    pub const WRITE: Flags = Flags(1 << 0);
    /// Reads keys.
    pub const READONLY: Flags = Flags(1 << 1);
    /// May grow memory.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Administrative.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Not from a script.
    pub const NOSCRIPT: Flags = Flags(1 << 4);
    /// Allowed while loading.
    pub const LOADING: Flags = Flags(1 << 5);
    /// Allowed on a stale replica.
    pub const STALE: Flags = Flags(1 << 6);
    /// Constant or logarithmic time.
    pub const FAST: Flags = Flags(1 << 7);
    /// Allowed before a login.
    pub const NO_AUTH: Flags = Flags(1 << 8);
    /// Not inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 9);
    /// Handled even while a transaction is being queued (EXEC, DISCARD, MULTI, QUIT, RESET, WATCH).
    pub const IMMEDIATE: Flags = Flags(1 << 10);
    /// Not counted by the monitor.
    pub const SKIP_MONITOR: Flags = Flags(1 << 11);
    /// Not in the slow log.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 12);
    /// May run while a script is busy.
    pub const ALLOW_BUSY: Flags = Flags(1 << 13);
    /// Chooses its reply at random (SPOP, RANDOMKEY). The simulator judges what it chose, and tells its oracle to choose alike.
    pub const CHOOSES: Flags = Flags(1 << 14);
    /// Tells the time (TIME): in a transaction that of the transaction.
    pub const TELLS_TIME: Flags = Flags(1 << 15);
    /// Not propagated by a transaction that holds it.
    pub const SENTINEL: Flags = Flags(1 << 16);
    /// For developers: runs only where `enable-debug-command` allows it.
    pub const PROTECTED: Flags = Flags(1 << 17);
    /// A transaction ends even when this command is refused (EXEC).
    pub const ENDS_TRANSACTION: Flags = Flags(1 << 18);

    /// Refused while a transaction is being queued, which goes on all the same (WATCH).
    pub const OUTSIDE_MULTI: Flags = Flags(1 << 19);

    /// May wait for a key ([`Row::blocking`]).
    pub const BLOCKING: Flags = Flags(1 << 20);

    /// From a client of a core's own port it concerns that core alone (DBSIZE, FLUSHALL): cluster clients send such commands to
    /// each node, and add up what they answer.
    pub const OF_NODE: Flags = Flags(1 << 21);

    /// Its work grows with what is stored, and shows neither in the request nor in the reply: a turn whose time is over does not
    /// begin it. See docs/architecture.md, "A turn ends".
    pub const LONG: Flags = Flags(1 << 22);

    /// Changes the configuration (CONFIG SET): some of it only for those who may.
    pub const CONFIGURES: Flags = Flags(1 << 23);

    /// About publishing and subscribing.
    pub const PUBSUB: Flags = Flags(1 << 24);

    /// What replicas are told of although it need change no key (PFCOUNT, PUBLISH): CLIENT PAUSE WRITE holds it as it holds writes.
    pub const MAY_REPLICATE: Flags = Flags(1 << 25);

    /// May change what its connection has subscribed to, which its reply waits for.
    pub const SUBSCRIBES: Flags = Flags(1 << 26);

    /// Allowed to a connection under RESP2 that has subscribed to something.
    pub const WHILE_SUBSCRIBED: Flags = Flags(1 << 27);

    /// Begins or ends a pause of clients: runs on all cores at one point of the order, as a write of all keys does.
    pub const PAUSES: Flags = Flags(1 << 28);

    /// A request need not name a key, though the command takes some.
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 29);

    /// Changes what all cores must have alike: runs on all of them at one point of the order, as a write of all keys does, and its reply
    /// waits until all has been done that was begun before.
    pub const ORDERED: Flags = Flags(1 << 30);

    /// Both sets together.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.and(other)
    }
}

impl Row {
    /// Whether a request with `len` arguments has the right number of them.
    #[inline]
    pub fn arity_fits(&self, len: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        len == least || (self.arity < 0 && len > least)
    }

    /// The indexes of the keys in a request. None when the number of keys is given and unusable.
    #[inline]
    pub fn key_indexes(&self, args: Args<'_>) -> impl Iterator<Item = usize> + Clone {
        self.keys.iter().flat_map(move |spec| spec.indexes(args))
    }

    /// The keys that a request reads, in order, each as often as it is named.
    pub fn sources<'a>(&self, args: Args<'a>) -> impl Iterator<Item = Source<'a>> + Clone {
        let specs = self.keys.iter().filter(|spec| !spec.flags.has(KeyFlags::OW));
        let indexes = specs.flat_map(move |spec| spec.indexes(args));
        indexes.enumerate().map(move |(number, index)| Source { number, key: args.get(index) })
    }

    /// The indexes of the keys in a request, each with what the request does with it; without what only goes where a key would go.
    pub fn keys_with_flags(&self, args: Args<'_>) -> impl Iterator<Item = (usize, KeyFlags)> {
        let keys = self.keys.iter().filter(|spec| spec.flags != KeyFlags::NOT_KEY);
        keys.flat_map(move |spec| {
            let flags = spec.flags_of.map_or(spec.flags, |flags_of| flags_of(args));
            spec.indexes(args).map(move |index| (index, flags))
        })
    }

    /// Whether a request, on a server with `cores` cores, may read keys that it does not name.
    pub fn reaches_all(&self, cores: u16, args: Args<'_>) -> bool {
        cores > 1 && self.follows(args)
    }

    /// Whether a request may read keys that follow from others, and that it does not name.
    pub fn follows(&self, args: Args<'_>) -> bool {
        self.follow.is_some_and(|follow| (follow.applies)(args))
    }

    /// Whether it reads or writes keys, rather than something of the server, or decides who may.
    pub fn concerns_keys(&self) -> bool {
        const CONCERNED: Flags = Flags::READONLY.and(Flags::WRITE).and(Flags::PAUSES).and(Flags::ORDERED);
        self.flags.0 & CONCERNED.0 != 0
    }

    /// Whether it is about what a database holds.
    pub fn concerns_data(&self) -> bool {
        let has_keys = self.keys.iter().any(|spec| spec.flags != KeyFlags::NOT_KEY);
        self.flags.has(Flags::READONLY) || self.flags.has(Flags::WRITE) || has_keys
    }

    /// Whether an argument of a request must not be shown to anybody: a password, or what tells of one.
    pub fn is_secret(&self, args: Args<'_>, index: usize) -> bool {
        match self.secrets {
            Secrets::None => false,
            Secrets::From(first) => index >= first,
            Secrets::Some(is_secret) => is_secret(args, index),
        }
    }
}

/// Reads an argument as a 64-bit integer, strictly, as Redis does.
pub fn integer_argument(argument: &[u8]) -> Result<i64, CommandError> {
    torc_resp::number::parse_i64(argument).ok_or(CommandError::NotAnInteger)
}
