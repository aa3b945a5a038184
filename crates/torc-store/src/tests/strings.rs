//! String values: every way to change one, across the borders between the ways to keep them.

use super::{assert_empty, get, keyspace, occupied, set};
use crate::{AccessClock, StringForm};

#[test]
fn forms_decide_about_the_encoding() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", b"12", None);
    assert_eq!(occupied(&mut keyspace, b"k").value().encoding(), "int");
    let mut handle = occupied(&mut keyspace, b"k");
    assert_eq!(handle.append(b"3"), 3);
    assert_eq!(handle.value().encoding(), "raw");
    handle.set_string(b"12.5", StringForm::Embedded);
    assert_eq!(handle.value().encoding(), "embstr");
    handle.set_expire_at(Some(5));
    assert_eq!(handle.value().encoding(), "embstr", "the form survives other changes");
    assert_eq!(handle.write_at(2, b""), 4);
    assert_eq!(handle.value().kind().name(), "string");
}

#[test]
fn appending_crosses_every_border() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", b"", Some(77));
    let mut model = Vec::new();
    let limit = if cfg!(miri) { 5_000 } else { 5 << 20 };
    let mut chunk = 1;
    while model.len() < limit {
        let data: Vec<u8> = (0..chunk).map(|at| (model.len() + at) as u8).collect();
        model.extend_from_slice(&data);
        let mut handle = occupied(&mut keyspace, b"k");
        assert_eq!(handle.append(&data), model.len());
        assert_eq!(handle.value().as_string(), Some(&model[..]));
        assert_eq!(handle.value().expire_at(), Some(77));
        assert!(handle.value().memory_bytes() >= model.len());
        chunk += chunk / 4 + 1;
    }
    set(&mut keyspace, b"k", b"small again", None);
    assert_eq!(get(&mut keyspace, b"k", 0), Some(b"small again".to_vec()));
    while keyspace.background(0, 1_000).more {}
    assert_eq!(keyspace.memory().large_bytes, 0);
}

#[test]
fn gaps_are_zero_even_where_older_bytes_were() {
    let mut keyspace = keyspace(1);
    let big = if cfg!(miri) { 3_000 } else { 2 << 20 };
    set(&mut keyspace, b"k", &vec![0xFF; big], None);
    set(&mut keyspace, b"k", &vec![0xEE; big * 3 / 4], None);
    let mut handle = occupied(&mut keyspace, b"k");
    assert_eq!(handle.write_at(big + 100, b"end"), big + 103);
    let value = handle.value().as_string().expect("a string");
    assert!(value[..big * 3 / 4].iter().all(|&byte| byte == 0xEE));
    assert!(value[big * 3 / 4..big + 100].iter().all(|&byte| byte == 0));
    assert_eq!(&value[big + 100..], b"end");
}

#[test]
fn appending_to_a_large_value_rarely_moves_it() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", &[1; 5_000], None);
    let mut moves = 0;
    let mut address = std::ptr::null();
    for _ in 0..20_000 {
        let mut handle = occupied(&mut keyspace, b"k");
        handle.append(b"0123456789");
        let now_at = handle.value().as_string().expect("a string").as_ptr();
        moves += usize::from(now_at != address);
        address = now_at;
        if cfg!(miri) && moves > 2 {
            break;
        }
    }
    assert!(moves < 12, "{moves} moves");
}

#[test]
fn keys_of_any_length_work() {
    let mut keyspace = keyspace(1);
    for len in [0, 1, 127, 128, 511, 512, 513, 20_000] {
        let key = vec![b'k'; len];
        set(&mut keyspace, &key, b"first", None);
        set(&mut keyspace, &key, &[b's'; 900], Some(9));
        let mut handle = occupied(&mut keyspace, &key);
        handle.set_expire_at(None);
        assert_eq!(handle.append(b"!"), 901);
        handle.set_expire_at(Some(10));
        assert_eq!(handle.value().key(), key);
        handle.remove();
    }
    assert_empty(&keyspace);
}

#[test]
fn the_access_field_survives_everything_but_access() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", b"v", None);
    let mut handle = occupied(&mut keyspace, b"k");
    handle.set_idle_seconds(50);
    handle.set_expire_at(Some(1_000_000));
    handle.append(&[b'x'; 3_000]);
    assert_eq!(handle.value().idle_seconds(0), 50);
    assert!(keyspace.read(0, b"k", 0, false).is_some_and(|value| value.idle_seconds(0) == 50));
    assert!(keyspace.read(0, b"k", 9_000, true).is_some_and(|value| value.idle_seconds(9_000) == 0));

    keyspace.set_access_clock(AccessClock::Lfu { log_factor: 10, decay_minutes: 1 });
    let mut handle = occupied(&mut keyspace, b"k");
    handle.set_frequency(100);
    handle.replace(b"other", None, StringForm::Auto);
    assert_eq!(handle.value().frequency(0), 100);
    assert_eq!(handle.value().frequency(60_000 * 40), 60);
}
