//! Sorted sets through a keyspace, in every form, against a map and a sorted list; and the tree's promises.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::object::Object;
use crate::value::Content;
use crate::{BigFrom, Entry, Keyspace, KeyspaceOptions, Kind, Occupied};

const PACKED: PackLimits = PackLimits { entries: 128, value_bytes: 64 };
const NEVER_PACKED: PackLimits = PackLimits { entries: 0, value_bytes: 64 };

#[derive(Clone, Debug)]
enum Step {
    Set(u16, i8),
    SetSome(u16, u16, i8),
    Remove(u16),
    RemoveSome(u16, u16),
    RemoveRanks(u16, u16),
    Store(u16, i8),
}

/// What a set must hold.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn in_order(&self) -> Vec<(f64, Vec<u8>)> {
        let mut members: Vec<(f64, Vec<u8>)> = self.0.iter().map(|(member, score)| (*score, member.clone())).collect();
        members.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        members
    }
}

/// Integers, their neighbours in text, and longer names.
fn member(number: u16) -> Vec<u8> {
    match number % 3 {
        0 => number.to_string().into_bytes(),
        1 => format!("m{number}").into_bytes(),
        _ => format!("member-of-the-set-{number:06}").into_bytes(),
    }
}

fn score(number: i8) -> f64 {
    match number {
        i8::MIN => f64::NEG_INFINITY,
        i8::MAX => f64::INFINITY,
        _ => f64::from(number) / 4.0,
    }
}

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyspaceOptions { databases: 1, hash_seed: [1, 2, 3, 4] });
    // Tables of these tests lie in either heap.
    keyspace.set_big_from(BigFrom { len: 40, bytes: 8 << 10 });
    keyspace
}

fn set(keyspace: &mut Keyspace, limits: PackLimits, name: &[u8], value: f64) -> Update {
    match keyspace.entry(0, b"key", 0) {
        Entry::Occupied(mut occupied) => update(&mut occupied, limits, name, |_| Some(value)),
        Entry::Vacant(vacant) => {
            create(vacant, limits, name, value);
            Update { old: None, new: Some(value) }
        }
    }
}

fn with_set<T>(keyspace: &mut Keyspace, work: impl FnOnce(&mut Occupied<'_>) -> T) -> Option<T> {
    let Entry::Occupied(mut occupied) = keyspace.entry(0, b"key", 0) else { return None };
    let result = work(&mut occupied);
    if SortedSetRef::of(occupied.value()).is_empty() {
        occupied.remove();
    }
    Some(result)
}

fn apply(keyspace: &mut Keyspace, limits: PackLimits, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(number, value) => {
            let old = model.0.insert(member(number), score(value));
            let found = set(keyspace, limits, &member(number), score(value));
            assert_eq!(found, Update { old, new: Some(score(value)) });
        }
        Step::SetSome(from, count, value) => {
            for number in from..from.saturating_add(count) {
                apply(keyspace, limits, model, &Step::Set(number, value.wrapping_add(number as i8)));
            }
        }
        Step::Remove(number) => {
            let was_there = model.0.remove(&member(number)).is_some();
            assert_eq!(with_set(keyspace, |set| remove(set, &member(number))).unwrap_or(false), was_there);
        }
        Step::RemoveSome(from, count) => {
            (from..from.saturating_add(count)).for_each(|it| apply(keyspace, limits, model, &Step::Remove(it)));
        }
        Step::RemoveRanks(from, count) => {
            let in_order = model.in_order();
            let start = usize::from(from).min(in_order.len());
            let end = (start + usize::from(count)).min(in_order.len());
            for (_, member) in &in_order[start..end] {
                model.0.remove(member);
            }
            with_set(keyspace, |set| remove_ranks(set, start..end));
        }
        Step::Store(count, value) => {
            let members: Vec<(f64, Vec<u8>)> =
                (0..=count).map(|number| (score(value.wrapping_mul(number as i8)), member(number))).collect();
            let mut borrowed: Vec<(f64, &[u8])> = members.iter().map(|(score, member)| (*score, &member[..])).collect();
            store(keyspace.entry(0, b"key", 0), limits, &mut borrowed, None);
            model.0 = members.into_iter().map(|(score, member)| (member, score)).collect();
        }
    }
}

