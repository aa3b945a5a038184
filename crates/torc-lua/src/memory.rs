//! The allocator of an interpreter: the process's own, with a count, a limit, and small blocks at hand.
//!
//! ```text
//!   Memory of core 0 --lease--\
//!   Memory of core 1 --lease---> Budget: what all interpreters together may use
//! ```
//! At the limit Lua gets no memory, raises "not enough memory" in the script that asked, and goes on to be usable: a script that has
//! filled the memory holds it by its own values, which its end sets free.
//!
//! A core leases memory of the budget in pieces of [`LEASE_BYTES`], so that cores meet there seldom. Blocks of up to
//! [`SMALL_BYTES_MAX`] bytes that Lua gives back are kept, up to [`KEPT_BYTES_MAX`] together: strings and tables come and go with each run.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::interpreter::Shared;

/// What Lua's values may be cast to; small blocks are multiples of it.
const ALIGNMENT: usize = 16;

/// The largest block that is kept. None under the sanitizer, which is to see each block come and go.
const SMALL_BYTES_MAX: usize = if cfg!(torc_sanitize) { 0 } else { 256 };

/// Bytes of small blocks that an interpreter keeps.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// What an interpreter leases at least, and gives back when it has twice as much too many.
const LEASE_BYTES: usize = 64 << 10;

/// What interpreters may use together, one for each core.
#[derive(Debug)]
pub struct Budget {
    leased: AtomicUsize,
    max: AtomicUsize,
}

impl Budget {
    /// So many bytes for all of them; `usize::MAX` for no limit.
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { leased: AtomicUsize::new(0), max: AtomicUsize::new(max_bytes) })
    }

    /// From now on so many. What is used already stays.
    pub fn set_max(&self, max_bytes: usize) {
        self.max.store(max_bytes, Ordering::Relaxed);
    }

    /// Leases at least `needed` bytes, with some more if there are: how many. `None`: there are not so many.
    fn lease(&self, needed: usize) -> Option<usize> {
        let max = self.max.load(Ordering::Relaxed);
        [needed.saturating_add(LEASE_BYTES), needed].into_iter().filter(|wanted| *wanted <= max).find(|&wanted| {
            let leased = self.leased.fetch_add(wanted, Ordering::Relaxed);
            let is_there = leased.checked_add(wanted).is_some_and(|all| all <= max);
            if !is_there {
                self.give_back(wanted);
            }
            is_there
        })
    }

    fn give_back(&self, bytes: usize) {
        self.leased.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_half_full(&self) -> bool {
        self.leased.load(Ordering::Relaxed) > self.max.load(Ordering::Relaxed) / 2
    }
}

/// A small block that is not in use.
struct Kept {
    next: *mut Kept,
}

/// How much memory Lua has, and how much it may have.
pub(crate) struct Memory {
    used: Cell<usize>,
    /// What of the budget is this interpreter's. More may be used than that while the limit does not apply.
    leased: Cell<usize>,
    budget: Arc<Budget>,
    /// That the limit does not apply, see [`Memory::without_limit`].
    is_unlimited: Cell<bool>,
    /// That Lua has been refused memory since this was last read.
    refused: Cell<bool>,
    /// Small blocks by size, in units of [`ALIGNMENT`].
    kept: [Cell<*mut Kept>; SMALL_BYTES_MAX / ALIGNMENT + 1],
    kept_bytes: Cell<usize>,
}

impl Memory {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            used: Cell::new(0),
            leased: Cell::new(0),
            budget,
            is_unlimited: Cell::new(false),
            refused: Cell::new(false),
            kept: [const { Cell::new(ptr::null_mut()) }; SMALL_BYTES_MAX / ALIGNMENT + 1],
            kept_bytes: Cell::new(0),
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// Does what frees memory in the end, and needs a little of it before.
    pub(crate) fn without_limit(&self, task: impl FnOnce()) {
        self.is_unlimited.set(true);
        task();
        self.is_unlimited.set(false);
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.budget.is_half_full()
    }

