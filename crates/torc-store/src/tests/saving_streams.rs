//! Streams that are saved in pieces while anything happens to them.

use std::rc::Rc;

use super::saving::{Saved, take_written};
use super::witness::State;
use super::{Random, assert_empty, keyspace, occupied, steps};
use crate::{
    BigFrom, Bound, Entry, Keyspace, NodeLimits, Object, Pending, ProducerLimits, References, Stream, StreamId,
    StreamPart, Trim,
};

const LIMITS: NodeLimits = NodeLimits { entries_max: 4, bytes_max: 4096 };
const PRODUCERS: ProducerLimits = ProducerLimits { duration_seconds: 100, records_max: 3 };

/// Ids come again if the last one is set back, so that there are few.
fn some_id(stream: &Stream, random: &mut Random) -> StreamId {
    StreamId::new(random.below(stream.last_id().ms as usize + 3) as u64, random.below(2) as u64)
}

/// Makes a stream that may have groups and producers.
fn make(keyspace: &mut Keyspace, random: &mut Random, entries: usize) {
    let Entry::Vacant(vacant) = keyspace.entry(0, b"stream", 0) else { panic!("nothing is there yet") };
    let _ = vacant.insert_object(Object::Stream(Stream::default()), None);
    let (groups, producers) = (random.below(4), random.one_in(2));
    occupied(keyspace, b"stream").edit_stream(StreamPart::All, |stream| {
        (0..entries).for_each(|_| append(stream, random));
        for number in 0..groups {
            change_groups(stream, random, 0);
            (0..entries / (1 + number)).for_each(|_| change_groups(stream, random, 4));
        }
        (0..if producers { entries } else { 0 }).for_each(|_| change_producers(stream, random));
    });
}

fn append(stream: &mut Stream, random: &mut Random) {
    let id = match random.below(3) {
        0 => StreamId::new(stream.last_id().ms, stream.last_id().seq + 1 + random.below(2) as u64),
        _ => StreamId::new(stream.last_id().ms + 1, 0),
    };
    let text = vec![b'x'; random.below(20)];
    stream.append(id, [(&b"field"[..], &text[..]), (b"number", b"7")].into_iter(), LIMITS);
}

/// Trims, deletes, and sets the last id anywhere where it may be.
fn change_entries(stream: &mut Stream, random: &mut Random) {
    match random.below(12) {
        0 => {
            let bound = match random.one_in(2) {
                true => Bound::MaxLen(stream.len().saturating_sub(random.below(30)) as u64),
                false => Bound::MinId(some_id(stream, random)),
            };
            let references = [References::Keep, References::Delete, References::Acknowledged][random.below(3)];
            let approximate = random.one_in(2);
            let limit = if approximate && random.one_in(2) { 20 } else { 0 };
            stream.trim(Trim { bound, approximate, limit, references });
        }
        1..4 => _ = stream.delete(some_id(stream, random)),
        4 => {
            // The last ones, so that the last id can go back.
            (0..random.below(6)).for_each(|_| _ = stream.delete(stream.top_id()));
            let last = StreamId::new(stream.top_id().ms + random.below(2) as u64, stream.top_id().seq);
            stream.set_id(last, None, Some(StreamId::MIN));
        }
        5 => stream.set_id(StreamId::new(stream.last_id().ms + 1, 3), Some(stream.entries_added() + 9), None),
        _ => append(stream, random),
    }
}

fn change_groups(stream: &mut Stream, random: &mut Random, kind: usize) {
    let (name, id, len) = ([b'g', random.below(4) as u8], some_id(stream, random), stream.groups().len());
    let index = random.below(len.max(1));
    let consumers = if len == 0 { 0 } else { stream.groups().get(index).consumers().len() };
    let consumer_name = [random.below(5) as u8];
    let groups = stream.groups_mut();
    match kind {
        _ if len == 0 => _ = groups.create(&name, id, None),
        0 => _ = groups.create(&name, id, Some(7)),
        1 => stream.remove_group(index),
        2 => groups.set_position(index, id, Some(id.ms)),
        3 if consumers > 0 => {
            let number = groups.get(index).find_consumer(&consumer_name);
            number.into_iter().for_each(|number| _ = groups.remove_consumer(index, number));
        }
        4..8 => {
            let (consumer, _) = groups.consumer(index, &consumer_name, id.ms as i64);
            groups.consumer_mut(index, consumer).active_at = Some(id.seq as i64);
            groups.assign(index, id, Pending { consumer, delivered_at: id.ms as i64, deliveries: 1 + id.seq });
        }
        8 => _ = stream.forget_references(id),
        _ => _ = groups.acknowledge(index, id),
    }
}

