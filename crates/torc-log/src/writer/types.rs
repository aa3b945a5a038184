//! What goes into the log and what comes out of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::encode::Content;
use crate::manifest::Manifest;
use crate::names::{BaseFormat, Names};

/// A file in the directory of the log (`appendonlydir`), without the directory.
pub type FileName = Arc<str>;

/// The time, told by the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never goes back.
    pub monotonic_ms: u64,
    /// Milliseconds of Unix time, for annotations.
    pub unix_ms: u64,
}

/// The records of one turn of one core, or a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub(super) number: u64,
    pub(super) content: Content,
    pub(super) is_cut: bool,
}

impl Group {
    /// Records under this number.
    pub fn new(number: u64, content: Content) -> Group {
        Group { number, content, is_cut: false }
    }

    /// The cut that [`Event::CutWanted`] has asked for: all groups up to this number are in the base, none above is.
    ///
    /// A cut of somebody else (BGSAVE, a full sync) is a group without records.
    pub fn cut(number: u64) -> Group {
        Group { number, content: Content::default(), is_cut: true }
    }

    /// Bytes of its records.
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Commands in its records.
    pub fn commands(&self) -> u32 {
        self.content.commands()
    }

    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }
}

/// `appendfsync`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Replies wait until their writes are durable.
    Always,
    /// At most a second passes between a write and the beginning of the fsync that covers it.
    #[default]
    EverySecond,
    /// Only where an increment ends, and at the end of the server.
    Never,
}

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `appendfsync`.
    pub fsync: Fsync,
    /// `no-appendfsync-on-rewrite`: no fsync while a base or a snapshot is written; `always` is then like `no`.
    pub no_fsync_on_rewrite: bool,
    /// `auto-aof-rewrite-percentage`; 0: never by itself.
    pub rewrite_percentage: u64,
    /// `auto-aof-rewrite-min-size` in bytes.
    pub rewrite_bytes_min: u64,
    /// `aof-timestamp-enabled`.
    pub timestamps: bool,
    /// `aof-use-rdb-preamble`: the form of bases.
    pub base_format: BaseFormat,
    /// `aof-disable-auto-gc`: what a base has replaced stays in the directory and in the manifest.
    pub keeps_history: bool,
    /// Bytes of groups that may wait for the disk before clients must.
    pub buffer_bytes_max: u64,
    /// Bytes of groups that may wait for the group before them.
    pub gap_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            fsync: Fsync::default(),
            no_fsync_on_rewrite: false,
            rewrite_percentage: 100,
            rewrite_bytes_min: 64 << 20,
            timestamps: false,
            base_format: BaseFormat::Rdb,
            keeps_history: false,
            buffer_bytes_max: 256 << 20,
            gap_bytes_max: 64 << 20,
        }
    }
}

/// Which state the log continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartContent {
    /// What its files gave when they were loaded (without files: nothing).
    InFiles,
    /// Something else, that is only in memory: from a snapshot, or the log was off. A base is needed first.
    InMemory,
    /// The same, and the log stays off: of what is in memory a base is written, nothing is appended to it, and the log closes.
    /// Nothing is tried twice.
    ForBaseAlone,
}

/// A file of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Without the directory. Names that are not of this log are left alone.
    pub file: FileName,
    /// How long it is on the disk, a torn end included.
    pub bytes: u64,
}

/// The last file that was loaded does not count to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Bytes that count, from [`crate::Verdict::CutAt`].
    pub offset: u64,
}

/// What the host has found and loaded.
#[derive(Debug, Clone)]
pub struct Start {
    /// The names of the files.
    pub names: Names,
    /// The manifest as it was loaded; the empty one if there is none.
    pub manifest: Manifest,
    /// All files of the directory, which exists.
    pub files: Vec<FoundFile>,
    /// Whether memory is what the files say.
    pub content: StartContent,
    /// What a base without keys holds, in the form that the settings say: a log without any file begins with one.
    pub empty_base: Bytes,
    /// What is to be cut off the last file.
    pub tail: Option<Tail>,
    /// The single file of an older server, which was loaded from outside the directory and is to be moved into it
    /// ([`Manifest::must_take_over`]); its length.
    pub single_file_bytes: Option<u64>,
    /// The last number that was used; the first group has the next one.
    pub number: u64,
}

/// Which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(super) u64);

