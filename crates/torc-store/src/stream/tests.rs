//! Streams against a model of std collections: entries, ranges, deletions, trims, groups and the accounting of memory.

use std::collections::BTreeMap;

use super::*;
use crate::tests::{Random, assert_empty, keyspace, seeds};
use crate::{Entry, Object, StreamPart};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const LIMITS: NodeLimits = NodeLimits { entries_max: 10, bytes_max: 4096 };

fn pairs(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

fn read(entry: &EntryRef<'_>) -> (StreamId, Fields) {
    let fields: Fields = entry.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(fields.len(), entry.len());
    (entry.id(), fields)
}

/// A stream, and what it must hold.
struct World {
    stream: Stream,
    model: BTreeMap<StreamId, Fields>,
    random: Random,
    max_deleted: StreamId,
    added: u64,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            stream: Stream::default(),
            model: BTreeMap::new(),
            random: Random(seed),
            max_deleted: StreamId::MIN,
            added: 0,
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let number = self.random.next();
        match self.random.below(12) {
            0 => Vec::new(),
            1 => number.to_string().into_bytes(),
            2 => (number as i64 >> self.random.below(64)).to_string().into_bytes(),
            3 => format!("{:05}", number % 1000).into_bytes(),
            4 => vec![number as u8; self.random.below(300)],
            5 if self.random.one_in(40) => vec![b'x'; 70_000],
            _ => format!("value-{}", number % 100).into_bytes(),
        }
    }

    fn fields(&mut self) -> Fields {
        let shape = self.random.below(5);
        let names: &[&str] = match shape {
            0 => &["temperature"],
            1 => &["17", "", "b"],
            _ => &["a", "b"],
        };
        names.iter().map(|name| (name.as_bytes().to_vec(), self.bytes())).collect()
    }

    fn append(&mut self) {
        let last = self.stream.last_id();
        let id = match self.random.below(20) {
            0 => StreamId::new(last.ms + self.random.below(1 << 40) as u64, u64::MAX / 2),
            1 => StreamId::new(last.ms, last.seq + 1 + self.random.below(1000) as u64),
            2 => StreamId::new(last.ms + 1 + self.random.below(5000) as u64, 7),
            _ => self.stream.next_id(last.ms + self.random.below(3) as u64).expect("far from the end"),
        };
        if id <= last {
            return;
        }
        let fields = self.fields();
        self.stream.append(id, pairs(&fields), LIMITS);
        self.model.insert(id, fields);
        self.added += 1;
    }

    /// An id that is there, or near one.
    fn some_id(&mut self) -> StreamId {
        let at = self.random.below(self.model.len().max(1));
        let id = self.model.keys().nth(at).copied().unwrap_or(StreamId::new(5, 5));
        match self.random.below(6) {
            0 => id.next().unwrap_or(id),
            1 => id.previous().unwrap_or(id),
            2 => [StreamId::MIN, StreamId::MAX][self.random.below(2)],
            _ => id,
        }
    }

    fn delete(&mut self) {
        let id = self.some_id();
        let there = self.model.remove(&id).is_some();
        assert_eq!(self.stream.delete(id), there, "{id:?}");
        if there {
            self.max_deleted = self.max_deleted.max(id);
        }
    }

    fn trim(&mut self) {
        let len = self.random.below(self.model.len() + 5) as u64;
        let bound = if self.random.one_in(2) { Bound::MaxLen(len) } else { Bound::MinId(self.some_id()) };
        let references = [References::Keep, References::Delete, References::Acknowledged][self.random.below(3)];
        let trim = Trim { bound, approximate: self.random.one_in(2), limit: 0, references };
        let before = self.model.len();
        let deleted = self.stream.trim(trim) as usize;
        // Without groups nothing is referenced; what goes are the oldest, no more than asked for.
        for _ in 0..deleted {
            self.model.pop_first();
        }
        assert_eq!((self.model.len(), before - deleted), (self.stream.len(), self.stream.len()));
        let (more_to_go, too_much) = match bound {
            Bound::MaxLen(len) => {
                (self.model.len() as u64 > len, before as u64 > len && (self.model.len() as u64) < len)
            }
            Bound::MinId(id) => (self.model.first_key_value().is_some_and(|(&first, _)| first < id), false),
        };
        assert!(trim.approximate || !more_to_go, "{trim:?} left something");
        assert!(!too_much, "{trim:?} took too much");
    }

    fn check(&mut self) {
        let (start, end) = (self.some_id(), self.some_id());
        let expected: Vec<(StreamId, Fields)> = if start <= end {
            self.model.range(start..=end).map(|(&id, fields)| (id, fields.clone())).collect()
        } else {
            Vec::new()
        };
        let forwards: Vec<_> = self.stream.range(start, end).map(|entry| read(&entry)).collect();
        let mut backwards: Vec<_> = self.stream.range_back(start, end).map(|entry| read(&entry)).collect();
        backwards.reverse();
        assert!(forwards == expected, "from {start:?} to {end:?}");
        assert!(backwards == expected, "back to {start:?} from {end:?}");
        let id = self.some_id();
        assert_eq!(self.stream.get(id).map(|entry| read(&entry).1), self.model.get(&id).cloned());
        let first = self.model.keys().next().copied().unwrap_or(StreamId::MIN);
        let top = self.model.keys().next_back().copied().unwrap_or(StreamId::MIN);
        assert_eq!((self.stream.first_id(), self.stream.top_id()), (first, top));
        assert_eq!((self.stream.max_deleted_id(), self.stream.entries_added()), (self.max_deleted, self.added));
        assert_eq!(self.stream.external_bytes(), counted(&self.stream));
    }
}

