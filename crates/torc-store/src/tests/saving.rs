//! What is saved is what was there at the cut, once, whatever commands do meanwhile.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::change::{World, states};
use super::witness::{Name, State};
use super::{Random, assert_empty, get, keyspace, set, steps};
use crate::{KeySink, UnixMillis, ValueRef};

/// Keys as they were saved.
#[derive(Debug, Default)]
struct Saved {
    keys: Rc<RefCell<BTreeMap<Name, State>>>,
    written: usize,
}

impl KeySink for Saved {
    fn save(&mut self, db: u16, value: ValueRef<'_>) {
        let before = self.keys.borrow_mut().insert((db, value.key().to_vec()), State::of(value));
        assert!(before.is_none(), "a key is saved once");
        self.written += 1;
    }

    fn written(&self) -> usize {
        self.written
    }
}

/// Takes what was written.
fn take_written(keyspace: &mut crate::Keyspace) {
    let sink: &mut dyn Any = keyspace.saving().expect("something is saved");
    sink.downcast_mut::<Saved>().expect("it is what was given").written = 0;
}

type States = BTreeMap<Name, State>;

/// What can still be read at a time.
fn unexpired(states: &States, now: UnixMillis) -> States {
    let live = states.iter().filter_map(|(name, state)| Some((name.clone(), state.clone().unexpired(now)?)));
    live.collect()
}

/// Saves a world while random commands change it; the number of keys, and of those saved out of turn.
fn save_while_it_changes(world: &mut World, pause: usize) -> (usize, usize) {
    let sink = Saved::default();
    let saved = Rc::clone(&sink.keys);
    let expected = states(&world.keyspace);
    world.keyspace.begin_saving(Box::new(sink), world.now);
    let mut by_walk = 0;
    loop {
        let before = saved.borrow().len();
        let more = world.keyspace.save_slice(1 + world.random.below(3));
        by_walk += saved.borrow().len() - before;
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
    (saved.len(), saved.len() - by_walk)
}

#[test]
fn what_is_saved_is_what_was_there_at_the_cut() {
    let (mut keys, mut out_of_turn) = (0, 0);
    for seed in 0..steps(3_000).min(6) as u64 {
        let mut world = World::new(seed, if seed.is_multiple_of(2) { 6 } else { 150 });
        for round in 0..6 {
            (0..steps(100 << (round % 3))).for_each(|_| world.step());
            let pause = [1, 4, 20][world.random.below(3)];
            let (all, of_them) = save_while_it_changes(&mut world, pause);
            keys += all;
            out_of_turn += of_them;
        }
    }
    if !cfg!(miri) {
        assert!(out_of_turn > 100 && keys - out_of_turn > 100, "{out_of_turn} of {keys} out of turn");
    }
}

#[test]
fn cells_hold_while_the_table_grows_and_shrinks() {
    let (len, mut random) = (steps(30_000).max(60), Random(1));
    let mut keyspace = keyspace(1);
    let key = |number: usize| format!("key:{number}").into_bytes();
    (0..len).for_each(|number| set(&mut keyspace, &key(number), b"before", None));
    let sink = Saved::default();
    let saved = Rc::clone(&sink.keys);
    let expected = states(&keyspace);
    keyspace.begin_saving(Box::new(sink), 0);
    // At first the table doubles, and then it loses nearly everything, so that segments split and merge.
    for number in len..2 * len {
        set(&mut keyspace, &key(number), b"after", None);
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
        (0..100).for_each(|number| set(&mut keyspace, format!("key:{number}").as_bytes(), b"value", None));
        let sink = Saved::default();
        let saved = Rc::clone(&sink.keys);
        keyspace.begin_saving(Box::new(sink), 0);
        keyspace.save_slice(10);
        keyspace.flush_all(false);
        assert!(keyspace.is_empty(0));
        set(&mut keyspace, b"key:1", b"later", None);
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