fn assert_same(keyspace: &mut Keyspace, model: &Model) {
    let in_order = model.in_order();
    let Some(value) = keyspace.read(0, b"key", 0, false) else {
        assert!(in_order.is_empty());
        return;
    };
    assert_eq!(value.kind(), Kind::SortedSet);
    if let Content::Object(Object::SortedSet(set)) = value.content() {
        set.tree().check();
    }
    let set = SortedSetRef::of(value);
    assert_eq!(set.len(), in_order.len());
    let members =
        |range: Members<'_>| -> Vec<(f64, Vec<u8>)> { range.map(|(member, score)| (score, member.to_vec())).collect() };
    assert_eq!(members(set.iter()), in_order);
    let (len, reversed) = (in_order.len(), in_order.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(members(set.range(0..len, true)), reversed);
    let (start, end) = (len / 3, len - len / 4);
    assert_eq!(members(set.range(start..end, false)), in_order[start..end]);
    assert_eq!(members(set.range(start..end, true)), reversed[len - end..len - start]);
    for (rank, (score, member)) in in_order.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.score(member), Some(*score));
    }
    assert_eq!(set.score(b"nobody"), None);
    assert_eq!(set.rank(b"nobody"), None);
    let mut shown = Vec::new();
    set.visit_ranks([len - 1, 0].into_iter(), &mut |member, score| shown.push((score, member.to_vec())));
    assert_eq!(shown, [in_order[len - 1].clone(), in_order[0].clone()]);
    check_ranges(set, &in_order);
}

fn check_ranges(set: SortedSetRef<'_>, in_order: &[(f64, Vec<u8>)]) {
    for (min, max) in [(-3.0, 3.0), (f64::NEG_INFINITY, 0.25), (5.0, 2.0), (1.1, f64::INFINITY)] {
        for excluded in 0..4 {
            let range = ScoreRange { min, min_excluded: excluded & 1 != 0, max, max_excluded: excluded & 2 != 0 };
            let is_in = |score: f64| !range.is_after(score) && range.reaches(score);
            let wanted: Vec<usize> = (0..in_order.len()).filter(|&rank| is_in(in_order[rank].0)).collect();
            assert!(set.ranks_by_score(&range).eq(wanted), "{range:?}");
        }
        check_visit(set, min, max, in_order);
    }
}

fn check_visit(set: SortedSetRef<'_>, min: f64, max: f64, in_order: &[(f64, Vec<u8>)]) {
    let wanted: Vec<_> = in_order.iter().filter(|(score, _)| min <= *score && *score < max).cloned().collect();
    for limit in [wanted.len(), usize::MAX, 1, 70] {
        let mut visited = Vec::new();
        let flow = set.visit_scores(min, max, |found| {
            visited.push((found.score, found.member().to_vec()));
            if visited.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(visited, wanted[..limit.min(wanted.len())], "{min} {max} {limit}");
        assert_eq!(flow.is_break(), (1..=wanted.len()).contains(&limit));
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..600u16, any::<i8>()).prop_map(|(number, value)| Step::Set(number, value)),
        2 => (0..600u16, 0..400u16, any::<i8>()).prop_map(|(from, count, value)| Step::SetSome(from, count, value)),
        2 => (0..600u16).prop_map(Step::Remove),
        1 => (0..600u16, 0..200u16).prop_map(|(from, count)| Step::RemoveSome(from, count)),
        1 => (0..600u16, 0..300u16).prop_map(|(from, count)| Step::RemoveRanks(from, count)),
        1 => (0..500u16, any::<i8>()).prop_map(|(count, value)| Step::Store(count, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 32 }, ..ProptestConfig::default() })]

    #[test]
    fn a_set_is_what_its_steps_make_it(steps in prop::collection::vec(step(), 1..40), packed: bool) {
        let limits = if packed { PACKED } else { NEVER_PACKED };
        let (mut keyspace, mut model) = (keyspace(), Model::default());
        for step in &steps {
            apply(&mut keyspace, limits, &mut model, step);
            assert_same(&mut keyspace, &model);
        }
        keyspace.remove(0, b"key", 0);
        while keyspace.background(0, 1000).more {}
        assert_eq!(keyspace.memory().large_bytes, 0);
        assert_eq!(keyspace.memory().entries_bytes, 0);
    }

    #[test]
    fn members_of_equal_scores_are_found_by_their_bytes(
        names in prop::collection::btree_set("[a-d]{1,4}", 1..300),
        min in "[a-d]{0,4}",
        max in "[a-d]{0,4}",
        packed: bool,
    ) {
        let limits = PackLimits { entries: if packed { 1000 } else { 0 }, value_bytes: 64 };
        let mut keyspace = keyspace();
        for name in &names {
            set(&mut keyspace, limits, name.as_bytes(), 1.0);
        }
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let set = SortedSetRef::of(keyspace.read(0, b"key", 0, false).expect("there are members"));
        for min in bounds(min.as_bytes()) {
            for max in bounds(max.as_bytes()) {
                let range = LexRange { min, max };
                let is_in = |name: &[u8]| !range.is_after(name) && range.reaches(name);
                let wanted: Vec<usize> = (0..names.len()).filter(|&rank| is_in(names[rank])).collect();
                prop_assert!(set.ranks_by_lex(&range).eq(wanted));
            }
        }
    }
}

