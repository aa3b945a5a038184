//! The shared world holds for many seeds, is the same for the same seed. That faults are found is for `cargo xtask sim --faults` to show.

use torc_engine::command::registry;

use super::{Coverage, Cut, Outcomes, Summary, run};
use crate::grammar::chooses;

/// Seeds of the test run; `torc-sim --runs` does more.
const SEEDS: u64 = 1500;

#[test]
fn one_order_explains_what_all_clients_saw() {
    let mut total = Summary::default();
    for seed in 0..SEEDS {
        match run(seed, &Cut::default()) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{}\n{}\nseed {}", failure.trace, failure.message, failure.seed),
        }
    }
    println!("{total:?}");
    assert!(total.spread > 1000 && total.aborted > 100 && total.refused > 500 && total.deaths > 50, "{total:?}");
    assert!(total.served > 200 && total.moved > 30 && total.retried > 30 && total.withdrawn > 30, "{total:?}");
    assert_all_is_covered(&total.coverage);
}

/// Every command that may wait has come to each of its ends, whatever can make a key ready has done so, and what is random was drawn.
fn assert_all_is_covered(coverage: &Coverage) {
    let waits =
        ["blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "xread", "xreadgroup"];
    for name in waits {
        let Outcomes { at_once, served, timed_out, unblocked, refused, failed, died, retried } = coverage.waits[name];
        let counts = [at_once, served, timed_out, unblocked, refused, died];
        assert!(counts.iter().all(|&count| count > 0), "{name}\n{coverage}");
        // Others go on waiting when a key is of another type.
        let can_fail = ["blmove", "brpoplpush", "xreadgroup"].contains(&name);
        assert!(failed == 0 || can_fail, "{name}\n{coverage}");
        let can_move = ["blmove", "brpoplpush"].contains(&name);
        assert_eq!(retried > 0, can_move, "{name}\n{coverage}");
    }
    let failed = |name: &str| coverage.waits[name].failed;
    assert!(failed("blmove") + failed("brpoplpush") > 0 && failed("xreadgroup") > 0, "{coverage}");
    let wakers: [&[&str]; 16] = [
        &["rpush"],
        &["lpush"],
        &["zadd"],
        &["zincrby"],
        &["xadd"],
        &["rename", "renamenx"],
        &["copy"],
        &["move"],
        &["swapdb"],
        &["lmove", "rpoplpush"],
        &["sort"],
        &["zunionstore", "zinterstore", "zrangestore"],
        &["blmove", "brpoplpush"],
        &["xgroup|destroy"],
        &["del", "unlink"],
        &["flushall", "flushdb"],
    ];
    for names in wakers {
        assert!(
            names.iter().any(|name| coverage.wakers.contains_key(name)),
            "{names:?} have ended no wait\n{coverage}"
        );
    }
    for what in [
        "ran",
        "ran on several cores",
        "ran in a transaction",
        "failed",
        "unknown",
        "refused as busy",
        "killed",
        "ended a wait",
    ] {
        assert!(coverage.scripts.contains_key(what), "no script {what}\n{coverage}");
    }
    for command in ["SCAN", "HSCAN", "SSCAN", "ZSCAN"] {
        let (scans, calls) = coverage.scans.get(command).copied().unwrap_or_default();
        assert!(scans > 20 && calls > scans, "{command}\n{coverage}");
    }
    for command in registry().all().filter(|command| chooses(command)) {
        let name = command.full_name;
        assert!(coverage.choices.get(name).is_some_and(|&count| count > 20), "{name}\n{coverage}");
    }
}

#[test]
fn a_seed_determines_everything() {
    for seed in 1000..1010 {
        let runs = [0, 1].map(|_| run(seed, &Cut::default()).map_err(|failure| failure.message));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}
