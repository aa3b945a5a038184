//! The libraries that scripts find beside Lua's own: `cjson`, `cmsgpack`, `struct` and `bit`.
//!
//! Redis bundles four C libraries with its interpreter, and scripts depend on every detail of them: which bytes they produce, what they
//! accept, how they word an error. These are written anew for the same behaviour, with what the originals lack: each is bounded in stack,
//! depth and output, whatever a script gives it.
//!
//! ```text
//!   Lua --> entry point (extern "C-unwind")     support.rs: the one place that raises Lua errors
//!               |        ^
//!               v        | Result<values returned, Failure>
//!           function of the library             cjson/, cmsgpack.rs, structs.rs, bit.rs
//!               |
//!               v
//!           Frame: the Lua stack of this call   support.rs: every call into Lua's API
//! ```
//! **Invariant**: a Lua error is a `longjmp`, and most of Lua's API may raise one (an allocation beyond the limit is enough). So no
//! frame of this module ever holds anything that must be dropped: its types are `Copy`, its memory belongs to Lua, and whatever is
//! jumped over is left to Lua's collector.
//!
//! Each library has `unsafe fn open(state)`, which leaves its table on top of the stack. It may raise an error, so it is called within
//! a protected call.

pub mod bit;
pub mod cjson;
pub mod cmsgpack;
mod memory;
pub mod structs;
mod support;
