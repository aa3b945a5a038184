//! The chain against a plain vector, and its parts against their encoding.

use proptest::prelude::*;

use super::*;
use crate::encoded::Encoded;
use crate::reader;
use crate::reply::{Protocol, Reply};

#[derive(Debug, Clone)]
enum Action {
    Extend(usize),
    Push,
    ExtendBy(usize),
    Share(usize),
    Append(Vec<usize>),
    AppendRange(usize, usize, usize),
    Truncate(usize),
    Replace(usize),
    Consume(usize),
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0..200usize, 10_000..40_000usize, 60_000..140_000usize]
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => lengths().prop_map(Action::Extend),
        1 => Just(Action::Push),
        1 => (0..3000usize).prop_map(Action::ExtendBy),
        2 => lengths().prop_map(Action::Share),
        1 => prop::collection::vec(lengths(), 0..4).prop_map(Action::Append),
        1 => (lengths(), 0..50_000usize, 0..100_000usize).prop_map(|(a, b, c)| Action::AppendRange(a, b, c)),
        1 => (0..100usize).prop_map(Action::Truncate),
        1 => (0..20usize).prop_map(Action::Replace),
        1 => (0..100usize).prop_map(Action::Consume),
    ]
}

fn text(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + seed) as u8).collect()
}

fn filled(lens: &[usize], seed: usize) -> (OutputBuffer, Vec<u8>) {
    let (mut buffer, mut model) = (OutputBuffer::new(), Vec::new());
    for (number, &len) in lens.iter().enumerate() {
        let bytes = text(len, seed + number);
        model.extend_from_slice(&bytes);
        if number % 2 == 0 {
            buffer.extend_from_slice(&bytes);
        } else {
            buffer.share(bytes.into());
        }
    }
    (buffer, model)
}