fn change_producers(stream: &mut Stream, random: &mut Random) {
    let (name, identifier, id) = ([random.below(6) as u8], [random.below(9) as u8], some_id(stream, random));
    match random.below(15) {
        0 => {
            let limits = ProducerLimits { records_max: 1 + random.below(4) as u64, ..PRODUCERS };
            stream.set_producer_limits(limits);
        }
        1 => _ = stream.producers_mut(PRODUCERS).find(&name, &identifier, 0),
        // Some have expired, and are reclaimed.
        number => stream.producers_mut(PRODUCERS).add(&name, &identifier, id, if number == 2 { 102_000 } else { 0 }),
    }
}

fn change(keyspace: &mut Keyspace, random: &mut Random) {
    let kind = random.below(12);
    occupied(keyspace, b"stream").edit_stream(StreamPart::All, |stream| match random.below(5) {
        0 | 1 => change_entries(stream, random),
        2 | 3 => change_groups(stream, random, kind),
        _ if stream.producers().is_some() || random.one_in(20) => change_producers(stream, random),
        _ => {}
    });
}

#[test]
fn a_stream_is_saved_as_it_was_whatever_happens_to_it() {
    let (mut set_aside, mut most_slices) = (0, 0);
    for seed in 0..steps(60_000).min(400) as u64 {
        let (mut keyspace, mut random) = (keyspace(1), Random(seed));
        keyspace.set_big_from(BigFrom { len: 100, bytes: 8 });
        make(&mut keyspace, &mut random, seed as usize % 120);
        let sink = Saved::default();
        let (saved, name) = (Rc::clone(&sink.keys), (0, b"stream".to_vec()));
        let expected = State::of(keyspace.peek(0, b"stream", 0).expect("it is there"));
        // Values of even and odd numbers come in the two orders.
        if random.one_in(2) {
            super::set(&mut keyspace, b"string", b"text", None);
        }
        keyspace.begin_saving(Box::new(sink), 0);
        // It begins.
        occupied(&mut keyspace, b"stream").set_expire_at(Some(10_000));
        let before = keyspace.memory().large_bytes;
        let (pause, gives_up, ends) = (random.below(30), random.one_in(8), random.below(30));
        for number in 0..400 {
            (0..random.below(pause + 1)).for_each(|_| change(&mut keyspace, &mut random));
            match number {
                _ if number != ends => {}
                0..8 => _ = keyspace.remove(0, b"stream", 0),
                8..14 => keyspace.flush_all(true),
                _ => {}
            }
            if !keyspace.save_slice(1) || (gives_up && number == 20) {
                break;
            }
            take_written(&mut keyspace);
            most_slices = most_slices.max(number);
            if keyspace.peek(0, b"stream", 0).is_none() {
                while keyspace.save_slice(usize::MAX) {}
                break;
            }
            set_aside += usize::from(keyspace.memory().large_bytes > before);
        }
        if !gives_up {
            while keyspace.save_slice(usize::MAX) {}
            let saved = saved.take();
            assert!(saved.get(&name) == Some(&expected), "seed {seed}: {:#?}\n{expected:#?}", saved.get(&name));
        }
        keyspace.end_saving();
        if let Some(value) = keyspace.peek(0, b"stream", 0) {
            // Nothing that was kept is left.
            let bytes = value.as_stream().expect("it is one").external_bytes();
            while keyspace.background(0, 1_000).more {}
            assert_eq!(keyspace.memory().large_bytes, bytes + size_of::<Object>());
        }
        keyspace.flush_all(false);
        while keyspace.background(0, 1_000).more {}
        assert_empty(&keyspace);
    }
    assert!(cfg!(miri) || (set_aside > 500 && most_slices > 50), "{set_aside} {most_slices}");
}

#[test]
fn a_last_id_that_goes_back_leaves_no_deleted_entry_behind_it() {
    let mut stream = Stream::default();
    let pair = || [(&b"f"[..], &b"v"[..])].into_iter();
    let id = |seq| StreamId::new(1, seq);
    (1..=9).for_each(|seq| stream.append(id(seq), pair(), LIMITS));
    // Of the node of 5 to 8 one is left, of the tail none.
    (6..=9).for_each(|seq| assert!(stream.delete(id(seq))));
    stream.set_id(id(5), None, Some(StreamId::MIN));
    (6..=8).for_each(|seq| stream.append(id(seq), pair(), LIMITS));
    assert_eq!(stream.get(id(7)).map(|entry| entry.id()), Some(id(7)));
    let ids: Vec<_> = stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id().seq).collect();
    assert_eq!(ids, (1..=8).collect::<Vec<_>>());
}
