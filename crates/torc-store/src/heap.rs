//! The slab heap: fixed-size slots in 64 KiB pages, for entries and for the table's parts.
//!
//! ```text
//! chunk, 4 MiB, aligned to 64 KiB        page, 64 KiB
//! +------+------+------+-- ... --+       +--------+------+------+------+- ... -+------+
//! | page | page | page |         |       | header | slot | slot | slot |       | tail |
//! +------+------+------+-- ... --+       +--------+------+------+------+- ... -+------+
//! ```
//!
//! Size classes go in steps of 2 bytes up to 128, of 8 up to 256 and of about 1/8 beyond: a
//! general allocator's 16-byte steps would cost a typical entry 10 bytes. A slot's page is
//! found by masking its address. Free slots form an intrusive list (their first two bytes
//! hold the offset of the next); slots never used are taken in address order, so that the
//! rest of a fresh page isn't resident yet. Empty pages are kept warm up to a handful, then
//! given back to the system; so are whole chunks.
//!
//! A shard has one heap for all its keys. A big table has one of its own, so that it can go to another
//! shard with all it holds. Such a heap begins with chunks of two pages from the global allocator, as there
//! may be many of them and a process may have some 65,000 mappings only; it takes whole chunks when it has 2 MiB.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

/// Largest slot for an entry, in bytes.
pub(crate) const SLOT_BYTES_MAX: usize = 1024;

const PAGE_BYTES: usize = 64 << 10;
const CHUNK_PAGES: usize = if cfg!(miri) { 4 } else { 64 };
const CHUNK_BYTES: usize = CHUNK_PAGES * PAGE_BYTES;
/// Pages of the chunks with which the heap of a table begins.
const SMALL_CHUNK_PAGES: usize = 2;
/// Most pages with which the heap of a table still takes small chunks.
const SMALL_CHUNKS_END: usize = 32;
const WARM_PAGES_MAX: usize = 16;
const WARM_PAGES_OF_TABLE_MAX: usize = 2;
/// Pages that one call of `return_some` gives back: some 20 microseconds' work.
const PAGES_RETURNED_AT_ONCE: usize = 4;

const FINE_CLASSES: usize = 61; // 8, 10, .. 128
const MIDDLE_CLASSES: usize = 16; // 136, 144, .. 256
const COARSE_CLASSES: usize = 16; // 288 .. 512 by 32, 576 .. 1024 by 64
const ENTRY_CLASSES: usize = FINE_CLASSES + MIDDLE_CLASSES + COARSE_CLASSES;
const CLASSES: usize = ENTRY_CLASSES + 2;

/// What a slot of the table's own classes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TablePart {
    /// A segment's header.
    Header,
    /// A block of groups.
    Block,
}

/// Bytes of a segment header's slot.
pub(crate) const HEADER_BYTES: usize = 128;
/// Bytes of a block's slot: 7 groups; 73 of them and the page header fill a page exactly.
pub(crate) const BLOCK_BYTES: usize = 896;
/// Alignment of both.
pub(crate) const TABLE_ALIGN: usize = 128;

/// Lies at the start of every page.
#[repr(C)]
struct Page {
    next: *mut Page,
    previous: *mut Page,
    chunk: u32,
    /// Offset of the first slot never used.
    fresh: u32,
    /// Offset of the first free slot that was used before; 0 when there is none.
    free: u16,
    used: u16,
    slot_bytes: u16,
    class: u8,
    /// Whether the heap is that of a table.
    of_table: bool,
}

const _: () = assert!(size_of::<Page>() <= 32 && PAGE_BYTES - TABLE_ALIGN == 73 * BLOCK_BYTES);

impl Page {
    fn is_full(&self) -> bool {
        self.free == 0 && self.fresh as usize + self.slot_bytes as usize > PAGE_BYTES
    }
}

/// Memory of the heap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeapUse {
    /// Allocated entry slots.
    pub(crate) entries: usize,
    /// Allocated slots of the table.
    pub(crate) table: usize,
    /// Pages held, in use or warm; of the heap of a table, what was touched of them.
    pub(crate) pages: usize,
}

/// The heap of one shard, or of one big table.
#[derive(Debug)]
pub(crate) struct Heap {
    /// Per class, the pages with room.
    partial: [*mut Page; CLASSES],
    warm: Vec<*mut Page>,
    /// Empty pages that go back to the system a few at a time.
    excess: Vec<*mut Page>,
    /// Whether pages that become empty now are added to those.
    is_deferring: bool,
    of_table: bool,
    chunks: ChunkStore,
    entries_bytes: usize,
    table_bytes: usize,
    pages: usize,
    /// Bytes of the pages up to where their slots were ever used.
    touched_bytes: usize,
}

