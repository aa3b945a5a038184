//! The seam of all changes: random commands on values of all kinds, while a witness checks that everything is announced before and
//! told afterwards; and what is recorded of them.

use std::collections::{BTreeMap, BTreeSet};

use super::witness::{Name, State, Witness};
use super::{Random, keyspace, occupied, seeds, set, steps};
use crate::hash::{self, HashMut, HashRef, Ttl};
use crate::list::{End, ListLimits, ListMut, build_list, create_list};
use crate::set::SetRef;
use crate::sorted_set::{self, PackLimits, SortedSetRef};
use crate::{
    BigFrom, Bound, Change, Entry, Keyspace, Kind, NodeLimits, Object, Occupied, Pending, RecordedChange, Recording,
    References, Stream, StreamId, StreamPart, StringForm, Trim, UnixMillis, ValueRef,
};

const HASH_LIMITS: hash::Limits = hash::Limits { pack_len_max: 4, pack_text_len_max: 20 };
const SET_LIMITS: crate::set::Limits = crate::set::Limits { integers_max: 4, pack_len_max: 6, pack_member_len_max: 20 };
const SORTED_LIMITS: PackLimits = PackLimits { entries: 4, value_bytes: 20 };
const NODE_LIMITS: NodeLimits = NodeLimits { entries_max: 3, bytes_max: 4096 };
const DATABASES: u16 = 3;
const KEYS: usize = 4;
const KINDS: [Kind; 6] = [Kind::String, Kind::List, Kind::Set, Kind::SortedSet, Kind::Hash, Kind::Stream];

pub(super) struct World {
    pub(super) keyspace: Keyspace,
    pub(super) random: Random,
    pub(super) now: UnixMillis,
    /// Names of keys, in each database.
    keys: usize,
    /// Events that came, by their names.
    events: BTreeSet<String>,
}

fn list_limits() -> ListLimits {
    ListLimits::of(3)
}

/// All keys that are there, expired or not.
pub(super) fn states(keyspace: &Keyspace) -> BTreeMap<Name, State> {
    let mut states = BTreeMap::new();
    for db in 0..keyspace.databases() {
        let mut visit = |value: ValueRef<'_>| _ = states.insert((db, value.key().to_vec()), State::of(value));
        keyspace.for_each(db, UnixMillis::MIN, &mut visit);
    }
    states
}

fn end_from(random: &mut Random) -> End {
    if random.one_in(2) { End::Front } else { End::Back }
}

impl World {
    pub(super) fn new(seed: u64, keys: usize) -> World {
        let mut keyspace = keyspace(DATABASES);
        keyspace.set_big_from(BigFrom { len: 12, bytes: 2000 });
        keyspace.changes.listen(Witness::default());
        keyspace.record_changes(Recording::All);
        World { keyspace, random: Random(seed), now: 1_000, keys, events: BTreeSet::new() }
    }

    fn name(&mut self) -> (u16, Vec<u8>) {
        let number = self.random.below(self.keys);
        (self.random.below(DATABASES.into()) as u16, format!("key:{number}").into_bytes())
    }

    /// A text out of few: a number, or short, or long.
    fn text(&mut self) -> Vec<u8> {
        let number = self.random.below(40);
        match self.random.below(12) {
            0..4 => number.to_string().into_bytes(),
            11 => format!("{number:0100}").into_bytes(),
            _ => format!("t{number}").into_bytes(),
        }
    }

    fn texts(&mut self) -> Vec<Vec<u8>> {
        (0..=self.random.below(8)).map(|_| self.text()).collect()
    }

    fn expiry(&mut self) -> Option<UnixMillis> {
        self.random.one_in(3).then(|| self.now + self.random.below(300) as i64)
    }

    pub(super) fn step(&mut self) {
        let quiet = self.random.one_in(4);
        self.keyspace.changes.witness().set_quiet(quiet);
        match self.random.below(40) {
            0..3 => self.store(),
            3..28 => self.edit(quiet),
            28 => self.expire(),
            29 => _ = self.remove(),
            30 => self.relocate(),
            31 => self.send(),
            32 if self.random.one_in(6) => self.flush(),
            33 => self.swap(),
            34 => _ = self.keyspace.background(self.now, 40),
            35..37 => self.look(),
            37 => self.now += self.random.below(60) as i64,
            38 => {
                let floor = self.now - self.random.below(50) as i64;
                self.keyspace.set_expiry_floor(if self.random.one_in(2) { floor } else { UnixMillis::MAX });
            }
            _ => self.reclaim(),
        }
        self.check();
    }

