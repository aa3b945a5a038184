//! Changing and making hashes.

use super::{Hash, HashField, HashRef, Limits, pairs};
use crate::UnixMillis;
use crate::change::Part;
use crate::database::is_expired;
use crate::elements::Element;
use crate::object::{CollectionForm, Object};
use crate::pack::{self, Pack, Packed};
use crate::value::{Content, Entry, Kind, Occupied, Vacant};
use crate::workshop::Workshop;

/// What becomes of a field's expiry when it gets a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It has none.
    Clear,
    /// It stays what it was; a new field has none.
    Keep,
    /// It expires then.
    At(UnixMillis),
}

impl Ttl {
    pub(super) fn or(self, kept: Option<UnixMillis>) -> Option<UnixMillis> {
        match self {
            Ttl::Clear => None,
            Ttl::Keep => kept,
            Ttl::At(at) => Some(at),
        }
    }
}

/// A key that holds a hash, to be changed. [`HashMut::finish`] removes the key if no field is left.
#[derive(Debug)]
pub struct HashMut<'k> {
    occupied: Occupied<'k>,
    limits: Limits,
}

impl<'k> HashMut<'k> {
    /// Of a key that holds a hash; panics otherwise.
    #[inline]
    pub fn of(occupied: Occupied<'k>, limits: Limits) -> HashMut<'k> {
        assert!(occupied.value().kind() == Kind::Hash, "commands check the type first");
        HashMut { occupied, limits }
    }

    /// The hash, to be read.
    #[inline]
    pub fn as_ref(&self) -> HashRef<'_> {
        HashRef::of(self.occupied.value(), self.occupied.now)
    }

