//! Layouts that no server at hand writes, byte by byte; and claims that must not be believed.

use torc_rdb::{
    DecodeError, EncodeOptions, HashField, Input, StreamGroup, StreamId, StreamProducer, StreamProducers, StreamValue,
    Thresholds, Value, decode_value, payload, types,
};

fn decode(kind: u8, version: u16, body: &[u8]) -> Result<Value, DecodeError> {
    let mut input = Input::new(body);
    let value = decode_value(&mut input, kind, version)?;
    assert!(input.rest().is_empty(), "{}", input.rest().escape_ascii());
    Ok(value)
}

fn hash(fields: &[(&str, &str, Option<i64>)]) -> Value {
    let field = |(name, value, expire_at): &(&str, &str, _)| HashField {
        name: name.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
        expire_at: *expire_at,
    };
    Value::Hash(fields.iter().map(field).collect())
}

/// A string with its length before it.
fn string(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 64);
    [&[bytes.len() as u8][..], bytes].concat()
}

/// `a` = `1` that stays, `b` = `x` that expires at 1,000 ms.
const LISTPACK_EX: &[u8] = b"\x17\0\0\0\x06\0\x81a\x02\x01\x01\0\x01\x81b\x02\x81x\x02\xc3\xe8\x02\xff";

#[test]
fn expiring_fields_of_redis_7_4() {
    let expected = hash(&[("a", "1", None), ("b", "x", Some(1000)), ("c", "y", Some(1299))]);
    let body = b"\xe8\x03\0\0\0\0\0\0\x03\x00\x01a\xc0\x01\x01\x01b\x01x\x41\x2c\x01c\x01y";
    assert_eq!(decode(types::HASH_METADATA, 12, body), Ok(expected));
    let body = [&1000_i64.to_le_bytes()[..], &string(LISTPACK_EX)].concat();
    assert_eq!(decode(types::HASH_LISTPACK_EX, 12, &body), Ok(hash(&[("a", "1", None), ("b", "x", Some(1000))])));
}

#[test]
fn expiring_fields_of_its_release_candidates() {
    let expected = hash(&[("a", "1", None), ("b", "x", Some(1000))]);
    let body = b"\x02\x00\x01a\xc0\x01\x43\xe8\x01b\x01x";
    assert_eq!(decode(types::HASH_22, 12, body), Ok(expected.clone()));
    assert_eq!(decode(types::HASH_LISTPACK_EX_PRE_GA, 12, &string(LISTPACK_EX)), Ok(expected));
}

#[test]
fn expiring_fields_of_valkey_9() {
    let body = [&b"\x02\x01a\xc0\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01b\x01x"[..], &1000_i64.to_le_bytes()].concat();
    assert_eq!(decode(types::HASH_22, 80, &body), Ok(hash(&[("a", "1", None), ("b", "x", Some(1000))])));
    let never = [&b"\x01\x01b\x01x"[..], &i64::MAX.to_le_bytes()].concat();
    assert_eq!(decode(types::HASH_22, 80, &never), Ok(hash(&[("b", "x", Some(0xffff_ffff_fffe))])));
    let negative = [&b"\x01\x01b\x01x"[..], &(-2_i64).to_le_bytes()].concat();
    assert_eq!(decode(types::HASH_22, 80, &negative), Err(DecodeError::Malformed("field expiry")));
}

#[test]
fn streams_of_redis_8() {
    let group = |name: &[u8]| StreamGroup {
        name: name.to_vec(),
        last_id: StreamId { ms: 1, seq: 0 },
        entries_read: Some(1),
        pending: vec![],
        consumers: vec![],
    };
    let stream = StreamValue { groups: vec![group(b"g")], ..StreamValue::default() };
    let value = Value::Stream(Box::new(stream));
    let payload = payload::encode(&value, &EncodeOptions::default());
    let third = &payload[1..payload.len() - 10];
    assert_eq!(payload[0], types::STREAM_LISTPACKS_3);
    // 100 seconds, 50 entries; one producer with two identifiers; three added, one of them twice.
    let producers = b"\x40\x64\x32\x01\x01p\x02\x02id\x05\x00\xc0\x07\x06\x01\x03\x01";
    let fourth = [third, producers].concat();
    let id = |ms, seq| StreamId { ms, seq };
    let producer = StreamProducer {
        name: b"p".to_vec(),
        identifiers: vec![(b"id".to_vec(), id(5, 0)), (b"7".to_vec(), id(6, 1))],
    };
    let known = StreamProducers {
        duration_seconds: 100,
        identifiers_max: 50,
        producers: vec![producer],
        added: 3,
        duplicates: 1,
    };
    let Value::Stream(mut stream) = value else { unreachable!("made above") };
    stream.producers = Some(known);
    let value = Value::Stream(stream);
    assert_eq!(decode(types::STREAM_LISTPACKS_4, 13, &fourth), Ok(value.clone()));
    let written = payload::encode(&value, &EncodeOptions::default());
    assert_eq!(written[0], types::STREAM_LISTPACKS_4);
    assert_eq!((&written[1..written.len() - 10], &written[written.len() - 10..][..2]), (&fourth[..], &[13, 0][..]));
    let twice = [third, b"\x01\x01\x01\x01p\x02\x01a\x05\x00\x01a\x06\x00\x00\x00"].concat();
    assert!(matches!(decode(types::STREAM_LISTPACKS_4, 13, &twice), Err(DecodeError::Duplicate(_))));
    for cut in third.len()..fourth.len() {
        assert_eq!(decode(types::STREAM_LISTPACKS_4, 13, &fourth[..cut]), Err(DecodeError::Truncated), "{cut}");
    }
    let fifth = |given_back: &[u8]| [third, given_back, producers].concat();
    assert_eq!(decode(types::STREAM_LISTPACKS_5, 14, &fifth(&[0])), Ok(value));
    let one = [&[1][..], &[0; 16]].concat();
    let error = decode(types::STREAM_LISTPACKS_5, 14, &fifth(&one)).expect_err("one was given back");
    assert_eq!(error.to_string(), "entries of a stream that were given back are not supported");
}