impl Heap {
    /// An empty heap for a shard; it holds no memory until the first allocation.
    pub(crate) fn new() -> Heap {
        Heap::made(false)
    }

    /// An empty heap for one big table. Its empty pages always wait for [`Heap::return_some`].
    pub(crate) fn of_table() -> Heap {
        Heap::made(true)
    }

    fn made(of_table: bool) -> Heap {
        Heap {
            partial: [ptr::null_mut(); CLASSES],
            warm: Vec::new(),
            excess: Vec::new(),
            is_deferring: of_table,
            of_table,
            chunks: ChunkStore::default(),
            entries_bytes: 0,
            table_bytes: 0,
            pages: 0,
            touched_bytes: 0,
        }
    }

    /// A slot of at least `size` bytes for an entry; its content is arbitrary.
    pub(crate) fn allocate(&mut self, size: usize) -> NonNull<u8> {
        assert!(size <= SLOT_BYTES_MAX, "larger values live in buffers of their own");
        let class = class_of(size);
        self.entries_bytes += SLOT_BYTES[class] as usize;
        self.take_slot(class)
    }

    /// A slot for a part of the table, aligned to 128 bytes; its content is arbitrary.
    pub(crate) fn allocate_part(&mut self, part: TablePart) -> NonNull<u8> {
        let class = part.class();
        self.table_bytes += SLOT_BYTES[class] as usize;
        self.take_slot(class)
    }

    /// Frees a slot of either kind.
    ///
    /// # Safety
    /// `slot` came from this heap, wasn't freed since, and nothing refers to it any more.
    pub(crate) unsafe fn free(&mut self, slot: NonNull<u8>) {
        let page_pointer = page_of(slot);
        // SAFETY: the slot is live, so its page is, and pages are only reached from here.
        let page = unsafe { &mut *page_pointer };
        assert!(page.of_table == self.of_table, "a slot returns to the heap it came from");
        let bytes = page.slot_bytes as usize;
        if is_entry_class(page.class.into()) {
            self.entries_bytes -= bytes;
        } else {
            self.table_bytes -= bytes;
        }
        let was_full = page.is_full();
        // SAFETY: the slot has at least 8 bytes, now ours.
        unsafe { slot.as_ptr().cast::<u16>().write_unaligned(page.free) };
        page.free = (slot.as_ptr().addr() & (PAGE_BYTES - 1)) as u16;
        page.used -= 1;
        if was_full {
            self.link(page_pointer);
        }
        // SAFETY: as above; `link` is done with the page.
        if unsafe { (*page_pointer).used } == 0 {
            self.unlink(page_pointer);
            self.retire(page_pointer);
        }
    }

    /// Whether pages that become empty from now on wait for [`Heap::return_some`]. The entries of a big table lie all over the
    /// heap: thousands of pages become empty with the last few of them, and each takes some microseconds to give back.
    pub(crate) fn defer_returns(&mut self, is_deferring: bool) {
        self.is_deferring = is_deferring;
    }

    /// Gives a few pages that wait for it back to the system. False: none did.
    pub(crate) fn return_some(&mut self) -> bool {
        for returned in 0..PAGES_RETURNED_AT_ONCE {
            let Some(page) = self.excess.pop() else { return returned > 0 };
            self.give_back(page);
        }
        true
    }

    /// Gives all empty pages back to the system.
    pub(crate) fn purge(&mut self) {
        while let Some(page) = self.warm.pop().or_else(|| self.excess.pop()) {
            self.give_back(page);
        }
    }

    /// Whether pages wait for [`Heap::return_some`].
    pub(crate) fn has_excess(&self) -> bool {
        !self.excess.is_empty()
    }

    /// Size of the slot, which may exceed what was asked for.
    ///
    /// # Safety
    /// `slot` is a live slot of some heap.
    pub(crate) unsafe fn slot_bytes(slot: NonNull<u8>) -> usize {
        // SAFETY: the slot is live, hence its page.
        unsafe { (*page_of(slot)).slot_bytes as usize }
    }

    /// Present use.
    pub(crate) fn usage(&self) -> HeapUse {
        // Of many heaps with few pages, what is not touched yet would be most of it.
        let pages = if self.of_table { self.touched_bytes } else { self.pages * PAGE_BYTES };
        HeapUse { entries: self.entries_bytes, table: self.table_bytes, pages }
    }

