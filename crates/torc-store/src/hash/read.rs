//! A hash in any form, to be read as it is at a time: what has expired by then is not there.

use super::{Hash, pairs};
use crate::UnixMillis;
use crate::database::is_expired;
use crate::elements::Element;
use crate::object::Object;
use crate::pack::{Pack, Packed};
use crate::value::{Content, Kind, ValueRef};
use crate::workshop::Lens;

/// A field, with what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashField<'a> {
    /// The name. A name that lies in a table is given as bytes, even if it is the text of an integer.
    pub name: Packed<'a>,
    /// The value; given as bytes when it lies in a table, like the name.
    pub value: Packed<'a>,
    /// When it expires; it is gone after that millisecond.
    pub expire_at: Option<UnixMillis>,
}

impl<'a> HashField<'a> {
    fn of(element: Element<'a>) -> HashField<'a> {
        let (name, value) = (Packed::Bytes(element.name()), Packed::Bytes(element.value()));
        HashField { name, value, expire_at: element.expire_at() }
    }
}

/// Read access to a hash, packed or in a table. Fields that have expired at the time it was made for are left out.
#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a> {
    form: Form<'a>,
    now: UnixMillis,
}

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Pack(Pack<'a>),
    Table(&'a Hash, &'a Lens),
}

impl<'a> HashRef<'a> {
    /// Of a value that is a hash; panics otherwise.
    #[inline]
    pub fn of(value: ValueRef<'a>, now: UnixMillis) -> HashRef<'a> {
        assert!(value.kind() == Kind::Hash, "commands check the type first");
        let form = match value.content() {
            Content::Packed(bytes) => Form::Pack(Pack::new(bytes)),
            Content::Object(Object::Hash(hash)) => Form::Table(hash, value.lens()),
            Content::Object(_) | Content::Integers(_) => unreachable!("the kind says that it is a hash"),
        };
        HashRef { form, now }
    }

    /// Number of fields, expired ones not yet removed included: what HLEN answers.
    #[inline]
    pub fn len(self) -> usize {
        match self.form {
            Form::Pack(pack) => pack.len() / 2,
            Form::Table(hash, _) => hash.len(),
        }
    }

    /// Whether there are none; no hash stays so.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of fields that have not expired; counts them one by one if any has an expiry.
    #[inline]
    pub fn live_len(self) -> usize {
        if self.expires() { self.iter().count() } else { self.len() }
    }

    /// Whether any field has an expiry.
    #[inline]
    pub fn expires(self) -> bool {
        matches!(self.form, Form::Table(hash, _) if hash.fields.expires_len() > 0)
    }

    /// Whether it is in a table, where fields have no positions.
    pub fn is_table(self) -> bool {
        matches!(self.form, Form::Table(..))
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Packed<'a>> {
        match self.form {
            Form::Pack(pack) => pairs::find(pack, Packed::of(field)).map(|pair| pack.read(pair.value).0),
            Form::Table(..) => self.find(field).map(|found| found.value),
        }
    }

    /// A field with what goes with it.
    pub fn find(self, field: &[u8]) -> Option<HashField<'a>> {
        match self.form {
            Form::Pack(pack) => pairs::find(pack, Packed::of(field)).map(|pair| HashField {
                name: pack.read(pair.field).0,
                value: pack.read(pair.value).0,
                expire_at: None,
            }),
            Form::Table(hash, lens) => {
                let element = hash.fields.find(lens, field)?;
                let found = HashField::of(element);
                (!is_expired(found.expire_at, self.now)).then_some(found)
            }
        }
    }

    /// Whether a field has expired, but is not removed yet.
    pub fn has_expired(self, field: &[u8]) -> bool {
        match self.form {
            Form::Table(hash, lens) if hash.fields.expires_len() > 0 => {
                hash.fields.find(lens, field).is_some_and(|element| is_expired(element.expire_at(), self.now))
            }
            _ => false,
        }
    }

    /// Asks the CPU to fetch what a lookup of the field will need; for several fields.
    #[inline]
    pub fn prefetch(self, field: &[u8]) {
        if let Form::Table(hash, lens) = self.form {
            let _ = hash.fields.prefetch(lens, field);
        }
    }

    /// Shows all fields with their values, in the order of a pack, or in no particular order.
    #[inline]
    pub fn for_each(self, mut visit: impl FnMut(Packed<'a>, Packed<'a>)) {
        match self.form {
            Form::Pack(pack) => {
                let mut offset = pack.start();
                while offset < pack.end() {
                    let (field, at_value) = pack.read(offset);
                    let (value, next) = pack.read(at_value);
                    visit(field, value);
                    offset = next;
                }
            }
            Form::Table(hash, _) => hash.fields.for_each(|element| {
                if !is_expired(element.expire_at(), self.now) {
                    visit(Packed::Bytes(element.name()), Packed::Bytes(element.value()));
                }
            }),
        }
    }

    /// All fields, in the same order.
    pub fn iter(self) -> Box<dyn Iterator<Item = HashField<'a>> + 'a> {
        match self.form {
            Form::Pack(pack) => {
                let mut elements = pack.iter();
                Box::new(std::iter::from_fn(move || {
                    let name = elements.next()?;
                    let value = elements.next().expect("fields have values");
                    Some(HashField { name, value, expire_at: None })
                }))
            }
            Form::Table(hash, _) => {
                let is_live = move |field: &HashField<'_>| !is_expired(field.expire_at, self.now);
                Box::new(hash.fields.iter().map(HashField::of).filter(is_live))
            }
        }
    }

    /// The field at a position below the length; panics for a table.
    pub fn at(self, index: usize) -> HashField<'a> {
        let Form::Pack(pack) = self.form else { panic!("a table has no positions") };
        let (name, at_value) = pack.read(pack.offset_of(index * 2));
        HashField { name, value: pack.read(at_value).0, expire_at: None }
    }

    /// A field of a table chosen by the number `random`, each about equally likely; `None` if the choice has expired.
    /// Panics for a pack.
    pub fn random(self, random: u64) -> Option<HashField<'a>> {
        let Form::Table(hash, _) = self.form else { panic!("a pack has positions") };
        let field = HashField::of(hash.fields.random(random)?);
        (!is_expired(field.expire_at, self.now)).then_some(field)
    }
}
