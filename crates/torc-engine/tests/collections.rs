//! Random operations on every kind of collection beside models made of std collections: what the fuzz target `collections` searches
//! further.

mod common;
mod harness;

#[test]
fn collections_are_what_their_models_are() {
    (0..250).for_each(harness::check_seed);
}
