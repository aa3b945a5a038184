//! Gives arbitrary bytes to RESTORE and runs commands on what comes of them. The properties are those of the simulator's own tests,
//! which run them under stable Rust on generated input; here the fuzzer searches for input that breaks them.

#![no_main]

#[path = "../../torc-engine/tests/common/mod.rs"]
mod common;
#[path = "../../torc-sim/tests/harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::check(bytes));
