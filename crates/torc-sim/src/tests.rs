//! The world holds for many seeds, is the same for the same seed, and notices each fault that is put into it.

use crate::{Mutation, run};

/// Seeds of the test run; `torc-sim --runs` does more.
const SEEDS: u64 = 300;

/// Seeds within which a fault must be found.
const SEEDS_PER_MUTATION: u64 = 40;

#[test]
fn what_clients_see_is_what_the_oracle_says() {
    for seed in 0..SEEDS {
        if let Err(failure) = run(seed, None) {
            panic!("{}\n{}\nseed {}", failure.trace, failure.message, failure.seed);
        }
    }
}

#[test]
fn a_seed_determines_everything() {
    for seed in 1000..1010 {
        let runs = [run(seed, None), run(seed, None)].map(|result| result.map_err(|failure| failure.message));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[test]
fn faults_are_found() {
    for (name, mutation) in Mutation::ALL {
        let found = (0..SEEDS_PER_MUTATION).filter(|&seed| run(seed, Some(mutation)).is_err()).count();
        println!("{name}: found in {found} of {SEEDS_PER_MUTATION} runs");
        assert!(found > 0, "{name} is not found");
    }
}