/// The memory of nodes and their tables, node by node.
fn counted(stream: &Stream) -> usize {
    let mut bytes = stream.tail.external_bytes() + stream.nodes.table_bytes();
    let mut place = stream.nodes.first();
    while let Some(node) = stream.nodes.get(place) {
        bytes += node.external_bytes();
        place = stream.nodes.after(place);
    }
    bytes
}

#[test]
fn entries_agree_with_a_model() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let deletes = 1 + world.random.below(6);
        for step in 0..1200 {
            match world.random.below(12) {
                0 if step > 100 && world.random.one_in(12) => world.trim(),
                at if at < deletes => world.delete(),
                _ => world.append(),
            }
            if step % 5 == 0 {
                world.check();
            }
        }
        while !world.stream.dismantle() {}
        assert_eq!((world.stream.external_bytes(), world.stream.len()), (0, 0), "seed {seed}");
    }
}

#[test]
fn nodes_end_where_the_limits_say() {
    let mut stream = Stream::default();
    for number in 1..=25 {
        stream.append(StreamId::new(number, 0), [(&b"f"[..], &b"v"[..])].into_iter(), LIMITS);
    }
    assert_eq!(stream.node_count(), 3);
    let big = vec![b'x'; 3000];
    for number in 26..=28 {
        stream.append(StreamId::new(number, 0), [(&b"f"[..], big.as_slice())].into_iter(), LIMITS);
    }
    assert_eq!(stream.node_count(), 5);
    let trim = |bound, limit| Trim { bound, approximate: true, limit, references: References::Keep };
    assert_eq!(stream.trim(trim(Bound::MaxLen(20), 0)), 0, "a whole node is more than is to go");
    assert_eq!(stream.trim(trim(Bound::MaxLen(18), 9)), 0, "and more than the limit");
    assert_eq!(stream.trim(trim(Bound::MaxLen(18), 10)), 10);
    assert_eq!(stream.trim(trim(Bound::MinId(StreamId::new(21, 0)), 0)), 10);
    assert_eq!((stream.first_id(), stream.len()), (StreamId::new(21, 0), 8));
}

#[test]
fn ids_far_apart_begin_a_node() {
    let mut stream = Stream::default();
    let unlimited = NodeLimits { entries_max: 0, bytes_max: 0 };
    let ids = [
        StreamId::new(0, 1),
        StreamId::new(0, u64::MAX),
        StreamId::new(1, 0),
        StreamId::new(u64::MAX - 1, u64::MAX),
        StreamId::new(u64::MAX, u64::MAX),
    ];
    for id in ids {
        stream.append(id, [(&b"f"[..], &b"-9223372036854775808"[..])].into_iter(), unlimited);
    }
    assert_eq!(stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id()).collect::<Vec<_>>(), ids);
    assert_eq!((stream.node_count(), stream.next_id(5)), (2, None));
}

