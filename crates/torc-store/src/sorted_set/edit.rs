//! Changes of a sorted set, whatever its form. Each notes a change of the key only if something changed.
//!
//! A set that outgrows [`PackLimits`] becomes an object and stays one. A set that loses its last member is left empty: the
//! caller removes the key.

use std::ops::Range;

use super::node::order;
use super::object::{SortedSet, Update};
use super::packed::{self, PackedScore};
use super::view::SortedSetRef;
use crate::UnixMillis;
use crate::change::Part;
use crate::object::{CollectionForm, Object};
use crate::pack::{self, PACK_LEN_MAX, Pack, Packed};
use crate::value::{Content, Entry, Kind, Occupied, Vacant};
use crate::workshop::Workshop;

/// Until when a set stays packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// Most members.
    pub entries: usize,
    /// Longest member, in bytes.
    pub value_bytes: usize,
}

impl PackLimits {
    fn allow(self, entries: usize, value_bytes: usize) -> bool {
        entries <= self.entries.min(PACK_LEN_MAX / 2) && value_bytes <= self.value_bytes
    }
}

/// Gives a member of the set the score that `change` makes of the one it has; with `None`, all stays as it is.
pub fn update(
    occupied: &mut Occupied<'_>,
    limits: PackLimits,
    member: &[u8],
    change: impl FnOnce(Option<f64>) -> Option<f64>,
) -> Update {
    if let Content::Packed(bytes) = occupied.value().content() {
        let pack = Pack::new(bytes);
        let found = packed::find(pack, member);
        let old = found.map(|pair| pair.score);
        let new = change(old);
        let outcome = Update { old, new };
        let (Some(score), true) = (new, outcome.is_change()) else { return outcome };
        let len = packed::len(pack);
        if let Some(pair) = found {
            let [start, middle, end] = pair.offsets;
            if packed::keeps_place(pack, pair, score) {
                occupied.edit_pack(middle, end - middle, 2 * len, |out| push_score(out, score));
                return outcome;
            }
            occupied.edit_pack(start, end - start, 2 * (len - 1), |_| {});
            insert_packed(occupied, member, score);
        } else if limits.allow(len + 1, member.len()) {
            insert_packed(occupied, member, score);
        } else {
            unpack(occupied);
            occupied.edit_object(Part::Element(member), |object, workshop| {
                of(object).update(workshop, member, |_| Some(score))
            });
        }
        return outcome;
    }
    let update = |object: &mut Object, workshop: &mut Workshop<'_>| of(object).update(workshop, member, change);
    let outcome = occupied.use_object(Part::Element(member), update);
    if outcome.is_change() {
        occupied.note_change();
    }
    outcome
}

/// Adds a key with a set of one member.
pub fn create<'a>(mut vacant: Vacant<'a>, limits: PackLimits, member: &[u8], score: f64) -> Occupied<'a> {
    if limits.allow(1, member.len()) {
        let bytes = pack::pack_of([Packed::of(member), PackedScore::new(score).element()]);
        return vacant.insert_packed(Kind::SortedSet, CollectionForm::Packed, &bytes, None);
    }
    let set = SortedSet::from_sorted(&mut vacant.workshop(), &[(score, member)]);
    vacant.insert_object(Object::SortedSet(set), None)
}

/// Removes a member. Whether it was there.
pub fn remove(occupied: &mut Occupied<'_>, member: &[u8]) -> bool {
    if let Content::Packed(bytes) = occupied.value().content() {
        let pack = Pack::new(bytes);
        let Some(pair) = packed::find(pack, member) else { return false };
        let ([start, _, end], len) = (pair.offsets, pack.len());
        occupied.edit_pack(start, end - start, len - 2, |_| {});
        return true;
    }
    let removed = occupied.use_object(Part::Element(member), |object, workshop| of(object).remove(workshop, member));
    if removed {
        occupied.note_change();
    }
    removed
}

/// Removes the members of these ranks, which lie inside the set.
pub fn remove_ranks(occupied: &mut Occupied<'_>, ranks: Range<usize>) {
    if ranks.is_empty() {
        return;
    }
    if let Content::Packed(bytes) = occupied.value().content() {
        let pack = Pack::new(bytes);
        let (offsets, len) = (packed::offsets(pack, ranks.clone()), pack.len() - 2 * ranks.len());
        occupied.edit_pack(offsets.start, offsets.len(), len, |_| {});
        return;
    }
    let is_saving = occupied.is_saving();
    let gone = occupied.edit_object(Part::Leaving(ranks.clone()), |object, workshop| {
        of(object).remove_ranks(workshop, ranks.start, ranks.len(), is_saving)
    });
    if is_saving {
        occupied.keep_gone_members(gone);
    }
}

