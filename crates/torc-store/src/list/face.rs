//! A list whatever its form: [`ListRef`] to read one, [`ListMut`] to change one, [`create_list`] and [`build_list`] to make one.
//!
//! A list is a pack inside its entry while that is no bigger than a node may be, as in Redis, and becomes a [`List`] when
//! something is added that would not fit; it becomes a pack again at half of that size. A list that has lost its last element
//! is to be removed by the caller.

use std::ops::Range;

use super::List;
use super::limits::ListLimits;
use super::node::End;
use super::run::Run;
use super::walk::{Runs, RunsBack};
use crate::UnixMillis;
use crate::change::Part;
use crate::object::{CollectionForm, Object};
use crate::pack::{self, PACK_HEADER_BYTES, Pack, Packed};
use crate::value::{Content, Entry, Kind, Occupied, Vacant, ValueRef};
use crate::workshop::Workshop;

/// A list, to be read.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Packed(Run<'a>),
    Object(&'a List),
}

impl<'a> ListRef<'a> {
    /// Panics if the value is something else.
    #[inline]
    pub fn of(value: ValueRef<'a>) -> ListRef<'a> {
        assert!(value.kind() == Kind::List, "commands check the type first");
        match value.content() {
            Content::Packed(bytes) => ListRef(Form::Packed(Run::of_pack(Pack::new(bytes)))),
            Content::Object(Object::List(list)) => ListRef(Form::Object(list)),
            _ => unreachable!("a list is a pack or a list object"),
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self.0 {
            Form::Packed(run) => run.len(),
            Form::Object(list) => list.len(),
        }
    }

    /// Whether there are none, which is never so between commands.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element with this index.
    pub fn get(self, index: usize) -> Option<Packed<'a>> {
        (index < self.len()).then(|| match self.0 {
            Form::Packed(run) => run.get(index),
            Form::Object(list) => list.get(index),
        })
    }

    /// `count` elements from `start` on, run by run. Panics if there are not so many.
    #[inline]
    pub fn runs(self, start: usize, count: usize) -> Runs<'a> {
        match self.0 {
            Form::Packed(run) => Runs::of_run(run, start, count),
            Form::Object(list) => Runs::of_list(list, start, count),
        }
    }

    /// All elements in order.
    pub fn iter(self) -> impl Iterator<Item = Packed<'a>> {
        self.runs(0, self.len()).flat_map(Run::iter)
    }

    /// All elements from the last on.
    pub fn iter_back(self) -> impl Iterator<Item = Packed<'a>> {
        self.runs_back().flat_map(Run::iter_back)
    }

    /// Shows `visit` the indexes of the elements equal to `wanted`, beginning at an end, until it says false or `compared_max`
    /// elements have been compared.
    pub fn find_each(self, wanted: Packed<'_>, from: End, compared_max: usize, visit: impl FnMut(usize) -> bool) {
        match from {
            End::Front => self.find_forward(wanted, compared_max, visit),
            End::Back => self.find_backward(wanted, compared_max, visit),
        }
    }

    fn find_forward(self, wanted: Packed<'_>, compared_max: usize, mut visit: impl FnMut(usize) -> bool) {
        let mut index = 0;
        for run in self.runs(0, self.len().min(compared_max)) {
            if run.may_hold(wanted) {
                for (at, element) in run.iter().enumerate() {
                    if element == wanted && !visit(index + at) {
                        return;
                    }
                }
            }
            index += run.len();
        }
    }

    fn find_backward(self, wanted: Packed<'_>, compared_max: usize, mut visit: impl FnMut(usize) -> bool) {
        let (mut end, mut left) = (self.len(), compared_max);
        for run in self.runs_back() {
            if run.may_hold(wanted) {
                for (at, element) in run.iter_back().take(left).enumerate() {
                    if element == wanted && !visit(end - 1 - at) {
                        return;
                    }
                }
            }
            end -= run.len();
            left = left.saturating_sub(run.len());
            if left == 0 {
                return;
            }
        }
    }

    /// The indexes of so many elements at an end, at most all.
    fn outermost(self, end: End, count: usize) -> Range<usize> {
        match end {
            End::Front => 0..count,
            End::Back => self.len() - count..self.len(),
        }
    }

    fn runs_back(self) -> RunsBack<'a> {
        match self.0 {
            Form::Packed(run) => RunsBack::One(Some(run)),
            Form::Object(list) => RunsBack::of_list(list),
        }
    }
}