/// What a group must hold: consumer and count by id.
type GroupModel = BTreeMap<StreamId, (Vec<u8>, u64)>;

#[test]
fn references_agree_with_a_model() {
    for seed in seeds(20) {
        let mut random = Random(seed);
        let (mut groups, mut models) = (Groups::default(), BTreeMap::<Vec<u8>, GroupModel>::new());
        for step in 0..2000_u64 {
            let name = format!("group-{}", random.below(4)).into_bytes();
            let consumer_name = format!("consumer-{}", random.below(5)).into_bytes();
            let id = StreamId::new(random.below(60) as u64, 0);
            let Some(group) = groups.find(&name) else {
                assert!(groups.create(&name, StreamId::MIN, None).is_some());
                models.insert(name, GroupModel::new());
                continue;
            };
            let model = models.get_mut(&name).expect("made with the group");
            match random.below(40) {
                0 => {
                    drop(groups.remove(group));
                    models.remove(&name);
                }
                1..3 => {
                    if let Some(number) = groups.get(group).find_consumer(&consumer_name) {
                        let before = model.len();
                        model.retain(|_, (owner, _)| *owner != consumer_name);
                        assert_eq!(groups.remove_consumer(group, number), before - model.len());
                    }
                }
                3..15 => assert_eq!(groups.acknowledge(group, id), model.remove(&id).is_some()),
                _ => {
                    let (consumer, _) = groups.consumer(group, &consumer_name, 5);
                    groups.assign(group, id, Pending { consumer, delivered_at: 9, deliveries: step });
                    model.insert(id, (consumer_name, step));
                }
            }
            check_groups(&groups, &models);
        }
        while !groups.dismantle(7) {}
        assert_eq!(groups.external_bytes(), 0);
    }
}

fn check_groups(groups: &Groups, models: &BTreeMap<Vec<u8>, GroupModel>) {
    assert_eq!(
        groups.iter().map(|group| group.name().to_vec()).collect::<Vec<_>>(),
        models.keys().cloned().collect::<Vec<_>>()
    );
    assert_eq!(groups.references(), models.values().map(BTreeMap::len).sum::<usize>());
    for (group, model) in groups.iter().zip(models.values()) {
        let all: GroupModel = group
            .pending_range(StreamId::MIN, StreamId::MAX)
            .map(|(id, pending)| (id, (group.consumer(pending.consumer).name().to_vec(), pending.deliveries)))
            .collect();
        assert_eq!(all, *model);
        for consumer in group.consumers() {
            let own: Vec<StreamId> = consumer.pending_range(StreamId::MIN, StreamId::MAX).collect();
            let expected: Vec<StreamId> =
                model.iter().filter(|(_, (owner, _))| owner == consumer.name()).map(|(&id, _)| id).collect();
            assert_eq!((own.len(), own), (consumer.pending_len(), expected));
        }
    }
}

#[test]
fn what_is_too_much_to_free_at_once_is_discarded() {
    let mut stream = Stream::default();
    for number in 1..=2000 {
        stream.append(StreamId::new(number, 0), [(&b"f"[..], &b"v"[..])].into_iter(), LIMITS);
    }
    let group = stream.groups_mut().create(b"g", StreamId::MIN, None).expect("it is the first");
    let (consumer, _) = stream.groups_mut().consumer(group, b"c", 0);
    for number in 1..=1000 {
        let pending = Pending { consumer, delivered_at: 0, deliveries: 1 };
        stream.groups_mut().assign(group, StreamId::new(number, 0), pending);
    }
    let before = stream.external_bytes();
    let trim = Trim { bound: Bound::MaxLen(10), approximate: false, limit: 0, references: References::Keep };
    assert_eq!(stream.trim(trim), 1990);
    stream.remove_group(group);
    assert!(stream.groups().is_empty() && stream.external_bytes() < before / 10);
    let mut discarded = stream.take_discarded().expect("there was much");
    assert_eq!(discarded.weight(), 1990 + 1000, "whole chunks of nodes");
    while !discarded.dismantle() {}
    assert_eq!((discarded.external_bytes(), discarded.weight()), (0, 0));
    assert!(stream.take_discarded().is_none());
    assert_eq!(
        stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id().ms).collect::<Vec<_>>(),
        (1991..=2000).collect::<Vec<_>>()
    );
}

