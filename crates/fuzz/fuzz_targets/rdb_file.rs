//! Feeds arbitrary bytes to the reader of RDB files, whole and cut. The properties are those of the crate's own tests, which run
//! them under stable Rust on generated files; here the fuzzer searches for bytes that break them.

#![no_main]

#[path = "../../torc-rdb/tests/files/mod.rs"]
mod files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| files::check(bytes));
