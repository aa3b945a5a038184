//! Freeing in slices: flushed databases and very large values.

use super::{assert_empty, get, keyspace, set, steps};

#[test]
fn a_lazy_flush_frees_in_bounded_slices() {
    let mut keyspace = keyspace(2);
    let keys = steps(50_000);
    for number in 0..keys {
        set(&mut keyspace, format!("{number}").as_bytes(), b"value", None);
    }
    let before = keyspace.memory();
    keyspace.flush(0, true);
    assert_eq!(keyspace.len(0), 0);
    assert_eq!(keyspace.stats().lazyfree_pending_objects as usize, keys);
    assert_eq!(keyspace.memory().entries_bytes, before.entries_bytes, "nothing is freed yet");
    set(&mut keyspace, b"1", b"new", None);

    let mut calls = 0;
    loop {
        let done = keyspace.background(0, 100);
        assert!(done.units_used <= 100 + 600, "{done:?}");
        calls += 1;
        if !done.more {
            break;
        }
    }
    assert!(calls >= keys / 1_300);
    let stats = keyspace.stats();
    assert_eq!((stats.lazyfree_pending_objects, stats.lazyfreed_objects as usize), (0, keys));
    assert_eq!(get(&mut keyspace, b"1", 0), Some(b"new".to_vec()));
    keyspace.flush_all(false);
    assert_empty(&keyspace);
}

#[test]
#[cfg_attr(miri, ignore = "too slow")]
fn pages_that_become_empty_together_are_given_back_a_few_at_a_time() {
    const PAGE_BYTES: usize = 64 << 10;
    let mut keyspace = keyspace(1);
    for number in 0..200_000 {
        set(&mut keyspace, format!("{number}").as_bytes(), b"value", None);
    }
    let pages = |keyspace: &crate::Keyspace| keyspace.memory().total_bytes / PAGE_BYTES;
    let (before, mut last) = (pages(&keyspace), pages(&keyspace));
    assert!(before > 80, "{before}");
    keyspace.flush(0, true);
    let mut most = 0;
    while keyspace.background(0, 10).more {
        most = most.max(last - pages(&keyspace));
        last = pages(&keyspace);
    }
    assert!(most <= 8, "{most}");
    assert_empty(&keyspace);
}

#[test]
#[cfg_attr(miri, ignore = "regions are mappings")]
fn a_huge_value_is_given_back_in_slices() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"huge", &vec![b'x'; 10 << 20], None);
    assert_eq!(keyspace.memory().large_bytes, 10 << 20);
    assert!(keyspace.remove(0, b"huge", 0));
    assert_eq!(keyspace.stats().lazyfree_pending_objects, 1);
    let (mut last, mut slices) = (keyspace.memory().large_bytes, 0);
    while keyspace.background(0, 1).more {
        let large_bytes = keyspace.memory().large_bytes;
        assert!(last - large_bytes <= 256 << 10);
        (last, slices) = (large_bytes, slices + 1);
    }
    assert!(slices >= 39);
    assert_eq!(keyspace.stats().lazyfreed_objects, 1);
    assert_empty(&keyspace);
}

#[test]
fn a_keyspace_dropped_with_everything_in_it_frees_all() {
    let mut keyspace = keyspace(2);
    for number in 0..steps(5_000) {
        set(&mut keyspace, format!("{number}").as_bytes(), &vec![1; number % 2_000], Some(5));
    }
    keyspace.flush(0, true);
    keyspace.background(0, 100);
    set(&mut keyspace, &[b'k'; 2_000], &[b'v'; 20_000], None);
    drop(keyspace); // The heap asserts that it is empty.
}