/// Makes a list of these elements, each added at an end one after another. There must be one.
pub fn create_list<'v, 'e>(
    vacant: Vacant<'v>,
    end: End,
    elements: impl DoubleEndedIterator<Item = &'e [u8]> + ExactSizeIterator + Clone,
    limits: ListLimits,
) -> Occupied<'v> {
    match Made::of(end, elements, limits) {
        Made::Pack(pack) => vacant.insert_packed(Kind::List, CollectionForm::Packed, &pack, None),
        Made::List(list) => vacant.insert_object(Object::List(list), None),
    }
}

/// Makes a list of these elements, in their order, that is an object although a pack might do.
pub fn create_list_object<'v, 'e>(
    vacant: Vacant<'v>,
    elements: impl ExactSizeIterator<Item = &'e [u8]>,
    limits: ListLimits,
) -> Occupied<'v> {
    assert!(elements.len() > 0, "there is no empty list");
    vacant.insert_object(Object::List(made_of(End::Back, elements, limits)), None)
}

/// Makes the value of a key a list of these elements, in their order, and its expiry this one, whatever it was before. There
/// must be an element.
pub fn build_list<'e>(
    entry: Entry<'_>,
    elements: impl DoubleEndedIterator<Item = &'e [u8]> + ExactSizeIterator + Clone,
    expire_at: Option<UnixMillis>,
    limits: ListLimits,
) {
    match (Made::of(End::Back, elements, limits), entry) {
        (Made::Pack(pack), Entry::Vacant(vacant)) => {
            vacant.insert_packed(Kind::List, CollectionForm::Packed, &pack, expire_at);
        }
        (Made::Pack(pack), Entry::Occupied(mut occupied)) => {
            occupied.replace_packed(Kind::List, CollectionForm::Packed, &pack, expire_at);
        }
        (Made::List(list), Entry::Vacant(vacant)) => drop(vacant.insert_object(Object::List(list), expire_at)),
        (Made::List(list), Entry::Occupied(mut occupied)) => occupied.replace_object(Object::List(list), expire_at),
    }
}

/// A new list in the form that it is to have.
enum Made {
    Pack(Vec<u8>),
    List(List),
}

impl Made {
    fn of<'e>(
        end: End,
        elements: impl DoubleEndedIterator<Item = &'e [u8]> + ExactSizeIterator + Clone,
        limits: ListLimits,
    ) -> Made {
        assert!(elements.len() > 0, "there is no empty list");
        let bytes = elements.clone().map(<[u8]>::len).sum();
        if limits.allow_pack(bytes, elements.len()) {
            let elements = elements.map(Packed::of);
            return Made::Pack(match end {
                End::Front => pack::pack_of(elements.rev()),
                End::Back => pack::pack_of(elements),
            });
        }
        Made::List(made_of(end, elements, limits))
    }
}

fn made_of<'e>(end: End, elements: impl Iterator<Item = &'e [u8]>, limits: ListLimits) -> List {
    let mut list = List::default();
    elements.for_each(|element| list.push(end, Packed::of(element), limits));
    list
}

/// So many elements must go as whole nodes to be handed over to whoever saves the list; fewer are copied.
const HANDED_OVER_MIN: usize = if cfg!(test) { 3 } else { 512 };

/// A list, to be changed.
#[derive(Debug)]
pub struct ListMut<'o, 'k> {
    occupied: &'o mut Occupied<'k>,
    limits: ListLimits,
}

impl<'o, 'k> ListMut<'o, 'k> {
    /// Panics if the value is something else.
    #[inline]
    pub fn of(occupied: &'o mut Occupied<'k>, limits: ListLimits) -> ListMut<'o, 'k> {
        assert!(occupied.value().kind() == Kind::List, "commands check the type first");
        ListMut { occupied, limits }
    }

