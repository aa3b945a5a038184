//! Files that others wrote: each is read, each of its values decoded; what cannot be is stated here. And files that a real
//! redis-server saves, and what it makes of the others' files.
//!
//! The others' files lie in the folder that `TORC_RDB_FILES` names, or in `shared/rdb` beside a folder that this one is in. Where
//! there is none the test says so and passes.

mod files;
mod harness;
mod redis;

use std::fs;
use std::path::{Path, PathBuf};

use files::{ReadFile, ReadKey, SKIPPING, read};
use harness::normal;
use redis::Redis;
use torc_rdb::file::ReadOptions;
use torc_rdb::{Value, payload};

const FOLDER: &str = "TORC_RDB_FILES";
/// The newest version that Debian's redis-server loads.
const VERSION_OLD_SERVER: u16 = 10;

/// Files that are not read to their end, or that hold values which are not supported, and the error.
const KNOWN: &[(&str, &str)] = &[
    // As its name says: of a version far ahead.
    ("future_v19", "RDB version 99 is not supported"),
    (
        "invalid_chksum_v8",
        "at byte 201: CRC error: the checksum is b477e446e98e5402, that of the bytes a609bb6465990fe1 (RDB version 8)",
    ),
    // All other keys of the file are read.
    ("native-types", "lab:array: values of type 28 of version 15 are not supported"),
];

/// Files that the old server refuses and that are read here: a zipmap with a number of pairs that only stands for "many".
const REFUSED_BY_SERVER: &[&str] = &["zipmap_big_len"];

/// All files below the folder, by name; none without the folder.
fn samples() -> Vec<(String, Vec<u8>)> {
    let named = std::env::var_os(FOLDER).map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/rdb"));
    let Some(folder) = named.into_iter().chain(beside).find(|folder| folder.is_dir()) else {
        println!("{FOLDER} is not set: left out");
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&folder, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rdb") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            found.push((name, fs::read(&path).expect("the file can be read")));
        }
    }
}

/// The first thing that is wrong with the file or a value in it.
fn problem(file: &ReadFile) -> Option<String> {
    let value = |key: &ReadKey| key.value.as_ref().err().map(|error| format!("{}: {error}", key.key.escape_ascii()));
    file.error.map(|error| error.to_string()).or_else(|| file.keys.iter().find_map(value))
}

#[test]
fn files_of_others_are_read() {
    for (name, bytes) in samples() {
        let file = read(&bytes, SKIPPING, &[]);
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, error)| (*error).to_owned());
        println!("{name}: {} keys, {} other frames", file.keys.len(), file.others.len());
        assert_eq!(problem(&file), known, "{name}");
        assert!(file.keys.iter().filter(|key| key.value.is_err()).count() <= 1, "{name}: no second one");
        assert_eq!(read(&bytes, SKIPPING, &[3, 50]), file, "{name}");
        (0..bytes.len().min(2000))
            .for_each(|cut| assert!(!read(&bytes[..cut], SKIPPING, &[]).is_whole(), "{name} {cut}"));
    }
}

#[test]
fn an_old_server_finds_the_same_in_the_files_of_others() {
    for (name, bytes) in samples() {
        let file = read(&bytes, ReadOptions::default(), &[]);
        let is_old = bytes[..5] == *b"REDIS" && bytes[5..9] <= *format!("{VERSION_OLD_SERVER:04}").as_bytes();
        if is_old && file.is_whole() && !REFUSED_BY_SERVER.contains(&name.as_str()) {
            compare(&name, &bytes, &file);
        }
    }
}

/// Has redis-server load the file, and compares its keys.
fn compare(name: &str, bytes: &[u8], file: &ReadFile) {
    let folder = std::env::temp_dir().join(format!("torc-rdb-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the file");
    fs::write(folder.join("dump.rdb"), bytes).expect("the file is written");
    let mut redis = Redis::start(&["--dir", &folder.to_string_lossy(), "--databases", "100"]);
    let mut seen = 0;
    for key in &file.keys {
        redis.send(&format!("SELECT {}", key.db));
        let dump = redis.call(&[b"DUMP", &key.key[..]]);
        // It may have expired meanwhile.
        let Some(dump) = torc_resp::reader::bulk(&dump) else {
            assert!(key.head.expire_at_ms.is_some(), "{name}: {}", key.key.escape_ascii());
            continue;
        };
        seen += 1;
        let loaded = payload::decode(dump).map(normal).expect("a payload");
        let value = key.value.clone().map(normal).expect("a value");
        assert!(is_same(&loaded, &value), "{name}: {}", key.key.escape_ascii());
    }
    println!("{name}: {seen} keys alike");
    fs::remove_dir_all(&folder).expect("the folder is there");
}

/// Whether two values are the same but for what a server only infers of streams of the first format.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Stream(left), Value::Stream(right)) => {
            left.entries == right.entries
                && left.head.last_id == right.head.last_id
                && left.groups.len() == right.groups.len()
        }
        _ => left == right,
    }
}