/// Something that the host does, and then tells the outcome of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// To be told with the outcome.
    pub id: OperationId,
    /// What to do.
    pub action: Action,
}

/// Input and output that the log wants done. No action waits for another: the log has few at a time in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Makes an empty file, whatever was there under this name.
    Create {
        /// Without the directory, which is that of the log.
        file: FileName,
    },
    /// Writes these bytes, one after another, from this offset on.
    Write {
        /// Where to.
        file: FileName,
        /// From here on: the end of the file, or bytes of an attempt that has failed.
        offset: u64,
        /// To be written as one.
        chunks: Vec<Bytes>,
    },
    /// fdatasync: content and length are durable when it is done.
    Sync {
        /// Which file.
        file: FileName,
    },
    /// fsync of the directory: what was created, renamed and deleted in it is durable when it is done.
    SyncDirectory,
    /// Renames within the directory, over what is there.
    Rename {
        /// The old name.
        from: FileName,
        /// The new one.
        to: FileName,
    },
    /// Deletes.
    Unlink {
        /// Which file.
        file: FileName,
    },
    /// Makes a file shorter.
    Truncate {
        /// Which file.
        file: FileName,
        /// Its length from now on.
        bytes: u64,
    },
    /// Copies the end of a file into a new one, durably. The file itself is as it was.
    SetAside {
        /// Which file.
        file: FileName,
        /// From here to its end.
        offset: u64,
        /// The new file; what is there under this name is of an attempt that has failed.
        to: FileName,
    },
    /// Renames a file of the server's working directory into this one, and syncs that directory. Done, if it is here already.
    MoveIn {
        /// Its name here and there.
        file: FileName,
    },
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// ENOSPC, EDQUOT.
    NoSpace,
    /// EIO.
    Io,
    /// ENOENT: the file, or the directory, is not there.
    NotFound,
    /// Any other number.
    Other(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoSpace => formatter.write_str("No space left on device"),
            Failure::Io => formatter.write_str("Input/output error"),
            Failure::NotFound => formatter.write_str("No such file or directory"),
            Failure::Other(number) => write!(formatter, "error {number}"),
        }
    }
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was done.
    Done,
    /// So many bytes of a write were written, not all, and no reason is known.
    Short(u64),
    /// It failed; of a write, some bytes may have been written.
    Failed(Failure),
}

/// Why writes of clients are refused (MISCONF). Reads go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The log cannot be written. Ends with the next write that succeeds.
    Write(Failure),
    /// An fsync has failed, and what the file holds is unknown. Ends when a new base is durable.
    Sync(Failure),
    /// The next increment cannot be begun. Ends when it is.
    Begin(Failure),
}

/// Why a base is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteReason {
    /// BGREWRITEAOF.
    Asked,
    /// `auto-aof-rewrite-percentage`.
    Grown,
    /// What is in memory is in no file.
    FirstBase,
    /// A file cannot be trusted any more, since its fsync has failed.
    LostFile,
}

/// A rewrite cannot begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteDenied {
    /// One is under way.
    InProgress,
    /// The log has not begun yet.
    Opening,
    /// The log is being closed.
    Closing,
}

/// How much a line in the server's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It is expected.
    Notice,
    /// Somebody should look.
    Warning,
}

/// What the host is told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The log is begun: groups are written from now on.
    Opened,
    /// A base is wanted: the host makes a cut and gives it as [`Group::cut`]; or [`crate::Log::base_failed`].
    CutWanted {
        /// What for.
        reason: RewriteReason,
        /// What the base is to be written as.
        format: BaseFormat,
    },
    /// The state at the cut may be written into this file, which does not exist. Then [`crate::Log::base_finished`] or
    /// [`crate::Log::base_failed`].
    BaseMayBegin {
        /// Where to.
        file: FileName,
        /// The number of the cut.
        cut: u64,
    },
    /// The base is of no use any more, or the cut if there is no file for it yet. The host stops, and answers as if it had failed.
    AbandonBase,
    /// The base counts, and what it replaces is history.
    RewriteDone {
        /// Bytes of base and increments now.
        bytes: u64,
    },
    /// A rewrite has come to nothing.
    RewriteFailed {
        /// How many in a row.
        failures: u32,
        /// No automatic rewrite for so long, in milliseconds.
        pause_ms: u64,
    },
    /// Under `always`: replies that wait for numbers up to this one become errors. The writes have happened in memory, and
    /// will be in the log if it goes on.
    WaitersFailed {
        /// The highest number.
        up_to: u64,
    },
    /// Writes of clients are refused from now on.
    RefusalBegins(Refusal),
    /// They are served again.
    RefusalEnds,
    /// So much waits for the disk that clients must: sessions do not begin commands.
    AdmissionStops,
    /// They do again.
    AdmissionGoesOn,
    /// An fsync has run for two seconds (`aof_delayed_fsync`).
    SyncIsSlow,
    /// An operation failed, and is tried again or done without.
    OperationFailed {
        /// What was to be done, in words.
        what: String,
        /// Why it failed.
        failure: Failure,
    },
    /// A file is called like one of the log, but the manifest does not name it. It is left alone.
    Stranger {
        /// Which one.
        file: FileName,
    },
    /// The end of a file did not count, and is now in a file of its own.
    TailSetAside {
        /// The file that was cut.
        file: FileName,
        /// Where.
        offset: u64,
        /// Where its end is now.
        to: FileName,
    },
    /// Everything is written and durable. The log does nothing any more.
    Closed,
}

