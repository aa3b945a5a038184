//! How densely, and how steadily, the keyspace holds keys.
//!
//! `density [count] [key bytes] [value bytes]` (3000000 16 32): inserts so many keys, then reads
//! them in another order, and prints bytes per key (by the system's count and by the
//! keyspace's own), the mean times, and the worst times of a single insertion.

use std::time::Instant;

use torc_store::{Entry, Keyspace, KeyspaceOptions, StringForm};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let count: u64 = arguments.next().unwrap_or(3_000_000);
    let key_len = arguments.next().unwrap_or(16) as usize;
    let value_len = arguments.next().unwrap_or(32) as usize;
    let value = vec![b'v'; value_len];
    let mut key = Vec::new();

    let resident_before = resident_bytes();
    let options = KeyspaceOptions { databases: 16, hash_seed: [11, 22, 33, 44] };
    let mut keyspace = Keyspace::new(options);
    let mut worst_ns = [0u64; 5];
    let mut over_100_us = 0;
    let start = Instant::now();
    let mut last = start;
    for index in 0..count {
        write_key(&mut key, index, key_len);
        match keyspace.entry(0, &key, 0) {
            Entry::Vacant(vacant) => vacant.insert_string(&value, None, StringForm::Auto),
            Entry::Occupied(_) => panic!("every key is new"),
        }
        let now = Instant::now();
        let took_ns = (now - last).as_nanos() as u64;
        last = now;
        over_100_us += u64::from(took_ns > 100_000);
        if took_ns > worst_ns[4] {
            worst_ns[4] = took_ns;
            worst_ns.sort_unstable_by(|a, b| b.cmp(a));
        }
    }
    let insert_ns = start.elapsed().as_nanos() as u64 / count;
    let resident = resident_bytes() - resident_before;

    let start = Instant::now();
    let mut index = 0;
    let mut hits = 0u64;
    for _ in 0..count {
        // A full-period step through all indexes, in an order no cache foresees.
        index = (index + 0x9E37_79B9_7F4A_7C15 % count) % count;
        write_key(&mut key, index, key_len);
        hits += u64::from(keyspace.read(0, &key, 0, true).is_some());
    }
    let get_ns = start.elapsed().as_nanos() as u64 / count;
    assert_eq!(hits, count, "every key is found");

    let memory = keyspace.memory();
    let per_key = |bytes: usize| bytes as f64 / count as f64;
    println!("keys {count}, key {key_len} B, value {value_len} B");
    println!(
        "bytes/key: resident {:.2}, counted {:.2} = entries {:.2} + waste {:.2} + table {:.2} + large {:.2}",
        per_key(resident),
        per_key(memory.total_bytes),
        per_key(memory.entries_bytes),
        per_key(memory.entries_wasted_bytes),
        per_key(memory.table_bytes),
        per_key(memory.large_bytes),
    );
    println!("insert {insert_ns} ns (with the clock), get {get_ns} ns");
    println!("worst inserts, ns: {worst_ns:?}; over 100 us: {over_100_us}");
    println!("{:?}", keyspace.stats());
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
