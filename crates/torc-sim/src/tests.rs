//! The world holds for many seeds, is the same for the same seed, and notices each fault that is put into it.

use torc_engine::mesh::BATCHES_IN_FLIGHT_MAX;

use crate::{Mutation, Summary, run};

/// Seeds of the test run; `torc-sim --runs` does more.
const SEEDS: u64 = 300;

/// Seeds within which a fault must be found.
const SEEDS_PER_MUTATION: u64 = 400;

#[test]
fn what_clients_see_is_what_the_oracle_says() {
    let mut total = Summary::default();
    for seed in 0..SEEDS {
        match run(seed, None) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{}\n{}\nseed {}", failure.trace, failure.message, failure.seed),
        }
    }
    println!("{total:?}");
    assert!(total.deaths > 0, "some clients die while something is owed to them");
    assert!(total.mailbox_messages_max >= BATCHES_IN_FLIGHT_MAX, "some core uses all its credits");
    assert!(total.replies_owed_max >= 256, "some connection is stalled for what it is owed");
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
        let found = (0..SEEDS_PER_MUTATION).find(|&seed| run(seed, Some(mutation)).is_err());
        println!("{name}: found by seed {found:?}");
        assert!(found.is_some(), "{name} is not found");
    }
}
