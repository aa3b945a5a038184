//! Fields and values in the run of bytes of a pack.

use crate::pack::{self, PACK_HEADER_BYTES, Pack, Packed};

/// Offsets of a field and of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) field: usize,
    pub(super) value: usize,
}

/// Finds a field.
#[inline]
pub(super) fn find(pack: Pack<'_>, field: Packed<'_>) -> Option<Pair> {
    let field = pack.find(field, 2)?;
    Some(Pair { field, value: pack.next(field) })
}

/// Sets a field of a pack that is being built. True: it is new.
pub(super) fn set(out: &mut Vec<u8>, field: Packed<'_>, value: Packed<'_>, is_new: bool) -> bool {
    if !is_new && let Some(pair) = find(Pack::new(out), field) {
        let next = Pack::new(out).next(pair.value);
        let mut element = Vec::with_capacity(value.packed_len());
        pack::push(&mut element, value);
        out.splice(pair.value..next, element);
        return false;
    }
    pack::push(out, field);
    pack::push(out, value);
    true
}

/// An empty pack to build in, without the count.
pub(super) fn start(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; PACK_HEADER_BYTES]);
}
