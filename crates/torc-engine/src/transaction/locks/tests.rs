//! The lock table against a list of claims in the order of their arrival, from which everything is computed anew.
//!
//! In the list a footprint is what it may read and write, spelled out over a few keys: no queues, no intentions. The
//! table's own invariants are looked at after every step as well.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::TransactionClock;
use super::*;

/// Few, so that claims meet.
const KEYS: u64 = 4;
/// Stands for all of the shard that is not one of the keys; every claim reads it.
const REST: u64 = KEYS;

fn id(time: u64, core: u16) -> TransactionId {
    TransactionClock::new(core).next(time as i64)
}

fn sealed(whole: Option<Mode>, keys: &[(u64, Mode)]) -> Footprint {
    let mut footprint = Footprint::default();
    for &(hash, mode) in keys {
        footprint.add(hash, mode);
    }
    if let Some(mode) = whole {
        footprint.add_whole(mode);
    }
    footprint.seal();
    footprint
}

fn key(hash: u64, mode: Mode) -> Footprint {
    sealed(None, &[(hash, mode)])
}

fn whole(mode: Mode) -> Footprint {
    sealed(Some(mode), &[])
}

/// What a claim is asked for with, before it is sealed.
#[derive(Debug, Clone)]
struct Wanted {
    whole: Option<Mode>,
    keys: Vec<(u64, Mode)>,
}

impl Wanted {
    fn seal(&self) -> Footprint {
        sealed(self.whole, &self.keys)
    }

    /// Every key that it touches, and whether it may write it.
    fn touched(&self) -> BTreeMap<u64, bool> {
        let mut touched = BTreeMap::from([(REST, false)]);
        for &(hash, mode) in &self.keys {
            *touched.entry(hash).or_default() |= mode == Mode::Exclusive;
        }
        if let Some(mode) = self.whole {
            // To read the whole shard and write a key is to have the shard alone.
            let writes = mode == Mode::Exclusive || touched.values().any(|&writes| writes);
            touched.extend((0..=REST).map(|hash| (hash, writes)));
        }
        touched
    }

    fn conflicts(&self, other: &Wanted) -> bool {
        let others = other.touched();
        self.touched().iter().any(|(hash, writes)| others.get(hash).is_some_and(|also| *writes || *also))
    }
}

/// Claims in the order of their arrival.
#[derive(Default)]
struct Reference {
    claims: Vec<(TransactionId, Wanted)>,
}

impl Reference {
    /// Those before `place` that conflict with `wanted`.
    fn obstacles<'a>(&'a self, place: usize, wanted: &'a Wanted) -> impl Iterator<Item = TransactionId> + 'a {
        self.claims[..place].iter().filter(|(_, before)| before.conflicts(wanted)).map(|&(id, _)| id)
    }

    fn granted(&self) -> BTreeSet<TransactionId> {
        let is_granted = |&place: &usize| self.obstacles(place, &self.claims[place].1).next().is_none();
        (0..self.claims.len()).filter(is_granted).map(|place| self.claims[place].0).collect()
    }

    fn holds(&self, id: TransactionId) -> bool {
        self.claims.iter().any(|&(other, _)| other == id)
    }
}

/// One queue: entries hold exactly if nothing before them conflicts, and wait for lower ids only.
fn check_queue<M: Conflict>(queue: &Queue<M>, missing: &mut BTreeMap<TransactionId, usize>) {
    for (place, entry) in queue.entries.iter().enumerate() {
        let before = &queue.entries[..place];
        assert!(before.iter().all(|other| other.id != entry.id), "{:?} stands twice in a queue", entry.id);
        let obstacles: Vec<_> = before.iter().filter(|other| other.mode.conflicts(entry.mode)).collect();
        assert_eq!(entry.held, obstacles.is_empty(), "{:?} holds a lock wrongly, or waits wrongly", entry.id);
        assert!(obstacles.iter().all(|other| other.id < entry.id), "{:?} waits for a higher id", entry.id);
        *missing.entry(entry.id).or_default() += usize::from(!entry.held);
    }
}

fn check_table(table: &LockTable, reference: &Reference) {
    let mut missing = BTreeMap::new();
    check_queue(&table.shard, &mut missing);
    for queue in table.keys.values() {
        assert!(!queue.entries.is_empty(), "a queue stays without entries");
        check_queue(queue, &mut missing);
    }
    let counted: BTreeMap<_, _> = table.claims.iter().map(|(&id, held)| (id, held.missing)).collect();
    assert_eq!(counted, missing, "the locks that claims await are miscounted");

    let granted = reference.granted();
    for (id, wanted) in &reference.claims {
        assert_eq!(table.is_granted(*id), granted.contains(id), "{id:?}");
        assert_eq!(*table.footprint(*id), wanted.seal());
    }
    assert_eq!(table.len(), reference.claims.len());
    assert_eq!(table.len() == 0, reference.claims.is_empty());
    assert_eq!(table.is_idle(), reference.claims.is_empty());
    let lowest = reference.claims.iter().map(|&(id, _)| id).min();
    assert!(lowest.is_none_or(|id| table.is_granted(id)), "the lowest id waits: nothing goes on");
}

