//! What is saved is what was there at the cut, once, whatever commands do meanwhile.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::change::{World, states};
use super::witness::{Name, State};
use super::{Random, assert_empty, fewer, get, is_brief, keyspace, occupied, seeds, set as put, steps};
use crate::hash::{HashMut, Ttl};
use crate::list::{End, ListLimits, ListMut, build_list};
use crate::{
    BigFrom, Entry, KeySink, Keyspace, Kind, Piece, StreamOrder, StreamPiece, UnixMillis, ValueRef, hash, set,
    sorted_set,
};

/// Keys as they were saved.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) keys: Rc<RefCell<BTreeMap<Name, State>>>,
    /// Values that have begun: by number, with how many pieces are to come.
    begun: BTreeMap<u64, (Name, State, usize)>,
    /// Values that came in pieces, and pieces of values that were not in progress.
    in_pieces: Rc<RefCell<(usize, usize)>>,
    written: usize,
}

impl KeySink for Saved {
    fn save(&mut self, db: u16, value: ValueRef<'_>) {
        let before = self.keys.borrow_mut().insert((db, value.key().to_vec()), State::of(value));
        assert!(before.is_none(), "a key is saved once");
        self.written += 1;
    }

    fn begin(&mut self, number: u64, db: u16, value: ValueRef<'_>, pieces: usize) -> StreamOrder {
        assert!(self.begun.keys().all(|&other| other < number), "numbers ascend");
        let state = ((db, value.key().to_vec()), State::begun(value), pieces);
        self.begun.insert(number, state);
        self.written += 1;
        if number.is_multiple_of(2) { StreamOrder::GroupsFirst } else { StreamOrder::NodesFirst }
    }

    fn add(&mut self, number: u64, piece: Piece<'_>) {
        let is_in_progress = self.begun.keys().next() == Some(&number);
        let (_, state, pieces) = self.begun.get_mut(&number).expect("it has begun");
        let len = match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Stream(StreamPiece::Node(_)) => 1,
            Piece::Stream(_) => 0,
            _ => 1,
        };
        *pieces = pieces.checked_sub(len).expect("so many elements come");
        state.add(piece);
        self.in_pieces.borrow_mut().1 += usize::from(!is_in_progress);
        self.written += 1;
    }

    fn end(&mut self, number: u64) {
        let (name, mut state, pieces) = self.begun.remove(&number).expect("it has begun");
        assert_eq!(pieces, 0);
        state.sort();
        let before = self.keys.borrow_mut().insert(name, state);
        assert!(before.is_none(), "a key is saved once");
        self.in_pieces.borrow_mut().0 += 1;
    }

    fn written(&self) -> usize {
        self.written
    }

    fn held(&self) -> usize {
        self.written
    }
}

/// Takes what was written.
pub(super) fn take_written(keyspace: &mut crate::Keyspace) {
    let sink: &mut dyn Any = keyspace.saving().expect("something is saved");
    sink.downcast_mut::<Saved>().expect("it is what was given").written = 0;
}

type States = BTreeMap<Name, State>;

/// What can still be read at a time.
fn unexpired(states: &States, now: UnixMillis) -> States {
    let live = states.iter().filter_map(|(name, state)| Some((name.clone(), state.clone().unexpired(now)?)));
    live.collect()
}

/// How the keys of a world were saved.
#[derive(Default)]
struct Tally {
    keys: usize,
    by_walk: usize,
    /// Those that came in pieces, and pieces that came out of turn.
    in_pieces: usize,
    pieces_aside: usize,
}

/// Saves a world while random commands change it.
fn save_while_it_changes(world: &mut World, pause: usize, tally: &mut Tally) {
    let sink = Saved::default();
    let (saved, in_pieces) = (Rc::clone(&sink.keys), Rc::clone(&sink.in_pieces));
    let expected = states(&world.keyspace);
    world.keyspace.begin_saving(Box::new(sink), world.now);
    loop {
        let before = saved.borrow().len();
        let more = world.keyspace.save_slice(1 + world.random.below(6));
        tally.by_walk += saved.borrow().len() - before;
        take_written(&mut world.keyspace);
        if !more {
            break;
        }
        (0..world.random.below(pause + 1)).for_each(|_| world.step());
    }
    world.keyspace.end_saving();
    assert!(!world.keyspace.is_saving());
    let saved = saved.take();
    assert_eq!(unexpired(&saved, world.now), unexpired(&expected, world.now));
    assert!(saved.keys().all(|name| expected.contains_key(name)), "what came later is not saved");
    tally.keys += saved.len();
    tally.in_pieces += in_pieces.borrow().0;
    tally.pieces_aside += in_pieces.borrow().1;
}

