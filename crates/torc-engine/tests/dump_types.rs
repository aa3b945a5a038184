//! Values of every type through RESTORE, DUMP, and over to other cores: what goes in comes out, in the form it has.

mod common;

use std::sync::Arc;

use common::{Client, START_MS, TestCore, key_of_each_core};
use torc_rdb::{
    HashField, PendingEntry, StreamConsumer, StreamEntry, StreamGroup, StreamHead, StreamId, StreamValue, Value,
    payload,
};

fn dump(client: &Client, key: &str) -> Vec<u8> {
    let mut request = Vec::new();
    torc_resp::write_request(&mut request, &["DUMP", key]);
    let reply = client.raw(&request);
    torc_resp::reader::bulk(&reply).unwrap_or_else(|| panic!("{key}: {}", reply.escape_ascii())).to_vec()
}

fn restore(client: &Client, key: &str, value: &Value) {
    let payload = payload::encode(value, &torc_rdb::EncodeOptions::default());
    assert_eq!(client.call(&[b"RESTORE", key.as_bytes(), b"0", &payload, b"REPLACE"]), "+OK");
}

fn bytes(text: impl Into<String>) -> Vec<u8> {
    text.into().into_bytes()
}

fn field(name: &str, value: &str, expire_at: Option<i64>) -> HashField {
    HashField { name: bytes(name), value: bytes(value), expire_at }
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

/// The value with its parts in one order.
fn normal(mut value: Value) -> Value {
    match &mut value {
        Value::Set(members) => members.sort(),
        Value::SortedSet(members) => members.sort_by(|left, right| left.0.cmp(&right.0)),
        Value::Hash(fields) => fields.sort_by(|left, right| left.name.cmp(&right.name)),
        Value::String(_) | Value::List(_) | Value::Stream(_) => {}
    }
    value
}

fn stream() -> Value {
    let entry = |number: u64| StreamEntry {
        id: id(number, number % 3),
        fields: match number % 7 {
            0 => vec![(Arc::from(&b"other"[..]), bytes("12")), (Arc::from(&b"b"[..]), bytes(""))],
            _ => vec![(Arc::from(&b"a"[..]), bytes(number.to_string()))],
        },
    };
    let pending =
        |ms: u64, count| PendingEntry { id: id(ms, ms % 3), delivered_at: 1000 + ms as i64, delivery_count: count };
    let consumer = |name: &str, active_at, ids: &[u64]| StreamConsumer {
        name: bytes(name),
        seen_at: 77,
        active_at,
        pending: ids.iter().map(|ms| id(*ms, ms % 3)).collect(),
    };
    let group = StreamGroup {
        name: bytes("readers"),
        last_id: id(5, 2),
        entries_read: Some(5),
        // The first is of an entry that is gone.
        pending: vec![pending(1, 1), pending(4, 2), pending(5, 1)],
        consumers: vec![
            consumer("alice", Some(78), &[1, 5]),
            consumer("bob", Some(79), &[4]),
            consumer("idle", None, &[]),
        ],
    };
    let empty = StreamGroup {
        name: bytes("second"),
        last_id: StreamId::ZERO,
        entries_read: None,
        pending: vec![],
        consumers: vec![],
    };
    let head = StreamHead { last_id: id(400, 9), first_id: id(2, 2), max_deleted_id: id(350, 0), entries_added: 310 };
    Value::Stream(Box::new(StreamValue {
        entries: (2..300).map(entry).collect(),
        head,
        groups: vec![group, empty],
        producers: None,
    }))
}

/// A value, its type for TYPE, and the encoding it has when it is restored.
fn values() -> Vec<(Value, &'static str, &'static str)> {
    let many = |count: usize| (0..count).map(|number| bytes(format!("element{number}")));
    let scored = |count| many(count).enumerate().map(|(at, member)| (member, at as f64 * 0.25)).collect();
    let fields = |count: usize| {
        (0..count).map(|number| field(&format!("field{number}"), &number.to_string(), None)).collect::<Vec<_>>()
    };
    let later = START_MS + 5000;
    let mut expiring = fields(3);
    expiring[1].expire_at = Some(later);
    let mut many_expiring = fields(600);
    many_expiring.iter_mut().step_by(3).enumerate().for_each(|(at, field)| field.expire_at = Some(later + at as i64));
    vec![
        (Value::String(bytes("hello")), "string", "embstr"),
        (Value::List(vec![bytes("a"), bytes("-7"), bytes(""), bytes("a")]), "list", "listpack"),
        (Value::List(many(5000).collect()), "list", "quicklist"),
        (Value::List(vec![bytes("a"), vec![b'x'; 20_000], bytes("b")]), "list", "quicklist"),
        (Value::Set(vec![bytes("1"), bytes("-5"), bytes("70000")]), "set", "intset"),
        (Value::Set(vec![bytes("1"), bytes("x")]), "set", "listpack"),
        (Value::Set(many(1000).collect()), "set", "hashtable"),
        (
            Value::SortedSet(vec![(bytes("a"), -1.5), (bytes("b"), f64::INFINITY), (bytes("7"), 3.0)]),
            "zset",
            "listpack",
        ),
        (Value::SortedSet(scored(1000)), "zset", "skiplist"),
        (Value::Hash(fields(3)), "hash", "listpack"),
        (Value::Hash(fields(600)), "hash", "hashtable"),
        (Value::Hash(expiring), "hash", "listpackex"),
        (Value::Hash(many_expiring), "hash", "hashtable"),
        (stream(), "stream", "stream"),
        (Value::Stream(Box::default()), "stream", "stream"),
    ]
}

#[test]
fn what_is_restored_is_dumped() {
    let client = TestCore::new(1).client();
    for (value, kind, encoding) in values() {
        restore(&client, "key", &value);
        assert_eq!(client.send("TYPE key"), format!("+{kind}"));
        assert_eq!(client.send("OBJECT ENCODING key"), format!("\"{encoding}\""));
        let payload = dump(&client, "key");
        assert!(normal(payload::decode(&payload).expect("a sound payload")) == normal(value), "{kind} {encoding}");
    }
}

#[test]
fn values_travel_to_other_cores_with_form_and_expiry() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let keys = key_of_each_core(cores, "key");
        let (from, to) = (&keys[0], format!("{{{}}}", keys.last().expect("there is a core")));
        for (value, kind, encoding) in values() {
            restore(&client, from, &value);
            client.send(&format!("PEXPIRE {from} 9000"));
            for command in ["COPY {from} {to} REPLACE", "RENAME {from} {to}"] {
                client.send(&command.replace("{from}", from).replace("{to}", &to));
                assert_eq!(client.send(&format!("OBJECT ENCODING {to}")), format!("\"{encoding}\""));
                assert_eq!(client.send(&format!("PTTL {to}")), ":9000");
                let payload = dump(&client, &to);
                let decoded = payload::decode(&payload).expect("a sound payload");
                assert!(normal(decoded) == normal(value.clone()), "{kind} {encoding} {command}");
            }
            assert_eq!(client.send(&format!("EXISTS {from}")), ":0");
        }
    }
}