impl Event {
    /// What the server's log says of it; `None`: nothing.
    pub fn line(&self) -> Option<(Level, String)> {
        let notice = |text: String| Some((Level::Notice, text));
        let warning = |text: String| Some((Level::Warning, text));
        match self {
            Event::Opened | Event::WaitersFailed { .. } | Event::AbandonBase | Event::Closed => None,
            Event::CutWanted { reason, .. } => notice(match reason {
                RewriteReason::Asked => "AOF rewrite begins".into(),
                RewriteReason::Grown => "AOF rewrite begins, since the AOF has grown".into(),
                RewriteReason::FirstBase => "AOF base is written from memory".into(),
                RewriteReason::LostFile => "AOF base is written anew, since the last file cannot be trusted".into(),
            }),
            Event::BaseMayBegin { file, cut } => notice(format!("AOF base {file} is written, as of number {cut}")),
            Event::RewriteDone { bytes } => notice(format!("AOF rewrite finished; the AOF has {bytes} bytes")),
            Event::RewriteFailed { failures, pause_ms: 0 } => warning(format!("AOF rewrite failed ({failures} times)")),
            Event::RewriteFailed { failures, pause_ms } => {
                let minutes = pause_ms / 60_000;
                warning(format!("AOF rewrite failed ({failures} times), will retry in {minutes} minutes"))
            }
            Event::RefusalBegins(Refusal::Write(failure)) => {
                warning(format!("Error writing to the AOF file: {failure}. Writes are refused"))
            }
            Event::RefusalBegins(Refusal::Sync(failure)) => warning(format!(
                "Fail to fsync the AOF file: {failure}. Writes are refused until a new base is durable"
            )),
            Event::RefusalBegins(Refusal::Begin(failure)) => {
                warning(format!("Can't begin the next AOF file: {failure}. Writes are refused"))
            }
            Event::RefusalEnds => warning("AOF write error looks solved, writes are served again".into()),
            Event::AdmissionStops => warning("The AOF buffer is full since the disk is slow: clients wait".into()),
            Event::AdmissionGoesOn => notice("The AOF buffer has room again".into()),
            Event::SyncIsSlow => notice("Asynchronous AOF fsync is taking too long (disk is busy?)".into()),
            Event::OperationFailed { what, failure } => warning(format!("{what}: {failure}")),
            Event::Stranger { file } => warning(format!("{file} is not in the AOF manifest; it is left alone")),
            Event::TailSetAside { file, offset, to } => {
                warning(format!("What followed offset {offset} of {file} was set aside in {to}"))
            }
        }
    }
}

/// Counts since the log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Writes that were done.
    pub writes: u64,
    /// Bytes that they wrote.
    pub bytes_written: u64,
    /// Fsyncs of increments that were done.
    pub syncs: u64,
    /// Groups that they made durable.
    pub groups_synced: u64,
    /// Commands that they made durable.
    pub commands_synced: u64,
    /// Fsyncs that ran for over two seconds (`aof_delayed_fsync`).
    pub syncs_delayed: u64,
    /// Writes that failed.
    pub write_failures: u64,
    /// Fsyncs of increments that failed.
    pub sync_failures: u64,
    /// Rewrites that were finished.
    pub rewrites: u64,
    /// Rewrites that came to nothing.
    pub rewrite_failures: u64,
}