    fn check(&mut self) {
        let states = states(&self.keyspace);
        let told = self.keyspace.changes.witness().end(states);
        let kind_of =
            |change: &RecordedChange| format!("{:?}", change.what).split([' ', '{']).next().map(str::to_string);
        self.events.extend(told.iter().filter_map(kind_of));
        assert_eq!(take_recorded(&mut self.keyspace), told);
        assert!(self.keyspace.changes.is_settled());
    }

    /// Makes the value of a key another one, whatever it was.
    fn store(&mut self) {
        let ((db, key), texts, expire_at) = (self.name(), self.texts(), self.expiry());
        let kind = KINDS[self.random.below(5)];
        let distinct: BTreeSet<&[u8]> = texts.iter().map(|text| &text[..]).collect();
        let entry = self.keyspace.entry(db, &key, self.now);
        match kind {
            Kind::String => match entry {
                Entry::Occupied(mut occupied) => occupied.replace(&texts[0], expire_at, StringForm::Auto),
                Entry::Vacant(vacant) => vacant.insert_string(&texts[0], expire_at, StringForm::Auto),
            },
            Kind::List => build_list(entry, texts.iter().map(|text| &text[..]), expire_at, list_limits()),
            Kind::Set => crate::set::build(entry, &distinct.into_iter().collect::<Vec<_>>(), expire_at, &SET_LIMITS),
            Kind::SortedSet => {
                let mut members: Vec<(f64, &[u8])> = distinct.iter().map(|text| (text.len() as f64, *text)).collect();
                sorted_set::store(entry, SORTED_LIMITS, &mut members, expire_at);
            }
            _ => {
                let fields =
                    texts.iter().map(|text| (&text[..], &b"value"[..], (text.len() == 3).then_some(self.now + 50)));
                hash::build(entry, fields, expire_at, HASH_LIMITS);
            }
        }
    }

    /// Changes a part of a value; of an absent key, makes one.
    fn edit(&mut self, quiet: bool) {
        let ((db, key), texts, number) = (self.name(), self.texts(), self.random.below(1_000));
        let (now, expire_at) = (self.now, self.expiry());
        let random = &mut self.random;
        match self.keyspace.entry(db, &key, now) {
            Entry::Vacant(vacant) => match number % 6 {
                0 if quiet => vacant.insert_zeros_quietly(number).note_change(),
                0 => vacant.insert_string(&texts[0], expire_at, StringForm::Auto),
                1 => _ = create_list(vacant, End::Back, texts.iter().map(|text| &text[..]), list_limits()),
                2 => _ = crate::set::create(vacant, &mut texts.iter().map(|text| &text[..]), 1, &SET_LIMITS),
                3 => _ = sorted_set::create(vacant, SORTED_LIMITS, &texts[0], 1.0),
                4 => _ = hash::create(vacant, texts.iter().map(|text| (&text[..], &text[..])), HASH_LIMITS),
                _ => _ = vacant.insert_object(Object::Stream(Stream::default()), expire_at),
            },
            Entry::Occupied(mut occupied) => match occupied.value().kind() {
                Kind::String => edit_string(occupied, &texts[0], number, quiet),
                Kind::List => edit_list(occupied, &texts, number, random),
                Kind::Set => {
                    if number.is_multiple_of(3) {
                        crate::set::remove(&mut occupied, &texts[0]);
                    } else {
                        crate::set::add(&mut occupied, &texts[0], &SET_LIMITS);
                    }
                    if SetRef::of(occupied.value()).is_empty() {
                        occupied.remove();
                    }
                }
                Kind::SortedSet => edit_sorted_set(occupied, &texts[0], number),
                Kind::Hash => edit_hash(HashMut::of(occupied, HASH_LIMITS), &texts[0], number, now, expire_at),
                Kind::Stream => edit_stream(&mut occupied, &texts[0], number, now, quiet),
            },
        }
    }

    fn expire(&mut self) {
        let ((db, key), expire_at) = (self.name(), self.expiry());
        if let Entry::Occupied(mut occupied) = self.keyspace.entry(db, &key, self.now) {
            occupied.touch(self.now);
            occupied.set_expire_at(expire_at);
        }
    }

