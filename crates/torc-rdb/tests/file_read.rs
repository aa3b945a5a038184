//! Files that are read: whatever was written comes back, however it is cut; damage and the unknown are named; nothing that a
//! file states makes the reader take memory.

mod files;
mod harness;
mod values;

use files::{ReadFile, SKIPPING, read};
use harness::normal;
use proptest::collection::vec;
use proptest::prelude::*;
use torc_rdb::crc64::crc64;
use torc_rdb::file::{self, Assembly, FileHead, KeyHead, MAGIC_BYTES, Problem, ReadOptions, VersionRule};
use torc_rdb::{DecodeError, EncodeOptions, Value, payload, types};
use values::{pieces, string, value};

/// A key as it is written.
#[derive(Debug, Clone)]
struct Written {
    db: u64,
    head: KeyHead,
    key: Vec<u8>,
    value: Value,
    in_pieces: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let number = || (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift);
    let head = (proptest::option::of(0..i64::MAX), proptest::option::of(number()), proptest::option::of(any::<u8>()));
    (number(), head, string(), value(), any::<bool>()).prop_map(
        |(db, (expire_at_ms, idle_s, frequency), key, value, in_pieces)| Written {
            db,
            head: KeyHead { expire_at_ms, idle_s, frequency },
            key,
            value,
            in_pieces,
        },
    )
}

/// The bytes of a file with these keys.
fn file_of(keys: &[Written], rule: VersionRule, is_checksummed: bool) -> Vec<u8> {
    let mut assembly = Assembly::new(rule, is_checksummed);
    let mut bytes = assembly.magic().to_vec();
    let head =
        FileHead { server_version: "7.0.0", created_at_s: 1, used_memory: 2, replication: None, is_aof_base: true };
    file::write_head(&mut bytes, &head);
    file::write_function(&mut bytes, &b"#!lua name=library".repeat(9), true);
    for written in keys {
        file::select_db(&mut bytes, written.db);
        file::write_resize_db(&mut bytes, 1, 0);
        let options = EncodeOptions::default();
        let mut write = |body: &mut dyn FnMut(&mut torc_rdb::Encoder<'_>)| {
            let mut part = Vec::new();
            let key = file::write_key(&mut part, &written.key, &written.head, &options, rule, |encoder| body(encoder));
            assembly.require(key.expect("the version holds it").1);
            part
        };
        bytes.append(&mut match written.in_pieces {
            true => pieces::write(&written.value, write),
            false => write(&mut |encoder| encoder.value(&written.value)),
        });
    }
    assembly.add(&bytes[MAGIC_BYTES..]);
    let magic = assembly.finish(&mut bytes);
    bytes[..MAGIC_BYTES].copy_from_slice(&magic);
    bytes
}

/// A file made by hand: magic, what follows it, the end and a checksum that fits.
fn sealed(magic: &[u8; 9], body: &[u8]) -> Vec<u8> {
    let mut bytes = [magic, body, b"\xff"].concat();
    let checksum = crc64(0, &bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

fn read_at_once(bytes: &[u8]) -> ReadFile {
    let file = read(bytes, SKIPPING, &[]);
    assert_eq!(read(bytes, SKIPPING, &[1]), file);
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_written_is_read(keys in vec(written(), 0..6), sizes in vec(1..300_usize, 1..8), is_checksummed: bool) {
        let bytes = file_of(&keys, VersionRule::Fixed(13), is_checksummed);
        let file = read(&bytes, ReadOptions::default(), &sizes);
        prop_assert_eq!(file.error, None);
        let verdict = if is_checksummed { "End(Fits)" } else { "End(Off)" };
        prop_assert_eq!(file.others.last().map(String::as_str), Some(verdict));
        prop_assert_eq!(file.keys.len(), keys.len());
        for (read, written) in file.keys.into_iter().zip(keys) {
            prop_assert_eq!((read.db, read.head, read.key), (written.db, written.head, written.key));
            prop_assert_eq!(read.value.map(normal), Ok(normal(written.value)));
        }
        prop_assert_eq!(read(&bytes, ReadOptions::default(), &[1]).others, file.others);
    }

    #[test]
    fn damaged_files_are_refused_or_whole(keys in vec(written(), 1..4), edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4), cut: u8) {
        let mut bytes = file_of(&keys, VersionRule::Lowest, false);
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => { bytes.remove(at); }
                _ => bytes[at] = byte,
            }
        }
        bytes.insert(0, cut);
        files::check(&bytes);
    }

    #[test]
    fn any_bytes(version in 1..16_u16, is_valkey: bool, body in vec(any::<u8>(), 0..300), kind in 0..36_u8, cut: u8) {
        let magic = if is_valkey { "VALKEY080".into() } else { format!("REDIS{version:04}") };
        for begin in [&[][..], &[kind, 1, b'k']] {
            files::check(&[&[cut], magic.as_bytes(), begin, &body].concat());
        }
    }
}

