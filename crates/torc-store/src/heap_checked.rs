//! The heap as the sanitizers see it, in place of the slab (`--cfg torc_sanitize`; `cargo xtask sanitize`).
//!
//! ```text
//! slab       slots of one size side by side in a page: a write beyond one lands in another, a freed one is used again at once
//! this one   | head: class, kind of heap | slot |    each an allocation of its own
//! ```
//! So the global allocator's checker knows where every slot begins and ends, whether it is still in use, which of its bytes were ever
//! written, and whether it was given back at the end. Slots have the sizes that the slab gives them, so that whatever is done in
//! place there is done in place here.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::heap::{HeapUse, SLOT_BYTES, SLOT_BYTES_MAX, TABLE_ALIGN, TablePart, class_of, is_entry_class};

/// Bytes before a slot; as many as its alignment asks for, and at least those of the class and the kind of heap.
const HEAD_BYTES: usize = TABLE_ALIGN;

/// Stands in for the slab heap, with the same interface; every slot is an allocation that the sanitizer watches.
#[derive(Debug)]
pub(crate) struct Heap {
    /// Whether it is that of a big table.
    of_table: bool,
    entries_bytes: usize,
    table_bytes: usize,
}

impl Heap {
    /// An empty heap for a shard.
    pub(crate) fn new() -> Heap {
        Heap { of_table: false, entries_bytes: 0, table_bytes: 0 }
    }

    /// An empty heap for one big table.
    pub(crate) fn of_table() -> Heap {
        Heap { of_table: true, entries_bytes: 0, table_bytes: 0 }
    }

    /// A slot of at least `size` bytes for an entry; its content is arbitrary.
    pub(crate) fn allocate(&mut self, size: usize) -> NonNull<u8> {
        assert!(size <= SLOT_BYTES_MAX, "larger values live in buffers of their own");
        let class = class_of(size);
        self.entries_bytes += slot_len(class);
        take_slot(class, self.of_table)
    }

    /// A slot for a part of the table, aligned to 128 bytes; its content is arbitrary.
    pub(crate) fn allocate_part(&mut self, part: TablePart) -> NonNull<u8> {
        let class = part.class();
        self.table_bytes += slot_len(class);
        take_slot(class, self.of_table)
    }

    /// Frees a slot of either kind.
    ///
    /// # Safety
    /// `slot` came from this heap, wasn't freed since, and nothing refers to it any more.
    pub(crate) unsafe fn free(&mut self, slot: NonNull<u8>) {
        // SAFETY: the slot is live, as the caller promises; its allocation begins with its head, and its layout follows from the class.
        unsafe {
            let class = class_at(slot);
            assert!(is_of_table(slot) == self.of_table, "a slot returns to the heap it came from");
            let counted = if is_entry_class(class) { &mut self.entries_bytes } else { &mut self.table_bytes };
            *counted -= slot_len(class);
            dealloc(slot.as_ptr().sub(HEAD_BYTES), layout_of(class));
        }
    }

    /// Nothing waits here to be given back.
    pub(crate) fn defer_returns(&mut self, _is_deferring: bool) {}

    /// Nothing waits here to be given back.
    pub(crate) fn return_some(&mut self) -> bool {
        false
    }

    /// Nothing is kept here.
    pub(crate) fn purge(&mut self) {}

    /// Nothing waits here to be given back.
    pub(crate) fn has_excess(&self) -> bool {
        false
    }

    /// Size of the slot, which may exceed what was asked for.
    ///
    /// # Safety
    /// `slot` is a live slot of some heap.
    pub(crate) unsafe fn slot_bytes(slot: NonNull<u8>) -> usize {
        // SAFETY: as the caller promises.
        slot_len(unsafe { class_at(slot) })
    }

    /// Present use, without what the allocator adds.
    pub(crate) fn usage(&self) -> HeapUse {
        HeapUse { entries: self.entries_bytes, table: self.table_bytes, pages: self.entries_bytes + self.table_bytes }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let empty = self.entries_bytes == 0 && self.table_bytes == 0;
        assert!(empty || std::thread::panicking(), "everything is freed first");
    }
}

fn take_slot(class: usize, of_table: bool) -> NonNull<u8> {
    let layout = layout_of(class);
    // SAFETY: the size isn't zero, and the head has room for the class.
    let slot = unsafe {
        let start = alloc(layout);
        if start.is_null() {
            handle_alloc_error(layout);
        }
        start.cast::<usize>().write(class);
        start.cast::<usize>().add(1).write(of_table.into());
        start.add(HEAD_BYTES)
    };
    // Slots are stored as integers in the table; this allows turning them back.
    slot.expose_provenance();
    NonNull::new(slot).expect("an address inside an allocation isn't null")
}

/// # Safety
/// `slot` is live.
unsafe fn class_at(slot: NonNull<u8>) -> usize {
    // SAFETY: a live slot has its head before it.
    unsafe { slot.as_ptr().sub(HEAD_BYTES).cast::<usize>().read() }
}

/// # Safety
/// `slot` is live.
unsafe fn is_of_table(slot: NonNull<u8>) -> bool {
    // SAFETY: as in `class_at`.
    unsafe { slot.as_ptr().sub(HEAD_BYTES).cast::<usize>().add(1).read() != 0 }
}

fn slot_len(class: usize) -> usize {
    SLOT_BYTES[class].into()
}

fn layout_of(class: usize) -> Layout {
    Layout::from_size_align(HEAD_BYTES + slot_len(class), TABLE_ALIGN).expect("slots are small")
}