#[test]
fn the_memory_of_a_key_is_followed_and_freed_in_slices() {
    let mut keyspace = keyspace(1);
    let Entry::Vacant(vacant) = keyspace.entry(0, b"s", 0) else { panic!("nothing is there yet") };
    let mut occupied = vacant.insert_object(Object::Stream(Stream::default()), None);
    for number in 1..=60_000 {
        occupied.edit_stream(StreamPart::All, |stream| {
            stream.append(StreamId::new(number, 0), [(&b"f"[..], &b"value"[..])].into_iter(), LIMITS);
        });
    }
    occupied.edit_stream(StreamPart::All, |stream| {
        let group = stream.groups_mut().create(b"g", StreamId::MIN, None).expect("it is the first");
        let (consumer, _) = stream.groups_mut().consumer(group, b"c", 0);
        for number in 1..=5000 {
            let pending = Pending { consumer, delivered_at: 0, deliveries: 1 };
            stream.groups_mut().assign(group, StreamId::new(number, 0), pending);
        }
    });
    let stream = occupied.value().as_stream().expect("it is one");
    let own = stream.external_bytes() + size_of::<Object>();
    assert_eq!(keyspace.memory().large_bytes, own);
    let trim = Trim { bound: Bound::MaxLen(30_000), approximate: false, limit: 0, references: References::Keep };
    let Entry::Occupied(mut occupied) = keyspace.entry(0, b"s", 0) else { panic!("it is there") };
    assert_eq!(occupied.edit_stream(StreamPart::All, |stream| stream.trim(trim)), 30_000);
    assert_eq!(keyspace.stats().lazyfree_pending_objects, 1);
    let Entry::Occupied(occupied) = keyspace.entry(0, b"s", 0) else { panic!("it is there") };
    occupied.remove();
    assert_eq!(keyspace.stats().lazyfree_pending_objects, 2);
    let mut steps = 0;
    while keyspace.background(0, 1).more {
        steps += 1;
    }
    assert!(steps > 20, "{steps} steps");
    assert_empty(&keyspace);
}

/// A trim as it is described, entry by entry: what stays, and which references do.
fn trim_plainly(
    entries: &mut Vec<(StreamId, usize)>,
    groups: &mut [(StreamId, std::collections::BTreeSet<StreamId>)],
    trim: Trim,
) -> u64 {
    let (mut deleted, mut at) = (0, 0);
    while at < entries.len() {
        // The node that the entry lies in, as far as it was not trimmed.
        let node = entries[at].1;
        let own: Vec<StreamId> =
            entries[at..].iter().take_while(|entry| entry.1 == node).map(|entry| entry.0).collect();
        let last = *own.last().expect("the entry itself");
        let whole = match trim.bound {
            Bound::MaxLen(len) => entries.len() as u64 - own.len() as u64 >= len,
            Bound::MinId(id) => last < id,
        };
        if trim.approximate && (!whole || (trim.limit > 0 && deleted + own.len() as u64 > trim.limit)) {
            break;
        }
        for id in own {
            let stop = match trim.bound {
                Bound::MaxLen(len) => entries.len() as u64 <= len,
                Bound::MinId(first) => id >= first,
            };
            if stop {
                return deleted;
            }
            let needed = groups.iter().any(|(last_id, pending)| *last_id < id || pending.contains(&id));
            if trim.references == References::Acknowledged && needed {
                at += 1;
                continue;
            }
            if trim.references == References::Delete {
                groups.iter_mut().for_each(|(_, pending)| _ = pending.remove(&id));
            }
            entries.remove(at);
            deleted += 1;
        }
    }
    deleted
}

