//! Runs operations on collections beside models made of std collections. The properties are those of the engine's own tests, which run
//! them under stable Rust on generated input; here the fuzzer searches for operations that break them.

#![no_main]

#[path = "../../torc-engine/tests/common/mod.rs"]
mod common;
#[path = "../../torc-engine/tests/harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::check(bytes));