    fn take_slot(&mut self, class: usize) -> NonNull<u8> {
        if self.partial[class].is_null() {
            self.open_page(class);
        }
        let page_pointer = self.partial[class];
        // SAFETY: pages in the partial lists are live and only reached from here.
        let page = unsafe { &mut *page_pointer };
        let offset = if page.free != 0 {
            let offset = page.free as usize;
            // SAFETY: a free slot of this page, whose first two bytes link to the next.
            page.free = unsafe { page_pointer.byte_add(offset).cast::<u16>().read_unaligned() };
            offset
        } else {
            let offset = page.fresh as usize;
            page.fresh += u32::from(page.slot_bytes);
            self.touched_bytes += page.slot_bytes as usize;
            offset
        };
        page.used += 1;
        if page.is_full() {
            self.unlink(page_pointer);
        }
        // SAFETY: the offset is that of a slot inside the page.
        let slot = unsafe { page_pointer.byte_add(offset) };
        NonNull::new(slot.cast()).expect("an address inside a page isn't null")
    }

    fn open_page(&mut self, class: usize) {
        let page = match self.warm.pop().or_else(|| self.excess.pop()) {
            Some(page) => {
                // SAFETY: as in `give_back`.
                self.touched_bytes -= unsafe { (*page).fresh } as usize;
                page
            }
            None => {
                self.pages += 1;
                self.chunks.take_page(self.of_table && self.pages <= SMALL_CHUNKS_END)
            }
        };
        let first = if is_entry_class(class) { size_of::<Page>() } else { TABLE_ALIGN };
        self.touched_bytes += first;
        // SAFETY: the page is writable memory of 64 KiB nobody else uses; its chunk number was
        // written by `take_page`.
        unsafe {
            let chunk = (*page).chunk;
            let slot_bytes = SLOT_BYTES[class];
            let (next, previous) = (ptr::null_mut(), ptr::null_mut());
            let (fresh, class) = (first as u32, class as u8);
            let of_table = self.of_table;
            page.write(Page { next, previous, chunk, fresh, free: 0, used: 0, slot_bytes, class, of_table });
        }
        self.link(page);
    }

    /// Puts a page at the head of its class's list.
    fn link(&mut self, page: *mut Page) {
        // SAFETY: `page` and every page of the lists are live; only the heap reaches them.
        unsafe {
            let head = &mut self.partial[(*page).class as usize];
            (*page).previous = ptr::null_mut();
            (*page).next = *head;
            if !head.is_null() {
                (**head).previous = page;
            }
            *head = page;
        }
    }