/// Every bound that a name makes, and those without a name.
fn bounds(name: &[u8]) -> [LexBound<'_>; 4] {
    [LexBound::Included(name), LexBound::Excluded(name), LexBound::Lowest, LexBound::Highest]
}

/// The share of the leaves' room that is used after these scores arrived in this order.
fn fill(scores: impl Iterator<Item = f64>) -> f64 {
    let mut keyspace = keyspace();
    for (number, score) in scores.enumerate() {
        set(&mut keyspace, NEVER_PACKED, format!("member:{number:09}").as_bytes(), score);
    }
    match keyspace.read(0, b"key", 0, false).expect("there are members").content() {
        Content::Object(Object::SortedSet(set)) => set.tree().check(),
        _ => panic!("the set is an object"),
    }
}

#[test]
#[cfg_attr(miri, ignore = "too slow")]
fn leaves_are_kept_full() {
    let count = 20_000;
    let mut random = 1u64;
    let mut next = || {
        random = crate::segment::mix(random);
        (random >> 40) as f64
    };
    assert!(fill((0..count).map(f64::from)) > 0.99);
    assert!(fill((0..count).rev().map(f64::from)) > 0.99);
    assert!(fill((0..count).map(|_| 1.0)) > 0.99);
    let random = fill((0..count).map(|_| next()));
    assert!(random > 0.8, "{random}");
}

fn check(keyspace: &mut Keyspace, len: usize) {
    match keyspace.read(0, b"key", 0, false).expect("there are members").content() {
        Content::Object(Object::SortedSet(set)) => {
            assert_eq!(set.len(), len);
            set.tree().check();
        }
        _ => panic!("the set is an object"),
    }
}

#[test]
#[cfg_attr(miri, ignore = "too slow")]
fn a_tall_tree_grows_in_the_middle_and_shrinks_to_nothing() {
    let mut keyspace = keyspace();
    let names: Vec<String> = (0..90_000).map(|number| format!("{number}")).collect();
    let mut members: Vec<(f64, &[u8])> =
        names.iter().map(|name| (f64::from(name.len() as u8), name.as_bytes())).collect();
    store(keyspace.entry(0, b"key", 0), PACKED, &mut members, None);
    let (mut random, mut len) = (1u64, names.len());
    check(&mut keyspace, len);
    for number in 0..5000 {
        random = crate::segment::mix(random);
        set(&mut keyspace, PACKED, format!("new{number}").as_bytes(), 4.5);
        set(&mut keyspace, PACKED, names[random as usize % names.len()].as_bytes(), (random % 7) as f64);
    }
    len += 5000;
    check(&mut keyspace, len);
    while len > 0 {
        random = crate::segment::mix(random);
        let start = random as usize % len;
        let count = ((random >> 40) as usize % 4000 + 1).min(len - start);
        with_set(&mut keyspace, |set| remove_ranks(set, start..start + count));
        len -= count;
        if len > 0 && random.is_multiple_of(8) {
            check(&mut keyspace, len);
        }
    }
    assert!(keyspace.read(0, b"key", 0, false).is_none());
    while keyspace.background(0, 1000).more {}
    assert_eq!((keyspace.memory().large_bytes, keyspace.memory().entries_bytes), (0, 0));
}

#[test]
fn a_set_becomes_an_object_at_its_limits() {
    let encoding = |keyspace: &mut Keyspace| keyspace.read(0, b"key", 0, false).expect("it is there").encoding();
    let mut keyspace = keyspace();
    for number in 0..128 {
        set(&mut keyspace, PACKED, format!("{number}").as_bytes(), 1.0);
    }
    assert_eq!(encoding(&mut keyspace), "listpack");
    set(&mut keyspace, PACKED, b"one more", 1.0);
    assert_eq!(encoding(&mut keyspace), "skiplist");
    keyspace.remove(0, b"key", 0);
    set(&mut keyspace, PACKED, &[b'x'; 64], 1.0);
    assert_eq!(encoding(&mut keyspace), "listpack");
    set(&mut keyspace, PACKED, &[b'x'; 65], 1.0);
    assert_eq!(encoding(&mut keyspace), "skiplist");
}

#[test]
#[cfg_attr(miri, ignore = "too slow")]
fn a_scan_meets_every_member() {
    let mut keyspace = keyspace();
    for number in 0..5000 {
        set(&mut keyspace, PACKED, format!("{number}").as_bytes(), f64::from(number));
    }
    let mut seen = [false; 5000];
    let (mut cursor, mut calls) = (0, 0);
    loop {
        cursor = with_set(&mut keyspace, |set| {
            scan(set, cursor, 10, &mut |member, score| {
                assert_eq!(member.to_vec(), format!("{score}").into_bytes());
                seen[score as usize] = true;
            })
        })
        .expect("the set is there");
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, [true; 5000]);
    assert!(calls > 100, "{calls}");
}
