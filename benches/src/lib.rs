//! Code that both sides of a measurement share.
//!
//! `floor-server` answers every request with a fixed reply over the same kernel path that Torc uses, so its
//! CPU time per operation is the price of the sockets alone. `load` drives any server that speaks RESP and
//! reports throughput, latency and the CPU time that the *server* spent. Both stand on one small ring
//! ([`ring::ReceiveRing`]), so neither side's plumbing favours one server over another.

pub mod cpu;
pub mod resp;
pub mod ring;
pub mod slots;