    fn unlink(&mut self, page: *mut Page) {
        // SAFETY: as in `link`; the page is on its class's list.
        unsafe {
            let Page { next, previous, class, .. } = *page;
            if previous.is_null() {
                self.partial[class as usize] = next;
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }

    fn retire(&mut self, page: *mut Page) {
        if self.warm.len() < if self.of_table { WARM_PAGES_OF_TABLE_MAX } else { WARM_PAGES_MAX } {
            self.warm.push(page);
        } else if self.is_deferring {
            self.excess.push(page);
        } else {
            self.give_back(page);
        }
    }

    fn give_back(&mut self, page: *mut Page) {
        self.pages -= 1;
        // SAFETY: a page of this heap, unused, whose header is as its last use left it.
        self.touched_bytes -= unsafe { (*page).fresh } as usize;
        self.chunks.return_page(page);
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let empty = self.entries_bytes == 0 && self.table_bytes == 0;
        assert!(empty || std::thread::panicking(), "everything is freed first");
        for page in std::mem::take(&mut self.warm).into_iter().chain(std::mem::take(&mut self.excess)) {
            self.chunks.return_page(page);
        }
    }
}

impl TablePart {
    /// The class of its slots.
    pub(crate) fn class(self) -> usize {
        match self {
            TablePart::Header => ENTRY_CLASSES,
            TablePart::Block => ENTRY_CLASSES + 1,
        }
    }
}

fn page_of(slot: NonNull<u8>) -> *mut Page {
    slot.as_ptr().map_addr(|address| address & !(PAGE_BYTES - 1)).cast()
}

/// Slot size of every class.
pub(crate) const SLOT_BYTES: [u16; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let (mut class, mut size) = (0, 8);
    while class < ENTRY_CLASSES {
        sizes[class] = size;
        size += match size {
            0..128 => 2,
            128..256 => 8,
            256..512 => 32,
            _ => 64,
        };
        class += 1;
    }
    sizes[ENTRY_CLASSES] = HEADER_BYTES as u16;
    sizes[ENTRY_CLASSES + 1] = BLOCK_BYTES as u16;
    sizes
};

const _: () = assert!(SLOT_BYTES[ENTRY_CLASSES - 1] as usize == SLOT_BYTES_MAX);

/// The class of the smallest slot that holds `size` bytes.
pub(crate) fn class_of(size: usize) -> usize {
    match size {
        0..=8 => 0,
        9..=128 => (size - 7) / 2,
        129..=256 => FINE_CLASSES + (size - 129) / 8,
        257..=512 => FINE_CLASSES + MIDDLE_CLASSES + (size - 257) / 32,
        _ => FINE_CLASSES + MIDDLE_CLASSES + 8 + (size - 513) / 64,
    }
}

/// Whether slots of a class are for entries, not for parts of the table.
pub(crate) fn is_entry_class(class: usize) -> bool {
    class < ENTRY_CLASSES
}

/// Chunks of 64 pages or two, and which of their pages are free.
#[derive(Debug, Default)]
struct ChunkStore {
    chunks: Vec<Chunk>,
    /// Numbers of the chunks with free pages.
    open: Vec<u32>,
    /// Numbers not in use.
    vacant: Vec<u32>,
}

#[derive(Debug)]
struct Chunk {
    base: *mut u8,
    /// One bit per free page.
    free: u64,
    /// Whether it came from the global allocator, with few pages.
    is_small: bool,
    /// Place in `open`; meaningless when the chunk has no free page.
    place: usize,
}

impl Chunk {
    /// The bits of all its pages.
    fn all_pages(&self) -> u64 {
        u64::MAX >> (64 - if self.is_small { SMALL_CHUNK_PAGES } else { CHUNK_PAGES })
    }
}

impl ChunkStore {
    /// A page of which only the chunk number is written; its memory is resident when touched. `small`: a chunk that is made for it has few
    /// pages.
    fn take_page(&mut self, small: bool) -> *mut Page {
        if self.open.is_empty() {
            self.open_chunk(small);
        }
        let number = *self.open.last().expect("there is an open chunk now");
        let chunk = &mut self.chunks[number as usize];
        let index = chunk.free.trailing_zeros() as usize;
        chunk.free &= chunk.free - 1;
        if chunk.free == 0 {
            self.open.pop();
        }
        // SAFETY: page `index` lies inside the chunk, is writable, and was free.
        unsafe {
            let page = chunk.base.add(index * PAGE_BYTES).cast::<Page>();
            (&raw mut (*page).chunk).write(number);
            page
        }
    }

    /// Takes an unused page back and tells the system that its memory isn't needed.
    fn return_page(&mut self, page: *mut Page) {
        // SAFETY: the page was handed out by `take_page` and is unused now.
        let number = unsafe { (*page).chunk };
        let chunk = &mut self.chunks[number as usize];
        let index = (page.addr() - chunk.base.addr()) / PAGE_BYTES;
        if chunk.free == 0 {
            chunk.place = self.open.len();
            self.open.push(number);
        }
        chunk.free |= 1 << index;
        if chunk.free == chunk.all_pages() {
            self.close_chunk(number);
        } else {
            discard_page(page);
        }
    }

    fn open_chunk(&mut self, small: bool) {
        let base = if small { allocate_chunk(SMALL_CHUNK_PAGES) } else { map_chunk() };
        // Slots are stored as integers in the table; this allows turning them back.
        base.expose_provenance();
        let mut chunk = Chunk { base, free: 0, is_small: small, place: self.open.len() };
        chunk.free = chunk.all_pages();
        let number = self.vacant.pop().unwrap_or(self.chunks.len() as u32);
        if number as usize == self.chunks.len() {
            self.chunks.push(chunk);
        } else {
            self.chunks[number as usize] = chunk;
        }
        self.open.push(number);
    }

    fn close_chunk(&mut self, number: u32) {
        let Chunk { base, is_small, place, .. } = self.chunks[number as usize];
        self.open.swap_remove(place);
        if let Some(&moved) = self.open.get(place) {
            self.chunks[moved as usize].place = place;
        }
        self.vacant.push(number);
        // SAFETY: made by `allocate_chunk` or `map_chunk`, as it says; all of its pages are unused.
        unsafe {
            if is_small {
                dealloc(base, chunk_layout(SMALL_CHUNK_PAGES));
            } else {
                unmap_chunk(base);
            }
        }
    }
}

fn chunk_layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_BYTES, PAGE_BYTES).expect("both are powers of two")
}