    /// Sets a field. True: it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], ttl: Ttl) -> bool {
        let Content::Packed(bytes) = self.occupied.value().content() else {
            return self.set_in_table(field, value, ttl);
        };
        if !self.limits.holds_pair(field, value) || matches!(ttl, Ttl::At(_)) {
            self.make_table();
            return self.set_in_table(field, value, ttl);
        }
        let (pack, name, value_packed) = (Pack::new(bytes), Packed::of(field), Packed::of(value));
        let (count, end) = (pack.len(), pack.end());
        if let Some(pair) = pairs::find(pack, name) {
            let removed = pack.next(pair.value) - pair.value;
            if !pack::overwrite(self.occupied.packed_mut(), pair.value, value_packed) {
                self.occupied.edit_pack(pair.value, removed, count, |out| pack::push(out, value_packed));
            }
            return false;
        }
        if !self.limits.holds_len(count / 2 + 1) {
            self.make_table();
            return self.set_in_table(field, value, ttl);
        }
        self.occupied.edit_pack(end, 0, count + 2, |out| {
            pack::push(out, name);
            pack::push(out, value_packed);
        });
        true
    }

    /// Gives a field that is there an expiry, or takes it away.
    pub fn set_expiry(&mut self, field: &[u8], expire_at: Option<UnixMillis>) {
        if let Content::Packed(_) = self.occupied.value().content() {
            if expire_at.is_none() {
                return;
            }
            self.make_table();
        }
        self.edit(field, |hash, workshop| hash.fields.set_expire_at(workshop, field, expire_at));
    }

    /// Removes a field. Whether it was there; one that has expired was not.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Content::Packed(bytes) = self.occupied.value().content() else {
            return self.remove_from_table(field, self.occupied.now) == Some(true);
        };
        let pack = Pack::new(bytes);
        let Some(pair) = pairs::find(pack, Packed::of(field)) else { return false };
        let (removed, count) = (pack.next(pair.value) - pair.field, pack.len() - 2);
        self.occupied.edit_pack(pair.field, removed, count, |_| {});
        true
    }

    /// Removes those of these fields that have expired, unless a transaction may still read them.
    pub fn reclaim<'f>(&mut self, fields: impl Iterator<Item = &'f [u8]>) {
        let now = self.occupied.now.min(self.occupied.keyspace.expiry_floor);
        let Content::Object(_) = self.occupied.value().content() else { return };
        for field in fields {
            let value = self.occupied.value();
            if HashRef::of(value, now).has_expired(field) {
                self.remove_from_table(field, now);
            }
        }
    }

    /// Removes expired fields, unless a transaction may still read them, from at most `segments` segments of a table.
    pub fn reclaim_some(&mut self, segments: usize) {
        let now = self.occupied.now.min(self.occupied.keyspace.expiry_floor);
        for _ in 0..segments {
            let Content::Object(Object::Hash(hash)) = self.occupied.value().content() else { return };
            if !hash.fields.is_due(now) {
                return;
            }
            let step = |object: &mut Object, workshop: &mut Workshop<'_>| hash_of(object).sweep_step(workshop, now);
            let (_, finished) = self.occupied.use_object(Part::Expired(now), step);
            if finished {
                return;
            }
        }
    }

    /// Visits about `count` fields from `cursor` on, with the guarantee of [`crate::Keyspace::scan`], and returns the cursor
    /// to go on with, 0 at the end. A pack is visited at once, whatever the cursor. Nothing changes.
    pub fn scan(&mut self, cursor: u64, count: usize, visit: &mut dyn FnMut(Packed<'_>, Packed<'_>)) -> u64 {
        if let Content::Packed(_) = self.occupied.value().content() {
            self.as_ref().for_each(visit);
            return 0;
        }
        let now = self.occupied.now;
        self.occupied.walk_object(|object, workshop| {
            hash_of(object).fields.scan(workshop, cursor, count, &mut |element: Element<'_>| {
                if !is_expired(element.expire_at(), now) {
                    visit(Packed::Bytes(element.name()), Packed::Bytes(element.value()));
                }
            })
        })
    }

    /// Ends the change: removes the key if no field is left.
    #[inline]
    pub fn finish(self) {
        if self.as_ref().is_empty() {
            self.occupied.remove();
        }
    }

    fn set_in_table(&mut self, field: &[u8], value: &[u8], ttl: Ttl) -> bool {
        let (now, limits) = (self.occupied.now, self.limits);
        self.edit(field, |hash, workshop| hash.set(workshop, field, value, ttl, now, limits))
    }

    fn edit<T>(&mut self, field: &[u8], edit: impl FnOnce(&mut Hash, &mut Workshop<'_>) -> T) -> T {
        self.occupied.edit_object(Part::Element(field), |object, workshop| edit(hash_of(object), workshop))
    }

    /// `None`: there is no such field; `Some(false)`: it had expired.
    fn remove_from_table(&mut self, field: &[u8], now: UnixMillis) -> Option<bool> {
        let remove = |object: &mut Object, workshop: &mut Workshop<'_>| hash_of(object).remove(workshop, field, now);
        let was_live = self.occupied.use_object(Part::Element(field), remove);
        if was_live == Some(true) {
            self.occupied.note_change();
        }
        was_live
    }

    /// Turns a pack into a table.
    #[cold]
    fn make_table(&mut self) {
        let Content::Packed(bytes) = self.occupied.value().content() else { unreachable!("only packs become tables") };
        let packed = bytes.to_vec();
        let hash = Hash::of_pack(&mut self.occupied.workshop(), Pack::new(&packed), self.limits);
        self.occupied.convert_object(Object::Hash(hash));
    }
}

impl Hash {
    fn of_pack(workshop: &mut Workshop<'_>, pack: Pack<'_>, limits: Limits) -> Hash {
        let mut hash = Hash { is_small: limits.holds_len(pack.len() / 2), ..Hash::default() };
        let mut elements = pack.iter();
        while let (Some(name), Some(value)) = (elements.next(), elements.next()) {
            name.with_bytes(|name| {
                value.with_bytes(|value| hash.fields.add(workshop, name, value, None));
            });
        }
        hash
    }

    /// Sets a field. True: it is new; one that has expired is forgotten first.
    fn set(
        &mut self,
        workshop: &mut Workshop<'_>,
        field: &[u8],
        value: &[u8],
        ttl: Ttl,
        now: UnixMillis,
        limits: Limits,
    ) -> bool {
        let mut old = None;
        let mut has_expired = false;
        if self.fields.expires_len() > 0 {
            old = self.fields.find(workshop.lens(), field).and_then(|element| element.expire_at());
            has_expired = is_expired(old, now);
        }
        if has_expired {
            workshop.changes.note_expired_field(field);
            old = None;
        }
        let is_new = self.fields.set(workshop, field, value, ttl.or(old)) || has_expired;
        if self.is_small && !(limits.holds_len(self.fields.len()) && limits.holds_pair(field, value)) {
            self.is_small = false;
        }
        is_new
    }

