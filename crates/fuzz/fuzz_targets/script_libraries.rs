//! Gives arbitrary bytes to the libraries of scripts: `cjson`, `cmsgpack`, `struct` and `bit`. The properties are those of the crate's own
//! tests, which run them under stable Rust on generated input; here the fuzzer searches for input that breaks them.

#![no_main]

#[path = "../../torc-lua/tests/library_harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::check(bytes));
