//! RESP2 and RESP3: bytes to requests, values to bytes. Nothing in here does I/O.
//!
//! Four independent parts share one vocabulary:
//!
//! ```text
//!   socket bytes --Parser--> Args (spans into those bytes) --> command
//!   command      --Reply---> OutputBuffer, in the session's protocol --> socket
//!   reply bytes  --reader, Encoded--> where one value ends, what its elements are
//!   text         <-number--> i64, u64, f64 in the notation clients expect
//! ```
//!
//! Invariant: no allocation is ever sized by a number a client merely declared; memory grows only with bytes received.

mod args;
mod encoded;
mod error;
pub mod number;
mod output;
mod parser;
pub mod reader;
mod reply;
mod request;

pub use args::{Args, Span};
pub use encoded::Encoded;
pub use error::ProtocolError;
pub use output::{CHUNK_BYTES, CompleteReply, LONG_BYTES_MIN, OutputBuffer};
pub use parser::{Limits, Parsed, Parser, split_words};
pub use reply::{Protocol, Reply};
pub use request::write_request;
