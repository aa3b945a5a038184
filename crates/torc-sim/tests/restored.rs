//! Values from DUMP payloads, sound and damaged, under every command: what the fuzz target `restore` searches further.

#[path = "../../torc-engine/tests/common/mod.rs"]
mod common;
mod harness;

#[test]
fn restored_values_bear_any_commands() {
    (0..1000).for_each(harness::check_seed);
}