fn check_claim(table: &mut LockTable, reference: &mut Reference, id: TransactionId, wanted: &Wanted) {
    let footprint = wanted.seal();
    let obstacles: Vec<_> = reference.obstacles(reference.claims.len(), wanted).collect();
    // Who needs nothing need not ask, although its claim would stand in line.
    assert_eq!(table.is_free(&footprint), obstacles.is_empty() || footprint.is_empty());
    let expected = if obstacles.iter().any(|&other| other > id) { Err(Refused) } else { Ok(obstacles.is_empty()) };
    assert_eq!(table.claim(id, footprint), expected, "{id:?} behind {obstacles:?}");
    if expected.is_ok() {
        reference.claims.push((id, wanted.clone()));
    } else {
        assert!(!table.is_granted(id), "a refused claim is granted");
    }
}

/// Releases the claim at this place; what is granted by it is told once, by id, after what was told before.
fn check_release(table: &mut LockTable, reference: &mut Reference, place: usize) {
    let before = reference.granted();
    let (released, _) = reference.claims.remove(place);
    let told_before = id(u64::from(u32::MAX), 0);
    let mut told = vec![told_before];
    table.release(released, &mut told);
    let mut expected = vec![told_before];
    expected.extend(reference.granted().difference(&before));
    assert_eq!(told, expected);
    assert!(!table.is_granted(released));
}

#[derive(Debug, Clone)]
enum Step {
    /// With an id that is so far from the number of the step.
    Claim { late: u64, core: u16, wanted: Wanted },
    /// The claim at this place, of as many as there are.
    Release(prop::sample::Index),
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Shared), Just(Mode::Exclusive)]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let whole = prop_oneof![6 => Just(None), 1 => mode().prop_map(Some)];
    (whole, vec((0..KEYS, mode()), 0..4)).prop_map(|(whole, keys)| Wanted { whole, keys })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u64, 0..3_u16, wanted()).prop_map(|(late, core, wanted)| Step::Claim { late, core, wanted }),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_list_of_claims(steps in vec(step(), 1..80)) {
        let (mut table, mut reference) = (LockTable::default(), Reference::default());
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Claim { late, core, wanted } => {
                    let id = id(10 + number as u64 - late, *core);
                    if !reference.holds(id) {
                        check_claim(&mut table, &mut reference, id, wanted);
                    }
                }
                Step::Release(_) if reference.claims.is_empty() => {}
                Step::Release(place) => {
                    let place = place.index(reference.claims.len());
                    check_release(&mut table, &mut reference, place);
                }
            }
            check_table(&table, &reference);
        }
        while !reference.claims.is_empty() {
            check_release(&mut table, &mut reference, 0);
            check_table(&table, &reference);
        }
        prop_assert!(table.is_idle() && table.keys.is_empty() && table.claims.is_empty());
    }

    #[test]
    fn a_sealed_footprint_has_each_key_once(whole in prop::option::of(mode()), keys in vec((0..40_u64, mode()), 0..60)) {
        let footprint = sealed(whole, &keys);
        let mut merged = BTreeMap::new();
        for &(hash, mode) in &keys {
            let strongest = merged.entry(hash).or_insert(mode);
            *strongest = mode.max(*strongest);
        }
        let writes = merged.values().any(|&mode| mode == Mode::Exclusive);
        if whole.is_some() {
            merged.clear();
        }
        let strongest = if writes { Mode::Exclusive } else { Mode::Shared };
        prop_assert_eq!(footprint.whole, whole.map(|mode| mode.max(strongest)));
        prop_assert_eq!(footprint.is_empty(), whole.is_none() && keys.is_empty());
        let written = |wanted: u64| footprint.whole == Some(Mode::Exclusive) || merged.get(&wanted) == Some(&Mode::Exclusive);
        for hash in 0..40 {
            // Of the whole shard every key is wanted, whatever is asked for.
            prop_assert_eq!(footprint.writes(|other| other == hash), written(hash));
        }
        prop_assert_eq!(footprint.keys, merged.into_iter().collect::<Vec<_>>());
    }
}

