//! The types that configuration values have once they are understood: closed enums and small structs.
//!
//! Each enum has its names in one array, in the order in which error texts list them, and the enum's
//! discriminants are the indexes into that array.

use torc_rdb::file::VersionRule;

/// How much is logged; each level includes those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything, for development.
    Debug,
    /// Details that are seldom useful.
    Verbose,
    /// What one wants to know in production.
    Notice,
    /// Only what is important or critical.
    Warning,
    /// No lines at all.
    Nothing,
}

impl LogLevel {
    /// Every level, in the order of [`LogLevel::NAMES`].
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Debug, LogLevel::Verbose, LogLevel::Notice, LogLevel::Warning, LogLevel::Nothing];
    /// The names of the levels.
    pub const NAMES: [&str; 5] = ["debug", "verbose", "notice", "warning", "nothing"];
}

/// What of a pipeline may become visible before what was sent before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineOrder {
    /// Only reads.
    Writes,
    /// Whatever is for another core.
    Relaxed,
}

impl PipelineOrder {
    /// Both, in the order of [`PipelineOrder::NAMES`].
    pub const ALL: [PipelineOrder; 2] = [PipelineOrder::Writes, PipelineOrder::Relaxed];
    /// Their names.
    pub const NAMES: [&str; 2] = ["writes", "relaxed"];
}

/// What the cores wait in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoBackend {
    /// io_uring where it may be used, else epoll.
    Auto,
    /// io_uring and nothing else.
    Uring,
    /// epoll.
    Epoll,
}

impl IoBackend {
    /// Every choice, in the order of [`IoBackend::NAMES`].
    pub const ALL: [IoBackend; 3] = [IoBackend::Auto, IoBackend::Uring, IoBackend::Epoll];
    /// Their names.
    pub const NAMES: [&str; 3] = ["auto", "uring", "epoll"];
}

/// Which version RDB files are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdbVersion {
    /// The lowest that holds the data, from that of Redis 7.0 on.
    Auto,
    /// That of Redis 5 and 6.
    V9,
    /// That of Redis 7.0.
    V10,
    /// That of Redis 7.2.
    V11,
    /// That of Redis 7.4 to 8.4.
    V12,
    /// That of Redis 8.6.
    V13,
}

impl RdbVersion {
    /// Every choice, in the order of [`RdbVersion::NAMES`].
    pub const ALL: [RdbVersion; 6] =
        [RdbVersion::Auto, RdbVersion::V9, RdbVersion::V10, RdbVersion::V11, RdbVersion::V12, RdbVersion::V13];
    /// Their names.
    pub const NAMES: [&str; 6] = ["auto", "9", "10", "11", "12", "13"];

    /// The same for the writer of files.
    pub fn rule(self) -> VersionRule {
        match self {
            RdbVersion::Auto => VersionRule::Lowest,
            RdbVersion::V9 => VersionRule::Fixed(9),
            RdbVersion::V10 => VersionRule::Fixed(10),
            RdbVersion::V11 => VersionRule::Fixed(11),
            RdbVersion::V12 => VersionRule::Fixed(12),
            RdbVersion::V13 => VersionRule::Fixed(13),
        }
    }
}

/// Which channels a user may use of whom nothing is said of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclPubsubDefault {
    /// All.
    Allchannels,
    /// None.
    Resetchannels,
}

impl AclPubsubDefault {
    /// Every choice, in the order of [`AclPubsubDefault::NAMES`].
    pub const ALL: [AclPubsubDefault; 2] = [AclPubsubDefault::Allchannels, AclPubsubDefault::Resetchannels];
    /// Their names.
    pub const NAMES: [&str; 2] = ["allchannels", "resetchannels"];

    /// Whether it is all of them.
    pub fn allows_all(self) -> bool {
        self == AclPubsubDefault::Allchannels
    }
}

/// When the append-only log is given to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// Before a write is answered.
    Always,
    /// Once a second.
    Everysec,
    /// When the system likes.
    No,
}

impl AppendFsync {
    /// Every choice, in the order of [`AppendFsync::NAMES`].
    pub const ALL: [AppendFsync; 3] = [AppendFsync::Always, AppendFsync::Everysec, AppendFsync::No];
    /// Their names.
    pub const NAMES: [&str; 3] = ["always", "everysec", "no"];
}

/// When to save: if this long has passed since the last time and there were so many changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds.
    pub seconds: u64,
    /// Changes.
    pub changes: u64,
}

/// When to save: at any of these points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints {
    /// The points; none: only when somebody asks for it.
    pub points: Vec<SavePoint>,
    /// They are those that hold where nothing is said, which the first that is said replaces.
    pub(super) are_default: bool,
}

impl Default for SavePoints {
    fn default() -> Self {
        let points = [(3600, 1), (300, 100), (60, 10_000)].map(|(seconds, changes)| SavePoint { seconds, changes });
        SavePoints { points: points.to_vec(), are_default: true }
    }
}

/// A limit of memory: `maxmemory`, `maxmemory-clients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// So many bytes; 0: any number.
    Bytes(u64),
    /// So much of a whole: of the machine's memory or that of the process's control group; for clients, of `maxmemory`.
    Percent(u8),
}

/// Which keys go when memory is short; it also decides whether keys carry an access frequency or an idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxmemoryPolicy {
    /// Least recently used of the keys with an expiry.
    VolatileLru,
    /// Least frequently used of the keys with an expiry.
    VolatileLfu,
    /// Any of the keys with an expiry.
    VolatileRandom,
    /// Soonest to expire.
    VolatileTtl,
    /// Least recently used of all keys.
    AllkeysLru,
    /// Least frequently used of all keys.
    AllkeysLfu,
    /// Any key.
    AllkeysRandom,
    /// None: writes are refused.
    Noeviction,
}

