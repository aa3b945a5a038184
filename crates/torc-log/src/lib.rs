//! The append-only log: everything of it but the input and output.
//!
//! ```text
//!   records of a turn --Encoder--> Content --Group{number}--> Log --Operation--> host: files
//!                                                              ^------Outcome------+
//!   manifest's bytes --Manifest::parse--> which files, in which order
//!   a file's bytes   --Reader--> records, and how the file ends --judge--> load it, cut it, or refuse
//! ```
//! The files are those of Redis 7 and later (`appendonlydir`), so that a redis-server can load what is written here and
//! the other way round: a manifest, one base, and increments that are loaded one after another.
//!
//! **The log is a state machine.** It is told of groups, of time and of what became of its operations; it answers with
//! operations, events, and the number up to which the stream is on disk. So a simulator can put a disk under it that
//! fails, tears and forgets (`torc-log-sim`).
//!
//! **Invariant**: no I/O, no clock, no thread; knows no store, and of commands only SELECT, MULTI and EXEC.

mod encode;
mod manifest;
mod names;
mod read;
mod writer;

pub use encode::{Content, EXEC, Encoder, MULTI};
pub use manifest::{LogFile, Manifest, ManifestError};
pub use names::{BaseFormat, NAME_BYTES_MAX, NameError, Names};
pub use read::{Arguments, End, LoadPolicy, Passage, Reader, Record, Request, Role, Verdict, begins_with_rdb, judge};
pub use writer::{
    Action, Event, Failure, FileName, FoundFile, Fsync, Group, Level, Log, Now, Operation, OperationId, Outcome,
    Refusal, RewriteDenied, RewriteReason, Settings, Start, StartContent, Statistics, Tail,
};