/// All pairs of what two claims may be, on one key or on two.
#[test]
fn pairs_conflict_as_they_should() {
    use Mode::{Exclusive, Shared};
    let claims = [key(0, Shared), key(0, Exclusive), key(1, Exclusive), whole(Shared), whole(Exclusive)];
    let expected = [
        [true, false, true, true, false],
        [false, false, true, false, false],
        [true, true, false, false, false],
        [true, false, false, true, false],
        [false, false, false, false, false],
    ];
    for (first, row) in claims.iter().zip(expected) {
        for (second, compatible) in claims.iter().zip(row) {
            let mut table = LockTable::default();
            assert_eq!(table.claim(id(1, 0), first.clone()), Ok(true));
            assert_eq!(table.is_free(second), compatible, "{first:?}, {second:?}");
            assert_eq!(table.claim(id(2, 0), second.clone()), Ok(compatible), "{first:?}, {second:?}");
        }
    }
}

/// Otherwise it would wait for a higher id: the writer's, which came first but is not in its way.
#[test]
fn a_reader_passes_those_who_wait_and_do_not_conflict() {
    let mut table = LockTable::default();
    assert_eq!(table.claim(id(1, 0), whole(Mode::Shared)), Ok(true));
    assert_eq!(table.claim(id(9, 0), key(0, Mode::Exclusive)), Ok(false), "KEYS is in its way");
    assert_eq!(table.claim(id(5, 0), key(1, Mode::Shared)), Ok(true));
    assert_eq!(table.claim(id(6, 0), key(0, Mode::Shared)), Err(Refused), "it would wait for 9");
    assert_eq!(table.claim(id(10, 0), key(0, Mode::Shared)), Ok(false));
    let mut granted = Vec::new();
    table.release(id(1, 0), &mut granted);
    assert_eq!(granted, [id(9, 0)]);
}

#[test]
fn the_stronger_mode_of_the_whole_shard_stays() {
    for modes in [[Mode::Shared, Mode::Exclusive], [Mode::Exclusive, Mode::Shared]] {
        let mut footprint = Footprint::default();
        modes.into_iter().for_each(|mode| footprint.add_whole(mode));
        footprint.seal();
        assert_eq!(footprint, whole(Mode::Exclusive));
    }
}

#[test]
fn a_refused_claim_leaves_nothing() {
    let mut table = LockTable::default();
    assert_eq!(table.claim(id(5, 1), key(3, Mode::Exclusive)), Ok(true));
    let both = sealed(None, &[(1, Mode::Exclusive), (3, Mode::Shared)]);
    assert_eq!(table.claim(id(5, 0), both), Err(Refused), "of one time, the core decides");
    assert_eq!((table.len(), table.keys.len(), table.shard.entries.len()), (1, 1, 1));
    assert!(table.is_free(&key(1, Mode::Exclusive)));
}

/// The release of a claim that was never granted lets those behind it go on.
#[test]
fn a_queued_claim_can_be_given_up() {
    let mut table = LockTable::default();
    assert_eq!(table.claim(id(1, 0), key(0, Mode::Shared)), Ok(true));
    assert_eq!(table.claim(id(2, 0), sealed(None, &[(0, Mode::Exclusive), (1, Mode::Exclusive)])), Ok(false));
    assert_eq!(table.claim(id(4, 0), key(1, Mode::Shared)), Ok(false));
    assert_eq!(table.claim(id(3, 0), key(0, Mode::Shared)), Ok(false));
    let mut granted = Vec::new();
    table.release(id(2, 0), &mut granted);
    assert_eq!(granted, [id(3, 0), id(4, 0)]);
}

#[test]
fn thousands_of_keys_are_claimed_and_released() {
    let keys: Vec<_> = (0..5_000_u64).rev().flat_map(|hash| [(hash, Mode::Shared), (hash, Mode::Exclusive)]).collect();
    let footprint = sealed(None, &keys);
    assert_eq!(footprint.keys.len(), 5_000);
    let mut table = LockTable::default();
    assert_eq!(table.claim(id(1, 0), footprint.clone()), Ok(true));
    assert_eq!(table.claim(id(2, 0), footprint), Ok(false));
    let mut granted = Vec::new();
    table.release(id(1, 0), &mut granted);
    assert_eq!(granted, [id(2, 0)]);
    table.release(id(2, 0), &mut granted);
    assert!(table.is_idle() && table.keys.is_empty() && table.claims.is_empty());
}

#[test]
#[should_panic(expected = "an id is claimed with once")]
fn an_id_cannot_claim_twice() {
    let mut table = LockTable::default();
    let _ = table.claim(id(1, 0), key(0, Mode::Shared));
    let _ = table.claim(id(1, 0), key(1, Mode::Shared));
}

#[test]
#[should_panic(expected = "only claims that exist are released")]
fn a_claim_cannot_be_released_twice() {
    let mut table = LockTable::default();
    assert_eq!(table.claim(id(1, 0), key(0, Mode::Shared)), Ok(true));
    table.release(id(1, 0), &mut Vec::new());
    table.release(id(1, 0), &mut Vec::new());
}
