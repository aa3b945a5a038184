//! DUMP and RESTORE, and values that travel between cores, through engines of one core and of several.

mod common;

use common::{Client, START_MS, TestCore, key_of_each_core};
use torc_engine::config::{DebugAccess, MaxmemoryPolicy};
use torc_rdb::{EncodeOptions, Value, payload};
use torc_store::AccessClock;

const BUSY: &str = "-BUSYKEY Target key name already exists.";
const WRONG_SEAL: &str = "-ERR DUMP payload version or checksum are wrong";
const BAD_DATA: &str = "-ERR Bad data format";

fn dump(client: &Client, key: &str) -> Vec<u8> {
    let mut request = Vec::new();
    torc_resp::write_request(&mut request, &["DUMP", key]);
    let reply = client.raw(&request);
    torc_resp::reader::bulk(&reply).unwrap_or_else(|| panic!("{key}: {}", reply.escape_ascii())).to_vec()
}

fn restore(client: &Client, key: &str, ttl: &str, payload: &[u8], options: &[&str]) -> String {
    let mut arguments: Vec<&[u8]> = vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
    arguments.extend(options.iter().map(|option| option.as_bytes()));
    client.call(&arguments)
}

fn payload_of(value: &Value) -> Vec<u8> {
    payload::encode(value, &EncodeOptions::default())
}

/// A payload with this body and a seal that fits.
fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = body.to_vec();
    payload::seal(&mut payload, 0, version);
    payload
}

#[test]
fn a_string_is_dumped_as_redis_7_2_does() {
    let client = TestCore::new(1).client();
    client.check(&[("SET a hello", "+OK"), ("SET n 10", "+OK"), ("DUMP nokey", "nil")]);
    assert_eq!(dump(&client, "a")[..9], *b"\x00\x05hello\x0b\x00");
    assert_eq!(dump(&client, "n")[..5], *b"\x00\xc0\x0a\x0b\x00");
    client.check(&[
        ("DUMP", "-ERR wrong number of arguments for 'dump' command"),
        ("DUMP a b", "-ERR wrong number of arguments for 'dump' command"),
        ("RESTORE a 0", "-ERR wrong number of arguments for 'restore' command"),
    ]);
}

/// What is behind the seal is examined all the same.
#[test]
fn a_checksum_is_ignored_on_request() {
    for cores in [1, 3] {
        let client = TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes).client();
        let (mut sound, mut damaged) = (sealed(b"\x00\x01a", 11), sealed(b"\x00\x05a", 11));
        for payload in [&mut sound, &mut damaged] {
            *payload.last_mut().expect("a seal") ^= 1;
        }
        for (core, key) in key_of_each_core(cores, "key").iter().enumerate() {
            assert_eq!(restore(&client, key, "0", &sound, &[]), WRONG_SEAL, "{core}");
            assert_eq!(client.send("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"), "+OK");
            assert_eq!(restore(&client, key, "0", &damaged, &[]), BAD_DATA);
            assert_eq!(restore(&client, key, "0", &sound, &[]), "+OK");
            assert_eq!(client.send(&format!("GET {key}")), "\"a\"");
            assert_eq!(client.send("DEBUG SET-SKIP-CHECKSUM-VALIDATION 0"), "+OK");
            assert_eq!(restore(&client, key, "0", &sound, &["REPLACE"]), WRONG_SEAL);
        }
    }
}

#[test]
fn what_is_dumped_is_restored_on_any_core() {
    let texts = ["", "hello", "12345", "-9223372036854775808", "007", &"compressible ".repeat(100)];
    let keys = key_of_each_core(3, "key");
    for (from, to) in keys.iter().flat_map(|from| keys.iter().map(move |to| (from, to))) {
        let client = TestCore::new(3).client();
        for text in texts {
            client.call(&["SET", from, text]);
            let payload = dump(&client, from);
            assert_eq!(restore(&client, to, "0", &payload, &["REPLACE"]), "+OK");
            assert_eq!(client.call(&["GET", to]), format!("\"{text}\""));
            assert_eq!(client.call(&["TTL", to]), ":-1");
            assert_eq!(payload::decode(&payload), Ok(Value::String(text.as_bytes().to_vec())));
        }
    }
}

#[test]
fn encodings_follow_from_the_content() {
    let client = TestCore::new(1).client();
    for (text, encoding) in [("12345", "int"), ("hello", "embstr"), (&"x".repeat(45), "raw")] {
        let payload = payload_of(&Value::String(text.as_bytes().to_vec()));
        assert_eq!(restore(&client, "a", "0", &payload, &["REPLACE"]), "+OK");
        assert_eq!(client.send("OBJECT ENCODING a"), format!("\"{encoding}\""));
    }
}