#[test]
fn trims_over_chunks_agree_with_trims_entry_by_entry() {
    for seed in 0..120 {
        let mut random = Random(seed);
        let mut stream = Stream::default();
        let per_node = 1 + random.below(4) as u64;
        let limits = NodeLimits { entries_max: per_node, bytes_max: 0 };
        let count = 1 + random.below(1500) as u64;
        let mut entries: Vec<(StreamId, usize)> =
            (1..=count).map(|number| (StreamId::new(number, 0), ((number - 1) / per_node) as usize)).collect();
        for &(id, _) in &entries {
            stream.append(id, [(&b"f"[..], &b"v"[..])].into_iter(), limits);
        }
        let mut groups = vec![(StreamId::MIN, std::collections::BTreeSet::new()); random.below(3)];
        for (number, (last_id, pending)) in groups.iter_mut().enumerate() {
            *last_id = StreamId::new(random.below(count as usize + 2) as u64, 0);
            let name = number.to_string();
            let group = stream.groups_mut().create(name.as_bytes(), *last_id, None).expect("another name");
            let (consumer, _) = stream.groups_mut().consumer(group, b"c", 0);
            let sparse = 1 + random.below(400);
            for id in 1..=last_id.ms {
                if random.one_in(sparse) {
                    let reference = Pending { consumer, delivered_at: 0, deliveries: 1 };
                    stream.groups_mut().assign(group, StreamId::new(id, 0), reference);
                    pending.insert(StreamId::new(id, 0));
                }
            }
        }
        let deletions = if random.one_in(2) { 0 } else { random.below(30) };
        for _ in 0..deletions {
            let at = random.below(entries.len().max(1));
            if entries.len() > 1 {
                assert!(stream.delete(entries.remove(at).0));
            }
        }
        for round in 0..4 {
            let bound = match random.below(2) {
                0 => Bound::MaxLen(random.below(count as usize + 2) as u64),
                _ => Bound::MinId(StreamId::new(random.below(count as usize + 3) as u64, random.below(2) as u64)),
            };
            let references = [References::Keep, References::Delete, References::Acknowledged][random.below(3)];
            // The last entry of a node counts even if it is deleted, which the model does not know.
            let is_whole = deletions == 0 && round == 0;
            let approximate = (is_whole || matches!(bound, Bound::MaxLen(_))) && random.one_in(2);
            let limit = if approximate { random.below(1000) as u64 } else { 0 };
            let trim = Trim { bound, approximate, limit, references };
            let expected = trim_plainly(&mut entries, &mut groups, trim);
            assert_eq!(stream.trim(trim), expected, "seed {seed}: {trim:?}");
            check_trimmed(&stream, &entries, &groups);
            if let Some(mut discarded) = stream.take_discarded() {
                while !discarded.dismantle() {}
                assert_eq!((discarded.external_bytes(), discarded.weight()), (0, 0));
            }
        }
    }
}

fn check_trimmed(
    stream: &Stream,
    entries: &[(StreamId, usize)],
    groups: &[(StreamId, std::collections::BTreeSet<StreamId>)],
) {
    let ids: Vec<StreamId> = stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id()).collect();
    assert_eq!(ids, entries.iter().map(|entry| entry.0).collect::<Vec<_>>());
    let ends = (ids.first().copied().unwrap_or_default(), ids.last().copied().unwrap_or_default());
    assert_eq!((stream.first_id(), stream.top_id(), stream.len()), (ends.0, ends.1, ids.len()));
    for (group, (_, expected)) in stream.groups().iter().zip(groups) {
        let pending = group.pending_range(StreamId::MIN, StreamId::MAX).map(|(id, _)| id);
        assert!(pending.eq(expected.iter().copied()));
    }
    assert_eq!(stream.external_bytes() - stream.groups.external_bytes(), counted(stream));
}

#[test]
fn references_by_age_agree_with_all_of_them() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let mut stream = Stream::default();
        for number in 1..=600 {
            stream.append(StreamId::new(number, 0), [(&b"f"[..], &b"v"[..])].into_iter(), LIMITS);
        }
        stream.groups_mut().create(b"g", StreamId::MAX, None);
        let mut model: BTreeMap<StreamId, i64> = BTreeMap::new();
        for step in 0..4000 {
            let id = StreamId::new(1 + random.below(650) as u64, 0);
            // The group grows beyond what is asked one by one, and shrinks again.
            if random.below(100) < if step % 1000 < 600 { 80 } else { 15 } {
                let (consumer, _) = stream.groups_mut().consumer(0, b"c", 0);
                let delivered_at = random.below(50) as i64;
                stream.groups_mut().assign(0, id, Pending { consumer, delivered_at, deliveries: 1 });
                model.insert(id, delivered_at);
            } else {
                assert_eq!(stream.groups_mut().acknowledge(0, id), model.remove(&id).is_some());
            }
            if random.one_in(40) {
                stream.delete(id);
            }
            if step % 20 == 0 {
                let until = random.below(50) as i64;
                let mut expected: Vec<(i64, StreamId)> =
                    model.iter().map(|(&id, &at)| (at, id)).filter(|(_, id)| stream.get(*id).is_some()).collect();
                expected.sort_unstable();
                assert_eq!(stream.groups.ages(), stream.groups.iter().map(|group| group.by_age_len()).sum::<usize>());
                assert_eq!(stream.oldest_delivery(0), expected.first().map(|(at, _)| *at));
                expected.retain(|(at, _)| *at <= until);
                let overdue = stream.overdue(0, until).map(|(id, pending)| (pending.delivered_at, id));
                assert_eq!(overdue.collect::<Vec<_>>(), expected, "seed {seed}, step {step}");
            }
        }
        while !stream.dismantle() {}
        assert_eq!((stream.external_bytes(), stream.weight()), (0, 0));
    }
}