    fn remove(&mut self) -> bool {
        let (db, key) = self.name();
        self.keyspace.remove(db, &key, self.now)
    }

    fn relocate(&mut self) {
        let (from, to) = (self.name(), self.name());
        if from != to && self.keyspace.contains(from.0, &from.1, self.now) {
            self.keyspace.relocate((from.0, &from.1), (to.0, &to.1), self.now);
        }
    }

    /// Gives a big value away and takes it back under another name.
    fn send(&mut self) {
        let (from, to, now) = (self.name(), self.name(), self.now);
        if self.keyspace.read(from.0, &from.1, now, true).is_some_and(|value| value.is_big()) {
            let detached_value = self.keyspace.hand_over(from.0, &from.1, now);
            self.keyspace.take_over(to.0, &to.1, detached_value, now);
        }
    }

    fn flush(&mut self) {
        let lazy = self.random.one_in(2);
        if self.random.one_in(3) {
            self.keyspace.flush_all(lazy);
        } else {
            self.keyspace.flush(self.random.below(DATABASES.into()) as u16, lazy);
        }
    }

    fn swap(&mut self) {
        let [a, b] = [(); 2].map(|()| self.random.below(DATABASES.into()) as u16);
        self.keyspace.swap(a, b, self.now);
    }

    fn look(&mut self) {
        let ((db, key), number, now) = (self.name(), self.random.next(), self.now);
        match number % 6 {
            0 => _ = self.keyspace.read(db, &key, now, true),
            1 => _ = self.keyspace.scan(db, 0, 100, now, &mut |_| ()),
            2 => _ = self.keyspace.random(db, number, now),
            3 => _ = self.keyspace.peek(db, &key, now),
            4 => self.keyspace.unwatch_after_watch(db, &key, now),
            _ => _ = self.keyspace.contains(db, &key, now),
        }
    }

    /// Removes what has expired of a hash, and scans what is a table.
    fn reclaim(&mut self) {
        let ((db, key), texts, now) = (self.name(), self.texts(), self.now);
        let number = self.random.below(3);
        let Some(mut occupied) = self.keyspace.tidy_entry(db, &key, now) else { return };
        match occupied.value().kind() {
            Kind::Hash => {
                let mut hash = HashMut::of(occupied, HASH_LIMITS);
                match number {
                    0 => hash.reclaim(texts.iter().map(|text| &text[..])),
                    1 => hash.reclaim_some(2),
                    _ => _ = hash.scan(0, 10, &mut |_, _| ()),
                }
                hash.finish();
            }
            Kind::Set => _ = crate::set::scan(&mut occupied, 0, 10, &mut |_| ()),
            Kind::SortedSet => _ = sorted_set::scan(&mut occupied, 0, 10, &mut |_, _| ()),
            _ => {}
        }
    }
}

impl Keyspace {
    /// Watches a key and no longer.
    fn unwatch_after_watch(&mut self, db: u16, key: &[u8], now: UnixMillis) {
        self.watch(db, key, now);
        self.unwatch(db, key);
    }
}

fn edit_string(mut occupied: Occupied<'_>, text: &[u8], number: usize, quiet: bool) {
    match number % 7 {
        0 => _ = occupied.append(text),
        1 => _ = occupied.write_at(number, text),
        2 => occupied.set_string(text, StringForm::Raw),
        3 => occupied.bytes_mut().expect("a string").reverse(),
        4 if quiet => {
            occupied.grow_quietly(number).reverse();
            occupied.note_change();
        }
        5 => occupied.make_raw(),
        _ => occupied.remove(),
    }
}

fn edit_list(mut occupied: Occupied<'_>, texts: &[Vec<u8>], number: usize, random: &mut Random) {
    let end = end_from(random);
    let mut list = ListMut::of(&mut occupied, list_limits());
    let index = random.below(list.len());
    match number % 10 {
        0..4 => list.push(end, texts.iter().map(|text| &text[..])),
        4 => list.pop(end, |_| ()),
        5 => list.set(index, &texts[0]),
        6 | 7 => list.insert(index, &texts[0]),
        8 => _ = list.remove_equal(&texts[0], 3, end),
        _ => list.drop_elements(end, index),
    }
    if list.is_empty() {
        occupied.remove();
    }
}

