//! Against a real redis-server: what it dumps is read as what it holds; what is written for it is restored as the same value.
//!
//! ```text
//!   commands -> key --DUMP--> decode --compare with HGETALL, XRANGE, ...
//!                               |
//!                             encode --RESTORE--> other key --compare digest, encoding, DUMP byte by byte
//! ```
//! Redis 7.0 is given version 10, the newest that it reads; a newer server each version from 10 to its own, which includes what Torc
//! writes by default.

mod harness;
mod redis;

use harness::normal;
use redis::Redis;
use torc_rdb::{EncodeOptions, HashField, StreamId, Thresholds, Value, payload};

const PLAIN: EncodeOptions = EncodeOptions {
    version: 10,
    compress: false,
    thresholds: Thresholds {
        list_max_listpack_size: -2,
        hash_max_listpack_entries: 512,
        hash_max_listpack_value: 64,
        set_max_intset_entries: 512,
        set_max_listpack_entries: 128,
        set_max_listpack_value: 64,
        zset_max_listpack_entries: 128,
        zset_max_listpack_value: 64,
        stream_node_max_bytes: 4096,
        stream_node_max_entries: 100,
    },
};

/// Whether the payload must be the server's own, byte by byte.
#[derive(Clone, Copy, PartialEq)]
enum Bytes {
    Same,
    /// 7.0 lays out such a value in another way.
    SameIfNewer,
    /// The server lays out such a value in another way.
    MayDiffer,
}

/// Dumps the key, reads it, and restores what is written again under another name. Returns the value.
#[track_caller]
fn through(redis: &mut Redis, key: &str, bytes: Bytes) -> Value {
    redis.send("CONFIG SET rdbcompression no");
    let plain = redis.bulk(&format!("DUMP {key}"));
    redis.send("CONFIG SET rdbcompression yes");
    let compressed = redis.bulk(&format!("DUMP {key}"));
    let value = payload::decode(&plain).unwrap_or_else(|error| panic!("{key}: {error}"));
    assert_eq!(payload::decode(&compressed).as_ref(), Ok(&value), "{key}");
    let is_same = bytes == Bytes::Same || bytes == Bytes::SameIfNewer && redis.version > PLAIN.version;
    if is_same {
        let written = payload::encode(&value, &EncodeOptions { version: redis.version, ..PLAIN });
        let at = written.iter().zip(&plain).take_while(|(one, other)| one == other).count();
        let shown = |bytes: &[u8]| bytes[at..bytes.len().min(at + 100)].escape_ascii().to_string();
        assert!(written == plain, "{key} from byte {at} on:\n{}\n{}", shown(&written), shown(&plain));
    }
    let digest = redis.send(&format!("DEBUG DIGEST-VALUE {key}"));
    let encoding = redis.bulk(&format!("OBJECT ENCODING {key}"));
    for (version, compress) in (PLAIN.version..=redis.version).flat_map(|version| [(version, false), (version, true)]) {
        let written = payload::encode(&value, &EncodeOptions { version, compress, ..PLAIN });
        redis.expect(&[b"RESTORE", &b"copy"[..], b"0", &written, b"REPLACE"]);
        assert_eq!(redis.send("DEBUG DIGEST-VALUE copy"), digest, "{key} as version {version}");
        // The payload for this server itself makes the same value in every way.
        if is_same && version == redis.version {
            assert_eq!(redis.bulk("OBJECT ENCODING copy"), encoding, "{key} as version {version}");
            // A table's order is by chance.
            assert!(encoding == b"hashtable" || redis.bulk("DUMP copy") == compressed, "{key}");
        }
    }
    value
}

