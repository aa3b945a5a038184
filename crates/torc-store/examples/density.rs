//! How densely, and how steadily, the keyspace holds keys.
//!
//! `density [count] [key bytes] [value bytes]` (3000000 16 32): inserts so many keys, reads them
//! in another order, and prints bytes per key (by the system's count and by the keyspace's
//! own) and the mean times, in CPU time. Then inserts them some more times to find the worst
//! insertions.

use std::time::Instant;

use torc_store::{Entry, Keyspace, KeyspaceOptions, StringForm};

/// How often the search for the worst insertion is repeated.
const RUNS: usize = 4;

const OPTIONS: KeyspaceOptions = KeyspaceOptions { databases: 16, hash_seed: [11, 22, 33, 44] };

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let count: u64 = arguments.next().unwrap_or(3_000_000);
    let key_len = arguments.next().unwrap_or(16) as usize;
    let value_len = arguments.next().unwrap_or(32) as usize;
    println!("keys {count}, key {key_len} B, value {value_len} B");
    measure_density(count, key_len, &vec![b'v'; value_len]);
    measure_worst(count, key_len, &vec![b'v'; value_len]);
}

fn measure_density(count: u64, key_len: usize, value: &[u8]) {
    let mut key = Vec::new();
    let resident_before = resident_bytes();
    let mut keyspace = Keyspace::new(OPTIONS);
    let start = cpu_ns();
    for index in 0..count {
        write_key(&mut key, index, key_len);
        insert(&mut keyspace, &key, value);
    }
    let insert_ns = (cpu_ns() - start) / count;
    let resident = resident_bytes() - resident_before;

    let start = cpu_ns();
    let mut index = 0;
    let mut hits = 0u64;
    for _ in 0..count {
        // A full-period step through all indexes, in an order no cache foresees.
        index = (index + 0x9E37_79B9_7F4A_7C15 % count) % count;
        write_key(&mut key, index, key_len);
        hits += u64::from(keyspace.read(0, &key, 0, true).is_some());
    }
    let get_ns = (cpu_ns() - start) / count;
    assert_eq!(hits, count, "every key is found");

    let memory = keyspace.memory();
    let per_key = |bytes: usize| bytes as f64 / count as f64;
    println!(
        "bytes/key: resident {:.2}, counted {:.2} = entries {:.2} + waste {:.2} + table {:.2} + large {:.2}",
        per_key(resident),
        per_key(memory.total_bytes),
        per_key(memory.entries_bytes),
        per_key(memory.entries_wasted_bytes),
        per_key(memory.table_bytes),
        per_key(memory.large_bytes),
    );
    println!("mean CPU time: insert {insert_ns} ns, get {get_ns} ns");
    println!("{:?}", keyspace.stats());
}

/// Runs the same insertions several times and keeps every one's best time: what is left is
/// what the insertion itself costs, not what else went on in the machine.
fn measure_worst(count: u64, key_len: usize, value: &[u8]) {
    let mut key = Vec::new();
    let mut best_ns = vec![u32::MAX; count as usize];
    for _ in 0..RUNS {
        let mut keyspace = Keyspace::new(OPTIONS);
        for index in 0..count {
            write_key(&mut key, index, key_len);
            let start = Instant::now();
            insert(&mut keyspace, &key, value);
            let took_ns = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
            let best = &mut best_ns[index as usize];
            *best = took_ns.min(*best);
        }
    }
    let mut worst: Vec<(u32, usize)> = best_ns.into_iter().zip(0..).collect();
    worst.sort_unstable_by(|a, b| b.cmp(a));
    let over_100_us = worst.iter().filter(|&&(ns, _)| ns > 100_000).count();
    println!("worst insertions (best of {RUNS} runs), (ns, key number): {:?}", &worst[..8]);
    println!("over 100 us: {over_100_us}; median: {} ns", worst[worst.len() / 2].0);
}

fn insert(keyspace: &mut Keyspace, key: &[u8], value: &[u8]) {
    match keyspace.entry(0, key, 0) {
        Entry::Vacant(vacant) => vacant.insert_string(value, None, StringForm::Auto),
        Entry::Occupied(_) => panic!("every key is new"),
    }
}

/// CPU time of this thread.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to the timespec, which lives across the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn write_key(key: &mut Vec<u8>, index: u64, len: usize) {
    key.clear();
    key.resize(len, b'0');
    let (mut rest, mut at) = (index, len);
    while rest > 0 && at > 0 {
        at -= 1;
        key[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("the second number");
    pages * 4096
}