fn edit_sorted_set(mut occupied: Occupied<'_>, text: &[u8], number: usize) {
    match number % 6 {
        0 => _ = sorted_set::remove(&mut occupied, text),
        1 => {
            let len = SortedSetRef::of(occupied.value()).len();
            sorted_set::remove_ranks(&mut occupied, number % len..len.min(number % len + 2));
        }
        _ => _ = sorted_set::update(&mut occupied, SORTED_LIMITS, text, |_| Some((number % 20) as f64)),
    }
    if SortedSetRef::of(occupied.value()).is_empty() {
        occupied.remove();
    }
}

fn edit_hash(mut hash: HashMut<'_>, text: &[u8], number: usize, now: UnixMillis, expire_at: Option<UnixMillis>) {
    match number % 6 {
        0 => _ = hash.remove(text),
        1 if hash.as_ref().get(text).is_some() => hash.set_expiry(text, expire_at),
        2 => _ = hash.set(text, b"other", Ttl::Keep),
        3 => _ = hash.set(text, b"new", Ttl::At(now + 40)),
        _ => _ = hash.set(text, number.to_string().as_bytes(), Ttl::Clear),
    }
    hash.finish();
}

fn edit_stream(occupied: &mut Occupied<'_>, text: &[u8], number: usize, now: UnixMillis, quiet: bool) {
    let stream = occupied.value().as_stream().expect("it is a stream");
    let (next, first) = (stream.next_id(now as u64).expect("there are more"), stream.first_id());
    let group = stream.groups().find(b"group");
    let trim = Trim {
        bound: Bound::MaxLen(number as u64 % 10),
        approximate: number.is_multiple_of(2),
        limit: 0,
        references: References::Keep,
    };
    match number % 9 {
        0..4 => occupied.edit_stream(StreamPart::Ends, |stream| {
            stream.append(next, [(&b"field"[..], text)].into_iter(), NODE_LIMITS);
            stream.trim(trim);
        }),
        4 => {
            let deleted = occupied.use_stream(StreamPart::Entry(first), |stream| stream.delete(first));
            if deleted {
                occupied.note_change();
            }
        }
        5 => {
            let trimmed = occupied.use_stream(StreamPart::Ends, |stream| stream.trim(trim));
            if trimmed > 0 {
                occupied.note_change();
            }
        }
        6 if quiet => occupied.use_stream(StreamPart::Head, |stream| stream.set_id(next, None, None)),
        7 if quiet && group.is_none() => {
            occupied.use_stream(StreamPart::Groups, |stream| {
                stream.groups_mut().create(b"group", StreamId::MIN, None);
            });
        }
        8 if quiet && let Some(group) = group => occupied.use_stream(StreamPart::Groups, |stream| {
            let (consumer, _) = stream.groups_mut().consumer(group, text, now);
            stream.advance_group(group, first);
            stream.groups_mut().assign(group, first, Pending { consumer, delivered_at: now, deliveries: 1 });
        }),
        _ => {}
    }
}

#[test]
fn whatever_differs_was_announced_and_is_told_of_once() {
    let (mut events, mut judged) = (BTreeSet::new(), BTreeMap::new());
    for seed in seeds(8) {
        let mut world = World::new(seed, KEYS);
        (0..steps(2_000)).for_each(|_| world.step());
        events.append(&mut world.events);
        judged.append(&mut world.keyspace.changes.witness().judged);
    }
    if cfg!(miri) {
        return;
    }
    let all = [
        "Created",
        "Expired",
        "ExpiryChanged",
        "FieldsExpired",
        "Flushed",
        "Modified",
        "MovedIn",
        "MovedOut",
        "Removed",
        "Replaced",
        "Swapped",
    ];
    assert_eq!(events.iter().map(String::as_str).collect::<Vec<_>>(), all, "every event has come");
    for part in ["Element Some", "Expired Some", "Indexes Some", "Stream Some", "Key Some", "Absent Some"] {
        assert!(judged.keys().any(|key| key.starts_with(part)), "{part}: {judged:?}");
    }
}

/// Takes what was recorded.
fn take_recorded(keyspace: &mut Keyspace) -> Vec<RecordedChange> {
    let taken = keyspace.recorded_changes().from(0).map(|change| change.to_owned()).collect();
    keyspace.forget_recorded_changes();
    assert!(keyspace.recorded_changes().is_empty());
    taken
}

