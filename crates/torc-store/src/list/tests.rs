//! Lists against a `VecDeque`, in all forms and layouts; when they change their form; what they take in memory.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{End, List, ListLimits, ListMut, ListRef, build_list, create_list};
use crate::pack::Packed;
use crate::{Content, Entry, Keyspace, KeyspaceOptions, Object};

const KEY: &[u8] = b"list";

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<Vec<u8>>),
    Pop(End, usize),
    Drop(End, usize),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(Vec<u8>, usize, End),
    Read(usize, usize),
}

fn keyspace() -> Keyspace {
    Keyspace::new(KeyspaceOptions { databases: 1, hash_seed: [1, 2, 3, 4] })
}

/// Few different ones, so that equal ones are common; of all lengths, so that nodes change their layout.
fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u8..20).prop_map(|number| format!("element of 20: {number:04}").into_bytes()),
        3 => (0u64..40).prop_map(|number| (number * number * 1001).to_string().into_bytes()),
        2 => (0usize..9, b'a'..b'd').prop_map(|(len, byte)| vec![byte; len]),
        1 => (0usize..5000, b'a'..b'd').prop_map(|(len, byte)| vec![byte; len]),
        1 => (8000usize..9000).prop_map(|len| vec![b'L'; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (end(), element(), 1usize..400).prop_map(|(end, element, count)| Step::Push(end, vec![element; count])),
        6 => (end(), prop::collection::vec(element(), 1..60)).prop_map(|(end, elements)| Step::Push(end, elements)),
        3 => (end(), 1usize..80).prop_map(|(end, count)| Step::Pop(end, count)),
        3 => (end(), 0usize..600).prop_map(|(end, count)| Step::Drop(end, count)),
        4 => (any::<usize>(), element()).prop_map(|(at, element)| Step::Set(at, element)),
        6 => (any::<usize>(), element()).prop_map(|(at, element)| Step::Insert(at, element)),
        2 => (element(), 1usize..30, end()).prop_map(|(element, max, end)| Step::Remove(element, max, end)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(start, count)| Step::Read(start, count)),
    ]
}

fn read(keyspace: &mut Keyspace) -> Option<ListRef<'_>> {
    keyspace.read(0, KEY, 0, false).map(ListRef::of)
}

/// Changes the list, which is there, and removes it if nothing is left.
fn change<T>(keyspace: &mut Keyspace, limits: ListLimits, work: impl FnOnce(&mut ListMut<'_, '_>) -> T) -> T {
    let Entry::Occupied(mut occupied) = keyspace.entry(0, KEY, 0) else { panic!("the list is there") };
    let mut list = ListMut::of(&mut occupied, limits);
    let result = work(&mut list);
    if list.is_empty() {
        occupied.remove();
    }
    result
}

fn push(keyspace: &mut Keyspace, limits: ListLimits, end: End, elements: &[Vec<u8>]) {
    let elements = elements.iter().map(Vec::as_slice);
    match keyspace.entry(0, KEY, 0) {
        Entry::Vacant(vacant) => drop(create_list(vacant, end, elements, limits)),
        Entry::Occupied(mut occupied) => ListMut::of(&mut occupied, limits).push(end, elements),
    }
}