#[test]
fn an_existing_key_stays_unless_it_is_to_be_replaced() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[("SET a old", "+OK"), ("SET b new", "+OK")]);
        let payload = dump(&client, "b");
        assert_eq!(restore(&client, "a", "0", &payload, &[]), BUSY);
        // In the order in which Redis looks: the key, the time, the payload.
        assert_eq!(restore(&client, "a", "x", b"", &[]), BUSY);
        assert_eq!(restore(&client, "c", "-1", b"", &[]), "-ERR Invalid TTL value, must be >= 0");
        assert_eq!(client.send("GET a"), "\"old\"");
        assert_eq!(restore(&client, "a", "0", &payload, &["replace"]), "+OK");
        assert_eq!(client.send("GET a"), "\"new\"");
    }
}

#[test]
fn times_are_relative_or_absolute() {
    let core = TestCore::new(1);
    let client = core.client();
    let payload = payload_of(&Value::String(b"x".to_vec()));
    assert_eq!(restore(&client, "a", "5000", &payload, &[]), "+OK");
    assert_eq!(client.send("PTTL a"), ":5000");
    let absolute = (START_MS + 7000).to_string();
    assert_eq!(restore(&client, "b", &absolute, &payload, &["ABSTTL"]), "+OK");
    assert_eq!(client.send("PTTL b"), ":7000");
    // A time that has passed: nothing is made, and what was there is gone.
    client.send("SET c old");
    assert_eq!(restore(&client, "c", "1", &payload, &["ABSTTL", "REPLACE"]), "+OK");
    assert_eq!(client.send("EXISTS c"), ":0");
    core.advance_ms(6000);
    client.check(&[("EXISTS a", ":0"), ("EXISTS b", ":1")]);
    for (ttl, error) in [
        ("-1", "-ERR Invalid TTL value, must be >= 0"),
        ("9223372036854775807", "-ERR Invalid TTL value, must be >= 0"),
        ("x", "-ERR value is not an integer or out of range"),
        ("1.5", "-ERR value is not an integer or out of range"),
        ("9223372036854775808", "-ERR value is not an integer or out of range"),
    ] {
        assert_eq!(restore(&client, "d", ttl, &payload, &[]), error, "{ttl}");
    }
    assert_eq!(client.send("EXISTS d"), ":0");
}

#[test]
fn options_are_checked() {
    let client = TestCore::new(1).client();
    let payload = payload_of(&Value::String(b"x".to_vec()));
    let idle = "-ERR Invalid IDLETIME value, must be >= 0";
    let frequency = "-ERR Invalid FREQ value, must be >= 0 and <= 255";
    let (syntax, number) = ("-ERR syntax error", "-ERR value is not an integer or out of range");
    for (options, error) in [
        (&["IDLETIME", "-1"][..], idle),
        (&["FREQ", "-1"], frequency),
        (&["FREQ", "256"], frequency),
        (&["IDLETIME", "x"], number),
        (&["FREQ", "x"], number),
        (&["IDLETIME"], syntax),
        (&["FREQ"], syntax),
        (&["IDLETIME", "1", "FREQ", "1"], syntax),
        (&["FREQ", "1", "IDLETIME", "1"], syntax),
        (&["KEEPTTL"], syntax),
    ] {
        assert_eq!(restore(&client, "a", "0", &payload, options), error, "{options:?}");
        assert_eq!(client.send("EXISTS a"), ":0");
    }
    assert_eq!(restore(&client, "a", "0", &payload, &["IDLETIME", "1000"]), "+OK");
    assert_eq!(client.send("OBJECT IDLETIME a"), ":1000");
    assert_eq!(restore(&client, "a", "0", &payload, &["IDLETIME", "9223372036854775807", "REPLACE"]), "+OK");
    assert_eq!(restore(&client, "a", "0", &payload, &["FREQ", "9", "REPLACE"]), "+OK", "no LFU policy: ignored");
}

#[test]
fn a_frequency_is_kept_under_an_lfu_policy() {
    let core = TestCore::with_config(1, |config| config.eviction.policy = MaxmemoryPolicy::AllkeysLfu);
    core.engine(0, |engine| {
        engine.inspect_mut().keyspace_mut().set_access_clock(AccessClock::Lfu { log_factor: 10, decay_minutes: 1 })
    });
    let client = core.client();
    let payload = payload_of(&Value::String(b"x".to_vec()));
    assert_eq!(restore(&client, "a", "0", &payload, &["FREQ", "100"]), "+OK");
    assert_eq!(client.send("OBJECT FREQ a"), ":100");
}