#[test]
fn what_is_saved_is_what_was_there_at_the_cut() {
    let mut tally = Tally::default();
    for seed in seeds(steps(3_000).min(6) as u64) {
        let mut world = World::new(seed, if seed.is_multiple_of(2) { 6 } else { 150 });
        // All tables are saved in pieces.
        world.keyspace.set_big_from(BigFrom { len: 1 + 11 * (seed as usize / 4), bytes: 2_000 });
        for round in 0..6 {
            (0..steps(100 << (round % 3))).for_each(|_| world.step());
            let pause = [1, 4, 20][world.random.below(3)];
            save_while_it_changes(&mut world, pause, &mut tally);
        }
    }
    if !cfg!(miri) {
        let Tally { keys, by_walk, in_pieces, pieces_aside } = tally;
        let least = if is_brief() { 30 } else { 100 };
        assert!(by_walk > least && keys - by_walk > least, "{by_walk} of {keys} by the walk");
        assert!(in_pieces > least && pieces_aside > least / 10, "{in_pieces} in pieces, {pieces_aside} pieces aside");
    }
}

#[test]
fn cells_hold_while_the_table_grows_and_shrinks() {
    let (len, mut random) = (steps(30_000).max(60), Random(1));
    let mut keyspace = keyspace(1);
    let key = |number: usize| format!("key:{number}").into_bytes();
    (0..len).for_each(|number| put(&mut keyspace, &key(number), b"before", None));
    let sink = Saved::default();
    let saved = Rc::clone(&sink.keys);
    let expected = states(&keyspace);
    keyspace.begin_saving(Box::new(sink), 0);
    // At first the table doubles, and then it loses nearly everything, so that segments split and merge.
    for number in len..2 * len {
        put(&mut keyspace, &key(number), b"after", None);
        if random.one_in(4) {
            keyspace.save_slice(1);
            take_written(&mut keyspace);
        }
    }
    for number in 0..2 * len - 10 {
        keyspace.remove(0, &key(number), 0);
    }
    while keyspace.save_slice(usize::MAX) {}
    assert!(saved.take() == expected);
    keyspace.end_saving();
    assert_eq!(get(&mut keyspace, &key(2 * len - 1), 0).as_deref(), Some(&b"after"[..]));
}

#[test]
fn what_is_emptied_stays_until_it_is_saved_or_given_up() {
    for gives_up in [false, true] {
        let mut keyspace = keyspace(2);
        (0..100).for_each(|number| put(&mut keyspace, format!("key:{number}").as_bytes(), b"value", None));
        let sink = Saved::default();
        let saved = Rc::clone(&sink.keys);
        keyspace.begin_saving(Box::new(sink), 0);
        keyspace.save_slice(10);
        keyspace.flush_all(false);
        assert!(keyspace.is_empty(0));
        put(&mut keyspace, b"key:1", b"later", None);
        if !gives_up {
            while keyspace.save_slice(usize::MAX) {}
            assert_eq!(saved.borrow().len(), 100);
        }
        keyspace.end_saving();
        keyspace.flush_all(false);
        while keyspace.background(0, 1_000).more {}
        assert_empty(&keyspace);
    }
}

const HASH_LIMITS: hash::Limits = hash::Limits { pack_len_max: 4, pack_text_len_max: 20 };
const SET_LIMITS: set::Limits = set::Limits { integers_max: 4, pack_len_max: 6, pack_member_len_max: 20 };
const SORTED_LIMITS: sorted_set::PackLimits = sorted_set::PackLimits { entries: 4, value_bytes: 20 };
const BIG_KEYS: [&[u8]; 4] = [b"hash", b"set", b"sorted", b"list"];

fn member(number: usize) -> Vec<u8> {
    format!("member:{number}").into_bytes()
}

/// A hash, a set, a sorted set and a list of so many elements.
fn big_values(len: usize) -> Keyspace {
    let mut keyspace = keyspace(2);
    keyspace.set_big_from(BigFrom { len: 100, bytes: 8_000 });
    let members: Vec<Vec<u8>> = (0..len).map(member).collect();
    // Every tenth field expires, and some have when all is caught.
    let expiry = |number: usize| number.is_multiple_of(10).then(|| [-5, 100, 500, 50_000][number / 10 % 4]);
    let fields = members.iter().enumerate();
    let fields = fields.map(|(number, member)| (&member[..], &b"before"[..], expiry(number)));
    hash::build(keyspace.entry(0, b"hash", 0), fields, Some(10_000), HASH_LIMITS);
    let names: Vec<&[u8]> = members.iter().map(|member| &member[..]).collect();
    set::build(keyspace.entry(0, b"set", 0), &names, None, &SET_LIMITS);
    let mut scored: Vec<(f64, &[u8])> = names.iter().map(|name| (name.len() as f64, *name)).collect();
    sorted_set::store(keyspace.entry(0, b"sorted", 0), SORTED_LIMITS, &mut scored, None);
    build_list(keyspace.entry(0, b"list", 0), names.iter().copied(), None, ListLimits::of(3));
    keyspace
}