#[test]
fn forms_outlive_their_reason_in_a_copy() {
    let client = TestCore::new(3).client();
    let keys = key_of_each_core(3, "key");
    client.call(&["HSET", &keys[0], "a", &"l".repeat(100)]);
    client.call(&["HSET", &keys[0], "a", "b"]);
    client.send(&format!("COPY {} {}", keys[0], keys[1]));
    for key in &keys[..2] {
        assert_eq!(client.send(&format!("OBJECT ENCODING {key}")), "\"hashtable\"");
    }
    // Dumped as the table that it is; restored by its size, as in Redis.
    let payload = dump(&client, &keys[0]);
    assert_eq!(payload[0], 4);
    assert_eq!(client.call(&[b"RESTORE", keys[2].as_bytes(), b"0", &payload]), "+OK");
    assert_eq!(client.send(&format!("OBJECT ENCODING {}", keys[2])), "\"listpack\"");
}

#[test]
fn expired_fields_are_not_dumped() {
    let core = TestCore::new(1);
    let client = core.client();
    let fields =
        vec![field("a", "1", Some(START_MS + 100)), field("b", "2", Some(START_MS + 200)), field("c", "3", None)];
    restore(&client, "key", &Value::Hash(fields.clone()));
    restore(&client, "gone", &Value::Hash(fields[..2].to_vec()));
    core.advance_ms(150);
    assert_eq!(payload::decode(&dump(&client, "key")).map(normal), Ok(Value::Hash(fields[1..].to_vec())));
    core.advance_ms(100);
    assert_eq!(payload::decode(&dump(&client, "key")), Ok(Value::Hash(fields[2..].to_vec())));
    assert_eq!(client.send("DUMP gone"), "nil");
}