    /// To read it.
    #[inline]
    pub fn list(&self) -> ListRef<'_> {
        ListRef::of(self.occupied.value())
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.list().len()
    }

    /// Whether nothing is left, and the key is to be removed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds elements at an end, one after another.
    #[inline]
    pub fn push<'e>(
        &mut self,
        end: End,
        elements: impl DoubleEndedIterator<Item = &'e [u8]> + ExactSizeIterator + Clone,
    ) {
        if let Some(run) = self.packed() {
            let (len, bytes) = (run.len() + elements.len(), run.bytes().len());
            let added: usize = elements.clone().map(<[u8]>::len).sum();
            if self.limits.allow_pack(bytes + added, len) {
                let at = PACK_HEADER_BYTES + if end == End::Front { 0 } else { bytes };
                let elements = elements.map(Packed::of);
                return self.occupied.edit_pack(at, 0, len, |out| match end {
                    End::Front => elements.rev().for_each(|element| pack::push(out, element)),
                    End::Back => elements.for_each(|element| pack::push(out, element)),
                });
            }
            self.unpack();
        }
        let (limits, at) = (self.limits, self.list().outermost(end, 0));
        self.edit(at, |list| elements.for_each(|element| list.push(end, Packed::of(element), limits)));
    }

    /// Takes the element at an end out, after `visit` has seen it. Panics if there is none.
    #[inline]
    pub fn pop(&mut self, end: End, visit: impl FnOnce(Packed<'_>)) {
        let Some(run) = self.packed() else {
            let (limits, at) = (self.limits, self.list().outermost(end, 1));
            let small = self.edit(at, |list| {
                list.pop(end, visit);
                list.is_small(limits)
            });
            if small {
                self.pack();
            }
            return;
        };
        let bytes = run.bytes().len();
        let (at, len) = if end == End::Front { (0, run.len() - 1) } else { (run.previous(bytes), run.len() - 1) };
        let (element, next) = run.read(at);
        visit(element);
        self.occupied.edit_pack(PACK_HEADER_BYTES + at, next - at, len, |_| {});
    }

    /// Takes so many elements out at an end, at most all.
    pub fn drop_elements(&mut self, end: End, count: usize) {
        let Some(run) = self.packed() else {
            let (indexes, whole) = (self.list().outermost(end, count), self.whole_nodes(end, count));
            let gone = self.occupied.edit_object(Part::End { indexes, whole }, |object, _| {
                let mut gone = List::default();
                list_of(object).drop_elements(end, count, &mut gone);
                gone
            });
            self.occupied.keep_gone(gone);
            return self.pack_if_small();
        };
        let len = run.len() - count;
        let (at, removed) = match end {
            End::Front => (0, run.offset_of(count)),
            End::Back => (run.offset_of(len), run.bytes().len() - run.offset_of(len)),
        };
        self.occupied.edit_pack(PACK_HEADER_BYTES + at, removed, len, |_| {});
    }

    /// Replaces the element with this index. Panics if there is none.
    pub fn set(&mut self, index: usize, element: &[u8]) {
        // As in Redis, which asks as if the element were added.
        self.make_fit(element, 1);
        let element = Packed::of(element);
        if let Some(run) = self.packed() {
            let at = run.offset_of(index);
            let (removed, len) = (run.read(at).1 - at, run.len());
            return self.occupied.edit_pack(PACK_HEADER_BYTES + at, removed, len, |out| pack::push(out, element));
        }
        let limits = self.limits;
        self.edit(index..index + 1, |list| list.set(index, element, limits));
        self.pack_if_small();
    }

    /// Puts an element before the one with this index, or behind the last.
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        self.make_fit(element, 1);
        let element = Packed::of(element);
        if let Some(run) = self.packed() {
            let (at, len) = (run.offset_of(index), run.len() + 1);
            return self.occupied.edit_pack(PACK_HEADER_BYTES + at, 0, len, |out| pack::push(out, element));
        }
        let limits = self.limits;
        self.edit(index..index, |list| list.insert(index, element, limits));
    }

    /// Removes the elements equal to `wanted`, at most `max` of them, the first or the last ones. Returns their number.
    pub fn remove_equal(&mut self, wanted: &[u8], max: usize, from: End) -> usize {
        let wanted = Packed::of(wanted);
        let limits = self.limits;
        let Some(run) = self.packed() else {
            let span = self.span_of_equal(wanted, max, from);
            if span.is_empty() {
                return 0;
            }
            let part = Part::Indexes(span);
            let remove =
                |object: &mut Object, _: &mut Workshop<'_>| list_of(object).remove_equal(wanted, max, from, limits);
            let removed = self.occupied.use_object(part, remove);
            if removed > 0 {
                self.occupied.note_change();
                self.pack_if_small();
            }
            return removed;
        };
        let equal = run.iter().filter(|element| *element == wanted).count();
        let removed = equal.min(max);
        if removed == 0 {
            return 0;
        }
        let (len, bytes) = (run.len() - removed, run.bytes().to_vec());
        // The equal ones are numbered from the front; those to go are consecutive numbers.
        let first = if from == End::Front { 0 } else { equal - removed };
        let mut number = 0;
        let kept = Run::new(&bytes, 0, run.len()).iter().filter(|element| {
            let gone = *element == wanted && (first..first + removed).contains(&number);
            number += usize::from(*element == wanted);
            !gone
        });
        self.occupied.edit_pack(PACK_HEADER_BYTES, bytes.len(), len, |out| {
            kept.for_each(|element| pack::push(out, element));
        });
        removed
    }

    /// The indexes of those of the outermost elements that go as whole nodes; none if that matters to nobody, or is not worth while.
    fn whole_nodes(&self, end: End, count: usize) -> Range<usize> {
        let count = match self.list().0 {
            Form::Object(list) if self.occupied.is_saving() => list.whole_nodes(end, count),
            _ => 0,
        };
        self.list().outermost(end, if count < HANDED_OVER_MIN { 0 } else { count })
    }

    /// Indexes from the first to the last element that [`ListMut::remove_equal`] removes, or more if that matters to nobody.
    fn span_of_equal(&self, wanted: Packed<'_>, max: usize, from: End) -> Range<usize> {
        if !self.occupied.is_saving() {
            return 0..self.len();
        }
        let (mut left, mut span) = (max, 0..0);
        self.list().find_each(wanted, from, usize::MAX, |at| {
            span = if span.is_empty() { at..at + 1 } else { span.start.min(at)..span.end.max(at + 1) };
            left = left.saturating_sub(1);
            left > 0
        });
        span
    }

    /// The elements, if the list is one pack.
    #[inline]
    fn packed(&self) -> Option<Run<'_>> {
        match self.list().0 {
            Form::Packed(run) => Some(run),
            Form::Object(_) => None,
        }
    }

    #[inline]
    fn edit<T>(&mut self, indexes: Range<usize>, change: impl FnOnce(&mut List) -> T) -> T {
        self.occupied.edit_object(Part::Indexes(indexes), |object, _| change(list_of(object)))
    }

    /// Unpacks the list if it would become too big with this element, which adds so many to the count.
    fn make_fit(&mut self, element: &[u8], added: usize) {
        let fits = self
            .packed()
            .is_none_or(|run| self.limits.allow_pack(run.bytes().len() + element.len(), run.len() + added));
        if !fits {
            self.unpack();
        }
    }

    /// Makes a list object of a pack.
    #[cold]
    fn unpack(&mut self) {
        let run = self.packed().expect("only a pack is unpacked");
        let mut list = List::default();
        run.iter().for_each(|element| list.push(End::Back, element, self.limits));
        self.occupied.convert_object(Object::List(list));
    }

    /// Makes a pack of a list object that has become small.
    fn pack_if_small(&mut self) {
        if matches!(self.list().0, Form::Object(list) if list.is_small(self.limits)) {
            self.pack();
        }
    }

    #[cold]
    fn pack(&mut self) {
        let pack = pack::pack_of(self.list().iter());
        self.occupied.convert_packed(CollectionForm::Packed, &pack);
    }
}

#[inline]
fn list_of(object: &mut Object) -> &mut List {
    match object {
        Object::List(list) => list,
        _ => unreachable!("the kind says that it is a list"),
    }
}