/// Keys with values of every layout, generated the same each time.
fn samples(count: usize) -> Vec<Written> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = written();
    let sample = |_| proptest::strategy::ValueTree::current(&strategy.new_tree(&mut runner).expect("a key"));
    (0..count).map(sample).collect()
}

#[test]
fn a_file_that_ends_anywhere_is_truncated() {
    let mut small = samples(60);
    small.retain(|written| payload::encode(&written.value, &EncodeOptions::default()).len() < 300);
    let bytes = file_of(&small, VersionRule::Lowest, true);
    assert!(read_at_once(&bytes).is_whole());
    for cut in 0..bytes.len() {
        let file = read(&bytes[..cut], ReadOptions::default(), &[]);
        let error = file.error.expect("it is not whole");
        assert_eq!((error.problem, error.offset), (Problem::Truncated, cut as u64));
        assert!(file.keys.iter().all(|key| key.value.is_ok()));
    }
}

#[test]
fn every_flipped_bit_is_found_by_the_checksum() {
    let mut small = samples(40);
    small.retain(|written| payload::encode(&written.value, &EncodeOptions::default()).len() < 100);
    let bytes = file_of(&small, VersionRule::Lowest, true);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            assert!(!read(&bad, SKIPPING, &[]).is_whole(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_big_value_in_small_pieces_takes_linear_time() {
    let member = |number: u32| number.to_string().into_bytes();
    let value = Value::Set((0..300_000).map(member).collect());
    let written = Written { db: 0, head: KeyHead::default(), key: b"big".to_vec(), value, in_pieces: false };
    let bytes = file_of(&[written], VersionRule::Lowest, true);
    // Were each piece a reason to begin again, this would take hours.
    let file = read(&bytes, ReadOptions::default(), &[50]);
    assert!(file.is_whole() && file.keys.len() == 1);
}

#[test]
fn lengths_that_are_only_stated_take_no_memory() {
    let huge = b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff";
    let large = b"\x80\x7f\xff\xff\xff";
    for kind in (0..28).filter(|kind| !matches!(kind, 6 | 8 | 22 | 23)) {
        for len in [&huge[..], large] {
            let bytes = [b"REDIS0014\xfe\x00", &[kind][..], b"\x01k", len, &[1; 100]].concat();
            let error = read_at_once(&bytes).error.expect("it is not whole");
            let is_expected = matches!(error.problem, Problem::Truncated | Problem::Damaged(_));
            assert!(is_expected, "{kind}: {error}");
        }
    }
    let bytes = [b"REDIS0014\xfa\x01k", &huge[..], &[1; 100]].concat();
    assert_eq!(
        read_at_once(&bytes).error.map(|error| error.problem),
        Some(Problem::Damaged(DecodeError::Malformed("string")))
    );
}

#[test]
fn errors_name_version_place_and_type() {
    let cases: &[(&[u8], &str)] = &[
        (b"REDIS0019...", "RDB version 19 is not supported"),
        (b"REDIS0080...", "RDB version 80 is not supported"),
        (b"REDIS0000...", "RDB version 0 is not supported"),
        (b"VALKEY082...", "RDB Valkey version 82 is not supported"),
        (b"VALKEY012...", "RDB Valkey version 12 is not supported"),
        (b"RODIS0009...", "not an RDB file: it does not begin with REDIS or VALKEY"),
        (b"REDIS00x9...", "not an RDB file: it does not begin with REDIS or VALKEY"),
        (b"REDIS0011\xfe\x00\x63\x01k", "at byte 11: unknown type 99 (RDB version 11)"),
        (b"REDIS0011\xfe\x00\x08\x01k", "at byte 11: unknown type 8 (RDB version 11)"),
        (b"REDIS0011\x16\x01k", "at byte 9: unknown type 22 (RDB version 11)"),
        (b"REDIS0011\xf3\x01k", "at byte 9: unknown type 243 (RDB version 11)"),
        (b"VALKEY080\x18\x01k", "at byte 9: unknown type 24 (RDB Valkey version 80)"),
        (b"REDIS0011\xfe", "at byte 10: the file ends too early (RDB version 11)"),
        (b"REDI", "at byte 4: the file ends too early"),
        (b"REDIS0011\x00\xc5abc", "at byte 10: damaged string (RDB version 11)"),
        (
            b"REDIS0011\xff\x01\x00\x00\x00\x00\x00\x00\x00",
            "at byte 10: CRC error: the checksum is 0000000000000001, that of the bytes 629738748d8a22c0 (RDB version 11)",
        ),
        (
            b"REDIS0007\x06\x01k",
            "at byte 9: values of modules in their first form, which nobody can skip, are not supported (type 6) (RDB version 7)",
        ),
        (
            b"REDIS0010\xf6\x01k",
            "at byte 9: functions of release candidates of Redis 7.0 are not supported (type 246) (RDB version 10)",
        ),
        (b"REDIS0015\xf2\x01k", "at byte 9: hashes with a template are not supported (type 242) (RDB version 15)"),
        (b"REDIS0015\x20\x01k", "at byte 9: hashes with a template are not supported (type 32) (RDB version 15)"),
        (b"REDIS0015\x21\x01k", "at byte 9: rate limiters are not supported (type 33) (RDB version 15)"),
        (
            b"REDIS0015\x07\x01k\x81\xb5\xeb\x2d\xff\xff\xdd\xb4\x01\x00",
            "at byte 9: data of the module type test___dt (RDB version 15)",
        ),
        (b"REDIS0013\xf3\x01", "at byte 9: metadata of modules (RDB version 13)"),
    ];
    for (bytes, expected) in cases {
        for sizes in [&[][..], &[1]] {
            let error = read(bytes, ReadOptions::default(), sizes).error.expect("it is no whole file");
            assert_eq!(error.to_string(), *expected);
        }
    }
}

#[test]
fn the_two_families_differ_by_their_magic() {
    // One field of a hash, with a time before it (a release candidate of Redis 7.4) and behind it (Valkey 9).
    let redis = sealed(b"REDIS0012", b"\x16\x01k\x01\x05\x01f\x01v");
    let valkey = sealed(b"VALKEY080", b"\x16\x01k\x01\x01f\x01v\x05\x00\x00\x00\x00\x00\x00\x00");
    let [redis, valkey] = [redis, valkey].map(|bytes| read_at_once(&bytes));
    assert_eq!((redis.error, valkey.error), (None, None));
    assert!(redis.keys[0].value.is_ok());
    assert_eq!(redis.keys[0].value, valkey.keys[0].value);
    // Metadata of a key: two classes; and an import of slots.
    let metadata = b"\xf3\x02META\x05\x03abc\x00METB\x02\x07\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let redis = read_at_once(&sealed(b"REDIS0013", &[metadata, &b"\x00\x01k\x01v"[..]].concat()));
    assert_eq!((redis.error, redis.keys.len()), (None, 1));
    let valkey = read_at_once(&sealed(b"VALKEY080", b"\xf3\x03job\x02\x01\x05\x07\x41\x00\x00\x01k\x01v"));
    assert_eq!((valkey.error, valkey.keys.len()), (None, 1));
    assert_eq!(valkey.others[0], format!("SlotImport {{ job: {:?}, ranges: [(1, 5), (7, 256)] }}", b"job"));
}

#[test]
fn heads_belong_to_the_next_key_only() {
    let head = b"\xfd\x02\x00\x00\x00\xf8\x07\xf9\x08\x00\x01a\x01v";
    let unset = b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01b\x01v";
    let slots = b"\xf4\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02";
    let file = read_at_once(&sealed(b"REDIS0012", &[&head[..], unset, slots].concat()));
    assert_eq!(file.error, None);
    assert_eq!(file.keys[0].head, KeyHead { expire_at_ms: Some(2000), idle_s: Some(7), frequency: Some(8) });
    assert_eq!(file.keys[1].head, KeyHead::default());
    assert_eq!(file.others, [format!("SlotInfo {{ slot: {}, keys: 1, expires: 2 }}", u64::MAX), "End(Fits)".into()]);
}

#[test]
fn what_follows_the_end_is_left() {
    let mut bytes = sealed(b"REDIS0011", b"\x00\x01k\x01v");
    bytes.extend(b"*1\r\n$4\r\nPING\r\n");
    for sizes in [&[][..], &[1], &[28], &[31]] {
        let file = read(&bytes, ReadOptions::default(), sizes);
        assert_eq!((file.error, file.keys.len()), (None, 1));
        assert!(b"*1\r\n$4\r\nPING\r\n".starts_with(&file.rest[..file.rest.len().min(14)]));
    }
    // Version 4 has no checksum.
    let file = read_at_once(b"REDIS0004\x00\x01k\x01v\xff");
    assert_eq!((file.error, &file.others[..]), (None, &["End(Absent)".to_owned()][..]));
}

#[test]
fn arrays_are_passed_over_and_named() {
    let body = b"\x1c\x01k\x04\x01\x09\x00\x00\x03abc\x01\x01\x07\x00\x00\x00\x00\x00\x00\x00\x05\x02\x00\x00\x00\x00\x00\x00\xf0\x3f\x06\x03\x01z\x00\x01l\x01v";
    let file = read_at_once(&sealed(b"REDIS0014", body));
    assert_eq!((file.error, file.keys.len()), (None, 2));
    let expected = DecodeError::UnsupportedType { kind: types::ARRAY, version: 14 };
    assert_eq!(file.keys[0].value, Err(expected));
}

#[test]
fn the_version_is_known_before_the_first_frame() {
    let mut reader = file::Reader::new(ReadOptions::default());
    reader.feed(b"REDIS");
    assert_eq!(reader.version(), None);
    // A key, with nothing before it.
    reader.feed(b"0010\x00\x01k\x01v");
    assert_eq!(reader.version().map(|version| version.number), Some(10));
    assert!(matches!(reader.next_frame(), Ok(Some(file::Frame::Key(_)))));
    let mut reader = file::Reader::new(ReadOptions::default());
    reader.feed(b"RADIS0010\x00\x01k\x01v");
    assert!(reader.next_frame().is_err());
}