/// Changes an element of each value that is there.
fn change_an_element(keyspace: &mut Keyspace, number: usize) {
    let name = member(number);
    for key in BIG_KEYS {
        let Entry::Occupied(mut occupied) = keyspace.entry(0, key, 0) else { continue };
        match key {
            _ if occupied.value().kind() == Kind::String => {}
            b"hash" => {
                let mut hash = HashMut::of(occupied, HASH_LIMITS);
                match number % 3 {
                    0 => _ = hash.set(&name, b"after", Ttl::At(500)),
                    1 => _ = hash.set(&name, b"after", Ttl::Clear),
                    _ => _ = hash.remove(&name),
                }
                hash.finish();
            }
            b"list" => change_list(&mut ListMut::of(&mut occupied, ListLimits::of(3)), &name, number),
            b"set" if number.is_multiple_of(2) => _ = set::remove(&mut occupied, &name),
            b"set" => _ = set::add(&mut occupied, &name, &SET_LIMITS),
            _ if number.is_multiple_of(5) => sorted_set::remove_ranks(&mut occupied, 3..5),
            _ => _ = sorted_set::update(&mut occupied, SORTED_LIMITS, &name, |old| Some(old.unwrap_or(0.5) + 1.0)),
        }
    }
}

/// Changes elements of a list anywhere.
fn change_list(list: &mut ListMut<'_, '_>, name: &[u8], number: usize) {
    let (len, end) = (list.len(), if number.is_multiple_of(2) { End::Front } else { End::Back });
    let at = number * 7919 % len.max(1);
    match number % 11 {
        0..3 => list.push(end, [name, b"x"].into_iter()),
        3..6 if len > 10 => list.pop(end, |_| ()),
        6 if len > 10 => list.drop_elements(end, number % 7),
        7 if number.is_multiple_of(5) => _ = list.remove_equal(name, 2, end),
        8 if len > 0 => list.insert(at, name),
        _ if len > 0 => list.set(at, b"after"),
        _ => {}
    }
}

/// What happens to whole values in a case of the test below.
fn change_a_value(keyspace: &mut Keyspace, case: usize, key: &[u8]) {
    match case {
        0 => {}
        1 => _ = keyspace.remove(0, key, 0),
        2 => put(keyspace, key, b"a string", None),
        3 => keyspace.relocate((0, key), (1, b"elsewhere"), 0),
        4 => drop(keyspace.hand_over(0, key, 0)),
        5 => keyspace.flush_all(true),
        6 => keyspace.swap(0, 1, 0),
        7 => occupied(keyspace, key).set_expire_at(Some(1)),
        8 if key == b"sorted" => {
            let mut set = occupied(keyspace, key);
            let len = sorted_set::SortedSetRef::of(set.value()).len();
            sorted_set::remove_ranks(&mut set, 20..len - 10);
        }
        8 => {}
        _ => _ = keyspace.read(0, key, 20_000, false),
    }
}

#[test]
fn big_values_are_saved_in_pieces_whatever_happens_to_them() {
    let len = steps(fewer(3_000)).max(120);
    for (case, gives_up) in (0..10).flat_map(|case| [(case, false), (case, true)]) {
        let (mut keyspace, mut random) = (big_values(len), Random(case as u64));
        let sink = Saved::default();
        let (saved, in_pieces) = (Rc::clone(&sink.keys), Rc::clone(&sink.in_pieces));
        let expected = states(&keyspace);
        keyspace.begin_saving(Box::new(sink), 0);
        let mut slices = 0;
        while keyspace.save_slice(20) {
            take_written(&mut keyspace);
            slices += 1;
            (0..4).for_each(|_| change_an_element(&mut keyspace, random.below(2 * len)));
            if slices < 5 {
                change_a_value(&mut keyspace, case, BIG_KEYS[slices - 1]);
            }
            // Fields that expire have changed since the cut, and the duty's own is not freed.
            keyspace.background(1_000, 50);
            if gives_up && slices == 6 {
                break;
            }
        }
        if !gives_up {
            assert!(saved.take() == expected, "case {case}");
            assert_eq!(in_pieces.borrow().0, BIG_KEYS.len());
            // What leaves the shard does so at once.
            assert!(case == 4 || slices > 3 * len / 60, "case {case}: {slices} slices");
        }
        keyspace.end_saving();
        keyspace.flush_all(false);
        while keyspace.background(0, 1_000).more {}
        assert_empty(&keyspace);
    }
}

