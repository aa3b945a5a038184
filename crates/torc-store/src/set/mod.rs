//! Sets: in a run of sorted integers, in a pack, or in a table of members.
//!
//! ```text
//! SetRef      reads a set in any form          add, remove, take_random   change one
//! Limits      when a form gives way            build                      makes one of distinct members
//! ```
//! A set of integers that gets another member becomes a pack if it is small, else a table; a pack that grows becomes a
//! table; nothing ever turns back.

pub mod integers;
#[cfg(test)]
mod tests;

use crate::UnixMillis;
use crate::change::Part;
use crate::elements::Elements;
use crate::keyspace::Prefetched;
use crate::object::{CollectionForm, Object};
use crate::pack::{self, PACK_LEN_MAX, Pack, Packed};
use crate::storage::Storage;
use crate::text::canonical_integer;
use crate::value::{Content, Entry, Kind, Occupied, Vacant, ValueRef};
use crate::workshop::{Lens, Workshop};
use integers::{Integers, run_of, width_of};

/// Members whose places in a table are fetched ahead of the lookups.
const LOOK_AHEAD: usize = 16;

/// When a form gives way to the next (`set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most members of a run of integers.
    pub integers_max: usize,
    /// Most members of a pack.
    pub pack_len_max: usize,
    /// Longest member of a pack, in bytes.
    pub pack_member_len_max: usize,
}

impl Limits {
    fn pack_holds(&self, len: usize, member_len: usize) -> bool {
        len <= self.pack_len_max.min(PACK_LEN_MAX) && member_len <= self.pack_member_len_max
    }
}

/// A set in a table.
#[derive(Debug, Default)]
pub struct Set {
    members: Elements,
}

impl Set {
    /// Number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table, for reading.
    pub(crate) fn members(&self) -> &Elements {
        &self.members
    }

    /// The table, to be moved to another heap or shard.
    pub(crate) fn members_mut(&mut self) -> &mut Elements {
        &mut self.members
    }

    /// Bytes of memory outside of the shard's heap, besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        self.members.external_bytes()
    }

    /// Bytes in the shard's heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.members.heap_bytes()
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        self.members.dismantle(storage)
    }
}

/// A set, to be read.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a> {
    form: Form<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Integers(Integers<'a>),
    Pack(Pack<'a>),
    Table(&'a Elements, &'a Lens),
}

impl<'a> SetRef<'a> {
    /// Of a value that is a set; panics otherwise.
    #[inline]
    pub fn of(value: ValueRef<'a>) -> SetRef<'a> {
        assert!(value.kind() == Kind::Set, "commands check the type first");
        let form = match value.content() {
            Content::Integers(bytes) => Form::Integers(Integers::new(bytes)),
            Content::Packed(bytes) => Form::Pack(Pack::new(bytes)),
            Content::Object(Object::Set(set)) => Form::Table(&set.members, value.lens()),
            Content::Object(_) => unreachable!("the kind says that it is a set"),
        };
        SetRef { form }
    }

    /// Number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self.form {
            Form::Integers(integers) => integers.len(),
            Form::Pack(pack) => pack.len(),
            Form::Table(members, _) => members.len(),
        }
    }

    /// Whether there are none; no set stays so.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it is in a table, where members have no positions.
    pub fn is_table(self) -> bool {
        matches!(self.form, Form::Table(..))
    }

    /// Whether a member is there.
    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        match self.form {
            Form::Integers(integers) => canonical_integer(member).is_some_and(|value| integers.search(value).is_ok()),
            Form::Pack(pack) => pack.find(Packed::of(member), 1).is_some(),
            Form::Table(members, lens) => members.find(lens, member).is_some(),
        }
    }

    /// The members, integers ascending, others in no particular order. What a table holds is given as bytes, even if
    /// it is the text of an integer.
    pub fn iter(self) -> Box<dyn Iterator<Item = Packed<'a>> + 'a> {
        match self.form {
            Form::Integers(integers) => Box::new(integers.iter().map(Packed::Integer)),
            Form::Pack(pack) => Box::new(pack.iter()),
            Form::Table(members, _) => Box::new(members.iter().map(|member| Packed::Bytes(member.name()))),
        }
    }

    /// The member at a position below the length; panics for a table.
    pub fn at(self, index: usize) -> Packed<'a> {
        match self.form {
            Form::Integers(integers) => Packed::Integer(integers.get(index)),
            Form::Pack(pack) => pack.get(index).expect("the index is below the length"),
            Form::Table(..) => panic!("members of a table have no positions"),
        }
    }

    /// A member chosen by the number `random`, each about equally likely.
    pub fn random(self, random: u64) -> Packed<'a> {
        match self.form {
            Form::Table(members, _) => Packed::Bytes(members.random(random).expect("a set has a member").name()),
            _ => self.at(((u128::from(random) * self.len() as u128) >> 64) as usize),
        }
    }

    /// Asks `visit` for each of `members` whether it is in this set, in order, until it says `false`. Lookups in a table
    /// overlap their waits for memory.
    pub fn probe<'m>(
        self,
        members: &mut dyn Iterator<Item = Packed<'m>>,
        visit: &mut dyn FnMut(Packed<'m>, bool) -> bool,
    ) {
        let Form::Table(table, lens) = self.form else {
            for member in members {
                let found = member.with_bytes(|bytes| self.contains(bytes));
                if !visit(member, found) {
                    return;
                }
            }
            return;
        };
        let mut ahead = Vec::with_capacity(LOOK_AHEAD);
        loop {
            ahead.clear();
            ahead.extend(members.take(LOOK_AHEAD));
            if ahead.is_empty() {
                return;
            }
            let mut fetched = [Prefetched::default(); LOOK_AHEAD];
            for (place, member) in fetched.iter_mut().zip(&ahead) {
                *place = member.with_bytes(|bytes| table.prefetch(lens, bytes));
            }
            fetched.into_iter().for_each(Prefetched::fetch_entry);
            for &member in &ahead {
                let found = member.with_bytes(|bytes| table.find(lens, bytes).is_some());
                if !visit(member, found) {
                    return;
                }
            }
        }
    }
}

