//! Settings that decide when values change their form: small ones in most episodes, so that it happens often, and changed on the way.

use torc_engine::random::Random;

/// The settings.
const THRESHOLDS: [&str; 9] = [
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "set-max-intset-entries",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "list-max-listpack-size",
    "stream-node-max-entries",
    "hll-sparse-max-bytes",
    "list-compress-depth",
];

/// A value for each setting: a small one, or near what is usual.
pub fn all(random: &mut Random) -> Vec<(&'static str, u64)> {
    let is_small = random.below(4) > 0;
    THRESHOLDS.iter().map(|name| (*name, value(name, is_small, random))).collect()
}

/// Another value for one of them.
pub fn one(random: &mut Random) -> (&'static str, u64) {
    let name = THRESHOLDS[random.below(THRESHOLDS.len() as u64) as usize];
    let is_small = random.below(2) == 0;
    (name, value(name, is_small, random))
}

fn value(name: &str, is_small: bool, random: &mut Random) -> u64 {
    let (small, usual) = match name {
        "list-compress-depth" => return random.below(2),
        "hll-sparse-max-bytes" => (20 + random.below(400), 3000),
        "hash-max-listpack-value" | "zset-max-listpack-value" => (5 + random.below(60), 64),
        "list-max-listpack-size" => (1 + random.below(8), 128),
        "stream-node-max-entries" => (1 + random.below(6), 100),
        "set-max-intset-entries" => (random.below(8), 512),
        _ => (random.below(10), 128),
    };
    if is_small { small } else { usual }
}