#[test]
fn what_a_server_saves_is_read() {
    let folder = std::env::temp_dir().join(format!("torc-rdb-saved-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the file");
    let directives = ["--dir", &folder.to_string_lossy()];
    save_and_read(&mut Redis::start(&directives), &folder);
    fs::remove_file(folder.join("dump.rdb")).expect("it was saved");
    if let Some(mut redis) = Redis::newer(&directives) {
        save_and_read(&mut redis, &folder);
    }
    fs::remove_dir_all(&folder).expect("the folder is there");
}

fn save_and_read(redis: &mut Redis, folder: &Path) {
    redis.send("FLUSHALL");
    redis.send("CONFIG SET maxmemory-policy allkeys-lfu");
    fill(redis);
    redis.send("SAVE");
    let bytes = fs::read(folder.join("dump.rdb")).expect("it was saved");
    for sizes in [&[][..], &[1], &[4096]] {
        let file = read(&bytes, ReadOptions::default(), sizes);
        assert_eq!(problem(&file), None);
        assert!(file.others.iter().any(|frame| frame.starts_with("Function")));
        let keys: usize = [0, 3].map(|db| size_of(redis, db)).iter().sum();
        assert_eq!(file.keys.len(), keys);
        for key in &file.keys {
            redis.send(&format!("SELECT {}", key.db));
            let dump = redis.expect(&[b"DUMP", &key.key[..]]);
            let dump = payload::decode(torc_resp::reader::bulk(&dump).expect("the key is there")).map(normal);
            assert_eq!(key.value.clone().map(normal), dump, "{}", key.key.escape_ascii());
            assert!(key.head.frequency.is_some());
            let expires = redis.expect(&[b"PEXPIRETIME", &key.key[..]]);
            assert_eq!(expires, format!(":{}\r\n", key.head.expire_at_ms.unwrap_or(-1)).into_bytes());
        }
    }
}

fn size_of(redis: &mut Redis, db: u64) -> usize {
    redis.send(&format!("SELECT {db}"));
    let reply = redis.send("DBSIZE");
    std::str::from_utf8(&reply[1..]).expect("a number").trim().parse().expect("a number")
}

/// Keys of all kinds, small and large, in two databases.
fn fill(redis: &mut Redis) {
    redis.expect(&[
        "FUNCTION",
        "LOAD",
        "REPLACE",
        "#!lua name=library\nredis.register_function('f', function() return 1 end)",
    ]);
    for db in [0, 3] {
        redis.send(&format!("SELECT {db}"));
        for line in
            ["SET text hello", "SET integer 12345", "SET expiring x EX 10000", "RPUSH list a b 3", "SADD set a b c"]
        {
            redis.send(line);
        }
        for line in ["SADD integers 1 2 300", "HSET hash a 1 b 2", "ZADD sorted 1.5 a 2 b", "XADD stream 1-1 a b"] {
            redis.send(line);
        }
        redis.expect(&["SET", "long", &"abc".repeat(10_000)]);
        for number in 0..600 {
            redis.send(&format!("RPUSH big:list element-{number}-{}", "x".repeat(number)));
            redis.send(&format!("SADD big:set member-{number}"));
            redis.send(&format!("HSET big:hash field-{number} {number}"));
            redis.send(&format!("ZADD big:sorted {number}.25 member-{number}"));
            redis.send(&format!("XADD big:stream {number}-1 field {number}"));
        }
        redis.send("XGROUP CREATE big:stream group 0");
        redis.send("XREADGROUP GROUP group consumer COUNT 20 STREAMS big:stream >");
        redis.send("XDEL big:stream 5-1");
        redis.send("PFADD visitors a b c");
        // Redis 7.4.
        redis.call(&["HPEXPIRE", "big:hash", "10000000", "FIELDS", "1", "field-3"]);
        redis.call(&["HPEXPIRE", "hash", "10000000", "FIELDS", "1", "a"]);
    }
}