/// Adds a member to a set. True: it is new.
#[inline]
pub fn add(set: &mut Occupied<'_>, member: &[u8], limits: &Limits) -> bool {
    match set.value().content() {
        Content::Object(_) => table_add(set, member),
        Content::Packed(bytes) => {
            let pack = Pack::new(bytes);
            if pack.find(Packed::of(member), 1).is_some() {
                return false;
            }
            let (end, len) = (pack.end(), pack.len());
            if limits.pack_holds(len + 1, member.len()) {
                set.edit_pack(end, 0, len + 1, |out| pack::push(out, Packed::of(member)));
            } else {
                to_table(set);
                table_edit(set, member, Elements::insert);
            }
            true
        }
        Content::Integers(_) => match canonical_integer(member) {
            Some(value) => add_integer(set, value, limits),
            None => {
                let len = SetRef::of(set.value()).len();
                if limits.pack_holds(len + 1, member.len().max(longest_integer(set))) {
                    to_pack(set);
                } else {
                    to_table(set);
                }
                add(set, member, limits)
            }
        },
    }
}

/// Removes a member. Whether it was there. The caller removes a key whose set is empty.
pub fn remove(set: &mut Occupied<'_>, member: &[u8]) -> bool {
    match set.value().content() {
        Content::Object(_) => {
            let found = SetRef::of(set.value()).contains(member);
            if found {
                table_edit(set, member, Elements::remove);
            }
            found
        }
        Content::Packed(bytes) => {
            let pack = Pack::new(bytes);
            let Some(at) = pack.find(Packed::of(member), 1) else { return false };
            let (removed, len) = (pack.next(at) - at, pack.len());
            set.edit_pack(at, removed, len - 1, |_| {});
            true
        }
        Content::Integers(bytes) => {
            let integers = Integers::new(bytes);
            let Some(Ok(index)) = canonical_integer(member).map(|value| integers.search(value)) else { return false };
            let (at, width) = (integers.offset_of(index), integers.width());
            set.splice(at, width, [&[], &[]]);
            true
        }
    }
}

/// Adds the key with a set of one member or more, which need not be distinct; returns how many it has.
pub fn create(vacant: Vacant<'_>, members: &mut dyn Iterator<Item = &[u8]>, hint: usize, limits: &Limits) -> usize {
    let first = members.next().expect("a set has a member");
    let mut set = match canonical_integer(first) {
        Some(value) if hint <= limits.integers_max => {
            vacant.insert_packed(Kind::Set, CollectionForm::Integers, &run_of([value].into_iter()), None)
        }
        _ if limits.pack_holds(hint, first.len()) => {
            let bytes = pack::pack_of([Packed::of(first)]);
            vacant.insert_packed(Kind::Set, CollectionForm::Packed, &bytes, None)
        }
        _ => {
            let mut set = vacant.insert_object(Object::Set(Set::default()), None);
            table_edit(&mut set, first, Elements::insert);
            set
        }
    };
    members.for_each(|member| {
        add(&mut set, member, limits);
    });
    SetRef::of(set.value()).len()
}