fn allocate_chunk(pages: usize) -> *mut u8 {
    let layout = chunk_layout(pages);
    // SAFETY: the size isn't zero.
    let base = unsafe { alloc(layout) };
    if base.is_null() {
        handle_alloc_error(layout);
    }
    base
}

#[cfg(miri)]
fn map_chunk() -> *mut u8 {
    allocate_chunk(CHUNK_PAGES)
}

#[cfg(miri)]
unsafe fn unmap_chunk(base: *mut u8) {
    // SAFETY: the caller passes a chunk of `map_chunk`.
    unsafe { dealloc(base, chunk_layout(CHUNK_PAGES)) };
}

#[cfg(miri)]
fn discard_page(_page: *mut Page) {}

/// Maps a chunk aligned to the page size, by mapping more and cutting the ends off.
#[cfg(not(miri))]
fn map_chunk() -> *mut u8 {
    let whole = crate::large::map(CHUNK_BYTES + PAGE_BYTES);
    let lead = whole.align_offset(PAGE_BYTES);
    // SAFETY: both ranges are page aligned, inside the fresh mapping, and unused.
    unsafe {
        if lead > 0 {
            crate::large::unmap(whole, lead);
        }
        let base = whole.add(lead);
        if lead < PAGE_BYTES {
            crate::large::unmap(base.add(CHUNK_BYTES), PAGE_BYTES - lead);
        }
        base
    }
}

#[cfg(not(miri))]
unsafe fn unmap_chunk(base: *mut u8) {
    // SAFETY: the caller passes a chunk of `map_chunk`.
    unsafe { crate::large::unmap(base, CHUNK_BYTES) };
}

#[cfg(not(miri))]
fn discard_page(page: *mut Page) {
    // SAFETY: the page is aligned, mapped, and its content isn't needed any more.
    let result = unsafe { libc::madvise(page.cast(), PAGE_BYTES, libc::MADV_DONTNEED) };
    assert_eq!(result, 0, "discarding a mapped page of our own cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_the_smallest_slot_that_holds_it() {
        assert_eq!(SLOT_BYTES[ENTRY_CLASSES - 1] as usize, SLOT_BYTES_MAX);
        for size in 0..=SLOT_BYTES_MAX {
            let class = class_of(size);
            assert!(SLOT_BYTES[class] as usize >= size, "size {size}");
            assert!(class == 0 || (SLOT_BYTES[class - 1] as usize) < size, "size {size}");
        }
    }

    #[test]
    fn slots_are_disjoint_keep_their_content_and_return() {
        let mut heap = Heap::new();
        let mut slots = Vec::new();
        let count = if cfg!(miri) { 200 } else { 40_000 };
        for round in 0..3u8 {
            for index in 0..count {
                let size = 8 + index * 7 % 500;
                let slot = heap.allocate(size);
                // SAFETY: the slot has at least `size` bytes.
                unsafe { ptr::write_bytes(slot.as_ptr(), index as u8 ^ round, size) };
                slots.push((slot, size, index as u8 ^ round));
            }
            let mut index = 0;
            slots.retain(|&(slot, size, byte)| {
                index += 1;
                // SAFETY: `size` bytes were written above.
                let content = unsafe { std::slice::from_raw_parts(slot.as_ptr(), size) };
                assert!(content.iter().all(|&found| found == byte));
                if index % 3 != 0 {
                    // SAFETY: a live slot that `retain` forgets now.
                    unsafe { heap.free(slot) };
                }
                index % 3 == 0
            });
        }
        for (slot, ..) in slots {
            // SAFETY: a live slot, freed once.
            unsafe { heap.free(slot) };
        }
        assert_eq!(heap.usage().entries, 0);
        assert!(heap.usage().pages <= WARM_PAGES_MAX * PAGE_BYTES);
    }

    #[test]
    fn parts_of_the_table_are_aligned() {
        let mut heap = Heap::new();
        let parts: Vec<_> =
            [TablePart::Header, TablePart::Block, TablePart::Block].map(|part| heap.allocate_part(part)).into();
        assert_eq!(heap.usage().table, HEADER_BYTES + 2 * BLOCK_BYTES);
        for part in parts {
            assert_eq!(part.as_ptr().addr() % TABLE_ALIGN, 0);
            // SAFETY: live, freed once.
            unsafe { heap.free(part) };
        }
    }
}
