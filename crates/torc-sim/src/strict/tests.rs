//! The shared world holds for many seeds, is the same for the same seed, and every fault in the protocol is found.

use torc_engine::transaction::Fault;

use super::{Cut, Summary, run};

/// Seeds of the test run; `torc-sim --runs` does more.
const SEEDS: u64 = 500;

/// Seeds within which each fault must be found.
const SEEDS_PER_FAULT: u64 = 2000;

#[test]
fn one_order_explains_what_all_clients_saw() {
    let mut total = Summary::default();
    for seed in 0..SEEDS {
        match run(seed, None, &Cut::default()) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{}\n{}\nseed {}", failure.trace, failure.message, failure.seed),
        }
    }
    println!("{total:?}");
    assert!(total.spread > 1000 && total.aborted > 100 && total.refused > 500 && total.deaths > 50, "{total:?}");
    assert!(total.served > 200 && total.moved > 30 && total.retried > 30, "{total:?}");
}

#[test]
fn a_seed_determines_everything() {
    for seed in 1000..1010 {
        let runs = [0, 1].map(|_| run(seed, None, &Cut::default()).map_err(|failure| failure.message));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[test]
fn faults_in_the_protocol_are_found() {
    for (name, fault) in Fault::ALL {
        let found = (0..SEEDS_PER_FAULT).find(|&seed| run(seed, Some(fault), &Cut::default()).is_err());
        println!("{name}: found by seed {found:?}");
        assert!(found.is_some(), "{name} is not found");
    }
}