#[test]
fn values_with_expiring_fields_are_of_version_12() {
    let client = TestCore::new(1).client();
    client.check(&[("HSET a f v", ":1"), ("HSET b f v", ":1"), ("HPEXPIRE b 5000 FIELDS 1 f", "[:1]")]);
    for (key, kind, version) in [("a", 16, 11), ("b", 25, 12)] {
        let payload = dump(&client, key);
        assert_eq!((payload[0], payload[payload.len() - 10]), (kind, version), "{key}");
    }
}

#[test]
fn commands_see_what_was_restored() {
    let client = TestCore::new(1).client();
    for (value, ..) in values() {
        match value {
            Value::List(elements) if elements.len() < 10 && elements[1].len() < 100 => {
                restore(&client, "key", &Value::List(elements));
                assert_eq!(client.send("LRANGE key 0 -1"), r#"["a", "-7", "", "a"]"#);
            }
            Value::Hash(fields) if fields.len() == 3 && fields[1].expire_at.is_some() => {
                restore(&client, "key", &Value::Hash(fields));
                assert_eq!(client.send("HPTTL key FIELDS 2 field0 field1"), "[:-1, :5000]");
                assert_eq!(client.send("HGET key field2"), "\"2\"");
            }
            _ => {}
        }
    }
    restore(&client, "key", &stream());
    client.check(&[
        ("XLEN key", ":298"),
        ("XRANGE key 2 3", r#"[["2-2", ["a", "2"]], ["3-0", ["a", "3"]]]"#),
        ("XRANGE key 7 7", r#"[["7-1", ["other", "12", "b", ""]]]"#),
        ("XADD key 400-9 a b", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
    ]);
}

/// RESTORE sets them to anything that an unsigned number can say.
#[test]
fn counters_at_their_ends_stay_there() {
    let id = StreamId { ms: 1, seq: 1 };
    let pending = vec![PendingEntry { id, delivered_at: i64::MIN, delivery_count: u64::MAX }];
    let consumer = StreamConsumer { name: bytes("c"), seen_at: i64::MIN, active_at: Some(i64::MIN), pending: vec![id] };
    let group = StreamGroup {
        name: bytes("g"),
        last_id: StreamId::ZERO,
        entries_read: Some(u64::MAX),
        pending,
        consumers: vec![consumer],
    };
    let entries = vec![StreamEntry { id, fields: vec![(Arc::from(&b"a"[..]), bytes("b"))] }];
    let head = StreamHead { last_id: id, first_id: id, entries_added: u64::MAX, ..StreamHead::default() };
    let client = TestCore::new(1).client();
    restore(
        &client,
        "s",
        &Value::Stream(Box::new(StreamValue { entries, head, groups: vec![group], producers: None })),
    );
    client.check(&[
        ("XAUTOCLAIM s g d 1 0", "[\"0-0\", [[\"1-1\", [\"a\", \"b\"]]], []]"),
        ("XCLAIM s g e 0 1-1", "[[\"1-1\", [\"a\", \"b\"]]]"),
        ("XREADGROUP GROUP g e STREAMS s 0", "[[\"s\", [[\"1-1\", [\"a\", \"b\"]]]]]"),
        ("XPENDING s g - + 9", "[[\"1-1\", \"e\", :0, :-1]]"),
        ("XREADGROUP GROUP g e STREAMS s >", "[[\"s\", [[\"1-1\", [\"a\", \"b\"]]]]]"),
        ("XADD s 2-1 a b", "\"2-1\""),
        ("XLEN s", ":2"),
    ]);
    for request in ["XINFO STREAM s FULL", "XINFO GROUPS s", "XINFO CONSUMERS s g"] {
        assert!(client.send(request).starts_with('['), "{request}");
    }
}
