//! Files that are written: by parts of several cores, in pieces, for every version; and a real redis-server loads them.

mod harness;
mod redis;
mod values;

use harness::{as_version_10, normal};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use redis::Redis;
use torc_rdb::file::{self, Assembly, FileHead, KeyHead, MAGIC_BYTES, VersionRule};
use torc_rdb::payload::VERSION_VALKEY_MIN;
use torc_rdb::{
    EncodeOptions, Encoder, HashField, Input, StreamGroup, StreamHead, StreamProducers, StreamValue,
    VERSION_FIELD_EXPIRY, Value, decode_value, payload,
};
use values::{pieces, value};

const HEAD: FileHead<'static> = FileHead {
    server_version: "7.0.0",
    created_at_s: 1_700_000_000,
    used_memory: 1 << 20,
    replication: None,
    is_aof_base: false,
};

const LIBRARY: &str = "#!lua name=library\nredis.register_function('f', function() return 1 end)";

/// The database of a key, and what stands before it: every third one expires, every fourth was idle.
fn place_of(number: usize) -> (u64, KeyHead) {
    let expire_at_ms = number.is_multiple_of(3).then_some(1 << 43 | number as i64);
    let idle_s = number.is_multiple_of(4).then_some(100);
    (3 * (number as u64 % 2), KeyHead { expire_at_ms, idle_s, frequency: None })
}

/// The file of these values, each under its number as the key, in two databases that take turns.
fn file_of(values: &[Value], rule: VersionRule, in_pieces: bool) -> Vec<u8> {
    let mut assembly = Assembly::new(rule, true);
    let mut bytes = assembly.magic().to_vec();
    let mut part = Vec::new();
    file::write_head(&mut part, &HEAD);
    if rule.check_functions().is_ok() {
        file::write_function(&mut part, LIBRARY.as_bytes(), true);
    }
    for (number, value) in values.iter().enumerate() {
        let (db, head) = place_of(number);
        file::select_db(&mut part, db);
        if number < 2 {
            file::write_resize_db(&mut part, values.len() as u64, 0);
        }
        let key = format!("value:{number}");
        part.extend(key_of(&key, &head, value, rule, in_pieces, &mut assembly));
        assembly.add(&part);
        bytes.append(&mut part);
    }
    assembly.add(&part);
    bytes.append(&mut part);
    let magic = assembly.finish(&mut bytes);
    bytes[..MAGIC_BYTES].copy_from_slice(&magic);
    bytes
}

fn key_of(
    key: &str,
    head: &KeyHead,
    value: &Value,
    rule: VersionRule,
    in_pieces: bool,
    assembly: &mut Assembly,
) -> Vec<u8> {
    let options = EncodeOptions::default();
    let mut write = |body: &mut dyn FnMut(&mut Encoder<'_>)| {
        let mut part = Vec::new();
        let written = file::write_key(&mut part, key.as_bytes(), head, &options, rule, |encoder| body(encoder));
        let ((), version) = written.expect("the version holds it");
        assembly.require(version);
        part
    };
    if in_pieces { pieces::write(value, write) } else { write(&mut |encoder| encoder.value(value)) }
}

fn samples() -> Vec<Value> {
    let strategy = value();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sample = |_| strategy.new_tree(&mut runner).expect("a value").current();
    (0..300).map(sample).collect()
}

/// The value as far as this version can hold it and a server takes it. Fields that have expired would be gone.
fn held(value: &Value, version: u16) -> Option<Value> {
    let mut value = value.clone();
    match &mut value {
        Value::Hash(fields) => {
            let future = |at: i64| Some(at | 1 << 44).filter(|_| version >= VERSION_FIELD_EXPIRY);
            fields.iter_mut().for_each(|field| field.expire_at = field.expire_at.and_then(future));
        }
        Value::Stream(stream) => {
            stream.producers = None;
            if stream.head.last_id < stream.head.max_deleted_id {
                return None;
            }
        }
        _ => {}
    }
    Some(value)
}