/// Makes the value of a key a set of these distinct members, at least one, whatever it was before.
pub fn build(entry: Entry<'_>, members: &[&[u8]], expire_at: Option<UnixMillis>, limits: &Limits) {
    assert!(!members.is_empty(), "a set has a member");
    let longest = members.iter().map(|member| member.len()).max().unwrap_or(0);
    let mut integers = Vec::new();
    if members.len() <= limits.integers_max {
        integers.extend(members.iter().map_while(|member| canonical_integer(member)));
    }
    if integers.len() == members.len() {
        integers.sort_unstable();
        put_packed(entry, CollectionForm::Integers, &run_of(integers.into_iter()), expire_at);
    } else if limits.pack_holds(members.len(), longest) {
        let bytes = pack::pack_of(members.iter().map(|member| Packed::of(member)));
        put_packed(entry, CollectionForm::Packed, &bytes, expire_at);
    } else {
        let mut entry = entry;
        let mut workshop = match &mut entry {
            Entry::Occupied(occupied) => occupied.workshop(),
            Entry::Vacant(vacant) => vacant.workshop(),
        };
        let bytes = members.iter().map(|member| member.len()).sum();
        let mut table = Elements::expecting(workshop.lens, members.len(), bytes);
        for member in members {
            table.add(&mut workshop, member, &[], None);
        }
        let object = Object::Set(Set { members: table });
        match entry {
            Entry::Occupied(mut occupied) => occupied.replace_object(object, expire_at),
            Entry::Vacant(vacant) => {
                vacant.insert_object(object, expire_at);
            }
        }
    }
}

/// Visits about `count` members of a table from `cursor` on and gives the cursor to go on with, 0 at the end; all members
/// at once of the other forms. A member that is there all the time is visited at least once.
pub fn scan(set: &mut Occupied<'_>, cursor: u64, count: usize, visit: &mut dyn FnMut(Packed<'_>)) -> u64 {
    if !SetRef::of(set.value()).is_table() {
        SetRef::of(set.value()).iter().for_each(visit);
        return 0;
    }
    set.walk_object(|object, workshop| {
        members_of(object).scan(workshop, cursor, count, &mut |member| visit(Packed::Bytes(member.name())))
    })
}

fn put_packed(entry: Entry<'_>, form: CollectionForm, bytes: &[u8], expire_at: Option<UnixMillis>) {
    match entry {
        Entry::Occupied(mut occupied) => occupied.replace_packed(Kind::Set, form, bytes, expire_at),
        Entry::Vacant(vacant) => {
            vacant.insert_packed(Kind::Set, form, bytes, expire_at);
        }
    }
}

fn add_integer(set: &mut Occupied<'_>, value: i64, limits: &Limits) -> bool {
    let Content::Integers(bytes) = set.value().content() else { unreachable!("the set has integers only") };
    let integers = Integers::new(bytes);
    let Err(index) = integers.search(value) else { return false };
    if integers.len() >= limits.integers_max {
        to_table(set);
        let text = pack::IntegerText::new(value);
        return table_edit(set, text.as_bytes(), Elements::insert);
    }
    if width_of(value) <= integers.width() {
        let (at, width) = (integers.offset_of(index), integers.width());
        set.splice(at, 0, [&value.to_le_bytes()[..width], &[]]);
    } else {
        let mut all: Vec<i64> = integers.iter().collect();
        all.insert(index, value);
        set.convert_packed(CollectionForm::Integers, &run_of(all.into_iter()));
        set.note_change();
    }
    true
}

/// Length of the longest text among the integers: that of the least or of the greatest.
fn longest_integer(set: &Occupied<'_>) -> usize {
    let set = SetRef::of(set.value());
    if set.is_empty() { 0 } else { set.at(0).byte_len().max(set.at(set.len() - 1).byte_len()) }
}

fn to_pack(set: &mut Occupied<'_>) {
    let bytes = pack::pack_of(SetRef::of(set.value()).iter());
    set.convert_packed(CollectionForm::Packed, &bytes);
}

fn to_table(set: &mut Occupied<'_>) {
    let members: Vec<Vec<u8>> = SetRef::of(set.value()).iter().map(Packed::to_vec).collect();
    let mut table = Elements::default();
    let mut workshop = set.workshop();
    members.iter().for_each(|member| {
        table.add(&mut workshop, member, &[], None);
    });
    set.convert_object(Object::Set(Set { members: table }));
}

#[inline]
fn table_add(set: &mut Occupied<'_>, member: &[u8]) -> bool {
    let is_new = set.use_object(Part::Element(member), |object, workshop| members_of(object).insert(workshop, member));
    // Who watches the key hears of changes only.
    if is_new {
        set.note_change();
    }
    is_new
}

#[inline]
fn table_edit<T>(
    set: &mut Occupied<'_>,
    member: &[u8],
    edit: impl FnOnce(&mut Elements, &mut Workshop<'_>, &[u8]) -> T,
) -> T {
    set.edit_object(Part::Element(member), |object, workshop| edit(members_of(object), workshop, member))
}

#[inline]
fn members_of(object: &mut Object) -> &mut Elements {
    match object {
        Object::Set(set) => &mut set.members,
        _ => unreachable!("the kind says that it is a set"),
    }
}