/// What is recorded of some work on a keyspace with the string `a`, which expires at 100, and the hash `h`.
fn recorded(work: impl FnOnce(&mut Keyspace)) -> Vec<(u16, Vec<u8>, Change)> {
    let mut keyspace = keyspace(2);
    set(&mut keyspace, b"a", b"value", Some(100));
    let Entry::Vacant(vacant) = keyspace.entry(0, b"h", 0) else { panic!("nothing is there yet") };
    hash::build(Entry::Vacant(vacant), [(&b"f"[..], &b"v"[..], Some(50))].into_iter(), None, HASH_LIMITS);
    assert!(keyspace.recorded_changes().is_empty(), "at first nothing is recorded");
    keyspace.record_changes(Recording::All);
    work(&mut keyspace);
    let taken = take_recorded(&mut keyspace);
    taken.into_iter().map(|change| (change.db, change.key.into_vec(), change.what)).collect()
}

#[test]
fn what_happens_is_recorded_in_order() {
    let text = |key: &[u8]| key.to_vec();
    let (string, list) = (Kind::String, Kind::List);
    let overwritten = recorded(|keyspace| match keyspace.entry(0, b"a", 101) {
        Entry::Vacant(vacant) => vacant.insert_string(b"new", None, StringForm::Auto),
        Entry::Occupied(_) => panic!("it has expired"),
    });
    let expired = (0, text(b"a"), Change::Expired { before: string });
    assert_eq!(overwritten, [expired.clone(), (0, text(b"a"), Change::Created { after: string })]);
    let replaced = recorded(|keyspace| {
        let entry = keyspace.entry(0, b"a", 0);
        build_list(entry, [&b"x"[..]].into_iter(), None, list_limits());
    });
    assert_eq!(replaced, [(0, text(b"a"), Change::Replaced { before: string, after: list })]);
    let moved = recorded(|keyspace| keyspace.relocate((0, b"a"), (1, b"h"), 0));
    let [out, into] = [Change::MovedOut { before: string }, Change::MovedIn { after: string }];
    assert_eq!(moved, [(0, text(b"a"), out), (1, text(b"h"), into)]);
    let swept = recorded(|keyspace| while keyspace.background(101, 1000).more {});
    let fields = Change::FieldsExpired { fields: Box::new([b"f".as_slice().into()]) };
    let gone = Change::Removed { before: Kind::Hash };
    assert_eq!(swept, [(0, text(b"h"), fields), (0, text(b"h"), gone), expired]);
    let whole = recorded(|keyspace| {
        keyspace.flush(1, false);
        keyspace.swap(0, 1, 0);
        keyspace.flush_all(true);
    });
    assert_eq!(whole, [(0, text(b""), Change::Swapped { with: 1 }), (1, text(b""), Change::Flushed)]);
}

#[test]
fn of_what_is_not_gone_less_is_recorded() {
    for recording in [Recording::Gone, Recording::Keys] {
        let mut keyspace = keyspace(1);
        keyspace.record_changes(recording);
        let told = |keyspace: &mut Keyspace| {
            let recorded = keyspace.recorded_changes();
            let keys: Vec<_> = recorded.from(0).map(|change| (change.key.to_vec(), change.what.cloned())).collect();
            let has_unnamed = recorded.has_unnamed();
            keyspace.forget_recorded_changes();
            assert!(keyspace.recorded_changes().is_empty() && !keyspace.recorded_changes().has_unnamed());
            (keys, has_unnamed)
        };
        let is_gone_alone = recording == Recording::Gone;
        let named = if is_gone_alone { vec![] } else { vec![(b"a".to_vec(), None)] };
        set(&mut keyspace, b"a", b"value", Some(100));
        assert_eq!(told(&mut keyspace), (named, is_gone_alone));
        assert!(keyspace.read(0, b"a", 101, false).is_none(), "it has expired");
        let expired = Change::Expired { before: Kind::String };
        assert_eq!(told(&mut keyspace), (vec![(b"a".to_vec(), Some(expired))], false));
        set(&mut keyspace, b"a", b"value", None);
        assert!(keyspace.remove(0, b"a", 0));
        let (keys, has_unnamed) = told(&mut keyspace);
        assert_eq!(keys.last(), Some(&(b"a".to_vec(), Some(Change::Removed { before: Kind::String }))));
        assert_eq!(has_unnamed, is_gone_alone);
    }
}