fn apply(keyspace: &mut Keyspace, model: &mut VecDeque<Vec<u8>>, limits: ListLimits, step: &Step) {
    if let Step::Push(end, elements) = step {
        push(keyspace, limits, *end, elements);
        for element in elements.iter().cloned() {
            if *end == End::Front { model.push_front(element) } else { model.push_back(element) }
        }
        return;
    }
    let len = model.len();
    if len == 0 {
        assert!(read(keyspace).is_none());
        return;
    }
    match step {
        Step::Push(..) => unreachable!("done above"),
        Step::Pop(end, count) => {
            for _ in 0..(*count).min(len) {
                let expected = if *end == End::Front { model.pop_front() } else { model.pop_back() };
                let mut popped = None;
                change(keyspace, limits, |list| list.pop(*end, |element| popped = Some(element.to_vec())));
                assert_eq!(popped, expected);
            }
        }
        Step::Drop(end, count) => {
            let count = (*count).min(len - 1);
            change(keyspace, limits, |list| list.drop_elements(*end, count));
            let gone = if *end == End::Front { 0..count } else { len - count..len };
            model.drain(gone);
        }
        Step::Set(at, element) => {
            change(keyspace, limits, |list| list.set(at % len, element));
            model[at % len] = element.clone();
        }
        Step::Insert(at, element) => {
            let at = at % (len + 1);
            change(keyspace, limits, |list| list.insert(at, element));
            model.insert(at, element.clone());
        }
        Step::Remove(element, max, from) => {
            let removed = change(keyspace, limits, |list| list.remove_equal(element, *max, *from));
            let mut at: Vec<usize> = (0..len).filter(|&at| model[at] == *element).collect();
            if *from == End::Back {
                at.reverse();
            }
            at.truncate(*max);
            assert_eq!(removed, at.len());
            at.sort_unstable();
            at.into_iter().rev().for_each(|at| drop(model.remove(at)));
        }
        Step::Read(start, count) => {
            let start = start % len;
            let count = count % (len - start + 1);
            let list = read(keyspace).expect("there are elements");
            let got = list.runs(start, count).flat_map(super::Run::iter).map(Packed::to_vec);
            assert!(got.eq(model.range(start..start + count).cloned()));
        }
    }
}

fn compare(keyspace: &mut Keyspace, model: &VecDeque<Vec<u8>>) {
    let Some(list) = read(keyspace) else { return assert!(model.is_empty()) };
    assert_eq!(list.len(), model.len());
    assert!(list.iter().map(Packed::to_vec).eq(model.iter().cloned()));
    assert!(list.iter_back().map(Packed::to_vec).eq(model.iter().rev().cloned()));
    for at in [0, 1, model.len() / 3, model.len() / 2, model.len() - 1, model.len()] {
        assert_eq!(list.get(at).map(Packed::to_vec), model.get(at).cloned());
    }
    let wanted = &model[model.len() / 2];
    for from in [End::Front, End::Back] {
        let mut found = Vec::new();
        list.find_each(Packed::of(wanted), from, model.len() * 2 / 3, |at| {
            found.push(at);
            true
        });
        let mut order: Vec<usize> = (0..model.len()).collect();
        if from == End::Back {
            order.reverse();
        }
        order.truncate(model.len() * 2 / 3);
        order.retain(|&at| model[at] == *wanted);
        assert_eq!(found, order);
    }
    if let Some(list) = object(keyspace) {
        list.check();
    }
}

fn object(keyspace: &mut Keyspace) -> Option<&List> {
    match keyspace.read(0, KEY, 0, false)?.content() {
        Content::Object(Object::List(list)) => Some(list),
        _ => None,
    }
}

fn free_all(keyspace: &mut Keyspace) {
    keyspace.remove(0, KEY, 0);
    while keyspace.background(0, 1000).more {}
    assert_eq!(keyspace.memory().large_bytes, 0, "all memory of a list is counted off");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]
    #[test]
    fn lists_behave_like_deques(
        fill in prop::sample::select(vec![-1i64, -2, -2, 1, 3, 200]),
        steps in prop::collection::vec(step(), 1..50),
    ) {
        let (mut keyspace, mut model, limits) = (keyspace(), VecDeque::new(), ListLimits::of(fill));
        for step in &steps {
            apply(&mut keyspace, &mut model, limits, step);
            compare(&mut keyspace, &model);
        }
        free_all(&mut keyspace);
    }
}

#[test]
fn many_nodes_and_chunks() {
    let (mut keyspace, mut model, limits) = (keyspace(), VecDeque::new(), ListLimits::of(1));
    let elements: Vec<Vec<u8>> = (0..1000u32).map(|number| format!("{number:x}").into_bytes()).collect();
    let mut steps = vec![Step::Push(End::Back, elements.clone()), Step::Push(End::Front, elements)];
    steps.extend((0..300).map(|at| Step::Insert(700 + at % 3, b"between".to_vec())));
    steps.extend((0..40).map(|at| Step::Remove(format!("{at:x}").into_bytes(), 1, End::Back)));
    steps.push(Step::Remove(b"between".to_vec(), 299, End::Front));
    steps.extend([Step::Drop(End::Front, 900), Step::Drop(End::Back, 901), Step::Drop(End::Front, 1000)]);
    for step in &steps {
        apply(&mut keyspace, &mut model, limits, step);
        compare(&mut keyspace, &model);
    }
    free_all(&mut keyspace);
}