    /// Whether Lua has been refused memory since the last call.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// What was refused has not been made up for.
    pub(crate) fn note_refused(&self) {
        self.refused.set(true);
    }

    /// Counts `bytes` more as used. False: there are not so many.
    #[inline]
    fn take(&self, bytes: usize) -> bool {
        let used = self.used.get().saturating_add(bytes);
        if used > self.leased.get() && !self.lease(used) {
            return false;
        }
        self.used.set(used);
        true
    }

    #[cold]
    fn lease(&self, used: usize) -> bool {
        match self.budget.lease(used - self.leased.get()) {
            Some(leased) => self.leased.set(self.leased.get() + leased),
            None if self.is_unlimited.get() => {}
            None => {
                self.refused.set(true);
                return false;
            }
        }
        true
    }

    /// Counts `bytes` as not used any more.
    #[inline]
    fn untake(&self, bytes: usize) {
        self.used.set(self.used.get() - bytes);
        if self.leased.get() > self.used.get() + 3 * LEASE_BYTES {
            let surplus = self.leased.get() - self.used.get() - LEASE_BYTES;
            self.leased.set(self.leased.get() - surplus);
            self.budget.give_back(surplus);
        }
    }

    /// A block of `bytes`, or null. Not counted here.
    #[inline]
    fn block(&self, bytes: usize) -> *mut u8 {
        if bytes <= SMALL_BYTES_MAX {
            let kept = &self.kept[bytes.div_ceil(ALIGNMENT)];
            let block = kept.get();
            if !block.is_null() {
                // SAFETY: what is kept is a block of that size that nobody uses, and begins with the next one.
                kept.set(unsafe { (*block).next });
                self.kept_bytes.set(self.kept_bytes.get() - bytes.next_multiple_of(ALIGNMENT));
                return block.cast();
            }
        }
        // SAFETY: the layout is not of no bytes, since none are asked for.
        unsafe { alloc(layout(bytes)) }
    }

    /// Takes back a block of `bytes`. Not counted here.
    #[inline]
    fn unblock(&self, block: *mut u8, bytes: usize) {
        if bytes <= SMALL_BYTES_MAX && self.kept_bytes.get() < KEPT_BYTES_MAX {
            let (kept, block) = (&self.kept[bytes.div_ceil(ALIGNMENT)], block.cast::<Kept>());
            // SAFETY: the block has at least the room of an alignment, and nobody uses it any more.
            unsafe { block.write(Kept { next: kept.get() }) };
            kept.set(block);
            self.kept_bytes.set(self.kept_bytes.get() + bytes.next_multiple_of(ALIGNMENT));
            return;
        }
        // SAFETY: the block was given out by `block` or by `realloc` for so many bytes.
        unsafe { dealloc(block, layout(bytes)) };
    }

    fn resize(&self, old_block: *mut u8, old: usize, new: usize) -> *mut u8 {
        if new > old && !self.take(new - old) {
            return ptr::null_mut();
        }
        let is_small = old.min(new) <= SMALL_BYTES_MAX;
        let block = if old_block.is_null() {
            self.block(new)
        } else if is_small && layout(old) == layout(new) {
            old_block
        } else if is_small {
            self.moved(old_block, old, new)
        } else {
            // SAFETY: the block was given out by `block` or by this call for `old` bytes; `new` is not zero.
            unsafe { realloc(old_block, layout(old), layout(new).size()) }
        };
        match (block.is_null(), new > old) {
            (true, true) => {
                self.refused.set(true);
                self.untake(new - old);
            }
            (false, false) => self.untake(old - new),
            _ => {}
        }
        block
    }

    fn moved(&self, old_block: *mut u8, old: usize, new: usize) -> *mut u8 {
        let block = self.block(new);
        if !block.is_null() {
            // SAFETY: both have so many bytes, and are not the same.
            unsafe { ptr::copy_nonoverlapping(old_block, block, old.min(new)) };
            self.unblock(old_block, old);
        }
        block
    }

