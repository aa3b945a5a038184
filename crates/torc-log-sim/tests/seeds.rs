//! Some seeds of the simulator, in debug mode; `cargo xtask sim --log` makes many more.

#[test]
fn the_first_seeds_are_clean() {
    for seed in 0..150 {
        torc_log_sim::run(seed, false);
    }
}