impl MaxmemoryPolicy {
    /// Every policy, in the order of [`MaxmemoryPolicy::NAMES`].
    pub const ALL: [MaxmemoryPolicy; 8] = [
        MaxmemoryPolicy::VolatileLru,
        MaxmemoryPolicy::VolatileLfu,
        MaxmemoryPolicy::VolatileRandom,
        MaxmemoryPolicy::VolatileTtl,
        MaxmemoryPolicy::AllkeysLru,
        MaxmemoryPolicy::AllkeysLfu,
        MaxmemoryPolicy::AllkeysRandom,
        MaxmemoryPolicy::Noeviction,
    ];
    /// The names of the policies.
    pub const NAMES: [&str; 8] = [
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ];

    /// The name of this policy, as CONFIG GET and INFO show it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether it is by the use of keys that one goes: each value is a key's own then, in Redis too.
    pub fn is_by_use(self) -> bool {
        use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru};
        matches!(self, VolatileLru | VolatileLfu | AllkeysLru | AllkeysLfu)
    }

    /// Whether keys carry an access frequency (OBJECT FREQ works) instead of an idle time (OBJECT IDLETIME).
    pub fn is_lfu(self) -> bool {
        matches!(self, MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu)
    }
}

/// Who may use a command that is meant for developers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugAccess {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// Connections from this machine.
    Local,
}

impl DebugAccess {
    /// Every kind of access, in the order of [`DebugAccess::NAMES`].
    pub const ALL: [DebugAccess; 3] = [DebugAccess::No, DebugAccess::Yes, DebugAccess::Local];
    /// The names of the kinds.
    pub const NAMES: [&str; 3] = ["no", "yes", "local"];
}

/// Whose payloads RESTORE examines in depth, in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitize {
    /// Nobody's.
    No,
    /// Everybody's.
    Yes,
    /// Those of clients that are not trusted.
    Clients,
}

impl Sanitize {
    /// Every choice, in the order of [`Sanitize::NAMES`].
    pub const ALL: [Sanitize; 3] = [Sanitize::No, Sanitize::Yes, Sanitize::Clients];
    /// The names of the choices.
    pub const NAMES: [&str; 3] = ["no", "yes", "clients"];
}

/// Whether and how the kernel's inclination to kill this process when memory is short is adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// It stays as the process found it.
    No = 0,
    /// By what is added to the score that the process found. It is called `yes` too.
    Relative = 1,
    /// To a score.
    Absolute = 3,
}

impl OomScoreAdj {
    /// What each of [`OomScoreAdj::NAMES`] stands for.
    pub const ALL: [OomScoreAdj; 4] =
        [OomScoreAdj::No, OomScoreAdj::Relative, OomScoreAdj::Relative, OomScoreAdj::Absolute];
    /// The names.
    pub const NAMES: [&str; 4] = ["no", "yes", "relative", "absolute"];
}

/// How much unsent output a client may pile up before it is closed. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once above this many bytes.
    pub hard_bytes: u64,
    /// Closed after staying above this many bytes for [`OutputLimit::soft_seconds`].
    pub soft_bytes: u64,
    /// How long the soft limit may be exceeded.
    pub soft_seconds: u64,
}

/// The output limits of the three classes of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Clients that ask and read answers.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Subscribers.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        OutputLimits {
            normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
            replica: OutputLimit { hard_bytes: 256 * MIB, soft_bytes: 64 * MIB, soft_seconds: 60 },
            pubsub: OutputLimit { hard_bytes: 32 * MIB, soft_bytes: 8 * MIB, soft_seconds: 60 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_the_index_of_their_variant() {
        assert_eq!(MaxmemoryPolicy::AllkeysLfu.name(), "allkeys-lfu");
        assert!(MaxmemoryPolicy::ALL.iter().enumerate().all(|(index, policy)| *policy as usize == index));
        assert!(LogLevel::ALL.iter().enumerate().all(|(index, level)| *level as usize == index));
        assert!(DebugAccess::ALL.iter().enumerate().all(|(index, access)| *access as usize == index));
    }

    #[test]
    fn only_the_lfu_policies_count_accesses() {
        let lfu: Vec<_> = MaxmemoryPolicy::ALL.into_iter().filter(|policy| policy.is_lfu()).collect();
        assert_eq!(lfu, [MaxmemoryPolicy::VolatileLfu, MaxmemoryPolicy::AllkeysLfu]);
    }
}

/// Whether clients of the encrypted port need a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAuthClients {
    /// They are not asked for one.
    No,
    /// Who has none is let in.
    Optional,
    /// Who has none is turned away.
    Yes,
}

impl TlsAuthClients {
    /// Every choice, in the order of [`TlsAuthClients::NAMES`].
    pub const ALL: [TlsAuthClients; 3] = [TlsAuthClients::No, TlsAuthClients::Optional, TlsAuthClients::Yes];
    /// Their names.
    pub const NAMES: [&str; 3] = ["no", "optional", "yes"];
}

/// What of a client's certificate names the user that it is logged in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsUserField {
    /// Nothing: it logs in as others do.
    Off,
    /// The common name of its subject.
    CommonName,
    /// A URI among its alternative names.
    Uri,
}

impl TlsUserField {
    /// Every choice, in the order of [`TlsUserField::NAMES`].
    pub const ALL: [TlsUserField; 3] = [TlsUserField::Off, TlsUserField::CommonName, TlsUserField::Uri];
    /// Their names.
    pub const NAMES: [&str; 3] = ["off", "CN", "URI"];
}