fn apply(action: &Action, seed: usize, buffer: &mut OutputBuffer, model: &mut Vec<u8>) {
    match action {
        Action::Extend(len) => {
            buffer.extend_from_slice(&text(*len, seed));
            model.extend_from_slice(&text(*len, seed));
        }
        Action::Push => {
            buffer.push(seed as u8);
            model.push(seed as u8);
        }
        Action::ExtendBy(len) => {
            buffer.extend_by(*len).copy_from_slice(&text(*len, seed));
            model.extend_from_slice(&text(*len, seed));
        }
        Action::Share(len) => {
            buffer.share(text(*len, seed).into());
            model.extend_from_slice(&text(*len, seed));
        }
        Action::Append(lens) => {
            let (mut other, bytes) = filled(lens, seed);
            buffer.append(&mut other);
            assert!(other.is_empty());
            model.extend_from_slice(&bytes);
        }
        Action::AppendRange(len, from, count) => {
            let (other, bytes) = filled(&[*len, 20_000, 100], seed);
            let range = (*from).min(bytes.len())..(*from + *count).min(bytes.len());
            buffer.append_range(&other, range.clone());
            model.extend_from_slice(&bytes[range]);
        }
        Action::Truncate(percent) => {
            let len = model.len() * percent / 100;
            buffer.truncate(len);
            model.truncate(len);
        }
        Action::Replace(len) => {
            let start = model.len();
            buffer.extend_from_slice(b"*12\r\n");
            model.extend_from_slice(b"*12\r\n");
            let rest = text(70_000 * (seed % 2), seed);
            buffer.extend_from_slice(&rest);
            model.extend_from_slice(&rest);
            buffer.replace(start..start + 5, &text(*len, seed));
            model.splice(start..start + 5, text(*len, seed));
        }
        Action::Consume(percent) => {
            let len = model.len() * percent / 100;
            buffer.consume(len);
            model.drain(..len);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]
    #[test]
    fn a_chain_holds_what_was_written(actions in prop::collection::vec(actions(), 1..25)) {
        let (mut buffer, mut model) = (OutputBuffer::new(), Vec::new());
        for (seed, action) in actions.iter().enumerate() {
            apply(action, seed, &mut buffer, &mut model);
            prop_assert_eq!(buffer.len(), model.len());
            prop_assert!(buffer.to_cow() == model, "after {:?}", action);
        }
        let middle = model.len() / 3..model.len() / 2;
        prop_assert!(buffer.range(middle.clone()) == &model[middle]);
        prop_assert!(buffer.memory_bytes() + buffer.shared_bytes() >= model.len());
    }
}

#[test]
fn long_strings_stay_where_they_lie() {
    let long = Bytes::from(text(1 << 20, 1));
    let mut buffer = OutputBuffer::new();
    let mut reply = Reply::new(&mut buffer, Protocol::Resp2);
    reply.array(100);
    (0..100).for_each(|_| reply.shared_bulk(long.clone()));
    assert_eq!(buffer.shared_bytes(), 100 << 20);
    assert!(buffer.memory_bytes() < 64 * 1024, "{}", buffer.memory_bytes());
    assert!(buffer.pieces().any(|piece| piece.as_ptr() == long.as_ptr()));
    buffer.consume(50 << 20);
    assert!(buffer.shared_bytes() < 51 << 20);
    buffer.consume(buffer.len());
    assert!(buffer.is_empty() && buffer.shared_bytes() == 0);
}

#[test]
fn a_long_reply_is_in_chunks_of_bounded_size_without_slack() {
    let mut buffer = OutputBuffer::new();
    let mut reply = Reply::new(&mut buffer, Protocol::Resp2);
    (0..1_000_000).for_each(|number| reply.integer(number));
    let len = buffer.len();
    assert!(buffer.pieces().all(|piece| piece.len() <= CHUNK_BYTES));
    assert!(buffer.memory_bytes() < len + len / 20 + 2 * CHUNK_BYTES, "{} for {len}", buffer.memory_bytes());
}

#[test]
fn beyond_the_limit_all_is_dropped_and_offsets_stay_valid() {
    for write in [
        |buffer: &mut OutputBuffer| buffer.extend_from_slice(&[b'x'; 999]),
        |buffer: &mut OutputBuffer| buffer.extend_from_slice(&[b'x'; 99_999]),
        |buffer: &mut OutputBuffer| buffer.share(vec![b'x'; 99_999].into()),
    ] {
        let mut buffer = OutputBuffer::new();
        buffer.set_limit(1 << 20);
        let (mut peak, mut before) = (0, 0);
        for _ in 0..3000 {
            write(&mut buffer);
            peak = peak.max(buffer.memory_bytes() + buffer.shared_bytes());
            assert!(buffer.len() > before, "lengths go on counting");
            before = buffer.len();
        }
        assert!(buffer.is_cut() && peak <= (1 << 20) + 2 * CHUNK_BYTES, "{peak}");
        assert!(buffer.pieces().map(<[u8]>::len).sum::<usize>() <= CHUNK_BYTES);
        buffer.truncate(before / 2);
        assert_eq!(buffer.len(), before / 2);
        let mut other = OutputBuffer::new();
        other.append(&mut buffer);
        assert!(other.is_cut(), "what is a part of something makes it incomplete");
        other.clear();
        assert!(!other.is_cut());
    }
}

#[test]
fn replies_are_kept_side_by_side_and_long_ones_leave() {
    let mut buffer = OutputBuffer::new();
    let mut kept = Vec::new();
    for (number, len) in [10, 200_000, 0, 30_000, 900].into_iter().enumerate() {
        let start = buffer.begin_reply();
        let bytes = text(len, number);
        bytes.chunks(100).for_each(|part| buffer.extend_from_slice(part));
        assert_eq!(buffer.len() - start, len);
        match buffer.end_reply(start) {
            Some(reply) => assert!(reply.to_cow() == bytes),
            None => kept.extend_from_slice(&bytes),
        }
        assert_eq!(buffer.complete(), kept);
    }
    assert_eq!(kept.len(), 10 + 30_000 + 900);
    buffer.drain_complete(10);
    assert_eq!(buffer.complete(), &kept[10..]);
}

#[test]
fn elements_of_a_chain_are_those_of_the_bytes() {
    let mut buffer = OutputBuffer::new();
    let mut reply = Reply::new(&mut buffer, Protocol::Resp3);
    reply.array(5);
    reply.bulk(&text(100_000, 1));
    reply.map(2);
    reply.bulk(b"a");
    reply.shared_bulk(text(50_000, 2).into());
    reply.integer(7);
    reply.set(0);
    reply.null();
    reply.bulk_of(&mut filled(&[10, 70_000, 10], 3).0);
    reply.integer(5);
    let bytes = buffer.to_cow().into_owned();
    let wanted: Vec<&[u8]> = reader::Elements::new(&bytes).expect("an array").collect();
    let found: Vec<Encoded<'_>> = Encoded::all(&buffer).elements().expect("an array").collect();
    assert_eq!(found.len(), 5);
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.to_cow() == wanted);
        let mut copy = OutputBuffer::new();
        found.write(&mut Reply::new(&mut copy, Protocol::Resp3));
        assert!(copy.to_cow() == wanted);
    }
    assert!(found[3].bulk().to_cow() == filled(&[10, 70_000, 10], 3).1);
    assert_eq!(found[1].elements().map(|elements| elements.count()), Some(4));
    assert!(found[2].elements().is_none() && found[0].elements().is_none());
}