    /// Removes a field. Whether it had not expired; `None` if it is not there.
    fn remove(&mut self, workshop: &mut Workshop<'_>, field: &[u8], now: UnixMillis) -> Option<bool> {
        let entry = self.fields.take(workshop, field)?;
        let has_expired = is_expired(entry.expire_at(), now);
        if has_expired {
            workshop.changes.note_expired_field(field);
        }
        self.fields.free(workshop, entry);
        Some(!has_expired)
    }
}

/// Makes a key that is not there a hash of these fields and values; a later value of a field counts. Returns the number of fields; there must be
/// one at least.
#[inline]
pub fn create<'f>(
    vacant: Vacant<'_>,
    fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    limits: Limits,
) -> usize {
    assert!(fields.len() > 0, "no hash is empty");
    let keyspace_fits = limits.holds_len(fields.len());
    if !keyspace_fits || !fields.clone().all(|(field, value)| limits.holds_pair(field, value)) {
        let fields = fields.map(|(field, value)| (field, value, None));
        return build(Entry::Vacant(vacant), fields, None, limits);
    }
    let mut scratch = std::mem::take(&mut vacant.keyspace.scratch);
    pairs::start(&mut scratch);
    let mut len = 0;
    for (field, value) in fields {
        let is_new = pairs::set(&mut scratch, Packed::of(field), Packed::of(value), len == 0);
        len += usize::from(is_new);
    }
    pack::set_count(&mut scratch, len * 2);
    let occupied = vacant.insert_packed(Kind::Hash, CollectionForm::Packed, &scratch, None);
    occupied.keyspace.keep_scratch(scratch);
    len
}

/// Makes a key a hash of these fields, values and expiries, whatever it held; a later value of a field counts. Returns the number of fields; there
/// must be one at least.
pub fn build<'f>(
    mut entry: Entry<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8], Option<UnixMillis>)>,
    expire_at: Option<UnixMillis>,
    limits: Limits,
) -> usize {
    let mut fields = fields.peekable();
    let mut packed = Vec::new();
    pairs::start(&mut packed);
    let mut len = 0;
    let fits = |field: &(&[u8], &[u8], Option<UnixMillis>), len| {
        limits.holds_pair(field.0, field.1) && field.2.is_none() && limits.holds_len(len + 1)
    };
    while let Some((field, value, _)) = fields.next_if(|field| fits(field, len)) {
        len += usize::from(pairs::set(&mut packed, Packed::of(field), Packed::of(value), false));
    }
    pack::set_count(&mut packed, len * 2);
    if fields.peek().is_none() {
        assert!(len > 0, "no hash is empty");
        match entry {
            Entry::Occupied(mut occupied) => {
                occupied.replace_packed(Kind::Hash, CollectionForm::Packed, &packed, expire_at);
            }
            Entry::Vacant(vacant) => {
                vacant.insert_packed(Kind::Hash, CollectionForm::Packed, &packed, expire_at);
            }
        }
        return len;
    }
    let mut workshop = match &mut entry {
        Entry::Occupied(occupied) => occupied.workshop(),
        Entry::Vacant(vacant) => vacant.workshop(),
    };
    let mut hash = Hash::of_pack(&mut workshop, Pack::new(&packed), limits);
    for (field, value, expire_at) in fields {
        let ttl = expire_at.map_or(Ttl::Clear, Ttl::At);
        hash.set(&mut workshop, field, value, ttl, UnixMillis::MIN, limits);
    }
    // Without expiries it is a table because it is large.
    hash.is_small &= hash.fields.expires_len() > 0;
    let len = hash.len();
    match entry {
        Entry::Occupied(mut occupied) => occupied.replace_object(Object::Hash(hash), expire_at),
        Entry::Vacant(vacant) => {
            vacant.insert_object(Object::Hash(hash), expire_at);
        }
    }
    len
}

fn hash_of(object: &mut Object) -> &mut Hash {
    match object {
        Object::Hash(hash) => hash,
        _ => unreachable!("the kind says that it is a hash"),
    }
}

/// Lets [`HashField`] be built from what [`build`] takes.
impl<'a> HashField<'a> {
    /// The field's name and value as bytes, shown to `visit`.
    pub fn with_bytes<T>(self, visit: impl FnOnce(&[u8], &[u8]) -> T) -> T {
        self.name.with_bytes(|name| self.value.with_bytes(|value| visit(name, value)))
    }
}
