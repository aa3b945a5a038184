//! Feeds arbitrary bytes to the readers of the append-only log: as a manifest and as an increment. The properties are those of the
//! crate's own tests, which run them under stable Rust on generated input; here the fuzzer searches for input that breaks them.

#![no_main]

#[path = "../../torc-log/tests/harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::check(bytes));