#[test]
fn the_form_follows_the_size_as_in_redis() {
    let (mut keyspace, limits) = (keyspace(), ListLimits::default());
    let encoding = |keyspace: &mut Keyspace| keyspace.read(0, KEY, 0, false).expect("it is there").encoding();
    push(&mut keyspace, limits, End::Back, &[vec![b'x'; 8176]]);
    assert_eq!(encoding(&mut keyspace), "listpack");
    // 7 bytes of frame, 5 + 8176 + 2 of the first, and what is added by its bare length.
    push(&mut keyspace, limits, End::Back, &[b"123".to_vec()]);
    assert_eq!(encoding(&mut keyspace), "quicklist");
    change(&mut keyspace, limits, |list| list.pop(End::Front, |_| {}));
    assert_eq!(encoding(&mut keyspace), "listpack");
    change(&mut keyspace, limits, |list| list.set(0, &[b'y'; 8186]));
    assert_eq!(encoding(&mut keyspace), "quicklist");
    change(&mut keyspace, limits, |list| list.set(0, &[b'y'; 4086]));
    assert_eq!(encoding(&mut keyspace), "quicklist");
    change(&mut keyspace, limits, |list| list.set(0, &[b'y'; 4000]));
    assert_eq!(encoding(&mut keyspace), "listpack");
    free_all(&mut keyspace);
}

#[test]
fn strings_of_one_length_cost_little_more_than_their_bytes() {
    let (mut list, count) = (List::default(), 200_000);
    for number in 0..count {
        list.push(End::Front, Packed::Bytes(format!("value-{number:010}").as_bytes()), ListLimits::default());
    }
    let per_element = list.external_bytes() as f64 / f64::from(count);
    assert!(per_element < 16.2, "{per_element} bytes for each of 16");
    list.check();
}

#[test]
fn a_queue_does_not_move_its_elements_at_every_step() {
    let mut list = List::default();
    let element = Packed::Bytes(b"sixteen bytes ..");
    (0..500).for_each(|_| list.push(End::Back, element, ListLimits::default()));
    for _ in 0..50_000 {
        list.push(End::Back, element, ListLimits::default());
        list.pop(End::Front, |popped| assert_eq!(popped, element));
        list.check();
    }
    assert_eq!(list.len(), 500);
    assert!(list.external_bytes() < 4 * 8192, "{}", list.external_bytes());
}

#[test]
fn a_list_is_built_over_whatever_the_key_held() {
    let mut keyspace = keyspace();
    let limits = ListLimits::of(3);
    for (round, len) in [2usize, 10, 5, 1, 3].into_iter().enumerate() {
        let elements: Vec<Vec<u8>> = (0..len).map(|number| format!("{round} {number}").into_bytes()).collect();
        let expire_at = (round % 2 == 0).then_some(1000 + round as i64);
        build_list(keyspace.entry(0, KEY, 0), elements.iter().map(Vec::as_slice), expire_at, limits);
        compare(&mut keyspace, &elements.into());
        let value = keyspace.read(0, KEY, 0, false).expect("just built");
        assert_eq!((value.expire_at(), value.encoding()), (expire_at, if len > 3 { "quicklist" } else { "listpack" }));
    }
    free_all(&mut keyspace);
}

#[test]
fn few_but_big_elements_are_freed_one_after_another() {
    let mut keyspace = keyspace();
    let big = vec![b'x'; 2 << 20];
    push(&mut keyspace, ListLimits::default(), End::Back, &vec![big; 5]);
    let all = keyspace.memory().large_bytes;
    assert!(all >= 10 << 20);
    keyspace.remove(0, KEY, 0);
    let (mut before, mut slices) = (all, 0);
    while keyspace.background(0, 1).more {
        let left = keyspace.memory().large_bytes;
        assert!(before - left <= (2 << 20) + 4096, "{before} bytes became {left} at once");
        (before, slices) = (left, slices + 1);
    }
    assert!(slices >= 4, "{slices} slices");
    assert_eq!(keyspace.memory().large_bytes, 0);
}