#[test]
fn elements_of_a_list_keep_their_order() {
    for seed in 0..steps(3_000).min(40) as u64 {
        let (mut keyspace, mut random) = (keyspace(1), Random(seed));
        keyspace.set_big_from(BigFrom { len: 100, bytes: 800 });
        let members: Vec<Vec<u8>> = (0..60 + 10 * seed as usize).map(member).collect();
        build_list(keyspace.entry(0, b"list", 0), members.iter().map(|name| &name[..]), None, ListLimits::of(3));
        let sink = Saved::default();
        let saved = Rc::clone(&sink.keys);
        let expected = states(&keyspace);
        keyspace.begin_saving(Box::new(sink), 0);
        // It begins.
        occupied(&mut keyspace, b"list").set_expire_at(Some(10_000));
        for _ in 0..200 {
            let number = random.below(10_000);
            let mut list = occupied(&mut keyspace, b"list");
            change_list(&mut ListMut::of(&mut list, ListLimits::of(3)), &member(number), number);
            if random.one_in(20) {
                keyspace.save_slice(1);
                take_written(&mut keyspace);
            }
        }
        while keyspace.save_slice(usize::MAX) {}
        assert!(saved.take() == expected, "seed {seed}");
        keyspace.end_saving();
    }
}

#[test]
fn what_is_trimmed_is_taken_over_and_freed_later() {
    let len = steps(3_000).max(120);
    for (case, gives_up) in (0..4).flat_map(|case| [(case, false), (case, true)]) {
        let mut keyspace = keyspace(1);
        keyspace.set_big_from(BigFrom { len: 100, bytes: 800 });
        let members: Vec<Vec<u8>> = (0..len).map(member).collect();
        build_list(keyspace.entry(0, b"list", 0), members.iter().map(|name| &name[..]), None, ListLimits::of(3));
        let sink = Saved::default();
        let saved = Rc::clone(&sink.keys);
        let expected = states(&keyspace);
        keyspace.begin_saving(Box::new(sink), 0);
        // It begins.
        occupied(&mut keyspace, b"list").set_expire_at(None);
        for (number, end) in (0..).zip([End::Front, End::Back, End::Front, End::Back]) {
            let before = keyspace.written_bytes();
            let mut list = occupied(&mut keyspace, b"list");
            let mut list = ListMut::of(&mut list, ListLimits::of(3));
            // Something in the middle has changed, and the second pair of trims meets it.
            list.set(len / 8, b"later");
            list.push(end, [&b"new"[..], b"newer"].into_iter());
            match case {
                3 if number == 3 => list.drop_elements(end, list.len()),
                _ => list.drop_elements(end, len / 5 + number),
            }
            assert_eq!(keyspace.written_bytes(), before, "nothing is saved out of turn");
            if case > 0 {
                keyspace.save_slice(before + 30 * case);
                take_written(&mut keyspace);
            }
        }
        if !gives_up {
            while keyspace.save_slice(usize::MAX) {}
            assert!(saved.take() == expected, "case {case}");
        }
        keyspace.end_saving();
        keyspace.flush_all(false);
        while keyspace.background(0, 1_000).more {}
        assert_empty(&keyspace);
    }
}

#[test]
fn long_strings_are_saved_in_pieces_while_they_are_edited() {
    let mut keyspace = keyspace(1);
    let keys: [&[u8]; 4] = [b"appended", b"edited", b"removed", b"kept"];
    for key in keys {
        put(&mut keyspace, key, &key.repeat(20_000), None);
    }
    let sink = Saved::default();
    let (saved, in_pieces) = (Rc::clone(&sink.keys), Rc::clone(&sink.in_pieces));
    let expected = states(&keyspace);
    keyspace.begin_saving(Box::new(sink), 0);
    let mut slices = 0;
    while keyspace.save_slice(1) {
        take_written(&mut keyspace);
        slices += 1;
        match slices {
            1 => _ = occupied(&mut keyspace, b"appended").append(b"more"),
            2 => _ = occupied(&mut keyspace, b"edited").write_at(70_000, b"later"),
            3 => _ = keyspace.remove(0, b"removed", 0),
            4 => occupied(&mut keyspace, b"edited").bytes_mut().expect("a string").fill(b'x'),
            _ => {}
        }
    }
    keyspace.end_saving();
    assert!(saved.take() == expected);
    assert_eq!(in_pieces.borrow().0, 4);
    assert!(slices > 100, "{slices}");
    keyspace.flush_all(false);
    while keyspace.background(0, 1_000).more {}
    assert_empty(&keyspace);
}
