//! What the host tells all cores of files: how far loading is, when the data was saved, whether that went well.

/// The state of snapshots and of loading, the same on all cores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persistence {
    /// Data is being loaded: commands that need it are refused.
    pub loading: Option<Loading>,
    /// How saving goes.
    pub saves: Saves,
    /// What the last loading has found.
    pub loaded: Loaded,
    /// How the log does.
    pub log: LogFigures,
}

/// How the log does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// There is one.
    pub is_on: bool,
    /// It cannot be written: writes are refused.
    pub has_failed: bool,
    /// So much waits for the disk that writes wait.
    pub is_full: bool,
    /// A rewrite is under way.
    pub is_rewriting: bool,
    /// One is to begin when something else has ended.
    pub is_scheduled: bool,
    /// How long the one under way has gone on, in seconds, and how long the last one took.
    pub rewriting_s: Option<u64>,
    /// See there.
    pub rewrite_took_s: Option<u64>,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes from which its growth is measured.
    pub baseline_bytes: u64,
    /// Bytes that are not written yet.
    pub pending_bytes: u64,
    /// Fsyncs that have begun and not ended.
    pub syncs_pending: u64,
    /// Fsyncs that were done, and those of them that took longer than two seconds.
    pub syncs: u64,
    /// See there.
    pub syncs_delayed: u64,
    /// Commands that they made durable.
    pub commands_synced: u64,
    /// Rewrites that were finished.
    pub rewrites: u64,
    /// Rewrites that came to nothing.
    pub rewrite_failures: u64,
    /// Of them those since the last one that was finished.
    pub rewrite_failures_in_a_row: u64,
}

/// How far loading is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loading {
    /// When it began, Unix seconds.
    pub began_s: i64,
    /// How long it has gone on, milliseconds.
    pub passed_ms: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of it that have been read.
    pub read_bytes: u64,
}

/// What loading has found in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that were taken.
    pub keys: u64,
    /// Keys that had expired.
    pub expired_keys: u64,
    /// Keys without a value, which old servers have written by mistake.
    pub empty_keys: u64,
}

/// How saving goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saves {
    /// When the save began that is under way, Unix seconds.
    pub began_s: Option<i64>,
    /// How long that one has gone on, in seconds.
    pub passed_s: u64,
    /// When the data was saved last, Unix seconds; at first when the server started.
    pub last_s: i64,
    /// Whether the last save in the background failed.
    pub has_failed: bool,
    /// How long the last one took, in seconds.
    pub took_s: Option<u64>,
    /// Saves that went well.
    pub count: u64,
    /// Keys that the save, or the rewrite, under way has written.
    pub keys_saved: u64,
    /// Keys that there were when it began.
    pub keys: u64,
}

impl Loading {
    /// How much of it is done, in percent.
    pub fn percent(&self) -> f64 {
        self.read_bytes as f64 / self.bytes.max(1) as f64 * 100.0
    }

    /// How many seconds it will still take, by how it went so far.
    pub fn left_s(&self) -> u64 {
        match self.read_bytes {
            0 => 1,
            read => {
                ((self.bytes.saturating_sub(read)) as f64 / (read as f64 / (self.passed_ms.max(1) as f64 / 1000.0)))
                    as u64
            }
        }
    }
}