#[test]
fn types_that_a_version_does_not_have_are_refused_by_name() {
    let unsupported =
        [(6, 11), (7, 11), (8, 11), (22, 11), (23, 11), (23, 80), (24, 80), (25, 80), (26, 80), (28, 14), (255, 12)];
    for (kind, version) in unsupported {
        let error = decode(kind, version, &[0; 100]).expect_err("nobody knows it");
        assert_eq!(error, DecodeError::UnsupportedType { kind, version });
        let text = error.to_string();
        assert!(text.contains(&format!("type {kind}")) && text.contains(&format!("version {version}")), "{text}");
    }
}

#[test]
fn times_beyond_what_redis_knows_are_refused() {
    let expiry = Err(DecodeError::Malformed("field expiry"));
    let late = [&[1, 0x81][..], &0xffff_ffff_ffff_u64.to_be_bytes(), b"\x01a\x01b"].concat();
    assert_eq!(decode(types::HASH_22, 12, &late), expiry);
    let sum = [&i64::MAX.to_le_bytes()[..], &[1, 0x81], &u64::MAX.to_be_bytes(), b"\x01a\x01b"].concat();
    assert_eq!(decode(types::HASH_METADATA, 12, &sum), expiry);
    let negative = [&(-5_i64).to_le_bytes()[..], b"\x01\x01\x01a\x01b"].concat();
    assert_eq!(decode(types::HASH_METADATA, 12, &negative), expiry);
}

#[test]
fn lengths_are_not_believed() {
    let huge = [&[0x81][..], &(u64::MAX / 2).to_be_bytes()].concat();
    for (kind, version) in (0..=types::STREAM_LISTPACKS_5).flat_map(|kind| [11, 12, 80].map(|version| (kind, version)))
    {
        let is_late = matches!(kind, types::HASH_METADATA | types::HASH_LISTPACK_EX);
        let before = if is_late { &[0; 8][..] } else { &[] };
        assert!(decode(kind, version, &[before, &huge].concat()).is_err(), "type {kind}");
    }
    // A compressed string that would need more than LZF can give, and one with a length beyond memory.
    for len in [1000_u64, 1 << 40, u64::MAX] {
        let body = [&[0xc3, 3, 0x81][..], &len.to_be_bytes(), &[0, b'a', 0]].concat();
        assert_eq!(decode(types::STRING, 11, &body), Err(DecodeError::Malformed("compressed string")));
    }
}

#[test]
fn a_stream_without_nodes_has_no_entries() {
    assert!(decode(types::STREAM_LISTPACKS, 9, &[0, 0, 0, 0, 0]).is_ok());
    assert_eq!(decode(types::STREAM_LISTPACKS, 9, &[0, 1, 0, 0, 0]), Err(DecodeError::Malformed("stream")));
}

#[test]
fn layouts_change_at_the_thresholds() {
    let thresholds = Thresholds {
        hash_max_listpack_entries: 2,
        hash_max_listpack_value: 3,
        set_max_intset_entries: 2,
        set_max_listpack_entries: 3,
        set_max_listpack_value: 4,
        zset_max_listpack_entries: 2,
        zset_max_listpack_value: 3,
        ..Thresholds::default()
    };
    let kind =
        |value: &Value, version| payload::encode(value, &EncodeOptions { version, thresholds, compress: true })[0];
    let set = |members: &[&str]| Value::Set(members.iter().map(|member| member.as_bytes().to_vec()).collect());
    let scored =
        |members: &[&str]| Value::SortedSet(members.iter().map(|member| (member.as_bytes().to_vec(), 1.0)).collect());
    for (value, version_11, version_10) in [
        (set(&["1", "2"]), types::SET_INTSET, types::SET_INTSET),
        (set(&["1", "2", "3"]), types::SET_LISTPACK, types::SET),
        (set(&["a", "2"]), types::SET_LISTPACK, types::SET),
        (set(&["a", "2", "abcd"]), types::SET_LISTPACK, types::SET),
        (set(&["a", "2", "abcde"]), types::SET, types::SET),
        (set(&["a", "2", "3", "4"]), types::SET, types::SET),
        (scored(&["a", "abc"]), types::ZSET_LISTPACK, types::ZSET_LISTPACK),
        (scored(&["a", "abcd"]), types::ZSET_2, types::ZSET_2),
        (scored(&["a", "b", "c"]), types::ZSET_2, types::ZSET_2),
        (hash(&[("a", "abc", None), ("b", "1", None)]), types::HASH_LISTPACK, types::HASH_LISTPACK),
        (hash(&[("a", "abcd", None)]), types::HASH, types::HASH),
        (hash(&[("abcd", "a", None)]), types::HASH, types::HASH),
        (hash(&[("a", "1", None), ("b", "1", None), ("c", "1", None)]), types::HASH, types::HASH),
        (hash(&[("a", "abc", Some(5))]), types::HASH_LISTPACK_EX, types::HASH_LISTPACK_EX),
        (hash(&[("a", "abcd", Some(5))]), types::HASH_METADATA, types::HASH_METADATA),
        (Value::Stream(Box::default()), types::STREAM_LISTPACKS_3, types::STREAM_LISTPACKS_2),
    ] {
        assert_eq!(kind(&value, 11), version_11, "{value:?}");
        assert_eq!(kind(&value, 10), version_10, "{value:?}");
    }
}