/// Visits members of a set as SCAN does: about `count` from `cursor` on; returns the cursor to go on with, 0 at the end.
pub fn scan(occupied: &mut Occupied<'_>, cursor: u64, count: usize, visit: &mut dyn FnMut(Packed<'_>, f64)) -> u64 {
    if let Content::Packed(_) = occupied.value().content() {
        for (member, score) in SortedSetRef::of(occupied.value()).iter() {
            visit(member, score);
        }
        return 0;
    }
    occupied.walk_object(|object, workshop| {
        of(object).scan(workshop, cursor, count, &mut |member, score| visit(Packed::Bytes(member), score))
    })
}

/// Puts members with their scores in the order of a sorted set.
pub fn sort(members: &mut [(f64, &[u8])]) {
    let compare = |a: &(f64, &[u8]), b: &(f64, &[u8])| order((a.0, || a.1), (b.0, || b.1));
    if !members.is_sorted_by(|a, b| compare(a, b).is_le()) {
        members.sort_unstable_by(compare);
    }
}

/// Makes the value of a key the set of these members, at least one and all different, whatever it was before. They are put in
/// order first.
pub fn store(entry: Entry<'_>, limits: PackLimits, members: &mut [(f64, &[u8])], expire_at: Option<UnixMillis>) {
    assert!(!members.is_empty(), "a set without members is no key");
    sort(members);
    let longest = members.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
    if limits.allow(members.len(), longest) {
        let mut bytes = vec![0; pack::PACK_HEADER_BYTES];
        for &(score, member) in &*members {
            pack::push(&mut bytes, Packed::of(member));
            push_score(&mut bytes, score);
        }
        pack::set_count(&mut bytes, 2 * members.len());
        match entry {
            Entry::Occupied(mut occupied) => {
                occupied.replace_packed(Kind::SortedSet, CollectionForm::Packed, &bytes, expire_at);
            }
            Entry::Vacant(vacant) => {
                vacant.insert_packed(Kind::SortedSet, CollectionForm::Packed, &bytes, expire_at);
            }
        }
        return;
    }
    let build = |mut workshop: Workshop<'_>| Object::SortedSet(SortedSet::from_sorted(&mut workshop, members));
    match entry {
        Entry::Occupied(mut occupied) => {
            let object = build(occupied.workshop());
            occupied.replace_object(object, expire_at);
        }
        Entry::Vacant(mut vacant) => {
            let object = build(vacant.workshop());
            vacant.insert_object(object, expire_at);
        }
    }
}

fn insert_packed(occupied: &mut Occupied<'_>, member: &[u8], score: f64) {
    let Content::Packed(bytes) = occupied.value().content() else { unreachable!("the set is packed") };
    let pack = Pack::new(bytes);
    let (at, len) = (packed::place_of(pack, score, member), pack.len());
    occupied.edit_pack(at, 0, len + 2, |out| {
        pack::push(out, Packed::of(member));
        push_score(out, score);
    });
}

/// Makes a packed set an object.
fn unpack(occupied: &mut Occupied<'_>) {
    let value = occupied.value();
    let Content::Packed(bytes) = value.content() else { unreachable!("the set is packed") };
    let bytes = bytes.to_vec();
    let members: Vec<(f64, Vec<u8>)> =
        packed::pairs(Pack::new(&bytes)).map(|pair| (pair.score, pair.member.to_vec())).collect();
    let members: Vec<(f64, &[u8])> = members.iter().map(|(score, member)| (*score, &member[..])).collect();
    let set = SortedSet::from_sorted(&mut occupied.workshop(), &members);
    occupied.convert_object(Object::SortedSet(set));
}

fn push_score(out: &mut Vec<u8>, score: f64) {
    pack::push(out, PackedScore::new(score).element());
}

fn of(object: &mut Object) -> &mut SortedSet {
    match object {
        Object::SortedSet(set) => set,
        _ => unreachable!("commands check the type first"),
    }
}