/// Groups as a cluster has them, but fewer.
fn last_byte(key: &[u8]) -> u16 {
    key.last().map_or(0, |byte| u16::from(byte % 4))
}

#[test]
fn keys_are_counted_by_group() {
    let mut keyspace = keyspace(2);
    assert_eq!(keyspace.group_len(0, 1), None, "nobody has asked for it");
    keyspace.count_groups(4, last_byte);
    let check = |keyspace: &Keyspace| {
        for db in 0..2 {
            let mut counts = [0; 4];
            keyspace.for_each(db, UnixMillis::MIN, &mut |value| counts[usize::from(last_byte(value.key()))] += 1);
            for (group, count) in (0..).zip(counts) {
                assert_eq!(keyspace.group_len(db, group), Some(count), "group {group} of database {db}");
            }
        }
    };
    for (key, expire_at) in [(&b"a"[..], Some(100)), (b"b", None), (b"e", Some(100)), (b"f", None), (b"i", Some(100))] {
        set(&mut keyspace, key, b"value", expire_at);
        check(&keyspace);
    }
    assert_eq!(keyspace.group_len(0, 1), Some(3));
    set(&mut keyspace, b"a", b"another", Some(100));
    assert!(keyspace.remove(0, b"b", 0));
    check(&keyspace);
    keyspace.relocate((0, b"f"), (1, b"c"), 0);
    check(&keyspace);
    assert!(keyspace.read(0, b"a", 101, false).is_none(), "it has expired");
    check(&keyspace);
    while keyspace.background(101, 1000).more {}
    check(&keyspace);
    assert_eq!(keyspace.group_len(0, 1), Some(0));
    keyspace.swap(0, 1, 101);
    check(&keyspace);
    assert_eq!(keyspace.group_len(0, 3), Some(1));
    keyspace.flush_all(true);
    check(&keyspace);
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let nothing = recorded(|keyspace| {
        set(keyspace, b"b", b"value", None);
        keyspace.record_changes(Recording::Off);
        assert!(keyspace.remove(0, b"a", 0));
    });
    assert_eq!(nothing, []);
    assert_eq!(recorded(|keyspace| occupied(keyspace, b"a").wake_waiters()), []);
    assert_eq!(recorded(|keyspace| occupied(keyspace, b"a").make_raw()), []);
}

#[test]
fn a_lookup_that_meets_a_hidden_key_says_so() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"a", b"value", Some(100));
    keyspace.set_expiry_floor(90);
    let looks: [fn(&mut Keyspace, UnixMillis); 6] = [
        |keyspace, now| _ = keyspace.read(0, b"a", now, true),
        |keyspace, now| _ = keyspace.peek(0, b"a", now),
        |keyspace, now| _ = keyspace.contains(0, b"a", now),
        |keyspace, now| _ = keyspace.scan(0, 0, 10, now, &mut |_| ()),
        |keyspace, now| _ = keyspace.random(0, 7, now),
        |keyspace, now| keyspace.for_each(0, now, &mut |_| ()),
    ];
    for look in looks {
        look(&mut keyspace, 100);
        assert!(!keyspace.take_met_hidden(), "it has not expired");
        look(&mut keyspace, 101);
        assert!(keyspace.take_met_hidden());
        assert!(!keyspace.take_met_hidden(), "it is told once");
    }
    keyspace.set_expiry_floor(UnixMillis::MAX);
    assert!(keyspace.read(0, b"a", 101, true).is_none());
    assert!(!keyspace.take_met_hidden(), "it is removed, not hidden");
}

#[test]
fn a_field_that_is_set_again_has_expired_first() {
    let changes = recorded(|keyspace| {
        let Entry::Occupied(occupied) = keyspace.entry(0, b"h", 60) else { panic!("it is there") };
        let mut hash = HashMut::of(occupied, HASH_LIMITS);
        assert!(hash.set(b"f", b"again", Ttl::Clear));
        hash.finish();
        let value = keyspace.read(0, b"h", 60, true).expect("it is there");
        assert_eq!(HashRef::of(value, 60).len(), 1);
    });
    let fields = Change::FieldsExpired { fields: Box::new([b"f".as_slice().into()]) };
    let modified = Change::Modified { kind: Kind::Hash };
    assert_eq!(changes.into_iter().map(|(_, _, change)| change).collect::<Vec<_>>(), [fields, modified]);
}