fn owned(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn strings() {
    Redis::all().for_each(|mut redis| strings_of(&mut redis));
}

fn strings_of(redis: &mut Redis) {
    let long = "abc".repeat(1000);
    let integers = ["0", "-1", "127", "128", "-129", "32768", "2147483647", "-2147483648", "2147483648"];
    let texts = ["hello", "007", "+1", " 1", "-0", "1.5", "9223372036854775807", "-9223372036854775808", &long];
    for text in integers.iter().chain(&texts) {
        redis.expect(&["SET", "key", text]);
        assert_eq!(through(redis, "key", Bytes::Same), Value::String(text.as_bytes().to_vec()));
    }
    redis.expect(&["SET", "key", ""]);
    assert_eq!(through(redis, "key", Bytes::Same), Value::String(vec![]));
    let all_bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    redis.expect(&[b"SET", &b"key"[..], &all_bytes]);
    assert_eq!(through(redis, "key", Bytes::Same), Value::String(all_bytes));
    redis.send("SETBIT bits 99999 1");
    assert_eq!(through(redis, "bits", Bytes::Same), Value::String(redis.bulk("GET bits")));
    redis.send("PFADD visitors a b c d e f g");
    assert_eq!(through(redis, "visitors", Bytes::SameIfNewer), Value::String(redis.bulk("GET visitors")));
}

#[test]
fn lists() {
    Redis::all().for_each(|mut redis| lists_of(&mut redis));
}

fn lists_of(redis: &mut Redis) {
    redis.send(
        "RPUSH small a 1 -1 127 128 -4096 4095 -4097 65535 -8388608 8388607 2147483648 x:y -9223372036854775808 01",
    );
    let mut large = String::from("RPUSH large");
    for number in 0..5000 {
        let pair = format!("element-{number} {}", number * 7919);
        redis.send(&format!("RPUSH grown {pair}"));
        large += &format!(" {pair}");
    }
    redis.send(&large);
    // Since 7.2 a list that grows has a fuller first node: it was a packed list before.
    for (key, bytes) in [("small", Bytes::Same), ("large", Bytes::Same), ("grown", Bytes::MayDiffer)] {
        let expected = redis.bulks(&format!("LRANGE {key} 0 -1"));
        assert_eq!(through(redis, key, bytes), Value::List(expected));
    }
    let huge = "z".repeat(9000);
    redis.expect(&["RPUSH", "mixed", "a", &huge, "b", "", &huge[..4000], &huge[..4000], &huge[..300], &huge[..80]]);
    let expected = redis.bulks("LRANGE mixed 0 -1");
    assert_eq!(through(redis, "mixed", Bytes::SameIfNewer), Value::List(expected));
}

#[test]
fn plain_nodes_of_lists() {
    Redis::all().for_each(|mut redis| plain_nodes(&mut redis));
}

fn plain_nodes(redis: &mut Redis) {
    redis.send("DEBUG QUICKLIST-PACKED-THRESHOLD 100B");
    let large = "y".repeat(150);
    redis.expect(&["RPUSH", "key", "a", "b", &large, "c", &large, &large]);
    let expected = redis.bulks("LRANGE key 0 -1");
    assert_eq!(through(redis, "key", Bytes::MayDiffer), Value::List(expected));
}

#[test]
fn sets() {
    Redis::all().for_each(|mut redis| sets_of(&mut redis));
}

fn sets_of(redis: &mut Redis) {
    redis.send("SADD i16 1 -5 300 32767 -32768");
    redis.send("SADD i32 1 -5 70000");
    redis.send("SADD i64 1 -5 9223372036854775807 -9223372036854775808");
    redis.send("SADD texts a b 1 02 c");
    redis.expect(&["SADD", "long", "a", &"l".repeat(65)]);
    for number in 0..600 {
        redis.send(&format!("SADD many {number}"));
        redis.send(&format!("SADD words word{number}"));
    }
    for key in ["i16", "i32", "i64", "texts", "long", "many", "words"] {
        let expected = redis.bulks(&format!("SMEMBERS {key}"));
        let value = through(redis, key, Bytes::Same);
        assert_eq!(normal(value), normal(Value::Set(expected)), "{key}");
    }
}

#[test]
fn sorted_sets() {
    Redis::all().for_each(|mut redis| sorted_sets_of(&mut redis));
}

fn sorted_sets_of(redis: &mut Redis) {
    redis.send(
        "ZADD small 1 a 2.5 b -3 c 0.1 1 inf d -inf e 1e300 f -0 g 1e-310 h 3.0000000000000004 i 4503599627370497 j",
    );
    for number in 0..300 {
        redis.send(&format!("ZADD large {} member:{number}", f64::from(number) * 0.37));
    }
    redis.expect(&["ZADD", "long", "17.25", &"l".repeat(65), "-1", "b"]);
    // 7.0 writes 17 digits where later versions write the fewest that will do.
    for (key, bytes) in [("small", Bytes::SameIfNewer), ("large", Bytes::Same), ("long", Bytes::Same)] {
        let replies = redis.bulks(&format!("ZRANGE {key} 0 -1 WITHSCORES"));
        let number = |text: &[u8]| str::from_utf8(text).expect("a number").parse::<f64>().expect("a number");
        let expected = replies.chunks_exact(2).map(|pair| (pair[0].clone(), number(&pair[1]))).collect();
        let value = through(redis, key, bytes);
        assert_eq!(normal(value), normal(Value::SortedSet(expected)), "{key}");
        assert_eq!(redis.bulks("ZRANGE copy 0 -1 WITHSCORES"), replies);
    }
}

#[test]
fn hashes() {
    Redis::all().for_each(|mut redis| hashes_of(&mut redis));
}

fn hashes_of(redis: &mut Redis) {
    redis.send("HSET small a 1 2 b c -70000 d 0 e 9223372036854775807 f x");
    redis.expect(&["HSET", "long", "a", &"l".repeat(65), "", "empty name", "empty value", ""]);
    for number in 0..600 {
        redis.send(&format!("HSET large field{number} {number}"));
    }
    for key in ["small", "large", "long"] {
        let replies = redis.bulks(&format!("HGETALL {key}"));
        let field = |pair: &[Vec<u8>]| HashField { name: pair[0].clone(), value: pair[1].clone(), expire_at: None };
        let expected = replies.chunks_exact(2).map(field).collect();
        let value = through(redis, key, Bytes::Same);
        assert_eq!(normal(value), normal(Value::Hash(expected)), "{key}");
    }
}

#[test]
fn streams() {
    Redis::all().for_each(|mut redis| streams_of(&mut redis));
}

fn streams_of(redis: &mut Redis) {
    for number in 1..=350 {
        redis.send(&format!("XADD events {}-{} user u{number} amount {}", number / 3 + 1, number, number * 1000));
    }
    redis.send("XADD events 1000-0 other fields than before");
    redis.send("XADD events 1000-5 user again");
    redis.send("XGROUP CREATE events early 0");
    redis.send("XGROUP CREATE events late $ ENTRIESREAD 352");
    redis.send("XREADGROUP GROUP early alice COUNT 10 STREAMS events >");
    redis.send("XREADGROUP GROUP early bob COUNT 5 STREAMS events >");
    redis.send("XACK events early 1-1 2-3");
    redis.send("XGROUP CREATECONSUMER events early idle");
    let value = through(redis, "events", Bytes::Same);
    check_stream(redis, "events", &value);
    assert_eq!(redis.send("XINFO STREAM copy FULL COUNT 0"), redis.send("XINFO STREAM events FULL COUNT 0"));

    redis.send("XDEL events 3-7 1000-5 2-4");
    redis.send("XTRIM events MAXLEN = 270");
    let value = through(redis, "events", Bytes::MayDiffer);
    check_stream(redis, "events", &value);

    redis.send("XADD empty 5-5 a b");
    redis.send("XGROUP CREATE empty readers 5-5");
    redis.send("XDEL empty 5-5");
    let value = through(redis, "empty", Bytes::Same);
    check_stream(redis, "empty", &value);
    assert_eq!(redis.send("XINFO STREAM copy FULL"), redis.send("XINFO STREAM empty FULL"));
}

/// Fields with their times, as the server tells them.
fn fields_of(redis: &mut Redis, key: &str) -> Vec<HashField> {
    let replies = redis.bulks(&format!("HGETALL {key}"));
    let mut fields = Vec::new();
    for pair in replies.chunks_exact(2) {
        let reply = redis.expect(&[b"HPEXPIRETIME", key.as_bytes(), b"FIELDS", b"1", &pair[0]]);
        let text = str::from_utf8(&reply).expect("integers");
        let time: i64 = text.trim_start_matches("*1\r\n:").trim_end().parse().expect("an integer");
        fields.push(HashField {
            name: pair[0].clone(),
            value: pair[1].clone(),
            expire_at: Some(time).filter(|time| *time > 0),
        });
    }
    fields
}

#[test]
fn hashes_with_expiring_fields() {
    let Some(mut redis) = Redis::newer(&[]) else { return };
    redis.send("HSET packed a 1 b x c -70000 d text");
    redis.send("HPEXPIREAT packed 7000000000123 FIELDS 2 a c");
    redis.send("HPEXPIREAT packed 6999999990000 FIELDS 1 d");
    redis.send("HSET all a 1 b 2");
    redis.send("HEXPIREAT all 9999999999 FIELDS 2 a b");
    redis.expect(&["HSET", "long", "a", &"l".repeat(65), "b", "2", "c", "3"]);
    redis.send("HPEXPIREAT long 7000000000000 FIELDS 1 a");
    redis.send("HPEXPIREAT long 7000000000999 FIELDS 1 c");
    for number in 0..600 {
        redis.send(&format!("HSET table field{number} {number}"));
        let time = 7_000_000_000_000_u64 + number * 12_345_678;
        if number % 3 == 0 {
            redis.send(&format!("HPEXPIREAT table {time} FIELDS 1 field{number}"));
        }
    }
    // The server does not follow the earliest time by less than four seconds: what it tells as that is another field's.
    redis.expect(&["HSET", "behind", "a", &"l".repeat(64), "b", "2", "c", "3"]);
    redis.expect(&["HSET", "behind-table", "a", &"l".repeat(65), "b", "2", "c", "3"]);
    for key in ["behind", "behind-table"] {
        redis.send(&format!("HPEXPIREAT {key} 7000000000000 FIELDS 1 a"));
        redis.send(&format!("HPEXPIREAT {key} 6999999999000 FIELDS 1 b"));
    }
    // The farthest time that a field can have.
    redis.send("HSET far a 1 b 2");
    redis.send("HPEXPIREAT far 70368744177663 FIELDS 1 b");
    // A hash whose fields once had times keeps the form that can have them, and is written like any other.
    redis.send("HSET before a 1 b 2");
    redis.send("HPEXPIREAT before 7000000000000 FIELDS 1 a");
    redis.send("HPERSIST before FIELDS 1 a");
    for (key, encoding) in [
        ("packed", "listpackex"),
        ("all", "listpackex"),
        ("long", "hashtable"),
        ("table", "hashtable"),
        ("behind", "listpackex"),
        ("behind-table", "hashtable"),
        ("far", "listpackex"),
        ("before", "listpackex"),
    ] {
        assert_eq!(String::from_utf8_lossy(&redis.bulk(&format!("OBJECT ENCODING {key}"))), encoding, "{key}");
        let fields = fields_of(&mut redis, key);
        let bytes = if matches!(key, "behind" | "before") { Bytes::MayDiffer } else { Bytes::Same };
        let value = through(&mut redis, key, bytes);
        assert_eq!(normal(value), normal(Value::Hash(fields.clone())), "{key}");
        // Digests say nothing of times.
        assert_eq!(normal(Value::Hash(fields_of(&mut redis, "copy"))), normal(Value::Hash(fields)), "{key}");
    }
}

#[test]
fn packed_sets() {
    let Some(mut redis) = Redis::newer(&[]) else { return };
    redis.send("SADD texts a b 1 02 c -70000");
    redis.expect(&["SADD", "longest", "a", &"l".repeat(64), ""]);
    for number in 0..128 {
        redis.send(&format!("SADD most word{number}"));
    }
    for key in ["texts", "longest", "most"] {
        assert_eq!(redis.bulk(&format!("OBJECT ENCODING {key}")), b"listpack", "{key}");
        assert_eq!(redis.bulk(&format!("DUMP {key}"))[0], torc_rdb::types::SET_LISTPACK, "{key}");
        let expected = redis.bulks(&format!("SMEMBERS {key}"));
        assert_eq!(through(&mut redis, key, Bytes::Same), Value::Set(expected), "{key}");
    }
}

#[test]
fn streams_of_redis_8() {
    let Some(mut redis) = Redis::newer(&[]) else { return };
    for number in 1..=8 {
        redis.send(&format!("XADD events {number}-0 a {number}"));
    }
    redis.send("XGROUP CREATE events one 0");
    redis.send("XGROUP CREATE events other 0");
    redis.send("XGROUP CREATECONSUMER events one idle");
    redis.send("XREADGROUP GROUP one alice COUNT 5 STREAMS events >");
    redis.send("XREADGROUP GROUP other bob COUNT 7 STREAMS events >");
    let value = through(&mut redis, "events", Bytes::Same);
    check_stream(&mut redis, "events", &value);
    let Value::Stream(stream) = &value else { panic!("it is a stream") };
    let activity = |name: &[u8]| {
        let consumers = || stream.groups.iter().flat_map(|group| &group.consumers);
        consumers().find(|consumer| consumer.name == name).expect("it is there").active_at
    };
    assert!(activity(b"alice").is_some() && activity(b"idle").is_none(), "{value:?}");
    // References that stay to entries that are gone, and those that go.
    redis.send("XDELEX events KEEPREF IDS 1 1-0");
    redis.send("XACKDEL events one DELREF IDS 1 2-0");
    redis.send("XACKDEL events one ACKED IDS 2 3-0 4-0");
    redis.send("XTRIM events MAXLEN = 4 KEEPREF");
    let value = through(&mut redis, "events", Bytes::MayDiffer);
    check_stream(&mut redis, "events", &value);
    let infos = ["copy", "events"]
        .map(|key| String::from_utf8_lossy(&redis.send(&format!("XINFO STREAM {key} FULL"))).into_owned());
    let groups = infos.map(|info| info[info.find("groups").expect("it tells of groups")..].to_owned());
    assert_eq!(groups[0], groups[1]);
}

/// Compares a stream with what XRANGE, XINFO and XPENDING say of it.
#[track_caller]
fn check_stream(redis: &mut Redis, key: &str, value: &Value) {
    let Value::Stream(stream) = value else { panic!("{key} is a stream") };
    let text = |id: StreamId| format!("{}-{}", id.ms, id.seq);
    let mut entries = Vec::new();
    torc_reply(&mut entries, |reply| {
        reply.array(stream.entries.len());
        for entry in &stream.entries {
            reply.array(2);
            reply.bulk(text(entry.id).as_bytes());
            reply.array(entry.fields.len() * 2);
            entry.fields.iter().for_each(|(name, value)| {
                reply.bulk(name);
                reply.bulk(value);
            });
        }
    });
    assert!(redis.send(&format!("XRANGE {key} - +")) == entries, "{key}");
    let info = String::from_utf8_lossy(&redis.send(&format!("XINFO STREAM {key}"))).replace("\r\n", " ");
    for (name, id) in [("last-generated-id", stream.head.last_id), ("max-deleted-entry-id", stream.head.max_deleted_id)]
    {
        assert!(info.contains(&format!("{name} ${} {} ", text(id).len(), text(id))), "{name}: {info}");
    }
    assert!(info.contains(&format!("entries-added :{} ", stream.head.entries_added)), "{info}");
    for group in &stream.groups {
        let name = String::from_utf8_lossy(&group.name).into_owned();
        let pending = redis.send(&format!("XPENDING {key} {name} - + 1000"));
        let pending = torc_resp::reader::Elements::new(&pending).expect("an array");
        let ids: Vec<String> = pending
            .map(|entry| {
                let mut parts = torc_resp::reader::Elements::new(entry).expect("an array");
                let mut part = || torc_resp::reader::bulk(parts.next().expect("a part")).expect("a string").to_vec();
                let (id, consumer) = (part(), part());
                format!("{} {}", String::from_utf8_lossy(&id), String::from_utf8_lossy(&consumer))
            })
            .collect();
        let owner = |id: &StreamId| {
            let owner = group.consumers.iter().find(|consumer| consumer.pending.contains(id)).expect("each has one");
            String::from_utf8_lossy(&owner.name).into_owned()
        };
        let expected: Vec<String> =
            group.pending.iter().map(|entry| format!("{} {}", text(entry.id), owner(&entry.id))).collect();
        assert_eq!(ids, expected);
    }
}

fn torc_reply(out: &mut Vec<u8>, write: impl FnOnce(&mut torc_resp::Reply<'_>)) {
    let mut reply = torc_resp::OutputBuffer::new();
    write(&mut torc_resp::Reply::new(&mut reply, torc_resp::Protocol::Resp2));
    out.extend_from_slice(&reply.to_cow());
}

#[test]
fn older_layouts_are_read_as_the_server_reads_them() {
    Redis::all().for_each(|mut redis| older_layouts(&mut redis));
}

fn older_layouts(redis: &mut Redis) {
    let cases: &[(&[u8], Value)] = &[
        (b"\x01\x02\x01a\xc0\x05", Value::List(owned(&["a", "5"]))),
        (b"\x02\x02\x01a\xc0\x05", Value::Set(owned(&["a", "5"]))),
        (
            b"\x04\x01\x01a\xc0\x05",
            Value::Hash(vec![HashField { name: b"a".to_vec(), value: b"5".to_vec(), expire_at: None }]),
        ),
        (
            b"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff",
            Value::SortedSet(vec![
                (b"a".to_vec(), 1.5),
                (b"b".to_vec(), f64::INFINITY),
                (b"c".to_vec(), f64::NEG_INFINITY),
            ]),
        ),
        (
            b"\x09\x0d\x02\x01a\x01\x00b\x01c\x01\x01dX\xff",
            Value::Hash(vec![
                HashField { name: b"a".to_vec(), value: b"b".to_vec(), expire_at: None },
                HashField { name: b"c".to_vec(), value: b"d".to_vec(), expire_at: None },
            ]),
        ),
        (b"\x0a\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf6\xff", Value::List(owned(&["a", "5"]))),
        (b"\x0e\x01\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf6\xff", Value::List(owned(&["a", "5"]))),
        (b"\x0c\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf6\xff", Value::SortedSet(vec![(b"a".to_vec(), 5.0)])),
        (
            b"\x0d\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf6\xff",
            Value::Hash(vec![HashField { name: b"a".to_vec(), value: b"5".to_vec(), expire_at: None }]),
        ),
    ];
    for (body, expected) in cases {
        let mut old = body.to_vec();
        payload::seal(&mut old, 0, 6);
        assert_eq!(payload::decode(&old).as_ref(), Ok(expected), "type {}", body[0]);
        redis.expect(&[b"RESTORE", &b"old"[..], b"0", &old, b"REPLACE"]);
        redis.expect(&[b"RESTORE", &b"new"[..], b"0", &payload::encode(expected, &PLAIN), b"REPLACE"]);
        let digests = [redis.send("DEBUG DIGEST-VALUE old"), redis.send("DEBUG DIGEST-VALUE new")];
        assert_eq!(digests[0], digests[1], "type {}", body[0]);
    }
}

/// A stream of Redis 5: entries 1-1 and 2-0, last identifier 2-0, and groups at these identifiers.
fn stream_of_redis_5(groups: &[(u8, u8)]) -> Vec<u8> {
    let pack = b"\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81x\x02\x04\x01\
        \x02\x01\x01\x01\xdf\xff\x02\x81y\x02\x04\x01";
    let count = 5 + 5 + 5;
    let total = (pack.len() + 7) as u32;
    let pack = [&total.to_le_bytes()[..], &[count, 0], &pack[..], &[0xff]].concat();
    let mut body = vec![15, 1, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, pack.len() as u8];
    body.extend(pack);
    body.extend([2, 2, 0, groups.len() as u8]);
    for (number, (ms, seq)) in groups.iter().enumerate() {
        body.extend([1, b'a' + number as u8, *ms, *seq, 0, 0]);
    }
    payload::seal(&mut body, 0, 9);
    body
}

#[test]
fn streams_of_redis_5_get_the_counters_that_the_server_gives_them() {
    Redis::all().for_each(|mut redis| give_counters(&mut redis));
}

fn give_counters(redis: &mut Redis) {
    let positions = [(0, 0), (1, 0), (1, 1), (1, 5), (2, 0), (3, 0)];
    let old = stream_of_redis_5(&positions);
    redis.expect(&[b"RESTORE", &b"old"[..], b"0", &old]);
    let value = payload::decode(&old).expect("a sound stream");
    check_stream(redis, "old", &value);
    // What the server makes of it, it dumps as a later layout.
    assert_eq!(through(redis, "old", Bytes::Same), value);
}

#[test]
fn what_the_server_refuses_is_refused() {
    Redis::all().for_each(|mut redis| refusals(&mut redis));
}

fn refusals(redis: &mut Redis) {
    let bodies: &[&[u8]] = &[
        b"\x01\x00",
        b"\x02\x02\x01a\x01a",
        b"\x04\x02\x01a\x01b\x01a\x01c",
        b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
        b"\x03\x01\x01a\xfd",
        b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x05\0\x05\0",
        b"\x10\x0c\x0c\0\0\0\x02\0\x81a\x02\x05\x01\x00",
        b"\x00\x3fabc",
        b"\x12\x01\x03\x01a",
        b"\x12\x01\x01\x00",
        b"\x09\x0a\x01\xfe\x01\0\0\0a\x01\x00b\xff",
        b"\x1f\x01a",
    ];
    for body in bodies {
        let mut bad = body.to_vec();
        payload::seal(&mut bad, 0, 10);
        assert!(payload::decode(&bad).is_err(), "{}", body.escape_ascii());
        let reply = redis.call(&[b"RESTORE", &b"bad"[..], b"0", &bad]);
        assert_eq!(reply, b"-ERR Bad data format\r\n", "{}", body.escape_ascii());
    }
    let mut newer = b"\x00\x01a".to_vec();
    payload::seal(&mut newer, 0, redis.version + 1);
    let reply = redis.call(&[b"RESTORE", &b"bad"[..], b"0", &newer]);
    assert_eq!(reply, b"-ERR DUMP payload version or checksum are wrong\r\n", "{}", redis.version + 1);
}