#[test]
fn producers_agree_with_a_model() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let limits =
            ProducerLimits { duration_seconds: 1 + random.below(3) as u64, records_max: 1 + random.below(6) as u64 };
        let mut producers = Producers::new(limits);
        // Producer, identifier and id, oldest first.
        let mut model: Vec<(Vec<u8>, Vec<u8>, StreamId)> = Vec::new();
        let (mut now, mut last, mut added, mut duplicates) = (1000, StreamId::MIN, 0, 0);
        for _ in 0..1500 {
            now += random.below(200) as i64;
            let name = format!("producer-{}", random.below(3)).into_bytes();
            let identifier = format!("{}", random.below(12)).into_bytes();
            let lives = |id: &StreamId| now <= id.ms as i64 + limits.duration_seconds as i64 * 1000;
            let known = model.iter().find(|(own, text, id)| *own == name && *text == identifier && lives(id));
            let known = known.map(|record| record.2);
            assert_eq!(producers.find(&name, &identifier, now), known, "seed {seed} at {now}");
            duplicates += u64::from(known.is_some());
            if known.is_none() {
                last = StreamId::new(last.ms.max(now as u64), last.seq + 1);
                producers.add(&name, &identifier, last, now);
                added += 1;
                model.retain(|(own, text, _)| *own != name || *text != identifier);
                model.push((name.clone(), identifier, last));
                while model.iter().filter(|record| record.0 == name).count() as u64 > limits.records_max {
                    let oldest = model.iter().position(|record| record.0 == name).expect("there are some");
                    model.remove(oldest);
                }
            }
            let mut living: Vec<_> = model.iter().filter(|record| lives(&record.2)).cloned().collect();
            living.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
            let found: Vec<_> = producers
                .iter(now)
                .flat_map(|(name, records)| {
                    let records = records.into_iter().map(move |(text, id)| (name.to_vec(), text.to_vec(), id));
                    records.collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(found, living);
            let names: std::collections::BTreeSet<_> = living.iter().map(|record| record.0.clone()).collect();
            assert_eq!(producers.tracked(now), (names.len(), living.len()));
            assert_eq!((producers.added(), producers.duplicates()), (added, duplicates));
        }
        while !producers.dismantle(7) {}
        assert_eq!((producers.external_bytes(), producers.len()), (0, 0));
    }
}

#[test]
fn other_limits_forget_what_producers_added_and_leave_it_to_the_background() {
    let mut stream = Stream::default();
    let limits = ProducerLimits { duration_seconds: 100, records_max: 10_000 };
    for number in 1..=2000_u64 {
        stream.producers_mut(limits).add(b"p", &number.to_le_bytes(), StreamId::new(number, 0), 5);
    }
    stream.set_producer_limits(limits);
    assert_eq!(stream.producers().expect("they are there").tracked(5), (1, 2000));
    stream.set_producer_limits(ProducerLimits { records_max: 7, ..limits });
    let producers = stream.producers().expect("they are there");
    assert_eq!((producers.tracked(5), producers.added()), ((0, 0), 2000));
    let mut discarded = stream.take_discarded().expect("there was much");
    assert_eq!(discarded.weight(), 2000);
    while !discarded.dismantle() {}
    assert_eq!((discarded.external_bytes(), discarded.weight()), (0, 0));
}