    #[inline]
    fn release(&self, block: *mut u8, old: usize) {
        if !block.is_null() {
            self.unblock(block, old);
            self.untake(old);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (size, kept) in self.kept.iter().enumerate() {
            let mut block = kept.get();
            while !block.is_null() {
                // SAFETY: as in `block`.
                unsafe {
                    let next = (*block).next;
                    dealloc(block.cast(), layout(size * ALIGNMENT));
                    block = next;
                }
            }
        }
        self.budget.give_back(self.leased.get());
    }
}

/// How a block of `bytes` lies: small ones in steps of an alignment, so that one fits where another was.
#[inline]
fn layout(bytes: usize) -> Layout {
    let size = if bytes <= SMALL_BYTES_MAX { bytes.next_multiple_of(ALIGNMENT) } else { bytes };
    Layout::from_size_align(size, ALIGNMENT).expect("Lua asks for less than half the address space")
}

/// Lua's allocator: makes, resizes and releases blocks. `shared` is the [`Shared`] of the state.
///
/// # Safety
/// Called by Lua alone, with the pointer that was given to `lua_newstate`.
pub(crate) unsafe extern "C" fn allocate(
    shared: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the state was made with a pointer to its `Shared`, which outlives it.
    let shared = unsafe { &*shared.cast::<Shared>() };
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        shared.memory.release(block.cast(), old);
        return ptr::null_mut();
    }
    let block = shared.memory.resize(block.cast(), old, new);
    if shared.memory.used() > shared.patience_ends_at.get() {
        shared.lose_patience();
    }
    block.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_and_all_memory_goes_back() {
        let budget = Budget::new(1 << 20);
        let memory = Memory::new(Arc::clone(&budget));
        let mut blocks: Vec<(*mut u8, usize)> = Vec::new();
        let sizes = [1, 15, 16, 17, 40, 200, 256, 257, 300, 5000, 256, 8, 260];
        for round in 0..50usize {
            for (number, size) in sizes.into_iter().enumerate() {
                let size = size + round % 3;
                if let Some((block, old)) = blocks.get_mut(number) {
                    let moved = memory.resize(*block, *old, size);
                    // SAFETY: the block has so many bytes, of which the first was written below.
                    unsafe { assert_eq!(*moved, number as u8) };
                    (*block, *old) = (moved, size);
                } else {
                    let block = memory.resize(ptr::null_mut(), 0, size);
                    // SAFETY: the block has so many bytes.
                    unsafe { block.write_bytes(number as u8, size) };
                    blocks.push((block, size));
                }
            }
        }
        assert_eq!(memory.used(), blocks.iter().map(|(_, size)| size).sum::<usize>());
        for (block, size) in blocks {
            memory.release(block, size);
        }
        assert_eq!(memory.used(), 0);
        drop(memory);
        assert_eq!(budget.leased.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn interpreters_share_a_budget() {
        let budget = Budget::new(300_000);
        let (one, other) = (Memory::new(Arc::clone(&budget)), Memory::new(Arc::clone(&budget)));
        let block = one.resize(ptr::null_mut(), 0, 200_000);
        assert!(!block.is_null() && other.resize(ptr::null_mut(), 0, 200_000).is_null());
        assert!(other.take_refused() && !other.take_refused() && !one.take_refused());
        assert_eq!((one.used(), other.used()), (200_000, 0));
        one.release(block, 200_000);
        let block = other.resize(ptr::null_mut(), 0, 200_000);
        assert!(!block.is_null());
        budget.set_max(250_000);
        assert!(one.resize(ptr::null_mut(), 0, 70_000).is_null());
        one.without_limit(|| one.release(one.resize(ptr::null_mut(), 0, 70_000), 70_000));
        other.release(block, 200_000);
    }
}