#[test]
fn damaged_payloads_change_nothing() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.send("SET a old");
        let good = payload_of(&Value::Set(vec![b"x".to_vec(), b"y".to_vec()]));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(restore(&client, "a", "0", &bad, &["REPLACE"]), WRONG_SEAL, "{at}");
            assert_eq!(restore(&client, "a", "0", &good[..at], &["REPLACE"]), WRONG_SEAL, "{at}");
        }
        for body in [
            &b""[..],
            b"\x00",
            b"\x00\x05hell",
            b"\x00\x01ab",
            b"\x01\x00",
            b"\x02\x02\x01a\x01a",
            b"\x04\x02\x01a\x01b\x01a\x01c",
            b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
            b"\x07\x81\0\0\0\0\0\0\0\0\0",
            b"\x63\x01a",
        ] {
            let bad = sealed(body, 11);
            assert_eq!(restore(&client, "a", "0", &bad, &["REPLACE"]), BAD_DATA, "{}", body.escape_ascii());
        }
        assert_eq!(restore(&client, "a", "0", &sealed(b"\x00\x01a", 79), &["REPLACE"]), WRONG_SEAL);
        assert_eq!(client.send("GET a"), "\"old\"");
    }
}

#[test]
fn sets_keep_their_form_through_dump_and_restore() {
    let client = TestCore::new(1).client();
    let large: Vec<String> = (0..200).map(|number| format!("member{number}")).collect();
    client.check(&[("SADD integers 3 1 2", ":3"), ("SADD pack a b 7", ":3"), ("SADD shrunk a b 7", ":3")]);
    client.call(&[&["SADD".to_owned(), "table".to_owned()], &large[..]].concat());
    client.call(&["SADD", "shrunk", &"l".repeat(100)]);
    client.call(&["SREM", "shrunk", &"l".repeat(100)]);
    // A set of integers only that Redis calls a listpack stays one.
    client.check(&[("SADD digits 1 x", ":2"), ("SREM digits x", ":1")]);
    for (key, kind, encoding, restored) in [
        ("integers", 11, "intset", "intset"),
        ("pack", 20, "listpack", "listpack"),
        ("digits", 20, "listpack", "listpack"),
        ("table", 2, "hashtable", "hashtable"),
        ("shrunk", 2, "hashtable", "listpack"),
    ] {
        assert_eq!(client.send(&format!("OBJECT ENCODING {key}")), format!("\"{encoding}\""), "{key}");
        let payload = dump(&client, key);
        assert_eq!(payload[0], kind, "{key}");
        assert_eq!(restore(&client, "copy", "0", &payload, &["REPLACE"]), "+OK");
        assert_eq!(client.send("OBJECT ENCODING copy"), format!("\"{restored}\""), "{key}");
        let count = client.send(&format!("SCARD {key}"));
        assert_eq!(client.send("SCARD copy"), count);
        assert_eq!(client.send(&format!("SINTERCARD 2 copy {key}")), count);
    }
}

#[test]
fn forms_of_restored_values_follow_the_configuration() {
    let client = TestCore::new(1).client();
    client.check(&[("SADD integers 3 1 2", ":3"), ("SADD pack a b 7", ":3")]);
    let (integers, pack) = (dump(&client, "integers"), dump(&client, "pack"));
    client.check(&[("CONFIG SET set-max-intset-entries 2", "+OK"), ("CONFIG SET set-max-listpack-entries 2", "+OK")]);
    for payload in [integers, pack] {
        assert_eq!(restore(&client, "copy", "0", &payload, &["REPLACE"]), "+OK");
        assert_eq!(client.send("OBJECT ENCODING copy"), "\"hashtable\"");
        assert_eq!(client.send("SCARD copy"), ":3");
    }
    // What is copied stays what it is.
    client.send("COPY pack copy REPLACE");
    assert_eq!(client.send("OBJECT ENCODING copy"), "\"listpack\"");
}

#[test]
fn sets_travel_between_cores_with_form_and_expiry() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(cores, "key");
        let (from, to) = (&keys[0], keys.last().expect("there is a core"));
        let to = &format!("{{{to}}}");
        for (fill, encoding) in [("3 1 2", "intset"), ("a b 7", "listpack")] {
            client.send(&format!("SADD {from} {fill}"));
            client.send(&format!("PEXPIRE {from} 5000"));
            assert_eq!(client.send(&format!("COPY {from} {to} REPLACE")), ":1");
            assert_eq!(client.send(&format!("OBJECT ENCODING {to}")), format!("\"{encoding}\""));
            assert_eq!(client.send(&format!("SINTERCARD 2 {from} {to}")), ":3");
            assert_eq!(client.send(&format!("PTTL {to}")), ":5000");
            assert_eq!(client.send(&format!("RENAME {from} {to}")), "+OK");
            assert_eq!(client.send(&format!("EXISTS {from}")), ":0");
            assert_eq!(client.send(&format!("SCARD {to}")), ":3");
        }
    }
}
