//! Feeds arbitrary bytes to the reader of values, as RESTORE and RDB files do. The properties are those of the crate's own
//! tests, which run them under stable Rust on generated input; here the fuzzer searches for input that breaks them.

#![no_main]

#[path = "../../torc-rdb/tests/harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::check(bytes));