#[test]
fn real_servers_load_what_is_written() {
    let folder = std::env::temp_dir().join(format!("torc-rdb-written-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the file");
    let path = folder.to_string_lossy().into_owned();
    let directives = ["--dir", path.as_str()];
    load_every_version(&folder, &|| Some(Redis::start(&directives)));
    load_every_version(&folder, &|| Redis::newer(&directives));
    std::fs::remove_dir_all(&folder).expect("the folder is there");
}

/// Has the program that `start` starts load files of every version that it knows.
fn load_every_version(folder: &std::path::Path, start: &dyn Fn() -> Option<Redis>) {
    drop(std::fs::remove_file(folder.join("dump.rdb")));
    let Some(known) = start().map(|redis| redis.version) else {
        return;
    };
    // Valkey's own version is far above the newest one that it shares with Redis.
    let known = if known >= VERSION_VALKEY_MIN { 11 } else { known };
    let rules = (9..=known.min(12)).map(VersionRule::Fixed).chain([VersionRule::Lowest]);
    for rule in rules.filter(|rule| rule.aimed() <= known) {
        let values: Vec<Value> = samples().iter().filter_map(|value| held(value, rule.aimed())).collect();
        for in_pieces in [false, true] {
            std::fs::write(folder.join("dump.rdb"), file_of(&values, rule, in_pieces)).expect("the file is written");
            let mut redis = start().expect("it was started before");
            if rule.check_functions().is_ok() {
                let listed = redis.send("FUNCTION LIST");
                assert!(listed.windows(7).any(|window| window == b"library"), "{}", listed.escape_ascii());
            }
            for (number, value) in values.iter().enumerate() {
                let (db, head) = place_of(number);
                redis.send(&format!("SELECT {db}"));
                let expires = redis.send(&format!("PTTL value:{number}")) != b":-1\r\n";
                assert_eq!(expires, head.expire_at_ms.is_some(), "{number} {rule:?}");
                let dumped = redis.bulk(&format!("DUMP value:{number}"));
                let dumped = payload::decode(&dumped).expect("a payload");
                let lowest = rule.aimed().min(known);
                let (read, expected) = (as_read(&dumped, lowest), as_read(value, lowest));
                assert!(read == expected, "{number} {rule:?} {in_pieces}: {}", difference(&read, &expected));
            }
        }
    }
}

/// What is left of a value in a file of this version, with its unordered parts sorted.
fn as_read(value: &Value, version: u16) -> Value {
    let mut value = normal(value.clone());
    if version < 11 {
        value = as_version_10(value);
    }
    if let Value::Stream(stream) = &mut value {
        let by_name = |group: &mut StreamGroup| group.consumers.sort_by(|left, right| left.name.cmp(&right.name));
        stream.groups.iter_mut().for_each(by_name);
        if version < 10 {
            stream.head = StreamHead { last_id: stream.head.last_id, ..StreamHead::default() };
            stream.groups.iter_mut().for_each(|group| group.entries_read = None);
        }
    }
    value
}

/// Where two values begin to differ, as text.
fn difference(left: &Value, right: &Value) -> String {
    let (left, right) = (format!("{left:?}"), format!("{right:?}"));
    let at = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    let shown = |text: &str| text.chars().skip(at.saturating_sub(100)).take(200).collect::<String>();
    format!("\n{}\n{}", shown(&left), shown(&right))
}

#[test]
fn a_value_that_the_version_cannot_hold_is_an_error_that_names_it() {
    let hash = Value::Hash(vec![HashField { name: b"f".to_vec(), value: b"v".to_vec(), expire_at: Some(5) }]);
    let producers = Some(StreamProducers::default());
    let stream = Value::Stream(Box::new(StreamValue { producers, ..StreamValue::default() }));
    for (value, needed, what) in
        [(&hash, 12, "hash with expiring fields"), (&stream, 13, "stream with the identifiers")]
    {
        for version in 9..=13 {
            let rule = VersionRule::fixed(version).expect("a version that can be written");
            let mut out = b"before".to_vec();
            let written =
                file::write_key(&mut out, b"k", &KeyHead::default(), &EncodeOptions::default(), rule, |encoder| {
                    encoder.value(value);
                });
            match written {
                Ok(((), version)) => assert!(version >= needed),
                Err(error) => {
                    assert_eq!((error.fixed, error.needed, out), (version, needed, b"before".to_vec()));
                    assert!(version < needed && error.to_string().contains(what), "{error}");
                }
            }
        }
        let mut assembly = Assembly::new(VersionRule::Lowest, true);
        key_of("k", &KeyHead::default(), value, VersionRule::Lowest, false, &mut assembly);
        assert_eq!(assembly.magic(), *format!("REDIS00{needed}").as_bytes());
    }
    assert_eq!((VersionRule::fixed(8), VersionRule::fixed(14)), (None, None));
    let functions = VersionRule::Fixed(9).check_functions().expect_err("Redis 6 has none");
    assert!(functions.to_string().contains("library of functions"), "{functions}");
    assert_eq!(VersionRule::Lowest.check_functions(), Ok(()));
}

#[test]
fn the_head_is_that_of_redis() {
    let mut assembly = Assembly::new(VersionRule::Lowest, false);
    let mut bytes = assembly.magic().to_vec();
    let replication = Some(file::ReplicationHead { db: 3, id: "0123", offset: 70_000 });
    file::write_head(&mut bytes, &FileHead { replication, ..HEAD });
    file::write_function(&mut bytes, b"#!lua name=x", false);
    let head = KeyHead { expire_at_ms: Some(1), idle_s: Some(2), frequency: Some(3) };
    file::select_db(&mut bytes, 70);
    let options = EncodeOptions::default();
    let written =
        file::write_key(&mut bytes, b"k", &head, &options, VersionRule::Lowest, |encoder| encoder.string(b"v"));
    assert_eq!(written, Ok(((), 10)));
    assembly.add(&bytes[MAGIC_BYTES..]);
    assembly.finish(&mut bytes);
    let expected = b"REDIS0010\xfa\x09redis-ver\x057.0.0\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\x00\xf1\x53\x65\
        \xfa\x08used-mem\xc2\x00\x00\x10\x00\xfa\x0erepl-stream-db\xc0\x03\xfa\x07repl-id\x040123\
        \xfa\x0brepl-offset\xc2\x70\x11\x01\x00\xfa\x08aof-base\xc0\x00\xf5\x0c#!lua name=x\
        \xfe\x40\x46\xfc\x01\x00\x00\x00\x00\x00\x00\x00\xf8\x02\xf9\x03\x00\x01k\x01v\xff\x00\x00\x00\x00\x00\x00\x00\x00";
    assert_eq!(bytes.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In pieces a value has other layouts, and means the same.
    #[test]
    fn pieces_make_the_same_value(value in value(), version in 9..14_u16, compress: bool) {
        let options = EncodeOptions { version, compress, ..EncodeOptions::default() };
        let mut needed = 0;
        let written = pieces::write(&value, |body| {
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out, &options);
            body(&mut encoder);
            needed = encoder.version();
            out
        });
        let mut whole = Vec::new();
        let mut encoder = Encoder::new(&mut whole, &options);
        encoder.value(&value);
        prop_assert_eq!(encoder.version(), needed);
        let read = |bytes: &[u8]| {
            let mut input = Input::new(&bytes[1..]);
            let value = decode_value(&mut input, bytes[0], needed).map(normal);
            assert!(input.rest().is_empty());
            value
        };
        prop_assert_eq!(read(&written), read(&whole));
        if version >= 11 {
            prop_assert_eq!(read(&written), Ok(normal(value)));
        }
    }

    /// The checksum is that of the whole file as it is in the end.
    #[test]
    fn the_checksum_fits(values in proptest::collection::vec(value(), 0..5), in_pieces: bool) {
        let bytes = file_of(&values, VersionRule::Lowest, in_pieces);
        let (body, crc) = bytes.split_last_chunk::<8>().expect("eight bytes at least");
        prop_assert_eq!(torc_rdb::crc64::crc64(0, body).to_le_bytes(), *crc);
    }
}
